#include "pooler_memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- configuration ---- */

/* PBKDF2 of `secret` with 16 rounds and the salt 0123456789abcdef, as a server would store it */
#define CAROLS_SECRET                                                                                                  \
    "SCRAM-SHA-256$16:MDEyMzQ1Njc4OWFiY2RlZg==$Trcp6EXMyr0UaMhuCBKNoXQ9clQz2ncOIk2DS7NZ1Lo=:"                          \
    "wCklwnymlpNkSnoWmTljjoukFtoG+GW6h4NYa4t0Pzk="

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static struct config *load(const char *databases, const char *settings)
{
    char directory[] = "/tmp/pgpooler-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    char *users = mem_printf("%s/users", directory), *path = mem_printf("%s/ini", directory);
    if (databases == NULL)
        databases = "app = host=127.0.0.1\nother = host=127.0.0.1\n";
    char *text = mem_printf("[databases]\n%s\n[pgbouncer]\nauth_file = %s\nauth_type = trust\npool_mode = transaction\n"
                            "server_tls_sslmode = disable\n%s\n",
                            databases, users, settings == NULL ? "" : settings);
    write_file(users, "\"alice\" \"secret\"\n\"bob\" \"secret\"\n\"carol\" \"" CAROLS_SECRET "\"\n");
    write_file(path, text);
    struct buf errors = {0}, warnings = {0};
    struct config *config = config_load(path, &errors, &warnings);
    ck_assert_msg(config != NULL, "%s\ndoes not load: %s", text, buf_text(&errors));
    unlink(path);
    unlink(users);
    rmdir(directory);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    mem_free(text);
    mem_free(users);
    mem_free(path);
    return config;
}

/* ---- the pooler ---- */
static void keep_quiet(enum log_level level, const char *message)
{
    (void)level;
    (void)message;
}

static void console_arrived(void *owner, struct console_client *console)
{
    struct pooler *pooler = owner;
    pooler->consoles++;
    stream_close(console->stream, NULL);
    mem_free(console->user);
    mem_free(console->database);
    mem_free(console->application_name);
    buf_deinit(&console->unread);
    mem_free(console);
}

static void console_cancelled(void *owner, uint32_t pid, const uint8_t *key, size_t key_len)
{
    (void)owner;
    (void)pid;
    (void)key;
    (void)key_len;
}

void pooler_open(struct pooler *pooler, const char *databases, const char *settings, int workers)
{
    *pooler = (struct pooler){.config = load(databases, settings)};
    if (getenv("PGPOOLER_TEST_LOG") == NULL)
        log_set_sink(keep_quiet);
    for (int i = 0; i < POOLER_CLIENTS; i++)
        pooler->clients[i].pooler = pooler;
    server_memory_open(&pooler->server, "127.0.0.1", 5432);
    pooler->control = loop_new();
    struct workers_setup setup = {
        .count = workers,
        .control = pooler->control,
        .config = pooler->config,
        .console_arrived = console_arrived,
        .console_cancelled = console_cancelled,
        .owner = pooler,
    };
    pooler->workers = workers_new(&setup);
    net_memory_run();
}

static void client_deinit(struct pooler_client *client)
{
    auth_login_free(client->auth);
    buf_deinit(&client->welcome);
    buf_deinit(&client->in);
    buf_deinit(&client->unsent);
}

void pooler_close(struct pooler *pooler)
{
    for (int i = 0; i < POOLER_CLIENTS; i++)
        if (pooler->clients[i].peer != NULL)
            peer_on_arrival(pooler->clients[i].peer, NULL, NULL);
    workers_stop(pooler->workers);
    loop_free(pooler->control);
    ck_assert_uint_eq(net_memory_open_streams(), 0);
    net_memory_reset();
    for (int i = 0; i < POOLER_CLIENTS; i++)
        client_deinit(&pooler->clients[i]);
    server_memory_deinit(&pooler->server);
    config_free(pooler->config);
}

static void answered(void *owner)
{
    ((struct pooler *)owner)->answered++;
}

void pooler_reload(struct pooler *pooler, const char *databases, const char *settings)
{
    struct config *former = pooler->config;
    pooler->config = load(databases, settings);
    pooler->answered = 0;
    workers_set_config(pooler->workers, pooler->config, answered, pooler);
    net_memory_run();
    ck_assert_int_eq(pooler->answered, 1);
    config_free(former);
}

static void add_up(struct ask *ask, void *owner)
{
    struct pooler *pooler = owner;
    struct pooler_sums *sums = &pooler->sums;
    pooler->answered++;
    for (int i = 0; i < ask->part_count; i++) {
        const struct ask_part *part = &ask->parts[i];
        ck_assert(part->answered);
        sums->clients += part->clients;
        sums->login_clients += part->login_clients;
        sums->idle += part->backends_idle;
        sums->used += part->backends_used;
        sums->affected += part->affected;
        for (int d = 0; d < part->database_count; d++)
            stats_add(&sums->stats, &part->databases[d].totals);
        for (int d = 0; d < part->pool_count; d++)
            sums->waiting += part->pools[d].cl_waiting;
    }
}

