/*
 * broker: scripts of calls and answers, one thread.
 *
 * A line is a call, then "=" and what comes back: the answer and the orders, in lower case the pool, e.g. "C0p" CONNECT
 * to worker 0 for pool p, "O" OFFER, "E" EVICT. Lines without "=" must bring nothing. Pools: p (app, bob), q (app,
 * eve), r (web, bob), s (app, bob, second target). Tickets are capital letters. Time is in microseconds and starts at 1
 * s.
 */
#include "pgpooler/pool.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4 };

struct fixture {
    struct broker *broker;
    struct broker_pool *pools[4];
    struct pool_limits limits[4];
    struct ticket tickets[26];
    usec now;
    const char *what;
    char answer[1024];
};

static struct broker_pool *pool_named(struct fixture *f, char name)
{
    ck_assert_msg(name >= 'p' && name <= 's', "%s: no pool %c", f->what, name);
    return f->pools[name - 'p'];
}

static char name_of(struct fixture *f, const struct broker_pool *p)
{
    for (int i = 0; i < 4; i++)
        if (f->pools[i] == p)
            return (char)('p' + i);
    return '?';
}

static void answer_text(struct fixture *f, const char *text)
{
    size_t len = strlen(f->answer);
    snprintf(f->answer + len, sizeof(f->answer) - len, "%s%s", len ? " " : "", text);
}

static void answer_orders(struct fixture *f, const struct broker_orders *orders)
{
    for (int i = 0; i < orders->count; i++) {
        char text[16];
        const struct broker_order *o = &orders->list[i];
        snprintf(text, sizeof(text), "%c%d%c", "COE"[o->kind], o -> worker, name_of(f, o->pool));
        answer_text(f, text);
    }
}

static void answer_freed(struct fixture *f, struct broker_freed freed)
{
    char text[32];
    switch (freed.fate) {
    case BROKER_KEEP:
        answer_text(f, "keep");
        break;
    case BROKER_CLOSE:
        answer_text(f, "close");
        break;
    case BROKER_SERVE:
        snprintf(text, sizeof(text), "serve %c", (char)('A' + (freed.ticket - f->tickets)));
        answer_text(f, text);
        break;
    case BROKER_GIVE:
        snprintf(text, sizeof(text), "give %d", freed.to);
        answer_text(f, text);
        break;
    }
}

static void set_limits(struct fixture *f, char pool, const char *text, struct broker_orders *orders)
{
    static const char *const names[] = {"size", "min", "reserve", "db", "user", "connects", "keep"};
    struct pool_limits *l = &f->limits[pool - 'p'];
    int *const values[] = {&l->size, &l->min, &l->reserve, &l->database_max, &l->user_max, &l->connects_max, NULL};
    char name[16];
    int value, used;
    while (sscanf(text, " %15[a-z]=%d%n", name, &value, &used) == 2) {
        size_t i = 0;
        while (i < 7 && strcmp(names[i], name) != 0)
            i++;
        ck_assert_msg(i < 7, "%s: no limit %s", f->what, name);
        if (values[i])
            *values[i] = value;
        else
            l->keep_min = value != 0;
        text += used;
    }
    broker_pool_set_limits(f->broker, pool_named(f, pool), l, orders);
}

static void answer_count(struct fixture *f, const struct broker_counts *c)
{
    char text[64];
    snprintf(text, sizeof(text), "%d/%d/%d/%d/%d", c->total, c->connecting, c->on_way, c->tickets, c->reserved);
    answer_text(f, text);
}

