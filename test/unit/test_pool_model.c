/*
 * The broker in all orders: a few workers, clients and backends in one thread, whose messages are delivered late and in
 * any order but within a pair of workers. After every step the totals must be exact and within the limits, each choice
 * must be right by the oracle, and nothing that could serve a waiting ticket may lie idle without a message under way.
 *
 * Small worlds are walked through exhaustively to a depth, larger ones at random (SEED, PGPOOLER_SCALE).
 */
#include "pgpooler/pool.h"
#include "pool_oracle.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* As ck_assert_msg, which makes a system call each time that it holds. */
#define REQUIRE(condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                                                 \
    } while (0)

enum { WORKERS = 3, CLIENTS = 9, POOLS = 2, MAILBOX = 128, ACTIONS = 64, DEPTH_MAX = 16 };

struct backend {
    struct pool_member member;
    int pool;
};

enum client_state { CLIENT_IDLE, CLIENT_WAITING, CLIENT_HOLDING };
struct client {
    struct ticket ticket;
    enum client_state state;
    int worker, pool;
    struct backend *backend;
};

struct message {
    bool is_backend; /* a backend on its way; else an order */
    struct backend *backend;
    struct broker_order order;
};
struct mailbox { /* from one worker to another */
    struct message list[MAILBOX];
    int count;
};

struct row {
    const char *what;
    int workers, clients, pools, size, reserve, database_max; /* clients: of each worker */
    bool faults; /* deaths, failures, lost hand-overs, pauses, changes of limits */
};

enum action_kind {
    ACT_WANT,
    ACT_WITHDRAW,
    ACT_RELEASE,
    ACT_DIE,
    ACT_IDLE_DIES,
    ACT_DELIVER,
    ACT_LOSE,
    ACT_CONNECTED,
    ACT_FAILED,
    ACT_TICK,
    ACT_PAUSE,
    ACT_LIMITS
};
struct action {
    enum action_kind kind;
    int a, b;
};

struct model {
    const struct row *row;
    struct broker *broker;
    struct broker_pool *shared[POOLS];
    struct pool_limits limits;
    struct oracle oracle[POOLS];
    struct pool pools[WORKERS][POOLS];
    int connecting[WORKERS][POOLS];
    int slots[POOLS]; /* counted here: ordered, connecting, live, on their way */
    struct client clients[CLIENTS];
    struct mailbox boxes[WORKERS][WORKERS];
    bool paused;
    usec now;
};

/* ---- choices: the first `depth` from a script that is counted through, the others at random ---- */

static struct {
    uint32_t seed;
    int depth, at;
    int choice[DEPTH_MAX], options[DEPTH_MAX];
} chooser;

static int choose(int options)
{
    if (chooser.at < chooser.depth) {
        chooser.options[chooser.at] = options;
        return chooser.choice[chooser.at++];
    }
    chooser.seed ^= chooser.seed << 13;
    chooser.seed ^= chooser.seed >> 17;
    chooser.seed ^= chooser.seed << 5;
    return (int)(chooser.seed % (uint32_t)options);
}

/* The next script; false after the last. */
static bool choose_next_script(void)
{
    for (int i = chooser.at - 1; i >= 0; i--) {
        if (++chooser.choice[i] < chooser.options[i]) {
            memset(&chooser.choice[i + 1], 0, sizeof(int) * (size_t)(DEPTH_MAX - 1 - i));
            return true;
        }
    }
    return false;
}

/* ---- workers ---- */

static int pool_index(const struct model *m, const struct broker_pool *p)
{
    return p == m->shared[0] ? 0 : 1;
}

static void post(struct model *m, int from, int to, struct message message)
{
    struct mailbox *box = &m->boxes[from][to];
    REQUIRE(box->count < MAILBOX, "%s: messages pile up", m->row->what);
    box->list[box->count++] = message;
}

static int entry_slots(const struct model *m)
{
    return m->slots[0] + m->slots[1];
}

/* Each slot that an order counts must be within the limits at this moment. */
static void count_connects(struct model *m, const struct broker_orders *orders)
{
    for (int i = 0; i < orders->count; i++) {
        if (orders->list[i].kind != BROKER_CONNECT)
            continue;
        int p = pool_index(m, orders->list[i].pool);
        m->slots[p]++;
        REQUIRE(m->limits.size == 0 || m->slots[p] <= m->limits.size + m->limits.reserve, "%s: over the size",
                m->row->what);
        REQUIRE(m->limits.database_max == 0 || entry_slots(m) <= m->limits.database_max,
                "%s: over the database's limit", m->row->what);
        REQUIRE(!m->paused, "%s: connects while paused", m->row->what);
    }
}

