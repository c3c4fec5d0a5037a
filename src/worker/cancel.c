/*
 * Cancel requests: from a client's second connection to the backend that works for it, and to no other.
 *
 *   origin's worker --(pid, key)--> owner's worker: right key? what is the client doing?
 *        ^                             queued: answered 57014 on the spot
 *        |                             running: own connection to the node, CancelRequest, wait for its end
 *        '------------ done -----------idle: nothing
 *
 * A cancel is a signal to a process, not to a query. So while one is on its way to a backend, that backend is given
 * to nobody else (BACKEND_CANCELLED), and when the node has closed the cancel connection one empty query goes first
 * and takes the signal if it is late.
 */
#include "worker/types.h"

struct cancel {
    struct message message;
    struct workers *all;
    struct worker *origin; /* NULL: our own */
    uint32_t origin_slot, origin_serial;
    struct worker *owner;
    uint32_t slot;
    uint8_t key[PROTO_CANCEL_KEY_MAX];
    size_t key_len;
    /* at the owner's */
    struct list link; /* backend->cancels, while the backend is there */
    struct list here; /* worker->cancels, while it is connected */
    struct backend *backend;
    struct stream *stream;
    struct timer timer;
    struct buf request;
    bool sent;
};

/* ---- back at the origin ---- */
static void back_home(struct message *message)
{
    struct cancel *cancel = LIST_ENTRY(message, struct cancel, message);
    struct client *origin = client_by_slot(cancel->origin, cancel->origin_slot);
    if (origin != NULL && origin->serial == cancel->origin_serial && origin->state == CLIENT_CANCEL)
        client_close(origin, CLOSE_QUIETLY);
    mem_free(cancel);
}

static void finished(struct cancel *cancel)
{
    buf_deinit(&cancel->request);
    /* When one worker stops they all do, and its clients are no longer waited for. */
    if (cancel->origin == NULL || cancel->owner->stopping) {
        mem_free(cancel);
        return;
    }
    cancel->message.run = back_home;
    loop_post(cancel->origin->loop, &cancel->message);
}

/* ---- on the way to the node ---- */
static void connection_gone(void *owner)
{
    finished(owner);
}

static void connection_over(struct cancel *cancel)
{
    struct backend *backend = cancel->backend;
    timer_stop(&cancel->timer);
    cancel->backend = NULL;
    list_remove(&cancel->link);
    list_remove(&cancel->here);
    if (cancel->stream == NULL) { /* still waiting for its query to be sent */
        finished(cancel);
        return;
    }
    stream_close(cancel->stream, connection_gone);
    if (backend != NULL && backend->phase == BACKEND_HIDDEN)
        backend->signalled |= cancel->sent;
    if (backend == NULL || backend->phase != BACKEND_CANCELLED || !list_is_empty(&backend->cancels))
        return;
    if (cancel->sent)
        backend_hidden_query(backend, "");
    else
        link_backend_free(backend);
}

static void timed_out(struct timer *timer)
{
    connection_over(LIST_ENTRY(timer, struct cancel, timer));
}

static bool still_running(const struct cancel *cancel)
{
    if (cancel->origin == NULL)
        return true; /* our own: the backend is closed already, only its work shall end */
    return cancel->backend != NULL && cancel->backend->phase == BACKEND_LINKED &&
           !backend_state_is_quiet(&cancel->backend->state);
}

static void opened(void *owner, int err)
{
    struct cancel *cancel = owner;
    if (err != 0 || !still_running(cancel)) {
        connection_over(cancel);
        return;
    }
    struct iovec piece = {cancel->request.data, cancel->request.len};
    cancel->sent = true;
    stream_write(cancel->stream, &piece, 1);
}

static void readable(void *owner)
{
    struct cancel *cancel = owner;
    char nothing[64];
    ssize_t n = stream_read(cancel->stream, nothing, sizeof nothing);
    if (n < 0 && n != ERR_AGAIN)
        connection_over(cancel);
}

static const struct stream_events cancel_events = {.opened = opened, .readable = readable};

