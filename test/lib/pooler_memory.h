/*
 * pooler_memory - a whole pgpooler on the net in memory, with clients before it and a server behind it.
 *
 * Control and all workers turn in the test's thread, and time stands still until the test moves it. Clients are spread
 * over the workers in the order in which they connect: the first goes to worker 0, the second to worker 1 ...
 * Users alice, bob and carol exist, with the password `secret`; carol's is stored as a SCRAM secret.
 */
#ifndef TEST_POOLER_MEMORY_H
#define TEST_POOLER_MEMORY_H

#include "net_memory.h"
#include "pgpooler/auth.h"
#include "pgpooler/worker.h"
#include "server_memory.h"

enum { POOLER_CLIENTS = 64 };

struct pooler_client {
    struct pooler *pooler;
    struct memory_peer *peer; /* NULL: not connected, or closed by the client */
    struct auth_login *auth;
    struct buf welcome; /* what came before the first ReadyForQuery, but for the exchange of authentication */
    struct buf in;      /* what came since and no test has looked at */
    struct buf unsent;
    uint32_t pid;
    size_t key_len;
    uint8_t key[PROTO_CANCEL_KEY_MAX];
    bool is_raw; /* nothing is taken out of what arrives */
    bool is_deaf, is_in, is_closed;
};
struct pooler_sums {
    int clients, login_clients, idle, used, affected, waiting;
    struct stats stats;
};
struct pooler {
    struct loop *control;
    struct config *config;
    struct workers *workers;
    struct server_memory server; /* 127.0.0.1:5432 */
    struct pooler_client clients[POOLER_CLIENTS];
    struct pooler_sums sums; /* of the latest ask */
    size_t packet;           /* what clients send arrives in packets of this size; 0: as written */
    int consoles, answered;
    int cancels; /* of clients, whose connections are still open */
};

/*
 * @databases  lines of that section; NULL: `app` and `other` on the server
 * @settings   lines of [pgbouncer]: transaction pooling and trust, unless they say otherwise
 */
void pooler_open(struct pooler *pooler, const char *databases, const char *settings, int workers);
void pooler_close(struct pooler *pooler); /* nothing may be left open */
void pooler_reload(struct pooler *pooler, const char *databases, const char *settings);
/* Asks all workers and adds up what they answer. */
const struct pooler_sums *pooler_ask(struct pooler *pooler, enum ask_kind kind, const char *name, const char *text);

void client_connect(struct pooler_client *client);
void client_send(struct pooler_client *client, const void *bytes, size_t len);
/* From now on it answers what authentication asks for. */
void client_answers(struct pooler_client *client, const char *user, const char *password);
/* The same, and sends the startup message. */
void client_start(struct pooler_client *client, uint32_t version, const struct startup_param *params, int count,
                  const char *password);
void client_leave(struct pooler_client *client, bool with_reset);
void client_stop_reading(struct pooler_client *client, size_t window);
void client_read_on(struct pooler_client *client);
/* Over a connection of its own, which the pooler closes when it is done. */
void client_cancel(struct pooler_client *client, bool with_wrong_key);

#endif
