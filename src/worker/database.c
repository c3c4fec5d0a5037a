/* Entries and pools of one worker, and what a new configuration changes about them. */
#include "worker/types.h"

static void pool_set_limits(struct worker_pool *pool)
{
    const struct config *c = pool->worker->config;
    const struct config_entry *entry = pool->database->entry;
    const struct config_user *user = pool_config_user(pool);
    struct pool_limits limits = {
        .size = config_pool_size(c, entry, user),
        .min = config_min_pool_size(c, entry, user),
        .reserve = config_reserve_pool_size(c, entry, user),
        .reserve_timeout = c->reserve_pool_timeout,
        .database_max = config_max_db_connections(c, entry),
        .user_max = config_max_user_connections(c, user),
        .connects_max = 8,
        .login_retry = c->server_login_retry,
        .keep_min = entry->user != NULL,
    };
    struct broker_orders orders = {0};
    broker_pool_set_limits(pool->worker->all->broker, pool->idle.shared, &limits, &orders);
    link_orders(pool->worker, &orders);
}

struct database *database_get(struct worker *worker, const char *name)
{
    LIST_FOREACH (&worker->databases, it) {
        struct database *database = LIST_ENTRY(it, struct database, link);
        if (strcmp(database->name, name) == 0 && database->entry != NULL)
            return database;
    }
    const struct config_entry *entry = config_find_entry(worker->config, name);
    struct config_entry *made = entry ? NULL : config_make_auto(worker->config, name);
    if (entry == NULL && made == NULL)
        return NULL;
    if (made != NULL)
        log_write(LOG_LEVEL_LOG, "registered new auto-database: %s", name);
    struct database *database = NULL;
    LIST_FOREACH (&worker->databases, it) {
        struct database *known = LIST_ENTRY(it, struct database, link);
        if (strcmp(known->name, name) == 0)
            database = known;
    }
    if (database == NULL) {
        database = mem_zalloc(sizeof *database);
        database->name = mem_strdup(name);
        database->paused = broker_is_paused(worker->all->broker, name);
        list_push_back(&worker->databases, &database->link);
    }
    database->entry = entry ? entry : made;
    database->auto_entry = made;
    return database;
}

static struct worker_pool *pool_make(struct worker *worker, struct database *database, struct broker_pool *shared)
{
    struct worker_pool *pool = mem_zalloc(sizeof *pool);
    pool->worker = worker;
    pool->database = database;
    pool->user = broker_pool_user(shared);
    pool_init(&pool->idle, shared, worker->id);
    list_init(&pool->backends);
    list_init(&pool->waiting);
    list_push_back(&worker->pools, &pool->link);
    pool_set_limits(pool);
    return pool;
}

static struct worker_pool *pool_known(struct worker *worker, struct broker_pool *shared)
{
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->idle.shared == shared)
            return pool;
    }
    return NULL;
}

struct worker_pool *pool_get(struct worker *worker, struct database *database, const char *user)
{
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->database == database && strcmp(pool->user, user) == 0)
            return pool;
    }
    return pool_make(worker, database, broker_pool_get(worker->all->broker, database->name, user, 0));
}

struct worker_pool *pool_of_shared(struct worker *worker, struct broker_pool *shared)
{
    struct worker_pool *pool = pool_known(worker, shared);
    if (pool != NULL)
        return pool;
    struct database *database = database_get(worker, broker_pool_entry(shared));
    return database ? pool_make(worker, database, shared) : NULL;
}

