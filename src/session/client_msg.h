/*
 * Private to session: a client's message on its way, and what every kind of message needs.
 */
#ifndef SESSION_CLIENT_MSG_H
#define SESSION_CLIENT_MSG_H

#include "session/prepared.h"
#include "session/rewrite.h"

enum step { STEP_USED, STEP_MORE, STEP_NEED, STEP_HOLD, STEP_TERMINATE, STEP_FATAL };

struct client_msg {
    char type;
    uint32_t len;     /* of the whole message */
    const char *data; /* where it begins */
    size_t avail;     /* bytes here, the following messages' included */
    size_t used;      /* out: how many are dealt with */
};

static inline bool is_whole(const struct client_msg *m)
{
    return m->avail >= m->len;
}

static inline enum step fatal(struct session *s, const char *sqlstate, const char *text)
{
    s->fatal_sqlstate = sqlstate;
    s->fatal_text = text;
    return STEP_FATAL;
}

/* Consumes the message; what is not here yet follows through session_client_bytes. */
static inline enum step consume(struct session *s, struct client_msg *m, struct session_io *io, bool drop)
{
    m->used = is_whole(m) ? m->len : m->avail;
    s->pass_left = m->len - (uint32_t)m->used;
    s->pass_drop = drop;
    if (!drop)
        out_ref(io->to_backend, m->data, m->used);
    return STEP_USED;
}

static inline void note_request(struct session *s, const struct session_io *io)
{
    if (s->query_since == 0) {
        s->query_since = io->now;
        s->stats->query_count++;
    }
    if (s->xact_since == 0) {
        s->xact_since = io->now;
        s->stats->xact_count++;
    }
}

static inline struct ledger_entry *expect(struct session *s, const struct session_io *io, char kind)
{
    note_request(s, io);
    s->link->batch_open = true;
    s->link->asked_flush = false;
    return ledger_append(&s->link->ledger, kind, LEDGER_FORWARD);
}

static inline void end_unit(struct session *s)
{
    if (s->link->runs_setting)
        backend_forget_unnamed(s->link);
    s->link->batch_open = s->link->runs_dealloc = s->link->runs_setting = false;
    s->link->units_sent++;
    s->units++;
}

/* ---- client_prepared.c: rewriting is on, a backend is linked ---- */
enum step client_parse(struct session *s, struct client_msg *m, struct session_io *io);
enum step client_bind(struct session *s, struct client_msg *m, struct session_io *io);
enum step client_describe_or_close(struct session *s, struct client_msg *m, struct session_io *io);
enum step client_execute(struct session *s, struct client_msg *m, struct session_io *io);
/* The name and the rest of a Parse message that is here as a whole; false: not well-formed. */
bool client_read_parse(const struct client_msg *m, struct slice *name, struct slice *tail);
/* The NUL-terminated string at *at; false: not all here yet, or not inside the frame (then *bad). */
bool client_string_at(const struct client_msg *m, size_t *at, struct slice *out, bool *bad);

/* ---- client_unlinked.c: no backend is linked ---- */
enum step client_unlinked(struct session *s, struct client_msg *m, struct session_io *io);
enum step client_bad_header(struct session *s, int err);

#endif
