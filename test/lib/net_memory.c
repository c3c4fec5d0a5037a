/*
 * One compilation unit: its own parts, and the real wheel and addresses, because the library that this goes in is built
 * without src/net.
 */
#include "net_memory.h"

#include "net/address.c"
#include "net/wheel.c"
#include "net_memory/peer.c"
#include "net_memory/stream.c"
#include "net_memory/wait.c"
#include "net_memory/world.h"

struct loop *loop_new(void)
{
    make_world();
    struct loop *loop = mem_zalloc(sizeof *loop);
    wheel_init(&loop->wheel, world.now);
    loop->newest = &loop->oldest;
    list_init(&loop->streams);
    list_init(&loop->again);
    list_init(&loop->closing);
    list_init(&loop->listeners);
    list_init(&loop->watches);
    list_init(&loop->signals);
    list_push_back(&world.loops, &loop->link);
    return loop;
}

void loop_post(struct loop *loop, struct message *message)
{
    message->next = NULL;
    *loop->newest = message;
    loop->newest = &message->next;
}

static bool run_messages(struct loop *loop)
{
    struct message *message = loop->oldest;
    if (message == NULL)
        return false;
    loop->oldest = NULL;
    loop->newest = &loop->oldest;
    while (message != NULL) {
        struct message *next = message->next;
        message->run(message);
        message = next;
    }
    return true;
}

static bool fire_timers(struct loop *loop)
{
    if (wheel_next(&loop->wheel) > wheel_tick_of(world.now))
        return false;
    wheel_advance(&loop->wheel, world.now);
    return true;
}

/* In the order of a real loop's turn. True when something happened. */
static bool turn(struct loop *loop)
{
    bool busy = fire_timers(loop);
    busy |= run_messages(loop);
    busy |= accept_waiting(loop);
    busy |= tell_watches(loop);
    busy |= serve_streams(loop);
    busy |= read_again(loop);
    busy |= finish_closing(loop);
    return busy;
}

static bool turn_all(void)
{
    bool busy = false;
    LIST_FOREACH (&world.loops, it)
        busy |= turn(LIST_ENTRY(it, struct loop, link));
    busy |= tell_peers();
    return busy;
}

void net_memory_run(void)
{
    make_world();
    for (int rounds = 0; turn_all(); rounds++)
        assert(rounds < ROUNDS_MAX && "the loops never get quiet");
}

void net_memory_advance(usec by)
{
    make_world();
    usec until = world.now + by;
    for (;;) {
        net_memory_run();
        uint64_t next = WHEEL_NEVER;
        LIST_FOREACH (&world.loops, it) {
            uint64_t tick = wheel_next(&LIST_ENTRY(it, struct loop, link)->wheel);
            next = tick < next ? tick : next;
        }
        if (next > wheel_tick_of(until))
            break;
        world.now = (usec)next * USEC_PER_MSEC;
    }
    world.now = until;
    net_memory_run();
}

/* Without a thread of its own a loop that has nothing to do returns: nobody could ever wake it. */
void loop_run(struct loop *loop)
{
    while (!loop->stopped && turn_all())
        ;
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

void loop_free(struct loop *loop)
{
    for (int rounds = 0; turn(loop); rounds++)
        assert(rounds < ROUNDS_MAX && "the loop never gets quiet");
    assert(list_is_empty(&loop->streams) && list_is_empty(&loop->listeners) && list_is_empty(&loop->watches) &&
           "everything open is closed by its owner first");
    LIST_FOREACH_SAFE (&loop->signals, it, after)
        mem_free(LIST_ENTRY(it, struct signal_owner, link));
    list_remove(&loop->link);
    mem_free(loop);
}

usec loop_now(const struct loop *loop)
{
    (void)loop;
    return world.now;
}

usec loop_heartbeat(const struct loop *loop)
{
    return loop_now(loop);
}

usec net_wall_now(void)
{
    return net_memory_now() + 1767225600 * USEC_PER_SEC; /* 2026-01-01 */
}

void timer_start(struct loop *loop, struct timer *timer, usec at, void (*fire)(struct timer *))
{
    timer_stop(timer);
    timer->at = at;
    timer->fire = fire;
    wheel_insert(&loop->wheel, timer, world.now);
}

void net_memory_reset(void)
{
    make_world();
    assert(list_is_empty(&world.loops));
    LIST_FOREACH_SAFE (&world.peers, it, after)
        peer_free(LIST_ENTRY(it, struct memory_peer, link));
    LIST_FOREACH_SAFE (&world.places, it, after)
        mem_free(LIST_ENTRY(it, struct place_served, link));
    LIST_FOREACH_SAFE (&world.names, it, after) {
        struct name *name = LIST_ENTRY(it, struct name, link);
        mem_free(name->host);
        mem_free(name->numbers);
        mem_free(name);
    }
    world.next_fd = 0;
    make_world();
}
