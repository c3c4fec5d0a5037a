/*
 * Orders: what workers have to do so that no ticket waits in vain.
 *
 * One call makes at most one OFFER per worker and a few other orders. What does not fit, or what an order that found
 * nothing to do leaves open, is taken up by the call that the carried-out orders lead to (broker_freed(),
 * broker_closed()) and at the latest by the next tick.
 */
#include "broker_state.h"

enum {
    CONNECTS_PER_CALL = 4,
    ORDERS_BESIDE_OFFERS = CONNECTS_PER_CALL + SCOPES + 1, /* connects, an eviction per scope, one for the minimum */
};
_Static_assert(ORDERS_BESIDE_OFFERS <= BROKER_ORDERS_MAX - WORKERS_MAX, "offers leave room for the rest");

static void order(struct broker_orders *orders, enum broker_order_kind kind, int worker, struct broker_pool *p)
{
    assert(orders->count < BROKER_ORDERS_MAX);
    orders->list[orders->count++] = (struct broker_order){kind, worker, p};
}

bool orders_have_room(const struct broker_orders *orders)
{
    return orders->count < BROKER_ORDERS_MAX - ORDERS_BESIDE_OFFERS;
}

static int idle_at(const struct broker_pool *p, int worker)
{
    return atomic_load(&p->places[worker].idle);
}

static int idle_anywhere(const struct broker_pool *p)
{
    int idle = 0;
    for (int w = 0; w < p->broker->workers; w++)
        idle += idle_at(p, w);
    return idle;
}

/* Enough offers for all lacking tickets, one per worker: first to workers that have such a ticket, where nothing has
 * to move. When an offer was carried out, broker_freed() looks again. */
static void offer_idle(struct broker_pool *p, struct broker_orders *orders)
{
    int lacking = queue_lacking(p);
    for (int foreign = 0; foreign <= 1; foreign++) {
        for (int w = 0; w < p->broker->workers && lacking > 0 && orders_have_room(orders); w++) {
            int idle = idle_at(p, w);
            bool has_ticket = p->places[w].ticket_count > p->places[w].arriving;
            if (idle <= 0 || has_ticket == (bool)foreign)
                continue;
            order(orders, BROKER_OFFER, w, p);
            lacking -= idle;
        }
    }
}

/* Tickets that neither an idle backend nor one on its way nor a connect under way can serve. */
static int tickets_without_prospect(const struct broker_pool *p)
{
    return atomic_load(&p->waiting) - p->on_way - p->connecting - idle_anywhere(p);
}

static void connect_for(struct broker_pool *p, struct broker_orders *orders)
{
    struct ticket *t = queue_oldest_uncovered(p);
    assert(t); /* there are more tickets than backends on their way and connecting */
    slot_take(p, t->worker);
    order(orders, BROKER_CONNECT, t->worker, p);
}

/* A worker that owns an idle backend whose close makes room for `p` in this scope. Spares pools with older tickets. */
static struct broker_pool *find_victim(const struct broker_pool *p, enum scope_kind kind, usec since, int *worker)
{
    for (int i = 0; i < p->scope[kind]->member_count; i++) {
        struct broker_pool *other = p->scope[kind]->members[i];
        const struct ticket *oldest = queue_oldest(other);
        if (other == p || other->total == 0 || (oldest && oldest->since <= since))
            continue;
        for (int w = 0; w < p->broker->workers; w++) {
            if (idle_at(other, w) > 0) {
                *worker = w;
                return other;
            }
        }
    }
    return NULL;
}

/* One eviction per exhausted limit, or none when one of the limits cannot be helped. */
static void evict_for(struct broker_pool *p, usec now, struct broker_orders *orders)
{
    const struct ticket *t = queue_oldest_uncovered(p);
    if (!t || limits_connects_left(p, now) == 0 || !limits_pool_has_room(p, now))
        return;

    struct broker_pool *victim[SCOPES];
    int worker[SCOPES], victims = 0;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++) {
        if (!limits_exhausted(p, kind) || p->scope[kind]->closing >= queue_lacking(p))
            continue;
        bool helped = false;
        for (int i = 0; i < victims && !helped; i++)
            helped = victim[i]->scope[kind] == p->scope[kind];
        if (helped)
            continue;
        victim[victims] = find_victim(p, kind, t->since, &worker[victims]);
        if (!victim[victims])
            return;
        victims++;
    }
    for (int i = 0; i < victims; i++)
        order(orders, BROKER_EVICT, worker[i], victim[i]);
}

void orders_for_pool(struct broker_pool *p, usec now, struct broker_orders *orders)
{
    if (list_is_empty(&p->queue) || limits_paused(p))
        return;
    offer_idle(p, orders);
    for (int i = 0; i < CONNECTS_PER_CALL && tickets_without_prospect(p) > 0 && limits_may_connect(p, now); i++)
        connect_for(p, orders);
    if (tickets_without_prospect(p) > 0)
        evict_for(p, now, orders);
}

void orders_for_room(struct broker *b, usec now, struct broker_orders *orders)
{
    for (int i = 0; i < CONNECTS_PER_CALL && orders_have_room(orders); i++) {
        struct broker_pool *best = NULL;
        usec best_since = USEC_NEVER;
        LIST_FOREACH (&b->hungry, it) {
            struct broker_pool *p = LIST_ENTRY(it, struct broker_pool, hungry);
            if (!limits_may_connect(p, now) || tickets_without_prospect(p) <= 0)
                continue;
            usec since = queue_oldest_uncovered(p)->since;
            if (since < best_since) {
                best = p;
                best_since = since;
            }
        }
        if (!best)
            return;
        connect_for(best, orders);
    }
}

void orders_for_excess(struct broker_pool *p, struct broker_orders *orders)
{
    int excess = limits_pool_excess(p);
    for (int w = 0; w < p->broker->workers && excess > 0 && orders_have_room(orders); w++) {
        if (idle_at(p, w) > 0) {
            order(orders, BROKER_EVICT, w, p);
            excess--;
        }
    }
}

void orders_for_minimum(struct broker_pool *p, usec now, struct broker_orders *orders)
{
    bool wanted = p->limits.keep_min || p->account->clients > 0;
    if (!wanted || p->down || p->total >= p->limits.min || !limits_may_connect(p, now))
        return;
    if (p->limits.size > 0 && p->total >= p->limits.size)
        return; /* never out of the reserve */

    int best = 0, fewest = INT32_MAX;
    for (int w = 0; w < p->broker->workers; w++) {
        const struct place *place = &p->places[w];
        int backends = place->live + place->connecting + place->arriving;
        if (backends < fewest) {
            fewest = backends;
            best = w;
        }
    }
    slot_take(p, best);
    order(orders, BROKER_CONNECT, best, p);
}
