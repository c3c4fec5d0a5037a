/* shows_config - the tables that come from the configuration and the broker. */
#include "console.h"

#include <stdio.h>

void show_version(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)admin;
    (void)ask;
    ((struct text_row *)result_add(out))->text = ADMIN_VERSION;
}

static void add_state(struct result *out, const char *key, bool value)
{
    struct pair_row *row = result_add(out);
    *row = (struct pair_row){key, value ? "yes" : "no"};
}

void show_state(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)ask;
    bool is_paused = broker_is_paused(workers_broker(admin->workers), NULL);
    add_state(out, "active", !is_paused);
    add_state(out, "paused", is_paused);
    add_state(out, "suspended", false);
}

void show_config(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)ask;
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row option;
        config_option_show(admin_config(admin), i, &option);
        struct config_value_row *row = result_add(out);
        row->key = arena_strdup(&out->arena, option.key);
        row->value = arena_strdup(&out->arena, option.value);
        row->default_value = arena_strdup(&out->arena, option.default_value);
        row->changeable = option.changeable;
    }
}

/* ---- databases ---- */

const char *load_balance_shown(const struct config_entry *entry)
{
    if (entry->host_count < 2)
        return NULL;
    return config_load_balance_word(entry->load_balance_hosts >= 0 ? entry->load_balance_hosts
                                                                   : LOAD_BALANCE_ROUND_ROBIN);
}

static void add_database(struct admin *admin, const struct config_entry *entry, struct result *out)
{
    const struct config *config = admin_config(admin);
    struct broker *broker = workers_broker(admin->workers);
    struct broker_counts counts;
    broker_database_count(broker, entry->name, &counts);
    struct database_row *row = result_add(out);
    *row = (struct database_row){
        .name = arena_strdup(&out->arena, entry->name),
        .host = arena_strdup(&out->arena, entry->host),
        .port = entry->port,
        .database = arena_strdup(&out->arena, entry->dbname != NULL ? entry->dbname : entry->name),
        .force_user = arena_strdup(&out->arena, entry->user),
        .pool_size = config_pool_size(config, entry, NULL),
        .min_pool_size = config_min_pool_size(config, entry, NULL),
        .reserve_pool_size = config_reserve_pool_size(config, entry, NULL),
        .server_lifetime = config_server_lifetime(config, entry) / USEC_PER_SEC,
        .pool_mode = config_pool_mode_word(entry->pool_mode),
        .load_balance_hosts = load_balance_shown(entry),
        .max_connections = config_max_db_connections(config, entry),
        .current_connections = counts.total,
        .max_client_connections = config_max_db_client_connections(config, entry),
        .current_client_connections = counts.clients,
        .paused = broker_is_paused(broker, entry->name),
    };
}

static bool has_database(const struct result *out, const char *name)
{
    for (int i = 0; i < out->count; i++)
        if (strcmp(((struct database_row *)out->rows[i])->name, name) == 0)
            return true;
    return false;
}

/* Those that came from the * line: they have a pool, or had one. */
static void add_auto_databases(struct admin *admin, struct result *out)
{
    const struct config *config = admin_config(admin);
    struct broker *broker = workers_broker(admin->workers);
    for (struct broker_pool *pool = NULL; (pool = broker_pool_next(broker, pool)) != NULL;) {
        const char *name = broker_pool_entry(pool);
        if (has_database(out, name))
            continue;
        struct config_entry *made = config_make_auto(config, name);
        if (made != NULL)
            add_database(admin, made, out);
        config_entry_free(made);
    }
}

static int by_name(const void *row, const void *other)
{
    return strcmp(((const struct database_row *)row)->name, ((const struct database_row *)other)->name);
}

void show_databases(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)ask;
    const struct config *config = admin_config(admin);
    for (size_t i = 0; i < config->entry_count; i++)
        add_database(admin, config->entries[i], out);
    add_auto_databases(admin, out);
    struct database_row *own = result_add(out);
    *own = (struct database_row){
        .name = "pgbouncer",
        .port = config->listen_port,
        .database = "pgbouncer",
        .force_user = "pgbouncer",
        .pool_size = 2, /* as PgBouncer says */
        .server_lifetime = config->server_lifetime / USEC_PER_SEC,
        .pool_mode = config_pool_mode_word(POOL_MODE_STATEMENT),
        .current_client_connections = admin->console_count,
    };
    result_sort(out, by_name);
}

/* ---- users, peers ---- */

/* PgBouncer's text column: right-aligned in 9, empty when unset. */
static const char *size_text(struct arena *arena, int size)
{
    return size >= 0 ? arena_printf(arena, "%9d", size) : "";
}

static int by_user(const void *row, const void *other)
{
    return strcmp(((const struct user_row *)row)->name, ((const struct user_row *)other)->name);
}

void show_users(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)ask;
    const struct config *config = admin_config(admin);
    for (size_t i = 0; i < config->user_count; i++) {
        const struct config_user *user = config->users[i];
        struct broker_counts counts;
        broker_user_count(workers_broker(admin->workers), user->name, &counts);
        struct user_row *row = result_add(out);
        *row = (struct user_row){
            .name = arena_strdup(&out->arena, user->name),
            .pool_size = size_text(&out->arena, user->pool_size),
            .reserve_pool_size = size_text(&out->arena, user->reserve_pool_size),
            .pool_mode = config_pool_mode_word(user->pool_mode),
            .max_user_connections = config_max_user_connections(config, user),
            .current_connections = counts.total,
            .max_user_client_connections = config_max_user_client_connections(config, user),
            .current_client_connections = counts.clients,
        };
    }
    if (config_find_user(config, "pgbouncer") == NULL) {
        struct user_row *own = result_add(out);
        *own = (struct user_row){.name = "pgbouncer", .pool_size = "", .reserve_pool_size = ""};
    }
    result_sort(out, by_user);
}

void show_peers(struct admin *admin, const struct ask *ask, struct result *out)
{
    (void)ask;
    const struct config *config = admin_config(admin);
    for (size_t i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = config->peers[i];
        struct peer_row *row = result_add(out);
        *row = (struct peer_row){
            .peer_id = peer->id,
            .host = arena_strdup(&out->arena, peer->host),
            .port = peer->port > 0 ? peer->port : CONFIG_DEFAULT_PEER_PORT,
            .pool_size = peer->pool_size >= 0 ? peer->pool_size : config->default_pool_size,
        };
    }
}
