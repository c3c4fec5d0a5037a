/*
 * The broker under threads: 8 workers with mailboxes, 200 clients and very few backends, random holds, and by row
 * closes, withdrawals, pauses, changing limits, failing connects. The numbers of backends are counted apart and must
 * stay within the limits; where a row is `judged`, the oracle confirms the order of each choice; and when all workers
 * sleep, nobody may be waiting.
 *
 * That moment is exact, no timeout: a worker counts itself asleep under its mailbox's lock, and whoever posts to it
 * counts it awake again. Rows that are not `strict` may then let time pass, which is what broker_tick() is for.
 *
 * SEED repeats the random numbers (not the scheduling), PGPOOLER_SCALE makes it longer. Meant to be run under TSan too.
 */
#include "pgpooler/pool.h"
#include "pool_oracle.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 8, CLIENTS = 25, POOLS = 2, SIZE_MAX_SET = 4, ROUNDS = 200 };

struct row {
    const char *what;
    int pools, size, database_max;
    bool strict, judged, deaths, pauses, limits, failures;
};

struct backend {
    struct pool_member member;
    int pool;
};

enum client_state { CLIENT_IDLE, CLIENT_WAITING, CLIENT_HOLDING, CLIENT_DONE };
struct client {
    struct ticket ticket;
    enum client_state state;
    int rounds, hold, pool;
    struct backend *backend;
};

struct message {
    struct message *next;
    struct backend *backend; /* on its way; NULL: an order */
    struct broker_order order;
};

struct world;
struct worker {
    struct world *world;
    int index;
    pthread_t thread;
    uint32_t seed;
    pthread_mutex_t lock; /* of the mailbox */
    pthread_cond_t posted;
    struct message *first, **last;
    bool asleep;
    /* its own */
    struct pool pools[POOLS];
    int connecting[POOLS];
    struct client clients[CLIENTS];
    long asked, served, withdrawn, leased;
};

struct world {
    const struct row *row;
    struct broker *broker;
    struct broker_pool *shared[POOLS];
    struct worker workers[WORKERS];
    atomic_int asleep;
    atomic_bool over, paused;
    _Atomic(const char *) wrong;
    _Atomic usec clock; /* virtual: moves with each look at it */
    atomic_int slots[POOLS], all_slots;
    pthread_mutex_t judge_lock;
    struct oracle oracle[POOLS];
};

static int choose(struct worker *w, int options)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 17;
    w->seed ^= w->seed << 5;
    return (int)(w->seed % (uint32_t)options);
}

static usec now_of(struct world *world)
{
    return atomic_fetch_add(&world->clock, 20);
}

/* ---- mailboxes ---- */

static void wake(struct worker *to) /* with its lock */
{
    if (to->asleep) {
        to->asleep = false;
        atomic_fetch_sub(&to->world->asleep, 1);
        pthread_cond_signal(&to->posted);
    }
}

static void post(struct worker *to, struct message message)
{
    struct message *m = mem_dup(&message, sizeof(message));
    m->next = NULL;
    pthread_mutex_lock(&to->lock);
    *to->last = m;
    to->last = &m->next;
    wake(to);
    pthread_mutex_unlock(&to->lock);
}

static void end(struct world *world, const char *wrong)
{
    const char *none = NULL;
    if (wrong)
        atomic_compare_exchange_strong(&world->wrong, &none, wrong);
    atomic_store(&world->over, true);
    for (int i = 0; i < WORKERS; i++) {
        pthread_mutex_lock(&world->workers[i].lock);
        wake(&world->workers[i]);
        pthread_mutex_unlock(&world->workers[i].lock);
    }
}

static struct message *take_messages(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    struct message *all = w->first;
    w->first = NULL;
    w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return all;
}

/* ---- backends ---- */

static void judge_enter(struct worker *w)
{
    if (w->world->row->judged)
        pthread_mutex_lock(&w->world->judge_lock);
}

static void judge_leave(struct worker *w)
{
    if (w->world->row->judged)
        pthread_mutex_unlock(&w->world->judge_lock);
}

static void carry_out(struct worker *w, const struct broker_orders *orders);

static void uncount(struct world *world, int p)
{
    atomic_fetch_sub(&world->slots[p], 1);
    atomic_fetch_sub(&world->all_slots, 1);
}

static void closed(struct worker *w, struct backend *backend)
{
    struct broker_orders orders;
    int p = backend->pool;
    mem_free(backend);
    uncount(w->world, p);
    broker_closed(w->world->broker, w->world->shared[p], w->index, now_of(w->world), &orders);
    carry_out(w, &orders);
}

