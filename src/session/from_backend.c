/*
 * What a backend's message means: whose answer it is, what it changes, and whether the client sees it.
 *
 * Rows and COPY data stream through in pieces. Whatever the ledger does not expect is a desync: the worst that can
 * happen here is one client's row in another's hands, so both sides are closed.
 */
#include "session/prepared.h"
#include "session/rewrite.h"

#include <stdio.h>

enum { WHOLE_MAX = 65536 }; /* of messages that we read ourselves; a longer error is passed on unread */

struct backend_msg {
    char type;
    uint32_t len;
    const char *data;
    size_t avail;
};

static inline bool hidden_now(const struct backend_state *b)
{
    const struct ledger_entry *head = ledger_head(&b->ledger);
    return b->session == NULL || (head != NULL && head->action == LEDGER_HIDDEN);
}

static inline void pass(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    if (!hidden_now(b))
        out_ref(io->to_client, m->data, m->len);
}

/* ---- ReadyForQuery ---- */
static void end_times(struct backend_state *b, usec now)
{
    struct session *s = b->session;
    if (b->ledger.count > 0)
        return;
    if (s->query_since != 0) {
        stats_query_ended(s->stats, now - s->query_since);
        s->query_since = 0;
    }
    if (b->status == 'I' && s->xact_since != 0) {
        stats_xact_ended(s->stats, now - s->xact_since);
        s->xact_since = 0;
    }
}

/* The parameters of the client are on the backend now, in the server's spelling. */
static enum backend_news setup_done(struct backend_state *b)
{
    struct session *s = b->session;
    b->setting_up = false;
    if (s == NULL)
        return BACKEND_FINE;
    if (b->hidden_failed) {
        s->fatal_sqlstate = SQLSTATE_PROTOCOL_VIOLATION;
        s->fatal_text = "invalid server parameter";
        return BACKEND_REFUSE;
    }
    params_unref(s->store, s->params);
    s->params = params_ref(b->params);
    return BACKEND_FINE;
}

static enum backend_news on_ready(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (m->len != PROTO_HEADER + 1 || head == NULL || (head->kind != 'S' && head->kind != 'Q' && head->kind != 'F'))
        return BACKEND_DESYNC;
    b->status = m->data[PROTO_HEADER];
    if (b->status != 'I' && b->status != 'T' && b->status != 'E')
        return BACKEND_DESYNC;
    b->copy = COPY_NONE;
    pass(b, m, io);
    bool was_hidden = head->action == LEDGER_HIDDEN;
    ledger_confirm(b);
    rewrite_settle(b, io);
    if (was_hidden)
        return b->setting_up ? setup_done(b) : BACKEND_FINE;
    struct session *s = b->session;
    if (s == NULL)
        return BACKEND_FINE;
    end_times(b, io->now);
    if (s->mode == SESSION_MODE_STATEMENT && b->status != 'I') {
        s->fatal_sqlstate = SQLSTATE_PROTOCOL_VIOLATION;
        s->fatal_text = "transaction blocks not allowed in statement pooling mode";
        return BACKEND_REFUSE;
    }
    return BACKEND_FINE;
}

/* ---- ErrorResponse ---- */

/* The server names the statement as we do; the client knows it by its own name. */
static const char *clients_name_for(const struct backend_state *b)
{
    for (uint32_t i = 0; i < b->ledger.count; i++) { /* a hidden request stands for the client's own behind it */
        const struct ledger_entry *entry = ledger_at(&b->ledger, i);
        if (entry->action != LEDGER_HIDDEN)
            return entry->name ? entry->name->text : NULL;
    }
    return NULL;
}

static void pass_error(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    /* A hidden Parse or Close that fails stands for the client's own request behind it: the error is the client's. */
    bool ours_alone = b->session == NULL || b->setting_up;
    if (ours_alone)
        return;
    const struct stmt *stmt = head == NULL ? NULL : head->stmt ? head->stmt : head->name ? head->name->stmt : NULL;
    const char *name = clients_name_for(b);
    if (stmt == NULL || name == NULL || memmem(m->data, m->len, "pgp_", 4) == NULL) {
        out_ref(io->to_client, m->data, m->len);
        return;
    }
    struct buf renamed = {0};
    proto_error_rename(&renamed, m->data, m->len, stmt->name, name);
    out_copy(io->to_client, renamed.data, renamed.len);
    buf_deinit(&renamed);
}

