#include "net/loop.h"

struct watch {
    uv_poll_t poll;
    struct loop *loop;
    void (*ready)(void *owner, int events);
    void *owner;
    int events; /* what the owner wants */
    bool closing;
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void follow(struct watch *watch)
{
    int wanted = (watch->events & WATCH_READ ? UV_READABLE : 0) | (watch->events & WATCH_WRITE ? UV_WRITABLE : 0);
    if (wanted != 0)
        uv_poll_start(&watch->poll, wanted, on_ready);
    else
        uv_poll_stop(&watch->poll);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = (struct watch *)poll;
    loop_read_clock(watch->loop);
    int told = (events & UV_READABLE ? WATCH_READ : 0) | (events & UV_WRITABLE ? WATCH_WRITE : 0);
    if (status < 0) {
        /* libuv has stopped the handle; the owner finds the error by reading or writing */
        told = watch->events;
        follow(watch);
    }
    watch->ready(watch->owner, told);
}

struct watch *net_watch(struct loop *loop, int fd, int events, void (*ready)(void *owner, int events), void *owner)
{
    struct watch *watch = mem_zalloc(sizeof *watch);
    int failed = uv_poll_init(&loop->uv, &watch->poll, fd);
    assert(failed != UV_EEXIST && failed != UV_EBADF);
    if (failed != 0) {
        mem_free(watch);
        return NULL;
    }
    watch->loop = loop;
    watch->ready = ready;
    watch->owner = owner;
    watch->events = events;
    follow(watch);
    return watch;
}

void watch_change(struct watch *watch, int events)
{
    assert(!watch->closing);
    if (watch->events == events)
        return;
    watch->events = events;
    follow(watch);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

void watch_close(struct watch *watch)
{
    assert(!watch->closing);
    watch->closing = true;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
}
