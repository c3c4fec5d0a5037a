/* worker, link: who gets which backend, who waits, and what becomes of the backend of a client that vanishes. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

/* C1 is in a transaction on B1, the only one. */
#define ONE "default_pool_size = 1\n"
#define C1_HAS_B1                                                                                                      \
    "login C1\n"                                                                                                       \
    "login C2\n"                                                                                                       \
    "C1> Query begin\n"                                                                                                \
    "B1< Query begin\n"                                                                                                \
    "C1< Complete BEGIN | Ready T\n"
/* the same, but for what C2 does with it */
#define C2_HAS_B1                                                                                                      \
    "C2> Query 'rows 1 b'\n"                                                                                           \
    "B1< Query 'rows 1 b'\n"                                                                                           \
    "C2< " ANSWER("b") "\n"                                                                                            \
                       "count backends 1 connections 1 waiting 0 desync 0\n"
#define C2_GETS_B1                                                                                                     \
    "C2> Query 'rows 1 b'\n"                                                                                           \
    "B1< Query 'rows 1 b'\n"                                                                                           \
    "C2< " ANSWER("b") "\n"                                                                                            \
                       "count backends 1 connections 1 idle 1 waiting 0 desync 0\n"
/* B1 is closed; C2, who waits, has a new one, and nothing else has reached it */
#define C2_GETS_B2                                                                                                     \
    "B1 gone\n"                                                                                                        \
    "C2> Query 'rows 1 b'\n"                                                                                           \
    "B2< Query 'rows 1 b'\n"                                                                                           \
    "C2< " ANSWER("b") "\n"                                                                                            \
                       "count backends 1 idle 1 waiting 0 desync 0\n"

