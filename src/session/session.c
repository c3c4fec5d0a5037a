/* The two halves: their life, their link, and the rule by which they part. */
#include "session/prepared.h"
#include "session/rewrite.h"

void session_init(struct session *s, struct store *store, struct stats *stats, enum session_mode mode,
                  struct params *params)
{
    *s = (struct session){
        .store = store,
        .stats = stats,
        .params = params,
        .mode = (uint8_t)mode,
        .rewriting = mode != SESSION_MODE_SESSION && store->max_prepared > 0,
    };
}

void session_deinit(struct session *s)
{
    assert(s->link == NULL);
    prepared_names_clear(s);
    stmt_unref(s->store, s->unnamed);
    params_unref(s->store, s->params);
    s->unnamed = NULL;
    s->params = NULL;
}

void backend_state_init(struct backend_state *b, struct store *store)
{
    *b = (struct backend_state){
        .store = store,
        .params = params_ref(store->no_params),
        .status = 'I',
        .unnamed_is_none = true,
    };
}

void backend_state_deinit(struct backend_state *b)
{
    assert(b->session == NULL);
    ledger_clear(b);
    ledger_deinit(&b->ledger);
    prepared_clear(b);
    backend_forget_unnamed(b);
    params_unref(b->store, b->params);
    b->params = NULL;
}

void backend_state_parameter(struct backend_state *b, const char *name, const char *value)
{
    int index = params_index(b->store, name);
    if (index >= 0)
        b->params = params_with(b->store, b->params, index, value);
}

/* ---- moving to another worker ---- */
void backend_state_pack(struct backend_state *b)
{
    assert(b->session == NULL && backend_state_is_quiet(b));
    backend_forget_unnamed(b);
    struct params *params = params_plain_copy(b->params);
    params_unref(b->store, b->params);
    b->params = params;
    if (b->prepared != NULL) {
        LIST_FOREACH (&b->prepared->recent, it) {
            struct prepared *p = LIST_ENTRY(it, struct prepared, recent);
            struct stmt *copy = stmt_copy(p->stmt);
            stmt_unref(b->store, p->stmt);
            p->stmt = copy;
        }
        table_deinit(&b->prepared->table);
    }
    b->store = NULL;
}

void backend_state_unpack(struct backend_state *b, struct store *store)
{
    b->store = store;
    struct params *params = params_copy_into(store, b->params);
    mem_free(b->params);
    b->params = params;
    if (b->prepared == NULL)
        return;
    LIST_FOREACH_SAFE (&b->prepared->recent, it, after) {
        struct prepared *p = LIST_ENTRY(it, struct prepared, recent);
        struct stmt *copy = p->stmt;
        struct slice tail = {copy->tail, copy->tail_len};
        p->stmt = stmt_intern(store, tail, copy->parse_hash);
        if (strcmp(p->stmt->name, copy->name) != 0)
            b->spoiled = true; /* two texts with one hash met other stores in other order: never guess */
        mem_free(copy);
        table_insert(&b->prepared->table, p->stmt->hash, p);
    }
}

/* ---- link ---- */
void session_attach(struct session *s, struct backend_state *b, struct session_io *io)
{
    assert(s->link == NULL && b->session == NULL && backend_state_is_clean(b));
    s->link = b;
    b->session = s;
    s->units = 0;
    s->unnamed_unit = b->changes_unit = b->units_answered - 1; /* an answered one: nothing is uncertain */
    b->binds_dealloc = b->binds_setting = false;
    if (!s->rewriting)
        backend_forget_unnamed(b);
    if (s->params == b->params)
        return;
    struct params *wanted = params_overlay(s->store, s->params, b->params);
    if (wanted == b->params) {
        params_unref(s->store, s->params);
        s->params = wanted;
        return;
    }
    rewrite_parameters(b, wanted, io->to_backend);
    params_unref(s->store, wanted);
}

void session_detach(struct session *s)
{
    struct backend_state *b = s->link;
    assert(b != NULL && b->session == s);
    s->link = NULL;
    b->session = NULL;
    b->setting_up = false;
}

/* ---- may they part? ---- */
bool backend_state_is_quiet(const struct backend_state *b)
{
    return b->ledger.count == 0 && b->pass_left == 0 && b->copy == COPY_NONE;
}

bool backend_state_is_clean(const struct backend_state *b)
{
    return backend_state_is_quiet(b) && b->status == 'I' && !b->batch_open && !b->skipping && !b->spoiled;
}

enum session_verdict session_verdict(const struct backend_state *b)
{
    const struct session *s = b->session;
    assert(s != NULL);
    bool at_rest = backend_state_is_quiet(b) && b->status == 'I' && !b->batch_open && s->pass_left == 0;
    if (!at_rest || s->mode == SESSION_MODE_SESSION)
        return SESSION_STAY;
    return b->spoiled ? SESSION_DISCARD : SESSION_PART;
}

enum session_farewell session_farewell(const struct session *s)
{
    const struct backend_state *b = s->link;
    bool half_sent = s->pass_left > 0 && !s->pass_drop;
    if (b->spoiled || b->batch_open || b->copy != COPY_NONE || half_sent)
        return b->ledger.count > 0 ? FAREWELL_CANCEL : FAREWELL_CLOSE;
    if (!backend_state_is_quiet(b))
        return FAREWELL_CANCEL;
    return b->status == 'I' ? FAREWELL_CLEAN : FAREWELL_ROLLBACK;
}

bool session_may_finish(const struct session *s)
{
    const struct backend_state *b = s->link;
    return b != NULL && s->pass_left == 0 && !b->batch_open && b->copy != COPY_IN && b->copy != COPY_BOTH;
}

void backend_state_hidden_query(struct backend_state *b, const char *sql, struct out *to_backend)
{
    assert(b->session == NULL && backend_state_is_quiet(b));
    struct buf msg = {0};
    proto_query(&msg, sql);
    out_copy(to_backend, msg.data, msg.len);
    buf_deinit(&msg);
    ledger_append(&b->ledger, 'Q', LEDGER_HIDDEN);
    b->units_sent++;
    b->hidden_failed = false;
    backend_set_unnamed(b, NULL);
}
