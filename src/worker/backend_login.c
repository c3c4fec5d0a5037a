/* A backend on its way into service: name lookup, connect, authentication, and what goes wrong on the way. */
#include "worker/types.h"

#include <errno.h>
#include <stdio.h>

/* ---- what goes wrong before it is live ---- */
struct kick_message {
    struct message message;
    struct worker *worker;
    struct broker_pool *shared;
    char sqlstate[6];
    char text[256];
};

static void kick_arrived(struct message *message)
{
    struct kick_message *m = LIST_ENTRY(message, struct kick_message, message);
    link_kick_waiting(m->worker, m->shared, m->sqlstate, m->text);
    mem_free(m);
}

/* Nobody who waits will fare better: they hear what the server said. */
static void kick_waiting(struct backend *backend, const char *sqlstate, const char *text)
{
    struct workers *all = backend->worker->all;
    for (int i = 0; i < all->count; i++) {
        struct kick_message *m = mem_zalloc(sizeof *m);
        m->message.run = kick_arrived;
        m->worker = all->list[i];
        m->shared = backend->pool->idle.shared;
        snprintf(m->sqlstate, sizeof m->sqlstate, "%s", sqlstate);
        snprintf(m->text, sizeof m->text, "%s", text);
        loop_post(m->worker->loop, &m->message);
    }
}

static void backend_failed(struct backend *backend, const char *failure)
{
    if (backend->phase == BACKEND_CLOSING)
        return;
    assert(!backend->live);
    struct worker *worker = backend->worker;
    struct worker_pool *pool = backend->pool;
    backend_log(backend, LOG_LEVEL_WARNING, "server login failed: %s", failure);
    pool->database->stats.backends_failed++;
    backend_leave(backend);
    struct broker_orders orders = {0};
    broker_connect_failed(worker->all->broker, pool->idle.shared, worker->id, loop_now(worker->loop), failure, &orders);
    link_orders(worker, &orders);
}

static void connect_timed_out(struct timer *timer)
{
    backend_failed(LIST_ENTRY(timer, struct backend, timer), "server_connect_timeout");
}

/* ---- connect ---- */
struct stream_options stream_options_of(const struct config *config)
{
    return (struct stream_options){
        .keepalive = config->tcp_keepalive,
        .keepidle = config->tcp_keepidle,
        .keepintvl = config->tcp_keepintvl,
        .keepcnt = config->tcp_keepcnt,
        .user_timeout_msec = config->tcp_user_timeout,
        .buffer_size = config->tcp_socket_buffer,
    };
}

static void connect_to(struct backend *backend)
{
    const struct config *c = backend->worker->config;
    struct stream_options options = stream_options_of(c);
    backend->stream = stream_connect(backend->worker->loop, &backend->address, &options, &backend_events, backend);
    if (backend->stream == NULL)
        backend_failed(backend, "connect failed");
}

static void resolved(void *owner, const struct resolved *result)
{
    struct backend *backend = owner;
    backend->resolving = false;
    if (backend->phase == BACKEND_CLOSING) {
        backend_free(backend);
        return;
    }
    if (result->count == 0) {
        backend_failed(backend, "server DNS lookup failed");
        return;
    }
    backend->address = result->addresses[backend->id % (uint64_t)result->count];
    connect_to(backend);
}

void backend_open(struct worker_pool *pool)
{
    struct worker *worker = pool->worker;
    const struct config_entry *entry = pool->database->entry;
    struct backend *backend = mem_zalloc(sizeof *backend);
    backend->worker = worker;
    backend->pool = pool;
    backend->id = ++worker->next_id;
    backend->connected_at = backend->request_at = loop_now(worker->loop);
    backend_state_init(&backend->state, &worker->store);
    list_init(&backend->member.link);
    list_init(&backend->freed);
    list_init(&backend->cancels);
    list_push_back(&pool->backends, &backend->link);
    if (entry == NULL) {
        backend_failed(backend, "database removed");
        return;
    }
    if (worker->config->server_connect_timeout > 0)
        timer_start(worker->loop, &backend->timer, backend->connected_at + worker->config->server_connect_timeout,
                    connect_timed_out);
    const struct config_host *host = &entry->hosts[pool->next_host++ % entry->host_count];
    const char *name = host->host ? host->host : worker->config->unix_socket_dir;
    if (address_parse(name, host->port, &backend->address) == 0) {
        connect_to(backend);
        return;
    }
    backend->resolving = true;
    resolver_ask(worker, name, host->port, worker->config->dns_max_ttl, resolved, backend);
}

