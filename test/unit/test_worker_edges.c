/* worker, edges: moments between two states, and peers that aim for them. */
#include "pooler_script.h"

#include <check.h>
#include <stdlib.h>

/* clang-format off */
static const struct pooler_conversation edges[] = {
    {"a reset that fails leaves nothing for the next client", 1,
     "pool_mode = session\ndefault_pool_size = 1\nserver_reset_query = err\n",
     "login C1\n"
     "login C2\n"
     "C1> Query 'set DateStyle SQL'\n"
     "C1 closes\n"
     "B1 gone\n"
     "C2> Query 'rows 1 b'\n"
     "C2< " ANSWER("b") "\n"
     "count backends 1 connections 2 desync 0\n"},
    {"a reset that is cancelled was none", 1,
     "pool_mode = session\ndefault_pool_size = 1\nserver_reset_query = 'discard all'\n",
     "login C1\n"
     "C1> Query 'rows 1 a'\n"
     "C1< " ANSWER("a") "\n"
     "B1 holds\n"
     "C1 closes\n"
     "B1 forgets\n"
     "B1> Error 57014 'canceled' | Ready I\n"
     "B1 gone\n"},
    {"a failed COPY is over when the message it stopped in is", 1, "default_pool_size = 1\n",
     "login C1\n"
     "C1> Query copyin\n"
     "C1< CopyIn\n"
     "C1>14 CopyData bad | CopyData more\n"
     "C1< Error 22P02 'invalid input syntax' | Ready I\n"
     "count used 1\n"
     "C1>+\n"
     "count idle 1 used 0 desync 0\n"},
    {"a backend that dies while it is prepared for a client leaves word", 1, NULL,
     "login C1 DateStyle=SQL\n"
     "login C2\n"
     "C2> Query 'rows 1 b'\n"
     "B1 holds\n"
     "C1> Query 'rows 1 a'\n"
     "B1> Fatal 57P01 'going down'\n"
     "C1< Fatal 08006 'server conn crashed?'\n"
     "C1 gone\n"
     "B1 gone\n"},
    {"only so many log in at a time", 2, "max_unauthenticated_clients = 2\n",
     "connect C1\n"
     "connect C2\n"
     "connect C3\n"
     "C3< Fatal 08P01 'no more connections allowed (max_client_conn)'\n"
     "C3 gone\n"
     "count logins 2\n"
     "C1 closes\n"
     "login C2\n"
     "login C4\n"
     "connect C5\n"
     "connect C6\n"
     "C6 here\n"
     "count logins 2 clients 2\n"},
    {"an entry stays paused when all are resumed", 1, NULL,
     "login C1\n"
     "C1> Query begin\n"
     "C1< Complete BEGIN | Ready T\n"
     "ask pause app\n"
     "ask pause\n"
     "ask resume\n"
     "C1> Query commit\n"
     "C1< Complete COMMIT | Ready I\n"
     "count backends 0\n"
     "C1> Query 'rows 1 a'\n"
     "count waiting 1 backends 0\n"
     "ask resume app\n"
     "C1< " ANSWER("a") "\n"
     "ask pause\n"
     "ask resume app\n"
     "C1> Query 'rows 1 a'\n"
     "count waiting 1 backends 0\n"
     "ask resume\n"
     "C1< " ANSWER("a") "\n"},
};
/* clang-format on */
POOLER_CONVERSE(edges)

static void send_many(struct pooler_script *f, int client, const char *words, int count)
{
    struct buf one = {0}, all = {0};
    words_encode(&one, &f->labels, true, words);
    for (int i = 0; i < count; i++)
        buf_append(&all, one.data, one.len);
    client_send(&f->pooler.clients[client - 1], all.data, all.len);
    net_memory_run();
    buf_deinit(&one);
    buf_deinit(&all);
}

static int count_ready(struct pooler_script *f, int client)
{
    struct buf *in = &f->pooler.clients[client - 1].in;
    int count = 0;
    struct proto_header h;
    for (size_t at = 0; proto_backend_header(in->data + at, in->len - at, &h) == 0 && h.len <= in->len - at;
         at += h.len)
        count += h.type == 'Z';
    in->len = 0;
    return count;
}

