/* A connection's life: startup family, authentication as an auth_check, then the model. */
#include "server_memory.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void send_buf(struct server_connection *connection, struct buf *msg)
{
    if (connection->peer != NULL && msg->len > 0)
        peer_send(connection->peer, msg->data, msg->len);
    buf_deinit(msg);
}

void server_memory_leave(struct server_connection *connection, bool with_reset)
{
    if (connection->peer == NULL)
        return;
    struct memory_peer *peer = connection->peer;
    connection->peer = NULL;
    if (with_reset)
        peer_reset(peer);
    else
        peer_close(peer);
}

/* ---- login ---- */
static void refuse(struct server_connection *connection, const char *sqlstate, const char *text)
{
    struct buf msg = {0};
    proto_fatal(&msg, sqlstate, text);
    send_buf(connection, &msg);
    server_memory_leave(connection, false);
}

static void welcome(struct server_connection *connection)
{
    const char *const reported[][2] = {
        {"application_name", ""},
        {"client_encoding", "UTF8"},
        {"DateStyle", model_defaults[0]},
        {"integer_datetimes", "on"},
        {"IntervalStyle", "postgres"},
        {"server_version", connection->server->version},
        {"standard_conforming_strings", "on"},
        {"TimeZone", model_defaults[1]},
    };
    struct buf msg = {0};
    uint8_t key[4];
    write_u32(key, connection->pid);
    proto_auth(&msg, 0, NULL, 0);
    for (size_t i = 0; i < sizeof reported / sizeof *reported; i++)
        proto_parameter_status(&msg, reported[i][0], reported[i][1]);
    proto_backend_key(&msg, connection->pid, key, sizeof key);
    proto_ready(&msg, 'I');
    send_buf(connection, &msg);
    connection->in_service = true;
}

static void authenticated(struct server_connection *connection, enum auth_answer answer, struct buf *out)
{
    struct server_memory *server = connection->server;
    if (answer == AUTH_OFFLOAD) {
        auth_check_work(connection->check);
        answer = auth_check_resume(connection->check, out);
    }
    send_buf(connection, out);
    if (answer == AUTH_REFUSED)
        refuse(connection, "28P01", "password authentication failed for user");
    else if (answer == AUTH_GRANTED && server->sqlstate[0] != '\0')
        refuse(connection, server->sqlstate, server->error);
    else if (answer == AUTH_GRANTED)
        welcome(connection);
}

static void on_startup(struct server_connection *connection, const struct startup *s)
{
    struct server_memory *server = connection->server;
    if (s->kind == STARTUP_CANCEL) {
        connection->pid = s->cancel_pid;
        connection->cancel_key = s->cancel_key.len == 4 ? read_u32(s->cancel_key.ptr) : 0;
        server->cancels[server->cancel_count++] = connection;
        return;
    }
    ck_assert_int_eq(s->kind, STARTUP_MESSAGE);
    snprintf(connection->user, sizeof connection->user, "%s", startup_param(s, "user"));
    snprintf(connection->database, sizeof connection->database, "%s", startup_param(s, "database"));
    connection->pid = SERVER_PID + (uint32_t)server->backend_count;
    server->backends[server->backend_count++] = connection;
    if (server->is_mute)
        return;
    struct auth_policy policy = {.scram_iterations = 16};
    connection->check = auth_check_new(server->method, connection->user, server->secret, &policy);
    struct buf out = {0};
    authenticated(connection, auth_check_start(connection->check, &out), &out);
}

static void login_bytes(struct server_connection *connection)
{
    static struct startup s;
    struct buf *in = &connection->in;
    const char *why;
    if (!connection->started) {
        if (proto_startup_parse(in->data, in->len, &s, &why) != 0)
            return;
        connection->started = true;
        struct buf packet = *in;
        *in = (struct buf){0};
        buf_append(in, packet.data + s.len, packet.len - s.len);
        on_startup(connection, &s);
        buf_deinit(&packet);
        return;
    }
    struct proto_header h;
    if (connection->check == NULL || proto_frontend_header(in->data, in->len, PROTO_AUTH_MAX, &h) != 0 ||
        h.len > in->len)
        return;
    struct buf out = {0};
    enum auth_answer answer = auth_check_step(connection->check, in->data + PROTO_HEADER, h.len - PROTO_HEADER, &out);
    buf_consume(in, h.len);
    authenticated(connection, answer, &out);
}