/* clang-format off */
static const struct pooler_conversation links[] = {
    {"a link lasts as long as a transaction", 1, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "count waiting 1 used 1\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER_IN_BLOCK("a") "\n"
     "C2<\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "C2< " ANSWER("b") "\n"
     "B1< Query 'rows 1 a' | Query commit | Query 'rows 1 b'\n"
     "count waiting 0 idle 1 connections 1\n"},
    {"the last used backend comes first", 1, NULL,
     "login C1\n"
     "login C2\n"
     "C1> Query begin\n"
     "C2> Query begin\n"
     "B1< Query begin\n"
     "B2< Query begin\n"
     "C2> Query commit\n"
     "C1> Query commit\n"
     "B1< Query commit\n"
     "B2< Query commit\n"
     "C2> Query 'rows 1 b'\n"
     "B1< Query 'rows 1 b'\n"
     "B2<\n"},
    {"round robin uses the one that rested longest", 1, "server_round_robin = 1",
     "login C1\n"
     "login C2\n"
     "C1> Query begin\n"
     "C2> Query begin\n"
     "C2> Query commit\n"
     "C1> Query commit\n"
     "B1< Query begin | Query commit\n"
     "B2< Query begin | Query commit\n"
     "C2> Query 'rows 1 b'\n"
     "B2< Query 'rows 1 b'\n"},
    {"entries and users have pools of their own", 1, ONE,
     C1_HAS_B1
     "login C3 user=bob\n"
     "login C4 database=other\n"
     "C3> Query 'rows 1 c'\n"
     "C4> Query 'rows 1 d'\n"
     "C3< " ANSWER("c") "\n"
     "C4< " ANSWER("d") "\n"
     "count backends 3\n"},
    {"half a message holds no backend", 1, ONE,
     C1_HAS_B1
     "C1> Query commit\n"
     "B1< Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "C1>12 Query 'rows 1 a'\n"
     "count used 0 idle 1\n" C2_GETS_B1
     "C1>+\n"
     "B1< Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"},
    {"who waits too long is thrown out", 1, ONE
     "query_wait_timeout = 3\nquery_wait_notify = 0",
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "wait 2.9\n"
     "C2 here\n"
     "count waiting 1\n"
     "wait 0.2\n"
     "C2< Fatal 08P01 query_wait_timeout\n"
     "C2 gone\n"
     "count waiting 0\n"
     "C1> Query commit\n"
     "B1< Query commit\n"
     "count idle 1\n"},
    {"... and told before", 1, ONE
     "query_wait_timeout = 30\nquery_wait_notify = 2",
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "wait 1.9\n"
     "C2<\n"
     "wait 0.3\n"
     "C2< Notice 00000 'No server connection available in postgres backend, client being queued'\n"
     "wait 5\n"
     "C2<\n"
     "C1> Query commit\n"
     "C2< " ANSWER("b") "\n"},
    {"who waits and leaves is forgotten", 1, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "C2 closes\n"
     "count waiting 0\n"
     "C1> Query commit\n"
     "B1< Query commit\n"
     "count idle 1\n"},
    {"order of arrival", 1, ONE,
     C1_HAS_B1
     "login C3\n"
     "C3> Query 'rows 1 c'\n"
     "wait 0.1\n"
     "C2> Query begin\n"
     "C1> Query commit\n"
     "B1< Query commit | Query 'rows 1 c' | Query begin\n"
     "C3< " ANSWER("c") "\n"
     "C2< Complete BEGIN | Ready T\n"},
    {"a pool is no larger than its size, over all workers", 2, "default_pool_size = 2\n",
     "login C1\n"
     "login C2\n"
     "login C3\n"
     "login C4\n"
     "login C5\n"
     "login C6\n"
     "C1> Query begin\n"
     "C2> Query begin\n"
     "C3> Query 'rows 1 c'\n"
     "C4> Query 'rows 1 d'\n"
     "C5> Query 'rows 1 e'\n"
     "C6> Query 'rows 1 f'\n"
     "count connections 2 waiting 4 used 2\n"
     "C1> Query commit\n"
     "wait 0.1\n"
     "C3< " ANSWER("c") "\n"
     "C4< " ANSWER("d") "\n"
     "C5< " ANSWER("e") "\n"
     "C6< " ANSWER("f") "\n"
     "count connections 2 backends 2 waiting 0 used 1 idle 1\n"},
    {"max_db_connections counts all users", 2, "max_db_connections = 1",
     "login C1\n"
     "C1> Query begin\n"
     "knock C2 user=bob\n"
     "count connections 1 waiting 1\n"
     "C1> Query commit\n"
     "wait 0.2\n"
     "welcome C2\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count backends 1 connections 2\n"},
    {"the reserve comes when waiting takes too long", 1, ONE
     "reserve_pool_size = 1\nreserve_pool_timeout = 2",
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "wait 1.8\n"
     "count connections 1\n"
     "wait 0.5\n"
     "B2< Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"an idle backend goes to the worker that needs it", 2, ONE,
     C1_HAS_B1
     "C1> Query commit\n"
     "B1< Query commit\n"
     "C1< Complete COMMIT | Ready I\n" C2_GETS_B1
     "count moved 1\n"
     "C1> Query 'rows 1 a'\n"
     "B1< Query 'rows 1 a'\n"
     "count moved 2\n"},
    {"it takes along what is prepared on it", 2, ONE,
     "login C1\n"
     "login C2\n"
     "C1> Parse s 'rows 1 a' | Bind s - | Execute - | Sync\n"
     "B1< Parse pgp_1 'rows 1 a' | Bind pgp_1 - | Execute - 0 | Sync\n"
     "C1< ParseComplete | BindComplete | " ROW("a") " | Complete 'SELECT 1' | Ready I\n"
     "C2> Parse t 'rows 1 a' | Bind t - | Execute - | Sync\n"
     "B1< Bind pgp_1 - | Execute - 0 | Sync\n"
     "C2< ParseComplete | BindComplete | " ROW("a") " | Complete 'SELECT 1' | Ready I\n"
     "count moved 1 connections 1\n"},
    {"... and its parameters", 2, ONE,
     "login C1 DateStyle=SQL\n"
     "login C2\n"
     "C1> Query 'rows 1 a'\n"
     "C1< Columns | DataRow  a#0 parsed SQL now SQL UTC | Complete 'SELECT 1' | Ready I\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "C1> Query 'rows 1 a'\n"
     "C1< Columns | DataRow  a#0 parsed SQL now SQL UTC | Complete 'SELECT 1' | Ready I\n"
     "count moved 2 connections 1\n"},
};
/* clang-format on */
POOLER_CONVERSE(links)

