#include "session/prepared.h"

/* ---- the client's names ---- */
static bool name_matches(const void *value, const void *key)
{
    const struct prepared_name *name = value;
    const struct slice *text = key;
    return name->len == text->len && memcmp(name->text, text->ptr, text->len) == 0;
}

struct prepared_name *prepared_name_find(const struct session *s, struct slice text)
{
    if (s->names == NULL)
        return NULL;
    return table_find(&s->names->table, hash_bytes(text.ptr, text.len), name_matches, &text);
}

bool prepared_name_is_linked(const struct session *s, const struct prepared_name *name)
{
    struct slice text = {name->text, name->len};
    return prepared_name_find(s, text) == name;
}

void prepared_name_link(struct session *s, struct prepared_name *name)
{
    if (s->names == NULL)
        s->names = mem_zalloc(sizeof *s->names);
    name->refs++;
    table_insert(&s->names->table, name->hash, name);
}

struct prepared_name *prepared_name_new(struct slice text, struct stmt *stmt)
{
    struct prepared_name *name = mem_alloc(sizeof *name + text.len + 1);
    *name = (struct prepared_name){
        .refs = 1, .len = (uint32_t)text.len, .hash = hash_bytes(text.ptr, text.len), .stmt = stmt};
    memcpy(name->text, text.ptr, text.len);
    name->text[text.len] = '\0';
    return name;
}

void prepared_name_add(struct session *s, struct slice text, struct stmt *stmt)
{
    struct prepared_name *name = prepared_name_new(text, stmt);
    prepared_name_link(s, name);
    prepared_name_unref(s->store, name);
}

void prepared_name_unref(struct store *store, struct prepared_name *name)
{
    if (name == NULL || --name->refs > 0)
        return;
    stmt_unref(store, name->stmt);
    mem_free(name);
}

void prepared_name_unlink(struct session *s, struct prepared_name *name)
{
    if (s->names != NULL && table_remove(&s->names->table, name->hash, name))
        prepared_name_unref(s->store, name);
}

void prepared_names_clear(struct session *s)
{
    if (s->names == NULL)
        return;
    uint32_t cursor = 0;
    for (struct prepared_name *name; (name = table_next(&s->names->table, &cursor)) != NULL;)
        prepared_name_unref(s->store, name);
    table_deinit(&s->names->table);
    mem_free(s->names);
    s->names = NULL;
}

int session_prepared_count(const struct session *s)
{
    return s->names ? (int)s->names->table.live : 0;
}

/* ---- the backend's statements ---- */
int backend_state_prepared_count(const struct backend_state *b)
{
    return b->prepared ? b->prepared->count : 0;
}

static bool is_of_stmt(const void *value, const void *key)
{
    return ((const struct prepared *)value)->stmt == key;
}

struct prepared *prepared_find(const struct backend_state *b, const struct stmt *stmt)
{
    return b->prepared ? table_find(&b->prepared->table, stmt->hash, is_of_stmt, stmt) : NULL;
}

void prepared_touch(struct backend_state *b, struct prepared *p)
{
    if (b->prepared->recent.next == &p->recent)
        return;
    list_remove(&p->recent);
    list_push_front(&b->prepared->recent, &p->recent);
}

struct prepared *prepared_add(struct backend_state *b, struct stmt *stmt)
{
    if (b->prepared == NULL) {
        b->prepared = mem_zalloc(sizeof *b->prepared);
        list_init(&b->prepared->recent);
    }
    struct prepared *p = mem_alloc(sizeof *p);
    *p = (struct prepared){.stmt = stmt_ref(stmt), .unit = b->units_sent};
    list_push_front(&b->prepared->recent, &p->recent);
    table_insert(&b->prepared->table, stmt->hash, p);
    b->prepared->count++;
    return p;
}

void prepared_remove(struct backend_state *b, const struct stmt *stmt)
{
    struct prepared *p = prepared_find(b, stmt);
    if (p == NULL)
        return;
    table_remove(&b->prepared->table, stmt->hash, p);
    list_remove(&p->recent);
    b->prepared->count--;
    stmt_unref(b->store, p->stmt);
    mem_free(p);
}

void prepared_clear(struct backend_state *b)
{
    if (b->prepared == NULL)
        return;
    LIST_FOREACH_SAFE (&b->prepared->recent, it, after) {
        struct prepared *p = LIST_ENTRY(it, struct prepared, recent);
        stmt_unref(b->store, p->stmt);
        mem_free(p);
    }
    table_deinit(&b->prepared->table);
    mem_free(b->prepared);
    b->prepared = NULL;
}

void prepared_distrust_unanswered(struct backend_state *b)
{
    if (b->prepared == NULL)
        return;
    LIST_FOREACH (&b->prepared->recent, it) {
        struct prepared *p = LIST_ENTRY(it, struct prepared, recent);
        if ((int32_t)(p->unit - b->units_answered) >= 0)
            p->stale = true;
    }
}

struct prepared *prepared_least_recent(const struct backend_state *b)
{
    if (b->prepared == NULL || list_is_empty(&b->prepared->recent))
        return NULL;
    return LIST_ENTRY(b->prepared->recent.prev, struct prepared, recent);
}

void backend_set_unnamed(struct backend_state *b, struct stmt *stmt)
{
    struct stmt *former = b->unnamed;
    b->unnamed = stmt ? stmt_ref(stmt) : NULL;
    b->unnamed_is_none = stmt == NULL;
    stmt_unref(b->store, former);
}

void backend_forget_unnamed(struct backend_state *b)
{
    stmt_unref(b->store, b->unnamed);
    b->unnamed = NULL;
    b->unnamed_is_none = false;
}
