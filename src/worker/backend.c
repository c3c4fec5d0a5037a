/* A backend in service: idle, hidden queries, the move to another worker, the end. How it gets there: backend_login.c
 */
#include "worker/types.h"

#include <errno.h>
#include <stdio.h>

/* ---- log ---- */
void backend_log(const struct backend *backend, enum log_level level, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    char host[128];
    address_text(&backend->address, host, sizeof host);
    struct buf line = {0};
    buf_printf(&line, "S-%p: %s/%s@%s:%d ", (const void *)backend, backend->pool->database->name, backend->pool->user,
               host, address_port(&backend->address));
    va_list args;
    va_start(args, format);
    buf_vprintf(&line, format, args);
    va_end(args);
    log_write(level, "%s", buf_text(&line));
    buf_deinit(&line);
}

/* ---- the end ---- */
void backend_free(struct backend *backend)
{
    backend_state_deinit(&backend->state);
    auth_login_free(backend->login);
    buf_deinit(&backend->held);
    buf_deinit(&backend->login_params);
    mem_free(backend);
}

static void backend_gone(void *owner)
{
    struct backend *backend = owner;
    backend->stream = NULL;
    if (!backend->working && !backend->resolving)
        backend_free(backend);
}

void backend_leave(struct backend *backend)
{
    assert(backend->client == NULL);
    if (backend->phase == BACKEND_IDLE && list_is_linked(&backend->member.link))
        pool_remove(&backend->pool->idle, &backend->member);
    timer_stop(&backend->timer);
    list_remove(&backend->link);
    list_remove(&backend->freed);
    cancel_forget_backend(backend);
    backend->phase = BACKEND_CLOSING;
    if (backend->stream != NULL)
        stream_close(backend->stream, backend_gone);
    else
        backend_gone(backend);
}

void backend_close_words(struct backend *backend, enum close_reason reason, const char *words)
{
    if (backend->phase == BACKEND_CLOSING)
        return;
    struct worker *worker = backend->worker;
    struct worker_pool *pool = backend->pool;
    assert(backend->live);
    char message[256];
    if (worker->config->log_disconnections)
        backend_log(backend, LOG_LEVEL_LOG, "closing because: %s (age=%llds)",
                    close_message(reason, words, message, sizeof message),
                    (long long)((loop_now(worker->loop) - backend->connected_at) / USEC_PER_SEC));
    pool->database->stats.backends_closed++;
    backend_leave(backend);
    struct broker_orders orders = {0};
    broker_closed(worker->all->broker, pool->idle.shared, worker->id, loop_now(worker->loop), &orders);
    link_orders(worker, &orders);
}

void backend_close(struct backend *backend, enum close_reason reason)
{
    backend_close_words(backend, reason, NULL);
}

void backend_drop(struct backend *backend)
{
    if (backend->phase != BACKEND_CLOSING)
        backend_leave(backend);
}

/* ---- in service ---- */

static bool is_between_messages(const struct backend *backend)
{
    return backend->held.len == 0 && backend_state_is_quiet(&backend->state);
}

/*
 * Idle: it may report parameters and notices, and say that it goes. Anything else it does not owe. In the middle of a
 * message it serves nobody, as behind a hidden query that is not over.
 */
static void idle_readable(struct backend *backend)
{
    struct worker *worker = backend->worker;
    ssize_t n = stream_read(backend->stream, worker->read_buf, READ_SIZE);
    if (n == ERR_AGAIN)
        return;
    if (n < 0) {
        backend_close(backend, CLOSE_BACKEND_EOF);
        return;
    }
    buf_append(&backend->held, worker->read_buf, (size_t)n);
    struct session_io io = {
        .to_client = &worker->to_client, .to_backend = &worker->to_backend, .now = loop_now(worker->loop)};
    enum backend_news news;
    size_t taken = session_backend_bytes(&backend->state, backend->held.data, backend->held.len, &io, &news);
    out_reset(&worker->to_client);
    out_reset(&worker->to_backend);
    buf_consume(&backend->held, taken);
    if (backend->held.len == 0)
        buf_deinit(&backend->held);
    if (news == BACKEND_DYING) {
        backend_close_words(backend, CLOSE_BACKEND_FATAL, backend->state.hidden_error);
    } else if (news != BACKEND_FINE) {
        backend->pool->database->stats.desync++;
        backend_log(backend, LOG_LEVEL_ERROR, "desync: the server sent what it does not owe while idle");
        backend_close(backend, CLOSE_BACKEND_DESYNC);
    } else if (!is_between_messages(backend)) {
        if (backend->phase == BACKEND_IDLE)
            pool_remove(&backend->pool->idle, &backend->member);
        backend->phase = BACKEND_HIDDEN;
        backend->resetting = backend->state.hidden_failed = false;
    }
}

