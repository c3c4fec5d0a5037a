/*
 * session_script - conversations through the session module, read as transcripts.
 *
 *   script_play(&f, "C> Query 'select 1'          *need\n"
 *                   "attach B1                     B1< Query 'select 1'\n"
 *                   "B1> DataRow 1 | Complete 'SELECT 1' | Ready I    *release\n"
 *                   "C< DataRow 1 | Complete 'SELECT 1' | Ready I\n");
 *
 *   C> words     the client sends; C1 C2 C3 when there are several, C is C1
 *   C>n words    only the first n bytes of them for now; `C>+` sends the rest, the same for backends
 *   B1> words    a backend sends
 *   C< words     all that was written to the client since the last look, and nothing else
 *   attach B1    links the client that asked last, which then presents its bytes again
 *   farewell C clean|rollback|cancel|close    what to do with its backend if it vanished now
 *   vanish C     it does: unlinked, everything unsent dropped
 *   pack B1, unpack B1     leaves its store and enters the clients' again; `unpack B1 elsewhere`: the other store
 *   value C name value, value B1 name value    of a parameter: what it asked for, what it reported at login
 *   rule name value        transaction mode with 100 statements per backend, unless: mode session|statement,
 *                          max_prepared n, others_wait 1, reload_max_prepared n
 *   *mark        what the session asked of its caller, in this order, nothing else: need hold release discard
 *                terminate fatal(SQLSTATE) dying desync refuse(SQLSTATE)
 *
 * The caller that is played here is as simple as one can be: a client that was told to hold is asked again whenever
 * answers have come, and a link that may be parted is parted after the client's bytes had their chance.
 */
#ifndef TEST_SESSION_SCRIPT_H
#define TEST_SESSION_SCRIPT_H

#include "pgpooler/session.h"
#include "session_words.h"

enum { SCRIPT_PEERS = 4 };
struct script_client {
    struct session session;
    struct buf in;     /* presented, not yet consumed */
    struct buf unsent; /* behind the n bytes of `C>n` */
    struct buf out;    /* written to it since the last look */
    bool over;         /* was told terminate or fatal */
    bool waits;        /* was told anything but more */
};
struct script_backend {
    struct backend_state state;
    struct buf in, unsent, out;
    bool gone; /* it is dying, or said what nobody asked for */
};
struct script {
    struct store store, other_store;
    struct stats stats;
    struct labels labels;
    struct script_client clients[SCRIPT_PEERS];
    struct script_backend backends[SCRIPT_PEERS];
    int asked;         /* the client that asked for a backend last */
    size_t piece;      /* bytes arrive in pieces of this size; 0: as written */
    size_t split;      /* the first piece of each `>` has this size; 0: no matter */
    bool was_split;    /* out: at least one was longer */
    bool others_wait;  /* as in struct session_io */
    struct buf events; /* marks not yet looked at, each behind a space */
    const char *what;  /* names the case in messages */
};

/* @piece  all bytes arrive in pieces of this size; 0: as they are written */
void script_init(struct script *f, const char *what, size_t piece);
void script_play(struct script *f, const char *text);
/* Nothing unlooked at is left; frees. */
void script_deinit(struct script *f);

/* A conversation and what it shows. */
struct conversation {
    const char *what, *text;
};
/* However the bytes arrive, it goes the same way: as written, one by one, and in pieces that fit nothing. */
void script_converse(const struct conversation *c);

/* A loop test over a table of conversations, and its entry in a test case. */
#define CONVERSE(table)                                                                                                \
    START_TEST(table##_conversations)                                                                                  \
    {                                                                                                                  \
        script_converse(&table[_i]);                                                                                   \
    }                                                                                                                  \
    END_TEST
#define ADD_CONVERSATIONS(test_case, table)                                                                            \
    tcase_add_loop_test(test_case, table##_conversations, 0, sizeof table / sizeof *table)

/* s1 is a, parsed on B1, and nobody is linked */
#define S1_ON_B1                                                                                                       \
    "C> Parse s1 a | Sync     *need\n"                                                                                 \
    "attach B1    B1< Parse pgp_1 a | Sync\n"                                                                          \
    "B1> ParseComplete | Ready I     *release\n"                                                                       \
    "C< ParseComplete | Ready I\n"
/* in a transaction on B1 */
#define LINK_B1                                                                                                        \
    "C> Query begin     *need\n"                                                                                       \
    "attach B1    B1< Query begin\n"                                                                                   \
    "B1> Complete BEGIN | Ready T\n"                                                                                   \
    "C< Complete BEGIN | Ready T\n"

#endif
