/* pool: a worker's idle backends, their order, their age, and what the broker hears of them. */
#include "pgpooler/pool.h"

#include <check.h>
#include <stdlib.h>

enum { MEMBERS = 4 };

static struct broker *broker;
static struct broker_pool *shared;
static struct pool pool;
static struct pool_member members[MEMBERS];

static void set_up(void)
{
    broker = broker_new(2);
    shared = broker_pool_get(broker, "app", "bob", 0);
    pool_init(&pool, shared, 0);
    memset(members, 0, sizeof(members));
    for (int i = 0; i < MEMBERS; i++)
        list_init(&members[i].link);
}

static void tear_down(void)
{
    broker_free(broker);
}

static int index_of(const struct pool_member *m)
{
    return m ? (int)(m - members) : -1;
}

static const struct {
    const char *what;
    bool round_robin;
    const char *order; /* members in the order in which they come out when 0, 1, 2 went in */
} take_cases[] = {
    {"the most recently used comes out first", false, "210"},
    {"with round robin the least recently used", true, "012"},
};
START_TEST(takes_in_order)
{
    for (int i = 0; i < 3; i++)
        pool_put(&pool, &members[i], i);
    for (const char *at = take_cases[_i].order; *at; at++) {
        int got = index_of(pool_take(&pool, take_cases[_i].round_robin));
        ck_assert_msg(got == *at - '0', "%s: got %d, not %c", take_cases[_i].what, got, *at);
    }
    ck_assert_ptr_null(pool_take(&pool, take_cases[_i].round_robin));
    ck_assert_int_eq(pool.idle_count, 0);
}
END_TEST

START_TEST(the_longest_idle_is_found_and_any_can_be_removed)
{
    ck_assert_ptr_null(pool_longest_idle(&pool));
    for (int i = 0; i < 3; i++)
        pool_put(&pool, &members[i], i);
    ck_assert_int_eq(index_of(pool_longest_idle(&pool)), 0);
    pool_remove(&pool, &members[0]);
    ck_assert_int_eq(index_of(pool_longest_idle(&pool)), 1);
    ck_assert_int_eq(pool.idle_count, 2);
}
END_TEST

/* Makes a live backend of the worker, as an ask and a connect do. */
static void make_live(int worker)
{
    struct broker_orders orders;
    struct ticket t = {0};
    ck_assert_int_eq(broker_ask(broker, shared, &t, worker, 1, &orders), BROKER_QUEUED);
    ck_assert_int_eq(orders.count, 1);
    broker_connected(broker, shared, worker, 1);
    broker_withdraw(broker, &t, 1, &orders);
}

static int offers_after_asking(struct ticket *t)
{
    struct broker_orders orders;
    int offers = 0;
    ck_assert_int_eq(broker_ask(broker, shared, t, 1, 1, &orders), BROKER_QUEUED);
    for (int i = 0; i < orders.count; i++)
        offers += orders.list[i].kind == BROKER_OFFER && orders.list[i].worker == 0;
    return offers;
}

START_TEST(others_hear_of_idle_backends)
{
    struct broker_orders orders;
    struct ticket t = {0};
    make_live(0);
    ck_assert(pool_release(&pool, &members[0], 1));
    ck_assert_int_eq(offers_after_asking(&t), 1);
    broker_withdraw(broker, &t, 1, &orders);

    ck_assert_ptr_eq(pool_lease(&pool, false), &members[0]);
    ck_assert_int_eq(offers_after_asking(&t), 0);
}
END_TEST

START_TEST(while_somebody_waits_nothing_bypasses_the_broker)
{
    struct broker_orders orders;
    struct ticket t = {0};
    make_live(0);
    pool_put(&pool, &members[0], 1);
    ck_assert_int_eq(offers_after_asking(&t), 1);
    ck_assert_msg(!pool_lease(&pool, false), "a client must queue behind the ticket");
    ck_assert_int_eq(pool.idle_count, 1);
    ck_assert_msg(!pool_release(&pool, &members[1], 1), "a released backend must go to the broker");
    ck_assert_int_eq(pool.idle_count, 1);

    broker_withdraw(broker, &t, 1, &orders);
    ck_assert_ptr_eq(pool_lease(&pool, false), &members[0]);
}
END_TEST

