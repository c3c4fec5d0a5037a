/* The user decides before the entry, and the entry before the global key. */
#include "config_scratch.h"

#include <limits.h>

/* Global values end in 1, those of the entry in 2, those of the user in 3. */
static const char text[] =
    "[pgbouncer]\n"
    "default_pool_size=11\nmin_pool_size=1\nreserve_pool_size=21\nmax_db_connections=31\n"
    "max_db_client_connections=41\nmax_user_connections=51\nmax_user_client_connections=61\npool_mode=session\n"
    "query_wait_timeout=71\nquery_timeout=81\nidle_transaction_timeout=91\ntransaction_timeout=101\n"
    "client_idle_timeout=111\nserver_lifetime=121\nsession_features=pin\nmax_replica_lag=131\nauth_user=global\n"
    "max_replica_lag_bytes=141\nmax_staleness=151\nmonitor_user=\nreplica_safe_functions=f1\nlog_min_duration=off\n"
    "[databases]\n"
    "plain = host=a\n"
    "own = pool_size=12 min_pool_size=2 reserve_pool_size=22 max_db_connections=32 max_db_client_connections=42"
    " pool_mode=transaction query_wait_timeout=72 query_timeout=82 idle_transaction_timeout=92"
    " transaction_timeout=102 client_idle_timeout=112 server_lifetime=122 session_features=error max_replica_lag=132"
    " auth_user=entry max_replica_lag_bytes=142 max_staleness=152 monitor_user=m replica_safe_functions=f2"
    " log_min_duration=0 routing=on read_your_writes=key replica_fallback=wait target_session_attrs=standby"
    " sslmode=disable\n"
    "zero = pool_size=0 max_db_connections=0 query_wait_timeout=0 max_replica_lag=0\n"
    "[users]\n"
    "plain = query_timeout=83\n"
    "own = pool_size=13 reserve_pool_size=23 max_user_connections=53 max_user_client_connections=63"
    " pool_mode=statement query_wait_timeout=73 query_timeout=83 idle_transaction_timeout=93 transaction_timeout=103"
    " client_idle_timeout=113 session_features=ignore\n";

#define SECONDS(value) ((value) / USEC_PER_SEC)

static const struct {
    const char *what, *entry, *user;
    int pool, min, reserve, db, db_clients, user_max, user_clients;
    enum pool_mode mode;
    int wait, query, idle, transaction, client, lifetime;
    enum session_features features;
} cases[] = {
    {"nobody", NULL, NULL, 11, 1, 21, 31, 41, 51, 61, POOL_MODE_SESSION, 71, 81, 91, 101, 111, 121,
     SESSION_FEATURES_PIN},
    {"an entry without values", "plain", NULL, 11, 1, 21, 31, 41, 51, 61, POOL_MODE_SESSION, 71, 81, 91, 101, 111, 121,
     SESSION_FEATURES_PIN},
    {"an entry", "own", NULL, 12, 2, 22, 32, 42, 51, 61, POOL_MODE_TRANSACTION, 72, 82, 92, 102, 112, 122,
     SESSION_FEATURES_ERROR},
    {"a user", "plain", "own", 13, 1, 23, 31, 41, 53, 63, POOL_MODE_STATEMENT, 73, 83, 93, 103, 113, 121,
     SESSION_FEATURES_IGNORE},
    {"both", "own", "own", 13, 2, 23, 32, 42, 53, 63, POOL_MODE_STATEMENT, 73, 83, 93, 103, 113, 122,
     SESSION_FEATURES_IGNORE},
    {"a user with one value", "own", "plain", 12, 2, 22, 32, 42, 51, 61, POOL_MODE_TRANSACTION, 72, 83, 92, 102, 112,
     122, SESSION_FEATURES_ERROR},
    {"0 is a value", "zero", NULL, 0, 1, 21, 0, 41, 51, 61, POOL_MODE_SESSION, 0, 81, 91, 101, 111, 121,
     SESSION_FEATURES_PIN},
};

START_TEST(the_nearest_value_counts)
{
    struct config *c = scratch_load(text, NULL, NULL);
    const struct config_entry *e = cases[_i].entry == NULL ? NULL : config_find_entry(c, cases[_i].entry);
    const struct config_user *u = cases[_i].user == NULL ? NULL : config_find_user(c, cases[_i].user);
#define CHECK(field, call)                                                                                             \
    ck_assert_msg((int64_t)(call) == (int64_t)cases[_i].field, "%s: %s is %lld", cases[_i].what, #field,               \
                  (long long)(call))
    CHECK(pool, config_pool_size(c, e, u));
    CHECK(min, config_min_pool_size(c, e, u));
    CHECK(reserve, config_reserve_pool_size(c, e, u));
    CHECK(db, config_max_db_connections(c, e));
    CHECK(db_clients, config_max_db_client_connections(c, e));
    CHECK(user_max, config_max_user_connections(c, u));
    CHECK(user_clients, config_max_user_client_connections(c, u));
    CHECK(mode, config_pool_mode(c, e, u));
    CHECK(wait, SECONDS(config_query_wait_timeout(c, e, u)));
    CHECK(query, SECONDS(config_query_timeout(c, e, u)));
    CHECK(idle, SECONDS(config_idle_transaction_timeout(c, e, u)));
    CHECK(transaction, SECONDS(config_transaction_timeout(c, e, u)));
    CHECK(client, SECONDS(config_client_idle_timeout(c, e, u)));
    CHECK(lifetime, SECONDS(config_server_lifetime(c, e)));
    CHECK(features, config_session_features(c, e, u));
    config_free(c);
}
END_TEST

