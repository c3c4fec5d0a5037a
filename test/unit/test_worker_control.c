/* worker, control: what a new configuration and the console's commands do to clients and backends. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

#define ONE "default_pool_size = 1\n"
/* C1 is in a transaction on B1, B2 rests, C2 does nothing */
#define C1_HAS_B1                                                                                                      \
    "login C1\n"                                                                                                       \
    "login C2\n"                                                                                                       \
    "C1> Query begin\n"                                                                                                \
    "C1< Complete BEGIN | Ready T\n"
#define C1_COMMITS                                                                                                     \
    "C1> Query commit\n"                                                                                               \
    "C1< Complete COMMIT | Ready I\n"
#define C2_WORKS                                                                                                       \
    "C2> Query 'rows 1 b'\n"                                                                                           \
    "C2< " ANSWER("b") "\n"

/* clang-format off */
static const struct pooler_conversation pauses[] = {
    {"PAUSE closes what rests and waits for the rest", 2, NULL,
     C1_HAS_B1
     C2_WORKS
     "count backends 2\n"
     "ask pause\n"
     "count idle 0 used 1 backends 1\n"
     "C2> Query 'rows 1 b'\n"
     "C2<\n"
     "count waiting 1\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER_IN_BLOCK("a") "\n"
     C1_COMMITS
     "count idle 0 used 0 backends 0 waiting 1\n"
     "wait 1\n"
     "count backends 0\n"
     "ask resume\n"
     "C2< " ANSWER("b") "\n"
     "count backends 1 waiting 0\n"
     C2_WORKS},
    {"PAUSE of one entry spares the others", 2, NULL,
     "login C1\n"
     "login C2 database=other\n"
     "ask pause app\n"
     "C1> Query 'rows 1 a'\n"
     "count waiting 1\n"
     "C1<\n"
     C2_WORKS
     "ask resume app\n"
     "C1< " ANSWER("a") "\n"},
    {"who waits in a pause waits no longer than else", 1, "query_wait_timeout = 3\nquery_wait_notify = 0",
     "login C1\n"
     "ask pause\n"
     "C1> Query 'rows 1 a'\n"
     "wait 3.2\n"
     "C1< Fatal 08P01 query_wait_timeout\n"
     "C1 gone\n"},
    {"a login waits for the end of the pause when nothing is known", 1, NULL,
     "ask pause\n"
     "knock C1\n"
     "count waiting 1 connections 0\n"
     "ask resume\n"
     "welcome C1\n"},
    {"a session keeps what it has in a pause", 1, "pool_mode = session",
     "login C1\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "ask pause\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "count used 1\n"
     "C1 closes\n"
     "count used 0 backends 0\n"},
    {"what a pipeline has sent is answered in a pause", 1, NULL,
     "login C1\n"
     "B1 holds\n"
     "C1> Query begin\n"
     "ask pause\n"
     "C1> Query commit | Query 'rows 1 a'\n"
     "B1 answers\n"
     "C1< Complete BEGIN | Ready T | Complete COMMIT | Ready I | " ANSWER("a") "\n"
     "count used 0 backends 0\n"},
    {"RECONNECT replaces backends, when they rest", 2, NULL,
     C1_HAS_B1
     C2_WORKS
     "ask reconnect\n"
     "B1 open\n"
     "B2 gone\n"
     C1_COMMITS
     "B1 gone\n"
     C2_WORKS
     "count backends 1 connections 3\n"},
    {"... also one that is being reset", 1, "pool_mode = session",
     "login C1\n"
     "C1> Query 'rows 1 a'\n"
     "B1 holds\n"
     "C1 closes\n"
     "ask reconnect\n"
     "B1 open\n"
     "B1 answers\n"
     "B1< Query 'rows 1 a' | Query 'DISCARD ALL'\n"
     "B1 gone\n"
     "count backends 0 used 0\n"},
    {"... of one entry", 1, NULL,
     "login C1\n"
     "login C2 database=other\n"
     "ask reconnect other\n"
     "B1 open\n"
     "B2 gone\n"},
    {"KILL", 2, NULL,
     C1_HAS_B1
     "login C3 database=other\n"
     "login C4\n"
     "C4> Query 'rows 1 d'\n"
     "ask kill app\n"
     "C1< Fatal 57P01 'database removed'\n"
     "C2< Fatal 57P01 'database removed'\n"
     "C4< " ANSWER("d") " | Fatal 57P01 'database removed'\n"
     "C1 gone\n"
     "C2 gone\n"
     "C4 gone\n"
     "C3 here\n"
     "wait 0.1\n"
     "count clients 1 waiting 0 used 0 idle 1\n"
     "C3> Query 'rows 1 c'\n"
     "C3< " ANSWER("c") "\n"},
    {"KILL while one serves the next", 1, ONE "pool_mode = session\nserver_reset_query =",
     "login C1\n"
     "login C2\n"
     "login C3\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "C2> Query 'rows 1 b' | Password x\n"
     "C3> Query 'rows 1 c'\n"
     "count waiting 2\n"
     "ask kill app\n"
     "C1 gone\n"
     "C2 gone\n"
     "C3 gone\n"
     "count clients 0 waiting 0\n"},
    {"waiting clients are told that the end is near", 2, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "ask drop-waiting bye\n"
     "C2< Fatal 57P01 bye\n"
     "C2 gone\n"
     "C1 here\n"
     "count waiting 0\n"
     C1_COMMITS},
};
/* clang-format on */
POOLER_CONVERSE(pauses)

