/* worker, relay: pipelines, long streams, slow readers, and that the cut of the bytes does not matter. */
#include "pooler_script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ONE "default_pool_size = 1\n"

/* clang-format off */
static const struct pooler_conversation pipelines[] = {
    {"many queries in one go", 1, ONE,
     "login C1\n"
     "C1> Query 'rows 1 a' | Query 'rows 1 b' | Query 'rows 1 c'\n"
     "B1< Query 'rows 1 a' | Query 'rows 1 b' | Query 'rows 1 c'\n"
     "C1< " ANSWER("a") " | " ANSWER("b") " | " ANSWER("c") "\n"
     "count idle 1 desync 0\n"},
    {"a batch with an error is skipped to its Sync", 1, ONE,
     "login C1\n"
     "C1> Parse - err | Bind - - | Execute - | Parse - 'rows 1 b' | Sync | Query 'rows 1 c'\n"
     "C1< ParseComplete | BindComplete | Error 22012 'division by zero' | Ready I | " ANSWER("c") "\n"
     "count idle 1 desync 0\n"},
    {"Flush brings answers, Sync the end", 1, ONE,
     "login C1\n"
     "C1> Parse - 'rows 1 a' | Flush\n"
     "C1< ParseComplete\n"
     "count used 1\n"
     "C1> Bind - - | Execute - | Flush\n"
     "C1< BindComplete | " ROW("a") " | Complete 'SELECT 1'\n"
     "C1> Sync\n"
     "C1< Ready I\n"
     "count used 0 idle 1\n"},
    {"a pipeline gives way to those who wait", 1, ONE,
     "login C1\n"
     "login C2\n"
     "C1> Query begin\n"
     "C1< Complete BEGIN | Ready T\n"
     "C2> Query 'rows 1 b'\n"
     "count waiting 1\n"
     "C1> Query commit | Query 'rows 1 a'\n"
     "C2< " ANSWER("b") "\n"
     "C1< Complete COMMIT | Ready I | " ANSWER("a") "\n"},
    {"COPY in", 1, ONE,
     "login C1\n"
     "C1> Query copyin | CopyData x | CopyData y | CopyDone | Query 'rows 1 a'\n"
     "C1< CopyIn | Complete 'COPY 2' | Ready I | " ANSWER("a") "\n"
     "count idle 1 desync 0\n"},
    {"COPY in that fails", 1, ONE,
     "login C1\n"
     "C1> Query copyin | CopyData bad | CopyData y | CopyDone | Query 'rows 1 a'\n"
     "C1< CopyIn | Error 22P02 'invalid input syntax' | Ready I | " ANSWER("a") "\n"
     "count idle 1 desync 0\n"},
    {"COPY out", 1, ONE,
     "login C1\n"
     "C1> Query 'copyout 2' | Query 'rows 1 a'\n"
     "C1< CopyOut | CopyData x~ | CopyData x~ | CopyDone | Complete 'COPY 2' | Ready I | " ANSWER("a") "\n"},
    {"statements prepared on one backend serve on all", 1, "default_pool_size = 2",
     "login C1\n"
     "login C2\n"
     "C1> Parse s 'rows 1 $1' | Sync\n"
     "C1< ParseComplete | Ready I\n"
     "B1< Parse pgp_1 'rows 1 $1' | Sync\n"
     "C2> Query begin\n"
     "B1< Query begin\n"
     "C1> Bind s - v | Execute - | Sync\n"
     "B2< Parse pgp_1 'rows 1 $1' | Bind pgp_1 - v | Execute - 0 | Sync\n"
     "C1< BindComplete | DataRow v#0 parsed ISO now ISO UTC | Complete 'SELECT 1' | Ready I\n"},
    {"a message that no client may send", 1, ONE,
     "login C1\n"
     "login C2\n"
     "C1> Password x\n"
     "C1 gone\n"
     "count used 0 desync 0\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"},
    {"Terminate behind a query: it is answered first", 1, ONE,
     "login C1\n"
     "C1> Query 'rows 1 a' | Terminate\n"
     "C1< " ANSWER("a") "\n"
     "C1 gone\n"
     "count idle 1 used 0\n"},
};
/* clang-format on */
POOLER_CONVERSE(pipelines)

START_TEST(a_message_above_max_packet_size_ends_its_client)
{
    struct pooler_script f;
    struct buf msg = {0};
    char sql[2000] = {0};
    pooler_script_open(&f, "max_packet_size", NULL, "max_packet_size = 1000", 1, 0);
    pooler_script_play(&f, "login C1\n");
    memset(sql, 'x', sizeof sql - 1);
    proto_query(&msg, sql);
    client_send(&f.pooler.clients[0], msg.data, PROTO_HEADER); /* its header is enough */
    buf_deinit(&msg);
    net_memory_run();
    pooler_script_play(&f, "C1 gone\n"
                           "B1<\n"
                           "count used 0 idle 1 desync 0\n");
    pooler_script_close(&f);
}
END_TEST

