/* timers: the wheel against a model that looks at every timer, and timers on a running loop. */
#include "net/wheel.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { MODEL_TIMERS = 300, MODEL_STEPS = 4000 };

static uint64_t random_state;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

static void seed_random(void)
{
    const char *given = getenv("SEED");
    if (given != NULL)
        random_state = strtoull(given, NULL, 0);
    else
        random_bytes(&random_state, sizeof random_state);
    random_state |= 1;
    printf("SEED=%llu\n", (unsigned long long)random_state);
    fflush(stdout);
}

/* ---- the wheel and its model ---- */

struct modelled {
    struct timer timer;
    uint64_t due; /* the model's tick */
    bool running;
};

static struct wheel wheel;
static struct modelled timers[MODEL_TIMERS];
static usec now;
static uint64_t last_fired; /* tick of the latest timer that fired in this advance */

static void start(struct modelled *m, usec at, void (*fire)(struct timer *))
{
    uint64_t first_possible = wheel.current + 1;
    m->timer.at = at;
    m->timer.fire = fire;
    uint64_t needed = wheel_insert(&wheel, &m->timer, now);
    uint64_t due = ((uint64_t)at + 999) / 1000;
    if (first_possible < wheel.current + 1)
        first_possible = wheel.current + 1;
    m->due = due < first_possible ? first_possible : due;
    m->running = true;
    ck_assert_uint_le(needed, m->due);
}

static usec random_instant(void)
{
    /* every level, its edges, and beyond the last one */
    uint64_t ahead_ms = random_below((uint64_t)1 << (1 + random_below(34)));
    if (random_below(4) == 0)
        ahead_ms = ((uint64_t)1 << (8 + 6 * random_below(5))) - 2 + random_below(4);
    return now + (usec)(ahead_ms * 1000 + random_below(1000));
}

static void fired(struct timer *timer)
{
    struct modelled *m = (struct modelled *)timer;
    ck_assert_msg(m->running, "a stopped timer fired");
    ck_assert(!timer_is_running(timer));
    ck_assert_msg(m->due <= wheel.current && m->due <= wheel_tick_of(now), "due %llu, fired at %llu",
                  (unsigned long long)m->due, (unsigned long long)wheel.current);
    ck_assert_int_le(timer->at, (usec)wheel.current * 1000);
    ck_assert_uint_ge(m->due, last_fired);
    last_fired = m->due;
    m->running = false;
    /* What owners do: start themselves again, stop others. */
    if (random_below(4) == 0)
        start(m, random_instant(), fired);
    struct modelled *other = &timers[random_below(MODEL_TIMERS)];
    if (random_below(4) == 0) {
        timer_stop(&other->timer);
        other->running = false;
    }
}

static void check_nothing_overdue(void)
{
    uint64_t next = wheel_next(&wheel);
    for (int i = 0; i < MODEL_TIMERS; i++) {
        ck_assert_int_eq(timers[i].running, timer_is_running(&timers[i].timer));
        if (!timers[i].running)
            continue;
        ck_assert_msg(timers[i].due > wheel_tick_of(now), "timer %d was forgotten", i);
        ck_assert_uint_le(next, timers[i].due);
    }
    ck_assert_uint_gt(next, wheel_tick_of(now));
}

START_TEST(the_wheel_fires_what_a_scan_of_all_timers_would)
{
    seed_random();
    memset(timers, 0, sizeof timers);
    now = (usec)random_below((uint64_t)1 << 50);
    wheel_init(&wheel, now);
    for (int step = 0; step < MODEL_STEPS; step++) {
        for (uint64_t changes = random_below(20); changes > 0; changes--) {
            struct modelled *m = &timers[random_below(MODEL_TIMERS)];
            timer_stop(&m->timer);
            m->running = false;
            if (random_below(3) != 0)
                start(m, random_instant(), fired);
        }
        uint64_t next = wheel_next(&wheel);
        if (random_below(2) == 0 && next != WHEEL_NEVER)
            now = (usec)(next * 1000 + random_below(1000)); /* as the loop wakes up */
        else
            now += (usec)random_below((uint64_t)1 << (1 + random_below(40)));
        last_fired = 0;
        wheel_advance(&wheel, now);
        check_nothing_overdue();
    }
}
END_TEST

