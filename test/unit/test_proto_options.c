/* options: settings inside the startup parameter `options`. */
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *what, *options;
    int result;
    const char *settings; /* those seen until the end or the error, as [name=value] */
} cases[] = {
    {"nothing", "", 0, ""},
    {"blanks only", " \t\r\n\v\f", 0, ""},
    {"-c with a word of its own", "-c search_path=app", 0, "[search_path=app]"},
    {"-c joined", "-csearch_path=app", 0, "[search_path=app]"},
    {"two dashes", "--search_path=app", 0, "[search_path=app]"},
    {"several, with many blanks", "  -c a=1   --b=2\t-cc=3 ", 0, "[a=1][b=2][c=3]"},
    {"an escaped blank", "-c search_path=a,\\ b", 0, "[search_path=a, b]"},
    {"an escaped backslash", "-c a=x\\\\y", 0, "[a=x\\y]"},
    {"an escaped backslash before a blank", "-c a=x\\\\ -c b=1", 0, "[a=x\\][b=1]"},
    {"a backslash before any other character", "-c a=\\n", 0, "[a=n]"},
    {"a backslash at the end", "-c a=1\\", 0, "[a=1]"},
    {"only a backslash", "\\", ERR_SYNTAX, ""},
    {"the first = ends the name", "-c a=b=c", 0, "[a=b=c]"},
    {"an empty value", "-c a=", 0, "[a=]"},
    {"an escaped blank as value", "-c a=\\ ", 0, "[a= ]"},
    {"names as written", "--Work-Mem=1", 0, "[Work-Mem=1]"},
    {"-c at the end", "-c a=1 -c", ERR_SYNTAX, "[a=1]"},
    {"no value", "-c a", ERR_SYNTAX, ""},
    {"no value after two dashes", "--a", ERR_SYNTAX, ""},
    {"an empty name", "-c =1", ERR_SYNTAX, ""},
    {"an empty name after two dashes", "--=1", ERR_SYNTAX, ""},
    {"two dashes alone", "--", ERR_SYNTAX, ""},
    {"another switch", "-B 100", ERR_SYNTAX, ""},
    {"a word that is no switch", "a=1", ERR_SYNTAX, ""},
    {"something wrong behind something right", "-c a=1 x", ERR_SYNTAX, "[a=1]"},
};

static int note(void *ctx, const char *name, const char *value)
{
    buf_printf(ctx, "[%s=%s]", name, value);
    return 0;
}

START_TEST(settings_in_options)
{
    struct buf scratch = {0}, seen = {0};
    char *options = mem_strdup(cases[_i].options); /* of exactly this size */
    int result = proto_options_parse(options, &scratch, note, &seen);
    ck_assert_msg(result == cases[_i].result, "%s: %s", cases[_i].what, err_text(result));
    ck_assert_msg(strcmp(buf_text(&seen), cases[_i].settings) == 0, "%s: %s", cases[_i].what, buf_text(&seen));
    mem_free(options);
    buf_deinit(&scratch);
    buf_deinit(&seen);
}
END_TEST

static int stop_at_b(void *ctx, const char *name, const char *value)
{
    note(ctx, name, value);
    return strcmp(name, "b") == 0 ? ERR_DENIED : 0;
}

START_TEST(the_callback_may_stop)
{
    struct buf scratch = {0}, seen = {0};
    ck_assert_int_eq(proto_options_parse("-c a=1 -c b=2 -c c=3", &scratch, stop_at_b, &seen), ERR_DENIED);
    ck_assert_str_eq(buf_text(&seen), "[a=1][b=2]");
    buf_deinit(&scratch);
    buf_deinit(&seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_proto_options");
    TCase *tests = tcase_create("options");
    tcase_add_loop_test(tests, settings_in_options, 0, sizeof(cases) / sizeof(*cases));
    tcase_add_test(tests, the_callback_may_stop);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
