#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/scram.h"

static struct scram_salt salt_of(uint32_t iterations, const char *text)
{
    struct scram_salt salt = {.iterations = iterations, .len = strlen(text)};
    memcpy(salt.bytes, text, salt.len);
    return salt;
}

static struct scram_keys keys_of(int mark)
{
    struct scram_keys keys = {.usable = true};
    memset(keys.client_key, mark & 0xff, sizeof(keys.client_key));
    memset(keys.server_key, mark >> 8 & 0xff, sizeof(keys.server_key));
    return keys;
}

START_TEST(keys_are_found_by_all_that_they_were_made_of)
{
    struct auth_scram_cache *cache = auth_scram_cache_new();
    struct scram_salt salt = salt_of(4096, "salt"), other_salt = salt_of(4096, "salT"),
                      other_count = salt_of(4097, "salt"), longer = salt_of(4096, "salts");
    struct scram_keys keys = keys_of(7), found = {0};
    ck_assert(!scram_cache_find(cache, "secret", &salt, &found));
    scram_cache_keep(cache, "secret", &salt, &keys);
    ck_assert(scram_cache_find(cache, "secret", &salt, &found));
    ck_assert_mem_eq(found.client_key, keys.client_key, DIGEST_LEN);
    ck_assert_mem_eq(found.server_key, keys.server_key, DIGEST_LEN);
    ck_assert(found.usable);
    ck_assert(!scram_cache_find(cache, "secreT", &salt, &found));
    ck_assert(!scram_cache_find(cache, "secret", &other_salt, &found));
    ck_assert(!scram_cache_find(cache, "secret", &other_count, &found));
    ck_assert_msg(!scram_cache_find(cache, "ecret", &longer, &found), "salt and password must not run together");
    auth_scram_cache_free(cache);
}
END_TEST

START_TEST(old_keys_make_room)
{
    struct auth_scram_cache *cache = auth_scram_cache_new();
    struct scram_salt salt = salt_of(1, "salt");
    enum { MANY = 10000 };
    int kept = 0;
    for (int i = 0; i < MANY; i++) {
        char password[16];
        snprintf(password, sizeof(password), "p%d", i);
        struct scram_keys keys = keys_of(i), found;
        scram_cache_keep(cache, password, &salt, &keys);
        ck_assert(scram_cache_find(cache, password, &salt, &found)); /* the newest always */
    }
    for (int i = 0; i < MANY; i++) {
        char password[16];
        snprintf(password, sizeof(password), "p%d", i);
        struct scram_keys expected = keys_of(i), found;
        if (!scram_cache_find(cache, password, &salt, &found))
            continue;
        kept++;
        ck_assert_mem_eq(found.client_key, expected.client_key, DIGEST_LEN);
        ck_assert_mem_eq(found.server_key, expected.server_key, DIGEST_LEN);
    }
    ck_assert_int_le(kept, 4096);
    ck_assert_int_ge(kept, 3000); /* sets fill evenly */
    auth_scram_cache_free(cache);
}
END_TEST

START_TEST(no_cache_finds_nothing)
{
    struct scram_salt salt = salt_of(1, "salt");
    struct scram_keys keys = keys_of(1);
    scram_cache_keep(NULL, "secret", &salt, &keys);
    ck_assert(!scram_cache_find(NULL, "secret", &salt, &keys));
    auth_scram_cache_free(NULL);
}
END_TEST

static void *use_cache(void *arg)
{
    struct auth_scram_cache *cache = arg;
    struct scram_salt salt = salt_of(1, "salt");
    for (int i = 0; i < 2000; i++) {
        char password[16];
        snprintf(password, sizeof(password), "p%d", i % 50);
        struct scram_keys keys = keys_of(i % 50), found;
        if (!scram_cache_find(cache, password, &salt, &found))
            scram_cache_keep(cache, password, &salt, &keys);
        else if (memcmp(found.client_key, keys.client_key, DIGEST_LEN) != 0)
            return cache;
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    struct auth_scram_cache *cache = auth_scram_cache_new();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_cache, cache), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    auth_scram_cache_free(cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_cache");
    TCase *tc = tcase_create("cache");
    tcase_add_test(tc, keys_are_found_by_all_that_they_were_made_of);
    tcase_add_test(tc, old_keys_make_room);
    tcase_add_test(tc, no_cache_finds_nothing);
    tcase_add_test(tc, threads_share_it);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
