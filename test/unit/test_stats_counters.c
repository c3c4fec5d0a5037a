/* counters: the table agrees with the struct and with PgBouncer's console. */
#include "pgpooler/stats.h"

#include <check.h>
#include <stdlib.h>

/* The console's names as PgBouncer shows them, written down here once more. */
static const struct {
    const char *column;
    size_t name;
    const char *names;
} columns[] = {
    {"SHOW STATS totals", offsetof(struct stats_counter, show_total),
     "total_server_assignment_count total_xact_count total_query_count total_received total_sent total_xact_time "
     "total_query_time total_wait_time total_client_parse_count total_server_parse_count total_bind_count "
     "total_client_login_count "},
    {"SHOW STATS averages", offsetof(struct stats_counter, show_average),
     "avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time "
     "avg_wait_time avg_client_parse_count avg_server_parse_count avg_bind_count avg_client_login_count "},
    {"SHOW STATS_TOTALS", offsetof(struct stats_counter, show_totals),
     "server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time "
     "client_parse_count server_parse_count bind_count client_login_count "},
    {"SHOW STATS_AVERAGES", offsetof(struct stats_counter, show_averages),
     "server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time "
     "avg_client_parse_count avg_server_parse_count avg_bind_count avg_client_login_count "},
    {"SHOW TOTALS", offsetof(struct stats_counter, show_total_row),
     "total_server_assignment_count total_xact_count total_query_count total_client_bytes total_server_bytes "
     "total_xact_time total_query_time total_wait_time total_ps_client_parse_count total_ps_server_parse_count "
     "total_ps_bind_count total_client_login_count "},
    {"SHOW TOTALS, averages", offsetof(struct stats_counter, show_average_row),
     "avg_server_assignment_count avg_xact_count avg_query_count avg_client_bytes avg_server_bytes avg_xact_time "
     "avg_query_time avg_wait_time avg_ps_client_parse_count avg_ps_server_parse_count avg_ps_bind_count "
     "avg_client_login_count "},
};

START_TEST(console_names)
{
    struct buf names = {0};
    for (int i = 0; i < STATS_COUNTERS; i++) {
        const char *name;
        memcpy(&name, (const char *)&stats_counters[i] + columns[_i].name, sizeof(name));
        ck_assert_msg((name != NULL) == (i < STATS_CONSOLE_COUNTERS), "%s", stats_counters[i].field);
        if (name)
            buf_printf(&names, "%s ", name);
    }
    ck_assert_msg(strcmp(buf_text(&names), columns[_i].names) == 0, "%s: %s", columns[_i].column, buf_text(&names));
    buf_deinit(&names);
}
END_TEST

START_TEST(values_are_found_by_table)
{
    struct stats s = {.xact_count = 3, .client_login_count = 5, .desync = 7};
    int seen = 0;
    for (int i = 0; i < STATS_COUNTERS; i++) {
        const char *field = stats_counters[i].field;
        uint64_t expected = strcmp(field, "xact_count") == 0           ? 3
                            : strcmp(field, "client_login_count") == 0 ? 5
                            : strcmp(field, "desync") == 0             ? 7
                                                                       : 0;
        ck_assert_msg(stats_value(&s, &stats_counters[i]) == expected, "%s", field);
        seen += expected > 0;
    }
    ck_assert_int_eq(seen, 3);

    struct stats_console average = {.wait_time = 9};
    for (int i = 0; i < STATS_CONSOLE_COUNTERS; i++) {
        bool is_wait = strcmp(stats_counters[i].field, "wait_time") == 0;
        ck_assert_uint_eq(stats_console_value(&average, &stats_counters[i]), is_wait ? 9 : 0);
    }
}
END_TEST

START_TEST(adding_misses_nothing)
{
    /* struct stats is made of 64-bit numbers only, so every one of them must be the sum */
    enum { NUMBERS = sizeof(struct stats) / sizeof(uint64_t) };
    uint64_t a[NUMBERS], b[NUMBERS];
    for (size_t i = 0; i < NUMBERS; i++) {
        a[i] = i + 1;
        b[i] = 1000 * (i + 1);
    }
    struct stats into, from;
    memcpy(&into, a, sizeof(into));
    memcpy(&from, b, sizeof(from));
    stats_add(&into, &from);
    memcpy(a, &into, sizeof(into));
    for (size_t i = 0; i < NUMBERS; i++)
        ck_assert_msg(a[i] == 1001 * (i + 1), "number %zu", i);
}
END_TEST

START_TEST(times_reach_their_counter_and_histogram)
{
    struct stats s = {0};
    stats_xact_ended(&s, 10);
    stats_query_ended(&s, 200);
    stats_query_ended(&s, -1);
    stats_wait_ended(&s, 3000);
    ck_assert_uint_eq(s.xact_time, 10);
    ck_assert_uint_eq(s.query_time, 200);
    ck_assert_uint_eq(s.wait_time, 3000);
    static const uint64_t counts[STATS_HISTOGRAMS] = {1, 2, 1}, sums[STATS_HISTOGRAMS] = {10, 200, 3000};
    for (int i = 0; i < STATS_HISTOGRAMS; i++) {
        const struct histogram *h = stats_histogram_of(&s, &stats_histograms[i]);
        ck_assert_msg(histogram_count(h) == counts[i] && h->sum == sums[i], "%s", stats_histograms[i].field);
    }
}
END_TEST

/* What promtool asks of names; rows of one metric differ in their labels and agree in the rest. */
START_TEST(metrics_are_well_named)
{
    for (int i = 0; i < STATS_COUNTERS; i++) {
        const struct stats_counter *c = &stats_counters[i];
        const char *suffix = c->unit == STATS_BYTES  ? "_bytes_total"
                             : c->unit == STATS_USEC ? "_seconds_total"
                                                     : "_total";
        size_t len = strlen(c->metric), suffix_len = strlen(suffix);
        ck_assert_msg(len > suffix_len && strcmp(c->metric + len - suffix_len, suffix) == 0, "%s", c->metric);
        ck_assert_msg(strspn(c->metric, "abcdefghijklmnopqrstuvwxyz_") == len, "%s", c->metric);
        ck_assert_msg(*c->help && c->help[strlen(c->help) - 1] == '.', "%s", c->field);
        for (int k = 0; k < i; k++) {
            const struct stats_counter *other = &stats_counters[k];
            if (strcmp(c->metric, other->metric) != 0)
                continue;
            ck_assert_msg(k == i - 1 || strcmp(stats_counters[i - 1].metric, c->metric) == 0, "%s", c->field);
            ck_assert_msg(strcmp(c->labels, other->labels) != 0, "%s", c->field);
            ck_assert_msg(strcmp(c->help, other->help) == 0 && c->unit == other->unit, "%s", c->field);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_stats_counters");
    TCase *tests = tcase_create("counters");
    tcase_add_loop_test(tests, console_names, 0, sizeof(columns) / sizeof(*columns));
    tcase_add_test(tests, values_are_found_by_table);
    tcase_add_test(tests, adding_misses_nothing);
    tcase_add_test(tests, times_reach_their_counter_and_histogram);
    tcase_add_test(tests, metrics_are_well_named);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