void backend_opened(void *owner, int err)
{
    struct backend *backend = owner;
    if (backend->phase != BACKEND_CONNECTING)
        return;
    if (err != 0) {
        char text[96];
        snprintf(text, sizeof text, "connect failed: %s", strerror(-err));
        backend_failed(backend, text);
        return;
    }
    if (backend->worker->config->log_connections)
        backend_log(backend, LOG_LEVEL_LOG, "new connection to server");
    backend->phase = BACKEND_LOGIN;
    const struct config_entry *entry = backend->pool->database->entry;
    struct startup_param params[8] = {
        {"user", backend->pool->user},
        {"database", entry && entry->dbname ? entry->dbname : backend->pool->database->name},
    };
    int count = 2;
    if (entry != NULL) {
        const struct startup_param wanted[] = {
            {"client_encoding", entry->client_encoding},
            {"datestyle", entry->datestyle},
            {"timezone", entry->timezone},
            {"application_name", entry->application_name},
        };
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (wanted[i].value != NULL)
                params[count++] = wanted[i];
    }
    struct buf msg = {0};
    proto_startup_message(&msg, PROTO_VERSION_3_0, params, count);
    struct iovec piece = {msg.data, msg.len};
    stream_write(backend->stream, &piece, 1);
    buf_deinit(&msg);
}

/* ---- login ---- */
static void login_answered(struct backend *backend, enum auth_answer answer, struct buf *out);

static void login_job_run(struct job *job)
{
    auth_login_work(LIST_ENTRY(job, struct backend, job)->login);
}

static void login_read(struct backend *backend);

static void login_job_done(struct job *job)
{
    struct backend *backend = LIST_ENTRY(job, struct backend, job);
    backend->working = false;
    if (backend->phase == BACKEND_CLOSING) {
        if (backend->stream == NULL)
            backend_free(backend);
        return;
    }
    struct buf out = {0};
    login_answered(backend, auth_login_resume(backend->login, &out), &out);
    if (backend->phase == BACKEND_LOGIN)
        login_read(backend);
}

static void login_answered(struct backend *backend, enum auth_answer answer, struct buf *out)
{
    if (out->len > 0) {
        struct iovec piece = {out->data, out->len};
        stream_write(backend->stream, &piece, 1);
    }
    mem_wipe(out->data, out->len);
    buf_deinit(out);
    backend->authenticated = answer == AUTH_GRANTED;
    if (answer == AUTH_REFUSED) {
        char text[96];
        snprintf(text, sizeof text, "server login failed: %s", auth_login_refusal(backend->login));
        kick_waiting(backend, SQLSTATE_PROTOCOL_VIOLATION, text);
        backend_failed(backend, auth_login_refusal(backend->login));
    } else if (answer == AUTH_OFFLOAD) {
        backend->working = true;
        backend->job = (struct job){.run = login_job_run, .done = login_job_done};
        net_offload(backend->worker->loop, &backend->job);
    }
}

static void on_authentication(struct backend *backend, const char *body, size_t len)
{
    struct worker *worker = backend->worker;
    if (backend->login == NULL) {
        const struct config_entry *entry = backend->pool->database->entry;
        const struct config_user *user = pool_config_user(backend->pool);
        struct scram_keys keys;
        bool has_keys = shared_keys_get(worker->all, backend->pool->idle.shared, &keys);
        const char *secret = entry && entry->password     ? entry->password
                             : user && user->has_password ? user->secret
                                                          : NULL;
        struct auth_credentials credentials = {
            .secret = secret, .keys = has_keys ? &keys : NULL, .cache = worker->all->scram_cache};
        backend->login = auth_login_new(backend->pool->user, &credentials);
        mem_wipe(&keys, sizeof keys);
    }
    struct buf out = {0};
    login_answered(backend, auth_login_step(backend->login, body, len, &out), &out);
}