static void carry_out(struct model *m, int worker, const struct broker_orders *orders);

static void closed(struct model *m, int worker, struct backend *backend)
{
    struct broker_orders orders;
    int p = backend->pool;
    free(backend);
    m->slots[p]--;
    broker_closed(m->broker, m->shared[p], worker, m->now, &orders);
    carry_out(m, worker, &orders);
}

static void follow(struct model *m, int worker, struct backend *backend, struct broker_freed freed,
                   const struct broker_orders *orders)
{
    const char *wrong = oracle_judge(&m->oracle[backend->pool], worker, m->now, &freed);
    REQUIRE(!wrong, "%s: %s", m->row->what, wrong);
    REQUIRE(!m->paused || freed.fate == BROKER_CLOSE, "%s: handed out while paused", m->row->what);
    if (freed.fate == BROKER_KEEP) {
        pool_put(&m->pools[worker][backend->pool], &backend->member, m->now);
    } else if (freed.fate == BROKER_SERVE) {
        struct client *client = (struct client *)freed.ticket; /* its first member */
        client->state = CLIENT_HOLDING;
        client->backend = backend;
    } else if (freed.fate == BROKER_GIVE) {
        post(m, worker, freed.to, (struct message){.is_backend = true, .backend = backend});
    }
    carry_out(m, worker, orders);
    if (freed.fate == BROKER_CLOSE)
        closed(m, worker, backend);
}

static void release(struct model *m, int worker, struct backend *backend)
{
    struct broker_orders orders;
    struct broker_freed freed = broker_freed(m->broker, m->shared[backend->pool], worker, m->now, &orders);
    follow(m, worker, backend, freed, &orders);
}

static struct backend *backend_of(struct pool_member *member)
{
    return (struct backend *)member; /* its first member */
}

static void do_order(struct model *m, int worker, const struct broker_order *order)
{
    int p = pool_index(m, order->pool);
    struct pool *pool = &m->pools[worker][p];
    struct pool_member *member;
    switch (order->kind) {
    case BROKER_CONNECT:
        m->connecting[worker][p]++;
        break;
    case BROKER_OFFER:
        if ((member = pool_take(pool, false)))
            release(m, worker, backend_of(member));
        break;
    case BROKER_EVICT:
        if ((member = pool_longest_idle(pool))) {
            pool_remove(pool, member);
            closed(m, worker, backend_of(member));
        }
        break;
    }
}

static void carry_out(struct model *m, int worker, const struct broker_orders *orders)
{
    count_connects(m, orders);
    for (int i = 0; i < orders->count; i++) {
        const struct broker_order *order = &orders->list[i];
        if (order->worker == worker)
            do_order(m, worker, order);
        else
            post(m, worker, order->worker, (struct message){.order = *order});
    }
}

static struct message unpost(struct model *m, int from, int to)
{
    struct mailbox *box = &m->boxes[from][to];
    struct message message = box->list[0];
    memmove(&box->list[0], &box->list[1], sizeof(message) * (size_t)--box->count);
    return message;
}

static void deliver(struct model *m, int from, int to)
{
    struct message message = unpost(m, from, to);
    if (!message.is_backend) {
        do_order(m, to, &message.order);
        return;
    }
    struct broker_orders orders;
    int p = message.backend->pool;
    oracle_way_ended(&m->oracle[p], to);
    follow(m, to, message.backend, broker_arrived(m->broker, m->shared[p], to, m->now, &orders), &orders);
}

static void lose(struct model *m, int from, int to)
{
    struct message message = unpost(m, from, to);
    struct broker_orders orders;
    int p = message.backend->pool;
    oracle_way_ended(&m->oracle[p], to);
    m->slots[p]--;
    free(message.backend);
    broker_give_failed(m->broker, m->shared[p], from, to, m->now, &orders);
    carry_out(m, from, &orders);
}

/* ---- clients ---- */

static void want(struct model *m, struct client *client)
{
    struct broker_orders orders;
    struct pool_member *member = pool_lease(&m->pools[client->worker][client->pool], false);
    if (member) {
        client->state = CLIENT_HOLDING;
        client->backend = backend_of(member);
        return;
    }
    if (broker_ask(m->broker, m->shared[client->pool], &client->ticket, client->worker, m->now, &orders) == BROKER_DOWN)
        return;
    client->state = CLIENT_WAITING;
    oracle_ask(&m->oracle[client->pool], &client->ticket, client->worker, m->now);
    carry_out(m, client->worker, &orders);
}

