/*
 * Bytes between a client and its backend: read, let session decide, write what it says.
 *
 * Backpressure: reading from a backend depends on its client's unwritten output only; reading from a client on its
 * backend's unwritten output and on its own input that nobody can take yet (protocol-flow deadlocks otherwise).
 */
#include "worker/types.h"

/* ---- writing ---- */
void relay_flush_client(struct client *client)
{
    struct worker *worker = client->worker;
    struct out *out = &worker->to_client;
    if (out->count > 0) {
        client->session.stats->sent += out->total;
        stream_write(client->stream, out->pieces, out->count); /* a failure shows when it is read */
        struct backend_state *link = client->session.link;
        if (link != NULL && stream_pending(client->stream) > PENDING_MAX && !backend_of(link)->reading_paused) {
            backend_of(link)->reading_paused = true;
            stream_pause_reading(backend_of(link)->stream);
        }
    }
    out_reset(out);
}

void relay_flush_backend(struct backend *backend)
{
    struct out *out = &backend->worker->to_backend;
    if (out->count > 0)
        stream_write(backend->stream, out->pieces, out->count);
    out_reset(out);
}

static void set_client_reading(struct client *client, bool paused)
{
    if (client->reading_paused == paused)
        return;
    client->reading_paused = paused;
    if (paused)
        stream_pause_reading(client->stream);
    else
        stream_resume_reading(client->stream);
}

static struct session_io io_of(struct client *client)
{
    struct worker *worker = client->worker;
    return (struct session_io){
        .to_client = &worker->to_client,
        .to_backend = &worker->to_backend,
        .now = loop_now(worker->loop),
        .others_wait = broker_anyone_waits(worker->all->broker),
    };
}

static void flush_both(struct client *client)
{
    if (client->session.link != NULL)
        relay_flush_backend(backend_of(client->session.link));
    else
        out_reset(&client->worker->to_backend);
    relay_flush_client(client);
}

/* ---- from the client ---- */

/* The rule, and what only we know: the beginning of a message that nobody has looked at yet. */
static enum session_verdict verdict_of(const struct backend *backend)
{
    return backend->held.len > 0 ? SESSION_STAY : session_verdict(&backend->state);
}

/*
 * Gives the session these bytes until it can take no more now; returns how many it took. The client may be closing
 * afterwards. `data` may be the client's held bytes.
 */
static size_t feed(struct client *client, const char *data, size_t len, enum session_want *want)
{
    size_t taken = 0;
    for (;;) {
        struct session_io io = io_of(client);
        taken += session_client_bytes(&client->session, data + taken, len - taken, &io, want);
        flush_both(client);
        if (*want == SESSION_TERMINATE) {
            client_close(client, CLOSE_CLIENT_REQUEST);
            return len;
        }
        if (*want == SESSION_FATAL) {
            client_fatal_words(client, CLOSE_SESSION_REFUSED, client->session.fatal_sqlstate,
                               client->session.fatal_text);
            return len;
        }
        if (*want == SESSION_MORE && client->session.link != NULL) {
            /* The server gave up in the middle of a message, a COPY's say, whose rest is here now: all is answered. */
            struct backend *backend = backend_of(client->session.link);
            if (verdict_of(backend) != SESSION_STAY)
                link_release(backend);
        }
        if (*want != SESSION_NEED)
            return taken;
        if (client->waiting != NULL || !link_want(client))
            return client->state == CLIENT_CLOSING ? len : taken;
        if (client->state == CLIENT_CLOSING)
            return len;
    }
}

/* What decides about reading on, from what is held and what the backend has not taken yet. */
static void balance(struct client *client, enum session_want want)
{
    const struct backend_state *link = client->session.link;
    bool stuck = want == SESSION_HOLD || want == SESSION_NEED;
    bool backend_full = link != NULL && stream_pending(backend_of(client->session.link)->stream) > PENDING_MAX;
    /* Answers that were given here, as to a Sync alone: no backend's output holds them back. */
    bool deaf = stream_pending(client->stream) > PENDING_MAX && (link == NULL || backend_state_is_quiet(link));
    set_client_reading(client, backend_full || deaf || (stuck && client->held.len >= HELD_MAX));
}

void relay_feed(struct client *client)
{
    enum session_want want;
    struct buf held = client->held; /* feeding may close the client: the bytes are ours meanwhile */
    client->held = (struct buf){0};
    size_t taken = feed(client, held.len > 0 ? held.data : "", held.len, &want);
    if (client->state == CLIENT_CLOSING) {
        buf_deinit(&held);
        return;
    }
    buf_consume(&held, taken);
    if (held.len == 0)
        buf_deinit(&held);
    client->held = held;
    balance(client, want);
}

void relay_parted(struct client *client, struct backend *backend)
{
    balance(client, SESSION_HOLD);
    if (backend->reading_paused) {
        backend->reading_paused = false;
        stream_resume_reading(backend->stream);
    }
}

