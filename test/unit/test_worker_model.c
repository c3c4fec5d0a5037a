/*
 * worker, model: random clients on a few backends and workers, in random pieces, with random deaths on both sides.
 *
 * Whatever happens: each client sees its own rows, in its own order, or the end of its connection; nobody works in
 * another's transaction; the pool is never larger than its size; and when all have gone nothing is left.
 */
#include "pooler_script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 7, STEPS = 300, POOL_SIZE = 2 };

struct talker {
    struct pooler_client *client;
    struct buf unsent;
    uint32_t asked; /* number of the latest row it has asked for */
    uint32_t told;  /* ... and has got */
    uint32_t lost;  /* units that ended in an error: each may be the one of a row */
    int ready_due;
    bool in_block; /* as it has been written, not as it has been sent */
};
struct town {
    struct pooler_script f;
    struct talker talkers[CLIENTS];
    uint64_t state;
    char *owner[SERVER_CONNECTIONS]; /* who is in a transaction on a backend, as its rows say */
    bool in_block[SERVER_CONNECTIONS];
    uint64_t seed;
};

static uint32_t below(struct town *t, uint32_t bound) /* splitmix64 */
{
    uint64_t z = t->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) % bound);
}

/* ---- what clients say ---- */
static void say(struct town *t, struct talker *talker)
{
    struct buf *out = &talker->unsent;
    int number = (int)(talker - t->talkers);
    char sql[48];
    snprintf(sql, sizeof sql, "rows 1 c%d.%u.", number, talker->asked + 1);
    switch (below(t, 6)) {
    case 0:
        proto_query(out, talker->in_block ? below(t, 2) ? "commit" : "rollback" : "begin");
        talker->in_block = !talker->in_block;
        break;
    case 1: { /* a statement that all have, with a value of its own */
        char value[32];
        const char *values[] = {value};
        snprintf(value, sizeof value, " c%d.%u.", number, ++talker->asked);
        proto_parse(out, "", "rows 1 $1", NULL, 0);
        proto_bind(out, "", "", values, 1);
        proto_execute(out, "", 0);
        proto_sync(out);
        break;
    }
    case 2: { /* a named one, closed again */
        proto_parse(out, "s", sql, NULL, 0);
        proto_bind(out, "", "s", NULL, 0);
        proto_execute(out, "", 0);
        proto_close(out, 'S', "s");
        proto_sync(out);
        talker->asked++;
        break;
    }
    default:
        proto_query(out, sql);
        talker->asked++;
        break;
    }
    talker->ready_due++;
}

static void send_some(struct town *t, struct talker *talker)
{
    size_t len = talker->unsent.len;
    if (below(t, 3) == 0 && len > 1)
        len = 1 + below(t, (uint32_t)len);
    client_send(talker->client, talker->unsent.data, len);
    buf_consume(&talker->unsent, len);
}

/* ---- what they hear ---- */
static void hear(struct town *t, struct talker *talker)
{
    struct buf *in = &talker->client->in;
    buf_text(in); /* so that it points somewhere */
    int number = (int)(talker - t->talkers);
    size_t at = 0;
    for (struct proto_header h; proto_backend_header(in->data + at, in->len - at, &h) == 0 && h.len <= in->len - at;
         at += h.len) {
        const char *body = in->data + at + PROTO_HEADER;
        if (h.type == 'Z') {
            talker->ready_due--;
            ck_assert_msg(talker->ready_due >= 0, "SEED=%llu: an answer too many", (unsigned long long)t->seed);
        } else if (h.type == 'D') {
            int from = -1;
            unsigned row = 0;
            sscanf(body + 6, " c%d.%u.#0 ", &from, &row);
            bool own = from == number && row > talker->told && row <= talker->asked;
            ck_assert_msg(own && row - talker->told - 1 <= talker->lost, "SEED=%llu: client %d got %u of %u, now%.20s",
                          (unsigned long long)t->seed, number, talker->told, talker->asked, body + 6);
            talker->told = row;
        } else if (h.type == 'E') {
            talker->lost++;
        }
    }
    buf_consume(in, at);
}

