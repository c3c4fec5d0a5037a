/* worker, login: from the first byte to the first query, of good clients and of others. */
#include "pooler_script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_AND_GET                                                                                                    \
    "C1> Query 'rows 1 a'\n"                                                                                           \
    "B1< Query 'rows 1 a'\n"                                                                                           \
    "C1< " ANSWER("a") "\n"

/* clang-format off */
static const struct pooler_conversation logins[] = {
    {"a client logs in and asks", 1, NULL,
     "login C1\n" ASK_AND_GET
     "count backends 1 idle 1 used 0 clients 1 logins 0\n"},
    {"the second client needs no backend for its welcome", 1, NULL,
     "login C1\n"
     "C1> Query begin\n"
     "login C2\n"
     "count connections 1 clients 2\n"},
    {"password over md5", 1, "auth_type = md5", "login C1\n" ASK_AND_GET},
    {"password in clear text", 1, "auth_type = plain", "login C1\n" ASK_AND_GET},
    {"scram from a plain secret", 1, "auth_type = scram-sha-256\nscram_iterations = 16", "login C1\n" ASK_AND_GET},
    {"scram from a scram secret", 1, "auth_type = scram-sha-256", "login C1 user=carol\n" ASK_AND_GET},
    {"a scram secret makes md5 into scram", 1, "auth_type = md5", "login C1 user=carol\n" ASK_AND_GET},
    {"wrong password, md5", 1, "auth_type = md5",
     "knock C1 password=wrong\n"
     "C1< Fatal 28P01 'password authentication failed'\n"
     "C1 gone\n"},
    {"unknown user, md5: looks the same", 1, "auth_type = md5",
     "knock C1 user=mallory\n"
     "C1< Fatal 28P01 'password authentication failed'\n"
     "C1 gone\n"},
    {"wrong password, scram", 1, "auth_type = scram-sha-256\nscram_iterations = 16",
     "knock C1 password=wrong\n"
     "C1< Fatal 28P01 'SASL authentication failed'\n"
     "C1 gone\n"},
    {"unknown user, scram: looks the same", 1, "auth_type = scram-sha-256\nscram_iterations = 16",
     "knock C1 user=mallory\n"
     "C1< Fatal 28P01 'SASL authentication failed'\n"
     "C1 gone\n"},
    {"unknown user, trust", 1, NULL,
     "knock C1 user=mallory\n"
     "C1< Fatal 28P01 '\"trust\" authentication failed'\n"
     "C1 gone\n"
     "count connections 0\n"},
    {"unknown database, behind authentication only", 1, "auth_type = md5",
     "knock C1 database=nowhere\n"
     "C1< Fatal 08P01 'no such database: nowhere'\n"
     "C1 gone\n"
     "knock C2 database=nowhere password=wrong\n"
     "C2< Fatal 28P01 'password authentication failed'\n"
     "count connections 0\n"},
    {"no user", 1, NULL,
     "knock C1 user=\n"
     "C1< Fatal 08P01 'no username supplied'\n"
     "C1 gone\n"},
    {"max_client_conn", 2, "max_client_conn = 2",
     "login C1\n"
     "login C2\n"
     "knock C3\n"
     "C3< Fatal 08P01 'no more connections allowed (max_client_conn)'\n"
     "C3 gone\n"
     "C1 closes\n"
     "login C4\n"
     "count clients 2\n"},
    {"max_db_client_connections", 2, "max_db_client_connections = 1",
     "login C1\n"
     "knock C2\n"
     "C2< Fatal 08P01 'client connections exceeded (max_db_client_connections)'\n"
     "login C3 database=other\n"},
    {"max_user_client_connections", 2, "max_user_client_connections = 1",
     "login C1\n"
     "knock C2\n"
     "C2< Fatal 08P01 'client connections exceeded (max_user_client_connections)'\n"
     "login C3 user=bob\n"},
    {"a silent client is thrown out in time", 1, "client_login_timeout = 3",
     "connect C1\n"
     "count logins 1\n"
     "wait 2.9\n"
     "C1 here\n"
     "wait 0.2\n"
     "C1< Fatal 08P01 client_login_timeout\n"
     "C1 gone\n"
     "count logins 0\n"},
    {"a client whose welcome does not come is thrown out too", 1, "client_login_timeout = 3",
     "server mute\n"
     "knock C1\n"
     "count waiting 1\n"
     "wait 3.1\n"
     "C1< Fatal 08P01 client_login_timeout\n"
     "C1 gone\n"
     "count waiting 0\n"},
    {"in time is in time", 1, "client_login_timeout = 3",
     "login C1\n"
     "wait 10\n"
     "C1 here\n" ASK_AND_GET},
    {"a client that leaves before its welcome", 1, NULL,
     "server mute\n"
     "knock C1\n"
     "C1 closes\n"
     "count waiting 0 clients 0 logins 0\n"},
    {"nothing but a password may come while one is asked for", 1, "auth_type = md5",
     "connect C1\n"
     "C1> Startup alice app | Query 'rows 1 a'\n"
     "C1 gone\n"},
    {"a query right behind the startup message waits for the welcome", 1, NULL,
     "connect C1\n"
     "C1> Startup alice app | Query 'rows 1 a'\n"
     "welcome C1\n"
     "C1< " ANSWER("a") "\n"},
    {"parameters of the client reach its backend", 1, NULL,
     "login C1 DateStyle=SQL\n"
     "C1> Query 'rows 1 a'\n"
     "C1< Columns | DataRow  a#0 parsed SQL now SQL UTC | Complete 'SELECT 1' | Ready I\n"},
    {"... by way of options too", 1, NULL,
     "login C1 options=-cTimeZone=CET\n"
     "C1> Query 'rows 1 a'\n"
     "C1< Columns | DataRow  a#0 parsed ISO now ISO CET | Complete 'SELECT 1' | Ready I\n"},
    {"parameters that nobody keeps are refused", 1, NULL,
     "knock C1 work_mem=1MB\n"
     "C1< Fatal 08P01 'unsupported startup parameter: work_mem'\n"
     "C1 gone\n"},
    {"... or ignored", 1, "ignore_startup_parameters = work_mem", "login C1 work_mem=1MB\n"},
    {"replication is refused", 1, NULL,
     "knock C1 replication=true\n"
     "C1< Fatal 0A000 'replication connections are not supported'\n"},
    {"no new logins while shutting down", 2, NULL,
     "login C1\n"
     "ask clients-only bye\n"
     "knock C2\n"
     "C2< Fatal 08P01 bye\n"
     "C2 gone\n"
     "knock C3\n"
     "C3< Fatal 08P01 bye\n" ASK_AND_GET},
    {"a console moves to control", 2, "admin_users = alice",
     "knock C1 database=pgbouncer\n"
     "count consoles 1 clients 0\n"
     "C1 gone\n"},
    {"... but not everybody's", 2, "admin_users = alice",
     "knock C1 database=pgbouncer user=bob\n"
     "C1< Fatal 08P01 'not allowed'\n"
     "count consoles 0\n"},
};
/* clang-format on */
POOLER_CONVERSE(logins)

