/* mem, random and err: allocation, comparison in constant time, names of errors. */
#include "pgpooler/base.h"

#include <check.h>
#include <stdlib.h>

START_TEST(allocations_of_nothing_are_valid_pointers)
{
    void *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_dup(NULL, 0), *d = mem_realloc(NULL, 0);
    ck_assert(a && b && c && d);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
    mem_free(NULL);
}
END_TEST

START_TEST(zalloc_gives_zeros)
{
    static const char zeros[300];
    char *bytes = mem_zalloc(sizeof(zeros));
    ck_assert_mem_eq(bytes, zeros, sizeof(zeros));
    mem_free(bytes);
}
END_TEST

START_TEST(copies_are_exact)
{
    char *text = mem_strdup("pool");
    char *part = mem_strndup("pooler", 4);
    char *with_nul = mem_strndup("a\0b", 3);
    ck_assert_str_eq(text, "pool");
    ck_assert_str_eq(part, "pool");
    ck_assert_mem_eq(with_nul, "a\0b", 4);
    mem_free(text);
    mem_free(part);
    mem_free(with_nul);
}
END_TEST

START_TEST(printf_grows_to_any_length)
{
    char *text = mem_printf("%0300d", 7);
    ck_assert_uint_eq(strlen(text), 300);
    ck_assert(text[299] == '7');
    mem_free(text);
    text = mem_printf("%s", "");
    ck_assert_str_eq(text, "");
    mem_free(text);
}
END_TEST

START_TEST(wipe_zeroes)
{
    char secret[] = "hunter2";
    mem_wipe(secret, sizeof(secret) - 1);
    ck_assert_mem_eq(secret, "\0\0\0\0\0\0\0", sizeof(secret));
    mem_wipe(NULL, 0);
}
END_TEST

static const struct {
    const char *what, *a, *b;
    size_t len;
    bool equal;
} comparisons[] = {
    {"equal bytes", "secret", "secret", 6, true},
    {"a difference in the first byte", "secret", "Secret", 6, false},
    {"a difference in the last byte", "secret", "secreT", 6, false},
    {"differences that would cancel out if they were added", "ba", "ab", 2, false},
    {"a difference behind the length does not count", "secretX", "secretY", 6, true},
    {"bytes behind a NUL count", "a\0b", "a\0c", 3, false},
    {"nothing equals nothing", "x", "y", 0, true},
};

START_TEST(consttime_comparison)
{
    bool equal = mem_equal_consttime(comparisons[_i].a, comparisons[_i].b, comparisons[_i].len);
    ck_assert_msg(equal == comparisons[_i].equal, "%s", comparisons[_i].what);
}
END_TEST

START_TEST(random_bytes_fill_the_whole_range_and_no_more)
{
    unsigned char bytes[402] = {0}, seen = 0;
    for (int round = 0; round < 64; round++) { /* a byte that stays 0 in all rounds: 1 in 2^512 */
        unsigned char first = bytes[1], last = bytes[400];
        random_bytes(bytes + 1, 400);
        seen |= (unsigned char)((bytes[1] != first) | (bytes[400] != last) << 1);
        ck_assert_uint_eq(bytes[0], 0);
        ck_assert_uint_eq(bytes[401], 0);
    }
    ck_assert_uint_eq(seen, 3);
}
END_TEST

START_TEST(every_error_has_its_own_name)
{
    for (int a = 0; a >= ERR_INVALID; a--) {
        for (int b = a - 1; b >= ERR_INVALID - 1; b--)
            ck_assert_msg(strcmp(err_text(a), err_text(b)) != 0, "%d and %d: %s", a, b, err_text(a));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_base_mem");
    TCase *tests = tcase_create("mem");
    tcase_add_test(tests, allocations_of_nothing_are_valid_pointers);
    tcase_add_test(tests, zalloc_gives_zeros);
    tcase_add_test(tests, copies_are_exact);
    tcase_add_test(tests, printf_grows_to_any_length);
    tcase_add_test(tests, wipe_zeroes);
    tcase_add_loop_test(tests, consttime_comparison, 0, sizeof(comparisons) / sizeof(*comparisons));
    tcase_add_test(tests, random_bytes_fill_the_whole_range_and_no_more);
    tcase_add_test(tests, every_error_has_its_own_name);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