/* ---- what the server sees ---- */
static void look_at_query(struct town *t, int backend, const char *sql)
{
    const char *tag = strstr(sql, " c");
    bool ends = strcmp(sql, "commit") == 0 || strcasecmp(sql, "rollback") == 0;
    if (strcmp(sql, "begin") == 0) {
        ck_assert_msg(!t->in_block[backend], "SEED=%llu: begin in a transaction", (unsigned long long)t->seed);
        t->in_block[backend] = true;
    } else if (ends) { /* without a begin, when that was cancelled in the queue */
        t->in_block[backend] = false;
        mem_free(t->owner[backend]);
        t->owner[backend] = NULL;
    } else if (tag != NULL && t->in_block[backend]) {
        char *who = mem_strndup(tag, strcspn(tag, "."));
        if (t->owner[backend] != NULL)
            ck_assert_msg(strcmp(t->owner[backend], who) == 0, "SEED=%llu:%s works in the transaction of%s",
                          (unsigned long long)t->seed, who, t->owner[backend]);
        mem_free(t->owner[backend]);
        t->owner[backend] = who;
    }
}

static void look_at_backend(struct town *t, int backend)
{
    struct server_connection *connection = t->f.pooler.server.backends[backend];
    struct buf *got = &connection->got;
    buf_text(got);
    size_t at = 0;
    for (struct proto_header h; proto_backend_header(got->data + at, got->len - at, &h) == 0 && h.len <= got->len - at;
         at += h.len) {
        const char *body = got->data + at + PROTO_HEADER;
        struct reader r = reader_of(body, h.len - PROTO_HEADER);
        if (h.type == 'P' || h.type == 'B')
            reader_cstr(&r);
        if (h.type == 'Q' || h.type == 'P')
            look_at_query(t, backend, reader_cstr(&r));
        if (h.type != 'B')
            continue;
        reader_cstr(&r);
        reader_u16(&r);
        if (reader_u16(&r) == 1) {
            struct slice value = reader_bytes(&r, reader_u32(&r));
            char *text = mem_strndup(value.ptr, value.len);
            look_at_query(t, backend, text);
            mem_free(text);
        }
    }
    buf_consume(got, at);
}

static void look_around(struct town *t)
{
    struct server_memory *server = &t->f.pooler.server;
    int open = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (t->talkers[i].client->peer != NULL)
            hear(t, &t->talkers[i]);
    for (int i = 0; i < server->backend_count; i++) {
        look_at_backend(t, i);
        open += server->backends[i]->peer != NULL;
    }
    ck_assert_msg(open <= POOL_SIZE, "SEED=%llu: %d backends", (unsigned long long)t->seed, open);
}

/* ---- what happens ---- */
static void come(struct talker *talker)
{
    struct startup_param params[] = {{"user", "alice"}, {"database", "app"}};
    buf_deinit(&talker->unsent);
    *talker = (struct talker){.client = talker->client};
    client_connect(talker->client);
    client_start(talker->client, PROTO_VERSION_3_0, params, 2, "secret");
}

static void client_event(struct town *t)
{
    struct talker *talker = &t->talkers[below(t, CLIENTS)];
    struct pooler_client *client = talker->client;
    if (client->peer == NULL) {
        come(talker);
    } else if (client->is_closed) {
        client_leave(client, false);
    } else if (client->is_in) {
        if (talker->ready_due < 8)
            say(t, talker);
        send_some(t, talker);
        uint32_t fate = below(t, 40);
        if (fate == 0)
            client_leave(client, true);
        else if (fate == 1)
            client_leave(client, false);
        else if (fate < 5)
            client_cancel(client, fate == 2);
    }
}

static void server_event(struct town *t)
{
    struct server_memory *server = &t->f.pooler.server;
    if (server->backend_count == 0)
        return;
    struct server_connection *backend = server->backends[below(t, (uint32_t)server->backend_count)];
    uint32_t what = below(t, 30);
    if (backend->peer == NULL)
        return;
    if (what == 0 && server->count < SERVER_CONNECTIONS - 20)
        server_memory_leave(backend, below(t, 2) == 0);
    else if (what < 15)
        backend->holds = true;
    else
        server_memory_answer(backend);
}

static void answer_cancels(struct server_memory *server)
{
    for (int i = 0; i < server->cancel_count; i++)
        server_memory_leave(server->cancels[i], false);
}

