/* The command line, which is PgBouncer's. */
#include "main/arguments.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What it means, as `dqRv2 user file`; or `print` and `wrong` with words of the text. */
static const struct {
    const char *line, *meaning;
} cases[] = {
    {"a.ini", " - a.ini"},
    {"-d a.ini", "d - a.ini"},
    {"--daemon --quiet --reboot a.ini", "dqR - a.ini"},
    {"-dqR a.ini", "dqR - a.ini"},
    {"-v -v --verbose a.ini", "v3 - a.ini"},
    {"-vvv a.ini", "v3 - a.ini"},
    {"-u bob a.ini", " bob a.ini"},
    {"--user=bob a.ini", " bob a.ini"},
    {"a.ini -d", "d - a.ini"},
    {"-- -d", " - -d"},
    {"", "wrong no configuration file specified"},
    {"-d", "wrong no configuration file specified"},
    {"a.ini b.ini", "wrong more than one configuration file"},
    {"-x a.ini", "wrong --help"},
    {"--nothing a.ini", "wrong --help"},
    {"-u", "wrong --help"},
    {"-V", "print PgBouncer 1.25.2"},
    {"--version", "print libuv"},
    {"-V a.ini b.ini", "print PgBouncer 1.25.2"},
    {"-h", "print CONFIG_FILE"},
    {"--help", "print --version"},
    {"--print-sample-config", "print [databases]"},
    {"--print-man-options", "print .SS [databases]"},
};

static enum arguments_answer parse(const char *line, struct arguments *out, struct buf *text)
{
    enum { WORDS_MAX = 8 };
    static char copy[100];
    char *argv[WORDS_MAX + 1] = {(char[]){"pgpooler"}}, *rest = copy;
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX;)
        if (*word != '\0')
            argv[argc++] = word;
    return arguments_parse(argc, argv, out, text);
}

static void write_meaning(struct buf *out, const struct arguments *arguments)
{
    buf_printf(out, "%s%s%s", arguments->is_daemon ? "d" : "", arguments->is_quiet ? "q" : "",
               arguments->takes_over ? "R" : "");
    if (arguments->verbose > 0)
        buf_printf(out, "v%d", arguments->verbose);
    buf_printf(out, " %s %s", arguments->user != NULL ? arguments->user : "-", arguments->config);
}

START_TEST(a_line_means)
{
    fclose(stderr); /* getopt names wrong options there */
    struct arguments arguments;
    struct buf text = {0}, seen = {0};
    enum arguments_answer answer = parse(cases[_i].line, &arguments, &text);
    const char *meaning = cases[_i].meaning;
    if (answer == ARGUMENTS_RUN) {
        write_meaning(&seen, &arguments);
        ck_assert_str_eq(buf_text(&seen), meaning);
    } else {
        const char *expected = answer == ARGUMENTS_WRONG ? "wrong " : "print ";
        ck_assert_msg(strncmp(meaning, expected, strlen(expected)) == 0, "`%s` is %s", cases[_i].line, expected);
        ck_assert_msg(strstr(buf_text(&text), meaning + strlen(expected)) != NULL, "`%s`: %s", cases[_i].line,
                      buf_text(&text));
    }
    buf_deinit(&text);
    buf_deinit(&seen);
}
END_TEST

START_TEST(the_first_line_of_the_version_is_what_tools_look_for)
{
    struct arguments arguments;
    struct buf text = {0};
    ck_assert_int_eq(parse("-V", &arguments, &text), ARGUMENTS_PRINTED);
    ck_assert_int_eq(strncmp(buf_text(&text), "PgBouncer 1.25.2 ", strlen("PgBouncer 1.25.2 ")), 0);
    buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("main_arguments");
    TCase *tcase = tcase_create("arguments");
    tcase_add_loop_test(tcase, a_line_means, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, the_first_line_of_the_version_is_what_tools_look_for);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
