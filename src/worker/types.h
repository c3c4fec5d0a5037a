/*
 * Private to worker: what a worker's thread owns. Only that thread touches it, but for what says otherwise.
 *
 *   worker -- databases -- pools -- backends        a pool here is this worker's share: its idle list, its waiters
 *         \-- clients (by slot) -- session -- link -- backend
 */
#ifndef WORKER_TYPES_H
#define WORKER_TYPES_H

#include "pgpooler/auth.h"
#include "pgpooler/session.h"
#include "pgpooler/worker.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    READ_SIZE = 65536,          /* one recv; also what bulk streams in */
    READS_PER_TURN = 4,         /* of one stream, before the others have their turn */
    PENDING_MAX = 131072,       /* unwritten output of one side that stops reading the other */
    HELD_MAX = 131072,          /* unconsumed input that stops reading */
    ENDING_GRACE = 1000 * 1000, /* usec that a half-closed client's last requests may take */
    CLIENT_KEY_SIZE = 8,        /* our cancel secret: 3.0 clients get the first four bytes */
    SLOT_BITS = 24,             /* of a cancel pid: the client's slot; the worker's number plus one is above */
};

struct worker;

/* ---- one entry of [databases] ---- */
struct database {
    struct list link;
    char *name;
    const struct config_entry *entry; /* of the current configuration or auto_entry; NULL: removed */
    struct config_entry *auto_entry;  /* made from the * line */
    struct stats stats;
    usec renewed_at; /* by RECONNECT or a reload: backends from before that are closed */
    bool paused;
};

/* ---- this worker's share of a pool ---- */
struct worker_pool {
    struct list link;
    struct worker *worker;
    struct database *database;
    struct pool idle;
    const char *user;     /* towards the server; lent by the broker */
    struct list backends; /* all of this worker's, in any state */
    struct list waiting;  /* clients, in order of arrival */
    uint32_t next_host;   /* round robin over the entry's hosts */
    usec last_expired;
    struct params *params; /* tracked ones as the server reports them; NULL until a login was seen */
    struct buf welcome;    /* ParameterStatus messages of the others */
    int client_count;
};

/* ---- clients ---- */
enum client_state {
    CLIENT_LOGIN,   /* see struct login */
    CLIENT_RELAY,   /* logged in */
    CLIENT_CANCEL,  /* a CancelRequest, until it is carried out */
    CLIENT_CLOSING, /* the stream is closing */
};
struct client {
    struct worker *worker;
    struct stream *stream;
    struct worker_pool *pool; /* from login on */
    struct session session;
    struct list link;
    struct buf held;         /* input not consumed yet */
    struct login *login;     /* while logging in */
    struct waiting *waiting; /* while queued */
    struct ending *ending;   /* while its last answers are awaited */
    const char *user;        /* interned, or the login's while that lasts; may differ from the pool's */
    usec connected_at, request_at;
    usec answered_at; /* the latest answers from its backend */
    uint32_t slot;
    uint32_t serial; /* tells a slot's clients apart */
    uint8_t key[CLIENT_KEY_SIZE];
    uint8_t key_len;
    uint8_t state;       /* enum client_state */
    bool reading_paused; /* too much held, or its backend does not keep up */
    bool counted;        /* by the broker */
};

/* A client's place in a queue. */
struct waiting {
    struct ticket ticket;
    struct list link; /* worker_pool.waiting */
    struct timer timer;
    struct client *client;
    bool notified;
};

