/* arena: pieces do not overlap, are aligned, and outlive later ones. */
#include "pgpooler/base.h"

#include <check.h>
#include <stdlib.h>

START_TEST(pieces_are_aligned_and_apart)
{
    enum { PIECES = 2000 };
    struct arena a = {0};
    static struct {
        unsigned char *at;
        size_t size;
    } pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        /* small ones, with some that need a block of their own between them */
        pieces[i].size = i % 97 == 96 ? 20000 : i % 61;
        pieces[i].at = arena_alloc(&a, pieces[i].size);
        ck_assert_uint_eq((uintptr_t)pieces[i].at % _Alignof(max_align_t), 0);
        if (pieces[i].size > 0)
            memset(pieces[i].at, (int)(i % 251), pieces[i].size);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < pieces[i].size; k++)
            ck_assert_msg(pieces[i].at[k] == i % 251, "piece %zu, byte %zu was overwritten", i, k);
    }
    arena_deinit(&a);
    ck_assert_ptr_null(a.blocks);
}
END_TEST

START_TEST(strings_are_copied)
{
    struct arena a = {0};
    char text[] = "node";
    char *copy = arena_strdup(&a, text);
    text[0] = 'c';
    ck_assert_str_eq(copy, "node");
    ck_assert_ptr_null(arena_strdup(&a, NULL));
    ck_assert_str_eq(arena_printf(&a, "%s/%d", copy, 7), "node/7");
    ck_assert_uint_eq(strlen(arena_printf(&a, "%09999d", 1)), 9999);
    ck_assert_str_eq(copy, "node");
    arena_deinit(&a);
}
END_TEST

START_TEST(an_arena_can_be_used_again)
{
    struct arena a = {0};
    arena_deinit(&a);
    arena_alloc(&a, 10);
    arena_deinit(&a);
    ck_assert_str_eq(arena_strdup(&a, "again"), "again");
    arena_deinit(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_base_arena");
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, pieces_are_aligned_and_apart);
    tcase_add_test(tests, strings_are_copied);
    tcase_add_test(tests, an_arena_can_be_used_again);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
