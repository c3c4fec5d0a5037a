/*
 * What a client's message becomes: forwarded as it is, rewritten, answered here, or held until answers have come.
 *
 * Every message that is forwarded appends its entry to the ledger in the same function. Well-framed content that we
 * do not understand is forwarded untouched: the server's error is the right one.
 */
#include "session/prepared.h"
#include "session/rewrite.h"

enum {
    LEDGER_MAX = 4096,            /* unanswered requests of one client before its reading stops */
    FAIR_UNITS = 16,              /* units one link may run ahead while others queue */
    COLLECT_MAX = 65536,          /* a batch longer than this is not waited for before a backend is asked for */
    PARSE_MAX = 16 * 1024 * 1024, /* statements are kept to be parsed again elsewhere */
    NAME_MAX_BYTES = 60000,       /* of a portal or statement name */
    LOOK_AHEAD = 64,              /* of a query's text, for what takes prepared statements away */
};

enum step { STEP_USED, STEP_MORE, STEP_NEED, STEP_HOLD, STEP_TERMINATE, STEP_FATAL };

struct client_msg {
    char type;
    uint32_t len;     /* of the whole message */
    const char *data; /* where it begins */
    size_t avail;     /* bytes here, the following messages' included */
    size_t used;      /* out: how many are dealt with */
};

static bool is_whole(const struct client_msg *m)
{
    return m->avail >= m->len;
}

static enum step fatal(struct session *s, const char *sqlstate, const char *text)
{
    s->fatal_sqlstate = sqlstate;
    s->fatal_text = text;
    return STEP_FATAL;
}

/* Consumes the message; what is not here yet follows through session_client_bytes. */
static enum step consume(struct session *s, struct client_msg *m, struct session_io *io, bool drop)
{
    m->used = is_whole(m) ? m->len : m->avail;
    s->pass_left = m->len - (uint32_t)m->used;
    s->pass_drop = drop;
    if (!drop)
        out_ref(io->to_backend, m->data, m->used);
    return STEP_USED;
}

static void note_request(struct session *s, const struct session_io *io)
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

static struct ledger_entry *expect(struct session *s, const struct session_io *io, char kind)
{
    note_request(s, io);
    s->link->batch_open = true;
    s->link->asked_flush = false;
    return ledger_append(&s->link->ledger, kind, LEDGER_FORWARD);
}

static void end_unit(struct session *s)
{
    s->link->batch_open = s->link->runs_dealloc = false;
    s->link->units_sent++;
    s->units++;
}

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

/* ---- prepared statements ---- */

/* What an earlier unit changed that is still unanswered: nobody knows yet whether it holds. */
static bool is_uncertain(const struct backend_state *b, uint32_t unit)
{
    return unit != b->units_sent && (int32_t)(unit - b->units_answered) >= 0;
}

static bool names_are_uncertain(struct backend_state *b)
{
    b->runs_dealloc = b->runs_dealloc && b->ledger.count > 0;
    return b->runs_dealloc || is_uncertain(b, b->changes_unit);
}

static enum step parse_unnamed(struct session *s, struct client_msg *m, struct session_io *io, struct slice tail)
{
    struct backend_state *b = s->link;
    struct ledger_entry *entry = expect(s, io, 'P');
    entry->effects = EFFECT_UNNAMED_SET;
    entry->stmt = s->unnamed;
    s->unnamed = stmt_intern(s->store, tail, s->params->parse_hash);
    s->unnamed_unit = b->units_sent;
    backend_set_unnamed(b, s->unnamed);
    s->stats->server_parse_count++;
    return consume(s, m, io, false);
}