/* clang-format off */
static const struct pooler_conversation reloads[] = {
    {"a reload of the same changes nothing", 2, NULL,
     C1_HAS_B1
     C2_WORKS
     "reload\n"
     "count backends 2 clients 2\n"
     C1_COMMITS
     C2_WORKS
     "count connections 2\n"},
    {"a larger pool serves who waits", 2, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "reload default_pool_size = 2\n"
     "wait 0.2\n"
     "C2< " ANSWER("b") "\n"},
    {"a smaller one lets transactions end", 1, "default_pool_size = 2",
     C1_HAS_B1
     "C2> Query begin\n"
     "C2< Complete BEGIN | Ready T\n"
     "reload default_pool_size = 1\n"
     "count used 2\n"
     C1_COMMITS
     "C2> Query commit\n"
     "C2< Complete COMMIT | Ready I\n"
     "wait 0.2\n"
     "count backends 1\n"},
    {"max_client_conn", 1, "max_client_conn = 1",
     "login C1\n"
     "knock C2\n"
     "C2 gone\n"
     "reload max_client_conn = 2\n"
     "login C3\n"
     "count clients 2\n"},
    {"timeouts", 1, ONE,
     C1_HAS_B1
     "reload idle_transaction_timeout = 2\n"
     "wait 2.3\n"
     "C1< Fatal 08P01 'idle transaction timeout'\n"},
};
/* clang-format on */
POOLER_CONVERSE(reloads)

/* ---- entries that change ---- */
static const struct {
    const char *what;
    int workers;
    const char *after, *text;
} changes[] = {
    {"another dbname: backends are replaced when they rest", 2,
     "app = host=127.0.0.1 dbname=else\nother = host=127.0.0.1\n",
     "B1 open\n"
     "B2 gone\n" C1_COMMITS "B1 gone\n" C2_WORKS "B3< Query 'rows 1 b'\n"
     "count backends 1 desync 0\n"},
    {"an entry that is gone takes its clients along", 2, "other = host=127.0.0.1\n",
     "C1< Fatal 08P01 'database removed'\n"
     "C2< Fatal 08P01 'database removed'\n"
     "C1 gone\n"
     "C2 gone\n"
     "count backends 0 waiting 0 clients 0 used 0\n"
     "knock C5\n"
     "C5< Fatal 08P01 'no such database: app'\n"},
    {"a new password is none of their business", 2, "app = host=127.0.0.1 password=new\nother = host=127.0.0.1\n",
     "B1 open\n"
     "B2 open\n" C1_COMMITS C2_WORKS "count connections 2\n"},
};

