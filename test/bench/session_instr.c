/*
 * User instructions that the session module takes for a transaction: a simple Query, and a prepared statement by
 * Bind, Describe, Execute, Sync; each with its link and its release, no bytes copied and nothing sent.
 *
 * Counted by the processor where the kernel lets us, else by callgrind:
 *   valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no --toggle-collect=play_transactions \
 *       session_instr simple      (or: prepared; it prints the divisor)
 */
#include "pgpooler/session.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRANSACTIONS = 20000 };

struct conversation {
    const char *name;
    struct buf from_client, from_backend;
};
struct bench {
    struct store store;
    struct stats stats;
    struct session session;
    struct backend_state backend;
    struct out to_client, to_backend;
};
void play_transactions(struct bench *b, const struct conversation *c, int count);

static void play_once(struct bench *b, const struct conversation *c, const struct buf *answers)
{
    struct session_io io = {&b->to_client, &b->to_backend, 1, false};
    enum session_want want;
    enum backend_news news;
    size_t used = session_client_bytes(&b->session, c->from_client.data, c->from_client.len, &io, &want);
    if (want == SESSION_NEED) {
        session_attach(&b->session, &b->backend, &io);
        used += session_client_bytes(&b->session, c->from_client.data + used, c->from_client.len - used, &io, &want);
    }
    out_reset(&b->to_backend);
    size_t answered = session_backend_bytes(&b->backend, answers->data, answers->len, &io, &news);
    out_reset(&b->to_client);
    if (used != c->from_client.len || answered != answers->len || news != BACKEND_FINE ||
        session_verdict(&b->backend) != SESSION_PART) {
        fprintf(stderr, "%s: the conversation went wrong\n", c->name);
        exit(EXIT_FAILURE);
    }
    session_detach(&b->session);
}

__attribute__((noinline)) void play_transactions(struct bench *b, const struct conversation *c, int count)
{
    for (int i = 0; i < count; i++)
        play_once(b, c, &c->from_backend);
}

static int open_counter(void)
{
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof what,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

static void add_result(struct buf *out)
{
    proto_row_description(out, &(struct proto_column){"abalance", OID_INT4}, 1);
    proto_data_row(out, (const char *[]){"-1234"}, 1);
    proto_command_complete(out, "SELECT 1");
    proto_ready(out, 'I');
}

static void measure(struct bench *b, const struct conversation *c)
{
    play_transactions(b, c, 100); /* memory is there, tables have their size */
    int counter = open_counter();
    if (counter < 0) {
        play_transactions(b, c, TRANSACTIONS);
        printf("%s: no counter; divide callgrind's count by %d\n", c->name, TRANSACTIONS + 100);
        return;
    }
    uint64_t before = 0, after = 0;
    bool counted = read(counter, &before, sizeof before) == sizeof before;
    play_transactions(b, c, TRANSACTIONS);
    counted = counted && read(counter, &after, sizeof after) == sizeof after;
    close(counter);
    if (counted)
        printf("%s: %.0f instructions per transaction\n", c->name, (double)(after - before) / TRANSACTIONS);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    struct bench b = {0};
    store_init(&b.store, "IntervalStyle", 200, 1 << 28);
    session_init(&b.session, &b.store, &b.stats, SESSION_MODE_TRANSACTION, params_ref(b.store.no_params));
    backend_state_init(&b.backend, &b.store);

    struct conversation simple = {.name = "simple"};
    proto_query(&simple.from_client, "SELECT abalance FROM pgbench_accounts WHERE aid = 1234567;");
    add_result(&simple.from_backend);
    if (*only == '\0' || strcmp(only, simple.name) == 0)
        measure(&b, &simple);

    struct conversation parse = {.name = "parse"}, prepared = {.name = "prepared"};
    proto_parse(&parse.from_client, "P_0", "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", NULL, 0);
    proto_sync(&parse.from_client);
    proto_empty(&parse.from_backend, '1');
    proto_ready(&parse.from_backend, 'I');
    proto_bind(&prepared.from_client, "", "P_0", (const char *[]){"1234567"}, 1);
    proto_describe(&prepared.from_client, 'P', "");
    proto_execute(&prepared.from_client, "", 0);
    proto_sync(&prepared.from_client);
    proto_empty(&prepared.from_backend, '2');
    add_result(&prepared.from_backend);
    if (*only == '\0' || strcmp(only, prepared.name) == 0) {
        play_once(&b, &parse, &parse.from_backend);
        measure(&b, &prepared);
    }

    struct conversation *all[] = {&simple, &parse, &prepared};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        buf_deinit(&all[i]->from_client);
        buf_deinit(&all[i]->from_backend);
    }
    session_deinit(&b.session);
    backend_state_deinit(&b.backend);
    out_deinit(&b.to_client);
    out_deinit(&b.to_backend);
    store_deinit(&b.store);
    return EXIT_SUCCESS;
}
