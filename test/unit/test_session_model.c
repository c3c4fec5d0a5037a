/*
 * Random clients through sessions and on servers of their own: both hear the same.
 *
 * SEED chooses where to begin, PGPOOLER_SCALE multiplies how many scripts are played. A script that fails is printed
 * without all that is not needed for it.
 */
#include "session_words.h"
#include "session_world.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRIPTS = 100000, UNITS_MAX = 10, UNIT_BYTES = 1024 };

/* What one client says, in pieces that can be left out. */
struct saying {
    int count;
    struct buf units[UNITS_MAX + 1];
};

/* ---- what clients say ---- */
static const char *any_text(struct random *r, int client, char *scratch, size_t size)
{
    static const char *const texts[] = {
        "rows 1 $1", "rows 3 $1", "rows 3 $1",        "rows 2 $1",        "begin",     "begin",
        "savepoint", "err",       "set TimeZone CET", "set TimeZone UTC", "copyout 2", "set DateStyle SQL",
        "bad",       "",          "rollback to",      "set DateStyle ISO"};
    uint32_t n = random_below(r, 40);
    if (n < sizeof texts / sizeof *texts)
        return texts[n];
    if (n == 39)
        return random_one_in(r, 2) ? "deallocate all" : "discard all";
    if (n == 38 && random_one_in(r, 4))
        return "copyin";
    if (n > 34)
        return "rows 2 $1";
    snprintf(scratch, size, "rows %u c%d-%u", random_below(r, 3), client, random_below(r, 3));
    return scratch;
}

static const char *any_end(struct random *r)
{
    return random_one_in(r, 2) ? "commit" : "rollback";
}

/* Names of statements that end transactions are their own: those must work where all others fail. */
static const char *any_name(struct random *r)
{
    static const char *const names[] = {"", "", "s1", "s2", "s3", "s1"};
    return names[random_below(r, sizeof names / sizeof *names)];
}

static void add_bind(struct random *r, struct buf *out, int client, const char *name)
{
    char value[32];
    snprintf(value, sizeof value, "c%d-%u", client, random_below(r, 1000));
    const char *values[] = {value};
    proto_bind(out, random_one_in(r, 6) ? "p" : "", name, values, *name != 'x');
}

static void add_statement(struct random *r, struct buf *out, int client)
{
    char scratch[64];
    if (random_one_in(r, 6)) {
        const char *name = random_one_in(r, 2) ? "x" : "";
        if (!random_one_in(r, 3))
            proto_parse(out, name, any_end(r), NULL, 0);
        add_bind(r, out, client, name);
        proto_execute(out, "", 0);
        return;
    }
    const char *name = any_name(r);
    if (random_one_in(r, 2))
        proto_parse(out, name, any_text(r, client, scratch, sizeof scratch), NULL, 0);
    if (random_one_in(r, 4))
        proto_describe(out, 'S', name);
    if (!random_one_in(r, 6))
        add_bind(r, out, client, name);
    if (random_one_in(r, 4))
        proto_describe(out, 'P', "");
    if (!random_one_in(r, 6))
        proto_execute(out, random_one_in(r, 8) ? "p" : "", random_one_in(r, 4) ? random_below(r, 3) : 0);
    if (random_one_in(r, 5))
        proto_close(out, 'S', any_name(r));
    if (random_one_in(r, 10))
        proto_close(out, 'P', random_one_in(r, 2) ? "p" : "");
}

static void add_query(struct random *r, struct buf *out, int client)
{
    char sql[256] = "", scratch[64];
    uint32_t count = 1 + random_below(r, 3) / 2;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            strcat(sql, ";");
        strcat(sql, random_one_in(r, 3) ? any_end(r) : any_text(r, client, scratch, sizeof scratch));
    }
    proto_query(out, sql);
}

static void add_copy_in(struct random *r, struct buf *out)
{
    bool extended = random_one_in(r, 2);
    if (extended) {
        proto_parse(out, "", "copyin", NULL, 0);
        proto_bind(out, "", "", NULL, 0);
        proto_execute(out, "", 0);
        if (random_one_in(r, 2))
            proto_empty(out, random_one_in(r, 2) ? 'S' : 'H');
    } else {
        proto_query(out, random_one_in(r, 4) ? "rows 1 $1;copyin;rows 2 $1" : "copyin");
    }
    for (uint32_t i = random_below(r, 4); i > 0; i--) {
        size_t begin = proto_begin(out, 'd');
        buf_append_str(out, random_one_in(r, 8) ? "bad row\n" : "a row\n");
        proto_end(out, begin);
    }
    if (random_one_in(r, 4)) {
        size_t begin = proto_begin(out, 'f');
        buf_append_cstr(out, "changed my mind");
        proto_end(out, begin);
    } else {
        proto_empty(out, 'c');
    }
    if (extended)
        proto_sync(out);
}

static void add_unit(struct random *r, struct buf *out, int client)
{
    uint32_t kind = random_below(r, 20);
    if (kind < 6) {
        add_query(r, out, client);
    } else if (kind < 17) {
        for (uint32_t i = 1 + random_below(r, 3); i > 0; i--)
            add_statement(r, out, client);
        if (random_one_in(r, 16))
            add_query(r, out, client);
        if (random_one_in(r, 16))
            proto_empty(out, "Hdc"[random_below(r, 3)]);
        if (!random_one_in(r, 12))
            proto_sync(out);
    } else if (kind == 17) {
        add_copy_in(r, out);
    } else if (kind == 18) {
        size_t begin = proto_begin(out, 'F');
        buf_append_u32(out, 1 + random_below(r, 2));
        proto_end(out, begin);
    } else {
        proto_empty(out, "SHdc"[random_below(r, 4)]);
    }
}

