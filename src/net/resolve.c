#include "net/loop.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/time.h>

/* One c-ares channel per loop, made at the first lookup. Its sockets hang on watches, its timeouts on the wheel. */
struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;
    struct timer timeout;
    bool closing;
};

struct resolver_socket {
    struct list link;
    struct resolver *resolver;
    struct watch *watch;
    ares_socket_t fd;
};

struct lookup {
    struct message message; /* the answer goes through the mailbox: never from inside net_resolve or c-ares */
    struct resolver *resolver;
    void (*done)(void *owner, const struct resolved *result);
    void *owner;
    int port;
    struct resolved result;
};

static void deliver(struct message *message)
{
    struct lookup *lookup = (struct lookup *)message;
    lookup->done(lookup->owner, &lookup->result);
    mem_free(lookup);
}

/* ---- c-ares' sockets and timeouts ---- */

static void set_timeout(struct resolver *resolver);

static void on_timeout(struct timer *timer)
{
    struct resolver *resolver = LIST_ENTRY(timer, struct resolver, timeout);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timeout(resolver);
}

static void set_timeout(struct resolver *resolver)
{
    struct timeval wait;
    if (ares_timeout(resolver->channel, NULL, &wait) == NULL) {
        timer_stop(&resolver->timeout);
        return;
    }
    usec at = resolver->loop->now + wait.tv_sec * USEC_PER_SEC + wait.tv_usec;
    timer_start(resolver->loop, &resolver->timeout, at, on_timeout);
}

static void on_socket_ready(void *owner, int events)
{
    struct resolver_socket *socket = owner;
    struct resolver *resolver = socket->resolver;
    ares_socket_t fd = socket->fd;
    ares_process_fd(resolver->channel, events & WATCH_READ ? fd : ARES_SOCKET_BAD,
                    events & WATCH_WRITE ? fd : ARES_SOCKET_BAD); /* `socket` may be gone now */
    set_timeout(resolver);
}

static struct resolver_socket *find_socket(struct resolver *resolver, ares_socket_t fd)
{
    LIST_FOREACH (&resolver->sockets, it) {
        struct resolver_socket *socket = LIST_ENTRY(it, struct resolver_socket, link);
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

/* ares_init_options(3), sock_state_cb: neither means that the socket is about to be closed. */
static void on_socket_state(void *owner, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = owner;
    int events = (readable ? WATCH_READ : 0) | (writable ? WATCH_WRITE : 0);
    struct resolver_socket *socket = find_socket(resolver, fd);
    if (socket != NULL && events != 0) {
        watch_change(socket->watch, events);
    } else if (socket != NULL) {
        watch_close(socket->watch);
        list_remove(&socket->link);
        mem_free(socket);
    } else if (events != 0) {
        socket = mem_zalloc(sizeof *socket);
        socket->resolver = resolver;
        socket->fd = fd;
        socket->watch = net_watch(resolver->loop, fd, events, on_socket_ready, socket);
        if (socket->watch == NULL)
            mem_free(socket); /* c-ares' own timeout ends the lookup */
        else
            list_push_back(&resolver->sockets, &socket->link);
    }
}

/* ---- life of the channel ---- */

static void init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

/*
 * A name server has 2 and then 4 seconds. c-ares' own default, 5 seconds and four tries that double, lets a client wait
 * 75 seconds for a dead one; it does not read resolv.conf's timeout: and attempts:.
 */
enum { FIRST_TRY_MSEC = 2000, TRIES = 2 };

/* NULL and *error when the channel cannot be made. */
static struct resolver *resolver_of(struct loop *loop, const char **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (loop->resolver != NULL)
        return loop->resolver;
    pthread_once(&once, init_library);
    struct resolver *resolver = mem_zalloc(sizeof *resolver);
    struct ares_options options = {
        .timeout = FIRST_TRY_MSEC,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver,
        .resolvconf_path = loop->resolve_conf,
    };
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               (loop->resolve_conf != NULL ? ARES_OPT_RESOLVCONF : 0);
    int failed = ares_init_options(&resolver->channel, &options, mask);
    if (failed != ARES_SUCCESS) {
        mem_free(resolver);
        *error = ares_strerror(failed);
        return NULL;
    }
    resolver->loop = loop;
    list_init(&resolver->sockets);
    loop->resolver = resolver;
    return resolver;
}

void resolver_close(struct loop *loop)
{
    struct resolver *resolver = loop->resolver;
    if (resolver == NULL)
        return;
    resolver->closing = true;
    timer_stop(&resolver->timeout);
    ares_destroy(resolver->channel); /* ends every lookup and closes every socket through the callbacks */
    assert(list_is_empty(&resolver->sockets));
    mem_free(resolver);
    loop->resolver = NULL;
}

void net_resolve_conf(struct loop *loop, const char *path)
{
    assert(loop->resolver == NULL);
    mem_free(loop->resolve_conf);
    loop->resolve_conf = mem_strdup(path);
}

/* ---- lookups ---- */

static void add_address(struct lookup *lookup, const struct sockaddr *found, socklen_t len)
{
    char text[64];
    struct address raw = {.len = len}, *slot = &lookup->result.addresses[lookup->result.count];
    if (lookup->result.count == RESOLVED_MAX || len > sizeof raw.inet)
        return;
    memcpy(&raw.inet, found, len);
    if (address_parse(address_text(&raw, text, sizeof text), lookup->port, slot) == 0)
        lookup->result.count++;
}

static void on_answer(void *owner, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct lookup *lookup = owner;
    (void)timeouts;
    if (lookup->resolver->closing) {
        ares_freeaddrinfo(answer);
        mem_free(lookup);
        return;
    }
    for (struct ares_addrinfo_node *it = answer != NULL ? answer->nodes : NULL; it != NULL; it = it->ai_next)
        add_address(lookup, it->ai_addr, (socklen_t)it->ai_addrlen);
    if (lookup->result.count == 0)
        lookup->result.error = status != ARES_SUCCESS ? ares_strerror(status) : "no address";
    ares_freeaddrinfo(answer);
    loop_post(lookup->resolver->loop, &lookup->message);
}

void net_resolve(struct loop *loop, const char *host, int port,
                 void (*done)(void *owner, const struct resolved *result), void *owner)
{
    struct lookup *lookup = mem_zalloc(sizeof *lookup);
    lookup->message.run = deliver;
    lookup->done = done;
    lookup->owner = owner;
    lookup->port = port;
    int parsed = address_parse(host, port, &lookup->result.addresses[0]);
    if (parsed == ERR_NOT_FOUND)
        lookup->resolver = resolver_of(loop, &lookup->result.error);
    else if (parsed == 0)
        lookup->result.count = 1;
    else
        lookup->result.error = err_text(parsed);
    if (lookup->resolver == NULL) {
        loop_post(loop, &lookup->message);
        return;
    }
    struct resolver *resolver = lookup->resolver;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolver->channel, host, NULL, &hints, on_answer, lookup);
    set_timeout(resolver);
}