#define S USEC_PER_SEC
static const struct {
    const char *what;
    struct pool_expiry expiry;
    bool old;
    usec connected_at, idle_since, last_expired;
    int total;
    enum close_reason reason; /* CLOSE_QUIETLY: stays */
} expiry_cases[] = {
    {"nothing is limited", {0}, false, 1 * S, 1 * S, 0, 1, CLOSE_QUIETLY},
    {"old ones go at once", {0}, true, 99 * S, 99 * S, 0, 1, CLOSE_BACKEND_OLD},
    {"idle for just the timeout", {.idle_timeout = 10 * S}, false, 1 * S, 90 * S, 0, 1, CLOSE_QUIETLY},
    {"idle for longer", {.idle_timeout = 10 * S}, false, 1 * S, 89 * S, 0, 1, CLOSE_BACKEND_IDLE_TIMEOUT},
    {"idle, but the minimum needs it", {.idle_timeout = 10 * S, .keep = 2}, false, 1 * S, 1 * S, 0, 2, CLOSE_QUIETLY},
    {"idle, above the minimum", {.idle_timeout = S, .keep = 2}, false, 1 * S, 1 * S, 0, 3, CLOSE_BACKEND_IDLE_TIMEOUT},
    {"young enough", {.lifetime = 60 * S}, false, 41 * S, 99 * S, 0, 1, CLOSE_QUIETLY},
    {"too old by age", {.lifetime = 60 * S}, false, 40 * S, 99 * S, 0, 1, CLOSE_BACKEND_LIFETIME},
    {"the minimum does not protect from age", {.lifetime = S, .keep = 9}, false, S, S, 0, 1, CLOSE_BACKEND_LIFETIME},
    {"another just went", {.lifetime = 60 * S, .size = 6}, false, 1 * S, 99 * S, 91 * S, 1, CLOSE_QUIETLY},
    {"its turn", {.lifetime = 60 * S, .size = 6}, false, 1 * S, 99 * S, 90 * S, 1, CLOSE_BACKEND_LIFETIME},
    {"no size, no spreading", {.lifetime = 60 * S}, false, 1 * S, 99 * S, 100 * S, 1, CLOSE_BACKEND_LIFETIME},
};
START_TEST(expires)
{
    enum close_reason reason = CLOSE_QUIETLY;
    usec last_expired = expiry_cases[_i].last_expired;
    pool_put(&pool, &members[0], expiry_cases[_i].idle_since);
    members[0].connected_at = expiry_cases[_i].connected_at;
    members[0].old = expiry_cases[_i].old;
    struct pool_member *m =
        pool_expired(&pool, &expiry_cases[_i].expiry, expiry_cases[_i].total, 100 * S, &last_expired, &reason);
    enum close_reason expected = expiry_cases[_i].reason;
    ck_assert_msg((m != NULL) == (expected != CLOSE_QUIETLY), "%s", expiry_cases[_i].what);
    ck_assert_msg(reason == expected, "%s: got %d", expiry_cases[_i].what, (int)reason);
}
END_TEST

START_TEST(lifetimes_end_one_after_the_other)
{
    const struct pool_expiry expiry = {.lifetime = 60 * S, .size = 3};
    enum close_reason reason;
    usec last_expired = 0;
    int closed = 0;
    for (int i = 0; i < 3; i++) {
        pool_put(&pool, &members[i], 99 * S);
        members[i].connected_at = 1 * S;
    }
    for (usec now = 100 * S; now <= 140 * S; now += S) {
        struct pool_member *m;
        while ((m = pool_expired(&pool, &expiry, 3 - closed, now, &last_expired, &reason))) {
            ck_assert_int_eq(now, 100 * S + closed * 20 * S);
            ck_assert_int_eq(index_of(m), closed);
            pool_remove(&pool, m);
            closed++;
        }
    }
    ck_assert_int_eq(closed, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_pool_idle");
    TCase *tests = tcase_create("idle");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, takes_in_order, 0, sizeof(take_cases) / sizeof(*take_cases));
    tcase_add_test(tests, the_longest_idle_is_found_and_any_can_be_removed);
    tcase_add_test(tests, others_hear_of_idle_backends);
    tcase_add_test(tests, while_somebody_waits_nothing_bypasses_the_broker);
    tcase_add_loop_test(tests, expires, 0, sizeof(expiry_cases) / sizeof(*expiry_cases));
    tcase_add_test(tests, lifetimes_end_one_after_the_other);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
