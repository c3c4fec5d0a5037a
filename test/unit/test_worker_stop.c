/* worker, stop: whatever is under way, everything is closed and freed. Leaks are the sanitizer's to find. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

/* Everything that can be under way at some time: logins, links, queues, moves, cancels, resets, lookups. */
static const char busy[] = "connect C9\n"
                           "login C1\n"
                           "login C2\n"
                           "C1> Parse s 'rows 1 a' | Bind s - | Execute - | Sync\n"
                           "C1> Query begin\n"
                           "C2> Query 'rows 1 b' | Terminate\n"
                           "C1> Query commit\n"
                           "C1> Query begin\n"
                           "login C3\n"
                           "login C4\n"
                           "C3> Query 'rows 1 c'\n"
                           "C4> Query begin | Query copyin\n"
                           "C1> Terminate\n"
                           "C4> CopyData x | CopyDone\n"
                           "B1 holds\n"
                           "C4> Query 'rows 1 d'\n"
                           "cancel C4\n"
                           "C3> Query 'rows 1 c' | Query begin\n"
                           "B1 answers\n"
                           "K1 closes\n"
                           "C4> Query rollback\n"
                           "C3 resets\n"
                           "B1 holds\n"
                           "C4> Query 'rows 1 d'\n"
                           "C4 closes\n"
                           "wait 1.2\n"
                           "knock C5 database=named\n"
                           "login C6 user=bob\n"
                           "C5> Query 'rows 1 e'\n"
                           "server silent\n"
                           "knock C7 user=carol\n"
                           "server serves\n"
                           "server mute\n"
                           "knock C8 database=other user=carol\n"
                           "ask pause\n"
                           "reload\n";

static int lines_of(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* The worst moment for it: when the last line has been said and nobody has heard it. */
START_TEST(stopping_is_safe_at_any_moment)
{
    struct pooler_script f;
    int workers = 1 + _i % 3, lines = _i / 6;
    const char *end = busy;
    for (int i = 0; i <= lines; i++)
        end = strchr(end, '\n') + 1;
    char *text = mem_strndup(busy, (size_t)(end - busy));
    static const char databases[] = "app = host=127.0.0.1\nother = host=127.0.0.1\nnamed = host=node.test\n";
    net_memory_name("node.test", "127.0.0.1");
    pooler_script_open(&f, "stop", databases, "default_pool_size = 1\nclient_login_timeout = 0", workers, 0);
    f.stops_short = _i / 3 % 2 == 0;
    pooler_script_play(&f, text);
    pooler_script_close(&f);
    mem_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_stop");
    TCase *cases = tcase_create("stop");
    tcase_add_loop_test(cases, stopping_is_safe_at_any_moment, 0, 6 * lines_of(busy));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
