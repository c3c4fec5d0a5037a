/*
 * loop - what the files of net share about a loop. Private to src/net.
 *
 * One turn: libuv's timers (our wheel hangs on one of them), ready descriptors and the mailbox, then what asked to be
 * read again, then closed handles.
 */
#ifndef PGPOOLER_NET_LOOP_H
#define PGPOOLER_NET_LOOP_H

#include "net/wheel.h"

#include <stdatomic.h>
#include <uv.h>

struct loop {
    uv_loop_t uv; /* uv.data points here */
    usec now;
    _Atomic usec heartbeat;
    _Atomic(struct message *) mailbox; /* newest first */
    atomic_bool stop_asked;
    uv_async_t bell; /* rung when the mailbox was empty, and to stop */
    uv_check_t turn_end;
    uv_idle_t awake;   /* running while `again` has members: the loop then polls without sleeping */
    struct list again; /* of struct stream */
    struct wheel wheel;
    uv_timer_t alarm;  /* the wheel's next tick */
    uint64_t alarm_at; /* that tick, or WHEEL_NEVER; 0 while timers fire */
    struct list signals;
    struct resolver *resolver; /* from the first lookup on */
    char *resolve_conf;
    struct address lent; /* what stream_peer lends */
};

static inline struct loop *loop_of(const void *uv_handle)
{
    return ((const uv_handle_t *)uv_handle)->loop->data;
}

void loop_read_clock(struct loop *loop);
void loop_stay_awake(struct loop *loop); /* `again` has a member */

void timers_open(struct loop *loop);
void timers_close(struct loop *loop);
void streams_read_again(struct loop *loop);
void signals_close(struct loop *loop);
void resolver_close(struct loop *loop); /* lookups on their way are dropped without a call */

#endif
