#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STREAM_OPENING = 1 << 0,
    STREAM_PAUSED = 1 << 1,
    STREAM_HELD = 1 << 2,  /* asked to be read later, and was paused or moving when its turn came */
    STREAM_ENDED = 1 << 3, /* the owner has read the end or an error: readiness has nothing more to tell */
    STREAM_UNWRITABLE = 1 << 4,
    STREAM_SHUT = 1 << 5, /* FIN asked for, maybe waiting for the output */
    STREAM_GONE = 1 << 6, /* closing or moving: no more events */
};

/* Exists only while output is pending. */
struct output {
    struct buf bytes;
    size_t written;
};

/*
 * A stream whose descriptor could not be made keeps an idle handle in the poll handle's place, so that closing and
 * moving are the same for all; reading from it says the error. There is one such struct per connection: keep it small.
 */
struct stream {
    union {
        uv_handle_t any;
        uv_poll_t poll;
        uv_idle_t none;
    } handle;
    struct loop *loop;
    const struct stream_events *events;
    void *owner;
    struct list again; /* in loop->again */
    union {
        struct output *output;
        void (*done)(void *owner); /* closing */
        struct transfer *transfer; /* moving */
    };
    int fd;        /* -1: none */
    int16_t error; /* errno of a failed open or connect */
    uint8_t flags;
    uint8_t armed; /* UV_READABLE | UV_WRITABLE as libuv has them */
};
static_assert(sizeof(uv_poll_t) > 160 || sizeof(struct stream) <= 232, "10,000 idle clients are counted in bytes");

/*
 * ---- the transport: the one place that knows how bytes reach the descriptor ----
 * System calls without the C library around them: as cancellation points of a process with threads its functions
 * cost 50 instructions each, four times per transaction. No thread of ours is ever cancelled.
 */

/* Bytes, 0 at the end of the stream, ERR_AGAIN, ERR_IO. */
static ssize_t transport_read(struct stream *stream, void *into, size_t size)
{
    ssize_t got;
    do {
        got = syscall(SYS_recvfrom, stream->fd, into, size, MSG_DONTWAIT, NULL, NULL);
    } while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_IO;
}