static void send_to_node(struct cancel *cancel, struct backend *backend)
{
    struct worker *worker = backend->worker;
    if (backend->key_len == 0) { /* the server has told us none: it cannot be asked */
        finished(cancel);
        return;
    }
    proto_cancel_request(&cancel->request, backend->pid, backend->key, backend->key_len);
    backend->pool->database->stats.cancels++;
    cancel->stream = stream_connect(worker->loop, &backend->address, NULL, &cancel_events, cancel);
    if (cancel->stream == NULL) {
        finished(cancel);
        return;
    }
    cancel->backend = backend;
    list_push_back(&backend->cancels, &cancel->link);
    list_push_back(&worker->cancels, &cancel->here);
    usec limit = worker->config->cancel_wait_timeout > 0 ? worker->config->cancel_wait_timeout : 10 * USEC_PER_SEC;
    timer_start(worker->loop, &cancel->timer, loop_now(worker->loop) + limit, timed_out);
}

void cancel_forget_backend(struct backend *backend)
{
    LIST_FOREACH_SAFE (&backend->cancels, it, after) {
        struct cancel *cancel = LIST_ENTRY(it, struct cancel, link);
        cancel->backend = NULL;
        list_remove(it);
    }
}

void cancel_drop_all(struct worker *worker)
{
    while (!list_is_empty(&worker->cancels))
        connection_over(LIST_ENTRY(worker->cancels.next, struct cancel, here));
}

void cancel_running(struct backend *backend)
{
    struct cancel *cancel = mem_zalloc(sizeof *cancel);
    cancel->all = backend->worker->all;
    list_init(&cancel->link);
    backend->pool->database->stats.disconnect_cancels++;
    send_to_node(cancel, backend);
}

/* ---- at the owner's ---- */
static void at_owner(struct message *message);

static void try_again(struct timer *timer)
{
    struct cancel *cancel = LIST_ENTRY(timer, struct cancel, timer);
    list_remove(&cancel->here);
    at_owner(&cancel->message);
}

/* The backend is being given the client's parameters: a cancel now would hit that instead of the query behind it. */
static void wait_for_query(struct cancel *cancel)
{
    struct worker *worker = cancel->owner;
    list_push_back(&worker->cancels, &cancel->here);
    timer_start(worker->loop, &cancel->timer, loop_now(worker->loop) + USEC_PER_MSEC, try_again);
}

static void at_owner(struct message *message)
{
    struct cancel *cancel = LIST_ENTRY(message, struct cancel, message);
    struct client *client = client_by_slot(cancel->owner, cancel->slot);
    list_init(&cancel->link);
    if (client == NULL || client->state != CLIENT_RELAY || cancel->key_len != client->key_len ||
        !mem_equal_consttime(cancel->key, client->key, cancel->key_len)) {
        finished(cancel);
        return;
    }
    if (client->waiting != NULL) {
        link_cancel_waiting(client);
        finished(cancel);
        return;
    }
    struct backend *backend = client->session.link ? backend_of(client->session.link) : NULL;
    if (backend != NULL && backend->state.setting_up) {
        wait_for_query(cancel);
        return;
    }
    bool busy = backend != NULL && !backend_state_is_quiet(&backend->state);
    /* One on its way does for all who ask meanwhile. */
    if (!busy || !list_is_empty(&backend->cancels)) {
        finished(cancel);
        return;
    }
    send_to_node(cancel, backend);
}

void cancel_requested(struct client *origin, uint32_t pid, struct slice key)
{
    struct workers *all = origin->worker->all;
    uint32_t number = pid >> SLOT_BITS;
    if (number == 0) { /* a console's: control knows them */
        console_cancel_post(all, pid, key);
        client_close(origin, CLOSE_QUIETLY);
        return;
    }
    if (number > (uint32_t)all->count) {
        client_close(origin, CLOSE_QUIETLY);
        return;
    }
    struct cancel *cancel = mem_zalloc(sizeof *cancel);
    cancel->message.run = at_owner;
    cancel->all = all;
    cancel->origin = origin->worker;
    cancel->origin_slot = origin->slot;
    cancel->origin_serial = origin->serial;
    cancel->owner = all->list[number - 1];
    cancel->slot = pid & ((1u << SLOT_BITS) - 1);
    cancel->key_len = key.len;
    memcpy(cancel->key, key.ptr, key.len);
    loop_post(cancel->owner->loop, &cancel->message);
}
