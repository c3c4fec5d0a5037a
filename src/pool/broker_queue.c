/*
 * Tickets: order of arrival, and whom a free backend is for.
 *
 * A backend on its way to a worker is meant for that worker's oldest tickets, one each. This is counted and not noted
 * on a ticket: when such a ticket is served from a local backend or withdrawn, the next one of the same worker takes
 * its place, and a backend that finds no ticket is looked at again where it arrives.
 */
#include "broker_state.h"

void queue_add(struct broker_pool *p, struct ticket *t, int worker, usec now)
{
    struct place *place = &p->places[worker];
    t->pool = p;
    t->worker = worker;
    t->since = now;
    t->queued = true;

    /* The workers' clocks are read before the lock is taken, so a ticket may be a little older than the last one. */
    struct list *before = p->queue.prev;
    while (before != &p->queue && LIST_ENTRY(before, struct ticket, link)->since > now)
        before = before->prev;
    list_push_front(before, &t->link);
    before = place->tickets.prev;
    while (before != &place->tickets && LIST_ENTRY(before, struct ticket, local)->since > now)
        before = before->prev;
    list_push_front(before, &t->local);

    place->ticket_count++;
    if (!list_is_linked(&p->hungry))
        list_push_back(&p->broker->hungry, &p->hungry);
    atomic_fetch_add(&p->waiting, 1);
    atomic_fetch_add(&p->broker->waiting, 1);
}

void queue_remove(struct ticket *t)
{
    struct broker_pool *p = t->pool;
    assert(t->queued);
    list_remove(&t->link);
    list_remove(&t->local);
    t->queued = false;
    p->places[t->worker].ticket_count--;
    if (list_is_empty(&p->queue))
        list_remove(&p->hungry);
    atomic_fetch_sub(&p->waiting, 1);
    atomic_fetch_sub(&p->broker->waiting, 1);
}

struct ticket *queue_oldest(const struct broker_pool *p)
{
    return list_is_empty(&p->queue) ? NULL : LIST_ENTRY(p->queue.next, struct ticket, link);
}

/* The worker's oldest ticket behind `skip` older ones, or NULL. */
static struct ticket *oldest_behind(const struct place *place, int skip)
{
    if (place->ticket_count <= skip)
        return NULL;
    struct list *at = place->tickets.next;
    while (skip-- > 0)
        at = at->next;
    return LIST_ENTRY(at, struct ticket, local);
}

static struct ticket *older(struct ticket *a, struct ticket *b)
{
    if (!a || !b)
        return a ? a : b;
    return b->since < a->since ? b : a;
}

int queue_lacking(const struct broker_pool *p)
{
    int lacking = 0;
    for (int w = 0; w < p->broker->workers; w++)
        if (p->places[w].ticket_count > p->places[w].arriving)
            lacking += p->places[w].ticket_count - p->places[w].arriving;
    return lacking;
}

struct ticket *queue_oldest_lacking(const struct broker_pool *p)
{
    struct ticket *oldest = NULL;
    for (int w = 0; w < p->broker->workers; w++)
        oldest = older(oldest, oldest_behind(&p->places[w], p->places[w].arriving));
    return oldest;
}

struct ticket *queue_oldest_uncovered(const struct broker_pool *p)
{
    struct ticket *oldest = NULL;
    for (int w = 0; w < p->broker->workers; w++)
        oldest = older(oldest, oldest_behind(&p->places[w], p->places[w].arriving + p->places[w].connecting));
    return oldest;
}

usec queue_slack(const struct ticket *t, usec now)
{
    const usec least = 500; /* a hand-over costs both workers 3 us and the client 30 to 60 us */
    usec share = (now - t->since) / 8;
    return share > least ? share : least;
}

struct ticket *queue_choose(const struct broker_pool *p, int worker, usec now)
{
    const struct place *here = &p->places[worker];
    struct ticket *local = oldest_behind(here, here->arriving);
    struct ticket *foreign = NULL;
    for (int w = 0; w < p->broker->workers; w++)
        if (w != worker)
            foreign = older(foreign, oldest_behind(&p->places[w], p->places[w].arriving));

    if (foreign && (!local || local->since - foreign->since > queue_slack(foreign, now)))
        return foreign;
    /* The worker's very oldest. If something is on its way for that one, it will be for `local` instead; if nobody
     * lacks a backend, nobody is wronged when it does not wait for the arrival. */
    return oldest_behind(here, 0);
}