/* Bytes taken, ERR_AGAIN, ERR_IO. sendmsg and not writev: a vanished peer must not raise SIGPIPE. */
static ssize_t transport_write(struct stream *stream, const struct iovec *pieces, int count)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = (size_t)count};
    ssize_t put;
    do {
        put = syscall(SYS_sendmsg, stream->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (put < 0 && errno == EINTR);
    if (put >= 0)
        return put;
    return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_IO;
}

/* ---- interest: changing it costs two epoll_ctl, so it changes only when an event came that cannot be served ---- */

static void on_event(uv_poll_t *poll, int status, int events);

static void arm(struct stream *stream, unsigned interest)
{
    if (interest == stream->armed || stream->fd < 0)
        return;
    stream->armed = (uint8_t)interest;
    int failed = interest != 0 ? uv_poll_start(&stream->handle.poll, (int)interest, on_event)
                               : uv_poll_stop(&stream->handle.poll);
    assert(failed == 0);
    (void)failed;
}

static bool wants_reading(const struct stream *stream)
{
    return (stream->flags & (STREAM_PAUSED | STREAM_ENDED | STREAM_OPENING)) == 0;
}

static void attach(struct stream *stream, struct loop *loop, int fd)
{
    stream->loop = loop;
    stream->fd = fd;
    stream->armed = 0;
    int failed = fd < 0 ? 0 : uv_poll_init(&loop->uv, &stream->handle.poll, fd);
    assert(failed != UV_EEXIST && failed != UV_EBADF);
    if (failed != 0) {
        close(fd);
        stream->fd = -1;
        stream->error = (int16_t)-failed;
    }
    if (stream->fd < 0)
        uv_idle_init(&loop->uv, &stream->handle.none);
}

static struct stream *stream_new(const struct stream_events *events, void *owner)
{
    struct stream *stream = mem_zalloc(sizeof *stream);
    stream->events = events;
    stream->owner = owner;
    list_init(&stream->again);
    return stream;
}

/* ---- reading ---- */

static void visit_again(struct stream *stream)
{
    if (list_is_linked(&stream->again))
        return;
    list_push_back(&stream->loop->again, &stream->again);
    loop_stay_awake(stream->loop);
}

void stream_read_later(struct stream *stream)
{
    assert(!(stream->flags & STREAM_OPENING));
    if (!(stream->flags & STREAM_GONE))
        visit_again(stream);
}

ssize_t stream_read(struct stream *stream, void *into, size_t size)
{
    assert(size > 0 && !(stream->flags & (STREAM_GONE | STREAM_OPENING)));
    ssize_t got;
    if (stream->fd >= 0) {
        got = transport_read(stream, into, size);
    } else {
        errno = stream->error;
        got = ERR_IO;
    }
    if (got > 0 || got == ERR_AGAIN)
        return got;
    stream->flags |= STREAM_ENDED;
    return got == 0 ? ERR_CLOSED : got;
}

void stream_pause_reading(struct stream *stream)
{
    stream->flags |= STREAM_PAUSED;
}

void stream_resume_reading(struct stream *stream)
{
    if (!(stream->flags & STREAM_PAUSED) || stream->flags & STREAM_GONE)
        return;
    stream->flags &= (uint8_t)~STREAM_PAUSED;
    if (stream->flags & STREAM_HELD) {
        stream->flags &= (uint8_t)~STREAM_HELD;
        visit_again(stream);
    }
    if (wants_reading(stream))
        arm(stream, stream->armed | UV_READABLE);
}

/* ---- writing ---- */

static void output_append(struct stream *stream, const char *from, size_t len)
{
    if (len == 0)
        return;
    if (stream->output == NULL)
        stream->output = mem_zalloc(sizeof *stream->output);
    struct output *output = stream->output;
    if (output->written > output->bytes.len / 2) {
        buf_consume(&output->bytes, output->written);
        output->written = 0;
    }
    buf_append(&output->bytes, from, len);
}

static void output_drop(struct stream *stream)
{
    if (stream->output == NULL)
        return;
    buf_deinit(&stream->output->bytes);
    mem_free(stream->output);
    stream->output = NULL;
}

/* True when nothing is pending any more: written, or thrown away because the peer is gone. */
static bool output_write(struct stream *stream)
{
    struct output *output = stream->output;
    size_t left = output->bytes.len - output->written;
    ssize_t put = transport_write(stream, &(struct iovec){output->bytes.data + output->written, left}, 1);
    if (put == ERR_AGAIN)
        return false;
    if (put < 0)
        stream->flags |= STREAM_UNWRITABLE;
    else if ((size_t)put < left) {
        output->written += (size_t)put;
        return false;
    }
    output_drop(stream);
    return true;
}

int stream_write(struct stream *stream, const struct iovec *pieces, int count)
{
    assert(!(stream->flags & (STREAM_GONE | STREAM_OPENING)));
    if (stream->flags & (STREAM_UNWRITABLE | STREAM_SHUT) || stream->fd < 0) {
        errno = EPIPE;
        return ERR_IO;
    }
    while (count > 0 && stream->output == NULL) {
        int batch = count < IOV_MAX ? count : IOV_MAX;
        ssize_t put = transport_write(stream, pieces, batch);
        if (put < 0 && put != ERR_AGAIN) {
            stream->flags |= STREAM_UNWRITABLE;
            return ERR_IO;
        }
        size_t taken = put > 0 ? (size_t)put : 0;
        for (; batch > 0 && taken >= pieces->iov_len; batch--, count--)
            taken -= pieces++->iov_len;
        if (batch > 0) {
            output_append(stream, (const char *)pieces->iov_base + taken, pieces->iov_len - taken);
            pieces++;
            count--;
        }
    }
    for (; count > 0; pieces++, count--)
        output_append(stream, pieces->iov_base, pieces->iov_len);
    if (stream->output != NULL)
        arm(stream, stream->armed | UV_WRITABLE);
    return 0;
}

size_t stream_pending(const struct stream *stream)
{
    if (stream->flags & STREAM_GONE || stream->output == NULL)
        return 0;
    return stream->output->bytes.len - stream->output->written;
}

void stream_shutdown_write(struct stream *stream)
{
    assert(!(stream->flags & (STREAM_GONE | STREAM_OPENING)));
    if (stream->output == NULL && !(stream->flags & STREAM_SHUT) && stream->fd >= 0)
        shutdown(stream->fd, SHUT_WR);
    stream->flags |= STREAM_SHUT;
}

/* ---- events ---- */

static void opened(struct stream *stream)
{
    stream->flags &= (uint8_t)~STREAM_OPENING;
    if (stream->error == 0)
        arm(stream, wants_reading(stream) ? UV_READABLE : 0);
    else
        arm(stream, 0);
    stream->events->opened(stream->owner, -stream->error);
}

static void connect_finished(struct stream *stream)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    stream->error = (int16_t)error;
    opened(stream);
}

