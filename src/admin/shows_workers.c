/* shows_workers - the tables that come from the workers: their parts merged into PgBouncer's rows. */
#include "console.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- pools: one row per database and user, over all workers and targets ---- */

static struct pool_row *find_pool(struct result *out, const char *database, const char *user)
{
    for (int i = 0; i < out->count; i++) {
        struct pool_row *row = out->rows[i];
        if (strcmp(row->database, database) == 0 && strcmp(row->user, user) == 0)
            return row;
    }
    return NULL;
}

static const char *load_balance_of(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_find_entry(config, name);
    if (entry == NULL)
        entry = config->auto_template;
    return entry != NULL ? load_balance_shown(entry) : NULL;
}

static void add_pool_part(struct admin *admin, const struct pool_view *view, struct result *out)
{
    struct pool_row *row = find_pool(out, view->database, view->user);
    if (row == NULL) {
        row = result_add(out);
        row->database = view->database;
        row->user = view->user;
        row->pool_mode = config_pool_mode_word((int)view->mode);
        row->load_balance_hosts = load_balance_of(admin_config(admin), view->database);
    }
    row->cl_active += view->cl_active;
    row->cl_waiting += view->cl_waiting;
    row->cl_active_cancel_req += view->cl_active_cancel;
    row->cl_waiting_cancel_req += view->cl_waiting_cancel;
    row->sv_active += view->sv_active;
    row->sv_active_cancel += view->sv_active_cancel;
    row->sv_being_canceled += view->sv_being_canceled;
    row->sv_idle += view->sv_idle;
    row->sv_used += view->sv_used;
    row->sv_tested += view->sv_tested;
    row->sv_login += view->sv_login;
    if (view->oldest_wait > row->maxwait * USEC_PER_SEC + row->maxwait_us) {
        row->maxwait = view->oldest_wait / USEC_PER_SEC;
        row->maxwait_us = view->oldest_wait % USEC_PER_SEC;
    }
}

static int by_database_and_user(const void *row, const void *other)
{
    const struct pool_row *a = row, *b = other;
    int order = strcmp(a->database, b->database);
    return order != 0 ? order : strcmp(a->user, b->user);
}

void show_pools(struct admin *admin, const struct ask *ask, struct result *out)
{
    for (int p = 0; p < ask->part_count; p++)
        for (int i = 0; i < ask->parts[p].pool_count; i++)
            add_pool_part(admin, &ask->parts[p].pools[i], out);
    struct pool_row *own = result_add(out);
    own->database = own->user = "pgbouncer";
    own->cl_active = admin->console_count;
    own->pool_mode = config_pool_mode_word(POOL_MODE_STATEMENT);
    result_sort(out, by_database_and_user);
}

/* ---- lists ---- */

static void add_count(struct result *out, const char *list, int64_t items)
{
    struct count_row *row = result_add(out);
    *row = (struct count_row){list, items};
}

static int count_rows(struct admin *admin, const struct ask *ask, const char *word)
{
    const struct admin_show *show = show_find(word);
    struct result rows;
    result_init(&rows, show->table);
    show->build(admin, ask, &rows);
    int count = rows.count;
    result_deinit(&rows);
    return count;
}

void show_lists(struct admin *admin, const struct ask *ask, struct result *out)
{
    int clients = admin->console_count, login_clients = 0, backends = 0;
    for (int p = 0; p < ask->part_count; p++) {
        clients += ask->parts[p].clients;
        login_clients += ask->parts[p].login_clients;
        backends += ask->parts[p].backends_idle + ask->parts[p].backends_used;
    }
    add_count(out, "databases", count_rows(admin, ask, "DATABASES"));
    add_count(out, "users", count_rows(admin, ask, "USERS"));
    add_count(out, "peers", count_rows(admin, ask, "PEERS"));
    add_count(out, "pools", count_rows(admin, ask, "POOLS"));
    add_count(out, "peer_pools", 0);
    /* free: structs without a connection that PgBouncer keeps for reuse; we have none */
    add_count(out, "free_clients", 0);
    add_count(out, "used_clients", clients);
    add_count(out, "login_clients", login_clients);
    add_count(out, "free_servers", 0);
    add_count(out, "used_servers", backends);
    add_count(out, "dns_names", 0);
    add_count(out, "dns_zones", 0);
    add_count(out, "dns_queries", 0);
    add_count(out, "dns_pending", 0);
}

/* ---- clients, servers ---- */

static const char *time_text(struct arena *arena, usec wall)
{
    time_t seconds = (time_t)(wall / USEC_PER_SEC);
    struct tm local;
    char text[64];
    localtime_r(&seconds, &local);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local);
    return arena_strdup(arena, text);
}

