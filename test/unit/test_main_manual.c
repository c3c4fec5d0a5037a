/* man/pgpooler.1 tells of everything that there is. */
#include "admin/console.h"
#include "main/manual.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct buf page;

/* The checked-in page, found from this file; tests are built in the root of the tree. */
static void read_page(void)
{
    char path[512];
    const char *here = strstr(__FILE__, "test/unit/");
    ck_assert_ptr_nonnull(here);
    snprintf(path, sizeof path, "%.*sman/pgpooler.1", (int)(here - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is not there", path);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_append(&page, piece, got);
    fclose(file);
}

static void free_page(void)
{
    buf_deinit(&page);
}

START_TEST(the_keys_are_current)
{
    struct buf printed = {0};
    manual_print_options(&printed);
    ck_assert_msg(strstr(buf_text(&page), buf_text(&printed)) != NULL,
                  "man/pgpooler.1 does not have what pgpooler --print-man-options prints");
    buf_deinit(&printed);
}
END_TEST

START_TEST(every_show_is_in_it)
{
    for (int i = 0; i < show_count; i++)
        ck_assert_msg(strstr(buf_text(&page), shows[i].word) != NULL, "SHOW %s", shows[i].word);
}
END_TEST

START_TEST(no_line_of_text_is_taken_for_a_request)
{
    struct buf printed = {0};
    manual_print_options(&printed);
    static const char *const known[] = {".TP\n", ".B ", ".SS ", ".PP\n", ".IR ", ".\\\" "};
    for (const char *line = buf_text(&printed); *line != '\0'; line += strcspn(line, "\n") + 1) {
        bool is_known = *line != '.' && *line != '\'';
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known = is_known || strncmp(line, known[i], strlen(known[i])) == 0;
        ck_assert_msg(is_known, "%.*s", (int)strcspn(line, "\n"), line);
    }
    buf_deinit(&printed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("main_manual");
    TCase *tcase = tcase_create("manual");
    tcase_add_checked_fixture(tcase, read_page, free_page);
    tcase_add_test(tcase, the_keys_are_current);
    tcase_add_test(tcase, every_show_is_in_it);
    tcase_add_test(tcase, no_line_of_text_is_taken_for_a_request);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