static enum step parse_named(struct session *s, struct client_msg *m, struct session_io *io, struct slice text,
                             struct slice tail)
{
    struct backend_state *b = s->link;
    if (names_are_uncertain(b))
        return STEP_HOLD;
    struct prepared_name *name = prepared_name_find(s, text);
    struct stmt *stmt = stmt_intern(s->store, tail, s->params->parse_hash);
    m->used = m->len;
    if (name != NULL) { /* in use: the server refuses it in its own words, after whatever else is wrong with it */
        rewrite_occupy(b, name->stmt, io->to_backend);
        struct ledger_entry *entry = expect(s, io, 'P');
        entry->effects = EFFECT_DUPLICATE;
        entry->stmt = stmt_ref(name->stmt);
        entry->name = prepared_name_new(text, stmt);
        rewrite_parse(io->to_backend, entry->stmt->name, tail);
        b->changes_unit = b->units_sent;
        return STEP_USED;
    }
    name = prepared_name_new(text, stmt);
    prepared_name_link(s, name);
    struct prepared *there = prepared_find(b, stmt);
    bool status_is_known = b->units_answered == b->units_sent && b->status != 'E';
    if (there != NULL && !there->stale && status_is_known) {
        prepared_touch(b, there);
        name->stmt->proven = s->pool;
        struct ledger_entry *entry = expect(s, io, 'P');
        entry->action = LEDGER_LOCAL;
        entry->effects = EFFECT_NAME_ADDED;
        entry->name = name;
    } else {
        rewrite_make_room(b, stmt, io->to_backend);
        struct ledger_entry *entry = expect(s, io, 'P');
        entry->effects = EFFECT_NAME_ADDED | EFFECT_PREPARED_ADDED;
        entry->name = name;
        prepared_add(b, stmt);
        rewrite_parse(io->to_backend, stmt->name, tail);
        s->stats->server_parse_count++;
    }
    b->changes_unit = b->units_sent;
    return STEP_USED;
}

/* The name and the rest of a Parse message that is here as a whole; false: not well-formed. */
static bool read_parse(const struct client_msg *m, struct slice *name, struct slice *tail)
{
    struct reader r = reader_of(m->data + PROTO_HEADER, m->len - PROTO_HEADER);
    *name = slice_of(reader_cstr(&r));
    tail->ptr = r.at;
    tail->len = reader_left(&r);
    reader_cstr(&r);
    size_t oids = reader_u16(&r);
    return !r.bad && reader_left(&r) == oids * 4;
}

static enum step on_parse(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (m->len > PARSE_MAX)
        return fatal(s, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "statement is too long to be prepared");
    if (!is_whole(m))
        return STEP_MORE;
    struct slice name, tail;
    if (!read_parse(m, &name, &tail)) { /* the server says what is wrong with it */
        expect(s, io, 'P');
        return consume(s, m, io, false);
    }
    s->stats->client_parse_count++;
    if (name.len == 0)
        return parse_unnamed(s, m, io, tail);
    return parse_named(s, m, io, name, tail);
}

/* Makes the backend's unnamed statement the client's own, or none if it has none. */
static enum step ensure_unnamed(struct session *s, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (is_uncertain(b, s->unnamed_unit))
        return STEP_HOLD;
    if (s->unnamed == NULL ? b->unnamed_is_none : b->unnamed == s->unnamed)
        return STEP_USED;
    s->unnamed_unit = b->units_sent;
    rewrite_unnamed(b, s->unnamed, io->to_backend);
    return STEP_USED;
}

/* If any portal would take all prepared statements away, names wait for the answer of whatever is executed. */
static enum step on_execute(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (b->binds_dealloc) {
        if (names_are_uncertain(b))
            return STEP_HOLD;
        b->runs_dealloc = true;
        b->changes_unit = b->units_sent;
    }
    expect(s, io, 'E');
    return consume(s, m, io, false);
}

/*
 * Bind and Describe of a statement: the name at `at` becomes the backend's. The bytes before it are kept.
 * @at  offset of the name's first byte in the message
 */
static enum step use_statement(struct session *s, struct client_msg *m, struct session_io *io, size_t at,
                               struct slice text)
{
    struct backend_state *b = s->link;
    if (text.len == 0) {
        enum step step = ensure_unnamed(s, io);
        if (step != STEP_USED)
            return step;
        if (s->unnamed != NULL)
            b->binds_dealloc |= s->unnamed->deallocates;
        expect(s, io, m->type);
        return consume(s, m, io, false);
    }
    if (names_are_uncertain(b))
        return STEP_HOLD;
    struct prepared_name *name = prepared_name_find(s, text);
    if (name == NULL) { /* unknown here, so unknown there, where all names are ours: PostgreSQL's own 26000 */
        expect(s, io, m->type);
        return consume(s, m, io, false);
    }
    b->binds_dealloc |= name->stmt->deallocates;
    struct stmt *like = rewrite_ensure(b, name->stmt, io->to_backend, s->stats);
    struct ledger_entry *entry = expect(s, io, m->type);
    entry->name = name;
    name->refs++;
    entry->stmt = like;
    const char *new_name = like ? like->name : name->stmt->name;
    size_t behind = at + text.len + 1;
    rewrite_head(io->to_backend, m->data, at, new_name, (uint32_t)(m->len - text.len + STMT_NAME_LEN));
    m->used = is_whole(m) ? m->len : m->avail;
    out_ref(io->to_backend, m->data + behind, m->used - behind);
    s->pass_left = m->len - (uint32_t)m->used;
    s->pass_drop = false;
    return STEP_USED;
}

