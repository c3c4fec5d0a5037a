/*
 * session - the conversation: what a client said, what its backend still owes, and whether they may part.
 *
 * Pure: bytes in, bytes and verdicts out; no descriptor, no clock. Two halves that live apart and are linked for a
 * transaction:
 *
 *   struct session        the client's: prepared names, parameter values, the message it is in the middle of
 *   struct backend_state  the backend's: the ledger of answers it owes, transaction status, what is prepared on it
 *
 *   client bytes --> session_client_bytes() --> to_backend        (or SESSION_NEED: link a backend first)
 *   to_client <-- session_backend_bytes() <-- backend bytes       (then session_verdict(): may they part?)
 *
 * The ledger is the heart: every request forwarded, hidden (our own Parse, Close, parameter change) or answered here
 * appends an entry and every answer consumes one. After an error all entries up to the Sync are dropped, with what
 * they had changed undone: PostgreSQL skips them, so the client never gets an answer to them and its prepared names
 * are as they were. Source: docs PROTOCOL-FLOW-EXT-QUERY, PROTOCOL-COPY.
 *
 * Prepared statements (rewriting on: transaction and statement mode with max_prepared_statements > 0): a client's
 * name stands for a struct stmt, whose server-side name is made of a hash of all that parse analysis reads. Errors
 * about names are raised by the server itself, since only it can fail the transaction, and renamed on their way back.
 *
 * A unit is what ends with one ReadyForQuery: a Query, a FunctionCall, or everything up to a Sync. While a unit that
 * changed prepared names is unanswered, nobody knows whether the change holds; messages of later units that refer to
 * names wait (SESSION_HOLD) for that answer.
 */
#ifndef PGPOOLER_SESSION_H
#define PGPOOLER_SESSION_H

#include "pgpooler/base.h"
#include "pgpooler/proto.h"
#include "pgpooler/stats.h"

#include <sys/uio.h>

/* ---- out: bytes to be written, as pieces; ordinary traffic is one piece of the receive buffer, not copied ---- */
struct out_chunk;
struct out {
    struct iovec *pieces;
    int count, size;
    size_t total;
    struct out_chunk *chunks; /* what we wrote ourselves, newest first */
};
void out_deinit(struct out *out);
void out_clear(struct out *out);
void out_push(struct out *out, const char *ptr, size_t len); /* a piece of its own */
void out_copy(struct out *out, const void *src, size_t len);
char *out_space(struct out *out, size_t len); /* a piece that the caller fills in now; len > 0 */

/* Empty again; what the pieces pointed to may be freed now. */
static inline void out_reset(struct out *out)
{
    if (out->count > 0)
        out_clear(out);
}
/* Borrows until out_reset. What follows the last piece in memory only makes it longer. */
static inline void out_ref(struct out *out, const char *ptr, size_t len)
{
    struct iovec *last = out->count > 0 ? &out->pieces[out->count - 1] : NULL;
    if (last != NULL && (const char *)last->iov_base + last->iov_len == ptr) {
        last->iov_len += len;
        out->total += len;
    } else if (len > 0) {
        out_push(out, ptr, len);
    }
}

/* ---- store: statements and parameter sets of one worker, each distinct one once ---- */
enum { STMT_NAME_LEN = 36 };
struct stmt {
    uint32_t refs;
    uint32_t tail_len;
    uint64_t hash;
    uint64_t parse_hash; /* of the parameters under which it was parsed */
    const void *proven;  /* the pool on which a server has accepted it last; see session.pool */
    bool deallocates;    /* may take all prepared statements away */
    bool sets;           /* may change parameters that the next Parse reads */
    char name[40];       /* on every backend: pgp_ and 32 hex digits, STMT_NAME_LEN in all */
    char tail[];         /* a Parse message behind its name: text, NUL, count and parameter type oids */
};