static void hold(struct worker *w, struct client *client, struct backend *backend)
{
    client->state = CLIENT_HOLDING;
    client->hold = choose(w, 4);
    client->backend = backend;
}

static void release(struct worker *w, struct backend *backend, bool arrived)
{
    struct world *world = w->world;
    struct broker_orders orders;
    int p = backend->pool;
    judge_enter(w);
    usec now = now_of(world);
    if (arrived && world->row->judged)
        oracle_way_ended(&world->oracle[p], w->index);
    struct broker_freed freed =
        (arrived ? broker_arrived : broker_freed)(world->broker, world->shared[p], w->index, now, &orders);
    if (world->row->judged) {
        const char *wrong = oracle_judge(&world->oracle[p], w->index, now, &freed);
        if (wrong)
            end(world, wrong);
    }
    judge_leave(w);

    switch (freed.fate) {
    case BROKER_KEEP:
        pool_put(&w->pools[p], &backend->member, now);
        break;
    case BROKER_SERVE:
        w->served++;
        hold(w, (struct client *)freed.ticket, backend); /* its first member */
        break;
    case BROKER_GIVE:
        post(&world->workers[freed.to], (struct message){.backend = backend});
        break;
    case BROKER_CLOSE:
        break;
    }
    carry_out(w, &orders);
    if (freed.fate == BROKER_CLOSE)
        closed(w, backend);
}

static void do_order(struct worker *w, const struct broker_order *order)
{
    struct world *world = w->world;
    int p = order->pool == world->shared[0] ? 0 : 1;
    int most = world->row->limits ? SIZE_MAX_SET : world->row->size;
    struct pool_member *member;
    switch (order->kind) {
    case BROKER_CONNECT:
        w->connecting[p]++;
        if (atomic_fetch_add(&world->slots[p], 1) >= most)
            end(world, "more backends than the size");
        if (atomic_fetch_add(&world->all_slots, 1) >= world->row->database_max && world->row->database_max > 0)
            end(world, "more backends than the database may have");
        break;
    case BROKER_OFFER:
        if ((member = pool_take(&w->pools[p], false)))
            release(w, (struct backend *)member, false); /* its first member */
        break;
    case BROKER_EVICT:
        if ((member = pool_longest_idle(&w->pools[p]))) {
            pool_remove(&w->pools[p], member);
            closed(w, (struct backend *)member);
        }
        break;
    }
}

static void carry_out(struct worker *w, const struct broker_orders *orders)
{
    for (int i = 0; i < orders->count; i++) {
        if (orders->list[i].worker == w->index)
            do_order(w, &orders->list[i]);
        else
            post(&w->world->workers[orders->list[i].worker], (struct message){.order = orders->list[i]});
    }
}

static void connect_ends(struct worker *w, int p)
{
    struct world *world = w->world;
    w->connecting[p]--;
    if (world->row->failures && choose(w, 4) == 0) {
        struct broker_orders orders;
        uncount(world, p);
        broker_connect_failed(world->broker, world->shared[p], w->index, now_of(world), "refused", &orders);
        carry_out(w, &orders);
        return;
    }
    struct backend *backend = mem_zalloc(sizeof(*backend));
    backend->pool = p;
    broker_connected(world->broker, world->shared[p], w->index, now_of(world));
    release(w, backend, false);
}

/* ---- clients ---- */

static void want(struct worker *w, struct client *client)
{
    struct world *world = w->world;
    struct broker_orders orders;
    if (client->rounds == 0) {
        client->state = CLIENT_DONE;
        return;
    }
    struct pool_member *member = pool_lease(&w->pools[client->pool], false);
    if (member) {
        w->leased++;
        client->rounds--;
        hold(w, client, (struct backend *)member);
        return;
    }
    judge_enter(w);
    usec now = now_of(world);
    enum broker_ask answer =
        broker_ask(world->broker, world->shared[client->pool], &client->ticket, w->index, now, &orders);
    if (answer == BROKER_QUEUED && world->row->judged)
        oracle_ask(&world->oracle[client->pool], &client->ticket, w->index, now);
    judge_leave(w);
    if (answer == BROKER_QUEUED) {
        w->asked++;
        client->rounds--;
        client->state = CLIENT_WAITING;
    }
    carry_out(w, &orders);
}

