/* SHOW CONFIG: PgBouncer's keys in its order with its defaults, then ours. */
#include "config_scratch.h"

/* key, default (NULL: none), changeable; tools read this list from PgBouncer. */
static const struct {
    const char *key, *default_value, *changeable;
} expected[] = {
    {"admin_users", "", "yes"},
    {"application_name_add_host", "0", "yes"},
    {"auth_dbname", NULL, "yes"},
    {"auth_file", NULL, "yes"},
    {"auth_hba_file", "", "yes"},
    {"auth_ident_file", NULL, "yes"},
    {"auth_ldap_options", NULL, "yes"},
    {"auth_query",
     "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname=$1 "
     "AND rolcanlogin",
     "yes"},
    {"auth_type", "md5", "yes"},
    {"auth_user", NULL, "yes"},
    {"autodb_idle_timeout", "3600", "yes"},
    {"cancel_wait_timeout", "10", "yes"},
    {"client_idle_timeout", "0", "yes"},
    {"client_login_timeout", "60", "yes"},
    {"client_tls13_ciphers", NULL, "yes"},
    {"client_tls_ca_file", "", "yes"},
    {"client_tls_cert_file", "", "yes"},
    {"client_tls_ciphers", "default", "yes"},
    {"client_tls_dheparams", "auto", "yes"},
    {"client_tls_ecdhcurve", "auto", "yes"},
    {"client_tls_key_file", "", "yes"},
    {"client_tls_protocols", "secure", "yes"},
    {"client_tls_sslmode", "disable", "yes"},
    {"conffile", NULL, "yes"},
    {"default_pool_size", "20", "yes"},
    {"disable_pqexec", "0", "no"},
    {"dns_max_ttl", "15", "yes"},
    {"dns_nxdomain_ttl", "15", "yes"},
    {"dns_zone_check_period", "0", "yes"},
    {"idle_transaction_timeout", "0", "yes"},
    {"ignore_startup_parameters", "", "yes"},
    {"job_name", "pgbouncer", "no"},
    {"listen_addr", "", "no"},
    {"listen_backlog", "128", "no"},
    {"listen_port", "6432", "no"},
    {"log_connections", "1", "yes"},
    {"log_disconnections", "1", "yes"},
    {"log_pooler_errors", "1", "yes"},
    {"log_stats", "1", "yes"},
    {"logfile", "", "yes"},
    {"login_notify_message", "", "yes"},
    {"max_client_conn", "100", "yes"},
    {"max_db_client_connections", "0", "yes"},
    {"max_db_connections", "0", "yes"},
    {"max_packet_size", "2147483647", "yes"},
    {"max_prepared_statements", "200", "yes"},
    {"max_user_client_connections", "0", "yes"},
    {"max_user_connections", "0", "yes"},
    {"min_pool_size", "0", "yes"},
    {"peer_id", "0", "yes"},
    {"pidfile", "", "no"},
    {"pkt_buf", "4096", "no"},
    {"pool_mode", "session", "yes"},
    {"pool_idle_timeout", "0", "yes"},
    {"query_timeout", "0", "yes"},
    {"query_wait_notify", "5", "yes"},
    {"query_wait_timeout", "120", "yes"},
    {"reserve_pool_size", "0", "yes"},
    {"reserve_pool_timeout", "5", "yes"},
    {"resolv_conf", "", "no"},
    {"sbuf_loopcnt", "5", "yes"},
    {"scram_iterations", "4096", "yes"},
    {"server_check_delay", "30", "yes"},
    {"server_check_query", "<empty>", "yes"},
    {"server_connect_timeout", "15", "yes"},
    {"server_fast_close", "0", "yes"},
    {"server_idle_timeout", "600", "yes"},
    {"server_lifetime", "3600", "yes"},
    {"server_login_retry", "15", "yes"},
    {"server_reset_query", "DISCARD ALL", "yes"},
    {"server_reset_query_always", "0", "yes"},
    {"server_round_robin", "0", "yes"},
    {"server_tls13_ciphers", NULL, "yes"},
    {"server_tls_ca_file", "", "yes"},
    {"server_tls_cert_file", "", "yes"},
    {"server_tls_ciphers", "default", "yes"},
    {"server_tls_key_file", "", "yes"},
    {"server_tls_protocols", "secure", "yes"},
    {"server_tls_sslmode", "prefer", "yes"},
    {"so_reuseport", "0", "no"},
    {"stats_period", "60", "yes"},
    {"stats_users", "", "yes"},
    {"suspend_timeout", "10", "yes"},
    {"syslog", "0", "yes"},
    {"syslog_facility", "daemon", "yes"},
    {"syslog_ident", "pgbouncer", "yes"},
    {"tcp_defer_accept", "1", "yes"},
    {"tcp_keepalive", "1", "yes"},
    {"tcp_keepcnt", "0", "yes"},
    {"tcp_keepidle", "0", "yes"},
    {"tcp_keepintvl", "0", "yes"},
    {"tcp_socket_buffer", "0", "yes"},
    {"tcp_user_timeout", "0", "yes"},
    {"track_extra_parameters", "IntervalStyle", "no"},
    {"transaction_timeout", "0", "yes"},
    {"unix_socket_dir", CONFIG_SOCKET_DIR, "no"},
    {"unix_socket_group", "", "no"},
    {"unix_socket_mode", "0777", "no"},
    {"user", NULL, "no"},
    {"verbose", "0", "yes"},
    {"workers", "auto", "no"},
};

