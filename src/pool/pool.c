/*
 * One worker's idle backends of one pool.
 *
 * Each change of the list is noted in the shared hint before anything else is looked at; broker_state.h says why.
 */
#include "broker_state.h"

static struct pool_member *member_of(const struct list *node)
{
    return LIST_ENTRY(node, struct pool_member, link);
}

static void note_idle(struct pool *p, int change)
{
    p->idle_count += change;
    assert(p->idle_count >= 0);
    broker_pool_note_idle(p->shared, p->worker, p->idle_count);
}

void pool_init(struct pool *p, struct broker_pool *shared, int worker)
{
    *p = (struct pool){.shared = shared, .worker = worker};
    list_init(&p->idle);
}

void pool_put(struct pool *p, struct pool_member *m, usec now)
{
    m->idle_since = now;
    list_push_front(&p->idle, &m->link);
    note_idle(p, 1);
}

struct pool_member *pool_take(struct pool *p, bool round_robin)
{
    if (list_is_empty(&p->idle))
        return NULL;
    struct pool_member *m = member_of(round_robin ? p->idle.prev : p->idle.next);
    pool_remove(p, m);
    return m;
}

void pool_remove(struct pool *p, struct pool_member *m)
{
    list_remove(&m->link);
    note_idle(p, -1);
}

struct pool_member *pool_lease(struct pool *p, bool round_robin)
{
    if (broker_pool_anyone_waits(p->shared))
        return NULL;
    struct pool_member *m = pool_take(p, round_robin);
    if (!m || !broker_pool_anyone_waits(p->shared))
        return m;
    /* Somebody asked in between and may count on this one. */
    if (round_robin)
        list_push_back(&p->idle, &m->link);
    else
        list_push_front(&p->idle, &m->link);
    note_idle(p, 1);
    return NULL;
}

bool pool_release(struct pool *p, struct pool_member *m, usec now)
{
    if (broker_anyone_waits(p->shared->broker))
        return false;
    pool_put(p, m, now);
    if (!broker_anyone_waits(p->shared->broker))
        return true;
    pool_remove(p, m); /* somebody asked in between and may not have seen this one */
    return false;
}

struct pool_member *pool_longest_idle(const struct pool *p)
{
    return list_is_empty(&p->idle) ? NULL : member_of(p->idle.prev);
}

/* Lifetimes end one at a time, or all backends of a busy start would be replaced at once. */
static bool lifetime_is_over(const struct pool_member *m, const struct pool_expiry *expiry, usec now, usec last_expired)
{
    if (expiry->lifetime <= 0 || now - m->connected_at < expiry->lifetime)
        return false;
    usec gap = expiry->size > 0 ? expiry->lifetime / expiry->size : 0;
    return last_expired == 0 || now - last_expired >= gap;
}

struct pool_member *pool_expired(struct pool *p, const struct pool_expiry *expiry, int total, usec now,
                                 usec *last_expired, enum close_reason *reason)
{
    for (struct list *it = p->idle.prev; it != &p->idle; it = it->prev) {
        struct pool_member *m = member_of(it);
        if (m->old) {
            *reason = CLOSE_BACKEND_OLD;
            return m;
        }
        if (expiry->idle_timeout > 0 && now - m->idle_since > expiry->idle_timeout && total > expiry->keep) {
            *reason = CLOSE_BACKEND_IDLE_TIMEOUT;
            return m;
        }
        if (lifetime_is_over(m, expiry, now, *last_expired)) {
            *last_expired = now;
            *reason = CLOSE_BACKEND_LIFETIME;
            return m;
        }
    }
    return NULL;
}
