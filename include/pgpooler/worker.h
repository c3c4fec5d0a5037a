/*
 * worker - the threads that carry the traffic, and how control talks to them.
 *
 * Joins net, session, pool and auth: feeds bytes, asks for backends, does what the pure modules answer. Holds no
 * policy of its own. Everything here is called on the control thread; what crosses to a worker is a message.
 *
 *   control                                  worker 1..N
 *     workers_accept(fd)  ---- message ---->   login, relay, ...
 *     workers_ask(...)    ---- message ---->   part filled in
 *     ask->done(ask)      <--- message ----
 *     console_arrived()   <--- message ----    a client that logged in to pgbouncer/pgpooler, moved here with its
 *                                              stream
 */
#ifndef PGPOOLER_WORKER_H
#define PGPOOLER_WORKER_H

#include "pgpooler/config.h"
#include "pgpooler/net.h"
#include "pgpooler/pool.h"
#include "pgpooler/stats.h"

struct workers;

/* ---- consoles: clients of database pgbouncer or pgpooler, authenticated, AuthenticationOk not sent yet ---- */
enum console_right { CONSOLE_NOBODY, CONSOLE_STATS, CONSOLE_ADMIN };
struct console_client {
    struct stream *stream; /* on the control loop; takes */
    enum console_right right;
    char *user, *database, *application_name; /* owned; application_name may be NULL */
    struct buf unread;                        /* bytes behind the login that the worker had read already; owned */
    usec connected_wall;
    uint32_t cancel_pid;
    uint8_t cancel_key[8];
    size_t cancel_key_len; /* 4 for protocol 3.0 */
};

struct workers_setup {
    int count;
    struct loop *control;
    const struct config *config;
    /* Takes the console; on the control thread. Moved connections only, so `owner` outlives the workers. */
    void (*console_arrived)(void *owner, struct console_client *console);
    /* A CancelRequest for a console (cancel_pid of one that was handed over): control compares the key. */
    void (*console_cancelled)(void *owner, uint32_t pid, const uint8_t *key, size_t key_len);
    void *owner;
};
struct workers *workers_start(const struct workers_setup *setup);
/* The same without threads: their loops are turned by whoever turns that of control. */
struct workers *workers_new(const struct workers_setup *setup);
/* Closes everything at once, and joins the threads; control's loop is turned until all that they posted is dealt with.
 */
void workers_stop(struct workers *workers);
int workers_count(const struct workers *workers);
struct broker *workers_broker(struct workers *workers);

/* Hands the descriptor to the least loaded worker. Takes. */
void workers_accept(struct workers *workers, int fd);

/*
 * Gives every worker the new configuration; done(owner) on the control thread when the last one has swapped: nobody
 * uses the former any more. One at a time.
 */
void workers_set_config(struct workers *workers, const struct config *config, void (*done)(void *owner), void *owner);

/* ---- asks: one question to every worker ---- */
enum ask_kind {
    ASK_SOCKETS, /* sockets[] of clients and backends */
    ASK_POOLS,   /* pools[] */
    ASK_STATS,   /* databases[] */
    ASK_PAUSE,   /* hand nothing out and close idle backends of `name` (NULL: all) */
    ASK_RESUME,
    ASK_RECONNECT,    /* backends of `name` are closed when they are released */
    ASK_DROP_WAITING, /* clients that wait for a backend get FATAL `text` */
    ASK_KILL,         /* clients and backends of `name` are dropped at once: FATAL "database removed" */
    ASK_KILL_CLIENT,  /* the client with id `id`: FATAL "admin forced disconnect" */
    ASK_CLIENTS_ONLY, /* refuse new logins: FATAL `text` (shutting down); NULL text: accept again */
};

/* A client or a backend, for SHOW CLIENTS, SERVERS, SOCKETS. Text lives in the part's arena. */
struct socket_view {
    char type; /* 'C' or 'S' */
    const char *user, *database, *state, *application_name;
    struct address peer, self;
    usec connected_wall, request_wall;
    usec wait; /* 0 when not waiting */
    bool close_needed;
    const void *ptr, *link; /* identity for the ptr and link columns; link NULL: none */
    uint32_t remote_pid;
    int prepared_statements;
    uint64_t id;
    size_t received_held, send_pending; /* bytes in our buffers */
};
struct pool_view {
    const char *database, *user; /* user: of the server side */
    enum pool_mode mode;
    int target;
    int cl_active, cl_waiting, cl_active_cancel, cl_waiting_cancel;
    int sv_active, sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested, sv_login;
    usec oldest_wait; /* 0: nobody waits */
};
struct database_view {
    const char *name;
    struct stats totals;
};
struct ask_part {
    bool answered;
    struct arena arena;
    struct socket_view *sockets;
    struct pool_view *pools;
    struct database_view *databases;
    int socket_count, pool_count, database_count;
    int affected; /* ASK_KILL_CLIENT and the like: how many */
    /* of the whole worker, with every ask */
    int clients, login_clients, backends_idle, backends_used;
};
struct ask {
    enum ask_kind kind;
    const char *name, *text; /* copied by workers_ask */
    uint64_t id;
    void (*done)(struct ask *ask, void *owner);
    void *owner;
    int part_count;
    struct ask_part parts[WORKERS_MAX];
};
/*
 * done() is called on the control thread when every worker has answered, or after a second without those that have
 * not (named in the log). The ask and its parts are freed when done() returns.
 */
void workers_ask(struct workers *workers, enum ask_kind kind, const char *name, const char *text, uint64_t id,
                 void (*done)(struct ask *ask, void *owner), void *owner);

#endif