static void withdraw(struct model *m, struct client *client)
{
    struct broker_orders orders;
    broker_withdraw(m->broker, &client->ticket, m->now, &orders);
    oracle_leave(&m->oracle[client->pool], &client->ticket);
    client->state = CLIENT_IDLE;
    carry_out(m, client->worker, &orders);
}

static void let_go(struct model *m, struct client *client, bool dead)
{
    struct backend *backend = client->backend;
    client->state = CLIENT_IDLE;
    client->backend = NULL;
    if (dead)
        closed(m, client->worker, backend);
    else if (!pool_release(&m->pools[client->worker][client->pool], &backend->member, m->now))
        release(m, client->worker, backend);
}

/* ---- steps ---- */

static void tick(struct model *m)
{
    struct broker_orders orders;
    broker_tick(m->broker, m->now, &orders);
    carry_out(m, 0, &orders);
}

static void connect_ends(struct model *m, int worker, int p, bool success)
{
    struct broker_orders orders;
    m->connecting[worker][p]--;
    if (!success) {
        m->slots[p]--;
        broker_connect_failed(m->broker, m->shared[p], worker, m->now, "refused", &orders);
        carry_out(m, worker, &orders);
        return;
    }
    struct backend *backend = calloc(1, sizeof(*backend));
    backend->pool = p;
    broker_connected(m->broker, m->shared[p], worker, m->now);
    release(m, worker, backend);
}

static void set_paused(struct model *m, bool paused)
{
    struct broker_orders orders = {0};
    m->paused = paused;
    if (paused)
        broker_pause(m->broker, "app");
    else
        broker_resume(m->broker, "app", m->now, &orders);
    carry_out(m, 0, &orders);
}

static void set_limits(struct model *m, int size)
{
    struct broker_orders orders[POOLS];
    m->limits.size = size;
    for (int p = 0; p < m->row->pools; p++)
        broker_pool_set_limits(m->broker, m->shared[p], &m->limits, &orders[p]);
    for (int p = 0; p < m->row->pools; p++)
        carry_out(m, 0, &orders[p]);
    tick(m);
}

static void idle_dies(struct model *m, int worker, int p)
{
    struct pool_member *member = pool_longest_idle(&m->pools[worker][p]);
    pool_remove(&m->pools[worker][p], member);
    closed(m, worker, backend_of(member));
}

static void act(struct model *m, struct action action)
{
    switch (action.kind) {
    case ACT_WANT:
        want(m, &m->clients[action.a]);
        break;
    case ACT_WITHDRAW:
        withdraw(m, &m->clients[action.a]);
        break;
    case ACT_RELEASE:
    case ACT_DIE:
        let_go(m, &m->clients[action.a], action.kind == ACT_DIE);
        break;
    case ACT_IDLE_DIES:
        idle_dies(m, action.a, action.b);
        break;
    case ACT_DELIVER:
        deliver(m, action.a, action.b);
        break;
    case ACT_LOSE:
        lose(m, action.a, action.b);
        break;
    case ACT_CONNECTED:
    case ACT_FAILED:
        connect_ends(m, action.a, action.b, action.kind == ACT_CONNECTED);
        break;
    case ACT_TICK:
        m->now += action.a;
        tick(m);
        break;
    case ACT_PAUSE:
        set_paused(m, !m->paused);
        break;
    case ACT_LIMITS:
        set_limits(m, action.a);
        break;
    }
}

