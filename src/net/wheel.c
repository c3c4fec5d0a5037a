#include "net/wheel.h"

enum { LEVELS = 5, NEAR_BITS = 8, FAR_BITS = 6 };
#define WHEEL_SPAN ((uint64_t)1 << (NEAR_BITS + FAR_BITS * (LEVELS - 1)))

struct level {
    unsigned shift; /* ticks per slot, as a power of two */
    unsigned size, first;
};
static const struct level levels[LEVELS] = {
    {0, 256, 0}, {8, 64, 256}, {14, 64, 320}, {20, 64, 384}, {26, 64, 448},
};

static unsigned slot_of(const struct level *level, uint64_t tick)
{
    return level->first + (unsigned)((tick >> level->shift) & (level->size - 1));
}

void wheel_init(struct wheel *wheel, usec now)
{
    wheel->current = wheel_tick_of(now);
    memset(wheel->occupied, 0, sizeof wheel->occupied);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
}

/* Returns the tick at which the timer's slot is fired or spread over the levels below. */
static uint64_t place(struct wheel *wheel, struct timer *timer, uint64_t earliest)
{
    uint64_t tick = timer->at <= 0 ? 0 : (uint64_t)(timer->at / USEC_PER_MSEC) + (timer->at % USEC_PER_MSEC != 0);
    if (tick < earliest)
        tick = earliest;
    uint64_t ahead = tick - wheel->current;
    if (ahead >= WHEEL_SPAN) {
        ahead = WHEEL_SPAN - 1;
        tick = wheel->current + ahead;
    }
    const struct level *level = &levels[0];
    while (ahead >> level->shift >= level->size)
        level++;
    unsigned slot = slot_of(level, tick);
    list_push_back(&wheel->slots[slot], &timer->link);
    wheel->occupied[slot / 64] |= (uint64_t)1 << (slot % 64);
    return tick >> level->shift << level->shift;
}

/* How many slots behind `slot` the next occupied one of the level is, going round (1 to size), or 0. */
static unsigned distance_to_occupied(struct wheel *wheel, const struct level *level, unsigned slot)
{
    unsigned step = 1;
    while (step <= level->size) {
        unsigned index = (slot - level->first + step) & (level->size - 1);
        unsigned at = level->first + index;
        uint64_t *word = &wheel->occupied[at / 64];
        uint64_t rest = *word >> (at % 64);
        if (rest == 0) {
            step += 64 - at % 64;
            continue;
        }
        unsigned skip = (unsigned)__builtin_ctzll(rest);
        step += skip;
        if (step > level->size)
            return 0;
        if (!list_is_empty(&wheel->slots[at + skip]))
            return step;
        *word &= ~((uint64_t)1 << ((at + skip) % 64));
    }
    return 0;
}

uint64_t wheel_next(struct wheel *wheel)
{
    uint64_t next = WHEEL_NEVER;
    for (const struct level *level = levels; level < levels + LEVELS; level++) {
        unsigned distance = distance_to_occupied(wheel, level, slot_of(level, wheel->current));
        uint64_t tick = ((wheel->current >> level->shift) + distance) << level->shift;
        if (distance != 0 && tick < next)
            next = tick;
    }
    return next;
}

uint64_t wheel_insert(struct wheel *wheel, struct timer *timer, usec now)
{
    uint64_t tick = wheel_tick_of(now);
    /* A wheel that lags behind because nothing was due would place the timer on a level too high. */
    if (tick > wheel->current && wheel_next(wheel) > tick)
        wheel->current = tick;
    return place(wheel, timer, wheel->current + 1);
}

static void take_slot(struct wheel *wheel, unsigned slot, struct list *out)
{
    list_init(out);
    struct list *head = &wheel->slots[slot];
    wheel->occupied[slot / 64] &= ~((uint64_t)1 << (slot % 64));
    if (list_is_empty(head))
        return;
    *out = *head;
    out->next->prev = out->prev->next = out;
    list_init(head);
}

static struct timer *pop_timer(struct list *from)
{
    if (list_is_empty(from))
        return NULL;
    struct timer *timer = LIST_ENTRY(from->next, struct timer, link);
    timer_stop(timer);
    return timer;
}

void wheel_advance(struct wheel *wheel, usec now)
{
    uint64_t until = wheel_tick_of(now), tick;
    struct list taken;
    struct timer *timer;
    while ((tick = wheel_next(wheel)) <= until) {
        wheel->current = tick;
        for (const struct level *level = levels + 1; level < levels + LEVELS; level++) {
            if ((tick & (((uint64_t)1 << level->shift) - 1)) != 0)
                break; /* the slots of the levels above begin later still */
            take_slot(wheel, slot_of(level, tick), &taken);
            while ((timer = pop_timer(&taken)) != NULL)
                place(wheel, timer, tick);
        }
        take_slot(wheel, slot_of(&levels[0], tick), &taken);
        while ((timer = pop_timer(&taken)) != NULL)
            timer->fire(timer);
    }
    if (until > wheel->current)
        wheel->current = until;
}

void timer_stop(struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    list_remove(&timer->link);
    timer->link.next = timer->link.prev = NULL;
}
