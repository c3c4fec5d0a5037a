/*
 * pooler_script - whole conversations through a pooler_memory, one command per line, read as transcripts.
 *
 *   login C1                      connects, sends the startup message; the welcome has come
 *   login C1 user=bob database=other password=secret version=3.2 DateStyle=SQL
 *   knock C1 ...                  the same, but the welcome may be late: `welcome C1` asserts it later
 *   connect C1                    only that
 *   C1> words                     sends; `C1>n words` only n bytes for now, `C1>+` the rest
 *   C1< words                     all that has arrived since the last look, and nothing else
 *   C1 closes | resets | half-closes | deaf | reads | here | gone   gone: the pooler has closed it
 *   B1> words                     the first backend says so, on its own account; `B1>n` and `B1>+` likewise
 *   B1< words                     all that it got since the last look
 *   B1 holds | forgets | answers | babbles | closes | resets | open | gone    holds: what comes waits for `answers`
 *   server silent | down | serves | mute | refuses SQLSTATE text      mute: connections open, and then nothing
 *   cancel C1 [wrong]             a cancel request arrives, with C1's key or a wrong one
 *   K1 for B1                     the server's first cancel connection is meant for this backend
 *   K1 closes | gone
 *   wait 1.5                      seconds
 *   ask pause app | resume | reconnect | kill | drop-waiting | clients-only text
 *   count NAME n ...              backends (logged in at the server and open), connections (all it ever accepted),
 *                                 cancels (all ever), cancelling (connections of clients for that), idle, used,
 *                                 waiting, clients, logins, consoles, desync, moved, resets, opened, failed
 *   reload | reload settings      the entries stay as they are
 *
 * Words are those of session_words, with ~ for a newline; a client that has not logged in may say `Startup alice app`
 * before all others.
 */
#ifndef TEST_POOLER_SCRIPT_H
#define TEST_POOLER_SCRIPT_H

#include "pooler_memory.h"
#include "session_words.h"

struct pooler_script {
    struct pooler pooler;
    struct labels labels;
    const char *databases;
    const char *what;  /* names the case in messages */
    struct slice line; /* being played */
    bool stops_short;  /* what the last line began is not waited for */
};
void pooler_script_open(struct pooler_script *f, const char *what, const char *databases, const char *settings,
                        int workers, size_t packet);
void pooler_script_play(struct pooler_script *f, const char *text);
void pooler_script_close(struct pooler_script *f);

/* A conversation that goes the same way however its bytes arrive. */
struct pooler_conversation {
    const char *what;
    int workers;
    const char *settings, *text;
};
/* @variant  0: bytes arrive as written, 1: one by one, 2: in packets that fit nothing */
void pooler_converse(const struct pooler_conversation *c, int variant);
enum { POOLER_VARIANTS = 3 };

#define POOLER_CONVERSE(table)                                                                                         \
    START_TEST(table##_conversations)                                                                                  \
    {                                                                                                                  \
        pooler_converse(&table[_i / POOLER_VARIANTS], _i % POOLER_VARIANTS);                                           \
    }                                                                                                                  \
    END_TEST
#define ADD_POOLER_CONVERSATIONS(test_case, table)                                                                     \
    tcase_add_loop_test(test_case, table##_conversations, 0, POOLER_VARIANTS *(int)(sizeof table / sizeof *table))

/* What the server answers to `rows 1 x` and the like: tag and row differ, status is I T E. */
#define ROW(text)             "DataRow  " text "#0 parsed ISO now ISO UTC"
#define ANSWER(text)          "Columns | " ROW(text) " | Complete 'SELECT 1' | Ready I"
#define ANSWER_IN_BLOCK(text) "Columns | " ROW(text) " | Complete 'SELECT 1' | Ready T"

#endif
