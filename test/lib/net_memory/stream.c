/* stream - our ends of connections: the same promises as src/net/stream.c. Part of net_memory.c. */
#include "net_memory/world.h"

static struct stream *stream_new(struct loop *loop, const struct stream_events *events, void *owner)
{
    struct stream *stream = mem_zalloc(sizeof *stream);
    stream->loop = loop;
    stream->events = events;
    stream->owner = owner;
    list_init(&stream->again);
    list_push_back(&loop->streams, &stream->link);
    return stream;
}

struct stream *stream_open(struct loop *loop, int fd, const struct stream_events *events, void *owner)
{
    struct stream *stream = stream_new(loop, events, owner);
    stream->peer = peer_of(fd);
    assert(stream->peer != NULL && stream->peer->stream == NULL && !stream->peer->closed);
    stream->peer->stream = stream;
    return stream;
}

struct stream *stream_connect(struct loop *loop, const struct address *to, const struct stream_options *options,
                              const struct stream_events *events, void *owner)
{
    struct stream *stream = stream_new(loop, events, owner);
    (void)options;
    stream->opening = true;
    stream->to = *to;
    return stream;
}

void stream_set_owner(struct stream *stream, const struct stream_events *events, void *owner)
{
    assert(!stream->gone);
    stream->events = events;
    stream->owner = owner;
}

void stream_tune(struct stream *stream, const struct stream_options *options)
{
    (void)stream;
    (void)options;
}

static int fails_with(int error)
{
    errno = error;
    return ERR_IO;
}

ssize_t stream_read(struct stream *stream, void *into, size_t size)
{
    assert(size > 0 && !stream->gone && !stream->opening);
    struct memory_peer *peer = stream->peer;
    if (peer == NULL) {
        stream->ended = true;
        return fails_with(ENOTCONN);
    }
    size_t len = peer->to_stream.len;
    len = len < stream->visible ? len : stream->visible;
    len = len < size ? len : size;
    if (len > 0) {
        memcpy(into, peer->to_stream.data, len);
        buf_consume(&peer->to_stream, len);
        stream->visible -= len;
        return (ssize_t)len;
    }
    if (peer->to_stream.len > 0 || (!peer->finished && !peer->was_reset))
        return ERR_AGAIN;
    stream->ended = true;
    return peer->was_reset ? fails_with(ECONNRESET) : ERR_CLOSED;
}

void stream_read_later(struct stream *stream)
{
    assert(!stream->opening);
    if (!stream->gone && !list_is_linked(&stream->again))
        list_push_back(&stream->loop->again, &stream->again);
}

void stream_pause_reading(struct stream *stream)
{
    stream->paused = true;
}

void stream_resume_reading(struct stream *stream)
{
    stream->paused = false;
    if (stream->held)
        stream_read_later(stream);
    stream->held = false;
}

static bool is_broken(const struct stream *stream)
{
    return stream->unwritable || stream->peer == NULL || !stream->peer->in_hand;
}

/* What the window lets through of the pending output. */
static void push_output(struct stream *stream)
{
    struct memory_peer *peer = stream->peer;
    size_t room = peer->window > peer->to_peer.len ? peer->window - peer->to_peer.len : 0;
    size_t len = room < stream->output.len ? room : stream->output.len;
    if (len == 0)
        return;
    buf_append(&peer->to_peer, stream->output.data, len);
    buf_consume(&stream->output, len);
    peer->news = true;
}

int stream_write(struct stream *stream, const struct iovec *pieces, int count)
{
    assert(!stream->gone && !stream->opening);
    if (stream->shut)
        return fails_with(EPIPE);
    if (stream->output.len == 0 && is_broken(stream)) {
        stream->unwritable = true;
        return fails_with(EPIPE);
    }
    bool was_pending = stream->output.len > 0;
    for (int i = 0; i < count; i++)
        buf_append(&stream->output, pieces[i].iov_base, pieces[i].iov_len);
    if (!was_pending)
        push_output(stream);
    return 0;
}

size_t stream_pending(const struct stream *stream)
{
    return stream->output.len;
}

static void send_fin(struct stream *stream)
{
    if (stream->peer != NULL)
        stream->peer->shut = stream->peer->news = true;
}

void stream_shutdown_write(struct stream *stream)
{
    assert(!stream->gone && !stream->opening);
    stream->shut = true;
    if (stream->output.len == 0)
        send_fin(stream);
}

static void leave_loop(struct stream *stream)
{
    stream->gone = true;
    list_remove(&stream->again);
    list_remove(&stream->link);
    list_push_back(&stream->loop->closing, &stream->link);
}

void stream_close(struct stream *stream, void (*done)(void *owner))
{
    assert(!stream->gone);
    if (stream->output.len > 0 && !is_broken(stream))
        push_output(stream);
    buf_deinit(&stream->output);
    if (stream->peer != NULL)
        peer_left(stream->peer);
    stream->peer = NULL;
    stream->done = done;
    leave_loop(stream);
}

