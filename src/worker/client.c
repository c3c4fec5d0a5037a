/* A client's life around its conversation: memory, logging, the last word, the end. */
#include "worker/types.h"

enum { MESSAGE_SIZE = 128 }; /* of a reason, as PgBouncer cuts it */

/* ---- slots: found by a cancel pid ---- */
static void slot_take(struct worker *worker, struct client *client)
{
    uint32_t slot = 0;
    if (worker->free_slot_count > 0) {
        slot = worker->free_slots[--worker->free_slot_count];
    } else {
        slot = worker->slot_count++;
        if (slot == worker->slot_size) {
            worker->slot_size = slot ? slot * 2 : 64;
            worker->slots = mem_realloc(worker->slots, worker->slot_size * sizeof(struct client *));
            worker->free_slots = mem_realloc(worker->free_slots, worker->slot_size * sizeof(uint32_t));
        }
    }
    assert(slot < 1u << SLOT_BITS);
    client->slot = slot;
    worker->slots[slot] = client;
}

static void slot_give_back(struct client *client)
{
    struct worker *worker = client->worker;
    worker->slots[client->slot] = NULL;
    worker->free_slots[worker->free_slot_count++] = client->slot;
}

struct client *client_by_slot(struct worker *worker, uint32_t slot)
{
    return slot < worker->slot_count ? worker->slots[slot] : NULL;
}

uint32_t client_cancel_pid(const struct client *client)
{
    return ((uint32_t)client->worker->id + 1) << SLOT_BITS | client->slot;
}

/* ---- birth and death ---- */
struct client *client_new(struct worker *worker)
{
    struct client *client = mem_zalloc(sizeof *client);
    client->worker = worker;
    client->connected_at = client->request_at = loop_now(worker->loop);
    client->serial = (uint32_t)++worker->next_id;
    random_bytes(client->key, sizeof client->key);
    slot_take(worker, client);
    list_push_back(&worker->clients, &client->link);
    return client;
}

static void client_gone(void *owner)
{
    mem_free(owner);
}

static void client_leave(struct client *client)
{
    struct worker *worker = client->worker;
    if (client->state == CLIENT_RELAY && client->session.link != NULL)
        link_farewell(client);
    link_withdraw(client);
    relay_ending_free(client);
    if (client->login != NULL)
        login_free(client);
    if (client->session.store != NULL)
        session_deinit(&client->session);
    if (client->counted) {
        broker_client_logout(worker->all->broker, client->pool->database->name, client->user);
        client->pool->client_count--;
    }
    buf_deinit(&client->held);
    slot_give_back(client);
    list_remove(&client->link);
    atomic_fetch_sub_explicit(&worker->client_count, 1, memory_order_relaxed);
}

static void close_now(struct client *client, enum close_reason reason, const char *message)
{
    struct worker *worker = client->worker;
    if (worker->config->log_disconnections && reason != CLOSE_QUIETLY && client->user != NULL)
        client_log(client, LOG_LEVEL_LOG, "closing because: %s (age=%llds)", message,
                   (long long)((loop_now(worker->loop) - client->connected_at) / USEC_PER_SEC));
    client_leave(client);
    client->state = CLIENT_CLOSING;
    stream_close(client->stream, client_gone);
}

void client_close(struct client *client, enum close_reason reason)
{
    char message[MESSAGE_SIZE];
    if (client->state != CLIENT_CLOSING)
        close_now(client, reason, close_message(reason, NULL, message, sizeof message));
}

/* Its stream belongs to somebody else now; callers up the stack may still look at the state. */
void client_bury(struct client *client)
{
    client_leave(client);
    client->state = CLIENT_CLOSING;
    list_push_back(&client->worker->buried, &client->link);
}

void client_fatal_words(struct client *client, enum close_reason reason, const char *sqlstate, const char *words)
{
    if (client->state == CLIENT_CLOSING)
        return;
    char message[MESSAGE_SIZE];
    close_message(reason, words, message, sizeof message);
    if (client->worker->config->log_pooler_errors)
        client_log(client, LOG_LEVEL_WARNING, "pooler error: %s", message);
    struct buf msg = {0};
    proto_fatal(&msg, sqlstate ? sqlstate : close_sqlstate(reason), message);
    struct iovec piece = {msg.data, msg.len};
    stream_write(client->stream, &piece, 1);
    buf_deinit(&msg);
    close_now(client, reason, message);
}

void client_fatal(struct client *client, enum close_reason reason)
{
    client_fatal_words(client, reason, NULL, NULL);
}

/* ---- log ---- */
void client_log(const struct client *client, enum log_level level, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    char host[128];
    const struct address *peer = stream_peer(client->stream);
    address_text(peer, host, sizeof host);
    struct buf line = {0};
    buf_printf(&line, "C-%p: %s/%s@%s:%d ", (const void *)client,
               client->pool ? client->pool->database->name : "(nodb)", client->user ? client->user : "(nouser)", host,
               address_port(peer));
    va_list args;
    va_start(args, format);
    buf_vprintf(&line, format, args);
    va_end(args);
    log_write(level, "%s", buf_text(&line));
    buf_deinit(&line);
}