START_TEST(entries_change_under_their_clients)
{
    struct pooler_script f;
    pooler_script_open(&f, changes[_i].what, NULL, NULL, changes[_i].workers, 0);
    pooler_script_play(&f, C1_HAS_B1 C2_WORKS "B2< Query 'rows 1 b'\n"
                                              "count backends 2\n");
    pooler_reload(&f.pooler, changes[_i].after, NULL);
    pooler_script_play(&f, changes[_i].text);
    pooler_script_close(&f);
}
END_TEST

START_TEST(an_entry_comes_back)
{
    struct pooler_script f;
    pooler_script_open(&f, "comes back", NULL, NULL, 2, 0);
    pooler_script_play(&f, C1_HAS_B1);
    pooler_reload(&f.pooler, "other = host=127.0.0.1\n", NULL);
    pooler_script_play(&f, "C1 gone\n"
                           "C2 gone\n");
    pooler_reload(&f.pooler, NULL, NULL);
    pooler_script_play(&f, "login C1\n"
                           "login C2\n" C2_WORKS "count backends 1\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(an_entry_goes_while_its_backend_is_on_its_way)
{
    struct pooler_script f;
    pooler_script_open(&f, "goes on its way", NULL, ONE, 2, 0);
    pooler_script_play(&f, C1_HAS_B1 "C2> Query 'rows 1 b'\n"
                                     "count waiting 1\n");
    f.stops_short = true;
    pooler_script_play(&f, "C1> Query commit\n");
    f.stops_short = false;
    pooler_reload(&f.pooler, "other = host=127.0.0.1\n", NULL);
    pooler_script_play(&f, "wait 0.2\n"
                           "count backends 0 used 0 clients 0 waiting 0 desync 0\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(entries_are_made_from_the_star)
{
    struct pooler_script f;
    pooler_script_open(&f, "star", "* = host=127.0.0.1\n", NULL, 2, 0);
    pooler_script_play(&f, "login C1 database=any\n"
                           "login C2 database=thing\n" C2_WORKS);
    ck_assert_str_eq(f.pooler.server.backends[0]->database, "any");
    ck_assert_str_eq(f.pooler.server.backends[1]->database, "thing");
    pooler_reload(&f.pooler, "* = host=127.0.0.1\n", NULL);
    pooler_script_play(&f, "count backends 2 clients 2\n" C2_WORKS);
    pooler_reload(&f.pooler, "app = host=127.0.0.1\n", NULL);
    pooler_script_play(&f, "C1< Fatal 08P01 'database removed'\n"
                           "C2< Fatal 08P01 'database removed'\n"
                           "count backends 0 clients 0\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(forced_users_share_a_pool)
{
    struct pooler_script f;
    pooler_script_open(&f, "forced user", "app = host=127.0.0.1 user=carol password=secret\n", ONE, 2, 0);
    f.pooler.server.method = AUTH_CHECK_MD5;
    f.pooler.server.secret = "secret";
    pooler_script_play(&f, "login C1\n"
                           "login C2 user=bob\n" C2_WORKS "count connections 1\n");
    ck_assert_str_eq(f.pooler.server.backends[0]->user, "carol");
    pooler_script_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_control");
    TCase *cases = tcase_create("control");
    ADD_POOLER_CONVERSATIONS(cases, pauses);
    ADD_POOLER_CONVERSATIONS(cases, reloads);
    tcase_add_loop_test(cases, entries_change_under_their_clients, 0, sizeof changes / sizeof *changes);
    tcase_add_test(cases, an_entry_comes_back);
    tcase_add_test(cases, an_entry_goes_while_its_backend_is_on_its_way);
    tcase_add_test(cases, entries_are_made_from_the_star);
    tcase_add_test(cases, forced_users_share_a_pool);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