static void arrive(struct message *message)
{
    struct transfer transfer = *(struct transfer *)message;
    struct stream *stream = transfer.stream;
    mem_free(message);
    stream->gone = false;
    stream->transfer = NULL;
    stream->loop = transfer.to;
    list_push_back(&transfer.to->streams, &stream->link);
    if (stream->held)
        stream_read_later(stream);
    stream->held = false;
    transfer.arrived(stream->owner, stream);
}

/* The stream goes on in a new place of memory, so that whoever still uses the old pointer is found out. */
void stream_move(struct stream *stream, struct loop *to, void (*arrived)(void *owner, struct stream *stream))
{
    assert(!stream->gone && !stream->opening && stream->output.len == 0);
    stream->held |= list_is_linked(&stream->again);
    list_remove(&stream->again);
    list_remove(&stream->link);
    struct stream *moved = mem_dup(stream, sizeof *stream);
    list_init(&moved->again);
    list_init(&moved->link);
    buf_deinit(&stream->output);
    moved->output = (struct buf){0};
    mem_free(stream);
    if (moved->peer != NULL)
        moved->peer->stream = moved;
    moved->transfer = mem_zalloc(sizeof *moved->transfer);
    *moved->transfer = (struct transfer){{NULL, arrive}, moved, to, arrived};
    leave_loop(moved);
}

const struct address *stream_peer(const struct stream *stream)
{
    return stream->peer != NULL ? &stream->peer->far : &stream->to;
}

int stream_fd(const struct stream *stream)
{
    return stream->peer != NULL ? stream->peer->fd : -1;
}

void address_of_peer(int fd, struct address *out)
{
    const struct memory_peer *peer = peer_of(fd);
    *out = peer != NULL ? peer->far : (struct address){0};
}

void address_of_self(int fd, struct address *out)
{
    const struct memory_peer *peer = peer_of(fd);
    *out = peer != NULL ? peer->near : (struct address){0};
}

static bool open_stream(struct stream *stream)
{
    const struct place_served *place = find_place(&stream->to);
    int error = place != NULL ? place->error : ECONNREFUSED;
    if (place != NULL && place->accept != NULL) {
        struct address near = some_address(20000 + (world.next_fd - FIRST_DESCRIPTOR) % 40000);
        stream->peer = peer_new(&stream->to, &near);
        stream->peer->stream = stream;
        place->accept(place->context, stream->peer);
        error = 0;
    } else if (error == 0) {
        return false;
    }
    stream->opening = false;
    stream->events->opened(stream->owner, -error);
    return true;
}

static bool has_news(const struct stream *stream)
{
    const struct memory_peer *peer = stream->peer;
    return !stream->paused && !stream->ended && peer != NULL &&
           (peer->to_stream.len > 0 || peer->finished || peer->was_reset);
}

static bool serve_output(struct stream *stream)
{
    if (stream->output.len == 0)
        return false;
    if (is_broken(stream)) {
        stream->unwritable = true;
        buf_deinit(&stream->output);
    } else {
        push_output(stream);
    }
    if (stream->output.len > 0)
        return false;
    buf_deinit(&stream->output);
    if (stream->shut)
        send_fin(stream);
    stream->events->drained(stream->owner);
    return true;
}

static bool serve_streams(struct loop *loop)
{
    struct list taken, *node;
    bool busy = false;
    take_all(&loop->streams, &taken);
    while ((node = next_of(&taken, &loop->streams)) != NULL) {
        struct stream *stream = LIST_ENTRY(node, struct stream, link);
        if (stream->opening) {
            busy |= open_stream(stream);
            continue;
        }
        if (serve_output(stream)) { /* the stream may be gone now; its other event comes in the next round */
            busy = true;
        } else if (has_news(stream)) {
            stream->visible = stream->peer->packet != 0 ? stream->peer->packet : SIZE_MAX;
            busy = true;
            stream->events->readable(stream->owner);
        }
    }
    return busy;
}

static bool read_again(struct loop *loop)
{
    struct list taken, *node;
    bool busy = !list_is_empty(&loop->again);
    take_all(&loop->again, &taken);
    while ((node = next_of(&taken, NULL)) != NULL) {
        struct stream *stream = LIST_ENTRY(node, struct stream, again);
        if (stream->paused)
            stream->held = true;
        else
            stream->events->readable(stream->owner);
    }
    return busy;
}

static bool finish_closing(struct loop *loop)
{
    struct list taken, *node;
    bool busy = !list_is_empty(&loop->closing);
    take_all(&loop->closing, &taken);
    while ((node = next_of(&taken, NULL)) != NULL) {
        struct stream *stream = LIST_ENTRY(node, struct stream, link);
        if (stream->transfer != NULL) {
            loop_post(stream->transfer->to, &stream->transfer->message);
            continue;
        }
        void (*done)(void *) = stream->done;
        void *owner = stream->owner;
        mem_free(stream);
        if (done != NULL)
            done(owner);
    }
    return busy;
}

unsigned net_memory_open_streams(void)
{
    unsigned count = 0;
    make_world();
    LIST_FOREACH (&world.loops, it)
        LIST_FOREACH (&LIST_ENTRY(it, struct loop, link)->streams, one)
            count++;
    return count;
}
