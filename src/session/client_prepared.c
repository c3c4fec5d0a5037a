/*
 * Prepared statements of a client: its names become those under which the statements stand on backends.
 *
 * Well-framed content that we do not understand is forwarded untouched: the server's error is the right one.
 */
#include "session/client_msg.h"

enum {
    PARSE_MAX = 16 * 1024 * 1024, /* statements are kept to be parsed again elsewhere */
    PARSE_AHEAD = 16384,          /* a longer one waits for earlier answers: unanswered ones keep what they replaced */
    NAME_MAX_BYTES = 60000,       /* of a portal or statement name */
};

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

/* A simple query in the rest of the batch: BEGIN ISOLATION LEVEL would fail behind the snapshot of a real Parse. */
static bool query_follows(const struct session *s, const struct client_msg *m)
{
    for (size_t at = m->len; at < m->avail;) {
        struct proto_header h;
        if (proto_frontend_header(m->data + at, m->avail - at, s->store->max_packet_size, &h) != 0)
            return false;
        if (h.type == 'Q' || h.type == 'S')
            return h.type == 'Q';
        at += h.len;
    }
    return false;
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
    if (there != NULL && b->runs_setting)
        there->stale = true;
    /*
     * Elsewhere a real Parse shows: it takes a transaction's snapshot, makes earlier work of its batch visible, and
     * fails in a failed transaction.
     */
    bool nobody_can_tell = b->units_answered == b->units_sent && b->status == 'I' && !b->batch_open;
    if (there != NULL && !there->stale && nobody_can_tell && !query_follows(s, m)) {
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
        prepared_add(b, stmt)->stale = b->runs_setting; /* meant as it stands now, under values that we do not know */
        rewrite_parse(io->to_backend, stmt->name, tail);
        s->stats->server_parse_count++;
    }
    b->changes_unit = b->units_sent;
    return STEP_USED;
}

/* The name and the rest of a Parse message that is here as a whole; false: not well-formed. */
bool client_read_parse(const struct client_msg *m, struct slice *name, struct slice *tail)
{
    struct reader r = reader_of(m->data + PROTO_HEADER, m->len - PROTO_HEADER);
    *name = slice_of(reader_cstr(&r));
    tail->ptr = r.at;
    tail->len = reader_left(&r);
    reader_cstr(&r);
    size_t oids = reader_u16(&r);
    return !r.bad && reader_left(&r) == oids * 4;
}

enum step client_parse(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (m->len > PARSE_MAX)
        return fatal(s, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "statement is too long to be prepared");
    if (m->len > PARSE_AHEAD && s->link->ledger.count > 0)
        return STEP_HOLD;
    if (!is_whole(m))
        return STEP_MORE;
    struct slice name, tail;
    if (!client_read_parse(m, &name, &tail)) { /* the server says what is wrong with it */
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
enum step client_execute(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct backend_state *b = s->link;
    if (b->binds_dealloc) {
        if (names_are_uncertain(b))
            return STEP_HOLD;
        b->runs_dealloc = true;
        b->changes_unit = b->units_sent;
    }
    b->runs_setting = b->runs_setting || b->binds_setting;
    expect(s, io, 'E');
    return consume(s, m, io, false);
}

static void note_bound(struct backend_state *b, const struct stmt *stmt)
{
    b->binds_dealloc = b->binds_dealloc || stmt->deallocates;
    b->binds_setting = b->binds_setting || stmt->sets;
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
            note_bound(b, s->unnamed);
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
    note_bound(b, name->stmt);
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
bool client_string_at(const struct client_msg *m, size_t *at, struct slice *out, bool *bad)
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

enum step client_bind(struct session *s, struct client_msg *m, struct session_io *io)
{
    struct slice portal, name;
    size_t at = PROTO_HEADER;
    bool bad = false;
    size_t name_at = 0;
    bool named = client_string_at(m, &at, &portal, &bad);
    if (named) {
        name_at = at;
        named = client_string_at(m, &at, &name, &bad);
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
enum step client_describe_or_close(struct session *s, struct client_msg *m, struct session_io *io)
{
    if (!is_whole(m)) /* small: PROTO_SMALL_MAX */
        return STEP_MORE;
    struct slice name;
    size_t at = PROTO_HEADER + 1;
    bool bad = false;
    bool of_statement = m->len > PROTO_HEADER && m->data[PROTO_HEADER] == 'S';
    if (!of_statement || !client_string_at(m, &at, &name, &bad) || at != m->len) {
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