enum { TRACKED_MAX = 32 };
/* Values of the tracked parameters; immutable and interned, so that equal sets are the same pointer. */
struct params {
    uint32_t refs;
    uint32_t count;
    uint64_t hash;
    uint64_t parse_hash;
    const char *values[]; /* by index of store->tracked; NULL: the server does not report it */
};
struct store {
    struct table stmts, params;
    struct params *no_params;
    int tracked_count;
    const char *tracked[TRACKED_MAX];
    bool tracked_parse[TRACKED_MAX]; /* parse analysis reads it */
    int max_prepared;                /* per backend */
    uint32_t max_packet_size;
};
/* @extra_tracked  comma-separated names beside the five that PgBouncer always tracks (track_extra_parameters) */
void store_init(struct store *store, const char *extra_tracked, int max_prepared, uint32_t max_packet_size);
void store_deinit(struct store *store); /* every session and backend state is gone */

int params_index(const struct store *store, const char *name); /* -1: not tracked. Case does not matter. */
/* A set like `base` but for one value; takes a reference of `base`, gives one of the result. */
struct params *params_with(struct store *store, struct params *base, int index, const char *value);
struct params *params_ref(struct params *params);
void params_unref(struct store *store, struct params *params); /* NULL is fine */
/* What a client asked for at startup, over what the server reports: values equal but for case keep the server's. */
struct params *params_overlay(struct store *store, const struct params *client, struct params *server);

/* ---- the ledger ---- */
enum ledger_action {
    LEDGER_FORWARD, /* the client's: its answer goes to the client */
    LEDGER_HIDDEN,  /* ours: its answer is swallowed */
    LEDGER_LOCAL,   /* the client's, answered here when its turn comes */
};
struct ledger_entry {
    char kind;                  /* frontend message type: P B D E C S Q F */
    uint8_t action;             /* enum ledger_action */
    uint8_t effects;            /* what it changed and an error undoes; src/session/prepared.h */
    struct prepared_name *name; /* owned reference, or NULL */
    struct stmt *stmt;          /* owned reference, or NULL */
};
struct ledger {
    struct ledger_entry *entries; /* ring */
    uint32_t head, count, size;
};

/* ---- the two halves; embedded in the worker's client and backend, touched by session only ---- */
enum session_mode { SESSION_MODE_SESSION, SESSION_MODE_TRANSACTION, SESSION_MODE_STATEMENT };

struct session {
    struct store *store;
    struct stats *stats;
    struct backend_state *link; /* NULL: no backend */
    const void *pool;           /* identity only: statements proven on it need no backend to be parsed again */
    struct params *params;
    struct prepared_names *names; /* on first use */
    struct stmt *unnamed;         /* the unnamed prepared statement, or NULL */
    usec query_since, xact_since; /* 0: none under way */
    uint32_t pass_left;           /* bytes of the current message that only pass through */
    uint32_t units;               /* sent since the backend was linked */
    uint32_t unnamed_unit;
    uint8_t mode; /* enum session_mode */
    bool rewriting;
    bool pass_drop; /* ... or are dropped */
    bool refusing;  /* the rest of a refused batch is skipped, up to its Sync */
    const char *fatal_sqlstate, *fatal_text;
};

enum copy_state { COPY_NONE, COPY_IN, COPY_OUT, COPY_BOTH };
struct backend_state {
    struct store *store;
    struct session *session; /* NULL: idle, or busy with hidden work */
    struct ledger ledger;
    struct params *params;
    struct prepared_on_backend *prepared; /* on first use */
    struct stmt *unnamed;                 /* known to be the unnamed one there; NULL: see unnamed_is_none */
    uint32_t units_sent, units_answered;  /* since login; they wrap around */
    uint32_t changes_unit;                /* the last unit that changed prepared names */
    uint32_t pass_left;
    char status;  /* of the last ReadyForQuery: I T E */
    uint8_t copy; /* enum copy_state */
    bool pass_drop;
    bool unnamed_is_none;
    bool batch_open;    /* extended messages since the last Sync */
    bool asked_flush;   /* since the last request: its answer is needed before the batch goes on */
    bool binds_dealloc; /* a portal may hold DISCARD or DEALLOCATE */
    bool runs_dealloc;  /* and this unit may have executed it: names wait for the answer */
    bool binds_setting; /* a portal may hold SET, or ROLLBACK, which takes one back */
    bool runs_setting;  /* and this unit may have executed it: what is parsed behind it says nothing to others */
    bool skipping;      /* an error was seen: the server ignores everything up to a Sync not yet sent */
    bool setting_up;    /* parameters are being changed; the client's messages wait */
    bool hidden_failed; /* a hidden request got an error: see hidden_error */
    bool spoiled;       /* close it instead of reusing it */
    char hidden_error[160];
};

