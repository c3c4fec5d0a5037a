/* average: windows of one to two periods, and what each average is over. */
#include "pgpooler/stats.h"

#include <check.h>
#include <stdlib.h>

#define START  (1000 * USEC_PER_SEC)
#define PERIOD (60 * USEC_PER_SEC)

START_TEST(each_counter_has_its_own_divisor)
{
    struct stats_history h;
    struct stats_console average;
    stats_history_init(&h, START);
    struct stats totals = {
        .server_assignment_count = 40,
        .xact_count = 30,
        .query_count = 70,
        .received = 1000,
        .sent = 5009,
        .xact_time = 3029,
        .query_time = 7069,
        .wait_time = 80,
        .client_parse_count = 9,
        .server_parse_count = 19,
        .bind_count = 20,
        .client_login_count = 10,
    };
    stats_average(&h, &totals, START + 9 * USEC_PER_SEC, &average); /* 10 seconds with the one before the start */
    ck_assert_uint_eq(average.server_assignment_count, 4);
    ck_assert_uint_eq(average.xact_count, 3);
    ck_assert_uint_eq(average.query_count, 7);
    ck_assert_uint_eq(average.received, 100);
    ck_assert_uint_eq(average.sent, 500);
    ck_assert_uint_eq(average.xact_time, 100);
    ck_assert_uint_eq(average.query_time, 100);
    ck_assert_uint_eq(average.wait_time, 2);
    ck_assert_uint_eq(average.client_parse_count, 0);
    ck_assert_uint_eq(average.server_parse_count, 1);
    ck_assert_uint_eq(average.bind_count, 2);
    ck_assert_uint_eq(average.client_login_count, 1);
}
END_TEST

START_TEST(the_window_is_one_to_two_periods)
{
    struct stats_history h;
    struct stats_console average;
    struct stats totals = {0};
    usec now = START;
    stats_history_init(&h, now);

    /* 60, 120 and 180 queries in the first three periods */
    for (uint64_t period = 1; period <= 3; period++) {
        now += PERIOD;
        totals.query_count += 60 * period;
        stats_history_shift(&h, &totals, now);
        stats_average(&h, &totals, now, &average);
        if (period > 1) /* the first is a second longer */
            ck_assert_uint_eq(average.query_count, period);
    }
    totals.query_count += 420; /* half a period later: 600 in 90 seconds */
    stats_average(&h, &totals, now + PERIOD / 2, &average);
    ck_assert_uint_eq(average.query_count, (180 + 420) / 90);
}
END_TEST

START_TEST(the_first_moment_counts_as_a_second)
{
    struct stats_history h;
    struct stats_console average;
    stats_history_init(&h, START);
    stats_average(&h, &(struct stats){.query_count = 5}, START + 1000, &average);
    ck_assert_uint_eq(average.query_count, 4); /* 5 in 1.001 seconds */
}
END_TEST

START_TEST(nothing_done_averages_nothing)
{
    struct stats_history h;
    struct stats_console average, zeros = {0};
    struct stats totals = {.xact_count = 9, .xact_time = 900, .query_time = 5};
    stats_history_init(&h, START);
    stats_history_shift(&h, &totals, START + PERIOD);
    stats_history_shift(&h, &totals, START + 2 * PERIOD);
    stats_average(&h, &totals, START + 2 * PERIOD, &average);
    ck_assert_mem_eq(&average, &zeros, sizeof(zeros));
}
END_TEST

START_TEST(totals_that_went_down_average_nothing)
{
    struct stats_history h;
    struct stats_console average;
    struct stats totals = {.xact_count = 1000, .xact_time = 50000, .received = 10};
    stats_history_init(&h, START);
    stats_history_shift(&h, &totals, START + PERIOD);
    stats_history_shift(&h, &totals, START + 2 * PERIOD);
    totals = (struct stats){.xact_count = 5, .xact_time = 60000, .received = 600 + 10};
    stats_average(&h, &totals, START + 3 * PERIOD, &average);
    ck_assert_uint_eq(average.xact_count, 0);
    ck_assert_uint_eq(average.xact_time, 0);
    ck_assert_uint_eq(average.received, 5);
}
END_TEST

START_TEST(a_clock_that_stands_still_divides_by_nothing)
{
    struct stats_history h;
    struct stats_console average;
    struct stats totals = {.query_count = 5};
    stats_history_init(&h, START);
    stats_history_shift(&h, &totals, START);
    stats_history_shift(&h, &totals, START);
    stats_average(&h, &totals, START, &average);
    ck_assert_uint_eq(average.query_count, 0);
    stats_average(&h, &totals, START - 5, &average);
    ck_assert_uint_eq(average.query_count, 0);
}
END_TEST

START_TEST(huge_traffic_does_not_overflow)
{
    struct stats_history h;
    struct stats_console average;
    stats_history_init(&h, START);
    stats_average(&h, &(struct stats){.sent = UINT64_MAX}, START + 9 * USEC_PER_SEC, &average);
    ck_assert_uint_eq(average.sent, UINT64_MAX / 10);
}
END_TEST

START_TEST(the_log_line_is_what_log_readers_parse)
{
    struct buf line = {0};
    struct stats_console average = {
        .server_assignment_count = 99,
        .xact_count = 1,
        .query_count = 2,
        .client_parse_count = 3,
        .server_parse_count = 4,
        .bind_count = 5,
        .client_login_count = 6,
        .received = 7,
        .sent = 8,
        .xact_time = 9,
        .query_time = 10,
        .wait_time = 11,
    };
    stats_format_line(&line, &average);
    ck_assert_str_eq(buf_text(&line), "stats: 1 xacts/s, 2 queries/s, 3 client parses/s, 4 server parses/s, 5 binds/s, "
                                      "6 client logins/s, in 7 B/s, out 8 B/s, xact 9 us, query 10 us, wait 11 us");
    buf_deinit(&line);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_stats_average");
    TCase *tests = tcase_create("average");
    tcase_add_test(tests, each_counter_has_its_own_divisor);
    tcase_add_test(tests, the_window_is_one_to_two_periods);
    tcase_add_test(tests, the_first_moment_counts_as_a_second);
    tcase_add_test(tests, nothing_done_averages_nothing);
    tcase_add_test(tests, totals_that_went_down_average_nothing);
    tcase_add_test(tests, a_clock_that_stands_still_divides_by_nothing);
    tcase_add_test(tests, huge_traffic_does_not_overflow);
    tcase_add_test(tests, the_log_line_is_what_log_readers_parse);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