static enum backend_news on_error(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct proto_error_fields fields;
    proto_error_read(m->data + PROTO_HEADER, m->len - PROTO_HEADER, &fields);
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (hidden_now(b) || b->setting_up) {
        b->hidden_failed = true;
        snprintf(b->hidden_error, sizeof b->hidden_error, "%s: %s", fields.sqlstate,
                 fields.message ? fields.message : "");
    }
    pass_error(b, m, io);
    bool fatal = fields.severity != NULL && strcmp(fields.severity, "ERROR") != 0;
    if (fatal) {
        b->spoiled = true;
        return BACKEND_DYING;
    }
    if (head == NULL) {
        if (b->batch_open) { /* an error outside of any request, in the middle of a batch */
            b->skipping = true;
            return BACKEND_FINE;
        }
        return BACKEND_DESYNC;
    }
    b->copy = COPY_NONE;
    ledger_fail(b, fields.sqlstate, fields.message ? fields.message : "");
    rewrite_settle(b, io);
    return BACKEND_FINE;
}

/* ---- ParameterStatus, CommandComplete, the beginning of a COPY ---- */
static enum backend_news on_parameter(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct reader r = reader_of(m->data + PROTO_HEADER, m->len - PROTO_HEADER);
    const char *name = reader_cstr(&r), *value = reader_cstr(&r);
    if (r.bad)
        return BACKEND_DESYNC;
    backend_state_parameter(b, name, value);
    struct session *s = b->session;
    if (s == NULL || b->setting_up)
        return BACKEND_FINE;
    int index = params_index(s->store, name);
    if (index >= 0) {
        uint64_t parse_hash = s->params->parse_hash;
        s->params = params_with(s->store, s->params, index, value);
        if (parse_hash != s->params->parse_hash) {
            prepared_distrust_unanswered(b);
            backend_forget_unnamed(b);
        }
    }
    out_ref(io->to_client, m->data, m->len); /* whoever's turn it is: the client's view has changed */
    return BACKEND_FINE;
}

static enum backend_news on_complete(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (head == NULL || (head->kind != 'E' && head->kind != 'Q'))
        return BACKEND_DESYNC;
    b->copy = COPY_NONE;
    const char *tag = m->data + PROTO_HEADER;
    size_t tag_len = m->len - PROTO_HEADER;
    if (tag_len > 8 && tag[0] == 'D' && /* DELETE, DROP, DECLARE ... end here */
        ((tag_len == 12 && memcmp(tag, "DISCARD ALL", 12) == 0) ||
         (tag_len == 15 && memcmp(tag, "DEALLOCATE ALL", 15) == 0)))
        ledger_forget_prepared(b);
    pass(b, m, io);
    if (head->kind == 'E')
        ledger_confirm(b);
    return BACKEND_FINE;
}

static enum backend_news on_copy(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (head == NULL || (head->kind != 'E' && head->kind != 'Q'))
        return BACKEND_DESYNC;
    pass(b, m, io);
    b->copy = m->type == 'G' ? COPY_IN : m->type == 'H' ? COPY_OUT : COPY_BOTH;
    if (b->session == NULL)
        b->spoiled = true; /* nobody is there to feed it */
    if (m->type != 'G')
        return BACKEND_FINE;
    ledger_forget_syncs(b); /* docs PROTOCOL-COPY: Sync and Flush are ignored in copy-in mode */
    if (b->ledger.count == 1)
        return BACKEND_FINE;
    b->spoiled = true; /* anything else is not, and ends the COPY and from PostgreSQL 14 on the connection */
    if (ledger_at(&b->ledger, 1)->action != LEDGER_LOCAL || b->session == NULL)
        return BACKEND_FINE;
    b->session->fatal_sqlstate = SQLSTATE_PROTOCOL_VIOLATION;
    b->session->fatal_text = "terminating connection because protocol synchronization was lost";
    return BACKEND_REFUSE;
}

/* ---- one message that is here as a whole ---- */
static inline enum backend_news consume_head(struct backend_state *b, const struct backend_msg *m,
                                             struct session_io *io, char kind)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (head == NULL || head->kind != kind)
        return BACKEND_DESYNC;
    pass(b, m, io);
    ledger_confirm(b);
    return BACKEND_FINE;
}

