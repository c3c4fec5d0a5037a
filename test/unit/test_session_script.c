/* Conversations of clients with their backends as transcripts; test/lib/session_script.h says how to read them. */
#include "session_script.h"

#include <check.h>
#include <stdlib.h>

/* Each line of a conversation is a line. */
/* clang-format off */

/* ---- simple protocol ---- */
static const struct conversation simple[] = {
    {"a query takes a backend and gives it back",
     "C> Query 'select 1'     *need\n"
     "attach B1    B1< Query 'select 1'\n"
     "B1> Columns | DataRow 1 | Complete 'SELECT 1'\n"
     "C< Columns | DataRow 1 | Complete 'SELECT 1'\n"
     "B1> Ready I     *release\n"
     "C< Ready I\n"},
    {"nobody is asked before the query is here as a whole",
     "C>9 Query 'select 1'\n"
     "C>+     *need\n"
     "attach B1    B1< Query 'select 1'\n"
     "B1> Complete x | Ready I    *release\n"
     "C< Complete x | Ready I\n"},
    {"several statements give several results and one end",
     "C> Query 'a; b; c'     *need\n"
     "attach B1    B1< Query 'a; b; c'\n"
     "B1> Columns | DataRow 1 | Complete a | Empty | Complete c | Ready I     *release\n"
     "C< Columns | DataRow 1 | Complete a | Empty | Complete c | Ready I\n"},
    {"an error ends the query, not the link's count of what is owed",
     "C> Query bad     *need\n"
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
    {"a function call ends with its own ready",
     "C> Call 1598     *need\n"
     "attach B1    B1< Call 1598\n"
     "B1> Result | Ready I     *release\n"
     "C< Result | Ready I\n"},
    {"a function call that fails",
     "C> Call 1598     *need\n"
     "attach B1    B1< Call 1598\n"
     "B1> Error 42883 no | Ready I     *release\n"
     "C< Error 42883 no | Ready I\n"},
    {"terminate without a link",
     "C> Terminate     *terminate\n"},
    {"P73: terminate waits for the answers of complete requests",
     "C> Query a | Terminate     *need\n"
     "attach B1    *hold\n"
     "B1< Query a\n"
     "B1> Complete a | Ready I     *terminate  *release\n"
     "C< Complete a | Ready I\n"},
    {"terminate in a half batch waits for nothing",
     "C> Parse - a | Bind - | Execute | Terminate     *need\n"
     "attach B1    *terminate\n"
     "B1< Parse - a | Bind - | Execute\n"
     "farewell C cancel\n"},
    {"a password when nobody asked for one",
     "C> Password x     *fatal(08P01)\n"},
    {"a password in the middle of a transaction",
     "C> Query begin     *need\n"
     "attach B1    B1< Query begin\n"
     "B1> Complete BEGIN | Ready T\n"
     "C> Password x     *fatal(08P01)\n"
     "C< Complete BEGIN | Ready T\n"},
    {"sync, flush and stray copy data need no backend",
     "C> Sync | Flush | CopyData x | CopyDone | CopyFail x | Sync\n"
     "C< Ready I | Ready I\n"},
};

/* ---- what comes at any time ---- */
static const struct conversation asynchronous[] = {
    {"notices and notifications pass to whoever is linked",
     "C> Query a     *need\n"
     "attach B1    B1< Query a\n"
     "B1> Notice 00000 one | Notify 1 channel payload | Complete a | Notice 00000 two | Ready I     *release\n"
     "C< Notice 00000 one | Notify 1 channel payload | Complete a | Notice 00000 two | Ready I\n"},
    {"an idle backend's notice is nobody's",
     "B1> Notice 00000 x | Status application_name x\n"},
    {"an idle backend that says goodbye",
     "B1> Fatal 57P01 shutdown     *dying\n"},
    {"an idle backend that says anything else",
     "B1> Ready I     *desync\n"},
    {"a row for nobody",
     "B1> DataRow 1     *desync\n"},
    {"a FATAL in a query passes, and the backend is not used again",
     "C> Query a     *need\n"
     "attach B1    B1< Query a\n"
     "B1> Fatal 57P01 shutdown     *dying\n"
     "C< Fatal 57P01 shutdown\n"
     "farewell C cancel\n"},
    {"one answer too many",
     "C> Query begin     *need\n"
     "attach B1    B1< Query begin\n"
     "B1> Complete BEGIN | Ready T\n"
     "B1> Complete BEGIN     *desync\n"
     "C< Complete BEGIN | Ready T\n"},
    {"a row where a bind's answer is due",
     "C> Parse - a | Bind - | Execute | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Execute | Sync\n"
     "B1> ParseComplete | DataRow 1     *desync\n"
     "C< ParseComplete\n"},
    {"copy data outside of a copy",
     "C> Query a     *need\n"
     "attach B1    B1< Query a\n"
     "B1> CopyData 1     *desync\n"},
    {"authentication after login",
     "C> Query a     *need\n"
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
     "C< Notify 1 channel x | BindComplete | Complete a | Ready I\n"},
};

/* ---- extended protocol ---- */
static const struct conversation extended[] = {
    {"a whole batch",
     "C> Parse - a | Describe S - | Bind - | Describe P - | Execute | Close P - | Sync     *need\n"
     "attach B1    B1< Parse - a | Describe S - | Bind - | Describe P - | Execute | Close P - | Sync\n"
     "B1> ParseComplete | Params | Columns | BindComplete | Columns | DataRow 1 | Complete a | CloseComplete\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | Params | Columns | BindComplete | Columns | DataRow 1 | Complete a | CloseComplete | Ready "
     "I\n"},
    {"nobody is asked before the batch ends",
     "C> Parse - a | Bind - | Execute\n"
     "C> Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Execute | Sync\n"
     "B1> ParseComplete | BindComplete | Complete a | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Complete a | Ready I\n"},
    {"a batch with bytes behind it that are no message gets no backend",
     "C> Parse - a | Sync     *need\n"
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
     "attach B1    B1< Bind nix | Close S pgp_1 | Parse pgp_1 a | Execute | Sync\n"
     "B1> Error 26000 nix | Ready I     *release\n"
     "C< ParseComplete | Error 26000 nix | Ready I\n"
     "C> Bind s1 | Bind s3 | Sync     *need\n" /* s1 was not closed, s3 never parsed */
     "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Bind s3 | Sync\n"
     "B1> CloseComplete | ParseComplete | BindComplete | Error 26000 s3 | Ready I     *release\n"
     "C< BindComplete | Error 26000 s3 | Ready I\n"},
    {"a known Parse is the server's again where its effects can be told: in a transaction, behind other requests",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Query begin     *need\n"
     "attach B1    B1< Query begin\n"
     "B1> Complete BEGIN | Ready T\n"
     "C< Complete BEGIN | Ready T\n"
     "C> Parse s2 a | Sync    B1< Close S pgp_1 | Parse pgp_1 a | Sync\n"
     "B1> CloseComplete | ParseComplete | Ready T\n"
     "C< ParseComplete | Ready T\n"},
    {"so is one with a simple query in its batch",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Parse s2 a | Describe S s2 | Query begin | Sync     *need\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Describe S pgp_1 | Query begin | Sync\n"
     "B1> CloseComplete | ParseComplete | Params | NoData | Error 25001 late | Ready I | Ready I     *release\n"
     "C< ParseComplete | Params | NoData | Error 25001 late | Ready I | Ready I\n"},
    {"P35: what we answer ourselves waits for its turn",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "C> Parse s2 b | Close S s3 | Describe S s2 | Close S s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 b | Describe S pgp_2 | Sync\n"
     "C<\n"
     "B1> ParseComplete    C< ParseComplete | CloseComplete\n"
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
    {"P40: a flush without sync keeps the backend",
     "C> Parse - a | Bind - | Execute | Flush     *need\n"
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
    {"P44: and one that is skipped with its batch",
     "C> Parse - a | Bind - | Query q | Sync     *need\n"
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
     "| Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I\n"},
};

/* ---- COPY ---- */
static const struct conversation copy[] = {
    {"a flush inside a copy does not wait for its end, which is behind it",
     "rule others_wait 1\n"
     "C> Query 1 | Query 2 | Query 3 | Query 4 | Query 5 | Query 6 | Query 7 | Query 8 "
     "| Query 9 | Query 10 | Query 11 | Query 12 | Query 13 | Query 14 | Query 15 | Query 'copy t from stdin'     *need\n"
     "attach B1    B1< Query 1 | Query 2 | Query 3 | Query 4 | Query 5 | Query 6 | Query 7 | Query 8 "
     "| Query 9 | Query 10 | Query 11 | Query 12 | Query 13 | Query 14 | Query 15 | Query 'copy t from stdin'\n"
     "B1> Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I "
     "| Ready I | Ready I | Ready I | Ready I | Ready I | CopyIn\n"
     "C< Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I | Ready I "
     "| Ready I | Ready I | Ready I | Ready I | Ready I | CopyIn\n"
     "C> CopyData 1 | Flush | CopyData 2 | CopyDone    B1< CopyData 1 | CopyData 2 | CopyDone\n"
     "B1> Complete 'COPY 2' | Ready I     *release\n"
     "C< Complete 'COPY 2' | Ready I\n"},
    {"copy in by the simple protocol",
     "C> Query 'copy t from stdin'     *need\n"
     "attach B1    B1< Query 'copy t from stdin'\n"
     "B1> CopyIn    C< CopyIn\n"
     "farewell C cancel\n"
     "C> CopyData 1 | CopyData 2 | CopyDone    B1< CopyData 1 | CopyData 2 | CopyDone\n"
     "B1> Complete 'COPY 2' | Ready I     *release\n"
     "C< Complete 'COPY 2' | Ready I\n"},
    {"given up by the client",
     "C> Query 'copy t from stdin'     *need\n"
     "attach B1    B1< Query 'copy t from stdin'\n"
     "B1> CopyIn\n"
     "C> CopyData 1 | CopyFail 'changed my mind'    B1< CopyData 1 | CopyFail 'changed my mind'\n"
     "B1> Error 57014 'COPY failed' | Ready I     *release\n"
     "C< CopyIn | Error 57014 'COPY failed' | Ready I\n"},
    {"P54: given up by the server while the data still flows",
     "C> Query 'copy t from stdin'     *need\n"
     "attach B1    B1< Query 'copy t from stdin'\n"
     "B1> CopyIn\n"
     "C> CopyData bad | CopyData 2    B1< CopyData bad | CopyData 2\n"
     "B1> Error 22P02 'bad row' | Ready I     *release\n"
     "C> CopyData 3 | CopyData 4 | CopyDone\n"
     "C> Query next     *need\n"
     "attach B2    B2< Query next\n"
     "B2> Complete next | Ready I     *release\n"
     "C< CopyIn | Error 22P02 'bad row' | Ready I | Complete next | Ready I\n"},
    {"P54: in a transaction, the same",
     LINK_B1
     "C> Query 'copy t from stdin'    B1< Query 'copy t from stdin'\n"
     "B1> CopyIn\n"
     "C> CopyData bad    B1< CopyData bad\n"
     "B1> Error 22P02 'bad row' | Ready E\n"
     "C> CopyData 3 | CopyDone | Query rollback    B1< Query rollback\n"
     "B1> Complete ROLLBACK | Ready I     *release\n"
     "C< CopyIn | Error 22P02 'bad row' | Ready E | Complete ROLLBACK | Ready I\n"},
    {"P54: by the extended protocol the server skips to the sync behind",
     "C> Parse - copy | Bind - | Execute | Flush     *need\n"
     "attach B1    B1< Parse - copy | Bind - | Execute | Flush\n"
     "B1> ParseComplete | BindComplete | CopyIn\n"
     "C> CopyData bad    B1< CopyData bad\n"
     "B1> Error 22P02 'bad row'\n"
     "C> CopyData 2 | CopyDone | Sync    B1< Sync\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | BindComplete | CopyIn | Error 22P02 'bad row' | Ready I\n"},
    {"copy in by the extended protocol",
     "C> Parse - copy | Bind - | Execute | Flush     *need\n"
     "attach B1    B1< Parse - copy | Bind - | Execute | Flush\n"
     "B1> ParseComplete | BindComplete | CopyIn\n"
     "C> CopyData 1 | Flush | CopyDone | Sync    B1< CopyData 1 | CopyDone | Sync\n"
     "B1> Complete 'COPY 1' | Ready I     *release\n"
     "C< ParseComplete | BindComplete | CopyIn | Complete 'COPY 1' | Ready I\n"},
    {"P55: a sync that was under way when the copy began gets no answer",
     "C> Parse - copy | Bind - | Execute | Sync     *need\n"
     "attach B1    B1< Parse - copy | Bind - | Execute | Sync\n"
     "B1> ParseComplete | BindComplete | CopyIn\n"
     "C> CopyData 1 | CopyDone | Sync    B1< CopyData 1 | CopyDone | Sync\n"
     "B1> Complete 'COPY 1' | Ready I     *release\n"
     "C< ParseComplete | BindComplete | CopyIn | Complete 'COPY 1' | Ready I\n"},
    {"P55: nor does one behind a simple copy",
     "C> Query copy | Sync     *need\n"
     "attach B1    B1< Query copy | Sync\n"
     "B1> CopyIn\n"
     "C> Sync | CopyDone | Sync    B1< CopyDone | Sync\n"
     "B1> Complete 'COPY 0' | Ready I\n"
     "B1> Ready I     *release\n"
     "C< CopyIn | Complete 'COPY 0' | Ready I | Ready I\n"},
    {"data that is sent before the copy is known to begin waits for that",
     "C> Query copy | CopyData 1 | CopyDone     *need\n"
     "attach B1    B1< Query copy     *hold\n"
     "B1> CopyIn    B1< CopyData 1 | CopyDone\n"
     "B1> Complete 'COPY 1' | Ready I     *release\n"
     "C< CopyIn | Complete 'COPY 1' | Ready I\n"},
    {"and is dropped when it was no copy",
     "C> Query copy | CopyData 1 | CopyDone | Query next     *need\n"
     "attach B1    B1< Query copy     *hold\n"
     "B1> Error 42P01 no | Ready I    B1< Query next\n"
     "B1> Complete next | Ready I     *release\n"
     "C< Error 42P01 no | Ready I | Complete next | Ready I\n"},
    {"in the middle of a batch the answer is asked for",
     "C> Parse - a | Bind - | Execute | CopyData 1 | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Execute | Flush     *hold\n"
     "B1> ParseComplete | BindComplete | Complete a    B1< Sync\n"
     "B1> Ready I     *release\n"
     "C< ParseComplete | BindComplete | Complete a | Ready I\n"},
    {"copy out",
     "C> Query 'copy t to stdout'     *need\n"
     "attach B1    B1< Query 'copy t to stdout'\n"
     "B1> CopyOut | CopyData 1 | CopyData 2 | CopyDone\n"
     "farewell C cancel\n"
     "B1> Complete 'COPY 2' | Ready I     *release\n"
     "C< CopyOut | CopyData 1 | CopyData 2 | CopyDone | Complete 'COPY 2' | Ready I\n"},
    {"copy out by the extended protocol, and an error in the middle",
     "C> Parse - copy | Bind - | Execute | Sync | Query next     *need\n"
     "attach B1    B1< Parse - copy | Bind - | Execute | Sync | Query next\n"
     "B1> ParseComplete | BindComplete | CopyOut | CopyData 1 | Error 57014 canceled | Ready I\n"
     "B1> Complete next | Ready I     *release\n"
     "C< ParseComplete | BindComplete | CopyOut | CopyData 1 | Error 57014 canceled | Ready I | Complete next "
     "| Ready I\n"},
    {"anything else in a copy in ends the server, which is not used again",
     "C> Query copy     *need\n"
     "attach B1    B1< Query copy\n"
     "B1> CopyIn\n"
     "C> Query other    B1< Query other\n"
     "B1> Fatal 08P01 'terminating connection because protocol synchronization was lost'     *dying\n"
     "C< CopyIn | Fatal 08P01 'terminating connection because protocol synchronization was lost'\n"
     "farewell C cancel\n"},
    {"terminate in a copy in",
     "C> Query copy     *need\n"
     "attach B1    B1< Query copy\n"
     "B1> CopyIn    C< CopyIn\n"
     "C> CopyData 1 | Terminate    B1< CopyData 1     *terminate\n"
     "farewell C cancel\n"},
};

/* ---- pool modes, farewells, moves ---- */
static const struct conversation links[] = {
    {"session mode stays, and leaves names alone",
     "rule mode session\n"
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse s1 a | Sync\n"
     "B1> ParseComplete | Ready I\n"
     "C> Bind s1 | Execute | Sync    B1< Bind s1 | Execute | Sync\n"
     "B1> BindComplete | Complete a | Ready I\n"
     "C< ParseComplete | Ready I | BindComplete | Complete a | Ready I\n"
     "farewell C clean\n"
     "C> Terminate     *terminate\n"},
    {"statement mode refuses a transaction",
     "rule mode statement\n"
     "C> Query begin     *need\n"
     "attach B1    B1< Query begin\n"
     "B1> Complete BEGIN | Ready T     *refuse(08P01)\n"
     "C< Complete BEGIN | Ready T\n"
     "farewell C rollback\n"},
    {"statement mode gives the backend back after each query",
     "rule mode statement\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
    {"farewell: nothing under way in a transaction",
     LINK_B1
     "farewell C rollback\n"},
    {"farewell: in a failed one",
     LINK_B1
     "C> Query bad    B1< Query bad\n"
     "B1> Error 42601 no | Ready E    C< Error 42601 no | Ready E\n"
     "farewell C rollback\n"},
    {"farewell: a query that runs",
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "farewell C cancel\n"
     "vanish C\n"
     "B1> DataRow 1 | Complete q | Ready I\n"
     "C2> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C2< Complete q | Ready I\n"},
    {"farewell: half a batch",
     LINK_B1
     "C> Parse - a | Bind -    B1< Parse - a | Bind -\n"
     "farewell C cancel\n"
     "vanish C\n"},
    {"farewell: half a batch, all of it answered",
     LINK_B1
     "C> Parse - a | Bind - | Flush    B1< Parse - a | Bind - | Flush\n"
     "B1> ParseComplete | BindComplete    C< ParseComplete | BindComplete\n"
     "farewell C close\n"},
    {"farewell: a batch that failed, before its sync",
     LINK_B1
     "C> Bind nix | Flush    B1< Bind nix | Flush\n"
     "B1> Error 26000 nix    C< Error 26000 nix\n"
     "farewell C close\n"},
    {"farewell: in the middle of a message that was partly forwarded",
     LINK_B1
     "C>80 Query '----------------------------------------------------------------------------------------'\n"
     "farewell C cancel\n"
     "C>+    B1< Query '----------------------------------------------------------------------------------------'\n"},
    {"farewell: while parameters are set",
     "value B1 TimeZone UTC    value C TimeZone CET\n"
     "C> Query q     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone CET | Execute "
     "| Sync\n"
     "farewell C cancel\n"
     "vanish C\n"
     "B1> ParseComplete | BindComplete | DataRow CET | Complete 'SELECT 1' | Status TimeZone CET | Ready I\n"},
    {"a backend that changes its store keeps its statements",
     S1_ON_B1
     "pack B1    unpack B1\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"
     "pack B1    unpack B1 elsewhere\n"
     "pack B1    unpack B1\n"
     "C2> Parse x a | Bind x | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> BindComplete | Ready I     *release\n"
     "C2< ParseComplete | BindComplete | Ready I\n"},
    {"and its parameters",
     "value B1 TimeZone CET    value C TimeZone CET\n"
     "pack B1    unpack B1 elsewhere\n"
     "pack B1    unpack B1\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
};
/* clang-format on */

CONVERSE(simple)
CONVERSE(asynchronous)
CONVERSE(extended)
CONVERSE(copy)
CONVERSE(links)

/* ---- every split ---- */

/* Both streams in two halves, cut at every place, in one conversation with most of the message types. */
static const char mixed[] =
    "C> Query begin | Parse s1 'select 1' 23 | Describe S s1 | Bind s1 p1 42 | Execute p1 1 | Close P p1 | Sync "
    "| Parse - b | Bind - | Execute | Close S s1 | Flush | Sync | Bind s1 | Parse s2 c | Sync | Query copy     *need\n"
    "attach B1     *hold\n" /* s1 was parsed in a unit that is unanswered */
    "B1< Query begin | Parse pgp_1 'select 1' 23 | Describe S pgp_1 | Bind pgp_1 p1 42 | Execute p1 1 | Close P p1 "
    "| Sync | Parse - b | Bind - | Execute | Flush\n"
    "B1> Complete BEGIN | Ready T | ParseComplete | Params | Columns | BindComplete | DataRow 1 | Suspended "
    "| CloseComplete | Ready T\n"
    "B1< Flush | Sync\n" /* and the close of s1 is in another */
    "B1> ParseComplete | BindComplete | Notice 00000 hello | Complete b | Ready T\n"
    "B1< Bind s1 | Parse pgp_2 c | Sync | Query copy\n"
    "B1> Error 26000 'prepared statement s1 does not exist' | Ready E | CopyOut | CopyData 1 | CopyDone "
    "| Complete 'COPY 1' | Ready I     *release\n"
    "C< Complete BEGIN | Ready T | ParseComplete | Params | Columns | BindComplete | DataRow 1 | Suspended "
    "| CloseComplete | Ready T | ParseComplete | BindComplete | Notice 00000 hello | Complete b | CloseComplete "
    "| Ready T | Error 26000 'prepared statement s1 does not exist' | Ready E | CopyOut | CopyData 1 | CopyDone "
    "| Complete 'COPY 1' | Ready I\n";

START_TEST(every_split_gives_the_same)
{
    bool split_something = true;
    for (size_t at = 1; split_something; at++) {
        struct script f;
        struct buf what = {0};
        buf_printf(&what, "cut behind %zu bytes", at);
        script_init(&f, buf_text(&what), 0);
        f.split = at;
        script_play(&f, mixed);
        split_something = f.was_split;
        script_deinit(&f);
        buf_deinit(&what);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_script");
    TCase *words = tcase_create("conversations");
    ADD_CONVERSATIONS(words, simple);
    ADD_CONVERSATIONS(words, asynchronous);
    ADD_CONVERSATIONS(words, extended);
    ADD_CONVERSATIONS(words, copy);
    ADD_CONVERSATIONS(words, links);
    tcase_add_test(words, every_split_gives_the_same);
    suite_add_tcase(suite, words);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