/* ---- backends ---- */
enum backend_phase {
    BACKEND_CONNECTING, /* name lookup, connect */
    BACKEND_LOGIN,
    BACKEND_IDLE,
    BACKEND_LINKED,
    BACKEND_HIDDEN,    /* busy with a query of ours: reset, rollback, connect_query */
    BACKEND_CANCELLED, /* free, but a cancel is on its way to it */
    BACKEND_MOVING,    /* leaving for another worker */
    BACKEND_CLOSING,
};
struct backend {
    struct worker *worker;
    struct stream *stream; /* NULL before connect and while moving */
    struct worker_pool *pool;
    struct client *client; /* LINKED */
    struct backend_state state;
    struct pool_member member;
    struct list link;    /* worker_pool.backends */
    struct list freed;   /* worker.freed */
    struct list cancels; /* struct cancel on their way to it */
    struct timer timer;  /* connect and login */
    struct buf held;
    struct auth_login *login;
    struct broker_pool *moving_to; /* MOVING: the pool, which the other worker knows too */
    struct job job;                /* the login's slow part */
    struct buf login_params;       /* ParameterStatus messages as they came */
    struct address address;
    usec connected_at, request_at;
    uint64_t id;
    uint32_t pid;
    uint32_t key_len;
    uint8_t key[PROTO_CANCEL_KEY_MAX];
    uint8_t phase;    /* enum backend_phase */
    bool live;        /* the broker knows it as connected */
    bool arrived;     /* in worker.freed: from another worker */
    bool needs_reset; /* server_reset_query comes behind the hidden query under way */
    bool resetting;   /* the hidden query under way is server_reset_query */
    bool signalled;   /* a cancel has been sent during the hidden query under way, and may hit the next one */
    bool lost;        /* its end was seen, or it is not to be trusted: close, do not talk to it */
    bool reading_paused;
    bool working;   /* a job is under way: memory must stay */
    bool resolving; /* a name lookup likewise */
    bool authenticated;
};

/* ---- the thread ---- */
struct worker {
    int id;
    struct workers *all;
    struct loop *loop;
    pthread_t thread;
    bool has_thread;
    const struct config *config;
    struct store store;
    struct list databases, pools, clients;
    struct client **slots; /* a cancel pid names one */
    uint32_t *free_slots;
    uint32_t slot_count, slot_size, free_slot_count;
    struct table strings; /* interned user names; owned */
    struct list buried;   /* clients to be freed at the next tick */
    struct list freed;    /* backends to be handed on, see link_backend_free */
    struct list cancels;  /* under way to nodes */
    bool freeing;
    bool stopping;        /* everything is closed; what still arrives only frees its memory */
    const char *refusing; /* new logins are refused with this text, or NULL */
    char *read_buf;       /* READ_SIZE; lent to whoever reads now */
    struct out to_client, to_backend;
    struct buf scratch;
    struct startup *startup; /* scratch of login */
    struct timer tick;
    int login_clients;
    struct login *spare_login;
    uint64_t next_id;
    atomic_int client_count; /* read by control for choosing a worker */
};

struct workers {
    int count;
    struct workers_setup setup;
    struct broker *broker;
    struct auth_scram_cache *scram_cache;
    uint8_t mock_key[32];
    struct worker *list[WORKERS_MAX];
    pthread_mutex_t keys_lock;
    struct list keys; /* struct shared_keys */
    atomic_uint console_serial;
    atomic_int login_clients; /* of all workers */
    atomic_int unsettled;     /* while stopping: workers that may still post to others */
    int next;
    struct resolver *resolver; /* control's */
};

static inline struct backend *backend_of(struct backend_state *state)
{
    return LIST_ENTRY(state, struct backend, state);
}
static inline const struct config_user *pool_config_user(const struct worker_pool *pool)
{
    return config_find_user(pool->worker->config, pool->user);
}

/* ---- database.c ---- */
/* Finds or makes; NULL when the configuration has no such entry. */
struct database *database_get(struct worker *worker, const char *name);
struct worker_pool *pool_get(struct worker *worker, struct database *database, const char *user);
struct worker_pool *pool_of_shared(struct worker *worker, struct broker_pool *shared); /* finds or makes; or NULL */
void pool_learn_welcome(struct worker_pool *pool, bool even_in_doubt); /* from the broker, unless known */
void pool_doubt_welcome(struct worker_pool *pool);                     /* its servers may be others now */
void worker_swap_config(struct worker *worker, const struct config *config);
void databases_free(struct worker *worker);
const char *worker_string(struct worker *worker, const char *text); /* interned for the worker's life */

/* ---- login.c ---- */
void client_accepted(struct worker *worker, int fd);
void login_readable(struct client *client);
void login_free(struct client *client);
/* A backend is there for a client that waits for its welcome, which needs it no longer than that. */
void login_welcome(struct client *client);

