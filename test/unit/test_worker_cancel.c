/* worker, cancel: a cancel reaches the query that it is meant for, and no other. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

#define ONE "default_pool_size = 1\n"
/* C1's query runs on B1, the only one; C2 waits for it or not */
#define C1_RUNS                                                                                                        \
    "login C1\n"                                                                                                       \
    "login C2\n"                                                                                                       \
    "C1> Query begin\n"                                                                                                \
    "C1> Query commit\n"                                                                                               \
    "B1< Query begin | Query commit\n"                                                                                 \
    "C1< Complete BEGIN | Ready T | Complete COMMIT | Ready I\n"                                                       \
    "B1 holds\n"                                                                                                       \
    "C1> Query 'rows 1 a'\n"                                                                                           \
    "B1< Query 'rows 1 a'\n"
#define IS_CANCELLED                                                                                                   \
    "B1 forgets\n"                                                                                                     \
    "B1> Error 57014 'canceling statement due to user request' | Ready I\n"                                            \
    "C1< Error 57014 'canceling statement due to user request' | Ready I\n"
#define C1_GOES_ON                                                                                                     \
    "C1> Query 'rows 1 x'\n"                                                                                           \
    "C1< " ANSWER("x") "\n"

/* clang-format off */
static const struct pooler_conversation cancels[] = {
    {"a running query", 1, ONE,
     C1_RUNS
     "cancel C1\n"
     "K1 for B1\n"
     "count cancelling 1\n"
     "K1 closes\n"
     "count cancelling 0 used 1\n"
     IS_CANCELLED
     "B1 answers\n"
     "B1<\n"
     C1_GOES_ON
     "count idle 1 backends 1 cancels 1\n"},
    {"one of a client with a long key", 1, ONE,
     "login C1 version=3.2\n"
     "C1> Query begin\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "cancel C1 wrong\n"
     "count cancels 0\n"
     "cancel C1\n"
     "K1 for B1\n"},
    {"asked for on any worker", 3, ONE,
     C1_RUNS
     "cancel C1\n"
     "K1 for B1\n"
     "K1 closes\n"
     "count cancelling 0\n"
     IS_CANCELLED},
    {"a wrong key cancels nothing", 1, ONE,
     C1_RUNS
     "cancel C1 wrong\n"
     "count cancels 0 cancelling 0\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"},
    {"an idle client has nothing to cancel", 1, ONE,
     "login C1\n"
     "cancel C1\n"
     "count cancels 0 cancelling 0\n"
     C1_GOES_ON},
    {"nor has one that is idle in a transaction", 1, ONE,
     "login C1\n"
     "C1> Query begin\n"
     "C1< Complete BEGIN | Ready T\n"
     "cancel C1\n"
     "count cancels 0 cancelling 0\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"},
    {"a queued query is answered here, and the connection lives", 1, ONE,
     C1_RUNS
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "cancel C2\n"
     "C2< Error 57014 'canceling statement due to user request' | Ready I\n"
     "count waiting 0 cancels 0 cancelling 0\n"
     "B1 answers\n"
     "B1<\n"
     "C1< " ANSWER("a") "\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"none hits the parameters that are set in front of a query", 1, ONE,
     "login C1\n"
     "login C2 DateStyle=SQL\n"
     "B1 holds\n"
     "C2> Query 'rows 1 b'\n"
     "cancel C2\n"
     "count cancels 0 cancelling 1\n"
     "B1 answers\n"
     "C2< Columns | DataRow  b#0 parsed SQL now SQL UTC | Complete 'SELECT 1' | Ready I\n"
     "wait 0.1\n"
     "count cancels 0 cancelling 0\n"},
    {"of a queued pipeline only the first is given up", 1, ONE,
     C1_RUNS
     "C2> Query 'rows 1 b' | Query 'rows 1 c'\n"
     "cancel C2\n"
     "C2< Error 57014 'canceling statement due to user request' | Ready I\n"
     "count waiting 1\n"
     "B1 answers\n"
     "C2< " ANSWER("c") "\n"
     "B1< Query 'rows 1 c'\n"},
    {"of a queued batch all is, up to its Sync", 1, ONE,
     C1_RUNS
     "C2> Parse s 'rows 1 b' | Bind s - | Execute - | Sync | Query 'rows 1 c'\n"
     "cancel C2\n"
     "B1 answers\n"
     "C2< Error 57014 'canceling statement due to user request' | Ready I | " ANSWER("c") "\n"},
    {"the answer was quicker than the connection: nothing is sent", 1, ONE,
     C1_RUNS
     "server silent\n"
     "cancel C1\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "count used 1 idle 0\n" /* on the safe side until it is known */
     "server serves\n"
     "count cancels 0 cancelling 0 used 0 idle 1\n"
     "B1<\n"
     "C2> Query 'rows 1 b'\n"
     "B1< Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"nobody gets a backend that a cancel may still hit", 1, ONE,
     C1_RUNS
     "cancel C1\n"
     "K1 for B1\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "C2> Query 'rows 1 b'\n"
     "C1> Query 'rows 1 x'\n"
     "count waiting 2 connections 2\n"
     "B1<\n"
     "B1 holds\n"
     "K1 closes\n"
     "B1< Query -\n" /* takes the signal if it is late */
     "count waiting 2 cancelling 0\n"
     "B1 forgets\n"
     "B1> Error 57014 'canceling statement due to user request' | Ready I\n"
     "B1 answers\n"
     "B1< Query 'rows 1 b' | Query 'rows 1 x'\n"
     "C2< " ANSWER("b") "\n"
     "C1< " ANSWER("x") "\n"
     "count backends 1\n"},
    {"not even over to the other worker", 2, ONE,
     C1_RUNS
     "cancel C1\n"
     "K1 for B1\n"
     "C2> Query 'rows 1 b'\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "B1<\n"
     "count waiting 1 moved 0\n"
     "K1 closes\n"
     "B1< Query - | Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count moved 1\n"},
    {"a pipeline goes on behind it", 1, ONE,
     C1_RUNS
     "C1> Query 'rows 1 x'\n"
     "cancel C1\n"
     "K1 for B1\n"
     "K1 closes\n"
     "B1 answers\n"
     "C1< " ANSWER("a") " | " ANSWER("x") "\n"},
    {"one cancel does for all who press the key", 1, ONE,
     C1_RUNS
     "cancel C1\n"
     "cancel C1\n"
     "count cancels 1 cancelling 1\n"
     "K1 closes\n"
     "count cancelling 0\n"
     IS_CANCELLED
     "B1 answers\n"
     C1_GOES_ON},
    {"a node that never answers a cancel", 1, ONE "cancel_wait_timeout = 3",
     C1_RUNS
     "cancel C1\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "wait 2.9\n"
     "count cancelling 1 used 1\n"
     "wait 0.2\n"
     "count cancelling 0\n"
     "K1 gone\n"
     "B1< Query -\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count backends 1\n"},
    {"a node that refuses the connection", 1, ONE,
     C1_RUNS
     "server down\n"
     "cancel C1\n"
     "count cancelling 0\n"
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "count idle 1\n"},
    {"who cancels and goes", 1, ONE,
     C1_RUNS
     "cancel C1\n"
     "C1 resets\n"
     "B1 gone\n"
     "K1 for B1\n"
     "K1 closes\n"
     "count cancelling 0\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"who cancels in a transaction and goes", 1, ONE,
     C1_RUNS
     "B1 answers\n"
     "C1< " ANSWER("a") "\n"
     "C1> Query begin\n"
     "B1 holds\n"
     "C1> Query 'rows 1 x'\n"
     "cancel C1\n"
     "B1 answers\n"
     "C1 closes\n"
     "B1< Query begin | Query 'rows 1 x' | Query ROLLBACK\n"
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "K1 closes\n"
     "B1< Query - | Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"a server that dies of it", 1, ONE,
     C1_RUNS
     "cancel C1\n"
     "K1 for B1\n"
     "B1 closes\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"
     "K1 closes\n"
     "count cancelling 0\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
};
/* clang-format on */
POOLER_CONVERSE(cancels)

int main(void)
{
    Suite *suite = suite_create("worker_cancel");
    TCase *cases = tcase_create("cancels");
    ADD_POOLER_CONVERSATIONS(cases, cancels);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