/*
 * ---- the client's end of stream ----
 * Looks the same whether it wants its answers still (printf ... | nc -N) or its process is gone. So complete requests
 * that run already are given a moment to be answered; what takes longer counts as abandoned and is cancelled.
 */
struct ending {
    struct timer timer;
    struct client *client;
};

static void ending_over(struct timer *timer)
{
    client_close(LIST_ENTRY(timer, struct ending, timer)->client, CLOSE_CLIENT_EOF);
}

void relay_ending_free(struct client *client)
{
    if (client->ending == NULL)
        return;
    timer_stop(&client->ending->timer);
    mem_free(client->ending);
    client->ending = NULL;
}

/* Everything that a half-closed client asked for has been answered and written. */
static bool is_served(const struct client *client)
{
    const struct backend_state *link = client->session.link;
    return (link == NULL || backend_state_is_quiet(link)) && stream_pending(client->stream) == 0;
}

static void client_ended(struct client *client, ssize_t how)
{
    bool nothing_left = client->held.len == 0 || client->held.data[0] == 'X';
    bool answers_come =
        how == ERR_CLOSED && session_may_finish(&client->session) && nothing_left && client->waiting == NULL;
    if (!answers_come || is_served(client)) {
        client_close(client, CLOSE_CLIENT_EOF);
        return;
    }
    if (client->ending != NULL)
        return;
    struct worker *worker = client->worker;
    client->ending = mem_zalloc(sizeof *client->ending);
    client->ending->client = client;
    timer_start(worker->loop, &client->ending->timer, loop_now(worker->loop) + ENDING_GRACE, ending_over);
}

static void relay_client_bytes(struct client *client)
{
    struct worker *worker = client->worker;
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        if (client->reading_paused)
            return;
        if (client->held.len > 0) {
            buf_reserve(&client->held, READ_SIZE);
            ssize_t n = stream_read(client->stream, client->held.data + client->held.len, READ_SIZE);
            if (n == ERR_AGAIN)
                return;
            if (n < 0) {
                client_ended(client, n);
                return;
            }
            client->held.len += (size_t)n;
            client->session.stats->received += (uint64_t)n;
            relay_feed(client);
            if (client->state == CLIENT_CLOSING || n < READ_SIZE)
                return;
            continue;
        }
        ssize_t n = stream_read(client->stream, worker->read_buf, READ_SIZE);
        if (n == ERR_AGAIN)
            return;
        if (n < 0) {
            client_ended(client, n);
            return;
        }
        client->session.stats->received += (uint64_t)n;
        enum session_want want;
        size_t taken = feed(client, worker->read_buf, (size_t)n, &want);
        if (client->state == CLIENT_CLOSING)
            return;
        if (taken < (size_t)n)
            buf_append(&client->held, worker->read_buf + taken, (size_t)n - taken);
        balance(client, want);
        if (n < READ_SIZE)
            return;
    }
    stream_read_later(client->stream);
}

static void client_readable(void *owner)
{
    struct client *client = owner;
    switch ((enum client_state)client->state) {
    case CLIENT_LOGIN:
        login_readable(client);
        break;
    case CLIENT_RELAY:
        relay_client_bytes(client);
        break;
    case CLIENT_CANCEL: /* nothing more is due from it: bytes or the end, it is over */
        client_close(client, CLOSE_QUIETLY);
        break;
    case CLIENT_CLOSING:
        break;
    }
}

static void client_drained(void *owner)
{
    struct client *client = owner;
    if (client->state == CLIENT_RELAY && client->ending != NULL && is_served(client)) {
        client_close(client, CLOSE_CLIENT_REQUEST);
        return;
    }
    if (client->state != CLIENT_RELAY)
        return;
    struct backend *backend = client->session.link ? backend_of(client->session.link) : NULL;
    if (backend != NULL && backend->reading_paused) {
        backend->reading_paused = false;
        stream_resume_reading(backend->stream);
    }
    if (client->reading_paused)
        relay_feed(client);
}

const struct stream_events client_events = {.readable = client_readable, .drained = client_drained};

/* ---- from the backend ---- */
static void backend_lost(struct backend *backend)
{
    struct client *client = backend->client;
    backend->lost = true;
    if (client != NULL)
        client_fatal(client, CLOSE_SERVER_LOST);
    else
        backend_close(backend, backend->phase == BACKEND_IDLE ? CLOSE_BACKEND_EOF : CLOSE_BACKEND_CRASHED);
}

