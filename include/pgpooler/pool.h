/*
 * pool - which backend a client may use, and who waits for one.
 *
 * Decides; never does. No sockets and no clock: each call is told the time and answers what the caller should do.
 * Two halves:
 *
 *   struct pool     one worker's idle backends of one (entry, server user, target). No lock: only its worker uses it.
 *   struct broker   one per process: counters, limits and the queue of tickets over all workers. Each call takes the
 *                   one short mutex inside, works in O(1) or O(workers), and never calls out.
 *
 * A worker serves its own clients from its own idle backends while nobody waits; everything else asks the broker:
 *
 *      client wants a backend         pool_lease(), or broker_ask() -> queued, with orders for workers
 *      backend free again             pool_release(), or broker_freed() -> KEEP it idle, SERVE this ticket, GIVE it
 *                                     away, CLOSE it
 *      backend arrived from a worker  broker_arrived() -> the same answers
 *      slot ordered by CONNECT        broker_connected() or broker_connect_failed()
 *      backend closed                 broker_closed()
 *
 *            CONNECT order            broker_connected()          GIVE
 *      FREE ---------------> CONNECTING ------------> LIVE ------------------> ON ITS WAY ---> LIVE at another worker
 *        ^                       | failed              | broker_closed()          |
 *        '-----------------------+---------------------+--------------------------'   (a slot is counted throughout)
 */
#ifndef PGPOOLER_POOL_H
#define PGPOOLER_POOL_H

#include "pgpooler/base.h"

#include <stdatomic.h>

enum { WORKERS_MAX = 64 };

/* ---- the broker ---- */
struct broker;
struct broker_pool; /* shared record of one pool; lives as long as the broker */

/* All numbers: 0 means no limit, except min, reserve. reserve_timeout 0: the reserve is not used. */
struct pool_limits {
    int size, min, reserve;
    usec reserve_timeout;
    int database_max; /* backends of this entry over all users */
    int user_max;     /* backends of this user over all entries */
    int connects_max; /* connects under way at once in this pool; at least 1 */
    usec login_retry; /* pause after a failed connect or login */
    bool keep_min;    /* min counts even without a client (forced user) */
};

/* What a worker is told to do for a pool. The caller posts each order to its worker (or does its own at once).
 * A call overwrites the orders it is given: carry them out before the next one. */
enum broker_order_kind {
    BROKER_CONNECT, /* open a backend: the slot is already counted for you */
    BROKER_OFFER,   /* somebody waits: pool_take() an idle backend, if you have one, and call broker_freed() for it */
    BROKER_EVICT,   /* close your longest idle backend of this pool, if you have one: its room is wanted */
};
struct broker_order {
    enum broker_order_kind kind;
    int worker;
    struct broker_pool *pool;
};
enum { BROKER_ORDERS_MAX = WORKERS_MAX + 8 };
struct broker_orders {
    int count;
    struct broker_order list[BROKER_ORDERS_MAX];
};

/* A worker's place in the queue; embedded in the client. Zero-initialised is not queued. */
struct ticket {
    struct list link;  /* the broker's */
    struct list local; /* the broker's: tickets of this worker in this pool */
    struct broker_pool *pool;
    usec since; /* maxwait counts from here */
    int worker;
    bool queued;
};

struct broker *broker_new(int workers);
void broker_free(struct broker *b);
/* Limits over the whole process; 0: none. */
void broker_set_process_limits(struct broker *b, int clients_max, int backends_max);

/* Finds or makes. `entry` and `user` are copied. */
struct broker_pool *broker_pool_get(struct broker *b, const char *entry, const char *user, int target);
const char *broker_pool_entry(const struct broker_pool *p);
const char *broker_pool_user(const struct broker_pool *p);
int broker_pool_target(const struct broker_pool *p);
void broker_pool_set_limits(struct broker *b, struct broker_pool *p, const struct pool_limits *limits,
                            struct broker_orders *orders);