/* ---- the cut of the bytes does not matter ---- */
static const char mixture[] =
    "Query begin | Parse s 'rows 1 a' | Bind s p | Describe P p | Execute p | Close S s | Sync | "
    "Query 'set DateStyle SQL' | Query commit | Parse s 'rows 2 b' | Describe S s | Bind s - | Execute - 1 | Execute - "
    "| "
    "Sync | Query copyin | CopyData x | CopyDone | Parse - bad | Bind - - | Sync | Bind s - | Execute - | Sync | Query "
    "-";

static char *play_mixture(size_t cut, size_t packet, size_t *len)
{
    struct pooler_script f;
    struct buf msg = {0}, seen = {0};
    struct labels none = {0};
    pooler_script_open(&f, "mixture", NULL, ONE, 1, packet);
    pooler_script_play(&f, "login C1\n");
    words_encode(&msg, &none, true, mixture);
    struct pooler_client *client = &f.pooler.clients[0];
    *len = msg.len;
    client_send(client, msg.data, cut < msg.len ? cut : msg.len);
    net_memory_run();
    if (cut < msg.len)
        client_send(client, msg.data + cut, msg.len - cut);
    net_memory_run();
    words_decode(&seen, &f.labels, false, client->in.data, client->in.len);
    pooler_script_play(&f, "count idle 1 used 0 desync 0 connections 1\n");
    pooler_script_close(&f);
    buf_deinit(&msg);
    buf_text(&seen);
    return seen.data;
}

START_TEST(every_split_gives_the_same_answers)
{
    size_t len;
    char *whole = play_mixture(SIZE_MAX, 0, &len);
    ck_assert_ptr_nonnull(strstr(whole, "DataRow  b#1 parsed SQL now SQL UTC"));
    ck_assert_ptr_nonnull(strstr(whole, "COPY 1"));
    ck_assert_str_eq(whole + strlen(whole) - 15, "Empty | Ready I");
    for (size_t cut = 1; cut < len; cut++) {
        char *split = play_mixture(cut, 0, &len);
        ck_assert_msg(strcmp(whole, split) == 0, "cut at %zu:\n%s\ninstead of\n%s", cut, split, whole);
        mem_free(split);
    }
    for (size_t packet = 1; packet < 40; packet++) {
        char *split = play_mixture(SIZE_MAX, packet, &len);
        ck_assert_msg(strcmp(whole, split) == 0, "packets of %zu:\n%s\ninstead of\n%s", packet, split, whole);
        mem_free(split);
    }
    mem_free(whole);
}
END_TEST

/* ---- slow readers ---- */

/* How much the pooler has accepted from the server for a client that does not read, when all is quiet. */
static size_t unread_at_server(const struct pooler_script *f)
{
    return peer_unread(f->pooler.server.backends[0]->peer);
}

static const size_t packets[] = {0, 1000, 65536};

