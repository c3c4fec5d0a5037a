/* Transcripts about what follows a client from backend to backend: prepared statements and parameters. */
#include "session_script.h"

#include <check.h>
#include <stdlib.h>

/* Each line of a conversation is a line. */
/* clang-format off */

/* ---- prepared statements ---- */
static const struct conversation prepared[] = {
    {"a statement follows its client to another backend, and the extra answer is swallowed",
     S1_ON_B1
     "C> Bind s1 | Execute | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Execute | Sync\n"
     "B2> ParseComplete | BindComplete | DataRow 1 | Complete a | Ready I     *release\n"
     "C< BindComplete | DataRow 1 | Complete a | Ready I\n"
     "C> Describe S s1 | Bind s1 p | Sync     *need\n"
     "attach B2    B2< Describe S pgp_1 | Bind pgp_1 p | Sync\n"
     "B2> Params | NoData | BindComplete | Ready I     *release\n"
     "C< Params | NoData | BindComplete | Ready I\n"},
    {"two clients with the same text share it under their own names",
     S1_ON_B1
     "C2> Parse other a | Bind other | Execute | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Execute | Sync\n"
     "B1> BindComplete | Complete a | Ready I     *release\n"
     "C2< ParseComplete | BindComplete | Complete a | Ready I\n"},
    {"the same text with other types is another statement",
     S1_ON_B1
     "C2> Parse s1 a 23 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 a 23 | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C2< ParseComplete | Ready I\n"},
    {"P47: a name in use is refused by the server, in the client's words",
     S1_ON_B1
     "C> Parse s1 b | Bind s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 b | Bind pgp_1 | Sync\n"
     "B1> Error 42P05 'prepared statement \"pgp_1\" already exists' | Ready I     *release\n"
     "C< Error 42P05 'prepared statement \"s1\" already exists' | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"P47: also by a server that has to be told of it first",
     S1_ON_B1
     "C> Parse s1 b | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 - | Parse pgp_1 b | Sync\n"
     "B2> ParseComplete | Error 42P05 'prepared statement \"pgp_1\" already exists' | Ready I     *release\n"
     "C< Error 42P05 'prepared statement \"s1\" already exists' | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B2    B2< Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B2> CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"a duplicate that the server takes after all is the client's from then on, and parsed again for others",
     S1_ON_B1
     LINK_B1
     "C> Parse - '/**/deallocate all' | Bind - | Execute | Parse s1 b | Bind s1 | Execute | Sync    "
     "B1< Parse - '/**/deallocate all' | Bind - | Execute | Parse pgp_1 b | Bind pgp_1 | Execute | Sync\n"
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
    {"P48: a parse that failed leaves the name free",
     "C> Parse s1 bad | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 bad | Sync\n"
     "B1> Error 42601 no | Ready I     *release\n"
     "C< Error 42601 no | Ready I\n"
     "C> Parse s1 good | Bind s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 good | Bind pgp_2 | Sync\n"
     "B1> ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Ready I\n"},
    {"P48: and so does one that was skipped",
     "C> Bind nix | Parse s1 a | Sync     *need\n"
     "attach B1    B1< Bind nix | Parse pgp_1 a | Sync\n"
     "B1> Error 26000 no | Ready I     *release\n"
     "C< Error 26000 no | Ready I\n"
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"},
    {"a closed name is free, and the statement stays for others",
     S1_ON_B1
     "C> Close S s1 | Sync\n"
     "C< CloseComplete | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Bind s1 | Sync\n"
     "B1> Error 26000 no | Ready I     *release\n"
     "C< Error 26000 no | Ready I\n"
     "C> Parse s1 b | Close S s1 | Parse s1 a | Bind s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 b | Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B1> ParseComplete | CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | CloseComplete | ParseComplete | BindComplete | Ready I\n"},
    {"closing what does not exist is no error",
     "C> Close S nix | Close S other | Sync\n"
     "C< CloseComplete | CloseComplete | Ready I\n"},
    {"a hidden parse that fails is the client's error",
     S1_ON_B1
     "C> Bind s1 | Execute | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Execute | Sync\n"
     "B2> Error 42P01 'no such table' | Ready I     *release\n"
     "C< Error 42P01 'no such table' | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B2> ParseComplete | BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"names of a unit whose answer is not known make later units wait",
     LINK_B1
     "C> Parse s1 a | Sync | Bind s1 | Execute | Sync     *hold\n"
     "B1< Parse pgp_1 a | Sync\n"
     "B1> Error 42601 no | Ready E\n"
     "B1< Bind s1 | Execute | Sync\n"
     "B1> Error 26000 'prepared statement \"s1\" does not exist' | Ready E\n"
     "C< Error 42601 no | Ready E | Error 26000 'prepared statement \"s1\" does not exist' | Ready E\n"},
    {"P49: a plan that changed is parsed anew at the next use",
     S1_ON_B1
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> Error 0A000 'cached plan must not change result type' | Ready I     *release\n"
     "C< Error 0A000 'cached plan must not change result type' | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B1> CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"P49: also by a new parse of the same text",
     S1_ON_B1
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> Error 26000 'prepared statement \"pgp_1\" does not exist' | Ready I     *release\n"
     "C< Error 26000 'prepared statement \"s1\" does not exist' | Ready I\n"
     "C> Close S s1 | Parse s1 a | Sync     *need\n"
     "C< CloseComplete\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_1 a | Sync\n"
     "B1> CloseComplete | ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"},
    {"P49: and a repair that was skipped is tried again",
     S1_ON_B1
     "C> Bind s1 | Sync     *need\n"
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
     S1_ON_B1
     "C> Bind s1 | Sync     *need\n"
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
    {"a limit taken away while a client has names leaves a backend one statement at a time",
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"
     "rule reload_max_prepared 0\n"
     "C> Parse s2 b | Bind s1 | Sync     *need\n"
     "attach B1    B1< Close S pgp_1 | Parse pgp_2 b | Close S pgp_2 | Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B1> CloseComplete | ParseComplete | CloseComplete | ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Ready I\n"},
    {"DEALLOCATE ALL forgets the client's names and the backend's statements",
     S1_ON_B1
     "C> Query 'deallocate all'     *need\n"
     "attach B1    B1< Query 'deallocate all'\n"
     "B1> Complete 'DEALLOCATE ALL' | Ready I     *release\n"
     "C< Complete 'DEALLOCATE ALL' | Ready I\n"
     "C> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I\n"},
    {"P51: another client's DISCARD ALL takes no names away",
     S1_ON_B1
     "C2> Query 'discard all'     *need\n"
     "attach B1    B1< Query 'discard all'\n"
     "B1> Complete 'DISCARD ALL' | Ready I     *release\n"
     "C2< Complete 'DISCARD ALL' | Ready I\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B1> ParseComplete | BindComplete | Ready I     *release\n"
     "C< BindComplete | Ready I\n"},
    {"in one batch with a DEALLOCATE ALL names wait for its answer, which is asked for",
     S1_ON_B1
     LINK_B1
     "C> Parse - 'deallocate all' | Bind - | Execute | Parse s1 b | Bind s1 | Sync\n"
     "B1< Parse - 'deallocate all' | Bind - | Execute | Flush     *hold\n"
     "B1> ParseComplete | BindComplete | Complete 'DEALLOCATE ALL'\n"
     "B1< Parse pgp_2 b | Bind pgp_2 | Sync\n"
     "B1> ParseComplete | BindComplete | Ready T\n"
     "C< ParseComplete | BindComplete | Complete 'DEALLOCATE ALL' | ParseComplete | BindComplete | Ready T\n"},
    {"names that were parsed behind a DEALLOCATE ALL in flight stay",
     S1_ON_B1
     LINK_B1
     "C> Query 'deallocate all' | Parse s2 b | Sync    B1< Query 'deallocate all'     *hold\n"
     "B1> Complete 'DEALLOCATE ALL' | Ready T    B1< Parse pgp_2 b | Sync\n"
     "B1> ParseComplete | Ready T\n"
     "C> Parse - '/**/deallocate all' | Bind - | Execute | Parse s3 c | Sync    "
     "B1< Parse - '/**/deallocate all' | Bind - | Execute | Parse pgp_3 c | Sync\n"
     "B1> ParseComplete | BindComplete | Complete 'DEALLOCATE ALL' | ParseComplete | Ready T\n"
     "C< Complete 'DEALLOCATE ALL' | Ready T | ParseComplete | Ready T | ParseComplete | BindComplete "
     "| Complete 'DEALLOCATE ALL' | ParseComplete | Ready T\n"
     "C> Bind s3 | Sync    B1< Close S pgp_3 | Parse pgp_3 c | Bind pgp_3 | Sync\n"
     "B1> CloseComplete | ParseComplete | BindComplete | Ready T\n"
     "C> Bind s2 | Sync    B1< Bind s2 | Sync\n"
     "B1> Error 26000 s2 | Ready E\n"
     "C< BindComplete | Ready T | Error 26000 s2 | Ready E\n"},
    {"a pipelined use behind DEALLOCATE ALL waits for it",
     S1_ON_B1
     "C> Query ' DEALLOCATE all' | Bind s1 | Sync     *need\n"
     "attach B2    B2< Query ' DEALLOCATE all'     *hold\n"
     "B2> Complete 'DEALLOCATE ALL' | Ready I    B2< Bind s1 | Sync\n"
     "B2> Error 26000 s1 | Ready I     *release\n"
     "C< Complete 'DEALLOCATE ALL' | Ready I | Error 26000 s1 | Ready I\n"},
    {"without rewriting names are the server's affair",
     "rule max_prepared 0\n"
     "C> Parse s1 a | Bind s1 | Describe S s1 | Execute | Close S s1 | Sync     *need\n"
     "attach B1    B1< Parse s1 a | Bind s1 | Describe S s1 | Execute | Close S s1 | Sync\n"
     "B1> ParseComplete | BindComplete | Params | NoData | Complete a | CloseComplete | Ready I     *release\n"
     "C< ParseComplete | BindComplete | Params | NoData | Complete a | CloseComplete | Ready I\n"},
};

/* ---- the unnamed statement ---- */
static const struct conversation unnamed[] = {
    {"the unnamed statement survives a release",
     "C> Parse - a | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C> Bind - | Execute | Sync     *need\n"
     "attach B2    B2< Parse - a | Bind - | Execute | Sync\n"
     "B2> ParseComplete | BindComplete | Complete a | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B1    B1< Bind - | Sync\n"
     "B1> BindComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I | BindComplete | Complete a | Ready I | BindComplete | Ready I\n"},
    {"another client's is never taken for one's own",
     "C> Parse - a | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C2> Bind - | Sync     *need\n"
     "attach B1    B1< Close S - | Bind - | Sync\n"
     "B1> CloseComplete | Error 26000 none | Ready I     *release\n"
     "C2> Parse - b | Sync     *need\n"
     "attach B1    B1< Parse - b | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Sync\n"
     "B1> ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I | BindComplete | Ready I\n"
     "C2< Error 26000 none | Ready I | ParseComplete | Ready I\n"},
    {"a simple query destroys it",
     "C> Parse - a | Sync | Query q     *need\n"
     "attach B1    B1< Parse - a | Sync | Query q\n"
     "B1> ParseComplete | Ready I | Complete q | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B2    B2< Bind - | Sync\n"
     "B2> Error 26000 none | Ready I     *release\n"
     "C< ParseComplete | Ready I | Complete q | Ready I | Error 26000 none | Ready I\n"},
    {"a failed parse destroys it too",
     "C> Parse - a | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C> Parse - bad | Sync     *need\n"
     "attach B1    B1< Parse - bad | Sync\n"
     "B1> Error 42601 no | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B2    B2< Bind - | Sync\n"
     "B2> Error 26000 none | Ready I     *release\n"
     "C< ParseComplete | Ready I | Error 42601 no | Ready I | Error 26000 none | Ready I\n"},
    {"but not one that was skipped",
     "C> Parse - a | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C> Bind nix | Parse - b | Query q | Close S - | Sync     *need\n"
     "attach B1    B1< Bind nix | Parse - b | Query q | Close S - | Sync\n"
     "B1> Error 26000 nix | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Sync\n"
     "B1> ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I | Error 26000 nix | Ready I | BindComplete | Ready I\n"},
    {"a failure in the middle of a pipeline takes back only its own",
     "C> Parse - a | Sync | Bind nix | Parse - b | Sync | Parse - c | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync | Bind nix | Parse - b | Sync | Parse - c | Sync\n"
     "B1> ParseComplete | Ready I | Error 26000 nix | Ready I | Error 42601 no | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B1    B1< Close S - | Bind - | Sync\n"
     "B1> CloseComplete | Error 26000 none | Ready I     *release\n"
     "C< ParseComplete | Ready I | Error 26000 nix | Ready I | Error 42601 no | Ready I | Error 26000 none | "
     "Ready I\n"},
    {"closing it is forwarded",
     "C> Parse - a | Close S - | Sync     *need\n"
     "attach B1    B1< Parse - a | Close S - | Sync\n"
     "B1> ParseComplete | CloseComplete | Ready I     *release\n"
     "C> Describe S - | Sync     *need\n"
     "attach B1    B1< Describe S - | Sync\n"
     "B1> Error 26000 none | Ready I     *release\n"
     "C< ParseComplete | CloseComplete | Ready I | Error 26000 none | Ready I\n"},
    {"what a session without rewriting left there is nobody's",
     "C> Parse - a | Sync     *need\n"
     "attach B1    B1< Parse - a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "rule max_prepared 0\n"
     "C2> Parse - b | Sync     *need\n"
     "attach B1    B1< Parse - b | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "rule max_prepared 9\n"
     "C> Parse - a | Sync     *need\n"
     "attach B2    B2< Parse - a | Sync\n"
     "B2> ParseComplete | Ready I     *release\n"
     "C> Bind - | Sync     *need\n"
     "attach B1    B1< Parse - a | Bind - | Sync\n"
     "B1> ParseComplete | BindComplete | Ready I     *release\n"
     "C< ParseComplete | Ready I | ParseComplete | Ready I | BindComplete | Ready I\n"
     "C2< ParseComplete | Ready I\n"},
};

/* ---- parameters ---- */
static const struct conversation parameters[] = {
    {"what the client asked for is set first, hidden, and its message waits",
     "value B1 DateStyle 'ISO, MDY'    value B1 TimeZone UTC    value C TimeZone Europe/Rome\n"
     "C> Query q     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone Europe/Rome "
     "| Execute | Sync\n"
     "B1> ParseComplete | BindComplete | Status TimeZone Europe/Rome | DataRow Europe/Rome | Complete 'SELECT 1'\n"
     "B1<\n"
     "B1> Ready I    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
    {"a value that the server does not report is not set",
     "value C TimeZone Europe/Rome\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
    {"equal but for case is equal",
     "value B1 client_encoding UTF8    value C client_encoding utf8\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
    {"two clients with different values change them back and forth",
     "value B1 TimeZone UTC    value C TimeZone UTC    value C2 TimeZone PST8PDT\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C2> Query q     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone PST8PDT | Execute "
     "| Sync\n"
     "B1> ParseComplete | BindComplete | DataRow PST8PDT | Complete 'SELECT 1' | Status TimeZone PST8PDT | Ready I\n"
     "B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C> Query q     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone UTC | Execute "
     "| Sync\n"
     "B1> ParseComplete | BindComplete | DataRow UTC | Complete 'SELECT 1' | Status TimeZone UTC | Ready I\n"
     "B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I | Complete q | Ready I\n"
     "C2< Complete q | Ready I\n"},
    {"a value that the server refuses",
     "value B1 TimeZone UTC    value C TimeZone Nowhere\n"
     "C> Query q     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone Nowhere | Execute "
     "| Sync\n"
     "B1> ParseComplete | Error 22023 'invalid value' | Ready I     *refuse(08P01)\n"
     "farewell C clean\n"},
    {"the client's own SET follows the server's report, also back at a rollback",
     "value B1 TimeZone UTC    value B2 TimeZone UTC    value C TimeZone UTC\n"
     "C> Query 'set timezone'     *need\n"
     "attach B1    B1< Query 'set timezone'\n"
     "B1> Complete SET | Status TimeZone PST8PDT | Ready I     *release\n"
     "C> Query begin     *need\n"
     "attach B2    B2< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig TimeZone PST8PDT | Execute "
     "| Sync\n"
     "B2> ParseComplete | BindComplete | DataRow PST8PDT | Complete 'SELECT 1' | Status TimeZone PST8PDT | Ready I\n"
     "B2< Query begin\n"
     "B2> Complete BEGIN | Ready T\n"
     "C> Query 'set timezone'    B2< Query 'set timezone'\n"
     "B2> Complete SET | Status TimeZone CET | Ready T\n"
     "C> Query rollback    B2< Query rollback\n"
     "B2> Complete ROLLBACK | Status TimeZone PST8PDT | Ready I     *release\n"
     "C< Complete SET | Status TimeZone PST8PDT | Ready I | Complete BEGIN | Ready T | Complete SET "
     "| Status TimeZone CET | Ready T | Complete ROLLBACK | Status TimeZone PST8PDT | Ready I\n"
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Complete q | Ready I     *release\n"
     "C< Complete q | Ready I\n"},
    {"a report that nobody tracks passes",
     "C> Query q     *need\n"
     "attach B1    B1< Query q\n"
     "B1> Status in_hot_standby off | Complete q | Ready I     *release\n"
     "C< Status in_hot_standby off | Complete q | Ready I\n"},
    {"one that arrives while our own parse is due is the client's",
     S1_ON_B1
     "C> Bind s1 | Sync     *need\n"
     "attach B2    B2< Parse pgp_1 a | Bind pgp_1 | Sync\n"
     "B2> Status application_name x | ParseComplete | BindComplete | Ready I     *release\n"
     "C< Status application_name x | BindComplete | Ready I\n"},
    {"the same text under another DateStyle is another statement",
     "value B1 DateStyle ISO    value C DateStyle ISO    value C2 DateStyle German\n"
     S1_ON_B1
     "C2> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig DateStyle German | Execute "
     "| Sync\n"
     "B1> ParseComplete | BindComplete | DataRow x | Complete 'SELECT 1' | Status DateStyle German | Ready I\n"
     "B1< Parse pgp_2 a | Sync\n"
     "B1> ParseComplete | Ready I     *release\n"
     "C2< ParseComplete | Ready I\n"},
    {"a statement that must be parsed again after a SET is parsed under a name for that",
     "value B1 DateStyle ISO    value B2 DateStyle German    value C DateStyle ISO\n"
     S1_ON_B1
     "C> Query 'set datestyle'     *need\n"
     "attach B1    B1< Query 'set datestyle'\n"
     "B1> Complete SET | Status DateStyle German | Ready I     *release\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B2    B2< Parse pgp_2 a | Bind pgp_2 | Sync\n"
     "B2> ParseComplete | BindComplete | Ready I     *release\n"
     "C> Bind s1 | Sync     *need\n" /* on the first one it is still what it was */
     "attach B1    B1< Bind pgp_1 | Sync\n"
     "B1> Error 26000 'prepared statement \"pgp_1\" does not exist' | Ready I     *release\n"
     "C> Bind s1 | Sync     *need\n"
     "attach B1    B1< Parse pgp_2 a | Bind pgp_2 | Sync\n"
     "B1> Error 42P01 'prepared statement \"pgp_2\"' | Ready I     *release\n"
     "C< Complete SET | Status DateStyle German | Ready I | BindComplete | Ready I "
     "| Error 26000 'prepared statement \"s1\" does not exist' | Ready I | Error 42P01 'prepared statement \"s1\"' "
     "| Ready I\n"},
    {"a statement parsed while a SET was under way is parsed again before anybody uses it",
     "value B1 DateStyle ISO    value C DateStyle ISO    value C2 DateStyle ISO\n"
     "C> Query 'set datestyle' | Parse s1 a | Sync     *need\n"
     "attach B1    B1< Query 'set datestyle' | Parse pgp_1 a | Sync\n"
     "B1> Complete SET | Status DateStyle German | Ready I | ParseComplete | Ready I     *release\n"
     "C< Complete SET | Status DateStyle German | Ready I | ParseComplete | Ready I\n"
     "C2> Parse s1 a | Sync     *need\n"
     "attach B1    B1< Parse - 'SELECT pg_catalog.set_config($1, $2, false)' | SetConfig DateStyle ISO | Execute "
     "| Sync\n"
     "B1> ParseComplete | BindComplete | DataRow x | Complete 'SELECT 1' | Status DateStyle ISO | Ready I\n"
     "B1< Close S pgp_1 | Parse pgp_1 a | Sync\n"
     "B1> CloseComplete | ParseComplete | Ready I     *release\n"
     "C2< ParseComplete | Ready I\n"},
};
/* clang-format on */

CONVERSE(prepared)
CONVERSE(unnamed)
CONVERSE(parameters)

int main(void)
{
    Suite *suite = suite_create("session_names");
    TCase *words = tcase_create("conversations");
    ADD_CONVERSATIONS(words, prepared);
    ADD_CONVERSATIONS(words, unnamed);
    ADD_CONVERSATIONS(words, parameters);
    suite_add_tcase(suite, words);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