/* The client goes in the middle of something, and C2 must not see a byte of it. */
/* clang-format off */
static const struct pooler_conversation vanished[] = {
    {"idle in a transaction: rolled back, unseen, and used again", 1, ONE,
     C1_HAS_B1
     "C1 closes\n"
     "B1< Query ROLLBACK\n" C2_GETS_B1},
    {"the same with C2 waiting", 1, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "C1 resets\n"
     "B1< Query ROLLBACK | Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"the same with C2 waiting on another worker", 2, ONE,
     C1_HAS_B1
     "C2> Query 'rows 1 b'\n"
     "C1 closes\n"
     "B1< Query ROLLBACK | Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count moved 1\n"},
    {"in a failed transaction too", 1, ONE,
     C1_HAS_B1
     "C1> Query err\n"
     "C1 closes\n"
     "B1< Query err | Query ROLLBACK\n" C2_GETS_B1},
    {"Terminate in a transaction is no other case", 1, ONE,
     C1_HAS_B1
     "C1> Terminate\n"
     "C1 gone\n"
     "B1< Query ROLLBACK\n" C2_GETS_B1},
    {"with a message half sent", 1, ONE,
     C1_HAS_B1
     "C1>10 Query 'rows 1 a'\n"
     "C1 closes\n"
     "B1< Query ROLLBACK\n" C2_GETS_B1},
    {"while a query runs: cancelled, closed", 1, ONE,
     C1_HAS_B1
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "C1 resets\n"
     "K1 for B1\n"
     "K1 closes\n" C2_GETS_B2},
    {"the same, but it might still listen: a moment later", 1, ONE,
     C1_HAS_B1
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "C1 closes\n"
     "wait 0.9\n"
     "count cancels 0\n"
     "wait 0.2\n"
     "K1 for B1\n"
     "K1 closes\n" C2_GETS_B2},
    {"it does still listen, and gets its answer", 1, ONE,
     C1_HAS_B1
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "C1 half-closes\n"
     "wait 0.9\n"
     "B1 answers\n"
     "C1< " ANSWER_IN_BLOCK("a") "\n"
     "C1 gone\n"
     "B1< Query 'rows 1 a' | Query ROLLBACK\n" C2_GETS_B1},
    {"... also while it waited for a backend", 1, ONE,
     C1_HAS_B1
     "login C3\n"
     "C3> Query 'rows 1 c'\n"
     "C3 half-closes\n"
     "count waiting 0\n"
     "C3 gone\n"
     "C1 closes\n"
     "B1< Query ROLLBACK\n" C2_GETS_B1},
    {"no cancel when that is not wanted", 1, ONE "cancel_on_disconnect = 0",
     C1_HAS_B1
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "C1 resets\n"
     "count cancels 0\n" C2_GETS_B2},
    {"while a query runs outside of a transaction", 1, ONE,
     C1_HAS_B1
     "C1> Query commit\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "C1 resets\n"
     "K1 for B1\n"
     "K1 closes\n" C2_GETS_B2},
    {"in half a batch: closed, and nothing is committed", 1, ONE,
     C1_HAS_B1
     "C1> Query commit | Parse - 'rows 1 a' | Bind - - | Execute - | Flush\n"
     "C1< Complete COMMIT | Ready I | ParseComplete | BindComplete | " ROW("a") " | Complete 'SELECT 1'\n"
     "C1 closes\n"
     "B1< Query commit | Parse - 'rows 1 a' | Bind - - | Execute - 0 | Flush\n" C2_GETS_B2},
    {"in the middle of COPY: closed", 1, ONE,
     C1_HAS_B1
     "C1> Query copyin\n"
     "C1> CopyData x\n"
     "C1 closes\n"
     "B1< Query copyin | CopyData x\n"
     "K1 for B1\n" C2_GETS_B2},
    {"in the middle of a row for COPY", 1, ONE,
     C1_HAS_B1
     "C1> Query copyin\n"
     "C1>9 CopyData abcdefghij\n"
     "C1 closes\n"
     "K1 for B1\n" C2_GETS_B2},
    {"when the rollback fails, the backend is closed", 1, ONE,
     C1_HAS_B1
     "B1 holds\n"
     "C1 closes\n"
     "B1 forgets\n"
     "B1> Error XX000 no | Ready E\n" C2_GETS_B2},
    {"when the server dies during the rollback, C2 gets another", 1, ONE,
     C1_HAS_B1
     "B1 holds\n"
     "C1 closes\n"
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "B1 closes\n"
     "B2< Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
};
/* clang-format on */
POOLER_CONVERSE(vanished)

/* clang-format off */
static const struct pooler_conversation modes[] = {
    {"a session keeps its backend, which is reset behind it", 1,
     ONE
     "pool_mode = session\nserver_reset_query = discard all",
     "login C1\n"
     "login C2\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "C1 closes\n"
     "B1< Query 'rows 1 a' | Query 'discard all' | Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count resets 1\n"},
    {"a session that leaves in a transaction: rolled back, then reset", 1, ONE "pool_mode = session",
     C1_HAS_B1
     "C1 closes\n"
     "B1< Query ROLLBACK | Query 'DISCARD ALL'\n" C2_HAS_B1},
    {"without a reset query there is none", 1, ONE
     "pool_mode = session\nserver_reset_query =",
     C1_HAS_B1
     "C1> Query commit\n"
     "C1 closes\n"
     "B1< Query commit\n" C2_HAS_B1},
    {"a reset that fails costs the backend: C2 must not inherit", 1,
     ONE "pool_mode = session\nserver_reset_query = bad",
     C1_HAS_B1
     "C1> Query commit\n"
     "C1 closes\n"
     "B1< Query commit | Query bad\n"
     "B1 gone\n"
     "C2> Query 'rows 1 b'\n"
     "B2< Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"... also when it was cancelled", 1, ONE "pool_mode = session",
     C1_HAS_B1
     "C1> Query commit\n"
     "B1 holds\n"
     "C1 closes\n"
     "B1 forgets\n"
     "B1> Error 57014 no | Ready I\n"
     "B1 gone\n"},
    {"server_reset_query_always resets behind every transaction", 1,
     ONE
     "server_reset_query_always = 1\nserver_reset_query = discard all",
     C1_HAS_B1
     "C1> Query commit\n"
     "B1< Query commit | Query 'discard all'\n"
     "C2> Query 'rows 1 b'\n"
     "B1< Query 'rows 1 b' | Query 'discard all'\n"
     "C2< " ANSWER("b") "\n"},
    {"statement mode refuses transactions", 1, ONE "pool_mode = statement",
     "login C1\n"
     "login C2\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "C1> Query begin\n"
     "C1< Complete BEGIN | Ready T | Fatal 08P01 'transaction blocks not allowed in statement pooling mode'\n"
     "C1 gone\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count waiting 0 desync 0\n"},
};
/* clang-format on */
POOLER_CONVERSE(modes)

/* clang-format off */
static const struct pooler_conversation overdue[] = {
    {"idle_transaction_timeout", 1, ONE "idle_transaction_timeout = 2",
     C1_HAS_B1
     "wait 1.8\n"
     "C1 here\n"
     "wait 0.5\n"
     "C1< Fatal 08P01 'idle transaction timeout'\n"
     "C1 gone\n"
     "B1< Query ROLLBACK\n" C2_GETS_B1},
    {"transaction_timeout", 1, ONE "transaction_timeout = 2",
     C1_HAS_B1
     "wait 1\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER_IN_BLOCK("a") "\n"
     "wait 1.2\n"
     "C1< Fatal 08P01 'transaction timeout'\n"
     "C1 gone\n"},
    {"query_timeout", 1, ONE "query_timeout = 2",
     C1_HAS_B1
     "wait 5\n"
     "C1 here\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "wait 2.2\n"
     "C1< Fatal 08P01 'query timeout'\n"
     "C1 gone\n"
     "K1 for B1\n"
     "K1 closes\n" C2_GETS_B2},
    {"client_idle_timeout", 1, ONE "client_idle_timeout = 2",
     C1_HAS_B1
     "wait 1.5\n"
     "C2> Query 'rows 1 b'\n"
     "wait 5\n"
     "C1 here\n" /* in a transaction, or waiting, nobody is idle */
     "C2 here\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "wait 2.2\n"
     "C1< Fatal 08P01 client_idle_timeout\n"
     "C1 gone\n"},
};
/* clang-format on */
POOLER_CONVERSE(overdue)

START_TEST(a_header_begun_by_the_server_is_awaited)
{
    struct pooler_script f;
    pooler_script_open(&f, "half a header", NULL, ONE, 1, 0);
    pooler_script_play(&f, C1_HAS_B1 "C1> Query commit\n"
                                     "C1< Complete COMMIT | Ready I\n"
                                     "B1 holds\n"
                                     "C1> Query 'rows 1 a'\n"
                                     "C2> Query 'rows 1 b'\n"
                                     "B1>23 Complete 'SELECT 0' | Ready I | Notice 00000 'for the first only'\n"
                                     "C1< Complete 'SELECT 0' | Ready I\n"
                                     "count waiting 1 used 1\n"
                                     "B1>+\n"
                                     "C1< Notice 00000 'for the first only'\n"
                                     "count waiting 0\n"
                                     "B1 forgets\n"
                                     "B1> Complete 'SELECT 1' | Ready I\n"
                                     "C2< Complete 'SELECT 1' | Ready I\n");
    pooler_script_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_link");
    TCase *cases = tcase_create("links");
    ADD_POOLER_CONVERSATIONS(cases, links);
    ADD_POOLER_CONVERSATIONS(cases, vanished);
    ADD_POOLER_CONVERSATIONS(cases, modes);
    ADD_POOLER_CONVERSATIONS(cases, overdue);
    tcase_add_test(cases, a_header_begun_by_the_server_is_awaited);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
