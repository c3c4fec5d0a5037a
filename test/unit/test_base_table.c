/* table and hash: compared with a plain array under random insertions and removals. */
#include "pgpooler/base.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned seed;

/* xorshift: the same numbers on every machine for a seed */
static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void take_seed(void)
{
    const char *given = getenv("SEED");
    if (given)
        seed = (unsigned)strtoul(given, NULL, 10);
    else
        random_bytes(&seed, sizeof(seed));
    if (seed == 0)
        seed = 1;
    printf("SEED=%u\n", seed);
    fflush(stdout);
}

enum { KEYS = 500 };

static int values[KEYS];

static bool is_key(const void *value, const void *key)
{
    return *(const int *)value == *(const int *)key;
}

/* How keys become hashes: the bad ones make every kind of collision. */
static uint64_t hash_good(int key)
{
    return hash_bytes(&key, sizeof(key));
}
static uint64_t hash_same(int key)
{
    (void)key;
    return 42;
}
static uint64_t hash_few(int key)
{
    return (uint64_t)key % 7;
}
static uint64_t hash_high_bits_only(int key)
{
    return (uint64_t)key << 52;
}
static uint64_t hash_identity(int key)
{
    return (uint64_t)key;
}

static const struct {
    const char *what;
    uint64_t (*hash)(int key);
} hashes[] = {
    {"good hashes", hash_good},        {"all equal", hash_same},
    {"seven different", hash_few},     {"differing in the high bits", hash_high_bits_only},
    {"the key itself", hash_identity},
};

static void expect_same(const struct table *t, const bool *present, uint64_t (*hash)(int key), const char *what)
{
    uint32_t count = 0;
    for (int key = 0; key < KEYS; key++) {
        const int *found = table_find(t, hash(key), is_key, &key);
        ck_assert_msg((found != NULL) == present[key], "%s: key %d", what, key);
        ck_assert(!found || found == &values[key]);
        count += present[key];
    }
    ck_assert_uint_eq(t->live, count);

    bool seen[KEYS] = {false};
    uint32_t cursor = 0;
    for (int *value; (value = table_next(t, &cursor));) {
        ck_assert_msg(!seen[*value] && present[*value], "%s: walk shows %d", what, *value);
        seen[*value] = true;
        count--;
    }
    ck_assert_uint_eq(count, 0);
}

START_TEST(behaves_like_a_set)
{
    uint64_t (*hash)(int key) = hashes[_i].hash;
    struct table t = {0};
    bool present[KEYS] = {false};
    take_seed();
    for (int key = 0; key < KEYS; key++)
        values[key] = key;
    for (int step = 0; step < 20000; step++) {
        /* phases that mostly add and phases that mostly remove, so that it grows and shrinks */
        bool adding = next_random() % 100 < (step / 2500 % 2 ? 20u : 80u);
        int key = (int)(next_random() % KEYS);
        if (adding && !present[key]) {
            table_insert(&t, hash(key), &values[key]);
            present[key] = true;
        } else if (!adding) {
            bool removed = table_remove(&t, hash(key), &values[key]);
            ck_assert_msg(removed == present[key], "%s: step %d", hashes[_i].what, step);
            present[key] = false;
        }
        if (step % 500 == 0)
            expect_same(&t, present, hash, hashes[_i].what);
    }
    expect_same(&t, present, hash, hashes[_i].what);
    table_deinit(&t);
    ck_assert_uint_eq(t.live, 0);
}
END_TEST

START_TEST(an_empty_table_answers)
{
    struct table t = {0};
    uint32_t cursor = 0;
    int key = 1;
    ck_assert_ptr_null(table_find(&t, 1, is_key, &key));
    ck_assert(!table_remove(&t, 1, &key));
    ck_assert_ptr_null(table_next(&t, &cursor));
    table_deinit(&t);
}
END_TEST

START_TEST(removal_is_by_identity)
{
    struct table t = {0};
    int one = 1, twin = 1;
    table_insert(&t, 5, &one);
    ck_assert(!table_remove(&t, 5, &twin));
    ck_assert_ptr_eq(table_find(&t, 5, is_key, &twin), &one);
    table_deinit(&t);
}
END_TEST

START_TEST(memory_follows_the_contents)
{
    struct table t = {0};
    for (int key = 0; key < KEYS; key++)
        table_insert(&t, hash_good(key), &values[key]);
    uint32_t full = t.size;
    for (int key = 0; key < KEYS; key++)
        table_remove(&t, hash_good(key), &values[key]);
    ck_assert_uint_ge(full, KEYS);
    ck_assert_uint_le(t.size, full / 16);
    table_deinit(&t);
}
END_TEST

START_TEST(hashes_depend_on_every_byte_and_the_length)
{
    char text[300] = {0};
    for (size_t len = 0; len < sizeof(text); len++) {
        struct hash128 none = {0}, whole = hash128_bytes(text, len, none);
        ck_assert(hash_bytes(text, len) == hash_bytes(text, len));
        ck_assert(hash_bytes(text, len) != hash_bytes(text, len + 1));
        ck_assert(whole.low != hash128_bytes(text, len + 1, none).low);
        if (len == 0)
            continue;
        text[len - 1] = 1;
        ck_assert(hash128_bytes(text, len, none).high != whole.high);
        text[len - 1] = 0;
    }
}
END_TEST

START_TEST(a_chain_depends_on_order_and_boundaries)
{
    struct hash128 none = {0};
    struct hash128 a = hash128_bytes("a", 1, none), b = hash128_bytes("b", 1, none);
    struct hash128 ab = hash128_bytes("b", 1, a), ba = hash128_bytes("a", 1, b);
    ck_assert(ab.low != ba.low && ab.high != ba.high);
    ck_assert(ab.low != hash128_bytes("ab", 2, none).low);
    ck_assert(hash128_bytes("", 0, ab).low != ab.low);
    struct hash128 again = hash128_bytes("b", 1, a);
    ck_assert(again.low == ab.low && again.high == ab.high);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_base_table");
    TCase *tests = tcase_create("table");
    tcase_add_loop_test(tests, behaves_like_a_set, 0, sizeof(hashes) / sizeof(*hashes));
    tcase_add_test(tests, an_empty_table_answers);
    tcase_add_test(tests, removal_is_by_identity);
    tcase_add_test(tests, memory_follows_the_contents);
    tcase_add_test(tests, hashes_depend_on_every_byte_and_the_length);
    tcase_add_test(tests, a_chain_depends_on_order_and_boundaries);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
