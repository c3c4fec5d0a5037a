/* The console's grammar: what an administrator types, as a list of commands. */
#include "admin/command.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* Each command as `WORD(argument=value)`, invalid ones as `?`; "" is an empty query. */
static char *shown(const char *text)
{
    struct commands commands;
    struct buf out = {0};
    commands_parse(&commands, text);
    for (int i = 0; i < commands.count; i++) {
        const struct command *command = &commands.list[i];
        if (i > 0)
            buf_append_str(&out, " ");
        if (!command->is_valid) {
            buf_printf(&out, "?[%s]", command->text);
            continue;
        }
        buf_append_str(&out, command->word);
        if (command->argument != NULL)
            buf_printf(&out, "(%s%s%s)", command->argument, command->value ? "=" : "",
                       command->value ? command->value : "");
    }
    char *copy = mem_strdup(buf_text(&out));
    buf_deinit(&out);
    commands_deinit(&commands);
    return copy;
}

static const struct {
    const char *what, *text, *commands;
} cases[] = {
    {"a word", "RELOAD", "RELOAD"},
    {"a word and its argument", "SHOW POOLS", "SHOW(POOLS)"},
    {"words are taken in any case, arguments as written", "show Pools", "SHOW(Pools)"},
    {"SELECT is SHOW", "select version", "SHOW(version)"},
    {"a semicolon changes nothing", "SHOW POOLS;", "SHOW(POOLS)"},
    {"nor do many", ";; SHOW POOLS ;;", "SHOW(POOLS)"},
    {"blanks of any kind", "\t\r\n SHOW\v\fPOOLS \n", "SHOW(POOLS)"},
    {"several commands in one string", "SHOW POOLS; RELOAD;PAUSE app", "SHOW(POOLS) RELOAD PAUSE(app)"},

    {"nothing", "", ""},
    {"blanks alone", "  \n\t ", ""},
    {"semicolons alone", " ; ;; ", ""},
    {"a line comment alone", "-- ping", ""},
    {"a block comment alone", "/* ping */", ""},
    {"comments and semicolons", "/* a */; -- b\n;", ""},
    {"a comment in front", "/* app:1 */ SHOW POOLS", "SHOW(POOLS)"},
    {"a comment behind", "SHOW POOLS -- why", "SHOW(POOLS)"},
    {"a comment between", "SHOW/**/POOLS", "SHOW(POOLS)"},
    {"comments nest", "/* a /* b */ c */ RELOAD", "RELOAD"},
    {"a line comment ends with its line", "SHOW -- which\nPOOLS", "SHOW(POOLS)"},
    {"a comment that never ends", "/* RELOAD", "?[/* RELOAD]"},
    {"nor does one inside another", "RELOAD /* a /* b */", "?[RELOAD /* a /* b */]"},

    {"a quoted argument", "PAUSE \"my-db\"", "PAUSE(my-db)"},
    {"a quote in it", "PAUSE \"a\"\"b\"", "PAUSE(a\"b)"},
    {"semicolons and comments in it", "PAUSE \"a;b--c/*\"", "PAUSE(a;b--c/*)"},
    {"an empty one", "PAUSE \"\"", "PAUSE()"},
    {"a quote that never ends", "PAUSE \"app", "?[PAUSE \"app]"},
    {"an argument with a dash needs quotes", "PAUSE my-db", "?[PAUSE my-db]"},
    {"two arguments", "PAUSE a b", "?[PAUSE a b]"},
    {"no word", "'SHOW'", "?['SHOW']"},
    {"a bad command does not hide the next", "SHOW a b; RELOAD", "?[SHOW a b] RELOAD"},
    {"a semicolon in the quotes of a bad one", "?? ';' x; RELOAD", "?[?? ';' x] RELOAD"},

    {"SET with =", "SET verbose=1", "SET(verbose=1)"},
    {"SET with blanks", "set verbose = 1 ;", "SET(verbose=1)"},
    {"SET with TO", "SET pool_mode TO session", "SET(pool_mode=session)"},
    {"to in lower case", "SET pool_mode to 'session'", "SET(pool_mode=session)"},
    {"a quoted value", "SET server_reset_query = 'DISCARD ALL; --'", "SET(server_reset_query=DISCARD ALL; --)"},
    {"a quote in it", "SET server_check_query = 'select ''x'''", "SET(server_check_query=select 'x')"},
    {"an empty value", "SET logfile = ''", "SET(logfile=)"},
    {"a value of other characters", "SET listen_addr = 127.0.0.1,::1", "SET(listen_addr=127.0.0.1,::1)"},
    {"SET alone", "SET", "?[SET]"},
    {"SET without a value", "SET verbose =", "?[SET verbose =]"},
    {"SET without =", "SET verbose 1", "?[SET verbose 1]"},
    {"SET with two values", "SET a = b c", "?[SET a = b c]"},
    {"a value whose quote never ends", "SET a = 'b", "?[SET a = 'b]"},
    {"bytes that are no ASCII", "SHOW p\xc3\xb6ols", "?[SHOW p\xc3\xb6ols]"},
};

START_TEST(text_is_understood)
{
    char *seen = shown(cases[_i].text);
    ck_assert_msg(strcmp(seen, cases[_i].commands) == 0, "%s: `%s` is `%s` and not `%s`", cases[_i].what,
                  cases[_i].text, seen, cases[_i].commands);
    mem_free(seen);
}
END_TEST

/* Any bytes end, and what is valid has what its users rely on. */
START_TEST(any_text_is_read_to_its_end)
{
    static const char pieces[] = "SETset=to'\"\"'';;--\n/**//*ab_9 \t\x80";
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1 + (unsigned)_i;
    printf("SEED=%u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t len = (size_t)rand_r(&seed) % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = pieces[(size_t)rand_r(&seed) % (sizeof pieces - 1)];
        text[len == sizeof text ? len - 1 : len] = '\0';
        struct commands commands;
        commands_parse(&commands, text);
        for (int i = 0; i < commands.count; i++) {
            const struct command *command = &commands.list[i];
            ck_assert_msg(command->text != NULL, "SEED=%u `%s`: a command without its text", seed, text);
            ck_assert_msg(!command->is_valid || command->word != NULL, "SEED=%u `%s`: no word", seed, text);
            ck_assert_msg(!command->is_valid || strcmp(command->word, "SET") != 0 ||
                              (command->argument != NULL && command->value != NULL),
                          "SEED=%u `%s`: half a SET", seed, text);
        }
        commands_deinit(&commands);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_command");
    TCase *tcase = tcase_create("command");
    tcase_add_loop_test(tcase, text_is_understood, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(tcase, any_text_is_read_to_its_end, 0, 4);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
