/* Entries made from the * line, and which changes of an entry cost its connections. */
#include "config_scratch.h"

START_TEST(an_automatic_entry_is_a_copy_of_the_template)
{
    struct config *c =
        scratch_load("[pgbouncer]\n[databases]\n* = host=a,b port=7 password=p pool_size=3 zone=x,y\n", NULL, NULL);
    struct config_entry *entry = config_make_auto(c, "new db");
    config_free(c); /* nothing of it is borrowed */
    ck_assert_str_eq(entry->name, "new db");
    ck_assert_str_eq(entry->dbname, "new db");
    ck_assert_str_eq(entry->password, "p");
    ck_assert_int_eq(entry->pool_size, 3);
    ck_assert_uint_eq(entry->host_count, 2);
    ck_assert_str_eq(entry->hosts[1].host, "b");
    ck_assert_str_eq(entry->hosts[1].zone, "y");
    ck_assert_int_eq(entry->port, 7);
    ck_assert(entry->is_auto);
    config_entry_free(entry);
}
END_TEST

START_TEST(a_template_may_name_the_database)
{
    struct config *c = scratch_load("[pgbouncer]\n[databases]\n* = dbname=real\n", NULL, NULL);
    struct config_entry *entry = config_make_auto(c, "x");
    ck_assert_str_eq(entry->dbname, "real");
    config_entry_free(entry);
    config_free(c);
}
END_TEST

static const struct {
    const char *what, *databases, *name;
    bool is_made;
} names[] = {
    {"any name", "* =", "x", true},
    {"without a template none", "y =", "x", false},
    {"no name", "* =", "", false},
    {"the console", "* =", "pgbouncer", false},
    {"the console's other name", "* =", "pgpooler", false},
    {"63 bytes", "* =", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", true},
    {"64 bytes", "* =", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", false},
};
START_TEST(an_automatic_entry_needs_a_name_that_can_be)
{
    struct buf text = {0};
    buf_printf(&text, "[pgbouncer]\n[databases]\n%s\n", names[_i].databases);
    struct config *c = scratch_load(buf_text(&text), NULL, NULL);
    struct config_entry *entry = config_make_auto(c, names[_i].name);
    ck_assert_msg((entry != NULL) == names[_i].is_made, "%s", names[_i].what);
    config_entry_free(entry);
    config_free(c);
    buf_deinit(&text);
}
END_TEST

static const struct {
    const char *what, *before, *after;
    bool is_dirty;
} changes[] = {
    {"nothing", "host=a", "host=a", false},
    {"dbname", "host=a", "dbname=x", true},
    {"dbname written out", "host=a", "host=a dbname=e", false},
    {"host", "host=a", "host=b", true},
    {"a host more", "host=a", "host=a,b", true},
    {"no host any more", "host=a", "user=u", true},
    {"blanks in the host list", "host=a,b", "host='a, b'", false},
    {"port", "host=a port=1", "host=a port=2", true},
    {"the default port written out", "host=a", "host=a port=5432", false},
    {"a port for each", "host=a,b port=1", "host=a,b port=1,2", true},
    {"user", "host=a", "host=a user=u", true},
    {"user dropped", "host=a user=u", "host=a", true},
    {"connect_query", "connect_query='select 1'", "connect_query='select 2'", true},
    {"auth_dbname", "auth_dbname=a", "auth_dbname=b", true},
    {"auth_query", "auth_query=a", "auth_query=b", true},
    {"load_balance_hosts", "host=a,b", "host=a,b load_balance_hosts=disable", true},
    {"TLS files", "sslrootcert=/a", "sslrootcert=/b", true},
    {"sizes and times", "host=a pool_size=1", "host=a pool_size=2 server_lifetime=3 query_wait_timeout=1", false},
    {"pool_mode", "pool_mode=session", "pool_mode=transaction", false},
    {"password", "password=a", "password=b", false},
    {"weights and zones", "host=a weight=1 zone=x", "host=a weight=2 zone=y", false},
    {"how far a replica may lag", "host=a", "host=a max_replica_lag=9s", false},
};
START_TEST(a_change_costs_connections_or_not)
{
    struct buf text = {0};
    buf_printf(&text, "[pgbouncer]\n[databases]\ne = %s\n", changes[_i].before);
    struct config *before = scratch_load(buf_text(&text), NULL, NULL);
    text.len = 0;
    buf_printf(&text, "[pgbouncer]\n[databases]\ne = %s\n", changes[_i].after);
    struct config *after = scratch_load(buf_text(&text), NULL, NULL);
    const struct config_entry *a = config_find_entry(before, "e"), *b = config_find_entry(after, "e");
    ck_assert_msg(config_entry_is_dirty(a, b) == changes[_i].is_dirty, "%s", changes[_i].what);
    ck_assert_msg(config_entry_is_dirty(b, a) == changes[_i].is_dirty, "%s, backwards", changes[_i].what);
    config_free(before);
    config_free(after);
    buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parts");
    ADD_TEST(suite, an_automatic_entry_is_a_copy_of_the_template);
    ADD_TEST(suite, a_template_may_name_the_database);
    ADD_LOOP(suite, an_automatic_entry_needs_a_name_that_can_be, names);
    ADD_LOOP(suite, a_change_costs_connections_or_not, changes);
    return run_suite(suite);
}
