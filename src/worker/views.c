/* One worker's part of an answer to control. */
#include "worker/types.h"

#include <stdio.h>

/* ---- sockets ---- */
static usec wall_of(const struct worker *worker, usec instant)
{
    return net_wall_now() - (loop_now(worker->loop) - instant);
}

static const char *client_state_name(const struct client *client)
{
    if (client->waiting != NULL)
        return "waiting";
    if (client->state == CLIENT_CANCEL)
        return "active_cancel_req";
    return client->state == CLIENT_RELAY && client->session.link == NULL ? "idle" : "active";
}

static const char *application_name(const struct worker *worker, struct arena *arena, const struct params *params)
{
    int index = params_index(&worker->store, "application_name");
    return params != NULL && index >= 0 ? arena_strdup(arena, params->values[index]) : NULL;
}

static void view_client(struct client *client, struct ask_part *part, struct socket_view *view)
{
    struct worker *worker = client->worker;
    bool relays = client->state == CLIENT_RELAY;
    struct backend_state *link = relays ? client->session.link : NULL;
    *view = (struct socket_view){
        .type = 'C',
        .user = arena_strdup(&part->arena, client->user),
        .database = client->pool ? arena_strdup(&part->arena, client->pool->database->name) : NULL,
        .state = client_state_name(client),
        .application_name = relays ? application_name(worker, &part->arena, client->session.params) : NULL,
        .connected_wall = wall_of(worker, client->connected_at),
        .request_wall = wall_of(worker, client->request_at),
        .wait = client->waiting ? loop_now(worker->loop) - client->waiting->ticket.since : 0,
        .ptr = client,
        .link = link ? backend_of(link) : NULL,
        .remote_pid = 0,
        .prepared_statements = relays ? session_prepared_count(&client->session) : 0,
        .id = (uint64_t)worker->id << 48 | client->serial,
        .received_held = client->held.len,
        .send_pending = stream_pending(client->stream),
    };
    address_of_peer(stream_fd(client->stream), &view->peer);
    address_of_self(stream_fd(client->stream), &view->self);
}

static const char *backend_state_name(const struct backend *backend)
{
    switch ((enum backend_phase)backend->phase) {
    case BACKEND_CONNECTING:
    case BACKEND_LOGIN:
        return "new";
    case BACKEND_IDLE:
        return "idle";
    case BACKEND_LINKED:
        return list_is_empty(&backend->cancels) ? "active" : "active_cancel";
    case BACKEND_CANCELLED:
        return "being_canceled";
    default:
        return "tested";
    }
}

static void view_backend(struct backend *backend, struct ask_part *part, struct socket_view *view)
{
    struct worker *worker = backend->worker;
    *view = (struct socket_view){
        .type = 'S',
        .user = arena_strdup(&part->arena, backend->pool->user),
        .database = arena_strdup(&part->arena, backend->pool->database->name),
        .state = backend_state_name(backend),
        .application_name = application_name(worker, &part->arena, backend->state.params),
        .peer = backend->address,
        .connected_wall = wall_of(worker, backend->connected_at),
        .request_wall = wall_of(worker, backend->request_at),
        .close_needed = backend->member.old,
        .ptr = backend,
        .link = backend->client,
        .remote_pid = backend->pid,
        .prepared_statements = backend_state_prepared_count(&backend->state),
        .id = (uint64_t)worker->id << 48 | backend->id,
        .received_held = backend->held.len,
        .send_pending = backend->stream ? stream_pending(backend->stream) : 0,
    };
    if (backend->stream != NULL && backend->phase != BACKEND_CONNECTING)
        address_of_self(stream_fd(backend->stream), &view->self);
}

static int count_list(const struct list *list)
{
    int n = 0;
    LIST_FOREACH (list, it)
        n++;
    return n;
}

static void answer_sockets(struct worker *worker, struct ask_part *part)
{
    int most = count_list(&worker->clients);
    LIST_FOREACH (&worker->pools, it)
        most += count_list(&LIST_ENTRY(it, struct worker_pool, link)->backends);
    part->sockets = arena_alloc(&part->arena, (size_t)(most + 1) * sizeof *part->sockets);
    LIST_FOREACH (&worker->clients, it)
        view_client(LIST_ENTRY(it, struct client, link), part, &part->sockets[part->socket_count++]);
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        LIST_FOREACH (&pool->backends, at)
            view_backend(LIST_ENTRY(at, struct backend, link), part, &part->sockets[part->socket_count++]);
    }
}

/* ---- pools and databases ---- */
static void count_backends(const struct worker_pool *pool, struct pool_view *view)
{
    LIST_FOREACH (&pool->backends, it) {
        const struct backend *backend = LIST_ENTRY(it, struct backend, link);
        int *counter = &view->sv_tested;
        switch ((enum backend_phase)backend->phase) {
        case BACKEND_CONNECTING:
        case BACKEND_LOGIN:
            counter = &view->sv_login;
            break;
        case BACKEND_IDLE:
            counter = &view->sv_idle;
            break;
        case BACKEND_LINKED:
            counter = list_is_empty(&backend->cancels) ? &view->sv_active : &view->sv_active_cancel;
            break;
        case BACKEND_CANCELLED:
            counter = &view->sv_being_canceled;
            break;
        default:
            break;
        }
        (*counter)++;
    }
}