/*
 * On POLLERR libuv stops the handle and says UV_EBADF. What the peer sent before its RST, a server's FATAL for
 * example, is still there to be read, and the error comes behind it: so an error is just readiness. Reading goes
 * first because a failed write takes the socket's error with it.
 */
static void on_event(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = (struct stream *)poll;
    loop_read_clock(stream->loop);
    if (status < 0) {
        stream->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    if (stream->flags & STREAM_OPENING) {
        connect_finished(stream);
        return;
    }
    unsigned interest = stream->armed;
    if (events & UV_READABLE) {
        if (wants_reading(stream)) {
            stream->events->readable(stream->owner);
            if (stream->flags & STREAM_GONE)
                return;
            interest = stream->armed | (wants_reading(stream) ? UV_READABLE : 0u);
        } else {
            interest &= ~(unsigned)UV_READABLE;
        }
    }
    bool drained = false;
    if (events & UV_WRITABLE && stream->output != NULL) {
        drained = output_write(stream);
        if (drained && stream->flags & STREAM_SHUT)
            shutdown(stream->fd, SHUT_WR);
    }
    arm(stream, stream->output != NULL ? interest | UV_WRITABLE : interest & ~(unsigned)UV_WRITABLE);
    if (drained)
        stream->events->drained(stream->owner);
}

static void visit(struct stream *stream)
{
    loop_read_clock(stream->loop);
    if (stream->flags & STREAM_OPENING)
        opened(stream);
    else if (stream->flags & STREAM_PAUSED)
        stream->flags |= STREAM_HELD;
    else
        stream->events->readable(stream->owner);
}

void streams_read_again(struct loop *loop)
{
    if (list_is_empty(&loop->again))
        return;
    struct list due = loop->again; /* whoever asks again meanwhile has its turn after the next poll */
    due.next->prev = due.prev->next = &due;
    list_init(&loop->again);
    while (!list_is_empty(&due)) {
        struct stream *stream = LIST_ENTRY(due.next, struct stream, again);
        list_remove(&stream->again);
        visit(stream);
    }
}

/* ---- life ---- */

struct stream *stream_open(struct loop *loop, int fd, const struct stream_events *events, void *owner)
{
    struct stream *stream = stream_new(events, owner);
    attach(stream, loop, fd);
    if (stream->fd >= 0)
        arm(stream, UV_READABLE);
    else
        visit_again(stream);
    return stream;
}

void stream_set_owner(struct stream *stream, const struct stream_events *events, void *owner)
{
    assert(!(stream->flags & STREAM_GONE));
    stream->events = events;
    stream->owner = owner;
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

static void tune(int fd, const struct stream_options *options)
{
    if (options->buffer_size > 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options->buffer_size);
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options->buffer_size);
    }
    if (options->keepalive)
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (options->keepalive && options->keepidle > 0)
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepidle);
    if (options->keepalive && options->keepintvl > 0)
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepintvl);
    if (options->keepalive && options->keepcnt > 0)
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keepcnt);
    if (options->user_timeout_msec > 0)
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_msec);
}

void stream_tune(struct stream *stream, const struct stream_options *options)
{
    if (stream->fd >= 0)
        tune(stream->fd, options);
}

