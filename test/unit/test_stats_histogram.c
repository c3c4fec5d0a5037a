/* histogram: which bucket a duration falls in. */
#include "pgpooler/stats.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *what;
    usec duration;
    int bucket;
} cases[] = {
    {"a clock that went back", -5, 0},
    {"nothing", 0, 0},
    {"the first bound belongs to its bucket", 1, 0},
    {"just above it", 2, 1},
    {"between bounds", 3, 2},
    {"a bound", 4, 2},
    {"just above a bound", 5, 3},
    {"a millisecond", 1000, 10},
    {"the last bound", 1 << 26, 26},
    {"just above the last bound", (1 << 26) + 1, 27},
    {"far above it", INT64_MAX, 27},
};

START_TEST(buckets_of_durations)
{
    struct histogram h = {0};
    histogram_record(&h, cases[_i].duration);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        ck_assert_msg(h.buckets[i] == (i == cases[_i].bucket), "%s: bucket %d", cases[_i].what, i);
    ck_assert_msg(h.sum == (cases[_i].duration > 0 ? (uint64_t)cases[_i].duration : 0), "%s: sum", cases[_i].what);
}
END_TEST

START_TEST(every_duration_is_within_the_bounds_of_its_bucket)
{
    ck_assert_int_eq(histogram_bound(0), 1);
    ck_assert_int_eq(histogram_bound(HISTOGRAM_BUCKETS - 1), USEC_NEVER);
    for (usec duration = 1; duration < 100 * USEC_PER_SEC; duration = duration * 21 / 20 + 1) {
        struct histogram h = {0};
        int bucket = 0;
        histogram_record(&h, duration);
        while (h.buckets[bucket] == 0)
            bucket++;
        ck_assert_msg(duration <= histogram_bound(bucket), "%ld", (long)duration);
        ck_assert_msg(bucket == 0 || duration > histogram_bound(bucket - 1), "%ld", (long)duration);
    }
}
END_TEST

START_TEST(histograms_add_up)
{
    struct histogram a = {0}, b = {0};
    histogram_record(&a, 1);
    histogram_record(&a, 1000);
    histogram_record(&b, 1000);
    histogram_add(&a, &b);
    ck_assert_uint_eq(histogram_count(&a), 3);
    ck_assert_uint_eq(a.sum, 2001);
    ck_assert_uint_eq(a.buckets[10], 2);
    ck_assert_uint_eq(histogram_count(&b), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_stats_histogram");
    TCase *tests = tcase_create("histogram");
    tcase_add_loop_test(tests, buckets_of_durations, 0, sizeof(cases) / sizeof(*cases));
    tcase_add_test(tests, every_duration_is_within_the_bounds_of_its_bucket);
    tcase_add_test(tests, histograms_add_up);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