/* Calls about time, limits and pauses; false when it is none of them. */
static bool call_outside(struct fixture *f, const char *line, struct broker_orders *orders)
{
    struct broker_counts counts;
    char pool, name[16];
    long long amount;
    int number, used;
    if (sscanf(line, " +%lld", &amount) == 1) {
        f->now += amount;
    } else if (sscanf(line, " limits %c%n", &pool, &used) == 1) {
        set_limits(f, pool, line + used, orders);
    } else if (sscanf(line, " process %d", &number) == 1) {
        broker_set_process_limits(f->broker, 0, number);
    } else if (strncmp(line, "tick", 4) == 0) {
        broker_tick(f->broker, f->now, orders);
    } else if (sscanf(line, " pause %15s", name) == 1) {
        broker_pause(f->broker, *name == '*' ? NULL : name);
    } else if (sscanf(line, " resume %15s", name) == 1) {
        broker_resume(f->broker, *name == '*' ? NULL : name, f->now, orders);
    } else if (sscanf(line, " count %c", &pool) == 1) {
        broker_pool_count(f->broker, pool_named(f, pool), &counts);
        answer_count(f, &counts);
    } else if (sscanf(line, " login %15s", name) == 1) {
        ck_assert_int_eq(broker_client_login(f->broker, "app", name, 0, 0), BROKER_LOGIN_OK);
    } else {
        return false;
    }
    return true;
}

static void call(struct fixture *f, const char *line)
{
    struct broker_orders orders = {0};
    struct broker *b = f->broker;
    char ticket, pool, text[64];
    int w, to;
    if (call_outside(f, line, &orders)) {
        ;
    } else if (sscanf(line, " ask %c %c %d", &ticket, &pool, &w) == 3) {
        if (broker_ask(b, pool_named(f, pool), &f->tickets[ticket - 'A'], w, f->now, &orders) == BROKER_DOWN) {
            broker_pool_failure(b, pool_named(f, pool), text, sizeof(text));
            answer_text(f, text);
        }
    } else if (sscanf(line, " withdraw %c", &ticket) == 1) {
        broker_withdraw(b, &f->tickets[ticket - 'A'], f->now, &orders);
    } else if (sscanf(line, " freed %c %d", &pool, &w) == 2) {
        answer_freed(f, broker_freed(b, pool_named(f, pool), w, f->now, &orders));
    } else if (sscanf(line, " arrived %c %d", &pool, &w) == 2) {
        answer_freed(f, broker_arrived(b, pool_named(f, pool), w, f->now, &orders));
    } else if (sscanf(line, " connected %c %d", &pool, &w) == 2) {
        broker_connected(b, pool_named(f, pool), w, f->now);
        answer_freed(f, broker_freed(b, pool_named(f, pool), w, f->now, &orders));
    } else if (sscanf(line, " failed %c %d", &pool, &w) == 2) {
        broker_connect_failed(b, pool_named(f, pool), w, f->now, "refused", &orders);
    } else if (sscanf(line, " closed %c %d", &pool, &w) == 2) {
        broker_closed(b, pool_named(f, pool), w, f->now, &orders);
    } else if (sscanf(line, " lost %c %d %d", &pool, &w, &to) == 3) {
        broker_give_failed(b, pool_named(f, pool), w, to, f->now, &orders);
    } else if (sscanf(line, " idle %c %d %d", &pool, &w, &to) == 3) {
        broker_pool_note_idle(pool_named(f, pool), w, to);
    } else {
        ck_abort_msg("%s: what is \"%s\"?", f->what, line);
    }
    answer_orders(f, &orders);
}

static void play(struct fixture *f, const char *script)
{
    while (*script) {
        char line[128], *expected;
        size_t len = strcspn(script, "\n;");
        snprintf(line, sizeof(line), "%.*s", (int)len, script);
        script += len + (script[len] != '\0');
        script += strspn(script, " ");
        if ((expected = strchr(line, '='))) {
            while (strncmp(expected, "= ", 2) != 0 && strchr(expected + 1, '='))
                expected = strchr(expected + 1, '=');
            if (strncmp(expected, "= ", 2) == 0) {
                *expected = '\0';
                expected += 2;
            } else {
                expected = line + strlen(line); /* a limit */
            }
        }
        f->answer[0] = '\0';
        call(f, line);
        ck_assert_msg(strcmp(f->answer, expected ? expected : "") == 0, "%s: \"%s\" gave \"%s\", not \"%s\"", f->what,
                      line, f->answer, expected ? expected : "");
    }
}