const struct pooler_sums *pooler_ask(struct pooler *pooler, enum ask_kind kind, const char *name, const char *text)
{
    pooler->answered = 0;
    pooler->sums = (struct pooler_sums){0};
    workers_ask(pooler->workers, kind, name, text, 0, add_up, pooler);
    net_memory_run();
    ck_assert_int_eq(pooler->answered, 1);
    return &pooler->sums;
}

/* ---- clients ---- */
static void on_authentication(struct pooler_client *client, const char *body, size_t len)
{
    struct buf out = {0};
    if (auth_login_step(client->auth, body, len, &out) == AUTH_OFFLOAD) {
        auth_login_work(client->auth);
        auth_login_resume(client->auth, &out);
    }
    client_send(client, out.data, out.len);
    buf_deinit(&out);
}

/* Up to the first ReadyForQuery; an error stays to be looked at. */
static void take_welcome(struct pooler_client *client)
{
    struct buf *in = &client->in;
    struct proto_header h;
    while (!client->is_in && client->auth != NULL && proto_backend_header(in->data, in->len, &h) == 0 &&
           h.len <= in->len && h.type != 'E') {
        const char *body = in->data + PROTO_HEADER;
        if (h.type == 'R')
            on_authentication(client, body, h.len - PROTO_HEADER);
        else
            buf_append(&client->welcome, in->data, h.len);
        if (h.type == 'K') {
            client->pid = read_u32(body);
            client->key_len = h.len - PROTO_HEADER - 4;
            ck_assert_uint_le(client->key_len, sizeof client->key);
            memcpy(client->key, body + 4, client->key_len);
        }
        client->is_in = h.type == 'Z';
        buf_consume(in, h.len);
    }
}

static void arrived(void *context, struct memory_peer *peer)
{
    struct pooler_client *client = context;
    char bytes[4096];
    if (client->is_deaf)
        return;
    for (size_t n; (n = peer_receive(peer, bytes, sizeof bytes)) > 0;)
        buf_append(&client->in, bytes, n);
    if (!client->is_raw)
        take_welcome(client);
    client->is_closed = peer_is_closed(peer);
}

static void accept_client(void *owner, int fd)
{
    struct pooler_client *client = owner;
    workers_accept(client->pooler->workers, fd);
}

void client_connect(struct pooler_client *client)
{
    ck_assert_ptr_null(client->peer);
    client_deinit(client);
    *client = (struct pooler_client){.pooler = client->pooler};
    client->peer = net_memory_client(NULL, accept_client, client);
    peer_set_packet(client->peer, client->pooler->packet);
    peer_on_arrival(client->peer, arrived, client);
}

void client_send(struct pooler_client *client, const void *bytes, size_t len)
{
    if (len > 0)
        peer_send(client->peer, bytes, len);
}

void client_answers(struct pooler_client *client, const char *user, const char *password)
{
    struct auth_credentials credentials = {.secret = password};
    client->auth = auth_login_new(user, &credentials);
}

void client_start(struct pooler_client *client, uint32_t version, const struct startup_param *params, int count,
                  const char *password)
{
    const char *user = "";
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, "user") == 0)
            user = params[i].value;
    client_answers(client, user, password);
    struct buf msg = {0};
    proto_startup_message(&msg, version, params, count);
    client_send(client, msg.data, msg.len);
    buf_deinit(&msg);
    net_memory_run();
}

void client_leave(struct pooler_client *client, bool with_reset)
{
    struct memory_peer *peer = client->peer;
    client->peer = NULL;
    if (with_reset)
        peer_reset(peer);
    else
        peer_close(peer);
}

void client_stop_reading(struct pooler_client *client, size_t window)
{
    client->is_deaf = true;
    peer_set_window(client->peer, window);
}

void client_read_on(struct pooler_client *client)
{
    client->is_deaf = false;
    peer_set_window(client->peer, SIZE_MAX);
    arrived(client, client->peer);
}

static void cancel_arrived(void *context, struct memory_peer *peer)
{
    struct pooler *pooler = context;
    ck_assert_uint_eq(peer_received(peer).len, 0);
    if (!peer_is_ended(peer))
        return;
    pooler->cancels--;
    peer_close(peer);
}

void client_cancel(struct pooler_client *client, bool with_wrong_key)
{
    struct memory_peer *peer = net_memory_client(NULL, accept_client, client);
    uint8_t key[PROTO_CANCEL_KEY_MAX];
    memcpy(key, client->key, sizeof key);
    if (with_wrong_key)
        key[0] = (uint8_t)~key[0];
    struct buf msg = {0};
    proto_cancel_request(&msg, client->pid, key, client->key_len);
    peer_set_packet(peer, client->pooler->packet);
    peer_on_arrival(peer, cancel_arrived, client->pooler);
    peer_send(peer, msg.data, msg.len);
    buf_deinit(&msg);
    client->pooler->cancels++;
}