void backend_readable(void *owner)
{
    struct backend *backend = owner;
    switch ((enum backend_phase)backend->phase) {
    case BACKEND_CONNECTING:
    case BACKEND_MOVING:
    case BACKEND_CLOSING:
        break;
    case BACKEND_LOGIN:
        backend_login_readable(backend);
        break;
    case BACKEND_IDLE:
    case BACKEND_CANCELLED:
        idle_readable(backend);
        break;
    case BACKEND_LINKED:
    case BACKEND_HIDDEN:
        relay_backend_bytes(backend);
        break;
    }
}

/* ---- hidden queries ---- */
void backend_hidden_query(struct backend *backend, const char *sql)
{
    backend->phase = BACKEND_HIDDEN;
    backend->resetting = false;
    backend->pool->database->stats.resets++;
    backend_state_hidden_query(&backend->state, sql, &backend->worker->to_backend);
    relay_flush_backend(backend);
}

void backend_reset(struct backend *backend)
{
    backend_hidden_query(backend, backend->worker->config->server_reset_query);
    backend->resetting = true;
}

void backend_hidden_done(struct backend *backend)
{
    const struct config *c = backend->worker->config;
    if (backend->state.hidden_failed && strncmp(backend->state.hidden_error, SQLSTATE_QUERY_CANCELED, 5) != 0)
        backend_log(backend, LOG_LEVEL_WARNING, "query of ours failed: %s", backend->state.hidden_error);
    /* Without a reset, cancelled or refused, the next client would inherit what the last one set. */
    if (!backend_state_is_clean(&backend->state) || (backend->resetting && backend->state.hidden_failed)) {
        backend_close(backend, CLOSE_BACKEND_RESET_FAILED);
        return;
    }
    if (backend->needs_reset && *c->server_reset_query) {
        backend->needs_reset = false;
        backend_reset(backend);
        return;
    }
    if (backend->signalled) {
        backend->signalled = false;
        backend_hidden_query(backend, "");
        return;
    }
    link_backend_free(backend);
}

/* ---- to another worker ---- */
/* Nobody can mark it while it is on its way: what the others of its pool were told meanwhile holds for it too. */
static bool is_outdated(const struct backend *backend, const struct worker_pool *pool)
{
    return pool == NULL || pool->database->entry == NULL || backend->state.spoiled ||
           backend->member.connected_at <= pool->database->renewed_at;
}

static void arrived(void *owner, struct stream *stream)
{
    struct backend *backend = owner;
    struct worker *worker = backend->worker;
    backend->stream = stream;
    backend_state_unpack(&backend->state, &worker->store);
    struct worker_pool *pool = worker->stopping ? NULL : pool_of_shared(worker, backend->moving_to);
    if (is_outdated(backend, pool)) {
        backend->phase = BACKEND_CLOSING;
        stream_close(stream, backend_gone);
        if (worker->stopping)
            return;
        struct broker_orders orders = {0};
        broker_give_failed(worker->all->broker, backend->moving_to, worker->id, worker->id, loop_now(worker->loop),
                           &orders);
        link_orders(worker, &orders);
        return;
    }
    backend->pool = pool;
    list_push_back(&pool->backends, &backend->link);
    pool->database->stats.backends_moved++;
    link_backend_arrived(backend);
}

void backend_move(struct backend *backend, struct worker *to)
{
    struct worker *from = backend->worker;
    if (backend->held.len > 0) { /* the beginning of a notice: it stays until it is whole, so the other gets none */
        struct broker_orders orders = {0};
        broker_give_failed(from->all->broker, backend->pool->idle.shared, from->id, to->id, loop_now(from->loop),
                           &orders);
        link_orders(from, &orders);
        backend_leave(backend);
        return;
    }
    backend->phase = BACKEND_MOVING;
    list_remove(&backend->link);
    backend_state_pack(&backend->state);
    backend->moving_to = backend->pool->idle.shared;
    backend->pool = NULL;
    backend->worker = to;
    struct stream *stream = backend->stream;
    backend->stream = NULL;
    stream_move(stream, to->loop, arrived);
}