/* 0 connected, EINPROGRESS, or why not; *fd is -1 then. */
static int start_connecting(const struct address *to, const struct stream_options *options, int *fd)
{
    *fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    if (!address_is_local(to))
        set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options != NULL)
        tune(*fd, options);
    if (connect(*fd, &to->any, to->len) == 0)
        return 0;
    /* connect(2): when interrupted it goes on by itself. A local socket with a full backlog says EAGAIN: a failure. */
    if (errno == EINPROGRESS || errno == EINTR)
        return EINPROGRESS;
    int error = errno;
    close(*fd);
    *fd = -1;
    return error;
}

struct stream *stream_connect(struct loop *loop, const struct address *to, const struct stream_options *options,
                              const struct stream_events *events, void *owner)
{
    struct stream *stream = stream_new(events, owner);
    int fd, error = start_connecting(to, options, &fd);
    attach(stream, loop, fd);
    stream->flags |= STREAM_OPENING;
    if (error == EINPROGRESS && stream->fd >= 0) {
        arm(stream, UV_WRITABLE);
        return stream;
    }
    if (error != EINPROGRESS && error != 0)
        stream->error = (int16_t)error;
    visit_again(stream);
    return stream;
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = (struct stream *)handle;
    void (*done)(void *) = stream->done;
    void *owner = stream->owner;
    mem_free(stream);
    if (done != NULL)
        done(owner);
}

void stream_close(struct stream *stream, void (*done)(void *owner))
{
    assert(!(stream->flags & STREAM_GONE));
    if (stream->output != NULL)
        output_write(stream);
    output_drop(stream);
    list_remove(&stream->again);
    stream->flags |= STREAM_GONE;
    stream->done = done;
    uv_close(&stream->handle.any, on_closed); /* takes the descriptor out of epoll at once */
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* ---- to another loop: the message leaves when this loop has let go entirely ---- */

struct transfer {
    struct message message;
    struct stream *stream;
    struct loop *to;
    void (*arrived)(void *owner, struct stream *stream);
};

static void arrive(struct message *message)
{
    struct transfer transfer = *(struct transfer *)message;
    struct stream *stream = transfer.stream;
    mem_free(message);
    stream->transfer = NULL;
    stream->flags &= (uint8_t)~STREAM_GONE;
    attach(stream, transfer.to, stream->fd);
    if (stream->fd < 0 || stream->flags & STREAM_HELD) {
        stream->flags &= (uint8_t)~STREAM_HELD;
        visit_again(stream);
    }
    if (wants_reading(stream))
        arm(stream, UV_READABLE);
    transfer.arrived(stream->owner, stream);
}

static void on_detached(uv_handle_t *handle)
{
    struct stream *stream = (struct stream *)handle;
    loop_post(stream->transfer->to, &stream->transfer->message);
}

void stream_move(struct stream *stream, struct loop *to, void (*arrived)(void *owner, struct stream *stream))
{
    assert(!(stream->flags & (STREAM_GONE | STREAM_OPENING)) && stream->output == NULL);
    struct transfer *transfer = mem_zalloc(sizeof *transfer);
    *transfer = (struct transfer){{NULL, arrive}, stream, to, arrived};
    if (list_is_linked(&stream->again))
        stream->flags |= STREAM_HELD;
    list_remove(&stream->again);
    stream->flags |= STREAM_GONE;
    stream->transfer = transfer;
    uv_close(&stream->handle.any, on_detached);
}

/* ---- who is there ---- */

static void ask_address(int (*ask)(int, struct sockaddr *, socklen_t *), int fd, struct address *out)
{
    memset(out, 0, sizeof *out);
    out->len = sizeof out->inet;
    if (ask(fd, &out->any, &out->len) != 0)
        memset(out, 0, sizeof *out);
}

void address_of_peer(int fd, struct address *out)
{
    ask_address(getpeername, fd, out);
}

void address_of_self(int fd, struct address *out)
{
    ask_address(getsockname, fd, out);
}

const struct address *stream_peer(const struct stream *stream)
{
    address_of_peer(stream->fd, &stream->loop->lent);
    return &stream->loop->lent;
}

int stream_fd(const struct stream *stream)
{
    return stream->fd;
}