/* What can happen next. `calm`: only what brings everything to rest; no new wishes. */
static int possible(const struct model *m, struct action *list, bool calm)
{
    int count = 0;
    bool faults = m->row->faults && !calm;
#define POSSIBLE(...) (list[count++] = (struct action){__VA_ARGS__})
    for (int c = 0; c < m->row->workers * m->row->clients; c++) {
        enum client_state state = m->clients[c].state;
        if (state == CLIENT_IDLE && !calm)
            POSSIBLE(ACT_WANT, c, 0);
        if (state == CLIENT_WAITING && !calm)
            POSSIBLE(ACT_WITHDRAW, c, 0);
        if (state == CLIENT_HOLDING)
            POSSIBLE(ACT_RELEASE, c, 0);
        if (state == CLIENT_HOLDING && faults)
            POSSIBLE(ACT_DIE, c, 0);
    }
    for (int w = 0; w < m->row->workers; w++) {
        for (int p = 0; p < m->row->pools; p++) {
            if (m->connecting[w][p])
                POSSIBLE(ACT_CONNECTED, w, p);
            if (m->connecting[w][p] && faults)
                POSSIBLE(ACT_FAILED, w, p);
            if (m->pools[w][p].idle_count && faults)
                POSSIBLE(ACT_IDLE_DIES, w, p);
        }
        for (int to = 0; to < m->row->workers; to++) {
            if (m->boxes[w][to].count)
                POSSIBLE(ACT_DELIVER, w, to);
            if (m->boxes[w][to].count && m->boxes[w][to].list[0].is_backend && faults)
                POSSIBLE(ACT_LOSE, w, to);
        }
    }
    if (faults) {
        POSSIBLE(ACT_TICK, 3 * USEC_PER_SEC, 0);
        POSSIBLE(ACT_PAUSE, 0, 0);
        POSSIBLE(ACT_LIMITS, 1 + m->limits.size % m->row->size, 0);
    }
#undef POSSIBLE
    assert(count <= ACTIONS);
    return count;
}

/* ---- what must hold between two steps ---- */

static int messages_of(const struct model *m, int p, bool backends, enum broker_order_kind kind)
{
    int found = 0;
    for (int from = 0; from < m->row->workers; from++)
        for (int to = 0; to < m->row->workers; to++)
            for (int i = 0; i < m->boxes[from][to].count; i++) {
                const struct message *message = &m->boxes[from][to].list[i];
                if (message->is_backend != backends)
                    continue;
                found += backends ? message->backend->pool == p
                                  : message->order.kind == kind && message->order.pool == m->shared[p];
            }
    return found;
}

static void check(struct model *m)
{
    for (int p = 0; p < m->row->pools; p++) {
        struct broker_counts counts;
        char failure[16];
        broker_pool_count(m->broker, m->shared[p], &counts);
        REQUIRE(counts.total == m->slots[p], "%s: %d slots, not %d", m->row->what, counts.total, m->slots[p]);
        REQUIRE(counts.tickets == m->oracle[p].count, "%s: %d tickets", m->row->what, counts.tickets);
        int on_way = messages_of(m, p, true, 0), connecting = 0, idle = 0;
        REQUIRE(counts.on_way == on_way, "%s: %d on their way, not %d", m->row->what, counts.on_way, on_way);
        for (int w = 0; w < m->row->workers; w++) {
            connecting += m->connecting[w][p];
            idle += m->pools[w][p].idle_count;
        }
        if (counts.tickets == 0 || m->paused || on_way)
            continue;

        int offers = messages_of(m, p, false, BROKER_OFFER), connects = messages_of(m, p, false, BROKER_CONNECT);
        REQUIRE(!idle || offers, "%s: a ticket waits, a backend is idle, and nothing is under way", m->row->what);
        broker_pool_failure(m->broker, m->shared[p], failure, sizeof(failure));
        bool room = (m->limits.size == 0 || m->slots[p] < m->limits.size) &&
                    (m->limits.database_max == 0 || entry_slots(m) < m->limits.database_max);
        REQUIRE(!room || *failure || offers || connects || connecting,
                "%s: a ticket waits, there is room, and nothing is under way", m->row->what);
    }
}

static bool anyone_waits(const struct model *m)
{
    return m->oracle[0].count + m->oracle[1].count > 0;
}

static void step(struct model *m, bool calm)
{
    struct action list[ACTIONS];
    int count = possible(m, list, calm);
    act(m, list[choose(count)]);
    check(m);
    m->now += chooser.at < chooser.depth ? 300 : 1 + choose(700);
}

/* Nobody wants anything new: everything comes to rest, and all tickets are served. Time may only be needed for what
 * only time brings: after failures, for the reserve, and to evict what became idle while the order was under way. */
static void come_to_rest(struct model *m)
{
    struct action list[ACTIONS];
    if (m->paused)
        set_paused(m, false);
    for (int ticks = 0;; ticks++) {
        while (possible(m, list, true) > 0)
            step(m, true);
        if (!anyone_waits(m))
            return;
        REQUIRE(ticks < 3, "%s: a ticket waits for ever", m->row->what);
        m->now += 20 * USEC_PER_SEC;
        tick(m);
    }
}

