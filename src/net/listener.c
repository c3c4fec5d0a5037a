#include "net/listening.h"
#include "net/loop.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64 }; /* whoever else lives on this loop has its turn between */
#define STARVED_PAUSE (5 * USEC_PER_SEC)

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    void (*accepted)(void *owner, int fd);
    void *owner;
    struct timer retry; /* running while accept is given a rest */
    int fd;
    bool paused, closing;
    bool removes_file;
    dev_t file_dev; /* which file it was: a successor may have put its own in its place */
    ino_t file_ino;
    struct address at;
};

static void on_connection(uv_poll_t *poll, int status, int events);

/* Listens if and only if nobody paused it and accept is not having a rest. */
static void follow(struct listener *listener)
{
    if (listener->closing)
        return;
    if (listener->paused || timer_is_running(&listener->retry))
        uv_poll_stop(&listener->poll);
    else if (!uv_is_active((uv_handle_t *)&listener->poll))
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

static void on_retry(struct timer *timer)
{
    follow(LIST_ENTRY(timer, struct listener, retry));
}

static void rest(struct listener *listener, int error)
{
    char host[128];
    log_write(LOG_LEVEL_WARNING, "event=accept_failed address=%s port=%d error=\"%s\" retry_in_s=%d",
              address_text(&listener->at, host, sizeof host), address_port(&listener->at), strerror(error),
              (int)(STARVED_PAUSE / USEC_PER_SEC));
    timer_start(listener->loop, &listener->retry, listener->loop->now + STARVED_PAUSE, on_retry);
    follow(listener);
}

/* accept(2): errors of the new connection, not of the listener; the next one may be fine. */
static bool concerns_one_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* firewall */
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = (struct listener *)poll;
    (void)status;
    (void)events;
    loop_read_clock(listener->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->closing && !listener->paused; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accepted(listener->owner, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (!concerns_one_connection(errno)) {
            rest(listener, errno);
            return;
        }
    }
    follow(listener); /* libuv has stopped the handle when status is an error */
}

struct listener *listener_adopt(struct loop *loop, int fd, void (*accepted)(void *owner, int fd), void *owner)
{
    struct listener *listener = mem_zalloc(sizeof *listener);
    if (uv_poll_init(&loop->uv, &listener->poll, fd) != 0) {
        mem_free(listener);
        close(fd);
        return NULL;
    }
    listener->loop = loop;
    listener->fd = fd;
    listener->accepted = accepted;
    listener->owner = owner;
    address_of_self(fd, &listener->at);
    if (!address_is_local(&listener->at))
        listening_tune(fd);
    follow(listener);
    return listener;
}

struct listener *listener_open(struct loop *loop, const struct address *at, const struct listener_options *options,
                               void (*accepted)(void *owner, int fd), void *owner, char **error)
{
    int fd = listening_open(at, options, error);
    if (fd < 0)
        return NULL;
    struct listener *listener = listener_adopt(loop, fd, accepted, owner);
    if (listener == NULL) {
        *error = mem_strdup("could not watch a listening socket: the kernel's epoll limits are used up");
        return NULL;
    }
    struct stat file;
    if (address_is_local(at) && at->local.sun_path[0] != '\0' && lstat(at->local.sun_path, &file) == 0) {
        listener->removes_file = true;
        listener->file_dev = file.st_dev;
        listener->file_ino = file.st_ino;
    }
    return listener;
}

void listener_pause(struct listener *listener)
{
    listener->paused = true;
    follow(listener);
}

void listener_resume(struct listener *listener)
{
    listener->paused = false;
    follow(listener);
}

const struct address *listener_address(const struct listener *listener)
{
    return &listener->at;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

void listener_close(struct listener *listener)
{
    assert(!listener->closing);
    listener->closing = true;
    timer_stop(&listener->retry);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    close(listener->fd);
    struct stat file;
    const char *path = listener->at.local.sun_path;
    if (listener->removes_file && lstat(path, &file) == 0 && file.st_dev == listener->file_dev &&
        file.st_ino == listener->file_ino)
        unlink(path);
}
