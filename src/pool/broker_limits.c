/*
 * Slots: counting them, and whether there is room for one more.
 *
 * A slot counts from the CONNECT order to the close, on its way between workers too, in its pool, entry, user and the
 * process at once.
 */
#include "broker_state.h"

/* How long a ticket of another pool must have waited longer before backends that are in demand are closed for it. */
#define ROOM_SLACK USEC_PER_SEC

static void slot_count(struct broker_pool *p, int change)
{
    p->total += change;
    assert(p->total >= 0);
    for (enum scope_kind kind = 0; kind < SCOPES; kind++)
        p->scope[kind]->backends += change;
}

void slot_take(struct broker_pool *p, int worker)
{
    slot_count(p, 1);
    p->connecting++;
    p->places[worker].connecting++;
}

void slot_give_back(struct broker_pool *p)
{
    slot_count(p, -1);
}

void slot_set_closing(struct broker_pool *p, int worker, int change)
{
    p->places[worker].closing += change;
    p->closing += change;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++)
        p->scope[kind]->closing += change;
}

bool limits_paused(const struct broker_pool *p)
{
    return p->broker->process.paused || p->scope[SCOPE_ENTRY]->paused;
}

bool limits_resting(const struct broker_pool *p, usec now)
{
    /* For a microsecond at least: the report of a failure must not order the next attempt itself, without end. */
    usec rest = p->limits.login_retry > 0 ? p->limits.login_retry : 1;
    return p->down && now - p->failed_at < rest;
}

int limits_connects_left(const struct broker_pool *p, usec now)
{
    if (limits_paused(p) || limits_resting(p, now))
        return 0;
    int at_once = p->down || p->limits.connects_max < 1 ? 1 : p->limits.connects_max;
    return p->connecting < at_once ? at_once - p->connecting : 0;
}

bool limits_pool_has_room(const struct broker_pool *p, usec now)
{
    const struct pool_limits *limits = &p->limits;
    if (limits->size == 0 || p->total < limits->size)
        return true;
    const struct ticket *oldest = queue_oldest(p);
    return oldest && limits->reserve_timeout > 0 && now - oldest->since >= limits->reserve_timeout &&
           p->total < limits->size + limits->reserve;
}

static int scope_limit(const struct broker_pool *p, enum scope_kind kind)
{
    switch (kind) {
    case SCOPE_ENTRY:
        return p->limits.database_max;
    case SCOPE_USER:
        return p->limits.user_max;
    default:
        return p->broker->backends_max;
    }
}

bool limits_exhausted(const struct broker_pool *p, enum scope_kind kind)
{
    int limit = scope_limit(p, kind);
    return limit > 0 && p->scope[kind]->backends >= limit;
}

bool limits_may_connect(const struct broker_pool *p, usec now)
{
    if (limits_connects_left(p, now) == 0 || !limits_pool_has_room(p, now))
        return false;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++)
        if (limits_exhausted(p, kind))
            return false;
    return true;
}

int limits_pool_excess(const struct broker_pool *p)
{
    return p->limits.size > 0 ? p->total - p->closing - p->limits.size - p->limits.reserve : 0;
}

bool limits_exceeded(const struct broker_pool *p)
{
    if (limits_pool_excess(p) > 0)
        return true;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++) {
        int limit = scope_limit(p, kind);
        if (limit > 0 && p->scope[kind]->backends - p->scope[kind]->closing > limit)
            return true;
    }
    return false;
}

/* The first scope that blocks `hungry` when `p` is counted in every scope that does; SCOPES when closing a backend of
 * `p` would not help it: then closing would only make `p` connect again. */
static enum scope_kind shared_obstacle(const struct broker_pool *hungry, const struct broker_pool *p)
{
    enum scope_kind first = SCOPES;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++) {
        if (!limits_exhausted(hungry, kind))
            continue;
        if (hungry->scope[kind] != p->scope[kind])
            return SCOPES;
        if (first == SCOPES)
            first = kind;
    }
    return first;
}

bool limits_wanted_elsewhere(const struct broker_pool *p, const struct ticket *own, usec now)
{
    bool exhausted = false;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++)
        exhausted = exhausted || limits_exhausted(p, kind);
    if (!exhausted)
        return false;

    int wanted[SCOPES] = {0};
    LIST_FOREACH (&p->broker->hungry, it) {
        const struct broker_pool *other = LIST_ENTRY(it, struct broker_pool, hungry);
        if (other == p || !limits_pool_has_room(other, now))
            continue;
        enum scope_kind kind = shared_obstacle(other, p);
        const struct ticket *t = kind < SCOPES ? queue_oldest_uncovered(other) : NULL;
        if (!t || (own && own->since - t->since < ROOM_SLACK))
            continue;
        int tickets = queue_lacking(other), connects = limits_connects_left(other, now);
        wanted[kind] += tickets < connects ? tickets : connects;
        if (wanted[kind] > p->scope[kind]->closing)
            return true;
    }
    return false;
}
