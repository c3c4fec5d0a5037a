/* etc/pgpooler.ini is what config_print_sample() prints, loads, and loads with every key in use. */
#include "config_scratch.h"

/* The checked-in file, found from this one; tests are built in the root of the tree. */
static void read_checked_in(struct buf *out)
{
    char path[512];
    const char *here = strstr(__FILE__, "test/unit/");
    ck_assert_ptr_nonnull(here);
    snprintf(path, sizeof(path), "%.*setc/pgpooler.ini", (int)(here - __FILE__), __FILE__);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is not there", path);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof(piece), file)) > 0;)
        buf_append(out, piece, got);
    fclose(file);
}

START_TEST(the_checked_in_file_is_current)
{
    struct buf checked_in = {0}, printed = {0};
    read_checked_in(&checked_in);
    config_print_sample(&printed);
    ck_assert_msg(strcmp(buf_text(&checked_in), buf_text(&printed)) == 0,
                  "etc/pgpooler.ini is not what config_print_sample() prints");
    buf_deinit(&checked_in);
    buf_deinit(&printed);
}
END_TEST

START_TEST(the_sample_loads)
{
    struct buf printed = {0};
    config_print_sample(&printed);
    struct config *c = scratch_load(buf_text(&printed), NULL, NULL);
    ck_assert_int_eq(c->auth_type, AUTH_SCRAM);
    ck_assert_int_eq(c->pool_mode, POOL_MODE_TRANSACTION);
    ck_assert_int_eq(c->default_pool_size, 20);
    ck_assert_ptr_nonnull(c->auto_template);
    config_free(c);
    buf_deinit(&printed);
}
END_TEST

START_TEST(the_sample_has_every_key_once_and_loads_with_all_of_them)
{
    struct buf printed = {0};
    config_print_sample(&printed);
    char *text = mem_strdup(buf_text(&printed));
    for (char *p = text; (p = strstr(p, "\n;")) != NULL;)
        p[1] = ' ';
    struct config *c = scratch_load(text, NULL, NULL);
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row row;
        char line[80];
        config_option_show(c, i, &row);
        snprintf(line, sizeof(line), "\n%s =", row.key);
        const char *in_use = strstr(buf_text(&printed), line);
        snprintf(line, sizeof(line), "\n;%s =", row.key);
        const char *commented_out = strstr(buf_text(&printed), line);
        ck_assert_msg((in_use == NULL) != (commented_out == NULL), "%s is missing or there twice", row.key);
    }
    ck_assert_ptr_nonnull(config_find_entry(c, "fleet"));
    config_free(c);
    mem_free(text);
    buf_deinit(&printed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_sample");
    TCase *current = tcase_create("the_checked_in_file_is_current"); /* in the tree, not in a scratch directory */
    tcase_add_test(current, the_checked_in_file_is_current);
    suite_add_tcase(suite, current);
    ADD_TEST(suite, the_sample_loads);
    ADD_TEST(suite, the_sample_has_every_key_once_and_loads_with_all_of_them);
    return run_suite(suite);
}