/* The client can not go on: its backend said so (dying) or broke the ledger (desync). */
static bool bad_news(struct backend *backend, enum backend_news news)
{
    struct client *client = backend->client;
    switch (news) {
    case BACKEND_FINE:
        return false;
    case BACKEND_DYING:
        backend->lost = true;
        if (client != NULL && backend->state.setting_up) /* the client was not told */
            client_fatal(client, CLOSE_SERVER_LOST);
        else if (client != NULL)
            client_close(client, CLOSE_SERVER_SAID_WHY);
        else
            backend_close(backend, CLOSE_BACKEND_EOF);
        return true;
    case BACKEND_DESYNC:
        backend->pool->database->stats.desync++;
        backend_log(backend, LOG_LEVEL_ERROR, "desync: the server sent what it does not owe");
        backend->lost = true;
        if (client != NULL)
            client_fatal(client, CLOSE_SERVER_DESYNC);
        else
            backend_close(backend, CLOSE_BACKEND_DESYNC);
        return true;
    case BACKEND_REFUSE:
        client_fatal_words(client, CLOSE_SESSION_REFUSED, client->session.fatal_sqlstate, client->session.fatal_text);
        return true;
    }
    return false;
}

/* Behind answers: the link goes on, or ends, or a hidden query is over. */
static void backend_answered(struct backend *backend)
{
    struct client *client = backend->client;
    if (client == NULL) {
        if (backend->phase == BACKEND_HIDDEN && backend->held.len == 0 && backend_state_is_quiet(&backend->state))
            backend_hidden_done(backend);
        return;
    }
    if (client->ending != NULL && is_served(client)) {
        client_close(client, CLOSE_CLIENT_REQUEST);
        return;
    }
    enum session_verdict verdict = verdict_of(backend);
    if (verdict != SESSION_STAY) {
        /*
         * The next unit is here already and nobody waits: no need to part. A client whose parameters were set first has
         * its unit before others, or all would set theirs in turn and none would ever be served.
         */
        bool nobody_minds = !backend->member.old && list_is_empty(&backend->cancels) &&
                            !backend->pool->database->paused && !broker_anyone_waits(backend->worker->all->broker);
        bool keep = verdict == SESSION_PART && client->held.len > 0 && (client->session.units == 0 || nobody_minds);
        if (keep)
            relay_feed(client);
        if (client->state == CLIENT_CLOSING)
            return;
        if (client->session.link == &backend->state && verdict_of(backend) != SESSION_STAY)
            link_release(backend);
        if (!keep && client->state == CLIENT_RELAY && client->held.len > 0)
            relay_feed(client);
    } else if (client->held.len > 0) {
        relay_feed(client);
    }
}

/* One read's worth of messages. False: the backend is gone, or has passed to somebody else. */
static bool backend_consume(struct backend *backend, const char *data, size_t len, size_t *taken)
{
    struct worker *worker = backend->worker;
    struct client *client = backend->client;
    struct session_io io = {
        .to_client = &worker->to_client,
        .to_backend = &worker->to_backend,
        .now = loop_now(worker->loop),
    };
    enum backend_news news;
    *taken = session_backend_bytes(&backend->state, data, len, &io, &news);
    relay_flush_backend(backend);
    if (client != NULL) {
        client->answered_at = io.now;
        relay_flush_client(client);
    } else {
        out_reset(&worker->to_client);
    }
    return !bad_news(backend, news);
}

void relay_backend_bytes(struct backend *backend)
{
    struct worker *worker = backend->worker;
    struct client *client = backend->client;
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        if (backend->reading_paused)
            return;
        bool into_held = backend->held.len > 0;
        if (into_held)
            buf_reserve(&backend->held, READ_SIZE);
        char *into = into_held ? backend->held.data + backend->held.len : worker->read_buf;
        ssize_t n = stream_read(backend->stream, into, READ_SIZE);
        if (n == ERR_AGAIN) {
            backend_answered(backend);
            return;
        }
        if (n < 0) {
            backend_lost(backend);
            return;
        }
        size_t taken = 0;
        if (into_held) {
            backend->held.len += (size_t)n;
            if (!backend_consume(backend, backend->held.data, backend->held.len, &taken))
                return;
            buf_consume(&backend->held, taken);
            if (backend->held.len == 0)
                buf_deinit(&backend->held);
        } else {
            if (!backend_consume(backend, worker->read_buf, (size_t)n, &taken))
                return;
            if (taken < (size_t)n)
                buf_append(&backend->held, worker->read_buf + taken, (size_t)n - taken);
        }
        if (n < READ_SIZE) {
            backend_answered(backend);
            return;
        }
        if (client == NULL || backend->reading_paused || verdict_of(backend) != SESSION_STAY) {
            backend_answered(backend);
            return;
        }
    }
    stream_read_later(backend->stream);
}

static void backend_drained(void *owner)
{
    struct backend *backend = owner;
    if (backend->client != NULL)
        set_client_reading(backend->client, false);
}

const struct stream_events backend_events = {
    .opened = backend_opened,
    .readable = backend_readable,
    .drained = backend_drained,
};