/* The beginning of a message from an idle backend; its rest comes later. */
START_TEST(an_idle_backend_in_the_middle_of_a_message_serves_nobody_yet)
{
    struct pooler_script f;
    struct buf msg = {0};
    pooler_script_open(&f, "half a message", NULL, "default_pool_size = 1\n", 1, 0);
    pooler_script_play(&f, "login C1\nC1> Query 'rows 1 a'\nC1< " ANSWER("a") "\nB1 holds\n");
    words_encode(&msg, &f.labels, false, "Notify 1 somewhere something | Status DateStyle SQL");
    size_t cut = (size_t)_i;
    if (cut >= msg.len)
        goto over;
    peer_send(f.pooler.server.backends[0]->peer, msg.data, cut);
    net_memory_run();
    pooler_script_play(&f, "C1> Query 'rows 1 b'\n");
    peer_send(f.pooler.server.backends[0]->peer, msg.data + cut, msg.len - cut);
    pooler_script_play(&f, "B1 answers\nwait 1\ncount backends 1 connections 1 waiting 0 idle 1 desync 0\n");
    ck_assert_int_eq(count_ready(&f, 1), 1);
over:
    pooler_script_close(&f);
    buf_deinit(&msg);
}
END_TEST

START_TEST(whoever_sends_much_with_its_login_is_read_on_behind_it)
{
    struct pooler_script f;
    pooler_script_open(&f, "much with the login", NULL, NULL, 1, 0);
    pooler_script_play(&f, "server silent\nconnect C1\nC1> Startup | Query 'rows 1 a'\n");
    send_many(&f, 1, "Query 'rows 1 a'", 10000);
    pooler_script_play(&f, "server serves\nwait 20\n");
    send_many(&f, 1, "Query 'rows 1 a'", 1);
    ck_assert_int_eq(count_ready(&f, 1), 10002);
    pooler_script_close(&f);
}
END_TEST

START_TEST(a_long_query_cancelled_in_the_queue_is_read_to_its_end)
{
    struct pooler_script f;
    pooler_script_open(&f, "long query", NULL, "default_pool_size = 1\n", 1, 0);
    pooler_script_play(&f, "login C1\nlogin C2\nC1> Query begin\nC1< Complete BEGIN | Ready T\n");
    struct buf msg = {0}, text = {0};
    for (int i = 0; i < 500000; i++)
        buf_append(&text, "x", 1);
    proto_query(&msg, buf_text(&text));
    client_send(&f.pooler.clients[1], msg.data, msg.len);
    net_memory_run();
    pooler_script_play(&f,
                       "count waiting 1\ncancel C2\ncount waiting 0\nC1> Query commit\nC1< Complete COMMIT | Ready I\n"
                       "C2> Query 'rows 1 b'\n");
    ck_assert_int_eq(count_ready(&f, 2), 2);
    buf_deinit(&msg);
    buf_deinit(&text);
    pooler_script_close(&f);
}
END_TEST

/* Sync alone is answered here, with more bytes than it has. */
START_TEST(a_deaf_client_is_not_answered_without_bound)
{
    static const char *const answered_here[] = {"Sync", "Close S nothing | Sync", "Close S nothing"};
    struct pooler_script f;
    pooler_script_open(&f, "deaf", NULL, NULL, 1, 0);
    pooler_script_play(&f, "login C1\n");
    if (_i == 2)
        pooler_script_play(&f, "C1> Query begin\nC1< Complete BEGIN | Ready T\n");
    pooler_script_play(&f, "C1 deaf\n");
    for (int i = 0; i < 100; i++)
        send_many(&f, 1, answered_here[_i], 10000);
    ck_assert_uint_gt(peer_unread(f.pooler.clients[0].peer), 0);
    pooler_script_play(&f, "C1 reads\nC1> Sync\n");
    ck_assert_uint_eq(peer_unread(f.pooler.clients[0].peer), 0);
    pooler_script_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_edges");
    TCase *cases = tcase_create("edges");
    ADD_POOLER_CONVERSATIONS(cases, edges);
    tcase_add_loop_test(cases, an_idle_backend_in_the_middle_of_a_message_serves_nobody_yet, 1, 50);
    tcase_add_test(cases, whoever_sends_much_with_its_login_is_read_on_behind_it);
    tcase_add_test(cases, a_long_query_cancelled_in_the_queue_is_read_to_its_end);
    tcase_add_loop_test(cases, a_deaf_client_is_not_answered_without_bound, 0, 3);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