static const char *host_text(struct arena *arena, const struct address *address)
{
    char text[128];
    return arena_strdup(arena, address_text(address, text, sizeof text));
}

/* A Unix socket of PostgreSQL's has the number in its name; any other end of one gets our own. */
static int port_of(const struct admin *admin, const struct address *address)
{
    if (!address_is_local(address))
        return address_port(address);
    char name[sizeof address->local.sun_path + 1] = {0}; /* the kernel may leave no room for a NUL */
    memcpy(name, address->local.sun_path, sizeof address->local.sun_path);
    const char *mark = strstr(name, ".s.PGSQL.");
    long port = mark != NULL ? strtol(mark + strlen(".s.PGSQL."), NULL, 10) : 0;
    return port > 0 && port <= UINT16_MAX ? (int)port : admin_config(admin)->listen_port;
}

static const char *pointer_text(struct arena *arena, const void *pointer)
{
    return pointer != NULL ? arena_printf(arena, "%p", pointer) : "";
}

/*
 * int4 and unique per process: kind, worker and the worker's own number in one. Control is the worker behind the last.
 * A worker's id has its number in the upper 16 bits and the connection's below.
 */
static int64_t short_id(const struct admin *admin, uint64_t worker, uint64_t serial, bool is_server)
{
    uint64_t workers = (uint64_t)workers_count(admin->workers) + 1;
    return (int64_t)(((serial * workers + worker) * 2 + is_server) & INT32_MAX);
}

static void add_socket(struct admin *admin, const struct socket_view *view, const char *state_prefix,
                       struct result *out)
{
    enum { SERIAL_BITS = 48 };
    struct arena *arena = &out->arena;
    struct socket_row *row = result_add(out);
    bool is_server = view->type == 'S';
    *row = (struct socket_row){
        .type = is_server ? "S" : "C",
        .user = view->user != NULL ? view->user : "(nouser)",
        .database = view->database != NULL ? view->database : "(nodb)",
        .replication = "none",
        .state = arena_printf(arena, "%s%s", state_prefix, view->state),
        .addr = host_text(arena, &view->peer),
        .port = port_of(admin, &view->peer),
        .local_addr = host_text(arena, &view->self),
        .local_port = port_of(admin, &view->self),
        .connect_time = time_text(arena, view->connected_wall),
        .request_time = time_text(arena, view->request_wall),
        .wait = view->wait / USEC_PER_SEC,
        .wait_us = view->wait % USEC_PER_SEC,
        .close_needed = view->close_needed,
        .ptr = pointer_text(arena, view->ptr),
        .link = pointer_text(arena, view->link),
        .remote_pid = view->remote_pid,
        .tls = "",
        .application_name = view->application_name != NULL ? view->application_name : "",
        .prepared_statements = view->prepared_statements,
        .id = short_id(admin, view->id >> SERIAL_BITS, view->id & (((uint64_t)1 << SERIAL_BITS) - 1), is_server),
        .recv_pos = (int64_t)view->received_held,
        .pkt_avail = (int64_t)view->received_held,
        .send_avail = (int64_t)view->send_pending,
    };
}

static void add_console(struct admin *admin, const struct console *console, const char *state_prefix,
                        struct result *out)
{
    const struct console_client *client = console->client;
    struct socket_view view = {
        .type = 'C',
        .user = client->user,
        .database = client->database,
        .state = "active",
        .application_name = client->application_name,
        .connected_wall = client->connected_wall,
        .request_wall = console->request_wall,
        .ptr = console,
        .id = client->cancel_pid,
        .received_held = console->talk.in.len,
        .send_pending = stream_pending(console->stream),
    };
    address_of_peer(stream_fd(console->stream), &view.peer);
    address_of_self(stream_fd(console->stream), &view.self);
    add_socket(admin, &view, state_prefix, out);
    struct socket_row *row = out->rows[out->count - 1];
    row->id = short_id(admin, (uint64_t)workers_count(admin->workers), client->cancel_pid, false);
}

enum { CLIENTS = 1, SERVERS = 2, WITH_PREFIX = 4, ACTIVE_ONLY = 8 };