static void set_up(struct model *m, const struct row *row)
{
    static const char *const users[POOLS] = {"bob", "eve"};
    struct broker_orders orders;
    memset(m, 0, sizeof(*m));
    m->row = row;
    m->now = USEC_PER_SEC;
    m->broker = broker_new(row->workers);
    m->limits = (struct pool_limits){.size = row->size,
                                     .reserve = row->reserve,
                                     .reserve_timeout = 2 * USEC_PER_SEC,
                                     .database_max = row->database_max,
                                     .connects_max = 2,
                                     .login_retry = 5 * USEC_PER_SEC};
    for (int p = 0; p < row->pools; p++) {
        m->shared[p] = broker_pool_get(m->broker, "app", users[p], 0);
        broker_pool_set_limits(m->broker, m->shared[p], &m->limits, &orders);
        for (int w = 0; w < row->workers; w++)
            pool_init(&m->pools[w][p], m->shared[p], w);
    }
    for (int c = 0; c < row->workers * row->clients; c++) {
        m->clients[c].worker = c % row->workers;
        m->clients[c].pool = c / row->workers % row->pools;
    }
}

static void tear_down(struct model *m)
{
    for (int w = 0; w < m->row->workers; w++) {
        for (int p = 0; p < m->row->pools; p++) {
            struct pool_member *member;
            while ((member = pool_take(&m->pools[w][p], false)))
                closed(m, w, backend_of(member));
        }
    }
    REQUIRE(entry_slots(m) == 0, "%s: %d slots are left", m->row->what, entry_slots(m));
    check(m);
    broker_free(m->broker);
}

/* ---- cases ---- */

static struct model model;

static int scale(void)
{
    const char *given = getenv("PGPOOLER_SCALE");
    int value = given ? atoi(given) : 1;
    return value > 0 ? value : 1;
}

static const struct row small_worlds[] = {
    {"two workers, one backend", 2, 1, 1, 1, 0, 0, false},
    {"two workers, one backend, faults", 2, 1, 1, 1, 0, 0, true},
    {"two workers of two clients, one backend", 2, 2, 1, 1, 0, 0, false},
    {"two workers, two backends", 2, 1, 1, 2, 0, 0, true},
    {"three workers, two backends", 3, 1, 1, 2, 0, 0, false},
    {"two pools, one database limit", 2, 2, 2, 1, 0, 1, false},
};
START_TEST(small_worlds_are_right_in_every_order)
{
    const struct row *row = &small_worlds[_i];
    memset(&chooser, 0, sizeof(chooser));
    chooser.depth = (row->faults ? 6 : 8) + (scale() > 1);
    do {
        chooser.at = 0;
        chooser.seed = 1;
        set_up(&model, row);
        struct action list[ACTIONS];
        while (chooser.at < chooser.depth && possible(&model, list, false) > 0)
            step(&model, false);
        come_to_rest(&model);
        tear_down(&model);
    } while (choose_next_script());
}
END_TEST

static const struct row large_worlds[] = {
    {"one backend for all", 3, 3, 1, 1, 0, 0, false},
    {"one backend for all, faults", 3, 3, 1, 1, 0, 0, true},
    {"two backends, faults", 3, 2, 1, 2, 0, 0, true},
    {"four backends, faults", 3, 3, 1, 4, 0, 0, true},
    {"a reserve, faults", 3, 3, 1, 2, 1, 0, true},
    {"two pools under one limit", 3, 3, 2, 2, 0, 2, false},
    {"two pools under one limit, faults", 3, 3, 2, 2, 0, 3, true},
    {"one worker", 1, 3, 2, 2, 0, 3, true},
};
START_TEST(large_worlds_are_right_in_random_orders)
{
    const char *given = getenv("SEED");
    memset(&chooser, 0, sizeof(chooser));
    if (given)
        chooser.seed = (uint32_t)strtoul(given, NULL, 10);
    else
        random_bytes(&chooser.seed, sizeof(chooser.seed));
    chooser.seed |= 1;
    printf("SEED=%u\n", chooser.seed);
    fflush(stdout);
    for (int run = 0; run < 250 * scale(); run++) {
        set_up(&model, &large_worlds[_i]);
        for (int i = 0; i < 400; i++)
            step(&model, false);
        come_to_rest(&model);
        tear_down(&model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_pool_model");
    TCase *tests = tcase_create("model");
    tcase_set_timeout(tests, 120.0 * scale());
    tcase_add_loop_test(tests, small_worlds_are_right_in_every_order, 0, sizeof(small_worlds) / sizeof(*small_worlds));
    tcase_add_loop_test(tests, large_worlds_are_right_in_random_orders, 0,
                        sizeof(large_worlds) / sizeof(*large_worlds));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