/* ---- servers that want to know who we are ---- */
static const struct {
    const char *what;
    enum auth_check_method method;
} demands[] = {
    {"cleartext", AUTH_CHECK_PLAIN},
    {"md5", AUTH_CHECK_MD5},
    {"scram", AUTH_CHECK_SCRAM},
};

START_TEST(servers_are_told_the_secret_of_auth_file)
{
    for (int right = 0; right < 2; right++) {
        struct pooler_script f;
        pooler_script_open(&f, demands[_i].what, NULL, "query_wait_timeout = 4\nserver_login_retry = 1", 1, 1);
        f.pooler.server.method = demands[_i].method;
        f.pooler.server.secret = right ? "secret" : "changed";
        pooler_script_play(&f, right ? "login C1\n" ASK_AND_GET
                                     : "knock C1\n"
                                       "C1< Fatal 28P01 'password authentication failed for user'\n"
                                       "C1 gone\n"
                                       "count failed 1 backends 0\n");
        pooler_script_close(&f);
    }
}
END_TEST

START_TEST(a_clients_scram_keys_open_the_server)
{
    struct pooler_script f;
    pooler_script_open(&f, "pass through", NULL, "auth_type = scram-sha-256", 2, 0);
    const struct config_user *carol = config_find_user(f.pooler.config, "carol");
    f.pooler.server.method = AUTH_CHECK_SCRAM;
    f.pooler.server.secret = carol->secret;
    pooler_script_play(&f, "login C1 user=carol\n" ASK_AND_GET "C1> Query begin\n"
                           "login C2 user=carol\n" /* on the other worker, over a backend of its own */
                           "C2> Query 'rows 1 b'\n"
                           "C2< " ANSWER("b") "\n"
                                              "count backends 2\n");
    pooler_script_close(&f);
}
END_TEST

