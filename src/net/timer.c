#include "net/loop.h"

/*
 * Our ticks are milliseconds of the same monotonic clock as libuv's, so a tick is an absolute libuv time. Starting the
 * alarm is no system call: libuv works out its sleep anew each turn.
 */
static void on_alarm(uv_timer_t *alarm);

static void set_alarm(struct loop *loop, uint64_t tick)
{
    loop->alarm_at = tick;
    if (tick == WHEEL_NEVER)
        return;
    uint64_t now = uv_now(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, tick > now ? tick - now : 0, 0);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *loop = loop_of(alarm);
    loop_read_clock(loop);
    loop->alarm_at = 0;
    wheel_advance(&loop->wheel, loop->now);
    set_alarm(loop, wheel_next(&loop->wheel));
}

void timers_open(struct loop *loop)
{
    wheel_init(&loop->wheel, loop->now);
    loop->alarm_at = WHEEL_NEVER;
    uv_timer_init(&loop->uv, &loop->alarm);
}

void timers_close(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->alarm, NULL);
}

void timer_start(struct loop *loop, struct timer *timer, usec at, void (*fire)(struct timer *))
{
    timer_stop(timer);
    timer->at = at;
    timer->fire = fire;
    uint64_t needed = wheel_insert(&loop->wheel, timer, loop->now);
    if (needed < loop->alarm_at)
        set_alarm(loop, needed);
}