void session_init(struct session *s, struct store *store, struct stats *stats, enum session_mode mode,
                  struct params *params); /* takes the reference of params */
void session_deinit(struct session *s);   /* unlinked */
void backend_state_init(struct backend_state *b, struct store *store);
void backend_state_deinit(struct backend_state *b);
/* For a move to another worker's store: owns plain copies in between. Only while idle. */
void backend_state_pack(struct backend_state *b);
void backend_state_unpack(struct backend_state *b, struct store *store);
/* A ParameterStatus outside of any conversation (login). */
void backend_state_parameter(struct backend_state *b, const char *name, const char *value);

struct session_io {
    struct out *to_client, *to_backend;
    usec now;
    bool others_wait; /* somebody queues for a backend: a pipeline gives way sooner */
};

/* Links; may send parameter changes, which the client's next message waits for. */
void session_attach(struct session *s, struct backend_state *b, struct session_io *io);
/* Parts: the verdict said so, or the client is gone and the backend's answers go nowhere. */
void session_detach(struct session *s);

enum session_want {
    SESSION_MORE,      /* everything usable is consumed: come back with more bytes */
    SESSION_NEED,      /* link a backend, then call again with the same bytes */
    SESSION_HOLD,      /* call again with the same bytes when answers have come */
    SESSION_TERMINATE, /* the client said goodbye */
    SESSION_FATAL,     /* fatal_sqlstate and fatal_text: tell the client and close */
};
/* Returns how many bytes are consumed; the rest is to be presented again, with more behind it. */
size_t session_client_bytes(struct session *s, const char *data, size_t len, struct session_io *io,
                            enum session_want *want);

/*
 * Unlinked, at the beginning of a unit that waits for a backend: gives it up with an ERROR, as if the server had
 * answered it so. Returns how many bytes are consumed.
 */
size_t session_refuse_unit(struct session *s, const char *data, size_t len, struct out *to_client, const char *sqlstate,
                           const char *text);

enum backend_news {
    BACKEND_FINE,
    BACKEND_DYING,  /* it sent a FATAL error (passed on): its end of stream follows */
    BACKEND_DESYNC, /* it sent what the ledger does not owe: close both sides, count it */
    BACKEND_REFUSE, /* session->fatal_*: the client broke a rule of its pool mode, or its parameters were refused */
};
size_t session_backend_bytes(struct backend_state *b, const char *data, size_t len, struct session_io *io,
                             enum backend_news *news);

enum session_verdict {
    SESSION_STAY,    /* the link goes on */
    SESSION_PART,    /* clean: another client may have the backend */
    SESSION_DISCARD, /* they may part, but the backend must be closed */
};
/* The one release rule. Facts that only the worker knows (cancel in flight, marked old) it looks at itself. */
enum session_verdict session_verdict(const struct backend_state *b);
/* Nothing owed, nothing open, idle: the facts of the rule without the pool mode. */
bool backend_state_is_clean(const struct backend_state *b);

enum session_farewell {
    FAREWELL_CLEAN,    /* as good as released: session mode resets it, others reuse it */
    FAREWELL_ROLLBACK, /* quiet inside a transaction: roll back, then as CLEAN */
    FAREWELL_CANCEL,   /* something runs: cancel it and close the backend */
    FAREWELL_CLOSE,    /* half a batch or a COPY: only closing takes it back without committing it */
};
/* What to do with the backend of a client that is gone. Decide before session_detach(). */
enum session_farewell session_farewell(const struct session *s);

int session_prepared_count(const struct session *s);             /* names of this client */
int backend_state_prepared_count(const struct backend_state *b); /* statements on this backend */

/* Linked, and nothing is missing from what was asked for: answers will come and end it. */
bool session_may_finish(const struct session *s);

/* A simple query of our own on a backend without a session; quiet again when backend_state_is_quiet(). */
void backend_state_hidden_query(struct backend_state *b, const char *sql, struct out *to_backend);
bool backend_state_is_quiet(const struct backend_state *b); /* owes nothing, in the middle of nothing */

#endif