/* Finds the NUL-terminated string at *at; false: not all here yet, or not inside the frame (then *bad). */
static bool string_at(const struct client_msg *m, size_t *at, struct slice *out, bool *bad)
{
    size_t end = is_whole(m) ? m->len : m->avail;
    const char *nul = NULL;
    if (*at < end) /* mostly it is empty: a portal's name */
        nul = m->data[*at] == '\0' ? m->data + *at : memchr(m->data + *at, '\0', end - *at);
    if (nul == NULL) {
        *bad = is_whole(m) || end - *at > NAME_MAX_BYTES;
        return false;
    }
    out->ptr = m->data + *at;
    out->len = (size_t)(nul - out->ptr);
    *at += out->len + 1;
    return true;
}

static enum step on_bind(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct slice portal, name;
    size_t at = PROTO_HEADER;
    bool bad = false;
    size_t name_at = 0;
    bool named = string_at(m, &at, &portal, &bad);
    if (named) {
        name_at = at;
        named = string_at(m, &at, &name, &bad);
    }
    if (!named && !bad)
        return STEP_MORE;
    if (!named) {
        expect(s, io, 'B');
        return consume(s, m, io, false);
    }
    s->stats->bind_count++;
    return use_statement(s, m, io, name_at, name);
}

/* Describe and Close: a kind byte and a name. */
static enum step on_describe_or_close(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (!is_whole(m)) /* small: PROTO_SMALL_MAX */
        return STEP_MORE;
    struct slice name;
    size_t at = PROTO_HEADER + 1;
    bool bad = false;
    bool of_statement = m->len > PROTO_HEADER && m->data[PROTO_HEADER] == 'S';
    if (!of_statement || !string_at(m, &at, &name, &bad) || at != m->len) {
        expect(s, io, m->type);
        return consume(s, m, io, false);
    }
    if (m->type == 'D')
        return use_statement(s, m, io, PROTO_HEADER + 1, name);
    struct backend_state *b = s->link;
    if (name.len == 0) {
        struct ledger_entry *entry = expect(s, io, 'C');
        entry->effects = EFFECT_UNNAMED_SET;
        entry->stmt = s->unnamed;
        s->unnamed = NULL;
        s->unnamed_unit = b->units_sent;
        backend_set_unnamed(b, NULL);
        return consume(s, m, io, false);
    }
    if (names_are_uncertain(b))
        return STEP_HOLD;
    /* Closing only forgets the client's name: others may use the statement, and the backend keeps it for them. */
    struct ledger_entry *entry = expect(s, io, 'C');
    entry->action = LEDGER_LOCAL;
    struct prepared_name *known = prepared_name_find(s, name);
    if (known != NULL) {
        entry->effects = EFFECT_NAME_REMOVED;
        entry->name = known;
        known->refs++;
        prepared_name_unlink(s, known);
        b->changes_unit = b->units_sent;
    }
    m->used = m->len;
    return STEP_USED;
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
    if (!b->batch_open && io->others_wait && b->ledger.count > 0 && s->units >= FAIR_UNITS)
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
            return on_parse(s, m, io);
        break;
    case 'B':
        if (s->rewriting)
            return on_bind(s, m, io);
        break;
    case 'D':
    case 'C':
        if (s->rewriting)
            return on_describe_or_close(s, m, io);
        break;
    case 'E':
        return on_execute(s, m, io);
    default: /* 'p': nothing is being authenticated */
        return fatal(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type after login");
    }
    expect(s, io, m->type);
    return consume(s, m, io, false);
}

/* ---- without one ---- */

static enum step bad_header(struct session *s, int err)
{
    return fatal(s, SQLSTATE_PROTOCOL_VIOLATION,
                 err == ERR_TOO_LARGE ? "invalid message length" : "invalid frontend message type");
}

static bool is_of_batch(char type)
{
    return type == 'P' || type == 'B' || type == 'D' || type == 'E' || type == 'C';
}

/*
 * A backend is wanted when everything that the server would work on at once is here: a Query, or a batch up to its
 * Sync or Flush. Who breaks the protocol before that gets none.
 */