/* Whatever state it left behind ends, so that nothing is owed and nothing open. */
static void add_end(struct random *r, struct buf *out)
{
    size_t begin = proto_begin(out, 'f');
    buf_append_cstr(out, "over");
    proto_end(out, begin);
    proto_sync(out);
    proto_query(out, "rollback");
    if (random_one_in(r, 4))
        proto_empty(out, 'X');
}

static void make_saying(struct random *r, struct saying *saying, int client)
{
    saying->count = 1 + (int)random_below(r, UNITS_MAX);
    for (int i = 0; i < saying->count; i++)
        add_unit(r, &saying->units[i], client);
    add_end(r, &saying->units[saying->count++]);
}

/* ---- playing, and what is printed when it went wrong ---- */
static bool play(uint64_t seed, const struct saying *sayings, int clients, bool may_vanish, struct buf *why)
{
    struct buf scripts[WORLD_CLIENTS] = {0};
    for (int i = 0; i < clients; i++)
        for (int j = 0; j < sayings[i].count; j++)
            if (sayings[i].units[j].len > 0)
                buf_append(&scripts[i], sayings[i].units[j].data, sayings[i].units[j].len);
    why->len = 0;
    bool fine = true;
    for (int i = 0; i < clients; i++)
        buf_reserve(&scripts[i], 1);
    fine = world_run(seed, scripts, clients, may_vanish, why);
    for (int i = 0; i < clients; i++)
        buf_deinit(&scripts[i]);
    return fine;
}

/* Leaves out units, under several schedules each, as long as it still goes wrong. Returns the schedule. */
static uint64_t minimise(uint64_t seed, struct saying *sayings, int clients, bool may_vanish)
{
    struct buf why = {0};
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (int i = 0; i < clients; i++) {
            for (int j = 0; j < sayings[i].count - 1; j++) { /* the end stays */
                struct buf unit = sayings[i].units[j];
                if (unit.len == 0)
                    continue;
                sayings[i].units[j] = (struct buf){0};
                bool fine = true;
                uint64_t other = seed;
                for (uint64_t k = 0; k < 200 && fine; k++) {
                    other = seed + k;
                    fine = play(other, sayings, clients, may_vanish, &why);
                }
                if (fine) {
                    sayings[i].units[j] = unit;
                } else {
                    seed = other;
                    smaller = true;
                    buf_deinit(&unit);
                }
            }
        }
    }
    buf_deinit(&why);
    return seed;
}

static void tell(uint64_t seed, uint64_t schedule, struct saying *sayings, int clients, bool may_vanish)
{
    struct buf text = {0}, why = {0};
    struct labels labels = {0};
    for (int i = 0; i < clients; i++) {
        buf_printf(&text, "\nclient %d said\n", i + 1);
        for (int j = 0; j < sayings[i].count; j++) {
            if (sayings[i].units[j].len == 0)
                continue;
            buf_append_str(&text, "  ");
            words_decode(&text, &labels, true, sayings[i].units[j].data, sayings[i].units[j].len);
            buf_append_str(&text, "\n");
        }
    }
    play(schedule, sayings, clients, may_vanish, &why);
    fprintf(stderr, "SEED=%" PRIu64 "%s%s\n", seed, buf_text(&text), buf_text(&why));
    labels_deinit(&labels);
    buf_deinit(&text);
    buf_deinit(&why);
}

static bool script_is_fine(uint64_t seed)
{
    struct random r = {seed};
    static struct saying sayings[WORLD_CLIENTS];
    memset(sayings, 0, sizeof sayings);
    int clients = 1 + (int)random_below(&r, WORLD_CLIENTS);
    bool may_vanish = random_one_in(&r, 3);
    for (int i = 0; i < clients; i++)
        make_saying(&r, &sayings[i], i + 1);
    struct buf why = {0};
    bool fine = play(seed, sayings, clients, may_vanish, &why);
    if (!fine) {
        fprintf(stderr, "before minimising: %s\n", buf_text(&why));
        uint64_t schedule = minimise(seed, sayings, clients, may_vanish);
        tell(seed, schedule, sayings, clients, may_vanish);
    }
    for (int i = 0; i < clients; i++)
        for (int j = 0; j < sayings[i].count; j++)
            buf_deinit(&sayings[i].units[j]);
    buf_deinit(&why);
    return fine;
}

/* Scripts that once told a difference; a generator that changes makes other scripts of them. */
START_TEST(both_hear_the_same_where_they_did_not)
{
    static const uint64_t seeds[] = {20381412};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        ck_assert_msg(script_is_fine(seeds[i]), "SEED=%" PRIu64, seeds[i]);
}
END_TEST

START_TEST(both_hear_the_same)
{
    const char *given = getenv("SEED"), *scale = getenv("PGPOOLER_SCALE");
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    seed >>= 16; /* readable */
    int count = SCRIPTS * (scale ? atoi(scale) : 1);
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
        count = scale ? count : 1;
    }
    printf("SEED=%" PRIu64 ", %d scripts\n", seed, count);
    fflush(stdout);
    for (int i = 0; i < count; i++)
        ck_assert_msg(script_is_fine(seed + (uint64_t)i), "SEED=%" PRIu64, seed + (uint64_t)i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_model");
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 3600);
    tcase_add_test(model, both_hear_the_same_where_they_did_not);
    tcase_add_test(model, both_hear_the_same);
    suite_add_tcase(suite, model);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