static void withdraw(struct worker *w, struct client *client)
{
    struct broker_orders orders;
    judge_enter(w);
    broker_withdraw(w->world->broker, &client->ticket, now_of(w->world), &orders);
    if (w->world->row->judged)
        oracle_leave(&w->world->oracle[client->pool], &client->ticket);
    judge_leave(w);
    client->state = CLIENT_IDLE;
    w->withdrawn++;
    carry_out(w, &orders);
}

static void let_go(struct worker *w, struct client *client)
{
    struct backend *backend = client->backend;
    client->state = CLIENT_IDLE;
    client->backend = NULL;
    if (w->world->row->deaths && choose(w, 10) == 0)
        closed(w, backend);
    else if (!pool_release(&w->pools[client->pool], &backend->member, now_of(w->world)))
        release(w, backend, false);
}

/* One thing of this client; whether it has something to do of its own accord. */
static bool client_step(struct worker *w, struct client *client)
{
    switch (client->state) {
    case CLIENT_IDLE:
        if (choose(w, 3) == 0)
            want(w, client);
        return true;
    case CLIENT_HOLDING:
        if (client->hold-- <= 0)
            let_go(w, client);
        return true;
    case CLIENT_WAITING:
        if (w->world->row->deaths && choose(w, 100) == 0)
            withdraw(w, client);
        return client->state != CLIENT_WAITING;
    default:
        return false;
    }
}

/* ---- workers ---- */

static void tick(struct worker *w)
{
    struct broker_orders orders;
    broker_tick(w->world->broker, now_of(w->world), &orders);
    if (orders.count == 0 && atomic_load(&w->world->asleep) == WORKERS - 1)
        end(w->world, "a ticket waits for ever");
    carry_out(w, &orders);
}

static void resume(struct worker *w)
{
    struct broker_orders orders;
    atomic_store(&w->world->paused, false);
    broker_resume(w->world->broker, NULL, now_of(w->world), &orders);
    carry_out(w, &orders);
}

static void set_limits(struct worker *w, int size)
{
    struct world *world = w->world;
    struct pool_limits limits = {
        .size = size, .database_max = world->row->database_max, .connects_max = 2, .login_retry = 2 * USEC_PER_MSEC};
    struct broker_orders orders;
    for (int p = 0; p < world->row->pools; p++) {
        broker_pool_set_limits(world->broker, world->shared[p], &limits, &orders);
        carry_out(w, &orders);
    }
    broker_tick(world->broker, now_of(world), &orders);
    carry_out(w, &orders);
}

/* Everybody else sleeps and there is no message. */
static void all_is_quiet(struct worker *w)
{
    struct broker_counts counts;
    broker_process_count(w->world->broker, &counts);
    if (counts.tickets == 0) {
        end(w->world, NULL);
    } else if (atomic_load(&w->world->paused)) {
        resume(w);
    } else if (w->world->row->strict) {
        end(w->world, "a wake-up was lost");
    } else {
        atomic_fetch_add(&w->world->clock, 20 * USEC_PER_SEC);
        tick(w);
    }
}