static void add_sockets(struct admin *admin, const struct ask *ask, int which, struct result *out)
{
    for (int p = 0; p < ask->part_count; p++) {
        for (int i = 0; i < ask->parts[p].socket_count; i++) {
            const struct socket_view *view = &ask->parts[p].sockets[i];
            bool is_server = view->type == 'S';
            if (!(which & (is_server ? SERVERS : CLIENTS)))
                continue;
            if (which & ACTIVE_ONLY && strcmp(view->state, "idle") == 0)
                continue;
            add_socket(admin, view, !(which & WITH_PREFIX) ? "" : is_server ? "sv_" : "cl_", out);
        }
    }
    if (which & CLIENTS)
        LIST_FOREACH (&admin->consoles, it)
            add_console(admin, LIST_ENTRY(it, struct console, link), which & WITH_PREFIX ? "cl_" : "", out);
}

void show_clients(struct admin *admin, const struct ask *ask, struct result *out)
{
    add_sockets(admin, ask, CLIENTS, out);
}

void show_servers(struct admin *admin, const struct ask *ask, struct result *out)
{
    add_sockets(admin, ask, SERVERS, out);
}

void show_sockets(struct admin *admin, const struct ask *ask, struct result *out)
{
    add_sockets(admin, ask, CLIENTS | SERVERS | WITH_PREFIX, out);
}

void show_active_sockets(struct admin *admin, const struct ask *ask, struct result *out)
{
    add_sockets(admin, ask, CLIENTS | SERVERS | WITH_PREFIX | ACTIVE_ONLY, out);
}

/* ---- statistics ---- */

static int by_database(const void *view, const void *other)
{
    return strcmp(((const struct database_view *)view)->name, ((const struct database_view *)other)->name);
}

struct database_view *totals_of(const struct admin *admin, const struct ask *ask, int *count)
{
    size_t most = 1;
    for (int p = 0; p < ask->part_count; p++)
        most += (size_t)ask->parts[p].database_count;
    struct database_view *all = mem_alloc(most * sizeof *all);
    size_t n = 0;
    all[n++] = (struct database_view){.name = "pgbouncer", .totals = admin->console_stats};
    for (int p = 0; p < ask->part_count; p++)
        for (int i = 0; i < ask->parts[p].database_count; i++)
            all[n++] = ask->parts[p].databases[i];
    qsort(all, n, sizeof *all, by_database);
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(all[i].name, all[kept].name) == 0)
            stats_add(&all[kept].totals, &all[i].totals);
        else
            all[++kept] = all[i];
    }
    *count = (int)kept + 1;
    return all;
}

static void take_totals(struct stats_console *out, const struct stats *totals)
{
#define STATS_CONSOLE(field, unit, per, total, average, totals_, averages, row, metric, labels, help)                  \
    out->field = totals->field;
#include "pgpooler/stats.def"
}

void show_stats(struct admin *admin, const struct ask *ask, struct result *out)
{
    int count;
    struct database_view *databases = totals_of(admin, ask, &count);
    for (int i = 0; i < count; i++) {
        struct stats_row *row = result_add(out);
        row->database = arena_strdup(&out->arena, databases[i].name);
        take_totals(&row->total, &databases[i].totals);
        averages_of(&admin->averages, &databases[i], loop_now(admin->loop), &row->average);
    }
    mem_free(databases);
}

static void add_totals(struct result *out, bool is_total, const struct stats_console *values)
{
    for (int i = 0; i < STATS_CONSOLE_COUNTERS; i++) {
        const struct stats_counter *counter = &stats_counters[i];
        if (counter->console_offset == offsetof(struct stats_console, client_login_count))
            continue; /* newer than the release whose shape we have */
        struct total_row *row = result_add(out);
        row->name = is_total ? counter->show_total_row : counter->show_average_row;
        row->value = stats_console_value(values, counter);
    }
}

static void sum_all(const struct admin *admin, const struct ask *ask, struct stats *out)
{
    int count;
    struct database_view *databases = totals_of(admin, ask, &count);
    *out = (struct stats){0};
    for (int i = 0; i < count; i++)
        stats_add(out, &databases[i].totals);
    mem_free(databases);
}

void show_totals(struct admin *admin, const struct ask *ask, struct result *out)
{
    struct stats all;
    sum_all(admin, ask, &all);
    struct stats_console total, average;
    take_totals(&total, &all);
    stats_average(&admin->averages.all, &all, loop_now(admin->loop), &average);
    add_totals(out, true, &total);
    add_totals(out, false, &average);
}

void show_counters(struct admin *admin, const struct ask *ask, struct result *out)
{
    struct stats all;
    sum_all(admin, ask, &all);
    for (int i = STATS_CONSOLE_COUNTERS; i < STATS_COUNTERS; i++) {
        struct total_row *row = result_add(out);
        *row = (struct total_row){stats_counters[i].field, stats_value(&all, &stats_counters[i])};
    }
}
