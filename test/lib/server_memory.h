/*
 * server_memory - PostgreSQL at an address of net_memory: logins, cancel requests, and a server_model behind each
 * connection.
 *
 * Connections are numbered as they say what they are: backends[0] was the first that sent a startup message, cancels[0]
 * the first that sent a CancelRequest. Backends answer at once unless a test makes them hold.
 */
#ifndef TEST_SERVER_MEMORY_H
#define TEST_SERVER_MEMORY_H

#include "net_memory.h"
#include "pgpooler/auth.h"
#include "server_model.h"

enum { SERVER_CONNECTIONS = 64, SERVER_PID = 1001 }; /* process id of the first backend; the key is the same number */

struct server_connection {
    struct server_memory *server;
    struct memory_peer *peer; /* NULL: either side has closed */
    struct server_model model;
    struct auth_check *check; /* while it proves who it is */
    struct buf in;            /* startup and password messages, not whole yet */
    struct buf got;           /* all bytes since the login that no test has looked at */
    struct buf unanswered;    /* what came while it holds */
    struct buf unsent;        /* the rest of what a test says for it */
    uint32_t pid;             /* its own; of a cancel: whom it is meant for */
    uint32_t cancel_key;
    bool started, in_service, holds, is_silent;
    char user[64], database[64];
};
struct server_memory {
    struct address at;
    enum auth_check_method method;
    const char *secret;          /* of every user */
    char sqlstate[6], error[64]; /* not empty: every login is refused so, once it knows who comes */
    const char *version;         /* server_version as it reports it */
    size_t packet;               /* what it sends comes in packets of this size; 0: as written */
    bool is_mute;                /* new connections get no answer to their startup message */
    struct server_connection *all[SERVER_CONNECTIONS], *backends[SERVER_CONNECTIONS], *cancels[SERVER_CONNECTIONS];
    int count, backend_count, cancel_count;
};

void server_memory_open(struct server_memory *server, const char *host, int port);
void server_memory_deinit(struct server_memory *server);
void server_memory_serve(struct server_memory *server); /* again, behind net_memory_fail */
/* What it held back is answered, and so is the rest. */
void server_memory_answer(struct server_connection *connection);
void server_memory_read_on(struct server_connection *connection); /* ends is_silent */
void server_memory_leave(struct server_connection *connection, bool with_reset);

#endif
