/*
 * The broker's own records. Everything is guarded by broker.lock, but the two kinds of atomics: waiting and idle.
 *
 * broker.c         the calls, in the order of a backend's life
 * broker_queue.c   tickets: order of arrival, and which one a free backend is for
 * broker_limits.c  slots: counting them, and whether there is room for one more
 * broker_orders.c  what workers have to do so that no ticket waits in vain
 * broker_names.c   the records of entries, users and pools; client counts; the welcome
 *
 * Why no wake-up is lost although workers use their idle backends without the lock: both sides write before they read,
 * in one total order (seq_cst), so at least one of them sees the other.
 *
 *      a worker, pool_release()         a worker, pool_lease()           broker_ask()
 *      write idle = n + 1               write idle = n - 1               write waiting + 1
 *      read  broker.waiting             read  pool.waiting               read  idle of each worker
 *      > 0: undo, broker_freed()        > 0: undo, broker_ask()          > 0: OFFER to that worker
 *
 * When the asker read too few, the releaser reads waiting > 0 and comes to the broker; when it read too many, the
 * leaser reads waiting > 0 and leaves the backend for the OFFER. An idle backend that the broker itself told to KEEP
 * is added to the hint under the lock, before the worker has put it on its list. So a hint is never too low, and too
 * high only while its worker is about to ask or to call broker_freed() or broker_closed(), which look again.
 */
#ifndef POOL_BROKER_STATE_H
#define POOL_BROKER_STATE_H

#include "pgpooler/pool.h"

#include <pthread.h>

/* What a limit can count over, beside the pool itself. */
enum scope_kind { SCOPE_ENTRY, SCOPE_USER, SCOPE_PROCESS, SCOPES };

struct scope {
    char *name;
    size_t name_len;              /* an account's name is entry NUL user */
    struct broker_pool **members; /* borrowed */
    int member_count;
    int backends; /* slots in use */
    int closing;  /* of them: told to close, not yet closed */
    int clients;
    bool paused; /* entries and the process */
};

/* A worker's part of a pool. As large as a cache line: each worker writes its own idle with every transaction. */
struct place {
    atomic_int idle;     /* the hint */
    int live;            /* backends that the worker owns */
    int connecting;      /* slots that it is filling */
    int arriving;        /* backends on their way to it */
    int closing;         /* of live: told to close */
    int ticket_count;    /* on the list below */
    struct list tickets; /* of its clients, oldest first */
    char padding[24];
};
_Static_assert(sizeof(struct place) == 64, "one cache line");

struct broker_pool {
    struct broker *broker;
    char *entry, *user;
    int target;
    int index; /* among all pools */
    struct scope *scope[SCOPES];
    struct scope *account; /* the clients of this entry and user */
    struct pool_limits limits;
    struct list queue;  /* all tickets, oldest first */
    struct list hungry; /* on the broker's list while there are tickets */
    atomic_int waiting; /* tickets */
    int total, connecting, on_way, closing;
    bool down;      /* the last attempt to connect or to log in failed */
    usec failed_at; /* when */
    char *failure;
    struct buf welcome;
    bool has_welcome, welcome_in_doubt;
    struct place places[]; /* one per worker */
};

struct broker {
    pthread_mutex_t lock;
    int workers;
    int clients_max, backends_max;
    atomic_int waiting;   /* tickets of all pools */
    struct list hungry;   /* pools with tickets */
    struct scope process; /* its members are all pools, oldest first */
    struct table entries, users, accounts;
    int tick_from; /* index of the pool at which the next tick begins */
};

/* ---- broker_names.c ---- */
struct scope *scope_find(const struct table *scopes, const char *name, size_t name_len); /* or NULL */
struct scope *scope_get(struct table *scopes, const char *name, size_t name_len);
void names_deinit(struct broker *b);

/* ---- broker_queue.c ---- */
void queue_add(struct broker_pool *p, struct ticket *t, int worker, usec now);
void queue_remove(struct ticket *t);
struct ticket *queue_oldest(const struct broker_pool *p);
/* Tickets that no backend is on its way for; how many, and the oldest of them or NULL. */
int queue_lacking(const struct broker_pool *p);
struct ticket *queue_oldest_lacking(const struct broker_pool *p);
/* The oldest ticket that neither a backend on its way nor a connect under way at its worker is meant for, or NULL. */
struct ticket *queue_oldest_uncovered(const struct broker_pool *p);
/* Whom a backend that is free at `worker` is for, or NULL. */
struct ticket *queue_choose(const struct broker_pool *p, int worker, usec now);
/* By how much a ticket must be older than a local one before a backend crosses to its worker. */
usec queue_slack(const struct ticket *t, usec now);

/* ---- broker_limits.c ---- */
void slot_take(struct broker_pool *p, int worker); /* FREE -> CONNECTING */
void slot_give_back(struct broker_pool *p);        /* any -> FREE; the caller corrects what the slot was */
void slot_set_closing(struct broker_pool *p, int worker, int change);
bool limits_paused(const struct broker_pool *p);
/* The last attempt failed, and it is not time for another. */
bool limits_resting(const struct broker_pool *p, usec now);
/* How many connects may be begun in this pool as far as pauses, failures and connects_max are concerned. */
int limits_connects_left(const struct broker_pool *p, usec now);
/* Room in the pool itself, the reserve included when the oldest ticket has waited for it. */
bool limits_pool_has_room(const struct broker_pool *p, usec now);
/* Whether a limit over this scope leaves no room for one more slot of the pool. */
bool limits_exhausted(const struct broker_pool *p, enum scope_kind kind);
bool limits_may_connect(const struct broker_pool *p, usec now);
/* Slots of the pool above size and reserve, those being closed left out; not above 0 when there are none. */
int limits_pool_excess(const struct broker_pool *p);
/* Whether the pool or something it is counted in has more slots than it may have, those being closed left out. */
bool limits_exceeded(const struct broker_pool *p);
/* Whether closing a free backend of this pool lets an older ticket of another pool connect. `own`: the ticket of
 * this pool that wants it, or NULL. */
bool limits_wanted_elsewhere(const struct broker_pool *p, const struct ticket *own, usec now);

/* ---- broker_orders.c ---- */
/* For the tickets of one pool: OFFER idle backends, CONNECT where there is room, EVICT where others fill it. */
void orders_for_pool(struct broker_pool *p, usec now, struct broker_orders *orders);
/* A slot has become free: CONNECT for the oldest tickets of any pool that may use it. */
void orders_for_room(struct broker *b, usec now, struct broker_orders *orders);
/* Idle backends above the pool's size and reserve: EVICT. */
void orders_for_excess(struct broker_pool *p, struct broker_orders *orders);
void orders_for_minimum(struct broker_pool *p, usec now, struct broker_orders *orders);
/* Whether what one more pool needs at least still fits. */
bool orders_have_room(const struct broker_orders *orders);

#endif