/* Cursor over all pools, oldest first; start with NULL. Pools are never removed while the broker lives. */
struct broker_pool *broker_pool_next(struct broker *b, const struct broker_pool *after);

/*
 * What workers look at instead of taking the lock. All three are seq_cst: a worker that changes its idle list must
 * note that before it looks whether somebody waits, or a wake-up is lost. pool_lease() and pool_release() do it right.
 */
/* Tickets in all queues: while 0, releases need not ask. */
bool broker_anyone_waits(const struct broker *b);
/* Tickets in this pool's queue: while 0, a client may take its worker's idle backend at once. */
bool broker_pool_anyone_waits(const struct broker_pool *p);
/* Hint for the others: how many backends of this pool the worker has idle now. The pool_ calls below note it. */
void broker_pool_note_idle(struct broker_pool *p, int worker, int idle);

enum broker_ask { BROKER_QUEUED, BROKER_DOWN };
/*
 * Queues the ticket. BROKER_DOWN: not queued; the pool has no live backend and its last connect or login failed
 * less than login_retry ago: fail fast with broker_pool_failure(). A new attempt is ordered when its time has come.
 */
enum broker_ask broker_ask(struct broker *b, struct broker_pool *p, struct ticket *t, int worker, usec now,
                           struct broker_orders *orders);
/* Client gone, timed out or cancelled. Harmless when not queued. */
void broker_withdraw(struct broker *b, struct ticket *t, usec now, struct broker_orders *orders);

enum broker_fate {
    BROKER_KEEP,  /* nobody may use it: put it on your idle list */
    BROKER_SERVE, /* *ticket, one of yours, is taken off the queue: it has the backend */
    BROKER_GIVE,  /* move it to worker *to, which will call broker_arrived() */
    BROKER_CLOSE, /* pool paused, over its limit, or its room is wanted elsewhere: close it */
};
struct broker_freed {
    enum broker_fate fate;
    struct ticket *ticket; /* SERVE */
    int to;                /* GIVE */
};
/* A live backend of this worker is free: released, connected, or offered from the idle list. */
struct broker_freed broker_freed(struct broker *b, struct broker_pool *p, int worker, usec now,
                                 struct broker_orders *orders);
struct broker_freed broker_arrived(struct broker *b, struct broker_pool *p, int worker, usec now,
                                   struct broker_orders *orders);
/* A GIVE that could not be carried out (the backend died at the giver, or before broker_arrived() at the receiver):
 * the slot is free again. */
void broker_give_failed(struct broker *b, struct broker_pool *p, int from, int to, usec now,
                        struct broker_orders *orders);
/* The slot of a CONNECT order holds a live backend now; call broker_freed() next. */
void broker_connected(struct broker *b, struct broker_pool *p, int worker, usec now);
/* `failure` is copied and shown to whoever fails fast. Counts as down until a connect succeeds. */
void broker_connect_failed(struct broker *b, struct broker_pool *p, int worker, usec now, const char *failure,
                           struct broker_orders *orders);
/* A live backend (idle, linked, whatever) is closed. */
void broker_closed(struct broker *b, struct broker_pool *p, int worker, usec now, struct broker_orders *orders);
/* Copies the text of the last failure; "" when the pool is not known to be down. */
void broker_pool_failure(struct broker *b, struct broker_pool *p, char *out, size_t size);
/* What only time brings: reserve pools, retries after failures, min_pool_size; also what raised limits allow.
 * Call every 100 ms or so, any worker. */
void broker_tick(struct broker *b, usec now, struct broker_orders *orders);
/* Cursor for withdrawing tickets in bulk: this worker's oldest ticket in this pool, or NULL. Stays queued. */
struct ticket *broker_pool_ticket(struct broker *b, struct broker_pool *p, int worker);

/* PAUSE: nothing is handed out, freed backends are closed, tickets stay. entry NULL: all; that is a switch of its own,
 * beside those of the entries. A paused entry stays paused when all are resumed. */
