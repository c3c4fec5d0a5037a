/* What only time brings: ages, timeouts, and the broker's own clockwork. Ten times a second. */
#include "worker/types.h"

#include <limits.h>

enum { TICK = 100 * 1000 }; /* usec */

static void expire_idle(struct worker_pool *pool, usec now)
{
    struct worker *worker = pool->worker;
    const struct config *c = worker->config;
    const struct config_entry *entry = pool->database->entry;
    const struct config_user *user = pool_config_user(pool);
    struct pool_expiry expiry = {
        .idle_timeout = c->server_idle_timeout,
        .lifetime = config_server_lifetime(c, entry),
        .keep = config_min_pool_size(c, entry, user),
        .size = config_pool_size(c, entry, user),
    };
    int most = expiry.size > 0 ? expiry.size + config_reserve_pool_size(c, entry, user) : INT_MAX;
    for (;;) {
        struct broker_counts counts;
        broker_pool_count(worker->all->broker, pool->idle.shared, &counts);
        enum close_reason reason;
        struct pool_member *member =
            pool_expired(&pool->idle, &expiry, counts.total, now, &pool->last_expired, &reason);
        if (member == NULL && counts.total > most) { /* a reload made the pool smaller */
            member = pool_longest_idle(&pool->idle);
            reason = CLOSE_BACKEND_UNWANTED;
        }
        if (member == NULL)
            return;
        pool_remove(&pool->idle, member);
        backend_close(LIST_ENTRY(member, struct backend, member), reason);
    }
}

static bool is_over(usec since, usec limit, usec now)
{
    return limit > 0 && since > 0 && now - since > limit;
}

/* The reason to end this client now, or CLOSE_QUIETLY: none. */
static enum close_reason overdue(const struct client *client, usec now)
{
    const struct config *c = client->worker->config;
    const struct config_entry *entry = client->pool->database->entry;
    const struct config_user *user = config_find_user(c, client->user);
    const struct backend_state *link = client->session.link;
    if (link == NULL) {
        bool waits = client->waiting != NULL;
        return !waits && is_over(client->request_at, config_client_idle_timeout(c, entry, user), now)
                   ? CLOSE_CLIENT_IDLE_TIMEOUT
                   : CLOSE_QUIETLY;
    }
    if (is_over(client->session.query_since, config_query_timeout(c, entry, user), now))
        return CLOSE_QUERY_TIMEOUT;
    if (link->status == 'I')
        return CLOSE_QUIETLY;
    if (is_over(client->session.xact_since, config_transaction_timeout(c, entry, user), now))
        return CLOSE_TRANSACTION_TIMEOUT;
    if (client->session.query_since == 0 &&
        is_over(client->answered_at, config_idle_transaction_timeout(c, entry, user), now))
        return CLOSE_IDLE_TRANSACTION_TIMEOUT;
    return CLOSE_QUIETLY;
}

static bool has_timeouts(const struct worker *worker)
{
    const struct config *c = worker->config;
    if (c->query_timeout || c->idle_transaction_timeout || c->transaction_timeout || c->client_idle_timeout)
        return true;
    for (size_t i = 0; i < c->user_count; i++) {
        const struct config_user *user = c->users[i];
        if (user->query_timeout > 0 || user->idle_transaction_timeout > 0 || user->transaction_timeout > 0 ||
            user->client_idle_timeout > 0)
            return true;
    }
    LIST_FOREACH (&worker->databases, it) {
        const struct config_entry *entry = LIST_ENTRY(it, struct database, link)->entry;
        if (entry != NULL && (entry->query_timeout > 0 || entry->idle_transaction_timeout > 0 ||
                              entry->transaction_timeout > 0 || entry->client_idle_timeout > 0))
            return true;
    }
    return false;
}

static void end_overdue(struct worker *worker, usec now)
{
    if (!has_timeouts(worker))
        return;
    link_hold_freed(worker);
    LIST_FOREACH_SAFE (&worker->clients, it, after) {
        struct client *client = LIST_ENTRY(it, struct client, link);
        if (client->state != CLIENT_RELAY)
            continue;
        enum close_reason reason = overdue(client, now);
        if (reason != CLOSE_QUIETLY)
            client_fatal(client, reason);
    }
    link_hand_on_freed(worker);
}

static void notify_waiting(struct worker_pool *pool, usec now)
{
    usec patience = pool->worker->config->query_wait_notify;
    if (patience == 0)
        return;
    LIST_FOREACH (&pool->waiting, it) {
        struct waiting *waiting = LIST_ENTRY(it, struct waiting, link);
        if (now - waiting->ticket.since < patience)
            return; /* those behind came later */
        if (waiting->notified || waiting->client->state != CLIENT_RELAY)
            continue;
        waiting->notified = true;
        struct buf msg = {0};
        proto_notice(&msg, &(struct proto_error){
                               .severity = "NOTICE",
                               .sqlstate = "00000",
                               .message = "No server connection available in postgres backend, client being queued"});
        struct iovec piece = {msg.data, msg.len};
        stream_write(waiting->client->stream, &piece, 1);
        buf_deinit(&msg);
    }
}

void worker_tick(struct timer *timer)
{
    struct worker *worker = LIST_ENTRY(timer, struct worker, tick);
    usec now = loop_now(worker->loop);
    LIST_FOREACH_SAFE (&worker->buried, it, after) {
        list_remove(it);
        mem_free(LIST_ENTRY(it, struct client, link));
    }
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        expire_idle(pool, now);
        notify_waiting(pool, now);
    }
    end_overdue(worker, now);
    if (worker->id == 0) {
        struct broker_orders orders = {0};
        broker_tick(worker->all->broker, now, &orders);
        link_orders(worker, &orders);
    }
    timer_start(worker->loop, timer, now + TICK, worker_tick);
}