/* Splits the server's ParameterStatus messages into the tracked ones and the rest, which is sent as it is. */
void pool_learn_welcome(struct worker_pool *pool, bool even_in_doubt)
{
    struct worker *worker = pool->worker;
    if (pool->params != NULL)
        return;
    struct buf all = {0};
    if (!broker_welcome_get(worker->all->broker, pool->idle.shared, even_in_doubt, &all)) {
        buf_deinit(&all);
        return;
    }
    struct params *params = params_ref(worker->store.no_params);
    for (size_t at = 0; at < all.len;) {
        struct proto_header h;
        int rc = proto_backend_header(all.data + at, all.len - at, &h);
        assert(rc == 0 && h.len <= all.len - at); /* we wrote it */
        struct reader r = reader_of(all.data + at + PROTO_HEADER, h.len - PROTO_HEADER);
        const char *name = reader_cstr(&r), *value = reader_cstr(&r);
        int index = params_index(&worker->store, name);
        if (index >= 0)
            params = params_with(&worker->store, params, index, value);
        else
            buf_append(&pool->welcome, all.data + at, h.len);
        at += h.len;
    }
    pool->params = params;
    buf_deinit(&all);
}

static void forget_welcome(struct worker_pool *pool)
{
    params_unref(&pool->worker->store, pool->params);
    pool->params = NULL;
    buf_deinit(&pool->welcome);
}

void pool_doubt_welcome(struct worker_pool *pool)
{
    forget_welcome(pool);
    broker_welcome_doubt(pool->worker->all->broker, pool->idle.shared);
}

/* ---- a new configuration ---- */
static void mark_old(struct worker_pool *pool)
{
    pool_doubt_welcome(pool);
    LIST_FOREACH_SAFE (&pool->backends, it, after) {
        struct backend *backend = LIST_ENTRY(it, struct backend, link);
        backend->member.old = true;
        if (backend->phase == BACKEND_IDLE) {
            pool_remove(&pool->idle, &backend->member);
            backend_close(backend, CLOSE_BACKEND_OLD);
        }
    }
}

static void drop_clients(struct worker *worker, const struct database *database)
{
    link_hold_freed(worker);
    LIST_FOREACH_SAFE (&worker->clients, it, after) {
        struct client *client = LIST_ENTRY(it, struct client, link);
        if (client->pool != NULL && client->pool->database == database && client->state != CLIENT_CLOSING)
            client_fatal(client, CLOSE_DATABASE_REMOVED);
    }
    link_hand_on_freed(worker);
}

static void swap_database(struct worker *worker, struct database *database, const struct config *config)
{
    const struct config_entry *before = database->entry;
    const struct config_entry *after = config_find_entry(config, database->name);
    struct config_entry *former_auto = database->auto_entry;
    database->auto_entry = NULL;
    if (after == NULL && before != NULL && before->is_auto)
        after = database->auto_entry = config_make_auto(config, database->name);
    bool dirty = before != NULL && after != NULL && config_entry_is_dirty(before, after);
    database->entry = after;
    if (dirty || after == NULL)
        database->renewed_at = loop_now(worker->loop);
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->database == database && (dirty || after == NULL))
            mark_old(pool);
    }
    if (after == NULL && before != NULL)
        drop_clients(worker, database);
    config_entry_free(former_auto);
}

void worker_swap_config(struct worker *worker, const struct config *config)
{
    worker->config = config;
    LIST_FOREACH (&worker->databases, it)
        swap_database(worker, LIST_ENTRY(it, struct database, link), config);
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->database->entry != NULL)
            pool_set_limits(pool);
    }
    worker->store.max_prepared = config->max_prepared_statements;
    worker->store.max_packet_size = (uint32_t)config->max_packet_size;
}

void databases_free(struct worker *worker)
{
    LIST_FOREACH_SAFE (&worker->pools, it, after) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        forget_welcome(pool);
        mem_free(pool);
    }
    LIST_FOREACH_SAFE (&worker->databases, it, after) {
        struct database *database = LIST_ENTRY(it, struct database, link);
        config_entry_free(database->auto_entry);
        mem_free(database->name);
        mem_free(database);
    }
}

/* ---- interned names ---- */
static bool same_text(const void *value, const void *key)
{
    return strcmp(value, key) == 0;
}

const char *worker_string(struct worker *worker, const char *text)
{
    uint64_t hash = hash_bytes(text, strlen(text));
    char *known = table_find(&worker->strings, hash, same_text, text);
    if (known == NULL) {
        known = mem_strdup(text);
        table_insert(&worker->strings, hash, known);
    }
    return known;
}
