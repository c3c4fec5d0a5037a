/*
 * Who gets which backend: asks the pool and the broker, and does what they answer.
 *
 * A freed backend may serve the next client at once, whose goodbye frees it again, and so on; so freed backends queue
 * in worker->freed and one loop at the bottom of the stack works them off.
 */
#include "worker/types.h"

#include <stdio.h>

/* ---- orders ---- */
struct order_message {
    struct message message;
    struct worker *worker;
    struct broker_order order;
};

static void do_order(struct worker *worker, const struct broker_order *order)
{
    struct worker_pool *pool = pool_of_shared(worker, order->pool);
    if (pool == NULL) { /* the entry is gone since */
        if (order->kind == BROKER_CONNECT) {
            struct broker_orders orders = {0};
            broker_connect_failed(worker->all->broker, order->pool, worker->id, loop_now(worker->loop),
                                  "database removed", &orders);
            link_orders(worker, &orders);
        }
        return;
    }
    switch (order->kind) {
    case BROKER_CONNECT:
        backend_open(pool);
        break;
    case BROKER_OFFER: {
        struct pool_member *member = pool_take(&pool->idle, worker->config->server_round_robin);
        if (member != NULL)
            link_backend_free(LIST_ENTRY(member, struct backend, member));
        break;
    }
    case BROKER_EVICT: {
        struct pool_member *member = pool_longest_idle(&pool->idle);
        if (member != NULL) {
            pool_remove(&pool->idle, member);
            backend_close(LIST_ENTRY(member, struct backend, member), CLOSE_BACKEND_EVICTED);
        }
        break;
    }
    }
}

static void order_arrived(struct message *message)
{
    struct order_message *m = LIST_ENTRY(message, struct order_message, message);
    if (!m->worker->stopping)
        do_order(m->worker, &m->order);
    mem_free(m);
}

void link_orders(struct worker *worker, const struct broker_orders *orders)
{
    for (int i = 0; i < orders->count; i++) {
        const struct broker_order *order = &orders->list[i];
        struct worker *to = worker->all->list[order->worker];
        struct order_message *m = mem_alloc(sizeof *m);
        *m = (struct order_message){.message.run = order_arrived, .worker = to, .order = *order};
        loop_post(to->loop, &m->message);
    }
}

/* ---- linking ---- */
static void attach(struct client *client, struct backend *backend, usec waited)
{
    struct worker *worker = client->worker;
    struct stats *stats = &client->pool->database->stats;
    stats->server_assignment_count++;
    if (waited > 0)
        stats_wait_ended(stats, waited);
    backend->phase = BACKEND_LINKED;
    backend->client = client;
    backend->request_at = client->request_at = loop_now(worker->loop);
    struct session_io io = {
        .to_client = &worker->to_client, .to_backend = &worker->to_backend, .now = backend->request_at};
    session_attach(&client->session, &backend->state, &io);
    relay_flush_backend(backend);
}

static void waiting_free(struct client *client)
{
    struct waiting *waiting = client->waiting;
    client->waiting = NULL;
    timer_stop(&waiting->timer);
    list_remove(&waiting->link);
    mem_free(waiting);
}

/* The backend is this client's: for its query, or only for what its login wants to know. */
static void serve(struct client *client, struct backend *backend)
{
    usec waited = loop_now(client->worker->loop) - client->waiting->ticket.since;
    waiting_free(client);
    if (client->state == CLIENT_LOGIN) {
        link_backend_free(backend);
        pool_learn_welcome(client->pool, true); /* that of this backend, or of a younger one */
        login_welcome(client);
        return;
    }
    attach(client, backend, waited);
    relay_feed(client);
}

static void wait_timed_out(struct timer *timer)
{
    struct waiting *waiting = LIST_ENTRY(timer, struct waiting, timer);
    client_fatal(waiting->client, CLOSE_QUERY_WAIT_TIMEOUT);
}

static bool queue_up(struct client *client)
{
    struct worker *worker = client->worker;
    struct worker_pool *pool = client->pool;
    usec now = loop_now(worker->loop);
    struct waiting *waiting = mem_zalloc(sizeof *waiting);
    waiting->client = client;
    client->waiting = waiting;
    list_push_back(&pool->waiting, &waiting->link);
    struct broker_orders orders = {0};
    enum broker_ask answer =
        broker_ask(worker->all->broker, pool->idle.shared, &waiting->ticket, worker->id, now, &orders);
    link_orders(worker, &orders);
    if (answer == BROKER_DOWN) {
        waiting_free(client);
        char failure[160];
        broker_pool_failure(worker->all->broker, pool->idle.shared, failure, sizeof failure);
        client_fatal_words(client, CLOSE_SERVER_LOGIN_FAILING, NULL, failure);
        return false;
    }
    const struct config *c = worker->config;
    usec limit = config_query_wait_timeout(c, pool->database->entry, config_find_user(c, client->user));
    if (limit > 0)
        timer_start(worker->loop, &waiting->timer, now + limit, wait_timed_out);
    return true;
}

bool link_want(struct client *client)
{
    struct worker_pool *pool = client->pool;
    struct worker *worker = client->worker;
    if (pool->database->entry == NULL) {
        client_fatal(client, CLOSE_DATABASE_REMOVED);
        return false;
    }
    if (client->state == CLIENT_RELAY && !pool->database->paused) {
        struct pool_member *member = pool_lease(&pool->idle, worker->config->server_round_robin);
        if (member != NULL) {
            attach(client, LIST_ENTRY(member, struct backend, member), 0);
            return true;
        }
    }
    if (!queue_up(client))
        return false;
    return client->state != CLIENT_CLOSING && client->session.link != NULL;
}

