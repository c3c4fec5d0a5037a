/*
 * A client without a backend: what can be answered without one is, and one is wanted only when there is work for it.
 */
#include "session/client_msg.h"

enum { COLLECT_MAX = 65536 }; /* a batch longer than this is not waited for before a backend is asked for */

enum step client_bad_header(struct session *s, int err)
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
            return client_bad_header(s, rc);
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
    if (!of_statement || !client_string_at(m, &at, &name, &bad) || at != m->len || name.len == 0)
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
    if (alone && s->rewriting && s->pool != NULL && client_read_parse(m, &name, &tail) && name.len > 0)
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

enum step client_unlinked(struct session *s, struct client_msg *m, struct session_io *io)
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
