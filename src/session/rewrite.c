#include "session/rewrite.h"

void rewrite_head(struct out *out, const char *message, size_t keep, const char *name, uint32_t new_len)
{
    char *at = out_space(out, keep + STMT_NAME_LEN + 1);
    memcpy(at, message, keep);
    write_u32(at + 1, new_len - 1);
    memcpy(at + keep, name, STMT_NAME_LEN + 1);
}

void rewrite_parse(struct out *out, const char *name, struct slice tail)
{
    size_t name_len = strlen(name) + 1;
    char header[PROTO_HEADER] = {'P'};
    write_u32(header + 1, (uint32_t)(4 + name_len + tail.len));
    out_copy(out, header, sizeof header);
    out_copy(out, name, name_len);
    out_copy(out, tail.ptr, tail.len);
}

static void close_hidden(struct backend_state *b, struct stmt *stmt, struct out *to_backend)
{
    struct buf msg = {0};
    proto_close(&msg, 'S', stmt->name);
    out_copy(to_backend, msg.data, msg.len);
    buf_deinit(&msg);
    struct ledger_entry *entry = ledger_append(&b->ledger, 'C', LEDGER_HIDDEN);
    entry->effects = EFFECT_PREPARED_REMOVED;
    entry->stmt = stmt_ref(stmt);
    prepared_remove(b, stmt);
    b->changes_unit = b->units_sent;
}

void rewrite_make_room(struct backend_state *b, struct stmt *stmt, struct out *to_backend)
{
    if (prepared_find(b, stmt) != NULL) {
        close_hidden(b, stmt, to_backend);
        return;
    }
    while (b->prepared != NULL && b->prepared->count > 0 && b->prepared->count >= b->store->max_prepared)
        close_hidden(b, prepared_least_recent(b)->stmt, to_backend);
}

static struct prepared *parse_hidden(struct backend_state *b, struct stmt *stmt, struct slice tail,
                                     struct out *to_backend)
{
    rewrite_make_room(b, stmt, to_backend);
    rewrite_parse(to_backend, stmt->name, tail);
    struct ledger_entry *entry = ledger_append(&b->ledger, 'P', LEDGER_HIDDEN);
    entry->effects = EFFECT_PREPARED_ADDED;
    entry->stmt = stmt_ref(stmt);
    b->changes_unit = b->units_sent;
    struct prepared *added = prepared_add(b, stmt);
    added->stale = b->runs_setting;
    return added;
}

static struct slice tail_of(const struct stmt *stmt)
{
    return (struct slice){stmt->tail, stmt->tail_len};
}

static bool is_ready(struct backend_state *b, const struct stmt *stmt)
{
    struct prepared *there = prepared_find(b, stmt);
    if (there == NULL || there->stale)
        return false;
    prepared_touch(b, there);
    return true;
}

struct stmt *rewrite_ensure(struct backend_state *b, struct stmt *stmt, struct out *to_backend, struct stats *stats)
{
    if (is_ready(b, stmt))
        return NULL;
    struct stmt *like = NULL;
    if (stmt->parse_hash != b->params->parse_hash) {
        like = stmt = stmt_intern(b->store, tail_of(stmt), b->params->parse_hash);
        if (is_ready(b, like))
            return like;
    }
    parse_hidden(b, stmt, tail_of(stmt), to_backend);
    stats->server_parse_count++;
    return like;
}

void rewrite_occupy(struct backend_state *b, struct stmt *stmt, struct out *to_backend)
{
    static const char empty_text[] = {0, 0, 0}; /* the one text that is taken in a failed transaction too */
    if (!is_ready(b, stmt))
        parse_hidden(b, stmt, (struct slice){empty_text, sizeof empty_text}, to_backend)->stale = true;
}

void rewrite_unnamed(struct backend_state *b, struct stmt *stmt, struct out *to_backend)
{
    if (stmt == NULL) {
        static const char close_unnamed[] = {'C', 0, 0, 0, 6, 'S', 0};
        out_copy(to_backend, close_unnamed, sizeof close_unnamed);
        ledger_append(&b->ledger, 'C', LEDGER_HIDDEN);
    } else {
        rewrite_parse(to_backend, "", (struct slice){stmt->tail, stmt->tail_len});
        ledger_append(&b->ledger, 'P', LEDGER_HIDDEN);
    }
    backend_set_unnamed(b, stmt);
}

/*
 * Bound values, never text pasted into SQL. A unit of its own, and the client's message waits for its answer: inside
 * the client's unit it would take a snapshot too early for BEGIN ISOLATION LEVEL and make VACUUM impossible.
 */
void rewrite_parameters(struct backend_state *b, const struct params *wanted, struct out *to_backend)
{
    static const char sql[] = "SELECT pg_catalog.set_config($1, $2, false)";
    struct buf msg = {0};
    proto_parse(&msg, "", sql, NULL, 0);
    ledger_append(&b->ledger, 'P', LEDGER_HIDDEN);
    for (int i = 0; i < b->store->tracked_count; i++) {
        const char *now = b->params->values[i], *then = wanted->values[i];
        if (now == NULL || then == NULL || strcmp(now, then) == 0)
            continue;
        const char *values[] = {b->store->tracked[i], then};
        proto_bind(&msg, "", "", values, 2);
        proto_execute(&msg, "", 0);
        ledger_append(&b->ledger, 'B', LEDGER_HIDDEN);
        ledger_append(&b->ledger, 'E', LEDGER_HIDDEN);
    }
    proto_sync(&msg);
    ledger_append(&b->ledger, 'S', LEDGER_HIDDEN);
    out_copy(to_backend, msg.data, msg.len);
    buf_deinit(&msg);
    backend_forget_unnamed(b);
    b->units_sent++;
    b->setting_up = true;
    b->hidden_failed = false;
}

void rewrite_answer_local(struct backend_state *b, struct session_io *io)
{
    if (b->pass_left > 0) /* never into the middle of another message */
        return;
    for (struct ledger_entry *head; (head = ledger_head(&b->ledger)) != NULL && head->action == LEDGER_LOCAL;) {
        char answer[PROTO_HEADER] = {head->kind == 'P' ? '1' : '3', 0, 0, 0, 4};
        if (b->session != NULL)
            out_copy(io->to_client, answer, sizeof answer);
        ledger_confirm(b);
    }
}