/* ---- client.c ---- */
struct client *client_new(struct worker *worker);
void client_log(const struct client *client, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says goodbye with a FATAL error, logs it, closes. */
void client_fatal(struct client *client, enum close_reason reason);
/* The same in words from elsewhere: they stand for the %s of the row. @sqlstate  NULL: the row's */
void client_fatal_words(struct client *client, enum close_reason reason, const char *sqlstate, const char *words);
void client_close(struct client *client, enum close_reason reason); /* without a word to the client */
void client_bury(struct client *client); /* its stream has gone elsewhere: freed at the next tick */
struct client *client_by_slot(struct worker *worker, uint32_t slot);
uint32_t client_cancel_pid(const struct client *client);

/* ---- relay.c ---- */
extern const struct stream_events client_events, backend_events;
void relay_feed(struct client *client); /* what is held, after something has changed */
void relay_flush_client(struct client *client);
void relay_flush_backend(struct backend *backend);
void relay_ending_free(struct client *client);
void relay_parted(struct client *client, struct backend *backend); /* neither holds the other's reading back now */
void relay_backend_bytes(struct backend *backend);                 /* LINKED and HIDDEN: one turn of reading */

/* ---- link.c ---- */
/* Links a backend now (true), or queues the client, or ends it (then its state is CLIENT_CLOSING). */
bool link_want(struct client *client);
void link_release(struct backend *backend);         /* the verdict said so */
void link_farewell(struct client *client);          /* the client goes: what becomes of its backend */
void link_backend_free(struct backend *backend);    /* clean and linked to nobody: whoever may have it */
void link_backend_arrived(struct backend *backend); /* the same, for one that another worker gave */
/*
 * Around a walk over clients that ends some of them: without it the backend of one would serve another, who may end
 * at that and be the walk's next.
 */
void link_hold_freed(struct worker *worker);
void link_hand_on_freed(struct worker *worker);
void link_withdraw(struct client *client);       /* leaves the queue, if it is in one */
void link_cancel_waiting(struct client *client); /* one that queues for its query */
void link_orders(struct worker *worker, const struct broker_orders *orders);
void link_kick_waiting(struct worker *worker, struct broker_pool *shared, const char *sqlstate, const char *text);

/* ---- backend.c ---- */
void backend_close(struct backend *backend, enum close_reason reason);
void backend_close_words(struct backend *backend, enum close_reason reason, const char *words);
void backend_drop(struct backend *backend); /* whatever it is doing: the process ends */
void backend_hidden_query(struct backend *backend, const char *sql);
void backend_reset(struct backend *backend); /* server_reset_query, which is not empty */
void backend_hidden_done(struct backend *backend);
void backend_move(struct backend *backend, struct worker *to);
void backend_readable(void *owner);
void backend_log(const struct backend *backend, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Out of its worker's books; the memory stays until the stream, a name lookup and a job have let go of it. */
void backend_leave(struct backend *backend);
void backend_free(struct backend *backend);

/* ---- backend_login.c ---- */
void backend_open(struct worker_pool *pool); /* the broker has counted the slot */
void backend_opened(void *owner, int err);
void backend_login_readable(struct backend *backend);
struct stream_options stream_options_of(const struct config *config); /* the tcp_* keys */

/* ---- credentials.c ---- */
void shared_keys_put(struct workers *all, struct broker_pool *pool, const struct scram_keys *keys);
bool shared_keys_get(struct workers *all, struct broker_pool *pool, struct scram_keys *out);
void shared_keys_free(struct workers *all);

/* ---- cancel.c ---- */
void cancel_requested(struct client *origin, uint32_t pid, struct slice key); /* a CancelRequest came in */
void cancel_running(struct backend *backend);                                 /* on our own account: nobody is told */
void cancel_forget_backend(struct backend *backend);
void cancel_drop_all(struct worker *worker);

/* ---- workers.c ---- */
void console_cancel_post(struct workers *all, uint32_t pid, struct slice key);

/* ---- views.c ---- */
void worker_answer(struct worker *worker, struct ask_part *part, const struct ask *ask);

/* ---- resolve.c ---- */
struct resolver *resolver_new(struct loop *control);
void resolver_stop(struct resolver *resolver); /* whoever asked and asks still is told that there is nothing */
void resolver_free(struct resolver *resolver);
/* Looks the name up on control, caching for ttl; done on the worker's thread. */
void resolver_ask(struct worker *worker, const char *host, int port, usec ttl,
                  void (*done)(void *owner, const struct resolved *result), void *owner);

/* ---- tick.c ---- */
void worker_tick(struct timer *timer);

#endif