void link_withdraw(struct client *client)
{
    if (client->waiting == NULL)
        return;
    struct worker *worker = client->worker;
    struct broker_orders orders = {0};
    broker_withdraw(worker->all->broker, &client->waiting->ticket, loop_now(worker->loop), &orders);
    waiting_free(client);
    link_orders(worker, &orders);
}

/* The client's user pressed Ctrl-C while it queues: answered here, since no backend has seen the query. */
void link_cancel_waiting(struct client *client)
{
    link_withdraw(client);
    size_t used = session_refuse_unit(&client->session, client->held.data, client->held.len, &client->worker->to_client,
                                      SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
    relay_flush_client(client);
    buf_consume(&client->held, used);
    client->pool->database->stats.cancels++;
    relay_feed(client);
}

void link_kick_waiting(struct worker *worker, struct broker_pool *shared, const char *sqlstate, const char *text)
{
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        if (pool->idle.shared != shared)
            continue;
        while (!list_is_empty(&pool->waiting))
            client_fatal_words(LIST_ENTRY(pool->waiting.next, struct waiting, link)->client, CLOSE_SERVER_REFUSED_LOGIN,
                               sqlstate, text);
    }
}

/* ---- a backend is free ---- */
static void hand_on(struct backend *backend, bool arrived)
{
    struct worker *worker = backend->worker;
    struct worker_pool *pool = backend->pool;
    struct broker *broker = worker->all->broker;
    usec now = loop_now(worker->loop);
    if (!arrived && (backend->member.old || pool->database->paused || pool->database->entry == NULL)) {
        backend_close(backend, CLOSE_BACKEND_OLD);
        return;
    }
    backend->phase = BACKEND_IDLE;
    if (!arrived && pool_release(&pool->idle, &backend->member, now))
        return;
    struct broker_orders orders = {0};
    struct broker_freed freed = arrived ? broker_arrived(broker, pool->idle.shared, worker->id, now, &orders)
                                        : broker_freed(broker, pool->idle.shared, worker->id, now, &orders);
    if (freed.fate == BROKER_KEEP)
        pool_put(&pool->idle, &backend->member, now);
    link_orders(worker, &orders);
    switch (freed.fate) {
    case BROKER_KEEP:
        break;
    case BROKER_SERVE:
        serve(LIST_ENTRY(freed.ticket, struct waiting, ticket)->client, backend);
        break;
    case BROKER_GIVE:
        backend_move(backend, worker->all->list[freed.to]);
        break;
    case BROKER_CLOSE:
        backend_close(backend, CLOSE_BACKEND_UNWANTED);
        break;
    }
}

void link_hold_freed(struct worker *worker)
{
    assert(!worker->freeing);
    worker->freeing = true;
}

void link_hand_on_freed(struct worker *worker)
{
    while (!list_is_empty(&worker->freed)) {
        struct backend *next = LIST_ENTRY(worker->freed.next, struct backend, freed);
        list_remove(&next->freed);
        hand_on(next, next->arrived);
    }
    worker->freeing = false;
}

static void free_backend(struct backend *backend, bool arrived)
{
    struct worker *worker = backend->worker;
    assert(backend->client == NULL && backend_state_is_clean(&backend->state));
    backend->arrived = arrived;
    list_push_back(&worker->freed, &backend->freed);
    if (worker->freeing)
        return;
    link_hold_freed(worker);
    link_hand_on_freed(worker);
}

void link_backend_free(struct backend *backend)
{
    if (!list_is_empty(&backend->cancels)) {
        backend->phase = BACKEND_CANCELLED; /* nobody else must be hit by it: cancel.c goes on from here */
        return;
    }
    free_backend(backend, false);
}

void link_backend_arrived(struct backend *backend)
{
    free_backend(backend, true);
}

/* ---- parting ---- */
static void detach(struct client *client, struct backend *backend)
{
    session_detach(&client->session);
    backend->client = NULL;
    client->request_at = loop_now(client->worker->loop);
}

void link_release(struct backend *backend)
{
    struct client *client = backend->client;
    bool discard = session_verdict(&backend->state) == SESSION_DISCARD;
    detach(client, backend);
    relay_parted(client, backend);
    const struct config *c = backend->worker->config;
    if (discard || backend->member.old)
        backend_close(backend, CLOSE_BACKEND_OLD);
    else if (c->server_reset_query_always && *c->server_reset_query)
        backend_reset(backend);
    else
        link_backend_free(backend);
}

void link_farewell(struct client *client)
{
    struct backend *backend = backend_of(client->session.link);
    const struct config *c = backend->worker->config;
    enum session_farewell farewell = session_farewell(&client->session);
    bool was_session = client->session.mode == SESSION_MODE_SESSION;
    detach(client, backend);
    if (backend->reading_paused) {
        backend->reading_paused = false;
        stream_resume_reading(backend->stream);
    }
    if (backend->lost || backend->held.len > 0) {
        backend_close(backend, CLOSE_BACKEND_NOT_READY);
        return;
    }
    switch (farewell) {
    case FAREWELL_CANCEL:
        if (c->cancel_on_disconnect)
            cancel_running(backend);
        backend_close(backend, CLOSE_BACKEND_NOT_READY);
        break;
    case FAREWELL_CLOSE:
        backend_close(backend, CLOSE_BACKEND_NOT_READY);
        break;
    case FAREWELL_ROLLBACK:
        backend->needs_reset = was_session || c->server_reset_query_always;
        backend_hidden_query(backend, "ROLLBACK");
        break;
    case FAREWELL_CLEAN:
        if (backend->member.old)
            backend_close(backend, CLOSE_BACKEND_OLD);
        else if ((was_session || c->server_reset_query_always) && *c->server_reset_query)
            backend_reset(backend);
        else
            link_backend_free(backend);
        break;
    }
}