void broker_pause(struct broker *b, const char *entry);
void broker_resume(struct broker *b, const char *entry, usec now, struct broker_orders *orders);
bool broker_is_paused(struct broker *b, const char *entry);

/* What SHOW needs, exact at one moment. */
struct broker_counts {
    int total; /* slots: live, connecting and on their way */
    int connecting;
    int on_way;
    int tickets;
    int reserved;      /* slots above size, out of the reserve */
    usec oldest_since; /* of the queue; USEC_NEVER when empty */
    int clients;
};
void broker_pool_count(struct broker *b, struct broker_pool *p, struct broker_counts *out);
void broker_database_count(struct broker *b, const char *entry, struct broker_counts *out);
void broker_user_count(struct broker *b, const char *user, struct broker_counts *out);
void broker_process_count(struct broker *b, struct broker_counts *out);

/* Clients: counted at login, per entry, user and process; 0 is no limit. Console logins are not counted. */
enum broker_login { BROKER_LOGIN_OK, BROKER_LOGIN_PROCESS_FULL, BROKER_LOGIN_DATABASE_FULL, BROKER_LOGIN_USER_FULL };
enum broker_login broker_client_login(struct broker *b, const char *entry, const char *user, int database_max,
                                      int user_max);
void broker_client_logout(struct broker *b, const char *entry, const char *user);

/*
 * The welcome: ParameterStatus messages of the pool's last login, for clients that log in while no backend is free.
 * Stored and copied under the mutex. broker_welcome_get appends to `out`; false when there is none yet, or only one in
 * doubt. Behind a reload the pool's servers may be others, so the welcome is in doubt until the next login.
 */
void broker_welcome_set(struct broker *b, struct broker_pool *p, const void *params, size_t len);
void broker_welcome_doubt(struct broker *b, struct broker_pool *p);
bool broker_welcome_get(struct broker *b, struct broker_pool *p, bool even_in_doubt, struct buf *out);

/* ---- one worker's idle backends of one pool ---- */
struct pool_member { /* embedded in the backend */
    struct list link;
    usec connected_at, idle_since, checked_at;
    bool old; /* reload or RECONNECT: close instead of reuse */
};
struct pool {
    struct broker_pool *shared;
    struct list idle; /* most recently used first */
    int idle_count;
    int worker;
};
void pool_init(struct pool *p, struct broker_pool *shared, int worker);
/*
 * For a client: an idle backend, or NULL when there is none or when somebody waits for this pool already. After NULL
 * call broker_ask(): others may count on it.
 */
struct pool_member *pool_lease(struct pool *p, bool round_robin);
/* Idle again: true. False when somebody waits somewhere: not on the list, call broker_freed(). */
bool pool_release(struct pool *p, struct pool_member *m, usec now);
void pool_put(struct pool *p, struct pool_member *m, usec now); /* KEEP: idle from now on */
/* Out of the idle list: the most recently used, or with round_robin the least. NULL when none. */
struct pool_member *pool_take(struct pool *p, bool round_robin);
void pool_remove(struct pool *p, struct pool_member *m);     /* an idle one that died or is closed */
struct pool_member *pool_longest_idle(const struct pool *p); /* or NULL */

struct pool_expiry { /* 0: off */
    usec idle_timeout, lifetime;
    int keep; /* not below this many in the whole pool for idle_timeout: min_pool_size */
    int size; /* pool_size: lifetime closes are spread by lifetime / size */
};
/*
 * The next idle backend that has to be closed for age, or NULL; call again after closing it.
 * @total        slots of the pool now
 * @last_expired when a lifetime close happened last in this pool; updated
 * *reason: CLOSE_BACKEND_IDLE_TIMEOUT, CLOSE_BACKEND_LIFETIME, or CLOSE_BACKEND_OLD for `old` ones
 */
struct pool_member *pool_expired(struct pool *p, const struct pool_expiry *expiry, int total, usec now,
                                 usec *last_expired, enum close_reason *reason);

#endif
