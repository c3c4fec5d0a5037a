/* wait - what else a loop waits for: listeners, watches, signals, jobs, names. Part of net_memory.c. */
#include "net_memory/world.h"

/* ---- listeners ---- */

struct listener *listener_adopt(struct loop *loop, int fd, void (*accepted)(void *owner, int fd), void *owner)
{
    struct listener *listener = mem_zalloc(sizeof *listener);
    listener->loop = loop;
    listener->accepted = accepted;
    listener->owner = owner;
    listener->at = some_address(fd & UINT16_MAX);
    list_push_back(&loop->listeners, &listener->link);
    return listener;
}

struct listener *listener_open(struct loop *loop, const struct address *at, const struct listener_options *options,
                               void (*accepted)(void *owner, int fd), void *owner, char **error)
{
    (void)options;
    LIST_FOREACH (&world.loops, of_loop) {
        LIST_FOREACH (&LIST_ENTRY(of_loop, struct loop, link)->listeners, it) {
            if (!same_address(&LIST_ENTRY(it, struct listener, link)->at, at))
                continue;
            *error = mem_strdup(address_is_local(at) ? "unix socket is in use, cannot continue"
                                                     : "could not bind: Address already in use");
            return NULL;
        }
    }
    struct listener *listener = listener_adopt(loop, 0, accepted, owner);
    listener->at = *at;
    return listener;
}

void listener_pause(struct listener *listener)
{
    listener->paused = true;
}

void listener_resume(struct listener *listener)
{
    listener->paused = false;
}

const struct address *listener_address(const struct listener *listener)
{
    return &listener->at;
}

static int take_accepted(struct listener *listener)
{
    int fd;
    memcpy(&fd, listener->backlog.data, sizeof fd);
    buf_consume(&listener->backlog, sizeof fd);
    return fd;
}

void listener_close(struct listener *listener)
{
    while (listener->backlog.len > 0) {
        struct memory_peer *peer = peer_of(take_accepted(listener));
        if (peer != NULL)
            peer_left(peer);
    }
    buf_deinit(&listener->backlog);
    list_remove(&listener->link);
    mem_free(listener);
}

/* One per listener and round: `accepted` may pause or close it. */
static bool accept_waiting(struct loop *loop)
{
    struct list taken, *node;
    bool busy = false;
    take_all(&loop->listeners, &taken);
    while ((node = next_of(&taken, &loop->listeners)) != NULL) {
        struct listener *listener = LIST_ENTRY(node, struct listener, link);
        if (listener->paused || listener->backlog.len == 0)
            continue;
        busy = true;
        listener->accepted(listener->owner, take_accepted(listener));
    }
    return busy;
}

/* ---- watches, signals, jobs, names ---- */

struct watch *net_watch(struct loop *loop, int fd, int events, void (*ready)(void *owner, int events), void *owner)
{
    struct watch *watch = mem_zalloc(sizeof *watch);
    watch->fd = fd;
    watch->events = events;
    watch->ready = ready;
    watch->owner = owner;
    list_push_back(&loop->watches, &watch->link);
    return watch;
}

void watch_change(struct watch *watch, int events)
{
    watch->events = events;
}

void watch_close(struct watch *watch)
{
    list_remove(&watch->link);
    mem_free(watch);
}

void net_memory_ready(int fd, int events)
{
    LIST_FOREACH (&world.loops, of_loop) {
        LIST_FOREACH (&LIST_ENTRY(of_loop, struct loop, link)->watches, it) {
            struct watch *watch = LIST_ENTRY(it, struct watch, link);
            if (watch->fd == fd)
                watch->told |= events;
        }
    }
}

static bool tell_watches(struct loop *loop)
{
    struct list taken, *node;
    bool busy = false;
    take_all(&loop->watches, &taken);
    while ((node = next_of(&taken, &loop->watches)) != NULL) {
        struct watch *watch = LIST_ENTRY(node, struct watch, link);
        int events = watch->told & watch->events;
        if (events == 0)
            continue;
        watch->told &= ~events;
        busy = true;
        watch->ready(watch->owner, events);
    }
    return busy;
}

