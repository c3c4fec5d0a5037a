/* peer - the other ends of connections, and who answers at an address. Part of net_memory.c. */
#include "net_memory/world.h"

static struct memory_peer *peer_new(const struct address *far, const struct address *near)
{
    make_world();
    struct memory_peer *peer = mem_zalloc(sizeof *peer);
    peer->fd = world.next_fd++;
    peer->in_hand = true;
    peer->far = *far;
    peer->near = *near;
    peer->window = SIZE_MAX;
    list_push_back(&world.peers, &peer->link);
    return peer;
}

static void peer_free(struct memory_peer *peer)
{
    list_remove(&peer->link);
    buf_deinit(&peer->to_stream);
    buf_deinit(&peer->to_peer);
    mem_free(peer);
}

static struct memory_peer *peer_of(int fd)
{
    make_world();
    LIST_FOREACH (&world.peers, it) {
        struct memory_peer *peer = LIST_ENTRY(it, struct memory_peer, link);
        if (peer->fd == fd)
            return peer;
    }
    return NULL;
}

/* The stream's end is closed. */
static void peer_left(struct memory_peer *peer)
{
    peer->stream = NULL;
    peer->closed = peer->shut = peer->news = true;
    if (!peer->in_hand)
        peer_free(peer);
}

void peer_send(struct memory_peer *peer, const void *bytes, size_t len)
{
    assert(!peer->finished);
    if (!peer->closed)
        buf_append(&peer->to_stream, bytes, len);
}

struct slice peer_received(const struct memory_peer *peer)
{
    return (struct slice){peer->to_peer.data, peer->to_peer.len};
}

size_t peer_receive(struct memory_peer *peer, void *into, size_t size)
{
    size_t len = size < peer->to_peer.len ? size : peer->to_peer.len;
    if (len > 0)
        memcpy(into, peer->to_peer.data, len);
    buf_consume(&peer->to_peer, len);
    return len;
}

void peer_half_close(struct memory_peer *peer)
{
    peer->finished = true;
}

void peer_close(struct memory_peer *peer)
{
    assert(peer->in_hand);
    peer->finished = true;
    peer->in_hand = false;
    peer->arrived = NULL;
    if (peer->closed)
        peer_free(peer);
}

void peer_reset(struct memory_peer *peer)
{
    peer->was_reset = true;
    peer_close(peer);
}

void peer_set_window(struct memory_peer *peer, size_t bytes)
{
    peer->window = bytes;
}

size_t peer_unread(const struct memory_peer *peer)
{
    return peer->to_stream.len;
}

void peer_set_packet(struct memory_peer *peer, size_t bytes)
{
    peer->packet = bytes;
}

void peer_on_arrival(struct memory_peer *peer, void (*arrived)(void *context, struct memory_peer *peer), void *context)
{
    peer->arrived = arrived;
    peer->context = context;
}

bool peer_is_ended(const struct memory_peer *peer)
{
    return peer->shut && peer->to_peer.len == 0;
}

bool peer_is_closed(const struct memory_peer *peer)
{
    return peer->closed;
}

static bool tell_peers(void)
{
    struct list taken, *node;
    bool busy = false;
    take_all(&world.peers, &taken);
    while ((node = next_of(&taken, &world.peers)) != NULL) {
        struct memory_peer *peer = LIST_ENTRY(node, struct memory_peer, link);
        if (!peer->news || peer->arrived == NULL)
            continue;
        peer->news = false;
        busy = true;
        peer->arrived(peer->context, peer);
    }
    return busy;
}

/* ---- who answers at an address ---- */

static struct place_served *find_place(const struct address *at)
{
    make_world();
    LIST_FOREACH (&world.places, it) {
        struct place_served *place = LIST_ENTRY(it, struct place_served, link);
        if (same_address(&place->at, at))
            return place;
    }
    return NULL;
}

static struct place_served *place_at(const struct address *at)
{
    struct place_served *place = find_place(at);
    if (place == NULL) {
        place = mem_zalloc(sizeof *place);
        place->at = *at;
        list_push_back(&world.places, &place->link);
    }
    return place;
}

void net_memory_serve(const struct address *at, void (*accept)(void *context, struct memory_peer *peer), void *context)
{
    struct place_served *place = place_at(at);
    place->accept = accept;
    place->context = context;
    place->error = ECONNREFUSED;
}

void net_memory_fail(const struct address *at, int error)
{
    struct place_served *place = place_at(at);
    place->accept = NULL;
    place->error = error;
}

static struct address some_address(int port)
{
    struct address address;
    address_parse("127.0.0.1", port, &address);
    return address;
}

struct handover {
    struct message message;
    void (*accepted)(void *owner, int fd);
    void *owner;
    int fd;
};

static void hand_over(struct message *message)
{
    struct handover handover = *(struct handover *)message;
    mem_free(message);
    handover.accepted(handover.owner, handover.fd);
}

struct memory_peer *net_memory_client(const struct address *from, void (*accepted)(void *owner, int fd), void *owner)
{
    make_world();
    assert(!list_is_empty(&world.loops));
    struct address far = some_address(20000 + (world.next_fd - FIRST_DESCRIPTOR) % 40000), near = some_address(6432);
    struct memory_peer *peer = peer_new(from != NULL ? from : &far, &near);
    struct handover *handover = mem_zalloc(sizeof *handover);
    *handover = (struct handover){{NULL, hand_over}, accepted, owner, peer->fd};
    loop_post(LIST_ENTRY(world.loops.next, struct loop, link), &handover->message);
    return peer;
}

struct memory_peer *net_memory_dial(const struct address *at)
{
    make_world();
    LIST_FOREACH (&world.loops, of_loop) {
        LIST_FOREACH (&LIST_ENTRY(of_loop, struct loop, link)->listeners, it) {
            struct listener *listener = LIST_ENTRY(it, struct listener, link);
            if (!same_address(&listener->at, at))
                continue;
            struct address far = some_address(20000 + (world.next_fd - FIRST_DESCRIPTOR) % 40000);
            struct memory_peer *peer = peer_new(address_is_local(at) ? at : &far, at);
            buf_append(&listener->backlog, &peer->fd, sizeof peer->fd);
            return peer;
        }
    }
    return NULL;
}