START_TEST(an_entry_overrides_our_own_keys)
{
    struct config *c = scratch_load(text, NULL, NULL);
    const struct config_entry *plain = config_find_entry(c, "plain"), *own = config_find_entry(c, "own");
    ck_assert_int_eq(config_routing(c, plain), ROUTING_OFF);
    ck_assert_int_eq(config_routing(c, own), ROUTING_ON);
    ck_assert_int_eq(config_read_your_writes(c, plain), READ_YOUR_WRITES_SESSION);
    ck_assert_int_eq(config_read_your_writes(c, own), READ_YOUR_WRITES_KEY);
    ck_assert_int_eq(config_replica_fallback(c, plain), REPLICA_FALLBACK_PRIMARY);
    ck_assert_int_eq(config_replica_fallback(c, own), REPLICA_FALLBACK_WAIT);
    ck_assert_int_eq(config_target_session_attrs(plain), TARGET_SESSION_ANY);
    ck_assert_int_eq(config_target_session_attrs(own), TARGET_SESSION_STANDBY);
    ck_assert_int_eq(SECONDS(config_max_replica_lag(c, plain)), 131);
    ck_assert_int_eq(SECONDS(config_max_replica_lag(c, own)), 132);
    ck_assert_int_eq(config_max_replica_lag(c, config_find_entry(c, "zero")), 0);
    ck_assert_int_eq(config_max_replica_lag_bytes(c, plain), 141);
    ck_assert_int_eq(config_max_replica_lag_bytes(c, own), 142);
    ck_assert_int_eq(SECONDS(config_max_staleness(c, plain)), 151);
    ck_assert_int_eq(SECONDS(config_max_staleness(c, own)), 152);
    ck_assert_int_eq(config_server_sslmode(c, plain), SSLMODE_PREFER);
    ck_assert_int_eq(config_server_sslmode(c, own), SSLMODE_DISABLE);
    ck_assert_str_eq(config_auth_user(c, plain), "global");
    ck_assert_str_eq(config_auth_user(c, own), "entry");
    ck_assert_ptr_null(config_auth_dbname(c, own));
    ck_assert_ptr_null(config_monitor_user(c, plain)); /* set to nothing */
    ck_assert_str_eq(config_monitor_user(c, own), "m");
    ck_assert_str_eq(config_replica_safe_functions(c, plain), "f1");
    ck_assert_str_eq(config_replica_safe_functions(c, own), "f2");
    ck_assert(config_log_min_duration(c, plain) == USEC_NEVER);
    ck_assert(config_log_min_duration(c, own) == 0);
    config_free(c);
}
END_TEST

static const struct {
    const char *what, *entry;
    int pins, min;
} sizes[] = {
    {"half of the pool", "pool_size=20 min_pool_size=9", 10, 9},
    {"rounded down", "pool_size=5", 2, 0},
    {"at least one", "pool_size=1 max_pins=0", 1, 0},
    {"a number", "pool_size=5 max_pins=4", 4, 0},
    {"a share of an unlimited pool", "pool_size=0 min_pool_size=9", INT_MAX, 9},
    {"a share of a huge pool", "pool_size=2147483647 max_pins=100%", INT_MAX, 0},
    {"min_pool_size within pool_size", "pool_size=4 min_pool_size=9", 2, 4},
};
START_TEST(sizes_fit_the_pool)
{
    struct buf ini = {0};
    buf_printf(&ini, "[pgbouncer]\n[databases]\ne = %s\n", sizes[_i].entry);
    struct config *c = scratch_load(buf_text(&ini), NULL, NULL);
    const struct config_entry *e = config_find_entry(c, "e");
    ck_assert_msg(config_max_pins(c, e, NULL) == sizes[_i].pins, "%s: %d", sizes[_i].what, config_max_pins(c, e, NULL));
    ck_assert_msg(config_min_pool_size(c, e, NULL) == sizes[_i].min, "%s: %d", sizes[_i].what,
                  config_min_pool_size(c, e, NULL));
    config_free(c);
    buf_deinit(&ini);
}
END_TEST

static const struct {
    const char *list, *name;
    bool is_in;
} lists[] = {
    {"a", "a", true},     {"a,b,c", "b", true}, {" a , b ", "b", true}, {"a,b", "c", false}, {"ab", "a", false},
    {"a", "ab", false},   {"", "a", false},     {NULL, "a", false},     {"a,,b", "", false}, {",,b", "b", true},
    {"a b", "a b", true}, {"a\t,b", "a", true}, {"A", "a", false},      {"a,", "a", true},   {",", "", false},
};
START_TEST(a_name_is_in_a_list_or_not)
{
    ck_assert_msg(config_name_in_list(lists[_i].list, lists[_i].name) == lists[_i].is_in, "\"%s\" in \"%s\"",
                  lists[_i].name, lists[_i].list == NULL ? "NULL" : lists[_i].list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("effective");
    ADD_LOOP(suite, the_nearest_value_counts, cases);
    ADD_TEST(suite, an_entry_overrides_our_own_keys);
    ADD_LOOP(suite, sizes_fit_the_pool, sizes);
    ADD_LOOP(suite, a_name_is_in_a_list_or_not, lists);
    return run_suite(suite);
}