static void note(struct timer *timer)
{
    ((struct modelled *)timer)->running = false;
}

static const struct {
    const char *what;
    usec from, at, early, late;
} instants[] = {
    {"not before its instant, even by a microsecond", 0, 1001, 1000, 2000},
    {"what is over already fires in the next tick", 5000000, 1, 5000000, 5001000},
    {"the last tick of a level", 0, 255000, 254999, 255000},
    {"the first of the next level", 0, 256000, 255999, 256000},
    {"levels are counted from now", 255000, 511000, 510999, 511000},
    {"the last level", 0, 67108864000, 67108863999, 67108864000},
    {"beyond the last level", 0, 5000000000000, 4999999999999, 5000000000000},
    {"never is far away", 0, USEC_NEVER, 900000000000000000, USEC_NEVER},
};

START_TEST(a_timer_fires_at_its_instant)
{
    struct modelled m = {0};
    wheel_init(&wheel, instants[_i].from);
    now = instants[_i].from;
    start(&m, instants[_i].at, note);
    wheel_advance(&wheel, instants[_i].early);
    ck_assert_msg(m.running, "%s: too early", instants[_i].what);
    if (instants[_i].late != USEC_NEVER)
        wheel_advance(&wheel, instants[_i].late);
    ck_assert_msg(m.running == (instants[_i].late == USEC_NEVER), "%s: not fired", instants[_i].what);
}
END_TEST

START_TEST(a_zeroed_timer_is_stopped)
{
    struct timer timer = {0};
    ck_assert(!timer_is_running(&timer));
    timer_stop(&timer);
    ck_assert(!timer_is_running(&timer));
}
END_TEST

START_TEST(a_sleeping_wheel_does_not_wake_for_stopped_timers)
{
    struct modelled m[3] = {0};
    wheel_init(&wheel, 0);
    now = 0;
    for (int i = 0; i < 3; i++)
        start(&m[i], 1000 << (i * 8), note);
    for (int i = 0; i < 3; i++)
        timer_stop(&m[i].timer);
    ck_assert_uint_eq(wheel_next(&wheel), WHEEL_NEVER);
}
END_TEST

/* ---- on a loop ---- */

static struct loop *loop;
static int order[4], fires;

struct numbered {
    struct timer timer;
    int number;
};

static void note_number(struct timer *timer)
{
    ck_assert_int_ge(loop_now(loop), timer->at);
    order[fires++] = ((struct numbered *)timer)->number;
    if (fires == 4)
        loop_stop(loop);
}

static void restart(struct timer *timer)
{
    timer_start(loop, timer, loop_now(loop) + 1000, note_number);
}

START_TEST(a_loop_fires_its_timers_in_order_of_time)
{
    loop = loop_new();
    usec start_at = loop_now(loop);
    struct numbered n[5] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    timer_start(loop, &n[3].timer, start_at + 9000, note_number);
    timer_start(loop, &n[1].timer, start_at + 2000, note_number);
    timer_start(loop, &n[2].timer, start_at + 3000, restart);
    timer_start(loop, &n[0].timer, start_at - 5000, note_number);
    timer_start(loop, &n[4].timer, start_at + 1000, note_number);
    timer_stop(&n[4].timer);
    loop_run(loop);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(order[i], i);
    ck_assert_int_ge(loop_heartbeat(loop), start_at);
    loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_timer");
    TCase *cases = tcase_create("timer");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, the_wheel_fires_what_a_scan_of_all_timers_would);
    tcase_add_loop_test(cases, a_timer_fires_at_its_instant, 0, sizeof instants / sizeof *instants);
    tcase_add_test(cases, a_zeroed_timer_is_stopped);
    tcase_add_test(cases, a_sleeping_wheel_does_not_wake_for_stopped_timers);
    tcase_add_test(cases, a_loop_fires_its_timers_in_order_of_time);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
