/* Who may say what on the console. */
#include "admin/console.h"

#include <check.h>
#include <stdlib.h>

/* What the three rights hear: u unknown command, d denied, a allowed; for nobody, stats_users, admin_users. */
static const struct {
    const char *text, *heard;
} cases[] = {
    {"SHOW HELP", "daa"},
    {"SHOW VERSION", "daa"},
    {"SHOW STATE", "daa"},
    {"SHOW CONFIG", "daa"},
    {"SHOW DATABASES", "daa"},
    {"SHOW POOLS", "daa"},
    {"SHOW CLIENTS", "daa"},
    {"SHOW SERVERS", "daa"},
    {"SHOW SOCKETS", "daa"},
    {"SHOW ACTIVE_SOCKETS", "daa"},
    {"SHOW STATS", "daa"},
    {"SHOW STATS_TOTALS", "daa"},
    {"SHOW STATS_AVERAGES", "daa"},
    {"SHOW TOTALS", "daa"},
    {"SHOW COUNTERS", "daa"},
    {"SHOW LISTS", "daa"},
    {"SHOW USERS", "daa"},
    {"SHOW PEERS", "daa"},
    {"select pools", "daa"},
    {"SHOW client_encoding", "daa"},
    {"SHOW TimeZone", "daa"},
    {"SET timezone = 'UTC'", "daa"},
    {"SET extra_float_digits = 3", "daa"},

    {"SET verbose = 1", "dda"},
    {"SET nothing = 1", "dda"},
    {"RELOAD", "dda"},
    {"PAUSE", "dda"},
    {"PAUSE app", "dda"},
    {"RESUME", "dda"},
    {"RESUME app", "dda"},
    {"SHUTDOWN", "dda"},
    {"SHUTDOWN WAIT_FOR_CLIENTS", "dda"},

    {"SHOW", "uuu"},
    {"SHOW NOTHING", "uuu"},
    {"SHOW POOLS POOLS", "uuu"},
    {"SHOW 'POOLS'", "uuu"},
    {"RELOAD app", "uuu"},
    {"BEGIN", "uuu"},
    {"SELECT 1", "uuu"},
    {"DROP TABLE app", "uuu"},
    {"PAUSED", "uuu"},
};

START_TEST(rights_decide)
{
    static const char letter[] = {[COMMAND_UNKNOWN] = 'u', [COMMAND_DENIED] = 'd', [COMMAND_ALLOWED] = 'a'};
    struct commands commands;
    commands_parse(&commands, cases[_i].text);
    ck_assert_int_eq(commands.count, 1);
    char heard[4] = "";
    for (int right = CONSOLE_NOBODY; right <= CONSOLE_ADMIN; right++)
        heard[right] = letter[command_judge(&commands.list[0], (enum console_right)right)];
    ck_assert_msg(strcmp(heard, cases[_i].heard) == 0, "%s: %s and not %s", cases[_i].text, heard, cases[_i].heard);
    commands_deinit(&commands);
}
END_TEST

/* What is described is what comes, whoever asks. */
START_TEST(shows_have_a_table_and_nothing_else_has)
{
    struct commands commands;
    commands_parse(&commands, cases[_i].text);
    const struct admin_table *table = command_describe(NULL, &commands.list[0]);
    bool is_show = strcmp(cases[_i].heard, "daa") == 0 && strncmp(cases[_i].text, "SET", 3) != 0;
    bool has_rows = is_show && strcmp(cases[_i].text, "SHOW HELP") != 0;
    ck_assert_msg((table != NULL) == has_rows, "%s", cases[_i].text);
    commands_deinit(&commands);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_rights");
    TCase *tcase = tcase_create("rights");
    tcase_add_loop_test(tcase, rights_decide, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tcase, shows_have_a_table_and_nothing_else_has, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