void net_on_signal(struct loop *loop, int signum, void (*raised)(void *owner, int signum), void *owner)
{
    struct signal_owner *signal = mem_zalloc(sizeof *signal);
    signal->signum = signum;
    signal->raised = raised;
    signal->owner = owner;
    list_push_back(&loop->signals, &signal->link);
}

struct raising {
    struct message message;
    struct signal_owner *signal;
};

static void raise_it(struct message *message)
{
    struct signal_owner *signal = ((struct raising *)message)->signal;
    mem_free(message);
    signal->raised(signal->owner, signal->signum);
}

void net_memory_signal(int signum)
{
    LIST_FOREACH (&world.loops, of_loop) {
        struct loop *loop = LIST_ENTRY(of_loop, struct loop, link);
        LIST_FOREACH (&loop->signals, it) {
            struct signal_owner *signal = LIST_ENTRY(it, struct signal_owner, link);
            if (signal->signum != signum)
                continue;
            struct raising *raising = mem_zalloc(sizeof *raising);
            *raising = (struct raising){{NULL, raise_it}, signal};
            loop_post(loop, &raising->message);
        }
    }
}

struct offloaded {
    struct message message;
    struct job *job;
};

static void finish_job(struct message *message)
{
    struct job *job = ((struct offloaded *)message)->job;
    mem_free(message);
    job->done(job);
}

static void run_job(struct message *message)
{
    struct job *job = ((struct offloaded *)message)->job;
    job->run(job);
    message->run = finish_job;
    loop_post(job->loop, message);
}

void net_offload(struct loop *loop, struct job *job)
{
    struct offloaded *offloaded = mem_zalloc(sizeof *offloaded);
    job->loop = loop;
    *offloaded = (struct offloaded){{NULL, run_job}, job};
    loop_post(loop, &offloaded->message);
}

void net_memory_name(const char *host, const char *numbers)
{
    make_world();
    LIST_FOREACH_SAFE (&world.names, it, after) {
        struct name *old = LIST_ENTRY(it, struct name, link);
        if (strcmp(old->host, host) != 0)
            continue;
        list_remove(it);
        mem_free(old->host);
        mem_free(old->numbers);
        mem_free(old);
    }
    struct name *name = mem_zalloc(sizeof *name);
    name->host = mem_strdup(host);
    name->numbers = mem_strdup(numbers);
    list_push_back(&world.names, &name->link);
}

struct lookup {
    struct message message;
    char *host;
    int port;
    void (*done)(void *owner, const struct resolved *result);
    void *owner;
};

static void add_numbers(struct resolved *result, const char *numbers, int port)
{
    char *copy = mem_strdup(numbers), *rest = copy, *number;
    while ((number = strtok_r(NULL, " ", &rest)) != NULL && result->count < RESOLVED_MAX)
        if (address_parse(number, port, &result->addresses[result->count]) == 0)
            result->count++;
    mem_free(copy);
}

static void answer_lookup(struct message *message)
{
    struct lookup *lookup = (struct lookup *)message;
    struct resolved result = {0};
    if (address_parse(lookup->host, lookup->port, &result.addresses[0]) == 0)
        result.count = 1;
    LIST_FOREACH (&world.names, it) {
        const struct name *name = LIST_ENTRY(it, struct name, link);
        if (strcmp(name->host, lookup->host) == 0)
            add_numbers(&result, name->numbers, lookup->port);
    }
    if (result.count == 0)
        result.error = "Domain name not found";
    lookup->done(lookup->owner, &result);
    mem_free(lookup->host);
    mem_free(lookup);
}

void net_resolve(struct loop *loop, const char *host, int port,
                 void (*done)(void *owner, const struct resolved *result), void *owner)
{
    struct lookup *lookup = mem_zalloc(sizeof *lookup);
    *lookup = (struct lookup){{NULL, answer_lookup}, mem_strdup(host), port, done, owner};
    loop_post(loop, &lookup->message);
}

void net_resolve_conf(struct loop *loop, const char *path)
{
    (void)loop;
    (void)path;
}