static void answer_pools(struct worker *worker, struct ask_part *part)
{
    part->pools = arena_alloc(&part->arena, (size_t)(count_list(&worker->pools) + 1) * sizeof *part->pools);
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->database->entry == NULL && list_is_empty(&pool->backends))
            continue;
        struct pool_view *view = &part->pools[part->pool_count++];
        int waiting = count_list(&pool->waiting);
        *view = (struct pool_view){
            .database = arena_strdup(&part->arena, pool->database->name),
            .user = arena_strdup(&part->arena, pool->user),
            .mode = config_pool_mode(worker->config, pool->database->entry, pool_config_user(pool)),
            .cl_active = pool->client_count - waiting,
            .cl_waiting = waiting,
        };
        if (waiting > 0)
            view->oldest_wait =
                loop_now(worker->loop) - LIST_ENTRY(pool->waiting.next, struct waiting, link)->ticket.since;
        count_backends(pool, view);
    }
}

static void answer_stats(struct worker *worker, struct ask_part *part)
{
    int count = count_list(&worker->databases);
    part->databases = arena_alloc(&part->arena, (size_t)(count + 1) * sizeof *part->databases);
    LIST_FOREACH (&worker->databases, it) {
        struct database *database = LIST_ENTRY(it, struct database, link);
        part->databases[part->database_count++] =
            (struct database_view){.name = arena_strdup(&part->arena, database->name), .totals = database->stats};
    }
}

/* ---- what control wants done ---- */
static bool is_meant(const struct database *database, const char *name)
{
    return name == NULL || strcmp(database->name, name) == 0;
}

static void close_idle(struct worker_pool *pool, enum close_reason reason)
{
    for (struct pool_member *member; (member = pool_take(&pool->idle, false)) != NULL;)
        backend_close(LIST_ENTRY(member, struct backend, member), reason);
}

static void pause(struct worker *worker, const char *name)
{
    broker_pause(worker->all->broker, name);
    LIST_FOREACH (&worker->databases, it) {
        struct database *database = LIST_ENTRY(it, struct database, link);
        if (is_meant(database, name))
            database->paused = true;
    }
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (is_meant(pool->database, name))
            close_idle(pool, CLOSE_BACKEND_PAUSED);
    }
}

static void resume(struct worker *worker, const char *name)
{
    struct broker *broker = worker->all->broker;
    struct broker_orders orders = {0};
    broker_resume(broker, name, loop_now(worker->loop), &orders);
    LIST_FOREACH (&worker->databases, it) { /* what was paused by its own name stays so when all are resumed */
        struct database *database = LIST_ENTRY(it, struct database, link);
        if (is_meant(database, name))
            database->paused = broker_is_paused(broker, database->name);
    }
    link_orders(worker, &orders);
}

static void reconnect(struct worker *worker, const char *name)
{
    LIST_FOREACH (&worker->databases, it) {
        struct database *database = LIST_ENTRY(it, struct database, link);
        if (is_meant(database, name))
            database->renewed_at = loop_now(worker->loop);
    }
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (!is_meant(pool->database, name))
            continue;
        pool_doubt_welcome(pool);
        LIST_FOREACH (&pool->backends, at)
            LIST_ENTRY(at, struct backend, link)->member.old = true;
        close_idle(pool, CLOSE_BACKEND_OLD);
    }
}

static int drop_clients(struct worker *worker, const struct ask *ask, const char *text)
{
    int dropped = 0;
    link_hold_freed(worker);
    LIST_FOREACH_SAFE (&worker->clients, it, after) {
        struct client *client = LIST_ENTRY(it, struct client, link);
        if (client->pool == NULL || !is_meant(client->pool->database, ask->name))
            continue;
        if (ask->kind == ASK_DROP_WAITING && client->waiting == NULL)
            continue;
        if (ask->kind == ASK_KILL_CLIENT && ((uint64_t)worker->id << 48 | client->serial) != ask->id)
            continue;
        client_fatal_words(client, CLOSE_DROPPED_BY_ADMIN, NULL, text);
        dropped++;
    }
    link_hand_on_freed(worker);
    return dropped;
}

static void count_all(struct worker *worker, struct ask_part *part)
{
    part->login_clients = worker->login_clients;
    part->clients = count_list(&worker->clients) - worker->login_clients;
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        int all = count_list(&pool->backends);
        part->backends_idle += pool->idle.idle_count;
        part->backends_used += all - pool->idle.idle_count;
    }
}

void worker_answer(struct worker *worker, struct ask_part *part, const struct ask *ask)
{
    switch (ask->kind) {
    case ASK_SOCKETS:
        answer_sockets(worker, part);
        break;
    case ASK_POOLS:
        answer_pools(worker, part);
        break;
    case ASK_STATS:
        answer_stats(worker, part);
        break;
    case ASK_PAUSE:
        pause(worker, ask->name);
        break;
    case ASK_RESUME:
        resume(worker, ask->name);
        break;
    case ASK_RECONNECT:
        reconnect(worker, ask->name);
        break;
    case ASK_DROP_WAITING:
        part->affected = drop_clients(worker, ask, ask->text);
        break;
    case ASK_KILL:
        part->affected = drop_clients(worker, ask, "database removed");
        pause(worker, ask->name);
        break;
    case ASK_KILL_CLIENT:
        part->affected = drop_clients(worker, ask, "admin forced disconnect");
        break;
    case ASK_CLIENTS_ONLY:
        worker->refusing = ask->text ? worker_string(worker, ask->text) : NULL;
        break;
    }
    count_all(worker, part);
    part->answered = true;
}
