/*
 * world - what the parts of net_memory share: all loops, peers and names of the process, and the time.
 *
 * The parts are one compilation unit: net_memory.c includes them, so that they need no names that others see.
 */
#ifndef NET_MEMORY_WORLD_H
#define NET_MEMORY_WORLD_H

#include "net/wheel.h"
#include "net_memory.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_DESCRIPTOR = 1 << 20, ROUNDS_MAX = 100000 };

struct memory_peer {
    struct list link; /* in world.peers */
    int fd;           /* of the stream's end */
    struct stream *stream;
    bool in_hand;             /* the test may still use it */
    struct address far, near; /* as the stream sees them */
    struct buf to_stream, to_peer;
    size_t window, packet;
    bool finished; /* the peer sends no more */
    bool was_reset;
    bool shut, closed; /* the stream writes no more; is closed */
    bool news;
    void (*arrived)(void *context, struct memory_peer *peer);
    void *context;
};

struct stream {
    struct list link;  /* in loop->streams or loop->closing */
    struct list again; /* in loop->again */
    struct loop *loop;
    const struct stream_events *events;
    void *owner;
    struct memory_peer *peer;
    struct address to; /* while opening */
    struct buf output;
    size_t visible; /* bytes that the latest event has told of */
    bool opening, paused, held, ended, unwritable, shut, gone;
    void (*done)(void *owner);
    struct transfer *transfer; /* leaves for another loop */
};

struct transfer {
    struct message message;
    struct stream *stream;
    struct loop *to;
    void (*arrived)(void *owner, struct stream *stream);
};

struct loop {
    struct list link; /* in world.loops */
    struct wheel wheel;
    struct message *oldest, **newest;
    struct list streams, again, closing, listeners, watches, signals;
    bool stopped;
};

struct listener {
    struct list link;
    struct loop *loop;
    struct address at;
    void (*accepted)(void *owner, int fd);
    void *owner;
    bool paused;
    struct buf backlog; /* of int: descriptors */
};

struct watch {
    struct list link;
    int fd, events, told;
    void (*ready)(void *owner, int events);
    void *owner;
};

struct signal_owner {
    struct list link;
    int signum;
    void (*raised)(void *owner, int signum);
    void *owner;
};

/* What stands at an address for those who connect. */
struct place_served {
    struct list link;
    struct address at;
    void (*accept)(void *context, struct memory_peer *peer);
    void *context;
    int error; /* without accept; 0: silence */
};

struct name {
    struct list link;
    char *host, *numbers;
};

static struct {
    usec now;
    int next_fd;
    struct list loops, peers, places, names;
} world;

static void make_world(void)
{
    if (world.next_fd != 0)
        return;
    world.now = 1000 * USEC_PER_SEC;
    world.next_fd = FIRST_DESCRIPTOR;
    list_init(&world.loops);
    list_init(&world.peers);
    list_init(&world.places);
    list_init(&world.names);
}

usec net_memory_now(void)
{
    make_world();
    return world.now;
}

static bool same_address(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (address_is_local(a))
        return a->len == b->len && memcmp(&a->local, &b->local, a->len) == 0;
    char left[64], right[64];
    return address_port(a) == address_port(b) &&
           strcmp(address_text(a, left, sizeof left), address_text(b, right, sizeof right)) == 0;
}

/* All members of a list once, though callbacks may remove any and add others: each goes back before it is visited. */
static void take_all(struct list *from, struct list *out)
{
    list_init(out);
    if (list_is_empty(from))
        return;
    *out = *from;
    out->next->prev = out->prev->next = out;
    list_init(from);
}

static struct list *next_of(struct list *taken, struct list *home)
{
    if (list_is_empty(taken))
        return NULL;
    struct list *node = taken->next;
    list_remove(node);
    if (home != NULL)
        list_push_back(home, node);
    return node;
}

#endif