static enum step want_backend(struct session *s, const char *data, size_t len)
{
    size_t at = 0;
    while (at < COLLECT_MAX) {
        struct proto_header h;
        int rc = proto_frontend_header(data + at, len - at, s->store->max_packet_size, &h);
        if (rc == ERR_AGAIN)
            return STEP_MORE;
        if (rc != 0)
            return bad_header(s, rc);
        if (h.type == 'p')
            return fatal(s, SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type after login");
        if (h.len > len - at)
            return len >= COLLECT_MAX ? STEP_NEED : STEP_MORE;
        if (!is_of_batch(h.type))
            return STEP_NEED;
        at += h.len;
    }
    return STEP_NEED;
}

/* Only the client's name goes, so no backend is wanted for it. */
static enum step close_unlinked(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (!is_whole(m))
        return STEP_MORE;
    struct slice name;
    size_t at = PROTO_HEADER + 1;
    bool bad = false;
    bool of_statement = s->rewriting && m->len > PROTO_HEADER && m->data[PROTO_HEADER] == 'S';
    if (!of_statement || !string_at(m, &at, &name, &bad) || at != m->len || name.len == 0)
        return want_backend(s, m->data, m->avail);
    struct prepared_name *known = prepared_name_find(s, name);
    if (known != NULL)
        prepared_name_unlink(s, known);
    static const char close_complete[] = {'3', 0, 0, 0, 4};
    out_copy(io->to_client, close_complete, sizeof close_complete);
    return consume(s, m, io, true);
}

/*
 * A Parse and its Sync alone, of a statement that a server of this pool has accepted: the answer is known. Clients
 * prepare this way while all backends are held by transactions that they themselves have to finish first (pgbench).
 */
static enum step parse_unlinked(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct slice name, tail;
    struct stmt *stmt = NULL;
    bool alone = is_whole(m) && m->avail > m->len && m->data[m->len] == 'S';
    if (alone && s->rewriting && s->pool != NULL && read_parse(m, &name, &tail) && name.len > 0)
        stmt = stmt_find(s->store, tail, s->params->parse_hash);
    if (stmt == NULL || stmt->proven != s->pool || prepared_name_find(s, name) != NULL)
        return want_backend(s, m->data, m->avail);
    struct prepared_name *added = prepared_name_new(name, stmt_ref(stmt));
    prepared_name_link(s, added);
    prepared_name_unref(s->store, added);
    s->stats->client_parse_count++;
    static const char parse_complete[] = {'1', 0, 0, 0, 4};
    out_copy(io->to_client, parse_complete, sizeof parse_complete);
    return consume(s, m, io, true);
}

static enum step on_unlinked(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (s->refusing && m->type != 'S' && m->type != 'X')
        return consume(s, m, io, true);
    s->refusing = false;
    switch (m->type) {
    case 'X':
        return STEP_TERMINATE;
    case 'S': { /* no batch, no transaction: the answer is known */
        static const char ready[] = {'Z', 0, 0, 0, 5, 'I'};
        out_copy(io->to_client, ready, sizeof ready);
        return consume(s, m, io, true);
    }
    case 'H':
    case 'd':
    case 'c':
    case 'f':
        return consume(s, m, io, true);
    case 'C':
        return close_unlinked(s, m, io);
    case 'P':
        return parse_unlinked(s, m, io);
    default:
        return want_backend(s, m->data, m->avail);
    }
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

size_t session_refuse_unit(struct session *s, const char *data, size_t len, struct out *to_client, const char *sqlstate,
                           const char *text)
{
    assert(s->link == NULL && s->pass_left == 0);
    struct proto_header h;
    if (proto_frontend_header(data, len, s->store->max_packet_size, &h) != 0)
        return 0;
    struct buf msg = {0};
    proto_error(&msg,
                &(struct proto_error){.severity = "ERROR", .sqlstate = sqlstate, .message = text, .with_v = true});
    bool one_message = h.type == 'Q' || h.type == 'F';
    if (one_message)
        proto_ready(&msg, 'I');
    out_copy(to_client, msg.data, msg.len);
    buf_deinit(&msg);
    s->refusing = !one_message;
    size_t used = h.len <= len ? h.len : len;
    s->pass_left = h.len - (uint32_t)used;
    s->pass_drop = true;
    return used;
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
            bad_header(s, rc);
            *want = SESSION_FATAL;
            break;
        }
        struct client_msg m = {.type = h.type, .len = h.len, .data = data + at, .avail = len - at};
        enum step step = s->link ? on_linked(s, &m, io) : on_unlinked(s, &m, io);
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
