/* worker, backend: servers that refuse, die, say too much, or grow old. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

#define ONE "default_pool_size = 1\n"
#define C1_IN_BLOCK                                                                                                    \
    "login C1\n"                                                                                                       \
    "C1> Query begin\n"                                                                                                \
    "B1< Query begin\n"                                                                                                \
    "C1< Complete BEGIN | Ready T\n"
#define C1_WORKS                                                                                                       \
    "C1> Query 'rows 1 a'\n"                                                                                           \
    "C1< " ANSWER("a") "\n"
#define C2_WORKS                                                                                                       \
    "C2> Query 'rows 1 b'\n"                                                                                           \
    "C2< " ANSWER("b") "\n"

/* clang-format off */
static const struct pooler_conversation deaths[] = {
    {"a server that goes while idle is not missed", 1, ONE,
     "login C1\n"
     "B1 closes\n"
     "C1 here\n"
     "count backends 0 idle 0 used 0\n"
     C1_WORKS
     "count opened 2 desync 0\n"},
    {"... and may say why", 1, ONE,
     "login C1\n"
     "B1> Fatal 57P01 'terminating connection due to administrator command'\n"
     "B1 closes\n"
     "C1<\n"
     C1_WORKS
     "count desync 0\n"},
    {"a server that goes under a query", 1, ONE,
     "login C1\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1 closes\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"
     "count used 0 desync 0\n"},
    {"... by a reset", 1, ONE,
     "login C1\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1 resets\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"},
    {"... in the middle of an answer", 1, ONE,
     "login C1\n"
     "B1 holds\n"
     "C1> Query 'rows 2 a'\n"
     "B1> Columns | DataRow x\n"
     "B1 closes\n"
     "C1< Columns | DataRow x | Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"},
    {"a server that goes in a transaction", 1, ONE,
     C1_IN_BLOCK
     "B1 closes\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"},
    {"its last words reach the client it works for", 1, ONE,
     "login C1\n"
     "login C2\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1> Fatal 57P01 'terminating connection due to administrator command'\n"
     "B1 closes\n"
     "C1< Fatal 57P01 'terminating connection due to administrator command'\n"
     "C1 gone\n"
     "count desync 0 used 0\n"
     C2_WORKS},
    {"... or that is in a transaction", 1, ONE,
     C1_IN_BLOCK
     "B1> Fatal 57P01 'terminating connection due to administrator command'\n"
     "C1< Fatal 57P01 'terminating connection due to administrator command'\n"
     "C1 gone\n"
     "B1 gone\n"
     "count desync 0\n"},
    {"who waits gets another backend", 2, ONE,
     C1_IN_BLOCK
     "login C2\n"
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "B1 closes\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "B2< Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
};
/* clang-format on */
POOLER_CONVERSE(deaths)

/* clang-format off */
static const struct pooler_conversation failures[] = {
    {"nobody listens: who logs in is told, and those after him at once", 1, "server_login_retry = 5",
     "server down\n"
     "knock C1\n"
     "C1 here\n"
     "count waiting 1 failed 1\n"
     "knock C2\n"
     "C2< Fatal 08P01 'server login has been failing, cached error: connect failed: Connection refused "
         "(server_login_retry)'\n"
     "C2 gone\n"
     "wait 4\n"
     "count failed 1\n"
     "server serves\n"
     "wait 1.2\n"
     "welcome C1\n"
     C1_WORKS
     "login C3\n"},
    {"it fails again, and again it is retried", 1, "server_login_retry = 5",
     "server down\n"
     "knock C1\n"
     "count failed 1\n"
     "wait 5.2\n"
     "count failed 2\n"
     "wait 5.2\n"
     "count failed 3 waiting 1\n"},
    {"with a live backend one failure harms nobody", 1, "server_login_retry = 5\ndefault_pool_size = 2",
     "login C1\n"
     "login C2\n"
     "C1> Query begin\n"
     "C1< Complete BEGIN | Ready T\n"
     "server down\n"
     "C2> Query 'rows 1 b'\n"
     "C2 here\n"
     "count waiting 1 failed 1\n"
     "C1> Query commit\n"
     "C2< " ANSWER("b") "\n"},
    {"a connection that never opens", 1, "server_connect_timeout = 3\nserver_login_retry = 5",
     "server silent\n"
     "knock C1\n"
     "wait 2.9\n"
     "count failed 0\n"
     "wait 0.2\n"
     "count failed 1 waiting 1\n"
     "server serves\n"
     "wait 5.2\n"
     "welcome C1\n"},
    {"a server that says nothing at login", 1, "server_connect_timeout = 3\nserver_login_retry = 5",
     "server mute\n"
     "knock C1\n"
     "wait 3.1\n"
     "B1 gone\n"
     "count failed 1 waiting 1\n"},
    {"a server that goes during login", 1, "server_login_retry = 5",
     "server mute\n"
     "knock C1\n"
     "B1 closes\n"
     "count failed 1 waiting 1\n"
     "server serves\n"
     "wait 5.2\n"
     "welcome C1\n"},
    {"a refused login: all who wait hear why", 2, "server_login_retry = 5",
     "server mute\n"
     "knock C1\n"
     "knock C2\n"
     "count waiting 2\n"
     "B1> Fatal 3D000 'database \"app\" does not exist'\n"
     "C1< Fatal 3D000 'database \"app\" does not exist'\n"
     "C2< Fatal 3D000 'database \"app\" does not exist'\n"
     "C1 gone\n"
     "C2 gone\n"
     "knock C3\n"
     "C3 gone\n"},
    {"a server that starts up: they wait on", 1, "server_login_retry = 1",
     "server refuses 57P03 the database system is starting up\n"
     "knock C1\n"
     "C1 here\n"
     "count waiting 1 failed 1\n"
     "server serves\n"
     "wait 1.2\n"
     "welcome C1\n"},
    {"no room at the server, and we have none there: told", 1, NULL,
     "server refuses 53300 sorry, too many clients already\n"
     "knock C1\n"
     "C1< Fatal 53300 'sorry, too many clients already'\n"
     "C1 gone\n"},
    {"no room at the server for more: what we have must do", 1, "server_login_retry = 1",
     "login C1\n"
     "login C2\n"
     "C1> Query begin\n"
     "server refuses 53300 sorry, too many clients already\n"
     "C2> Query 'rows 1 b'\n"
     "C2 here\n"
     "count waiting 1 failed 1\n"
     "C1> Query commit\n"
     "C2< " ANSWER("b") "\n"},
    {"what does not belong into a login", 1, NULL,
     "server mute\n"
     "knock C1\n"
     "B1> DataRow x\n"
     "B1 gone\n"
     "count failed 1\n"},
    {"ReadyForQuery before AuthenticationOk", 1, NULL,
     "server mute\n"
     "knock C1\n"
     "B1> Ready I\n"
     "B1 gone\n"
     "count failed 1 opened 0\n"},
    {"a bad key", 1, NULL,
     "server mute\n"
     "knock C1\n"
     "B1> Empty\n"
     "B1 gone\n"
     "count failed 1\n"},
};
/* clang-format on */
POOLER_CONVERSE(failures)

/* clang-format off */
static const struct pooler_conversation desyncs[] = {
    {"ReadyForQuery while idle", 1, ONE,
     "login C1\n"
     "B1> Ready I\n"
     "B1 gone\n"
     "count desync 1 idle 0\n"
     "C1 here\n"
     C1_WORKS},
    {"a row while idle", 1, ONE,
     "login C1\n"
     "B1> DataRow x\n"
     "B1 gone\n"
     "count desync 1\n"
     C1_WORKS},
    {"notices and parameters while idle are no offence", 1, ONE,
     "login C1\n"
     "B1> Notice 00000 hello | Status DateStyle SQL\n"
     "B1 open\n"
     "count desync 0 idle 1\n"
     "C1<\n"},
    {"garbage while idle", 1, ONE,
     "login C1\n"
     "B1 babbles\n"
     "B1 gone\n"
     "count desync 1\n"
     C1_WORKS},
    {"a row for a client that has asked nothing", 1, ONE,
     C1_IN_BLOCK
     "B1> DataRow x\n"
     "B1 gone\n"
     "C1< Fatal 08P01 'server conn crashed?'\n"
     "C1 gone\n"
     "count desync 1 used 0\n"},
    {"one answer too many", 1, ONE,
     "login C1\n"
     "login C2\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1> Complete 'SELECT 0' | Ready I | Complete 'SELECT 0' | Ready I\n"
     "B1 gone\n"
     "count desync 1\n"
     C2_WORKS},
    {"answers to what was not asked", 1, ONE,
     "login C1\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1> ParseComplete\n"
     "B1 gone\n"
     "C1 gone\n"
     "count desync 1\n"},
    {"garbage under a query", 1, ONE,
     "login C1\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1 babbles\n"
     "B1 gone\n"
     "C1 gone\n"
     "count desync 1\n"},
    {"an answer too many to a query of ours", 1, ONE,
     C1_IN_BLOCK
     "B1 holds\n"
     "C1 closes\n"
     "B1> Complete ROLLBACK | Ready I | Ready I\n"
     "B1 gone\n"
     "count desync 1 used 0\n"},
};
/* clang-format on */
POOLER_CONVERSE(desyncs)

/* clang-format off */
static const struct pooler_conversation ages[] = {
    {"server_idle_timeout", 1, "server_idle_timeout = 10",
     "login C1\n"
     C1_WORKS
     "wait 9.8\n"
     "count backends 1\n"
     "wait 0.4\n"
     "B1 gone\n"
     "count backends 0 used 0\n"
     C1_WORKS},
    {"what is in use is not idle", 1, "server_idle_timeout = 10",
     C1_IN_BLOCK
     "wait 20\n"
     "B1 open\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "wait 9.8\n"
     "B1 open\n"
     "wait 0.4\n"
     "B1 gone\n"},
    {"... not below min_pool_size", 1, "server_idle_timeout = 10\nmin_pool_size = 2",
     "login C1\n"
     "wait 0.3\n"
     "count backends 2\n"
     "wait 60\n"
     "count backends 2\n"},
    {"server_lifetime", 1, "server_lifetime = 100\nserver_idle_timeout = 0",
     "login C1\n"
     "wait 99\n"
     C1_WORKS
     "B1 open\n"
     "wait 1.5\n"
     "B1 gone\n"
     "count backends 0\n"
     C1_WORKS},
    {"... lets a transaction end", 1, "server_lifetime = 100",
     C1_IN_BLOCK
     "wait 200\n"
     "B1 open\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "wait 0.3\n"
     "B1 gone\n"},
};
/* clang-format on */
POOLER_CONVERSE(ages)

START_TEST(connect_query_runs_once_and_unseen)
{
    struct pooler_script f;
    pooler_script_open(&f, "connect_query", "app = host=127.0.0.1 connect_query='rows 1 q'\n", NULL, 1, 0);
    pooler_script_play(&f, "login C1\n"
                           "B1< Query 'rows 1 q'\n"
                           "C1> Query 'rows 1 a'\n"
                           "C1< " ANSWER("a") "\n"
                                              "B1< Query 'rows 1 a'\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(names_are_looked_up_by_control_and_kept)
{
    struct pooler_script f;
    net_memory_name("node.test", "127.0.0.1");
    pooler_script_open(&f, "names", "app = host=node.test\nlost = host=nowhere.test\n",
                       "dns_max_ttl = 10\ndefault_pool_size = 2", 2, 0);
    pooler_script_play(&f, "login C1\n"
                           "C1> Query begin\n");
    net_memory_name("node.test", "");
    pooler_script_play(
        &f, "login C2\n"
            "C2> Query 'rows 1 b'\n" /* a second backend, the name is known */
            "C2< " ANSWER("b") "\n"
                               "B2< Query 'rows 1 b'\n"
                               "knock C3 database=lost\n"
                               "knock C4 database=lost\n"
                               "C4< Fatal 08P01 'server login has been failing, cached error: server DNS lookup failed "
                               "(server_login_retry)'\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(backends_are_spread_over_the_hosts_of_an_entry)
{
    struct pooler_script f;
    struct server_memory second;
    pooler_script_open(&f, "hosts", "app = host=127.0.0.1,127.0.0.2\n", NULL, 1, 0);
    server_memory_open(&second, "127.0.0.2", 5432);
    pooler_script_play(&f, "login C1\n"
                           "login C2\n"
                           "C1> Query begin\n"
                           "C2> Query begin\n");
    ck_assert_int_eq(f.pooler.server.backend_count, 1);
    ck_assert_int_eq(second.backend_count, 1);
    pooler_script_close(&f);
    server_memory_deinit(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_backend");
    TCase *cases = tcase_create("backends");
    ADD_POOLER_CONVERSATIONS(cases, deaths);
    ADD_POOLER_CONVERSATIONS(cases, failures);
    ADD_POOLER_CONVERSATIONS(cases, desyncs);
    ADD_POOLER_CONVERSATIONS(cases, ages);
    tcase_add_test(cases, connect_query_runs_once_and_unseen);
    tcase_add_test(cases, names_are_looked_up_by_control_and_kept);
    tcase_add_test(cases, backends_are_spread_over_the_hosts_of_an_entry);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
