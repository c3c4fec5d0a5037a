/* Conversations of clients with their backends as transcripts; see test/lib/session_script.h for how to read them. */
#include "session_script.h"

#include <check.h>
#include <stdlib.h>

struct conversation {
    const char *what, *text;
};

/* How the bytes arrive makes no difference: as written, one by one, and in pieces that fit nothing. */
static const size_t pieces[] = {0, 1, 2, 3, 7, 64};
enum { PIECES = sizeof pieces / sizeof *pieces };

static void converse(const struct conversation *c)
{
    for (int i = 0; i < PIECES; i++) {
        struct script f;
        struct buf what = {0};
        buf_printf(&what, "%s (pieces of %zu)", c->what, pieces[i]);
        script_init(&f, buf_text(&what), pieces[i]);
        script_play(&f, c->text);
        script_deinit(&f);
        buf_deinit(&what);
    }
}

#define CONVERSATIONS(name, ...)                                                                                       \
    static const struct conversation name##_table[] = {__VA_ARGS__};                                                   \
    START_TEST(name)                                                                                                   \
    {                                                                                                                  \
        converse(&name##_table[_i]);                                                                                   \
    }                                                                                                                  \
    END_TEST
#define ADD(suite_case, name) tcase_add_loop_test(suite_case, name, 0, sizeof name##_table / sizeof *name##_table)

/* ---- simple protocol ---- */
CONVERSATIONS(simple,
              {"a query takes a backend and gives it back", "C> Query 'select 1'     *need\n"
                                                            "attach B1    B1< Query 'select 1'\n"
                                                            "B1> Columns | DataRow 1 | Complete 'SELECT 1'\n"
                                                            "C< Columns | DataRow 1 | Complete 'SELECT 1'\n"
                                                            "B1> Ready I     *release\n"
                                                            "C< Ready I\n"},
              {"nobody is asked before the query is here as a whole", "C>9 Query 'select 1'\n"
                                                                      "C>+     *need\n"
                                                                      "attach B1    B1< Query 'select 1'\n"
                                                                      "B1> Complete x | Ready I    *release\n"
                                                                      "C< Complete x | Ready I\n"},
              {"several statements give several results and one end",
               "C> Query 'a; b; c'     *need\n"
               "attach B1    B1< Query 'a; b; c'\n"
               "B1> Columns | DataRow 1 | Complete a | Empty | Complete c | Ready I     *release\n"
               "C< Columns | DataRow 1 | Complete a | Empty | Complete c | Ready I\n"},
              {"an error ends the query, not the link's count of what is owed", "C> Query bad     *need\n"
                                                                                "attach B1    B1< Query bad\n"
                                                                                "B1> Error 42601 no\n"
                                                                                "C< Error 42601 no\n"
                                                                                "B1> Ready I     *release\n"
                                                                                "C< Ready I\n"},
              {"a transaction keeps its backend until the status says idle",
               "C> Query begin     *need\n"
               "attach B1    B1< Query begin\n"
               "B1> Complete BEGIN | Ready T\n"
               "C> Query bad    B1< Query bad\n"
               "B1> Error 22012 no | Ready E\n"
               "C> Query commit    B1< Query commit\n"
               "B1> Complete ROLLBACK | Ready I     *release\n"
               "C< Complete BEGIN | Ready T | Error 22012 no | Ready E | Complete ROLLBACK | Ready I\n"},
              {"pipelined queries are answered one for one before the link ends",
               "C> Query a | Query b | Query c     *need\n"
               "attach B1    B1< Query a | Query b | Query c\n"
               "B1> Complete a | Ready I | Complete b | Ready I | Complete c\n"
               "B1> Ready I     *release\n"
               "C< Complete a | Ready I | Complete b | Ready I | Complete c | Ready I\n"},
              {"P38: a commit's idle is not idle when the next begin is already sent",
               "C> Query commit | Query begin     *need\n"
               "attach B1    B1< Query commit | Query begin\n"
               "B1> Complete COMMIT | Ready I\n"
               "B1> Complete BEGIN | Ready T\n"
               "C< Complete COMMIT | Ready I | Complete BEGIN | Ready T\n"
               "C> Query commit    B1< Query commit\n"
               "B1> Complete COMMIT | Ready I     *release\n"
               "C< Complete COMMIT | Ready I\n"},
              {"a function call ends with its own ready", "C> Call 1598     *need\n"
                                                          "attach B1    B1< Call 1598\n"
                                                          "B1> Result | Ready I     *release\n"
                                                          "C< Result | Ready I\n"},
              {"a function call that fails", "C> Call 1598     *need\n"
                                             "attach B1    B1< Call 1598\n"
                                             "B1> Error 42883 no | Ready I     *release\n"
                                             "C< Error 42883 no | Ready I\n"},
              {"terminate without a link", "C> Terminate     *terminate\n"},
              {"P73: terminate waits for the answers of complete requests",
               "C> Query a | Terminate     *need\n"
               "attach B1    *hold\n"
               "B1< Query a\n"
               "B1> Complete a | Ready I     *terminate  *release\n"
               "C< Complete a | Ready I\n"},
              {"terminate in a half batch waits for nothing", "C> Parse - a | Bind - | Execute | Terminate     *need\n"
                                                              "attach B1    *terminate\n"
                                                              "B1< Parse - a | Bind - | Execute\n"
                                                              "farewell C cancel\n"},
              {"a password when nobody asked for one", "C> Password x     *fatal(08P01)\n"},
              {"a password in the middle of a transaction", "C> Query begin     *need\n"
                                                            "attach B1    B1< Query begin\n"
                                                            "B1> Complete BEGIN | Ready T\n"
                                                            "C> Password x     *fatal(08P01)\n"
                                                            "C< Complete BEGIN | Ready T\n"},
              {"sync, flush and stray copy data need no backend",
               "C> Sync | Flush | CopyData x | CopyDone | CopyFail x | Sync\n"
               "C< Ready I | Ready I\n"}, )

/* ---- what comes at any time ---- */
CONVERSATIONS(
    asynchronous,
    {"notices and notifications pass to whoever is linked",
     "C> Query a     *need\n"
     "attach B1    B1< Query a\n"
     "B1> Notice 00000 one | Notify 1 channel payload | Complete a | Notice 00000 two | Ready I     *release\n"
     "C< Notice 00000 one | Notify 1 channel payload | Complete a | Notice 00000 two | Ready I\n"},
    {"an idle backend's notice is nobody's", "B1> Notice 00000 x | Status application_name x\n"},
    {"an idle backend that says goodbye", "B1> Fatal 57P01 shutdown     *dying\n"},
    {"an idle backend that says anything else", "B1> Ready I     *desync\n"},
    {"a row for nobody", "B1> DataRow 1     *desync\n"},
    {"a FATAL in a query passes, and the backend is not used again", "C> Query a     *need\n"
                                                                     "attach B1    B1< Query a\n"
                                                                     "B1> Fatal 57P01 shutdown     *dying\n"
                                                                     "C< Fatal 57P01 shutdown\n"
                                                                     "farewell C cancel\n"},
    {"one answer too many", "C> Query begin     *need\n"
                            "attach B1    B1< Query begin\n"
                            "B1> Complete BEGIN | Ready T\n"
                            "B1> Complete BEGIN     *desync\n"
                            "C< Complete BEGIN | Ready T\n"},
    {"a row where a bind's answer is due", "C> Parse - a | Bind - | Execute | Sync     *need\n"
                                           "attach B1    B1< Parse - a | Bind - | Execute | Sync\n"
                                           "B1> ParseComplete | DataRow 1     *desync\n"
                                           "C< ParseComplete\n"},
    {"copy data outside of a copy", "C> Query a     *need\n"
                                    "attach B1    B1< Query a\n"
                                    "B1> CopyData 1     *desync\n"},
    {"authentication after login", "C> Query a     *need\n"
                                   "attach B1    B1< Query a\n"
                                   "B1> Key 1     *desync\n"},
    {"a notification while our own parse is due still is the client's",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Bind s1 | Execute | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Execute | Sync\n"
     "B2> Notify 1 channel x | Notice 00000 hidden | ParseComplete | BindComplete | Complete a | Ready I     *release\n"
     "C< Notify 1 channel x | BindComplete | Complete a | Ready I\n"}, )

/* ---- extended protocol ---- */
CONVERSATIONS(
    extended,
    {"a whole batch",
     "C> Parse - a | Describe S - | Bind - | Describe P - | Execute | Close P - | Sync     *need\n"
     "attach B1    B1< Parse - a | Describe S - | Bind - | Describe P - | Execute | Close P - | Sync\n"
     "B1> ParseComplete | Params | Columns | BindComplete | Columns | DataRow 1 | Complete a | CloseComplete\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | Params | Columns | BindComplete | Columns | DataRow 1 | Complete a | CloseComplete | Ready "
     "I\n"},
    {"nobody is asked before the batch ends", "C> Parse - a | Bind - | Execute\n"
                                              "C> Sync     *need\n"
                                              "attach B1    B1< Parse - a | Bind - | Execute | Sync\n"
                                              "B1> ParseComplete | BindComplete | Complete a | Ready I     *release\n"
                                              "C< ParseComplete | BindComplete | Complete a | Ready I\n"},
    {"a batch with bytes behind it that are no message gets no backend", "C> Parse - a | Sync     *need\n"
                                                                         "attach B1    B1< Parse - a | Sync\n"
                                                                         "B1> ParseComplete | Ready I     *release\n"
                                                                         "C< ParseComplete | Ready I\n"
                                                                         "C> Bind - | Password x     *fatal(08P01)\n"},
    {"P36: several executes are one transaction and one backend",
     "C> Parse - a | Bind - | Execute | Bind - | Execute | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Execute | Bind - | Execute | Sync\n"
     "B1> ParseComplete | BindComplete | Complete a | BindComplete | Error 22012 no | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Complete a | BindComplete | Error 22012 no | Ready I\n"},
    {"P37: of three units the middle one fails",
     "C> Parse - a | Bind - | Execute | Sync | Parse - b | Bind - | Execute | Sync | Parse - c | Bind - | Execute "
     "| Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Execute | Sync | Parse - b | Bind - | Execute | Sync | Parse - c | Bind - "
     "| Execute | Sync\n"
     "B1> ParseComplete | BindComplete | Complete a | Ready I | ParseComplete | Error 22012 no | Ready I\n"
     "B1> ParseComplete | BindComplete | Complete c\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | BindComplete | Complete a | Ready I | ParseComplete | Error 22012 no | Ready I "
     "| ParseComplete | BindComplete | Complete c | Ready I\n"},
    {"P34: after an error what we would answer ourselves is skipped too",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Parse s2 a | Bind nix | Parse s3 a | Close S s1 | Execute | Sync     *need\n"
     "attach B1    B1< Bind nix | Execute | Sync\n"
     "B1> Error 26000 nix | Ready I     *release\n"
     "C< ParseComplete | Error 26000 nix | Ready I\n"
     "C> Bind s1 | Bind s3 | Sync     *need\n" /* s1 was not closed, s3 never parsed */
     "attach B1    B1< Bind pgp_1 | Bind s3 | Sync\n"
     "B1> BindComplete | Error 26000 s3 | Ready I     *release\n"
     "C< BindComplete | Error 26000 s3 | Ready I\n"},
    {"P35: what we answer ourselves waits for its turn",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Parse s2 b | Parse s3 a | Describe S s2 | Close S s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 b | Describe S pgp_2 | Sync\n"
     "C<\n"
     "B1> ParseComplete    C< ParseComplete | ParseComplete\n"
     "B1> Params    C< Params\n"
     "B1> Columns    C< Columns | CloseComplete\n"
     "B1> Ready I     *release\n"
     "C< Ready I\n"},
    {"what we answer ourselves never lands in the middle of a message",
     "C> Parse - a | Describe S - | Flush     *need\n"
     "attach B1    B1< Parse - a | Describe S - | Flush\n"
     "B1> ParseComplete | Params\n"
     "B1>6 Columns\n"
     "C> Close S s1\n"
     "B1>+    C< ParseComplete | Params | Columns | CloseComplete\n"
     "B1>8 Notice 00000 hello\n"
     "C> Close S s1 | Flush    B1< Flush\n"
     "B1>+    C< Notice 00000 hello | CloseComplete\n"
     "C> Sync    B1< Sync\n"
     "B1> Ready I     *release\n"
     "C< Ready I\n"},
    {"P40: a flush without sync keeps the backend", "C> Parse - a | Bind - | Execute | Flush     *need\n"
                                                    "attach B1    B1< Parse - a | Bind - | Execute | Flush\n"
                                                    "B1> ParseComplete | BindComplete | Complete a\n"
                                                    "C< ParseComplete | BindComplete | Complete a\n"
                                                    "farewell C close\n"
                                                    "C> Sync    B1< Sync\n"
                                                    "B1> Ready I     *release\n"
                                                    "C< Ready I\n"},
    {"P42: a suspended portal in a transaction",
     "C> Query begin     *need\n"
     "attach B1    B1< Query begin\n"
     "B1> Complete BEGIN | Ready T\n"
     "C> Parse - a | Bind - p1 | Execute p1 1 | Flush    B1< Parse - a | Bind - p1 | Execute p1 1 | Flush\n"
     "B1> ParseComplete | BindComplete | DataRow 1 | Suspended\n"
     "C> Execute p1 1 | Sync    B1< Execute p1 1 | Sync\n"
     "B1> DataRow 2 | Suspended | Ready T\n"
     "C> Query commit    B1< Query commit\n"
     "B1> Complete COMMIT | Ready I     *release\n"
     "C< Complete BEGIN | Ready T | ParseComplete | BindComplete | DataRow 1 | Suspended | DataRow 2 | Suspended "
     "| Ready T | Complete COMMIT | Ready I\n"},
    {"P43: describe answers with two messages, or with no data",
     "C> Parse - a | Describe S - | Describe S - | Sync     *need\n"
     "attach B1    B1< Parse - a | Describe S - | Describe S - | Sync\n"
     "B1> ParseComplete | Params | NoData | Params | Columns | Ready I     *release\n"
     "C< ParseComplete | Params | NoData | Params | Columns | Ready I\n"},
    {"P44: a query inside a batch, whose sync comes later",
     "C> Parse - a | Bind - | Query q | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Query q | Sync\n"
     "B1> ParseComplete | BindComplete | Complete q | Ready I\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | BindComplete | Complete q | Ready I | Ready I\n"},
    {"P44: and one that is skipped with its batch", "C> Parse - a | Bind - | Query q | Sync     *need\n"
                                                    "attach B1    B1< Parse - a | Bind - | Query q | Sync\n"
                                                    "B1> Error 42601 no | Ready I     *release\n"
                                                    "C< Error 42601 no | Ready I\n"},
    {"P44: and one that fails takes nothing with it",
     "C> Parse - a | Query q | Bind - | Sync     *need\n"
     "attach B1    B1< Parse - a | Query q     *hold\n" /* whether the query took the unnamed statement away */
     "B1> ParseComplete | Error 42601 no | Ready I    B1< Bind - | Sync\n"
     "B1> Error 26000 none | Ready I     *release\n"
     "C< ParseComplete | Error 42601 no | Ready I | Error 26000 none | Ready I\n"},
    {"after an error nothing but a sync reaches the backend",
     "C> Parse - a | Bind - | Flush     *need\n"
     "attach B1    B1< Parse - a | Bind - | Flush\n"
     "B1> Error 42601 no\n"
     "C> Execute | Query q | Call 1 | Parse s1 b | Close S s1 | CopyData x | Sync    B1< Sync\n"
     "B1> Ready I     *release\n"
     "C< Error 42601 no | Ready I\n"},
    {"an empty query by both protocols",
     "C> Query - | Parse - - | Bind - | Execute | Sync     *need\n"
     "attach B1    B1< Query - | Parse - - | Bind - | Execute | Sync\n"
     "B1> Empty | Ready I | ParseComplete | BindComplete | Empty | Ready I     *release\n"
     "C< Empty | Ready I | ParseComplete | BindComplete | Empty | Ready I\n"},
    {"while others wait a pipeline is cut",
     "rule others_wait 1\n"
     "C> Query 1 | Query 2 | Query 3 | Query 4 | Query 5 | Query 6 | Query 7 | Query 8 | Query 9 | Query 10 "
     "| Query 11 | Query 12 | Query 13 | Query 14 | Query 15 | Query 16 | Query 17     *need\n"
     "attach B1     *hold\n"
     "B1< Query 1 | Query 2 | Query 3 | Query 4 | Query 5 | Query 6 | Query 7 | Query 8 | Query 9 | Query 10 "
     "| Query 11 | Query 12 | Query 13 | Query 14 | Query 15 | Query 16\n"
     "B1> Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I "
     "| Ready I | Ready I | Ready I | Ready I | Ready I | Ready I     *release     *need\n"
     "attach B2    B2< Query 17\n"
     "B2> Ready I     *release\n"
     "C< Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I "
     "| Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I\n"}, )

/* ---- prepared statements ---- */

/* s1 is a, parsed on B1, and nobody is linked */
#define S1_ON_B1                                                                                                       \
    "C> Parse s1 a | Sync     *need\n"                                                                                 \
    "attach B1    B1< Parse pgp_1 a | Sync\n"                                                                          \
    "B1> ParseComplete | Ready I     *release\n"                                                                       \
    "C< ParseComplete | Ready I\n"
#define LINK_B1                                                                                                        \
    "C> Query begin     *need\n"                                                                                       \
    "attach B1    B1< Query begin\n"                                                                                   \
    "B1> Complete BEGIN | Ready T\n"                                                                                   \
    "C< Complete BEGIN | Ready T\n"

CONVERSATIONS(
    prepared,
    {"a statement follows its client to another backend, and the extra answer is swallowed",
     S1_ON_B1 "C> Bind s1 | Execute | Sync     *need\n"
              "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Execute | Sync\n"
              "B2> ParseComplete | BindComplete | DataRow 1 | Complete a | Ready I     *release\n"
              "C< BindComplete | DataRow 1 | Complete a | Ready I\n"
              "C> Describe S s1 | Bind s1 p | Sync     *need\n"
              "attach B2    B2< Describe S pgp_1 | Bind pgp_1 p | Sync\n"
              "B2> Params | NoData | BindComplete | Ready I     *release\n"
              "C< Params | NoData | BindComplete | Ready I\n"},
    {"two clients with the same text share it under their own names",
     S1_ON_B1 "C2> Parse other a | Bind other | Execute | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Execute | Sync\n"
              "B1> BindComplete | Complete a | Ready I     *release\n"
              "C2< ParseComplete | BindComplete | Complete a | Ready I\n"},
    {"the same text with other types is another statement", S1_ON_B1 "C2> Parse s1 a 23 | Sync     *need\n"
                                                                     "attach B1    B1< Parse pgp_2 a 23 | Sync\n"
                                                                     "B1> ParseComplete | Ready I     *release\n"
                                                                     "C2< ParseComplete | Ready I\n"},
    {"P47: a name in use is refused by the server, in the client's words",
     S1_ON_B1 "C> Parse s1 b | Bind s1 | Sync     *need\n"
              "attach B1    B1< Parse pgp_1 b | Bind pgp_1 | Sync\n"
              "B1> Error 42P05 'prepared statement \"pgp_1\" already exists' | Ready I     *release\n"
              "C< Error 42P05 'prepared statement \"s1\" already exists' | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"P47: also by a server that has to be told of it first",
     S1_ON_B1 "C> Parse s1 b | Sync     *need\n"
              "attach B2    B2< Parse pgp_1 a | Parse pgp_1 b | Sync\n"
              "B2> ParseComplete | Error 42P05 'prepared statement \"pgp_1\" already exists' | Ready I     *release\n"
              "C< Error 42P05 'prepared statement \"s1\" already exists' | Ready I\n"},
    {"a duplicate that the server takes after all is the client's from then on, and parsed again for others",
     S1_ON_B1 LINK_B1
     "C> Parse - 'deallocate all' | Bind - | Execute | Parse s1 b | Bind s1 | Execute | Sync    "
     "B1< Parse - 'deallocate all' | Bind - | Execute | Parse pgp_1 b | Bind pgp_1 | Execute | Sync\n"
     "B1> ParseComplete | BindComplete | Complete 'DEALLOCATE ALL' | ParseComplete | BindComplete | Complete b "
     "| Ready T\n"
     "C< ParseComplete | BindComplete | Complete 'DEALLOCATE ALL' | ParseComplete | BindComplete | Complete b "
     "| Ready T\n"
     "C> Bind s1 | Sync    B1< Parse pgp_2 b | Bind pgp_2 | Sync\n"
     "B1> ParseComplete | BindComplete | Ready T    C< BindComplete | Ready T\n"
     "C> Parse s3 a | Sync    B1< Close S pgp_1 | Parse pgp_1 a | Sync\n"
     "B1> CloseComplete | ParseComplete | Ready T    C< ParseComplete | Ready T\n"},
    {"an unknown name is refused by the server",
     "C> Bind nix | Sync     *need\n"
     "attach B1    B1< Bind nix | Sync\n"
     "B1> Error 26000 'prepared statement \"nix\" does not exist' | Ready I     *release\n"
     "C< Error 26000 'prepared statement \"nix\" does not exist' | Ready I\n"},
    {"P48: a parse that failed leaves the name free", "C> Parse s1 bad | Sync     *need\n"
                                                      "attach B1    B1< Parse pgp_1 bad | Sync\n"
                                                      "B1> Error 42601 no | Ready I     *release\n"
                                                      "C< Error 42601 no | Ready I\n"
                                                      "C> Parse s1 good | Bind s1 | Sync     *need\n"
                                                      "attach B1    B1< Parse pgp_2 good | Bind pgp_2 | Sync\n"
                                                      "B1> ParseComplete | BindComplete | Ready I     *release\n"
                                                      "C< ParseComplete | BindComplete | Ready I\n"},
    {"P48: and so does one that was skipped", "C> Bind nix | Parse s1 a | Sync     *need\n"
                                              "attach B1    B1< Bind nix | Parse pgp_1 a | Sync\n"
                                              "B1> Error 26000 no | Ready I     *release\n"
                                              "C< Error 26000 no | Ready I\n"
                                              "C> Parse s1 a | Sync     *need\n"
                                              "attach B1    B1< Parse pgp_1 a | Sync\n"
                                              "B1> ParseComplete | Ready I     *release\n"
                                              "C< ParseComplete | Ready I\n"},
    {"a closed name is free, and the statement stays for others",
     S1_ON_B1 "C> Close S s1 | Sync\n"
              "C< CloseComplete | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind s1 | Sync\n"
              "B1> Error 26000 no | Ready I     *release\n"
              "C< Error 26000 no | Ready I\n"
              "C> Parse s1 b | Close S s1 | Parse s1 a | Bind s1 | Sync     *need\n"
              "attach B1    B1< Parse pgp_2 b | Bind pgp_1 | Sync\n"
              "B1> ParseComplete | BindComplete | Ready I     *release\n"
              "C< ParseComplete | CloseComplete | ParseComplete | BindComplete | Ready I\n"},
    {"closing what does not exist is no error", "C> Close S nix | Close S other | Sync\n"
                                                "C< CloseComplete | CloseComplete | Ready I\n"},
    {"a hidden parse that fails is the client's error",
     S1_ON_B1 "C> Bind s1 | Execute | Sync     *need\n"
              "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Execute | Sync\n"
              "B2> Error 42P01 'no such table' | Ready I     *release\n"
              "C< Error 42P01 'no such table' | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Sync\n"
              "B2> ParseComplete | BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"names of a unit whose answer is not known make later units wait",
     LINK_B1 "C> Parse s1 a | Sync | Bind s1 | Execute | Sync     *hold\n"
             "B1< Parse pgp_1 a | Sync\n"
             "B1> Error 42601 no | Ready E\n"
             "B1< Bind s1 | Execute | Sync\n"
             "B1> Error 26000 'prepared statement \"s1\" does not exist' | Ready E\n"
             "C< Error 42601 no | Ready E | Error 26000 'prepared statement \"s1\" does not exist' | Ready E\n"},
    {"P49: a plan that changed is parsed anew at the next use",
     S1_ON_B1 "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> Error 0A000 'cached plan must not change result type' | Ready I     *release\n"
              "C< Error 0A000 'cached plan must not change result type' | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
              "B1> CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"P49: also by a new parse of the same text",
     S1_ON_B1 "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> Error 26000 'prepared statement \"pgp_1\" does not exist' | Ready I     *release\n"
              "C< Error 26000 'prepared statement \"s1\" does not exist' | Ready I\n"
              "C> Close S s1 | Parse s1 a | Sync     *need\n"
              "C< CloseComplete\n"
              "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Sync\n"
              "B1> CloseComplete | ParseComplete | Ready I     *release\n"
              "C< ParseComplete | Ready I\n"},
    {"P49: and a repair that was skipped is tried again",
     S1_ON_B1 "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> Error 0A000 'cached plan must not change result type' | Ready I     *release\n"
              "C< Error 0A000 'cached plan must not change result type' | Ready I\n"
              "C> Bind nix | Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind nix | Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
              "B1> Error 26000 nix | Ready I     *release\n"
              "C< Error 26000 nix | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
              "B1> CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"another 0A000 says nothing about the statement",
     S1_ON_B1 "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> Error 0A000 'not implemented' | Ready I     *release\n"
              "C< Error 0A000 'not implemented' | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Bind pgp_1 | Sync\n"
              "B1> BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"a full backend loses what was used longest ago",
     "rule max_prepared 2\n"
     "C> Parse s1 a | Parse s2 b | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Parse pgp_2 b | Sync\n"
     "B1> ParseComplete | ParseComplete | Ready I     *release\n"
     "C< ParseComplete | ParseComplete | Ready I\n"
     "C> Bind s1 | Parse s3 c | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Close S pgp_2 | Parse pgp_3 c | Sync\n"
     "B1> BindComplete | CloseComplete | ParseComplete | Ready I     *release\n"
     "C< BindComplete | ParseComplete | Ready I\n"
     "C> Bind s2 | Sync     *need\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_2 b | Bind pgp_2 | Sync\n"
     "B1> CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"an eviction that was skipped has not happened",
     "rule max_prepared 1\n"
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Bind nix | Parse s2 b | Sync     *need\n"
     "attach B1    B1< Bind nix | Close S pgp_1 | Parse pgp_2 b | Sync\n"
     "B1> Error 26000 nix | Ready I     *release\n"
     "C< Error 26000 nix | Ready I\n"
     "C> Parse s3 c | Sync     *need\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_3 c | Sync\n"
     "B1> CloseComplete | ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"},
    {"DEALLOCATE ALL forgets the client's names and the backend's statements",
     S1_ON_B1 "C> Query 'deallocate all'     *need\n"
              "attach B1    B1< Query 'deallocate all'\n"
              "B1> Complete 'DEALLOCATE ALL' | Ready I     *release\n"
              "C< Complete 'DEALLOCATE ALL' | Ready I\n"
              "C> Parse s1 a | Sync     *need\n"
              "attach B1    B1< Parse pgp_1 a | Sync\n"
              "B1> ParseComplete | Ready I     *release\n"
              "C< ParseComplete | Ready I\n"},
    {"P51: another client's DISCARD ALL takes no names away",
     S1_ON_B1 "C2> Query 'discard all'     *need\n"
              "attach B1    B1< Query 'discard all'\n"
              "B1> Complete 'DISCARD ALL' | Ready I     *release\n"
              "C2< Complete 'DISCARD ALL' | Ready I\n"
              "C> Bind s1 | Sync     *need\n"
              "attach B1    B1< Parse pgp_1 a | Bind pgp_1 | Sync\n"
              "B1> ParseComplete | BindComplete | Ready I     *release\n"
              "C< BindComplete | Ready I\n"},
    {"names that were parsed behind a DEALLOCATE ALL in flight stay",
     S1_ON_B1 LINK_B1 "C> Query 'deallocate all' | Parse s2 b | Sync    B1< Query 'deallocate all'     *hold\n"
                      "B1> Complete 'DEALLOCATE ALL' | Ready T    B1< Parse pgp_2 b | Sync\n"
                      "B1> ParseComplete | Ready T\n"
                      "C> Parse - 'deallocate all' | Bind - | Execute | Parse s3 c | Sync    "
                      "B1< Parse - 'deallocate all' | Bind - | Execute | Parse pgp_3 c | Sync\n"
                      "B1> ParseComplete | BindComplete | Complete 'DEALLOCATE ALL' | ParseComplete | Ready T\n"
                      "C< Complete 'DEALLOCATE ALL' | Ready T | ParseComplete | Ready T | ParseComplete | BindComplete "
                      "| Complete 'DEALLOCATE ALL' | ParseComplete | Ready T\n"
                      "C> Bind s3 | Sync    B1< Bind pgp_3 | Sync\n"
                      "B1> BindComplete | Ready T\n"
                      "C> Bind s2 | Sync    B1< Bind s2 | Sync\n"
                      "B1> Error 26000 s2 | Ready E\n"
                      "C< BindComplete | Ready T | Error 26000 s2 | Ready E\n"},
    {"a pipelined use behind DEALLOCATE ALL waits for it",
     S1_ON_B1 "C> Query ' DEALLOCATE all' | Bind s1 | Sync     *need\n"
              "attach B2    B2< Query ' DEALLOCATE all'     *hold\n"
              "B2> Complete 'DEALLOCATE ALL' | Ready I    B2< Bind s1 | Sync\n"
              "B2> Error 26000 s1 | Ready I     *release\n"
              "C< Complete 'DEALLOCATE ALL' | Ready I | Error 26000 s1 | Ready I\n"},
    {"without rewriting names are the server's affair",
     "rule max_prepared 0\n"
     "C> Parse s1 a | Bind s1 | Describe S s1 | Execute | Close S s1 | Sync     *need\n"
     "attach B1    B1< Parse s1 a | Bind s1 | Describe S s1 | Execute | Close S s1 | Sync\n"
     "B1> ParseComplete | BindComplete | Params | NoData | Complete a | CloseComplete | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Params | NoData | Complete a | CloseComplete | Ready I\n"}, )

int main(void)
{
    Suite *suite = suite_create("session_script");
    TCase *words = tcase_create("words");
    ADD(words, simple);
    ADD(words, asynchronous);
    ADD(words, extended);
    ADD(words, prepared);
    suite_add_tcase(suite, words);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
