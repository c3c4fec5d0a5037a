/*
 * The broker's calls, in the order of a backend's life. Each takes the lock, changes the counters, and lets
 * broker_queue.c and broker_limits.c decide and broker_orders.c say what follows for the workers.
 */
#include "broker_state.h"

struct broker *broker_new(int workers)
{
    assert(workers >= 1 && workers <= WORKERS_MAX);
    struct broker *b = mem_zalloc(sizeof(*b));
    pthread_mutex_init(&b->lock, NULL);
    b->workers = workers;
    list_init(&b->hungry);
    return b;
}

void broker_free(struct broker *b)
{
    names_deinit(b);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

/* Begins a call that gives orders. */
static void enter(struct broker *b, struct broker_orders *orders)
{
    pthread_mutex_lock(&b->lock);
    orders->count = 0;
}

static void leave(struct broker *b)
{
    pthread_mutex_unlock(&b->lock);
}

/* ---- limits ---- */

void broker_set_process_limits(struct broker *b, int clients_max, int backends_max)
{
    pthread_mutex_lock(&b->lock);
    b->clients_max = clients_max;
    b->backends_max = backends_max;
    pthread_mutex_unlock(&b->lock);
}

void broker_pool_set_limits(struct broker *b, struct broker_pool *p, const struct pool_limits *limits,
                            struct broker_orders *orders)
{
    enter(b, orders);
    p->limits = *limits;
    orders_for_excess(p, orders);
    leave(b);
}

/* ---- what workers look at without the lock ---- */

bool broker_anyone_waits(const struct broker *b)
{
    return atomic_load(&b->waiting) > 0;
}

bool broker_pool_anyone_waits(const struct broker_pool *p)
{
    return atomic_load(&p->waiting) > 0;
}

void broker_pool_note_idle(struct broker_pool *p, int worker, int idle)
{
    atomic_store(&p->places[worker].idle, idle);
}

/* ---- tickets ---- */

enum broker_ask broker_ask(struct broker *b, struct broker_pool *p, struct ticket *t, int worker, usec now,
                           struct broker_orders *orders)
{
    enum broker_ask answer = BROKER_DOWN;
    assert(!t->queued);
    enter(b, orders);
    if (!limits_resting(p, now) || p->total > p->connecting) {
        answer = BROKER_QUEUED;
        queue_add(p, t, worker, now); /* before the hints are read: see broker_state.h */
        orders_for_pool(p, now, orders);
    }
    leave(b);
    return answer;
}

void broker_withdraw(struct broker *b, struct ticket *t, usec now, struct broker_orders *orders)
{
    (void)now;
    enter(b, orders);
    if (t->queued)
        queue_remove(t);
    leave(b);
}

struct ticket *broker_pool_ticket(struct broker *b, struct broker_pool *p, int worker)
{
    pthread_mutex_lock(&b->lock);
    struct list *tickets = &p->places[worker].tickets;
    struct ticket *t = list_is_empty(tickets) ? NULL : LIST_ENTRY(tickets->next, struct ticket, local);
    pthread_mutex_unlock(&b->lock);
    return t;
}

/* ---- connecting ---- */

static void connect_ended(struct broker_pool *p, int worker)
{
    assert(p->places[worker].connecting > 0); /* each end follows a CONNECT order */
    p->places[worker].connecting--;
    p->connecting--;
}

void broker_connected(struct broker *b, struct broker_pool *p, int worker, usec now)
{
    (void)now;
    pthread_mutex_lock(&b->lock);
    connect_ended(p, worker);
    p->places[worker].live++;
    p->down = false;
    mem_free(p->failure);
    p->failure = NULL;
    pthread_mutex_unlock(&b->lock);
}

void broker_connect_failed(struct broker *b, struct broker_pool *p, int worker, usec now, const char *failure,
                           struct broker_orders *orders)
{
    enter(b, orders);
    connect_ended(p, worker);
    slot_give_back(p);
    p->down = true;
    p->failed_at = now;
    mem_free(p->failure);
    p->failure = mem_strdup(failure);
    orders_for_room(b, now, orders); /* other pools; this one rests */
    leave(b);
}

void broker_pool_failure(struct broker *b, struct broker_pool *p, char *out, size_t size)
{
    assert(size > 0);
    pthread_mutex_lock(&b->lock);
    const char *failure = p->failure ? p->failure : "";
    size_t len = strlen(failure);
    if (len >= size)
        len = size - 1;
    memcpy(out, failure, len);
    out[len] = '\0';
    pthread_mutex_unlock(&b->lock);
}

/* ---- free backends ---- */

static struct broker_freed decide(struct broker_pool *p, int worker, usec now)
{
    if (limits_paused(p) || limits_exceeded(p))
        return (struct broker_freed){.fate = BROKER_CLOSE};
    struct ticket *t = queue_choose(p, worker, now);
    if (limits_wanted_elsewhere(p, t, now))
        return (struct broker_freed){.fate = BROKER_CLOSE};
    if (!t)
        return (struct broker_freed){.fate = BROKER_KEEP};
    if (t->worker != worker)
        return (struct broker_freed){.fate = BROKER_GIVE, .to = t->worker};
    return (struct broker_freed){.fate = BROKER_SERVE, .ticket = t};
}

/* Decides, and counts what was decided. */
static struct broker_freed settle(struct broker_pool *p, int worker, usec now, struct broker_orders *orders)
{
    struct broker_freed freed = decide(p, worker, now);
    struct place *here = &p->places[worker];
    assert(here->live > 0);
    switch (freed.fate) {
    case BROKER_KEEP:
        /* For the worker, which puts it on its list only after this: whoever asks meanwhile must know of it. */
        atomic_fetch_add(&here->idle, 1);
        break;
    case BROKER_SERVE:
        queue_remove(freed.ticket);
        break;
    case BROKER_GIVE:
        here->live--;
        p->places[freed.to].arriving++;
        p->on_way++;
        break;
    case BROKER_CLOSE:
        slot_set_closing(p, worker, 1);
        break;
    }
    orders_for_pool(p, now, orders);
    return freed;
}

struct broker_freed broker_freed(struct broker *b, struct broker_pool *p, int worker, usec now,
                                 struct broker_orders *orders)
{
    enter(b, orders);
    struct broker_freed freed = settle(p, worker, now, orders);
    leave(b);
    return freed;
}

static void way_ended(struct broker_pool *p, int to)
{
    assert(p->places[to].arriving > 0); /* each end follows a GIVE */
    p->places[to].arriving--;
    p->on_way--;
}

struct broker_freed broker_arrived(struct broker *b, struct broker_pool *p, int worker, usec now,
                                   struct broker_orders *orders)
{
    enter(b, orders);
    way_ended(p, worker);
    p->places[worker].live++;
    struct broker_freed freed = settle(p, worker, now, orders);
    leave(b);
    return freed;
}

/* ---- slots that become free ---- */

static void slot_is_free(struct broker_pool *p, usec now, struct broker_orders *orders)
{
    slot_give_back(p);
    orders_for_room(p->broker, now, orders);
    /* A ticket may have counted on the backend that is gone, while others are idle. */
    orders_for_pool(p, now, orders);
}

void broker_give_failed(struct broker *b, struct broker_pool *p, int from, int to, usec now,
                        struct broker_orders *orders)
{
    (void)from; /* counted as the receiver's since broker_freed() */
    enter(b, orders);
    way_ended(p, to);
    slot_is_free(p, now, orders);
    leave(b);
}

void broker_closed(struct broker *b, struct broker_pool *p, int worker, usec now, struct broker_orders *orders)
{
    enter(b, orders);
    assert(p->places[worker].live > 0);
    p->places[worker].live--;
    if (p->places[worker].closing > 0)
        slot_set_closing(p, worker, -1);
    slot_is_free(p, now, orders);
    leave(b);
}

/* ---- time, PAUSE and RESUME ---- */

void broker_tick(struct broker *b, usec now, struct broker_orders *orders)
{
    enter(b, orders);
    orders_for_room(b, now, orders); /* first over all pools: the oldest ticket has the first claim on room */
    int pools = b->process.member_count, looked_at = 0;
    for (; looked_at < pools && orders_have_room(orders); looked_at++) {
        struct broker_pool *p = b->process.members[(b->tick_from + looked_at) % pools];
        orders_for_pool(p, now, orders);
        orders_for_excess(p, orders);
        orders_for_minimum(p, now, orders);
    }
    if (pools > 0)
        b->tick_from = (b->tick_from + looked_at) % pools;
    leave(b);
}

static struct scope *pausable(struct broker *b, const char *entry)
{
    return entry ? scope_get(&b->entries, entry, strlen(entry)) : &b->process;
}

void broker_pause(struct broker *b, const char *entry)
{
    pthread_mutex_lock(&b->lock);
    pausable(b, entry)->paused = true;
    pthread_mutex_unlock(&b->lock);
}

void broker_resume(struct broker *b, const char *entry, usec now, struct broker_orders *orders)
{
    enter(b, orders);
    struct scope *scope = pausable(b, entry);
    scope->paused = false;
    orders_for_room(b, now, orders);
    for (int i = 0; i < scope->member_count && orders_have_room(orders); i++)
        orders_for_pool(scope->members[i], now, orders);
    leave(b);
}

bool broker_is_paused(struct broker *b, const char *entry)
{
    pthread_mutex_lock(&b->lock);
    const struct scope *scope = entry ? scope_find(&b->entries, entry, strlen(entry)) : NULL;
    bool paused = b->process.paused || (scope && scope->paused);
    pthread_mutex_unlock(&b->lock);
    return paused;
}
