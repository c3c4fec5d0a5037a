/*
 * net - descriptors, time and threads' mailboxes; libuv, SSL and c-ares live behind this header only.
 *
 * Does I/O; knows nothing of PostgreSQL. Two implementations: src/net (libuv) and test/lib/net_memory.c
 * (in-memory streams, virtual clock), so that everything above runs without a socket or a sleep.
 * A loop and all that belongs to it is used from its own thread only, except loop_post and loop_stop.
 */
#ifndef PGPOOLER_NET_H
#define PGPOOLER_NET_H

#include "pgpooler/base.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

/* ---- loop ---- */
struct loop;
struct loop *loop_new(void);       /* NULL: the kernel has no descriptors left */
void loop_run(struct loop *loop);  /* until loop_stop; everything open is closed by its owner before loop_free */
void loop_stop(struct loop *loop); /* any thread */
void loop_free(struct loop *loop);
usec loop_now(const struct loop *loop);       /* monotonic, read once per event that is delivered */
usec loop_heartbeat(const struct loop *loop); /* any thread: loop_now of its latest turn; none while it sleeps */
usec net_wall_now(void);                      /* since the epoch, for logs and SHOW */

/* ---- mailbox: a message is posted from any thread and run on the loop's own, in order of posting per sender ---- */
struct message {
    struct message *next;
    void (*run)(struct message *message); /* owns the message from here on */
};
void loop_post(struct loop *loop, struct message *message); /* any thread; takes */

/* ---- timers: a wheel per loop, 1 ms ticks; zero-initialised is stopped ---- */
struct timer {
    struct list link;
    usec at;
    void (*fire)(struct timer *timer); /* stopped already when called; may start itself again */
};
void timer_start(struct loop *loop, struct timer *timer, usec at, void (*fire)(struct timer *)); /* restarts */
void timer_stop(struct timer *timer); /* harmless when stopped */
static inline bool timer_is_running(const struct timer *timer)
{
    return timer->link.next != NULL;
}

/* ---- addresses ---- */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_storage inet;
        struct sockaddr_un local; /* sun_path starting with NUL: abstract */
    };
    socklen_t len;
};
/* "/dir" or "@name" and a port: PostgreSQL's socket name in it; numeric IPv4 or IPv6: that. ERR_NOT_FOUND: a name. */
int address_parse(const char *host, int port, struct address *out);
bool address_is_local(const struct address *address);
int address_port(const struct address *address);                                 /* 0 for local */
const char *address_text(const struct address *address, char *out, size_t size); /* host only; "unix" for local */
/* Peer and own address of a connected descriptor. */
void address_of_peer(int fd, struct address *out);
void address_of_self(int fd, struct address *out);

/* ---- stream: a connected descriptor, plain or TLS ----
 *
 *   opening --> open --> (peer gone: read says ERR_CLOSED or ERR_IO) --> stream_close
 *
 * An idle stream holds no buffer. Readiness is level-triggered for the owner: after `readable` it reads until it has
 * enough or a short read says drained; if it stops earlier it calls stream_read_later() and is called again in
 * the same turn's end, before the loop sleeps. READABLE interest stays on while nothing comes; only an event that the
 * owner does not want (stream_pause_reading in force) takes it off, so pausing costs no system call as such.
 */
struct stream;
struct stream_events {
    void (*opened)(void *owner, int err); /* of stream_connect: 0, or a negative errno */
    void (*readable)(void *owner);        /* bytes, the end or an error are there to be read */
    /* Nothing is pending any more: written, or dropped because the peer is gone, which the next stream_write says. */
    void (*drained)(void *owner);
};
struct stream_options { /* 0: the system's default */
    int keepalive, keepidle, keepintvl, keepcnt, user_timeout_msec, buffer_size;
};
/*
 * Takes fd (made non-blocking here). `owner` is handed to the events. If the kernel refuses to poll the descriptor,
 * reading says ERR_IO.
 */
struct stream *stream_open(struct loop *loop, int fd, const struct stream_events *events, void *owner);
struct stream *stream_connect(struct loop *loop, const struct address *to, const struct stream_options *options,
                              const struct stream_events *events, void *owner);