/* ---- what the client is told at its welcome ---- */
START_TEST(the_welcome_shows_the_servers_parameters)
{
    struct pooler_script f;
    pooler_script_open(&f, "welcome", NULL, NULL, 1, 0);
    pooler_script_play(&f, "login C1 TimeZone=CET\n");
    struct pooler_client *client = &f.pooler.clients[0];
    static const char *const shown[][2] = {{"server_version", "15.20"},          {"integer_datetimes", "on"},
                                           {"client_encoding", "UTF8"},          {"DateStyle", "ISO"},
                                           {"IntervalStyle", "postgres"},        {"TimeZone", "CET"},
                                           {"standard_conforming_strings", "on"}};
    int status_count = 0;
    size_t at = 0;
    for (struct proto_header h; proto_backend_header(client->welcome.data + at, client->welcome.len - at, &h) == 0;
         at += h.len) {
        if (h.type != 'S')
            continue;
        status_count++;
        const char *name = client->welcome.data + at + PROTO_HEADER, *value = name + strlen(name) + 1;
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
            if (strcmp(shown[i][0], name) == 0)
                ck_assert_str_eq(shown[i][1], value);
    }
    ck_assert_int_eq(status_count, 8);
    ck_assert_uint_eq(client->key_len, 4);
    ck_assert_uint_ne(client->pid, SERVER_PID);
    pooler_script_close(&f);
}
END_TEST

/* ---- protocol versions and their keys ---- */
static const struct {
    const char *what, *version, *option, *negotiated;
    size_t key_len;
} versions[] = {
    {"3.0", "3.0", NULL, NULL, 4},
    {"3.2", "3.2", NULL, NULL, 8},
    {"3.1 never was", "3.1", NULL, "\0\3\0\0\0\0\0\0", 4},
    {"3.9999", "3.9999", NULL, "\0\3\0\2\0\0\0\0", 8},
    {"an option of the future", "3.0", "_pq_.wish", "\0\3\0\0\0\0\0\1_pq_.wish", 4},
    {"both", "3.9999", "_pq_.wish", "\0\3\0\2\0\0\0\1_pq_.wish", 8},
};

START_TEST(versions_are_negotiated)
{
    struct pooler_script f;
    char line[256];
    pooler_script_open(&f, versions[_i].what, NULL, "auth_type = md5", 1, 0);
    const char *option = versions[_i].option;
    snprintf(line, sizeof line, "login C1 version=%s %s%s\nC1> Query 'rows 1 a'\nC1< " ANSWER("a") "\n",
             versions[_i].version, option ? option : "", option ? "=1" : "");
    pooler_script_play(&f, line);
    struct pooler_client *client = &f.pooler.clients[0];
    ck_assert_uint_eq(client->key_len, versions[_i].key_len);
    const char *welcome = client->welcome.data;
    ck_assert_int_eq(*welcome == 'v', versions[_i].negotiated != NULL);
    if (versions[_i].negotiated != NULL) {
        size_t len = 8 + (option ? strlen(option) + 1 : 0);
        ck_assert_uint_eq(read_u32(welcome + 1), 4 + len);
        ck_assert_mem_eq(welcome + PROTO_HEADER, versions[_i].negotiated, len);
    }
    pooler_script_close(&f);
}
END_TEST