static void sleep_or_end(struct worker *w)
{
    bool quiet = false;
    pthread_mutex_lock(&w->lock);
    if (!w->first && !atomic_load(&w->world->over)) {
        w->asleep = true;
        quiet = atomic_fetch_add(&w->world->asleep, 1) == WORKERS - 1;
        if (quiet)
            wake(w);
        while (w->asleep)
            pthread_cond_wait(&w->posted, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    if (quiet)
        all_is_quiet(w);
}

static void disturb(struct worker *w)
{
    const struct row *row = w->world->row;
    if (row->limits && choose(w, 20) == 0)
        set_limits(w, 1 + choose(w, SIZE_MAX_SET));
    if (!row->pauses || choose(w, 20) != 0)
        return;
    if (atomic_load(&w->world->paused)) {
        resume(w);
    } else {
        broker_pause(w->world->broker, NULL);
        atomic_store(&w->world->paused, true);
    }
}

static void *worker_run(void *data)
{
    struct worker *w = data;
    while (!atomic_load(&w->world->over)) {
        bool active = false;
        for (struct message *m = take_messages(w), *next; m; m = next) {
            next = m->next;
            if (m->backend)
                release(w, m->backend, true);
            else
                do_order(w, &m->order);
            mem_free(m);
        }
        for (int i = 0; i < CLIENTS; i++)
            active |= client_step(w, &w->clients[i]);
        for (int p = 0; p < POOLS; p++) {
            active |= w->connecting[p] > 0;
            if (w->connecting[p] > 0 && choose(w, 2))
                connect_ends(w, p);
        }
        if (w->index == 0 && active) /* only then: it must not keep itself awake */
            disturb(w);
        if (!active)
            sleep_or_end(w);
    }
    return NULL;
}

/* ---- cases ---- */

static struct world world;

static int scale(void)
{
    const char *given = getenv("PGPOOLER_SCALE");
    int value = given ? atoi(given) : 1;
    return value > 0 ? value : 1;
}

static void set_up(const struct row *row, uint32_t seed)
{
    static const char *const users[POOLS] = {"bob", "eve"};
    world.row = row;
    world.broker = broker_new(WORKERS);
    atomic_store(&world.clock, USEC_PER_SEC);
    pthread_mutex_init(&world.judge_lock, NULL);
    for (int p = 0; p < POOLS; p++)
        world.shared[p] = broker_pool_get(world.broker, "app", users[p], 0);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &world.workers[i];
        w->world = &world;
        w->index = i;
        w->seed = (seed + (uint32_t)i * 7919) | 1;
        w->last = &w->first;
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->posted, NULL);
        for (int p = 0; p < POOLS; p++)
            pool_init(&w->pools[p], world.shared[p], i);
        for (int c = 0; c < CLIENTS; c++) {
            w->clients[c].rounds = ROUNDS * scale();
            w->clients[c].pool = c % row->pools;
        }
    }
    set_limits(&world.workers[0], row->size);
}

static void tear_down(void)
{
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &world.workers[i];
        struct pool_member *member;
        for (int p = 0; p < POOLS; p++)
            while ((member = pool_take(&w->pools[p], false)))
                closed(w, (struct backend *)member);
        for (struct message *m = take_messages(w), *next; m; m = next) {
            next = m->next;
            mem_free(m);
        }
    }
    broker_free(world.broker);
}

static const struct row rows[] = {
    /* what                                        pools size db  strict judged deaths pauses limits failures */
    {"one backend for 200 clients", 1, 1, 0, true, false, false, false, false, false},
    {"one backend for 200 clients, judged", 1, 1, 0, true, true, false, false, false, false},
    {"backends die, clients leave", 1, 1, 0, true, false, true, false, false, false},
    {"backends die, clients leave, judged", 1, 2, 0, true, true, true, false, false, false},
    {"pauses", 1, 1, 0, true, false, true, true, false, false},
    {"limits change", 1, 2, 0, true, false, true, false, true, false},
    {"pauses and limits, judged", 1, 2, 0, true, true, true, true, true, false},
    {"connects fail", 1, 1, 0, false, false, true, false, false, true},
    {"two pools, room for one backend", 2, 1, 1, false, false, false, false, false, false},
    {"nearly enough backends: the way without the lock", 1, 120, 0, true, false, false, false, false, false},
    {"everything", 2, 3, 4, false, true, true, true, true, true},
};
START_TEST(nobody_is_forgotten_and_nothing_exceeded)
{
    const char *given = getenv("SEED");
    uint32_t seed;
    if (given)
        seed = (uint32_t)strtoul(given, NULL, 10);
    else
        random_bytes(&seed, sizeof(seed));
    printf("SEED=%u\n", seed);
    fflush(stdout);

    set_up(&rows[_i], seed);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&world.workers[i].thread, NULL, worker_run, &world.workers[i]), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(world.workers[i].thread, NULL);
    const char *wrong = atomic_load(&world.wrong);
    ck_assert_msg(!wrong, "%s: %s", rows[_i].what, wrong);

    long asked = 0, ended = 0, leased = 0;
    for (int i = 0; i < WORKERS; i++) {
        asked += world.workers[i].asked;
        ended += world.workers[i].served + world.workers[i].withdrawn;
        leased += world.workers[i].leased;
    }
    ck_assert_msg(asked == ended, "%s: of %ld tickets %ld came to an end", rows[_i].what, asked, ended);
    long rounds = (long)ROUNDS * scale() * WORKERS * CLIENTS;
    ck_assert_msg(asked + leased == rounds, "%s: %ld of %ld rounds", rows[_i].what, asked + leased, rounds);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_pool_threads");
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 120.0 * scale());
    tcase_add_loop_test(tests, nobody_is_forgotten_and_nothing_exceeded, 0, sizeof(rows) / sizeof(*rows));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
