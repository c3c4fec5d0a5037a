/*
 * What the tests of config share: a scratch directory with files in it, and loading them.
 * Each case runs in its own scratch directory, so errors name the files without a path.
 */
#ifndef CONFIG_SCRATCH_H
#define CONFIG_SCRATCH_H

#include "pgpooler/config.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_path[64];

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void scratch_leave(void)
{
    ck_assert_int_eq(chdir("/"), 0);
    nftw(scratch_path, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_enter(void)
{
    strcpy(scratch_path, "/tmp/pgpooler-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch_path));
    ck_assert_int_eq(chdir(scratch_path), 0);
}

static inline void scratch_write_bytes(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    fclose(file);
    chmod(name, 0600);
}

static inline void scratch_write(const char *name, const char *text)
{
    scratch_write_bytes(name, text, strlen(text));
}

/* Loads `text` as t.ini; the case fails when it does not load, unless `errors` is there to take them. */
static inline struct config *scratch_load(const char *text, struct buf *errors, struct buf *warnings)
{
    struct buf own_errors = {0}, own_warnings = {0};
    scratch_write("t.ini", text);
    struct config *c =
        config_load("t.ini", errors == NULL ? &own_errors : errors, warnings == NULL ? &own_warnings : warnings);
    if (errors == NULL)
        ck_assert_msg(c != NULL, "%s\ndoes not load: %s", text, buf_text(&own_errors));
    buf_deinit(&own_errors);
    buf_deinit(&own_warnings);
    return c;
}

static inline uint64_t random_seed(void)
{
    uint64_t seed;
    const char *given = getenv("SEED");
    random_bytes(&seed, sizeof(seed));
    if (given != NULL)
        seed = strtoull(given, NULL, 0);
    printf("SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* xorshift64: small, and the same everywhere. */
static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    *state |= *state == 0;
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 16) % bound);
}

/* Adds a case for every row; the setup makes its scratch directory. */
#define ADD_LOOP(suite, test, rows)                                                                                    \
    do {                                                                                                               \
        TCase *added = tcase_create(#test);                                                                            \
        tcase_add_checked_fixture(added, scratch_enter, scratch_leave);                                                \
        tcase_add_loop_test(added, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])));                                  \
        suite_add_tcase(suite, added);                                                                                 \
    } while (0)
#define ADD_TEST(suite, test)                                                                                          \
    do {                                                                                                               \
        TCase *added = tcase_create(#test);                                                                            \
        tcase_add_checked_fixture(added, scratch_enter, scratch_leave);                                                \
        tcase_add_test(added, test);                                                                                   \
        suite_add_tcase(suite, added);                                                                                 \
    } while (0)

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