START_TEST(a_client_that_does_not_read_stops_its_backend_only)
{
    enum { ROWS = 20000 };
    struct pooler_script f;
    pooler_script_open(&f, "slow reader", NULL, "default_pool_size = 2", 1, packets[_i]);
    pooler_script_play(&f, "login C1\n"
                           "login C2\n"
                           "C1 deaf\n"
                           "C1> Query 'rows 20000 a' | Query 'rows 1 z'\n"
                           "C2> Query 'rows 1 b'\n"
                           "C2< " ANSWER("b") "\n");
    size_t left = unread_at_server(&f);
    ck_assert_uint_gt(left, 200000); /* of more than 600000 */
    pooler_script_play(&f, "wait 10\n"
                           "C2> Query 'rows 1 b'\n"
                           "C2< " ANSWER("b") "\n");
    ck_assert_uint_eq(unread_at_server(&f), left);
    pooler_script_play(&f, "C1 reads\n");
    ck_assert_uint_eq(unread_at_server(&f), 0);
    int rows = 0, ready = 0;
    struct buf *in = &f.pooler.clients[0].in;
    size_t at = 0;
    for (struct proto_header h; proto_backend_header(in->data + at, in->len - at, &h) == 0; at += h.len) {
        char expected[32];
        snprintf(expected, sizeof expected, " %c#%d ", rows < ROWS ? 'a' : 'z', rows % ROWS);
        if (h.type == 'D')
            ck_assert_mem_eq(in->data + at + PROTO_HEADER + 6, expected, strlen(expected));
        rows += h.type == 'D';
        ready += h.type == 'Z';
    }
    ck_assert_int_eq(rows, ROWS + 1);
    ck_assert_int_eq(ready, 2);
    pooler_script_play(&f, "count idle 2 used 0 desync 0\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(a_client_that_never_reads_may_go)
{
    struct pooler_script f;
    pooler_script_open(&f, "slow reader goes", NULL, ONE, 1, packets[_i]);
    pooler_script_play(&f, "login C1\n"
                           "login C2\n"
                           "C1 deaf\n"
                           "C1> Query 'rows 20000 a'\n"
                           "C2> Query 'rows 1 b'\n"
                           "count waiting 1\n"
                           "C1 resets\n"
                           "B1 gone\n"
                           "B2< Query 'rows 1 b'\n"
                           "C2< " ANSWER("b") "\n");
    pooler_script_close(&f);
}
END_TEST

START_TEST(a_server_that_does_not_read_stops_its_client)
{
    enum { MESSAGES = 400, SIZE = 4000 };
    struct pooler_script f;
    pooler_script_open(&f, "slow server", NULL, ONE, 1, packets[_i]);
    pooler_script_play(&f, "login C1\n"
                           "C1> Query copyin\n"
                           "C1< CopyIn\n");
    struct server_connection *connection = f.pooler.server.backends[0];
    connection->is_silent = true;
    peer_set_window(connection->peer, 1000);
    struct pooler_client *client = &f.pooler.clients[0];
    struct buf msg = {0};
    for (int i = 0; i < MESSAGES; i++) {
        size_t begin = proto_begin(&msg, 'd');
        for (int n = 0; n < SIZE; n++)
            buf_append_u8(&msg, 'x');
        proto_end(&msg, begin);
    }
    client_send(client, msg.data, msg.len);
    buf_deinit(&msg);
    net_memory_run();
    size_t left = peer_unread(client->peer);
    ck_assert_uint_gt(left, MESSAGES * SIZE / 2);
    net_memory_advance(10 * USEC_PER_SEC);
    ck_assert_uint_eq(peer_unread(client->peer), left);
    peer_set_window(connection->peer, SIZE_MAX);
    server_memory_read_on(connection);
    pooler_script_play(&f, "C1> CopyDone\n"
                           "C1< Complete 'COPY 400' | Ready I\n"
                           "count idle 1 desync 0\n");
    pooler_script_close(&f);
}
END_TEST

/* Who sends on and on while its answers do not come: held, but not without end. */
START_TEST(a_pipeline_that_waits_is_held_in_bounds)
{
    struct pooler_script f;
    pooler_script_open(&f, "waiting pipeline", NULL, ONE, 1, packets[_i]);
    pooler_script_play(&f, "login C1\n"
                           "login C2\n"
                           "C1> Query begin\n");
    struct pooler_client *client = &f.pooler.clients[1];
    struct buf msg = {0};
    enum { QUERIES = 40000 };
    for (int i = 0; i < QUERIES; i++)
        proto_query(&msg, "rows 0 b");
    client_send(client, msg.data, msg.len);
    buf_deinit(&msg);
    net_memory_run();
    pooler_script_play(&f, "count waiting 1\n");
    ck_assert_uint_gt(peer_unread(client->peer), 200000);
    pooler_script_play(&f, "C1> Query commit\n");
    ck_assert_uint_eq(peer_unread(client->peer), 0);
    int ready = 0;
    size_t at = 0;
    for (struct proto_header h; proto_backend_header(client->in.data + at, client->in.len - at, &h) == 0; at += h.len)
        ready += h.type == 'Z';
    ck_assert_int_eq(ready, QUERIES);
    pooler_script_play(&f, "count waiting 0 idle 1 desync 0\n");
    pooler_script_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_relay");
    TCase *cases = tcase_create("relay");
    tcase_set_timeout(cases, 60);
    ADD_POOLER_CONVERSATIONS(cases, pipelines);
    tcase_add_test(cases, a_message_above_max_packet_size_ends_its_client);
    tcase_add_test(cases, every_split_gives_the_same_answers);
    tcase_add_loop_test(cases, a_client_that_does_not_read_stops_its_backend_only, 0, 3);
    tcase_add_loop_test(cases, a_client_that_never_reads_may_go, 0, 3);
    tcase_add_loop_test(cases, a_server_that_does_not_read_stops_its_client, 0, 3);
    tcase_add_loop_test(cases, a_pipeline_that_waits_is_held_in_bounds, 0, 3);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