/* ---- requests before startup, and what nobody should send: as bytes ---- */
#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define GSS_REQUEST "\0\0\0\x08\x04\xd2\x16\x30"
#define STARTUP     "\0\0\0\x21\0\3\0\0user\0alice\0database\0app\0\0"
#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *what, *sent;
    size_t sent_len;
    const char *answer; /* what it begins with */
    size_t answer_len;
    bool closed;
} strangers[] = {
    {"encryption by TLS is not to be had", BYTES(SSL_REQUEST), "N", 1, false},
    {"nor by GSS", BYTES(GSS_REQUEST), "N", 1, false},
    {"both are asked for", BYTES(GSS_REQUEST SSL_REQUEST), "NN", 2, false},
    {"... and startup goes on", BYTES(GSS_REQUEST SSL_REQUEST STARTUP), "NNR\0\0\0\x08\0\0\0\0S", 12, false},
    {"TLS twice", BYTES(SSL_REQUEST SSL_REQUEST), "NE", 2, true},
    {"startup, plainly", BYTES(STARTUP), "R\0\0\0\x08\0\0\0\0S", 10, false},
    {"startup twice", BYTES(STARTUP STARTUP), "R\0\0\0\x08\0\0\0\0S", 10, true},
    {"a handshake without a question", BYTES("\x16\x03\x01\x02"), "", 0, true},
    {"HTTP", BYTES("GET / HTTP/1.0\r\n\r\n"), "E", 1, true},
    {"version 2", BYTES("\0\0\0\x21\0\2\0\0user\0alice\0database\0app\0\0"), "E", 1, true},
    {"version 4", BYTES("\0\0\0\x21\0\4\0\0user\0alice\0database\0app\0\0"), "E", 1, true},
    {"an endless packet", BYTES("\x7f\xff\xff\xff\0\3\0\0"), "E", 1, true},
    {"a packet without an end", BYTES("\0\0\0\x0d\0\3\0\0user\0"), "E", 1, true},
    {"a cancel without a key", BYTES("\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\1"), "E", 1, true},
    {"a cancel for nobody", BYTES("\0\0\0\x10\x04\xd2\x16\x2e\1\0\0\1abcd"), "", 0, true},
    {"a cancel for no worker", BYTES("\0\0\0\x10\x04\xd2\x16\x2e\x7f\0\0\1abcd"), "", 0, true},
    {"a cancel for a console", BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1abcd"), "", 0, true},
};

START_TEST(strangers_get_what_they_deserve)
{
    static const size_t packets[] = {0, 1, 3};
    size_t row = (size_t)_i / 3;
    struct pooler_script f;
    pooler_script_open(&f, strangers[row].what, NULL, NULL, 1, packets[_i % 3]);
    struct pooler_client *client = &f.pooler.clients[0];
    client_connect(client);
    client->is_raw = true;
    client_send(client, strangers[row].sent, strangers[row].sent_len);
    net_memory_run();
    size_t len = strangers[row].answer_len;
    ck_assert_msg(client->in.len >= len && (len > 0 || client->in.len == 0), "%s: %zu bytes", strangers[row].what,
                  client->in.len);
    if (len > 0)
        ck_assert_mem_eq(client->in.data, strangers[row].answer, len);
    ck_assert_msg(client->is_closed == strangers[row].closed, "%s", strangers[row].what);
    pooler_script_close(&f);
}
END_TEST

/* Half a login holds no backend and no slot, wherever it breaks off. */
START_TEST(a_login_may_break_off_anywhere)
{
    static const char sent[] = SSL_REQUEST STARTUP "Q\0\0\0\x0drows 1 a\0";
    struct pooler_script f;
    pooler_script_open(&f, "break off", NULL, "max_client_conn = 1", 1, 0);
    for (size_t len = 0; len < sizeof sent; len++) {
        struct pooler_client *client = &f.pooler.clients[0];
        client_connect(client);
        client->is_raw = true;
        client_send(client, sent, len);
        net_memory_run();
        client_leave(client, len % 2 == 1);
        net_memory_run();
        ck_assert_int_eq(pooler_ask(&f.pooler, ASK_POOLS, NULL, NULL)->clients, 0);
        ck_assert_int_eq(f.pooler.sums.login_clients, 0);
        ck_assert_int_eq(f.pooler.sums.used, 0);
    }
    pooler_script_play(&f, "login C2\n");
    pooler_script_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_login");
    TCase *cases = tcase_create("logins");
    ADD_POOLER_CONVERSATIONS(cases, logins);
    tcase_add_loop_test(cases, servers_are_told_the_secret_of_auth_file, 0, sizeof demands / sizeof *demands);
    tcase_add_test(cases, a_clients_scram_keys_open_the_server);
    tcase_add_test(cases, the_welcome_shows_the_servers_parameters);
    tcase_add_loop_test(cases, versions_are_negotiated, 0, sizeof versions / sizeof *versions);
    tcase_add_loop_test(cases, strangers_get_what_they_deserve, 0, 3 * (int)(sizeof strangers / sizeof *strangers));
    tcase_add_test(cases, a_login_may_break_off_anywhere);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