/* ---- in service ---- */

/* Ours are written in capitals, the model's language is not. */
static void speak_its_language(struct buf *bytes)
{
    static const char *const ours[] = {"ROLLBACK", "DISCARD ALL"};
    struct proto_header h;
    for (size_t at = 0; proto_backend_header(bytes->data + at, bytes->len - at, &h) == 0 && h.len <= bytes->len - at;
         at += h.len)
        for (int i = 0; i < 2; i++)
            if (h.type == 'Q' && h.len == PROTO_HEADER + strlen(ours[i]) + 1 &&
                memcmp(bytes->data + at + PROTO_HEADER, ours[i], strlen(ours[i])) == 0)
                for (size_t c = at + PROTO_HEADER; c < at + h.len - 1; c++)
                    bytes->data[c] = (char)(bytes->data[c] | ' ');
}

static void serve(struct server_connection *connection)
{
    struct server_model *model = &connection->model;
    struct buf *bytes = &connection->unanswered;
    if (bytes->len == 0)
        return;
    speak_its_language(bytes);
    server_model_bytes(model, bytes->data, bytes->len);
    bytes->len = 0;
    if (model->flushed > 0)
        peer_send(connection->peer, model->out.data, model->flushed);
    buf_consume(&model->out, model->flushed);
    model->flushed = 0;
    if (model->dead)
        server_memory_leave(connection, false);
}

void server_memory_answer(struct server_connection *connection)
{
    connection->holds = false;
    if (connection->peer != NULL)
        serve(connection);
}

static void arrived(void *context, struct memory_peer *peer)
{
    struct server_connection *connection = context;
    char bytes[4096];
    for (size_t n; !connection->is_silent && (n = peer_receive(peer, bytes, sizeof bytes)) > 0;) {
        if (connection->in_service) {
            buf_append(&connection->got, bytes, n);
            buf_append(&connection->unanswered, bytes, n);
            if (!connection->holds)
                serve(connection);
        } else {
            buf_append(&connection->in, bytes, n);
            login_bytes(connection);
        }
        if (connection->peer == NULL)
            return;
    }
    if (peer_is_ended(peer))
        server_memory_leave(connection, false);
}

void server_memory_read_on(struct server_connection *connection)
{
    connection->is_silent = false;
    arrived(connection, connection->peer);
}

static void accepted(void *context, struct memory_peer *peer)
{
    struct server_memory *server = context;
    ck_assert_int_lt(server->count, SERVER_CONNECTIONS);
    struct server_connection *connection = mem_zalloc(sizeof *connection);
    connection->server = server;
    connection->peer = peer;
    server_model_init(&connection->model);
    server->all[server->count++] = connection;
    peer_set_packet(peer, server->packet);
    peer_on_arrival(peer, arrived, connection);
}

void server_memory_serve(struct server_memory *server)
{
    net_memory_serve(&server->at, accepted, server);
}

void server_memory_open(struct server_memory *server, const char *host, int port)
{
    *server = (struct server_memory){.method = AUTH_CHECK_TRUST, .secret = "", .version = "15.20"};
    int rc = address_parse(host, port, &server->at);
    ck_assert_int_eq(rc, 0);
    server_memory_serve(server);
}

void server_memory_deinit(struct server_memory *server)
{
    for (int i = 0; i < server->count; i++) {
        struct server_connection *connection = server->all[i];
        server_model_deinit(&connection->model);
        auth_check_free(connection->check);
        buf_deinit(&connection->in);
        buf_deinit(&connection->got);
        buf_deinit(&connection->unanswered);
        buf_deinit(&connection->unsent);
        mem_free(connection);
    }
    server->count = 0;
}