START_TEST(the_rows_are_pgbouncers_and_then_ours)
{
    struct config *c = scratch_load("[pgbouncer]\n", NULL, NULL);
    struct config_row row;
    ck_assert_int_lt(_i, config_option_count());
    config_option_show(c, _i, &row);
    ck_assert_str_eq(row.key, expected[_i].key);
    ck_assert_str_eq(row.changeable, expected[_i].changeable);
    if (expected[_i].default_value == NULL)
        ck_assert_msg(row.default_value == NULL, "%s: %s", row.key, row.default_value);
    else
        ck_assert_msg(row.default_value != NULL && strcmp(row.default_value, expected[_i].default_value) == 0, "%s: %s",
                      row.key, row.default_value);
    config_free(c);
}
END_TEST

START_TEST(a_fresh_config_shows_its_defaults)
{
    struct config *c = scratch_load("[pgbouncer]\n", NULL, NULL);
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row row;
        config_option_show(c, i, &row);
        if (strcmp(row.key, "conffile") == 0 || strcmp(row.key, "unix_socket_mode") == 0)
            continue; /* the file's own path; 511, as PgBouncer shows 0777 */
        if (row.default_value == NULL)
            ck_assert_msg(row.value == NULL, "%s: %s", row.key, row.value);
        else
            ck_assert_msg(strcmp(row.value, row.default_value) == 0, "%s: %s", row.key, row.value);
    }
    config_free(c);
}
END_TEST

START_TEST(values_show_as_pgbouncer_shows_them)
{
    struct config *c = scratch_load("[pgbouncer]\nserver_lifetime=0.5\nmax_packet_size=0x10\nmonitor_password=canary\n"
                                    "drain_timeout=90\n",
                                    NULL, NULL);
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row row;
        config_option_show(c, i, &row);
        ck_assert(row.value == NULL || strstr(row.value, "canary") == NULL);
        if (strcmp(row.key, "server_lifetime") == 0)
            ck_assert_str_eq(row.value, "0.5");
        if (strcmp(row.key, "max_packet_size") == 0)
            ck_assert_str_eq(row.value, "16");
        if (strcmp(row.key, "unix_socket_mode") == 0)
            ck_assert_str_eq(row.value, "511");
        if (strcmp(row.key, "drain_timeout") == 0)
            ck_assert_str_eq(row.value, "90s");
    }
    config_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("show");
    ADD_LOOP(suite, the_rows_are_pgbouncers_and_then_ours, expected);
    ADD_TEST(suite, a_fresh_config_shows_its_defaults);
    ADD_TEST(suite, values_show_as_pgbouncer_shows_them);
    return run_suite(suite);
}