static enum backend_news whole_message(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    enum backend_news news = BACKEND_FINE;
    const struct ledger_entry *head = ledger_head(&b->ledger);
    switch (m->type) {
    case 'Z':
        return on_ready(b, m, io);
    case 'E':
        return on_error(b, m, io);
    case 'S':
        return on_parameter(b, m, io);
    case 'C':
        news = on_complete(b, m, io);
        break;
    case 'G':
    case 'H':
    case 'W':
        return on_copy(b, m, io);
    case '1':
        if (b->session != NULL && head != NULL && head->kind == 'P' && head->effects & EFFECT_PREPARED_ADDED)
            (head->stmt ? head->stmt : head->name->stmt)->proven = b->session->pool;
        news = consume_head(b, m, io, 'P');
        break;
    case '2':
        news = consume_head(b, m, io, 'B');
        break;
    case '3':
        news = consume_head(b, m, io, 'C');
        break;
    case 'n':
        news = consume_head(b, m, io, 'D');
        break;
    case 's':
        news = consume_head(b, m, io, 'E');
        break;
    case 'I':
        if (head != NULL && head->kind == 'Q')
            pass(b, m, io);
        else
            news = consume_head(b, m, io, 'E');
        break;
    default:
        return BACKEND_DESYNC;
    }
    rewrite_settle(b, io);
    return news;
}

/* ---- messages that may stream ---- */
static bool is_owed(const struct backend_state *b, char type, const struct ledger_entry *head)
{
    if (type == 'N' || type == 'A') /* at any time */
        return true;
    if (head == NULL)
        return false;
    switch (type) {
    case 'D':
        return head->kind == 'E' || head->kind == 'Q';
    case 'T':
        return head->kind == 'D' || head->kind == 'Q';
    case 't':
        return head->kind == 'D';
    case 'V':
        return head->kind == 'F';
    case 'd':
    case 'c':
        return b->copy == COPY_OUT || b->copy == COPY_BOTH;
    default:
        return true;
    }
}

static enum backend_news streaming_message(struct backend_state *b, const struct backend_msg *m, struct session_io *io)
{
    const struct ledger_entry *head = ledger_head(&b->ledger);
    bool drop = hidden_now(b);
    if (!is_owed(b, m->type, head))
        return BACKEND_DESYNC;
    switch (m->type) {
    case 'T':
        if (head->kind == 'D')
            ledger_confirm(b);
        break;
    case 'E': /* too long to be read */
        drop = b->session == NULL || b->setting_up;
        b->copy = COPY_NONE;
        b->hidden_failed = b->hidden_failed || drop;
        ledger_fail(b, "XX000", "");
        break;
    case 'A':
        drop = b->session == NULL;
        break;
    default:
        break;
    }
    size_t n = m->avail < m->len ? m->avail : m->len;
    if (!drop)
        out_ref(io->to_client, m->data, n);
    b->pass_left = m->len - (uint32_t)n;
    b->pass_drop = drop;
    if (b->pass_left == 0)
        rewrite_settle(b, io);
    return BACKEND_FINE;
}

static bool may_stream(char type)
{
    switch (type) {
    case 'D':
    case 'd':
    case 'T':
    case 'N':
    case 'A':
    case 'V':
    case 't':
    case 'c':
        return true;
    default:
        return false;
    }
}

size_t session_backend_bytes(struct backend_state *b, const char *data, size_t len, struct session_io *io,
                             enum backend_news *news)
{
    size_t at = 0;
    *news = BACKEND_FINE;
    while (at < len && *news == BACKEND_FINE) {
        if (b->pass_left > 0) {
            size_t n = len - at < b->pass_left ? len - at : b->pass_left;
            if (!b->pass_drop && b->session != NULL)
                out_ref(io->to_client, data + at, n);
            b->pass_left -= (uint32_t)n;
            at += n;
            if (b->pass_left == 0)
                rewrite_settle(b, io);
            continue;
        }
        struct proto_header h;
        int rc = proto_backend_header(data + at, len - at, &h);
        if (rc == ERR_AGAIN)
            break;
        if (rc != 0) {
            *news = BACKEND_DESYNC;
            break;
        }
        if (h.type == 'D' && h.len <= len - at) { /* most messages of all are rows: the shortest way through */
            const struct ledger_entry *head = ledger_head(&b->ledger);
            if (head != NULL && (head->kind == 'E' || head->kind == 'Q')) {
                if (!hidden_now(b))
                    out_ref(io->to_client, data + at, h.len);
                at += h.len;
                continue;
            }
        }
        struct backend_msg m = {.type = h.type, .len = h.len, .data = data + at, .avail = len - at};
        bool too_long = h.type == 'E' && h.len > WHOLE_MAX;
        if (may_stream(h.type) || too_long) {
            *news = streaming_message(b, &m, io);
            at += m.avail < m.len ? m.avail : m.len;
            continue;
        }
        if (h.len > WHOLE_MAX) {
            *news = BACKEND_DESYNC;
            break;
        }
        if (h.len > m.avail)
            break;
        *news = whole_message(b, &m, io);
        at += h.len;
    }
    return at;
}
