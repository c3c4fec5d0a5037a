/*
 * wheel - a hierarchical timer wheel with ticks of 1 ms, counted from the clock's zero.
 *
 * Pure: told the time, knows no loop and no libuv; both implementations of net stand on it. Level 0 has a slot per
 * tick for the next 256, each of the four levels above 64 slots of 256, 2^14, 2^20 and 2^26 ticks. A timer further
 * away than 2^32 ticks waits in the last slot and is placed again when its turn comes.
 *
 * timer_stop() knows no wheel, so a slot's bit in `occupied` may outlive its last timer; such bits are cleared when
 * they are met.
 */
#ifndef PGPOOLER_NET_WHEEL_H
#define PGPOOLER_NET_WHEEL_H

#include "pgpooler/net.h"

enum { WHEEL_SLOTS = 256 + 4 * 64 };
#define WHEEL_NEVER UINT64_MAX

struct wheel {
    uint64_t current; /* every timer of this tick and before has fired */
    uint64_t occupied[WHEEL_SLOTS / 64];
    struct list slots[WHEEL_SLOTS];
};

static inline uint64_t wheel_tick_of(usec now) /* the last tick that is over at `now` */
{
    return now <= 0 ? 0 : (uint64_t)(now / USEC_PER_MSEC);
}

void wheel_init(struct wheel *wheel, usec now);
/*
 * Starts a stopped timer, which fires in the first tick that is not before timer->at, the next one at the earliest.
 * Returns the tick by which wheel_advance must be called for its sake.
 */
uint64_t wheel_insert(struct wheel *wheel, struct timer *timer, usec now);
/* Fires what is due in order of ticks. Timers may be started and stopped meanwhile. */
void wheel_advance(struct wheel *wheel, usec now);
/* The tick by which wheel_advance must be called next, or WHEEL_NEVER. */
uint64_t wheel_next(struct wheel *wheel);

#endif