void stream_set_owner(struct stream *stream, const struct stream_events *events, void *owner);
void stream_tune(struct stream *stream, const struct stream_options *options); /* harmless on local sockets */
/* Bytes read (> 0), ERR_AGAIN, ERR_CLOSED (end of stream), ERR_IO. Fewer than size means drained. */
ssize_t stream_read(struct stream *stream, void *into, size_t size);
void stream_read_later(struct stream *stream);
void stream_pause_reading(struct stream *stream);  /* `readable` is not called until stream_resume_reading */
void stream_resume_reading(struct stream *stream); /* calls `readable` later if something is there */
/*
 * Writes at once what the kernel takes and keeps a copy of the rest (`drained` follows).
 * Borrows the pieces. 0, or ERR_IO when the peer is gone (reading will say so too).
 */
int stream_write(struct stream *stream, const struct iovec *pieces, int count);
size_t stream_pending(const struct stream *stream); /* bytes accepted and not yet written */
void stream_shutdown_write(struct stream *stream);  /* after the pending output: FIN */
/* Pending output is tried once more, then everything is closed. done(owner) when the memory may go; may be NULL. */
void stream_close(struct stream *stream, void (*done)(void *owner));
/*
 * Moves an idle stream (nothing pending, nothing unread) to another loop: leaves this one completely, then calls
 * arrived(owner) on the other's thread with the new stream in place. The old pointer is dead at once.
 */
void stream_move(struct stream *stream, struct loop *to, void (*arrived)(void *owner, struct stream *stream));
const struct address *stream_peer(const struct stream *stream); /* lends; asked from the kernel each time */
int stream_fd(const struct stream *stream);                     /* for getsockname and tests */

/* ---- listeners ---- */
struct listener;
struct listener_options {
    int backlog;
    bool reuse_port;
    int defer_accept; /* TCP_DEFER_ACCEPT seconds, 0: off */
    int unix_mode;    /* of the socket file */
    const char *unix_group;
};
/*
 * accepted(owner, fd) takes the descriptor. On success *error is untouched; on failure NULL and *error a text
 * ("unix socket is in use, cannot continue" ...). A stale socket file is replaced.
 */
struct listener *listener_open(struct loop *loop, const struct address *at, const struct listener_options *options,
                               void (*accepted)(void *owner, int fd), void *owner, char **error);
/* An inherited or already listening descriptor (socket activation). Takes. NULL: the kernel refuses to poll it. */
struct listener *listener_adopt(struct loop *loop, int fd, void (*accepted)(void *owner, int fd), void *owner);
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);
const struct address *listener_address(const struct listener *listener);
/*
 * Closes; a socket file of ours is removed. When accept fails for want of descriptors or memory the listener pauses
 * itself for 5 seconds, warns once per pause, and goes on.
 */
void listener_close(struct listener *listener);

/* ---- watch: readiness of somebody else's descriptor (libpq's, microhttpd's), level-triggered ----
 *
 * An error is told as readiness for everything wanted. One watch per descriptor; close it before the number is used
 * again on the same loop. NULL: the kernel refuses to poll it.
 */
struct watch;
enum { WATCH_READ = 1, WATCH_WRITE = 2 };
struct watch *net_watch(struct loop *loop, int fd, int events, void (*ready)(void *owner, int events), void *owner);
void watch_change(struct watch *watch, int events);
void watch_close(struct watch *watch); /* the descriptor stays open */

/* ---- names: c-ares on this loop, numbers come back at once through the same callback later in the turn ---- */
enum { RESOLVED_MAX = 16 };
struct resolved {
    int count; /* 0: failed */
    const char *error;
    struct address addresses[RESOLVED_MAX];
};
/*
 * done is always called from the loop, never from inside net_resolve; a lookup that is still on its way when the loop
 * is freed is dropped without it. `result` is lent until done returns. Numbers and socket directories resolve too.
 */
void net_resolve(struct loop *loop, const char *host, int port,
                 void (*done)(void *owner, const struct resolved *result), void *owner);
/* All lookups of this loop use this file instead of /etc/resolv.conf; before the first lookup. */
void net_resolve_conf(struct loop *loop, const char *path);

/* ---- signals, on one loop of the process only ---- */
void net_on_signal(struct loop *loop, int signum, void (*raised)(void *owner, int signum), void *owner);

/* ---- slow work: run on another thread, done back on the loop ---- */
struct job {
    struct loop *loop; /* filled in by net_offload */
    void (*run)(struct job *job);
    void (*done)(struct job *job);
};
void net_offload(struct loop *loop, struct job *job); /* the job lives until done */

/* ---- what it is built on ---- */
struct net_versions {
    const char *event, *dns, *tls; /* of libuv, c-ares and OpenSSL; the last one names itself */
};
void net_versions(struct net_versions *out);

#endif
