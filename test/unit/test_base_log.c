/* log: the line's format, levels, sinks, and lines from several threads. */
#include "pgpooler/base.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WALL (INT64_C(1795277774) * USEC_PER_SEC + 570999) /* 2026-11-21 16:16:14.570999 UTC */

static const struct {
    const char *what, *zone;
    enum log_level level;
    const char *message, *line;
} lines[] = {
    {"a message", "UTC", LOG_LEVEL_LOG, "text", "2026-11-21 16:16:14.570 UTC [387] LOG text\n"},
    {"local time", "CET-1", LOG_LEVEL_WARNING, "text", "2026-11-21 17:16:14.570 CET [387] WARNING text\n"},
    {"a newline cannot start a line", "UTC", LOG_LEVEL_ERROR, "a\nb\n\nc",
     "2026-11-21 16:16:14.570 UTC [387] ERROR a\n\tb\n\t\n\tc\n"},
    {"nothing to say", "UTC", LOG_LEVEL_FATAL, "", "2026-11-21 16:16:14.570 UTC [387] FATAL \n"},
};

START_TEST(line_format)
{
    struct buf line = {0};
    setenv("TZ", lines[_i].zone, 1);
    tzset();
    log_format_line(&line, lines[_i].level, lines[_i].message, WALL, 387);
    ck_assert_msg(strcmp(buf_text(&line), lines[_i].line) == 0, "%s: %s", lines[_i].what, buf_text(&line));
    buf_deinit(&line);
}
END_TEST

static struct buf heard;

static void listen_to(enum log_level level, const char *message)
{
    buf_printf(&heard, "%s:%s|", log_level_name[level], message);
    errno = 1;
}

START_TEST(sinks_get_whole_messages)
{
    char text[2000];
    memset(text, 'x', sizeof(text));
    log_set_sink(listen_to);
    for (size_t len = 500; len < 520; len++) { /* around the size of the first try */
        heard.len = 0;
        log_write(LOG_LEVEL_LOG, "%.*s", (int)len, text);
        ck_assert_uint_eq(heard.len, len + 5);
    }
    heard.len = 0;
    log_write(LOG_LEVEL_FATAL, "%s", "");
    ck_assert_str_eq(buf_text(&heard), "FATAL:|");
    buf_deinit(&heard);
}
END_TEST

START_TEST(errno_is_left_alone)
{
    log_set_sink(listen_to);
    errno = ENOENT;
    log_write(LOG_LEVEL_LOG, "%m and %0600d", 1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_nonnull(strstr(buf_text(&heard), "No such file"));
    buf_deinit(&heard);
}
END_TEST

static const struct {
    int verbose;
    enum log_level last;
} verbosities[] = {
    {0, LOG_LEVEL_LOG}, {1, LOG_LEVEL_DEBUG}, {2, LOG_LEVEL_DEBUG}, {3, LOG_LEVEL_NOISE}, {9, LOG_LEVEL_NOISE},
};

START_TEST(verbosity_decides_what_is_written)
{
    log_set_sink(listen_to);
    log_set_verbosity(verbosities[_i].verbose);
    for (int level = 0; level < LOG_LEVELS; level++) {
        bool expected = level <= (int)verbosities[_i].last;
        heard.len = 0;
        log_write((enum log_level)level, "text");
        ck_assert_msg((heard.len > 0) == expected, "verbose %d, %s", verbosities[_i].verbose, log_level_name[level]);
        ck_assert(log_is_on((enum log_level)level) == expected);
    }
    buf_deinit(&heard);
}
END_TEST

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *letter)
{
    char text[700];
    memset(text, *(char *)letter, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        log_write(LOG_LEVEL_LOG, "%s", text);
    return NULL;
}

START_TEST(lines_of_several_threads_stay_whole)
{
    FILE *file = tmpfile();
    int real_stderr = dup(STDERR_FILENO);
    pthread_t threads[THREADS];
    char letters[THREADS];
    log_set_sink(NULL);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
    for (int i = 0; i < THREADS; i++) {
        letters[i] = (char)('a' + i);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    dup2(real_stderr, STDERR_FILENO);

    int seen[THREADS] = {0};
    char line[1000], marker[64];
    snprintf(marker, sizeof(marker), " [%d] LOG ", (int)getpid());
    rewind(file);
    while (fgets(line, sizeof(line), file)) {
        char *text = strstr(line, marker);
        ck_assert_msg(text, "torn line: %s", line);
        text += strlen(marker);
        ck_assert_msg(strspn(text, (char[]){*text, '\0'}) == 699 && text[699] == '\n', "torn line: %s", line);
        seen[*text - 'a']++;
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(seen[i], LINES);
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_base_log");
    TCase *tests = tcase_create("log");
    tcase_add_loop_test(tests, line_format, 0, sizeof(lines) / sizeof(*lines));
    tcase_add_test(tests, sinks_get_whole_messages);
    tcase_add_test(tests, errno_is_left_alone);
    tcase_add_loop_test(tests, verbosity_decides_what_is_written, 0, sizeof(verbosities) / sizeof(*verbosities));
    tcase_add_test(tests, lines_of_several_threads_stay_whole);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
