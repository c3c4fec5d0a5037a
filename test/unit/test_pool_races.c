/*
 * The narrow places between the way without the lock and the broker: two threads start at the same moment, again and
 * again, and afterwards whoever asked must have got its backend from the orders alone. In a busy world the next release
 * would hide a lost wake-up; here there is none. SEED and PGPOOLER_SCALE as everywhere.
 */
#include "pgpooler/pool.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* Each side's view of a race; the other side reads it only behind the barrier. */
struct side {
    struct pool pool;
    struct ticket ticket;
    struct pool_member *holds;
    struct broker_orders orders;
};

static struct broker *broker;
static struct broker_pool *shared;
static struct side sides[2];
static struct pool_member backends[4]; /* a slot is in use while it is held or idle */
static bool in_use[4];
static atomic_int arrived, generation;
static atomic_uint jitter;

/* Both leave at nearly the same moment. Yields: there may be one processor for both. */
static void meet(void)
{
    int mine = atomic_load(&generation);
    if (atomic_fetch_add(&arrived, 1) == 1) {
        atomic_store(&arrived, 0);
        atomic_fetch_add(&generation, 1);
        return;
    }
    for (int spins = 0; atomic_load(&generation) == mine; spins++)
        if (spins > 2000)
            sched_yield();
}

static void hesitate(int side)
{
    unsigned bits = atomic_load(&jitter) >> (side * 8) & 0xff;
    for (volatile unsigned i = 0; i < bits; i++)
        ;
}

/* ---- the two races: what one side does while side 1 asks ---- */

static void side_ask(struct side *s, int worker)
{
    s->orders.count = 0;
    s->holds = pool_lease(&s->pool, false);
    if (!s->holds)
        broker_ask(broker, shared, &s->ticket, worker, 1, &s->orders);
}

/* The backend that could not be put on the idle list stays in `holds`, for the broker afterwards. */
static void side_release(struct side *s)
{
    s->orders.count = 0;
    if (pool_release(&s->pool, s->holds, 1))
        s->holds = NULL;
}

/* ---- afterwards, one thread: carry out what was ordered ---- */

static void free_backend(int worker, struct pool_member *m);

static void carry_out(const struct broker_orders *orders)
{
    struct broker_orders copy = *orders;
    for (int i = 0; i < copy.count; i++) {
        int worker = copy.list[i].worker;
        if (copy.list[i].kind == BROKER_CONNECT) {
            int at = 0;
            while (in_use[at])
                at++;
            in_use[at] = true;
            list_init(&backends[at].link);
            broker_connected(broker, shared, worker, 1);
            free_backend(worker, &backends[at]);
        } else if (copy.list[i].kind == BROKER_OFFER) {
            struct pool_member *m = pool_take(&sides[worker].pool, false);
            if (m)
                free_backend(worker, m);
        }
    }
}

static void settle(int worker, struct pool_member *m, struct broker_freed freed, const struct broker_orders *orders)
{
    struct broker_orders next;
    switch (freed.fate) {
    case BROKER_KEEP:
        pool_put(&sides[worker].pool, m, 1);
        break;
    case BROKER_SERVE:
        LIST_ENTRY(freed.ticket, struct side, ticket)->holds = m;
        break;
    case BROKER_GIVE: {
        struct broker_freed again = broker_arrived(broker, shared, freed.to, 1, &next);
        settle(freed.to, m, again, &next);
        break;
    }
    case BROKER_CLOSE:
        in_use[m - backends] = false;
        broker_closed(broker, shared, worker, 1, &next);
        carry_out(&next);
        break;
    }
    carry_out(orders);
}

static void free_backend(int worker, struct pool_member *m)
{
    struct broker_orders orders;
    struct broker_freed freed = broker_freed(broker, shared, worker, 1, &orders);
    settle(worker, m, freed, &orders);
}

static void close_all(void)
{
    struct broker_orders orders;
    for (int w = 0; w < 2; w++) {
        struct pool_member *m = sides[w].holds;
        if (!m)
            m = pool_take(&sides[w].pool, false);
        for (; m; m = pool_take(&sides[w].pool, false)) {
            in_use[m - backends] = false;
            broker_closed(broker, shared, w, 1, &orders);
        }
        sides[w].holds = NULL;
    }
}

/* ---- cases ---- */

static const struct row {
    const char *what;
    int size;
    bool leases; /* the backend is idle and side 0 leases it; else side 0 releases it */
} rows[] = {
    {"a release while another worker asks", 1, false},
    {"a lease while another worker asks, who could connect instead", 2, true},
};
static const struct row *row;
static int rounds;

static void *side_1(void *nothing)
{
    for (int i = 0; i < rounds; i++) {
        meet();
        hesitate(1);
        side_ask(&sides[1], 1);
        meet();
    }
    return nothing;
}

static void prepare(void)
{
    struct broker_orders orders;
    broker_ask(broker, shared, &sides[0].ticket, 0, 1, &orders);
    carry_out(&orders);
    ck_assert(sides[0].holds && !sides[0].ticket.queued);
    if (row->leases) {
        pool_put(&sides[0].pool, sides[0].holds, 1);
        sides[0].holds = NULL;
    }
}

static void finish(void)
{
    if (!row->leases && sides[0].holds) {
        struct pool_member *m = sides[0].holds;
        sides[0].holds = NULL;
        free_backend(0, m);
    }
    for (int s = 0; s < 2; s++)
        carry_out(&sides[s].orders);
    for (int s = 0; s < 2; s++)
        ck_assert_msg(!sides[s].ticket.queued, "%s: side %d still waits", row->what, s);
}

START_TEST(nothing_is_lost)
{
    const char *given = getenv("SEED"), *longer = getenv("PGPOOLER_SCALE");
    unsigned seed;
    if (given)
        seed = (unsigned)strtoul(given, NULL, 10);
    else
        random_bytes(&seed, sizeof(seed));
    printf("SEED=%u\n", seed);
    fflush(stdout);
    seed |= 1;

    row = &rows[_i];
    rounds = 30000 * (longer && atoi(longer) > 0 ? atoi(longer) : 1);
    broker = broker_new(2);
    shared = broker_pool_get(broker, "app", "bob", 0);
    struct broker_orders orders;
    broker_pool_set_limits(broker, shared, &(struct pool_limits){.size = row->size, .connects_max = 2}, &orders);
    for (int s = 0; s < 2; s++)
        pool_init(&sides[s].pool, shared, s);

    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, side_1, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        prepare();
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        atomic_store(&jitter, seed);
        meet();
        hesitate(0);
        if (row->leases)
            side_ask(&sides[0], 0);
        else
            side_release(&sides[0]);
        meet();
        finish();
        close_all();
    }
    pthread_join(thread, NULL);
    broker_free(broker);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_pool_races");
    TCase *tests = tcase_create("races");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, nothing_is_lost, 0, sizeof(rows) / sizeof(*rows));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