static void control_event(struct town *t)
{
    switch (below(t, 12)) {
    case 0:
        pooler_reload(&t->f.pooler, NULL, "default_pool_size = 2\nserver_login_retry = 0.1\nquery_wait_notify = 0");
        break;
    case 1:
        pooler_ask(&t->f.pooler, ASK_PAUSE, NULL, NULL);
        net_memory_run();
        look_around(t);
        pooler_ask(&t->f.pooler, ASK_RESUME, NULL, NULL);
        break;
    case 2:
        if (t->f.pooler.server.count < SERVER_CONNECTIONS - 20)
            pooler_ask(&t->f.pooler, ASK_RECONNECT, NULL, NULL);
        break;
    default:
        net_memory_advance(below(t, 300) * USEC_PER_MSEC);
        break;
    }
}

static void everybody_goes_home(struct town *t)
{
    struct server_memory *server = &t->f.pooler.server;
    for (int i = 0; i < server->backend_count; i++)
        server_memory_answer(server->backends[i]);
    for (int round = 0; round < 5; round++) {
        answer_cancels(server);
        net_memory_advance(USEC_PER_SEC);
        look_around(t);
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct talker *talker = &t->talkers[i];
        if (talker->client->peer == NULL || talker->client->is_closed)
            continue;
        client_send(talker->client, talker->unsent.data, talker->unsent.len);
        net_memory_advance(USEC_PER_SEC);
        look_around(t);
        if (!talker->in_block)
            continue;
        proto_query(&talker->unsent, "commit"); /* behind what has been sent, so that nobody waits for ever */
        client_leave(talker->client, false);
        net_memory_advance(3 * USEC_PER_SEC);
    }
    net_memory_advance(5 * USEC_PER_SEC);
    for (int i = 0; i < CLIENTS; i++) {
        struct talker *talker = &t->talkers[i];
        if (talker->client->peer == NULL || talker->client->is_closed)
            continue;
        hear(t, talker);
        ck_assert_msg(talker->ready_due == 0, "SEED=%llu: client %d misses %d answers", (unsigned long long)t->seed, i,
                      talker->ready_due);
        client_leave(talker->client, false);
    }
    net_memory_advance(5 * USEC_PER_SEC);
}

static void live(uint64_t seed, int workers)
{
    struct town t = {.state = seed, .seed = seed};
    char what[64];
    snprintf(what, sizeof what, "SEED=%llu, %d workers", (unsigned long long)seed, workers);
    pooler_script_open(&t.f, what, NULL, "default_pool_size = 2\nserver_login_retry = 0.1\nquery_wait_notify = 0",
                       workers, below(&t, 2) ? 0 : 1 + below(&t, 20));
    for (int i = 0; i < CLIENTS; i++)
        t.talkers[i].client = &t.f.pooler.clients[i];
    for (int step = 0; step < STEPS; step++) {
        uint32_t what_next = below(&t, 10);
        if (what_next < 7)
            client_event(&t);
        else if (what_next < 9)
            server_event(&t);
        else
            control_event(&t);
        if (below(&t, 5) == 0)
            answer_cancels(&t.f.pooler.server);
        if (below(&t, 3) > 0)
            net_memory_run();
        look_around(&t);
    }
    net_memory_run();
    everybody_goes_home(&t);
    pooler_script_play(&t.f, "count clients 0 logins 0 waiting 0 used 0 desync 0 cancelling 0\n");
    pooler_script_close(&t.f);
    for (int i = 0; i < SERVER_CONNECTIONS; i++)
        mem_free(t.owner[i]);
    for (int i = 0; i < CLIENTS; i++)
        buf_deinit(&t.talkers[i].unsent);
}

/* One seed from SEED, or new ones; each is in the message of what it breaks. */
START_TEST(everybody_gets_his_own)
{
    const char *given = getenv("SEED"), *scale = getenv("PGPOOLER_SCALE");
    int rounds = given != NULL ? 1 : 8 * (scale != NULL ? atoi(scale) : 1);
    for (int i = 0; i < rounds; i++) {
        uint64_t seed = 0;
        random_bytes(&seed, 4);
        if (given != NULL)
            seed = strtoull(given, NULL, 0);
        printf("SEED=%llu\n", (unsigned long long)seed);
        live(seed, 1 + _i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_model");
    TCase *cases = tcase_create("model");
    tcase_set_timeout(cases, 600);
    tcase_add_loop_test(cases, everybody_gets_his_own, 0, 3);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