static const struct {
    const char *what, *script;
} cases[] = {
    {"a client without a backend gets one connected",
     "ask A p 0 = C0p; count p = 1/1/0/1/0; connected p 0 = serve A; freed p 0 = keep; count p = 1/0/0/0/0"},
    {"at the limit clients wait their turn",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; +1; ask B p 0; +1; ask C p 0\n"
     "freed p 0 = serve B; freed p 0 = serve C; freed p 0 = keep"},
    {"size 0 is no limit", "limits p size=0; ask A p 0 = C0p; ask B p 1 = C1p; ask C p 2 = C2p; ask D p 3 = C3p"},
    {"no more connects than allowed at once, and the next when one is done",
     "limits p connects=1; ask A p 0 = C0p; ask B p 1; connected p 0 = serve A C1p; connected p 1 = serve B"},
    {"no more connects than tickets", "ask A p 0 = C0p; withdraw A; ask B p 0; connected p 0 = serve B"},
    {"an idle backend elsewhere is offered, not a new one connected",
     "ask A p 0 = C0p; connected p 0 = serve A; freed p 0 = keep; ask B p 1 = O0p; idle p 0 0; freed p 0 = give 1\n"
     "count p = 1/0/1/1/0; arrived p 1 = serve B; count p = 1/0/0/0/0"},
    {"when offers do not suffice the rest is connected", "idle p 0 1; ask A p 1 = O0p; ask B p 1 = O0p C1p"},
    {"one's own idle backend is offered first", "idle p 0 1; idle p 1 1; ask A p 1 = O1p"},
    {"two tickets, two offers", "idle p 0 1; idle p 2 1; ask A p 1 = O0p; ask B p 1 = O0p O2p"},
    {"a backend stays when the foreign ticket is hardly older",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; +500; ask C p 0; freed p 0 = serve C"},
    {"and crosses when it is older by more than the slack",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; +501; ask C p 0; freed p 0 = give 1\n"
     "arrived p 1 = serve B"},
    {"the slack grows with the age",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; +1000; ask C p 0; +7000\n"
     "freed p 0 = serve C; +1; freed p 0 = give 1"},
    {"older by an eighth of its age and a little crosses", "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; "
                                                           "ask B p 1; +1001; ask C p 0; +7000; freed p 0 = give 1"},
    {"without a local ticket age does not matter",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; freed p 0 = give 1"},
    {"the oldest of several workers is first",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 2; +1; ask C p 1; freed p 0 = give 2"},
    {"a ticket with a backend on its way gets no second one while others lack one",
     "limits p size=2; ask A p 0 = C0p; ask B p 0 = C0p; connected p 0 = serve A; connected p 0 = serve B\n"
     "ask C p 1; +1; ask D p 2; freed p 0 = give 1; freed p 0 = give 2; arrived p 2 = serve D; arrived p 1 = serve C"},
    {"nor is a second one moved for it",
     "limits p size=2; ask A p 0 = C0p; ask B p 0 = C0p; connected p 0 = serve A; connected p 0 = serve B\n"
     "ask C p 1; freed p 0 = give 1; freed p 0 = keep; arrived p 1 = serve C"},
    {"nobody lacking, a local backend does not let the ticket wait for the arrival",
     "limits p size=2; ask A p 0 = C0p; ask B p 1 = C1p; connected p 0 = serve A; connected p 1 = serve B\n"
     "ask C p 1; freed p 0 = give 1; freed p 1 = serve C; arrived p 1 = keep"},
    {"an arrival whose ticket was withdrawn goes on to the next",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; freed p 0 = give 1; withdraw B\n"
     "ask C p 2; arrived p 1 = give 2; arrived p 2 = serve C"},
    {"a backend lost on its way leaves its slot to the ticket",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; freed p 0 = give 1; lost p 0 1 = C1p"},
    {"a closed backend leaves its slot to the oldest ticket",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 2; +1; ask C p 1; closed p 0 = C2p"},
    {"an idle one that dies lets the others be offered",
     "limits p size=2; ask A p 0 = C0p; ask B p 1 = C1p; connected p 0 = serve A; connected p 1 = serve B\n"
     "idle p 0 1; idle p 1 1; ask C p 2 = O0p; idle p 0 0; closed p 0 = O1p"},
    {"a withdrawn ticket is not served",
     "limits p size=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 0; ask C p 0; withdraw B; withdraw B\n"
     "freed p 0 = serve C; withdraw C; freed p 0 = keep"},

    {"the database's limit counts over its users",
     "limits p db=1; limits q db=1; ask A p 0 = C0p; connected p 0 = serve A; ask B q 1; freed p 0 = close\n"
     "closed p 0 = C1q"},
    {"the user's limit counts over databases",
     "limits p user=1; limits r user=1; ask A p 0 = C0p; connected p 0 = serve A; ask B r 1; freed p 0 = close\n"
     "closed p 0 = C1r"},
    {"the process's limit counts over all",
     "process 1; ask A q 0 = C0q; connected q 0 = serve A; ask B r 1; freed q 0 = close; closed q 0 = C1r"},
    {"nobody is closed for a pool that another limit blocks too",
     "limits p db=2; limits q db=2 user=1; ask A q 0 = C0q; connected q 0 = serve A; ask B p 0 = C0p\n"
     "connected p 0 = serve B; ask C q 1; freed p 0 = keep"},
    {"one close for one ticket", "limits p db=2; limits q db=2; ask A p 0 = C0p; ask B p 0 = C0p; connected p 0 = "
                                 "serve A; connected p 0 = serve B\n"
                                 "ask C q 1; freed p 0 = close; freed p 0 = keep; closed p 0 = C1q"},
    {"an idle backend of another pool is evicted",
     "limits p db=1; limits q db=1; ask A p 0 = C0p; connected p 0 = serve A; freed p 0 = keep; ask B q 1 = E0p\n"
     "idle p 0 0; closed p 0 = C1q"},
    {"but not of one that does not share the limit",
     "limits p db=1; limits q db=1; idle r 0 1; ask A p 0 = C0p; connected p 0 = serve A; ask B q 1"},
    {"a pool's own tickets come first",
     "limits p db=1; limits q db=1; ask A p 0 = C0p; connected p 0 = serve A; ask B q 1; +1; ask C p 0\n"
     "freed p 0 = serve C"},
    {"unless another pool's has waited a second longer",
     "limits p db=1; limits q db=1; ask A p 0 = C0p; connected p 0 = serve A; ask B q 1; +1000000; ask C p 0\n"
     "freed p 0 = close; closed p 0 = C1q; connected q 1 = serve B; freed q 1 = close; closed q 1 = C0p"},
    {"one eviction can free two limits",
     "limits p db=1; limits s db=1 user=1; ask A p 0 = C0p; connected p 0 = serve A; idle p 0 1; ask C s 1 = E0p"},
    {"or it takes two",
     "limits s db=1 user=1; ask A q 0 = C0q; connected q 0 = serve A; ask B r 2 = C2r; connected r 2 = serve B\n"
     "idle q 0 1; idle r 2 1; ask C s 1 = E0q E2r"},
    {"and none is evicted in vain",
     "limits s db=1 user=1; ask A q 0 = C0q; connected q 0 = serve A; ask B r 2 = C2r; connected r 2 = serve B\n"
     "idle q 0 1; ask C s 1"},
    {"a free slot goes to the oldest ticket of all pools",
     "process 1; ask A p 0 = C0p; connected p 0 = serve A; ask B r 1; +1; ask C q 2; closed p 0 = C1r"},
    {"above a shrunk limit freed backends are closed",
     "ask A p 0 = C0p; ask B p 1 = C1p; connected p 0 = serve A; connected p 1 = serve B; limits p size=1\n"
     "ask C p 0; freed p 0 = close; closed p 0; freed p 1 = give 0"},
    {"and idle ones evicted",
     "ask A p 0 = C0p; ask B p 1 = C1p; connected p 0 = serve A; connected p 1 = serve B; idle p 0 1; idle p 1 1\n"
     "limits p size=1 = E0p; idle p 0 0; closed p 0; tick"},
    {"a raised limit is used at the next tick",
     "limits p size=1; ask A p 0 = C0p; ask B p 1; limits p size=2; tick = C1p"},

    {"the reserve opens when the oldest has waited",
     "limits p size=1 reserve=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; ask C p 2; +4999999; tick\n"
     "+1; tick = C1p; tick; count p = 2/1/0/2/1; connected p 1 = serve B"},
    {"the reserve opens for the one who asks, too",
     "limits p size=1 reserve=1; ask A p 0 = C0p; connected p 0 = serve A; ask B p 1; +5000000; ask C p 2 = C1p"},
    {"the minimum is filled one per tick, spread over the workers",
     "limits p min=2 keep=1; tick = C0p; tick = C1p; tick"},
    {"without a client there is no minimum", "limits p min=1; login eve; tick; login bob; tick = C0p"},
    {"the minimum stops at the size", "limits p min=3 size=1 keep=1; tick = C0p; tick"},
    {"a pool that is down is not filled", "limits p min=1 keep=1; tick = C0p; failed p 0; +60000000; tick"},

    {"after a failure new clients fail fast, queued ones wait",
     "ask A p 0 = C0p; ask B p 0 = C0p; failed p 0; ask C p 1 = refused; failed p 0; tick; +14999999\n"
     "ask C p 1 = refused; tick; +1; tick = C0p; tick; ask C p 1; connected p 0 = serve A C0p C1p"},
    {"after the pause a client is a new attempt",
     "ask A p 0 = C0p; failed p 0; withdraw A; ask B p 1 = refused; +15000000; ask B p 1 = C1p; ask C p 1\n"
     "failed p 1; ask D p 1 = refused; withdraw B; withdraw C; +15000000; ask D p 2 = C2p; connected p 2 = serve D"},
    {"with a live backend nobody fails fast, but connecting pauses",
     "ask A p 0 = C0p; connected p 0 = serve A; ask B p 0 = C0p; failed p 0; ask C p 0; freed p 0 = serve B\n"
     "freed p 0 = serve C"},
    {"a failed connect leaves the room to others", "process 1; ask A p 0 = C0p; ask B r 1; failed p 0 = C1r"},

    {"paused: nothing is handed out, and freed backends are closed",
     "ask A p 0 = C0p; pause app; connected p 0 = close; closed p 0; ask B p 1; tick; count p = 0/0/0/2/0\n"
     "resume app = C0p C1p"},
    {"pausing one entry leaves the others", "pause app; ask A p 0; ask B r 0 = C0r"},
    {"resuming all does not resume an entry", "pause app; pause *; ask A p 0; resume *; resume app = C0p"},
    {"idle backends are offered when resumed", "pause *; idle p 3 1; ask A p 0; resume * = O3p"},
    {"a ticket older than the last one takes its place in the queue",
     "limits p size=1; ask A p 0 = C0p; ask B p 0; +-5; ask C p 0; connected p 0 = serve C; freed p 0 = serve A"},
};

START_TEST(follows_the_script)
{
    struct broker_orders orders;
    struct fixture f = {.what = cases[_i].what, .now = USEC_PER_SEC, .broker = broker_new(WORKERS)};
    static const char *const entries[] = {"app", "app", "web", "app"}, *const users[] = {"bob", "eve", "bob", "bob"};
    for (int i = 0; i < 4; i++) {
        f.pools[i] = broker_pool_get(f.broker, entries[i], users[i], i == 3);
        f.limits[i] = (struct pool_limits){
            .connects_max = 10, .login_retry = 15 * USEC_PER_SEC, .size = 20, .reserve_timeout = 5 * USEC_PER_SEC};
        broker_pool_set_limits(f.broker, f.pools[i], &f.limits[i], &orders);
    }
    play(&f, cases[_i].script);
    broker_free(f.broker);
}
END_TEST

START_TEST(pools_are_found_again)
{
    struct broker *b = broker_new(1);
    struct broker_pool *p = broker_pool_get(b, "app", "bob", 1);
    struct broker_pool *q = broker_pool_get(b, "app", "bob", 2);
    ck_assert_ptr_eq(broker_pool_get(b, "app", "bob", 1), p);
    ck_assert_ptr_ne(p, q);
    ck_assert_ptr_ne(broker_pool_get(b, "appb", "ob", 1), p);
    ck_assert_str_eq(broker_pool_entry(p), "app");
    ck_assert_str_eq(broker_pool_user(p), "bob");
    ck_assert_int_eq(broker_pool_target(q), 2);
    ck_assert_ptr_eq(broker_pool_next(b, NULL), p);
    ck_assert_ptr_eq(broker_pool_next(b, p), q);
    ck_assert_ptr_null(broker_pool_next(b, broker_pool_next(b, q)));
    broker_free(b);
}
END_TEST

START_TEST(clients_are_counted_and_limited)
{
    struct broker *b = broker_new(1);
    struct broker_counts counts;
    broker_set_process_limits(b, 4, 0);
    ck_assert_int_eq(broker_client_login(b, "app", "bob", 2, 0), BROKER_LOGIN_OK);
    ck_assert_int_eq(broker_client_login(b, "app", "eve", 2, 1), BROKER_LOGIN_OK);
    ck_assert_int_eq(broker_client_login(b, "app", "ann", 2, 0), BROKER_LOGIN_DATABASE_FULL);
    ck_assert_int_eq(broker_client_login(b, "web", "eve", 0, 1), BROKER_LOGIN_USER_FULL);
    ck_assert_int_eq(broker_client_login(b, "web", "bob", 2, 2), BROKER_LOGIN_OK);
    ck_assert_int_eq(broker_client_login(b, "web", "ann", 2, 1), BROKER_LOGIN_OK);
    ck_assert_int_eq(broker_client_login(b, "new", "new", 0, 0), BROKER_LOGIN_PROCESS_FULL);
    broker_database_count(b, "app", &counts);
    ck_assert_int_eq(counts.clients, 2);
    broker_user_count(b, "bob", &counts);
    ck_assert_int_eq(counts.clients, 2);
    broker_pool_count(b, broker_pool_get(b, "app", "bob", 0), &counts);
    ck_assert_int_eq(counts.clients, 1);
    broker_client_logout(b, "app", "bob");
    broker_process_count(b, &counts);
    ck_assert_int_eq(counts.clients, 3);
    ck_assert_int_eq(broker_client_login(b, "app", "ann", 2, 0), BROKER_LOGIN_OK);
    broker_database_count(b, "nobody", &counts);
    ck_assert_int_eq(counts.clients, 0);
    broker_free(b);
}
END_TEST

START_TEST(counts_add_up)
{
    struct broker *b = broker_new(2);
    struct broker_orders orders;
    struct broker_counts counts;
    struct ticket tickets[3] = {0};
    broker_ask(b, broker_pool_get(b, "app", "bob", 0), &tickets[0], 0, 30, &orders);
    broker_ask(b, broker_pool_get(b, "app", "bob", 1), &tickets[1], 0, 20, &orders);
    broker_ask(b, broker_pool_get(b, "web", "bob", 0), &tickets[2], 1, 10, &orders);
    broker_database_count(b, "app", &counts);
    ck_assert_int_eq(counts.total, 2);
    ck_assert_int_eq(counts.connecting, 2);
    ck_assert_int_eq(counts.tickets, 2);
    ck_assert_int_eq(counts.oldest_since, 20);
    broker_user_count(b, "bob", &counts);
    ck_assert_int_eq(counts.total, 3);
    ck_assert_int_eq(counts.oldest_since, 10);
    broker_user_count(b, "eve", &counts);
    ck_assert_int_eq(counts.oldest_since, USEC_NEVER);
    broker_free(b);
}
END_TEST

START_TEST(tickets_can_be_withdrawn_in_bulk)
{
    struct broker *b = broker_new(2);
    struct broker_pool *p = broker_pool_get(b, "app", "bob", 0);
    struct broker_orders orders;
    struct ticket tickets[3] = {0}, *t;
    for (int i = 0; i < 3; i++)
        broker_ask(b, p, &tickets[i], i == 1, i, &orders);
    ck_assert(broker_anyone_waits(b) && broker_pool_anyone_waits(p));
    for (int i = 0; (t = broker_pool_ticket(b, p, 0)); i += 2) {
        ck_assert_ptr_eq(t, &tickets[i]);
        broker_withdraw(b, t, 9, &orders);
    }
    ck_assert(tickets[1].queued && !tickets[0].queued && !tickets[2].queued);
    broker_withdraw(b, &tickets[1], 9, &orders);
    ck_assert(!broker_anyone_waits(b) && !broker_pool_anyone_waits(p));
    broker_free(b);
}
END_TEST

START_TEST(the_welcome_is_kept)
{
    struct broker *b = broker_new(1);
    struct broker_pool *p = broker_pool_get(b, "app", "bob", 0);
    struct buf out = {0};
    ck_assert(!broker_welcome_get(b, p, false, &out));
    broker_welcome_set(b, p, "older, longer", 13);
    broker_welcome_set(b, p, "new", 3);
    buf_append_str(&out, ">");
    ck_assert(broker_welcome_get(b, p, false, &out));
    ck_assert_str_eq(buf_text(&out), ">new");
    broker_welcome_doubt(b, p);
    ck_assert(!broker_welcome_get(b, p, false, &out));
    ck_assert(broker_welcome_get(b, p, true, &out));
    ck_assert_str_eq(buf_text(&out), ">newnew");
    broker_welcome_set(b, p, NULL, 0);
    ck_assert(broker_welcome_get(b, p, false, &out));
    ck_assert_str_eq(buf_text(&out), ">newnew");
    buf_deinit(&out);
    broker_free(b);
}
END_TEST

START_TEST(the_last_failure_is_told_until_a_connect_succeeds)
{
    struct broker *b = broker_new(1);
    struct broker_pool *p = broker_pool_get(b, "app", "bob", 0);
    struct broker_orders orders;
    struct ticket t = {0};
    char text[8];
    broker_pool_failure(b, p, text, sizeof(text));
    ck_assert_str_eq(text, "");
    broker_ask(b, p, &t, 0, 1, &orders);
    broker_connect_failed(b, p, 0, 2, "a longer text", &orders);
    broker_pool_failure(b, p, text, sizeof(text));
    ck_assert_str_eq(text, "a longe");
    broker_tick(b, 3, &orders);
    ck_assert_int_eq(orders.count, 1);
    broker_connected(b, p, 0, 4);
    broker_pool_failure(b, p, text, sizeof(text));
    ck_assert_str_eq(text, "");
    broker_free(b);
}
END_TEST

/* As many workers and pools as there can be, all with something to order. */
START_TEST(orders_never_overflow)
{
    enum { POOLS = 40, TICKETS = POOLS * WORKERS_MAX };
    struct broker *b = broker_new(WORKERS_MAX);
    struct broker_orders orders;
    const struct pool_limits limits = {.connects_max = 100, .min = 100, .keep_min = true, .database_max = _i ? 1 : 0};
    struct ticket *tickets = mem_zalloc(TICKETS * sizeof(*tickets));
    broker_pause(b, NULL);
    for (int i = 0; i < POOLS; i++) {
        char user[16];
        snprintf(user, sizeof(user), "user%d", i);
        struct broker_pool *p = broker_pool_get(b, "app", user, 0);
        broker_pool_set_limits(b, p, &limits, &orders);
        for (int w = 0; w < WORKERS_MAX; w++) {
            broker_pool_note_idle(p, w, (i + w) % 2);
            broker_ask(b, p, &tickets[i * WORKERS_MAX + w], w, 1, &orders);
            ck_assert_int_eq(orders.count, 0);
        }
    }
    broker_resume(b, NULL, 2, &orders);
    ck_assert_int_gt(orders.count, 0);
    for (int i = 0; i < 200; i++) {
        broker_tick(b, 3 + i, &orders);
        ck_assert_int_le(orders.count, BROKER_ORDERS_MAX);
    }
    mem_free(tickets);
    broker_free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_pool_broker");
    TCase *tests = tcase_create("broker");
    tcase_add_loop_test(tests, follows_the_script, 0, sizeof(cases) / sizeof(*cases));
    tcase_add_test(tests, pools_are_found_again);
    tcase_add_test(tests, clients_are_counted_and_limited);
    tcase_add_test(tests, counts_add_up);
    tcase_add_test(tests, tickets_can_be_withdrawn_in_bulk);
    tcase_add_test(tests, the_welcome_is_kept);
    tcase_add_test(tests, the_last_failure_is_told_until_a_connect_succeeds);
    tcase_add_loop_test(tests, orders_never_overflow, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