static void on_refused(struct backend *backend, const char *body, size_t len)
{
    struct proto_error_fields fields;
    proto_error_read(body, len, &fields);
    char text[256];
    snprintf(text, sizeof text, "%s", fields.message ? fields.message : "server refused the login");
    struct broker_counts counts;
    broker_pool_count(backend->worker->all->broker, backend->pool->idle.shared, &counts);
    bool hopeless = strcmp(fields.sqlstate, SQLSTATE_CANNOT_CONNECT_NOW) != 0 &&
                    (strcmp(fields.sqlstate, SQLSTATE_TOO_MANY_CONNECTIONS) != 0 || counts.total == counts.connecting);
    if (hopeless)
        kick_waiting(backend, fields.sqlstate, text);
    char failure[300];
    snprintf(failure, sizeof failure, "%s: %s", fields.severity ? fields.severity : "FATAL", text);
    backend_failed(backend, failure);
}

static void on_parameter(struct backend *backend, const char *message, size_t len)
{
    struct reader r = reader_of(message + PROTO_HEADER, len - PROTO_HEADER);
    const char *name = reader_cstr(&r), *value = reader_cstr(&r);
    if (r.bad || backend->login_params.len + len > READ_SIZE) {
        backend_failed(backend, "bad ParameterStatus");
        return;
    }
    backend_state_parameter(&backend->state, name, value);
    buf_append(&backend->login_params, message, len);
}

/* It counts from here on. */
static void on_ready(struct backend *backend)
{
    struct worker *worker = backend->worker;
    struct worker_pool *pool = backend->pool;
    usec now = loop_now(worker->loop);
    timer_stop(&backend->timer);
    auth_login_free(backend->login);
    backend->login = NULL;
    backend->live = true;
    backend->member.connected_at = backend->connected_at = now;
    pool->database->stats.backends_opened++;
    broker_connected(worker->all->broker, pool->idle.shared, worker->id, now);
    if (!backend->member.old)
        broker_welcome_set(worker->all->broker, pool->idle.shared, backend->login_params.data,
                           backend->login_params.len);
    buf_deinit(&backend->login_params);
    const struct config_entry *entry = pool->database->entry;
    if (entry != NULL && entry->connect_query != NULL && *entry->connect_query)
        backend_hidden_query(backend, entry->connect_query);
    else
        link_backend_free(backend);
}

static void login_message(struct backend *backend, const char *message, struct proto_header h)
{
    const char *body = message + PROTO_HEADER;
    size_t len = h.len - PROTO_HEADER;
    switch (h.type) {
    case 'R':
        on_authentication(backend, body, len);
        break;
    case 'E':
        on_refused(backend, body, len);
        break;
    case 'S':
        on_parameter(backend, message, h.len);
        break;
    case 'K':
        if (len < 8 || len - 4 > sizeof backend->key) {
            backend_failed(backend, "bad BackendKeyData");
            return;
        }
        backend->pid = read_u32(body);
        backend->key_len = (uint32_t)(len - 4);
        memcpy(backend->key, body + 4, backend->key_len);
        break;
    case 'Z':
        if (len != 1 || body[0] != 'I' || backend->login == NULL || !backend->authenticated) {
            backend_failed(backend, "unexpected ReadyForQuery");
            return;
        }
        on_ready(backend);
        break;
    case 'N':
    case 'v':
        break;
    default:
        backend_failed(backend, "unexpected message during login");
        break;
    }
}

static void login_read(struct backend *backend)
{
    size_t at = 0;
    while (backend->phase == BACKEND_LOGIN && !backend->working && !backend->live) {
        struct proto_header h;
        int rc = proto_backend_header(backend->held.data + at, backend->held.len - at, &h);
        if (rc == ERR_AGAIN)
            break;
        if (rc != 0 || h.len > READ_SIZE) {
            backend_failed(backend, "bad message during login");
            return;
        }
        if (h.len > backend->held.len - at)
            break;
        char *message = mem_dup(backend->held.data + at, h.len); /* what it leads to may change held */
        at += h.len;
        if (backend->live)
            break;
        if (h.type == 'Z') { /* the last one: what is behind it belongs to the conversation */
            buf_consume(&backend->held, at);
            at = 0;
        }
        login_message(backend, message, h);
        mem_free(message);
    }
    if (backend->phase == BACKEND_CLOSING || backend->live)
        return;
    buf_consume(&backend->held, at);
}

void backend_login_readable(struct backend *backend)
{
    struct worker *worker = backend->worker;
    ssize_t n = stream_read(backend->stream, worker->read_buf, READ_SIZE);
    if (n == ERR_AGAIN)
        return;
    if (n < 0) {
        backend_failed(backend, "server closed the connection during login");
        return;
    }
    buf_append(&backend->held, worker->read_buf, (size_t)n);
    login_read(backend);
}
