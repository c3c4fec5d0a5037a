/*
 * What a client's message becomes: forwarded as it is, rewritten, answered here, or held until answers have come.
 *
 * Every message that is forwarded appends its entry to the ledger in the same function. Well-framed content that we
 * do not understand is forwarded untouched: the server's error is the right one.
 */
#include "session/client_msg.h"

enum {
    LEDGER_MAX = 4096, /* unanswered requests of one client before its reading stops */
    FAIR_UNITS = 16,   /* units one link may run ahead while others queue */
    LOOK_AHEAD = 64,   /* of a query's text, for what takes prepared statements away */
};

/* ---- Query, FunctionCall, Sync ---- */
static enum step on_query(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (s->rewriting && !is_whole(m) && m->avail < PROTO_HEADER + LOOK_AHEAD)
        return STEP_MORE;
    struct ledger_entry *entry = expect(s, io, m->type);
    if (m->type == 'Q' && s->rewriting) {
        /* A simple query destroys the unnamed statement, also one that an error in front of it brings back. */
        if (s->unnamed != NULL || b->ledger.count > 1) {
            entry->effects = EFFECT_UNNAMED_SET;
            entry->stmt = s->unnamed;
            s->unnamed = NULL;
            s->unnamed_unit = b->units_sent;
        }
        if (!b->unnamed_is_none)
            backend_set_unnamed(b, NULL);
        if (s->names != NULL &&
            text_may_deallocate(m->data + PROTO_HEADER, (is_whole(m) ? m->len : m->avail) - PROTO_HEADER))
            b->changes_unit = b->units_sent;
    }
    end_unit(s);
    return consume(s, m, io, false);
}

static enum step on_sync(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (b->copy == COPY_IN) /* the server ignores it there, and would not if the COPY has failed meanwhile */
        return consume(s, m, io, true);
    expect(s, io, 'S');
    b->skipping = false;
    end_unit(s);
    return consume(s, m, io, false);
}

/* ---- COPY data: only a server known to be in COPY gets any ---- */
static enum step on_copy_data(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (b->copy == COPY_BOTH)
        return consume(s, m, io, false);
    if (b->copy == COPY_IN) {
        if (m->type != 'd') {
            b->copy = COPY_NONE;
            b->asked_flush = false; /* one that came during the COPY was ignored */
        }
        return consume(s, m, io, false);
    }
    if (b->ledger.count > 0) /* the request before it may yet turn out to be a COPY */
        return STEP_HOLD;
    return consume(s, m, io, true); /* as the server: ignored outside of COPY */
}

/* ---- with a backend ---- */
static enum step on_linked(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (b->setting_up || b->ledger.count >= LEDGER_MAX)
        return STEP_HOLD;
    if (m->type == 'X') { /* what was asked for completely is answered first, as PostgreSQL does */
        bool answers_come = b->ledger.count > 0 && !b->batch_open && (b->copy == COPY_NONE || b->copy == COPY_OUT);
        return answers_come ? STEP_HOLD : STEP_TERMINATE;
    }
    if (b->skipping && m->type != 'S') /* the server would ignore it too */
        return consume(s, m, io, true);
    if (m->type == 'd' || m->type == 'c' || m->type == 'f')
        return on_copy_data(s, m, io);
    if (b->copy == COPY_IN && m->type != 'S' && m->type != 'H') {
        /* The server gives up over it, the connection with it from PostgreSQL 14 on. */
        b->spoiled = true;
        return consume(s, m, io, false);
    }
    bool answers_come = b->ledger.count > 0 && b->copy != COPY_IN; /* a COPY waits for what is behind this message */
    if (!b->batch_open && io->others_wait && answers_come && s->units >= FAIR_UNITS)
        return STEP_HOLD;
    switch (m->type) {
    case 'Q':
    case 'F':
        return on_query(s, m, io);
    case 'S':
        return on_sync(s, m, io);
    case 'H':
        if (b->copy == COPY_IN)
            return consume(s, m, io, true);
        b->batch_open = true;
        return consume(s, m, io, false);
    case 'P':
        if (s->rewriting)
            return client_parse(s, m, io);
        break;
    case 'B':
        if (s->rewriting)
            return client_bind(s, m, io);
        break;
    case 'D':
    case 'C':
        if (s->rewriting)
            return client_describe_or_close(s, m, io);
        break;
    case 'E':
        return client_execute(s, m, io);
    default: /* 'p': nothing is being authenticated */
        return fatal(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type after login");
    }
    expect(s, io, m->type);
    return consume(s, m, io, false);
}

/*
 * In the middle of a batch nobody may be waiting for the server's answers but us, and it keeps them until it is asked
 * to flush.
 */
static void ask_flush(struct backend_state *b, struct session_io *io)
{
    if (!b->batch_open || b->asked_flush || b->ledger.count == 0)
        return;
    static const char flush[] = {'H', 0, 0, 0, 4};
    out_copy(io->to_backend, flush, sizeof flush);
    b->asked_flush = true;
}

size_t session_client_bytes(struct session *s, const char *data, size_t len, struct session_io *io,
                            enum session_want *want)
{
    static const enum session_want want_of[] = {
        [STEP_MORE] = SESSION_MORE,   [STEP_NEED] = SESSION_NEED,           [STEP_HOLD] = SESSION_HOLD,
        [STEP_FATAL] = SESSION_FATAL, [STEP_TERMINATE] = SESSION_TERMINATE,
    };
    size_t at = 0;
    *want = SESSION_MORE;
    while (at < len) {
        if (s->pass_left > 0) {
            size_t n = len - at < s->pass_left ? len - at : s->pass_left;
            if (!s->pass_drop)
                out_ref(io->to_backend, data + at, n);
            s->pass_left -= (uint32_t)n;
            at += n;
            continue;
        }
        struct proto_header h;
        int rc = proto_frontend_header(data + at, len - at, s->store->max_packet_size, &h);
        if (rc == ERR_AGAIN)
            break;
        if (rc != 0) {
            client_bad_header(s, rc);
            *want = SESSION_FATAL;
            break;
        }
        struct client_msg m = {.type = h.type, .len = h.len, .data = data + at, .avail = len - at};
        enum step step = s->link ? on_linked(s, &m, io) : client_unlinked(s, &m, io);
        if (s->link != NULL)
            rewrite_settle(s->link, io);
        if (step == STEP_HOLD)
            ask_flush(s->link, io);
        if (step != STEP_USED) {
            *want = want_of[step];
            break;
        }
        at += m.used;
    }
    return at;
}
