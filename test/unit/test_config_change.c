/* SET makes a changed copy, and RELOAD keeps what only counts at the start. */
#include "config/rows.h"
#include "config_scratch.h"

static const char base_ini[] = "[pgbouncer]\nverbose=1\nauth_file=users\nmonitor_password=canary\n"
                               "[databases]\na = host=x,y port=1,2 password=p\n* = host=z\n"
                               "[users]\nbob = pool_size=3\n[peers]\n1 = host=h\n";

static struct config *load_base(void)
{
    scratch_write("users", "\"bob\" \"secret\"\n");
    return scratch_load(base_ini, NULL, NULL);
}

START_TEST(set_changes_a_deep_copy)
{
    char *error = NULL;
    struct config *c = load_base();
    struct config *changed = config_set(c, "pool_mode", "TRANSACTION", &error);
    ck_assert_ptr_nonnull(changed);
    ck_assert_int_eq(c->pool_mode, POOL_MODE_SESSION);
    ck_assert_int_eq(changed->pool_mode, POOL_MODE_TRANSACTION);
    config_free(c); /* nothing of it is shared */
    ck_assert_int_eq(changed->verbose, 1);
    ck_assert_str_eq(changed->conffile, "t.ini");
    ck_assert_str_eq(changed->monitor_password, "canary");
    const struct config_entry *entry = config_find_entry(changed, "a");
    ck_assert_str_eq(entry->password, "p");
    ck_assert_str_eq(entry->hosts[1].host, "y");
    ck_assert_int_eq(entry->hosts[1].port, 2);
    ck_assert_str_eq(entry->dbname, "a");
    ck_assert_str_eq(changed->auto_template->host, "z");
    ck_assert_ptr_null(changed->auto_template->dbname);
    ck_assert_str_eq(config_find_user(changed, "bob")->secret, "secret");
    ck_assert(config_find_user(changed, "bob")->has_password);
    ck_assert_int_eq(config_find_user(changed, "bob")->pool_size, 3);
    ck_assert_str_eq(config_find_peer(changed, 1)->host, "h");
    ck_assert_int_eq(config_find_peer(changed, 1)->port, 6432);
    config_free(changed);
}
END_TEST

START_TEST(a_text_can_be_set_to_itself)
{
    char *error = NULL;
    struct config *c = load_base();
    struct config *changed = config_set(c, "conffile", c->conffile, &error);
    struct config *again = config_set(changed, "conffile", changed->conffile, &error);
    ck_assert_str_eq(again->conffile, "t.ini");
    config_free(c);
    config_free(changed);
    config_free(again);
}
END_TEST

static const struct {
    const char *what, *key, *value, *error;
} refused[] = {
    {"an unknown key", "verbos", "1", "unknown key \"verbos\"; did you mean \"verbose\"?"},
    {"a bad value", "verbose", "loud", "verbose must be an integer, not \"loud\""},
    {"out of bounds", "peer_id", "16384", "peer_id must be between 0 and 16383, not \"16384\""},
    {"what this build does not have", "auth_type", "pam", "auth_type=pam is not supported by this build"},
    {"TLS", "client_tls_sslmode", "require", "client_tls_sslmode=require: TLS is not available in this version"},
    {"what does not fit the rest", "lag_check_period", "5s",
     "max_replica_lag is shorter than three times lag_check_period: probing is too slow to see it"},
    {"the console as auth_dbname", "auth_dbname", "pgbouncer", "auth_dbname is the console's name, which is reserved"},
    {"a broken auth_file", "auth_file", "broken", "broken:1: broken auth file: expected \"user\" \"secret\""},
    {"a key of entries", "dbname", "x", "unknown key \"dbname\""},
};
START_TEST(set_refuses_with_a_reason)
{
    char *error = NULL;
    struct config *c = load_base();
    scratch_write("broken", "x\n");
    ck_assert_msg(config_set(c, refused[_i].key, refused[_i].value, &error) == NULL, "%s", refused[_i].what);
    ck_assert_msg(strcmp(error, refused[_i].error) == 0, "%s: %s", refused[_i].what, error);
    mem_free(error);
    config_free(c);
}
END_TEST

START_TEST(what_only_counts_at_the_start_is_accepted_and_left_alone)
{
    char *error = NULL;
    struct config *c = load_base();
    struct config *changed = config_set(c, "listen_port", "not even a number", &error);
    ck_assert_ptr_nonnull(changed);
    ck_assert_int_eq(changed->listen_port, 6432);
    config_free(changed);
    config_free(c);
}
END_TEST

START_TEST(a_new_auth_file_is_read_at_once)
{
    char *error = NULL;
    struct config *c = load_base();
    scratch_write("other", "\"al\" \"new\"\n");
    struct config *changed = config_set(c, "auth_file", "other", &error);
    ck_assert_str_eq(config_find_user(changed, "al")->secret, "new");
    ck_assert(!config_find_user(changed, "bob")->has_password);
    struct config *without = config_set(changed, "auth_file", "", &error);
    ck_assert(!config_find_user(without, "al")->has_password);
    config_free(c);
    config_free(changed);
    config_free(without);
}
END_TEST

/* Every key takes its own default by SET, and then shows it. */
START_TEST(every_key_can_be_set_to_its_default)
{
    struct config *c = scratch_load("[pgbouncer]\n", NULL, NULL);
    for (int i = 0; i < config_option_count(); i++) {
        char *error = NULL;
        struct config_row row;
        config_option_show(c, i, &row);
        if (row.default_value == NULL)
            continue;
        struct config *changed = config_set(c, row.key, row.default_value, &error);
        ck_assert_msg(changed != NULL, "%s: %s", row.key, error);
        ck_assert_msg(value_equal(&global_rows.options[i], row_value(c, &global_rows.options[i]),
                                  row_value(changed, &global_rows.options[i])),
                      "%s", row.key);
        config_free(changed);
    }
    config_free(c);
}
END_TEST

START_TEST(reload_keeps_what_only_counts_at_the_start)
{
    struct config *running =
        scratch_load("[pgbouncer]\nlisten_port=1\nlisten_addr=a\nverbose=1\nworkers=3\n", NULL, NULL);
    struct config *fresh =
        scratch_load("[pgbouncer]\nlisten_port=2\nlisten_addr=b\nverbose=2\npidfile=p\n", NULL, NULL);
    config_keep_start_only(fresh, running);
    config_free(running);
    ck_assert_int_eq(fresh->listen_port, 1);
    ck_assert_str_eq(fresh->listen_addr, "a");
    ck_assert_str_eq(fresh->pidfile, "");
    ck_assert_int_eq(fresh->workers, 3);
    ck_assert_int_eq(fresh->verbose, 2);
    config_free(fresh);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("change");
    ADD_TEST(suite, set_changes_a_deep_copy);
    ADD_TEST(suite, a_text_can_be_set_to_itself);
    ADD_LOOP(suite, set_refuses_with_a_reason, refused);
    ADD_TEST(suite, what_only_counts_at_the_start_is_accepted_and_left_alone);
    ADD_TEST(suite, a_new_auth_file_is_read_at_once);
    ADD_TEST(suite, every_key_can_be_set_to_its_default);
    ADD_TEST(suite, reload_keeps_what_only_counts_at_the_start);
    return run_suite(suite);
}
