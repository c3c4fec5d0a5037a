/* Lines of auth_file: who has which secret, and what is broken. */
#include "config/auth_file.h"
#include "config/parts.h"
#include "config_scratch.h"

static const struct {
    const char *what, *text;
    const char *users; /* name=secret, one after the other */
    const char *errors;
} cases[] = {
    {"an empty file", "", "", ""},
    {"one user", "\"bob\" \"secret\"\n", "bob=secret ", ""},
    {"no newline at the end", "\"bob\" \"secret\"", "bob=secret ", ""},
    {"CRLF", "\"bob\" \"secret\"\r\n\r\n", "bob=secret ", ""},
    {"all three kinds of secret",
     "\"a\" \"plain\"\n\"b\" \"md5d41d8cd98f00b204e9800998ecf8427e\"\n\"c\" "
     "\"SCRAM-SHA-256$4096:c2FsdA==$eA==:eA==\"\n",
     "a=plain b=md5d41d8cd98f00b204e9800998ecf8427e c=SCRAM-SHA-256$4096:c2FsdA==$eA==:eA== ", ""},
    {"the rest of a line is ignored", "\"bob\" \"secret\" \"x\" whatever\n", "bob=secret ", ""},
    {"a comment, blank lines, leading blanks", "; \"no\" \"one\"\n\n \t\n  \"bob\"\t\"s\"\n", "bob=s ", ""},
    {"quotes inside", "\"b\"\"ob\" \"se\"\"cret\"\"\"\n", "b\"ob=se\"cret\" ", ""},
    {"no blank between", "\"bob\"\"\" \"s\"\n", "bob\"=s ", ""},
    {"an empty secret is a secret", "\"bob\" \"\"\n", "bob= ", ""},
    {"the last of two lines", "\"bob\" \"1\"\n\"bob\" \"2\"\n", "bob=2 ", ""},
    {"# is no comment", "# x\n\"bob\" \"s\"\n", "bob=s ", "users:1: broken auth file: expected \"user\" \"secret\"\n"},
    {"without quotes", "bob secret\n", "", "users:1: broken auth file: expected \"user\" \"secret\"\n"},
    {"without a secret", "\n\"bob\"\n", "", "users:2: broken auth file: expected \"user\" \"secret\"\n"},
    {"an open quote ends with its line", "\"bob\" \"canary\n\"al\" \"s\"\n", "al=s ",
     "users:1: broken auth file: expected \"user\" \"secret\"\n"},
    {"an empty name", "\"\" \"s\"\n", "", "users:1: broken auth file: the user's name is empty\n"},
    {"every broken line is told", "x\ny\n", "",
     "users:1: broken auth file: expected \"user\" \"secret\"\nusers:2: broken auth file: expected \"user\" "
     "\"secret\"\n"},
};

static void load_users(struct config *c, struct buf *errors, struct buf *warnings)
{
    struct config_report report = {errors, warnings, 0};
    auth_file_load(c, "users", &report);
}

START_TEST(lines_become_users)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0}, users = {0};
    scratch_write("users", cases[_i].text);
    load_users(c, &errors, &warnings);
    for (size_t i = 0; i < c->user_count; i++)
        buf_printf(&users, "%s=%s ", c->users[i]->name, c->users[i]->has_password ? c->users[i]->secret : "(none)");
    ck_assert_msg(strcmp(buf_text(&users), cases[_i].users) == 0, "%s: %s", cases[_i].what, buf_text(&users));
    ck_assert_msg(strcmp(buf_text(&errors), cases[_i].errors) == 0, "%s: %s", cases[_i].what, buf_text(&errors));
    ck_assert_ptr_null(strstr(buf_text(&errors), "canary"));
    ck_assert_uint_eq(warnings.len, 0);
    config_free(c);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    buf_deinit(&users);
}
END_TEST

static void long_line(size_t name_len, size_t secret_len, const char *expected)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0}, text = {0};
    buf_append_str(&text, "\"");
    for (size_t i = 0; i < name_len; i++)
        buf_append_u8(&text, 'n');
    buf_append_str(&text, "\" \"");
    for (size_t i = 0; i < secret_len; i++)
        buf_append_u8(&text, 's');
    buf_append_str(&text, "\"\n");
    scratch_write_bytes("users", text.data, text.len);
    load_users(c, &errors, &warnings);
    ck_assert_str_eq(buf_text(&errors), expected);
    ck_assert_uint_eq(c->user_count, expected[0] == '\0' ? 1 : 0);
    config_free(c);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    buf_deinit(&text);
}

START_TEST(names_and_secrets_have_bounds)
{
    long_line(127, 65530, "");
    long_line(128, 1, "users:1: broken auth file: the user's name is longer than 127 bytes\n");
    long_line(1, 65531, "users:1: broken auth file: the secret is longer than 65530 bytes\n");
}
END_TEST

START_TEST(a_nul_byte_is_an_error)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0};
    static const char text[] = "\"a\" \"x\0y\"\n\"b\" \"z\"\n";
    scratch_write_bytes("users", text, sizeof(text) - 1);
    load_users(c, &errors, &warnings);
    ck_assert_str_eq(buf_text(&errors), "users:1: broken auth file: the line has a NUL byte\n");
    ck_assert_ptr_nonnull(config_find_user(c, "b"));
    ck_assert_ptr_null(config_find_user(c, "a"));
    config_free(c);
    buf_deinit(&errors);
    buf_deinit(&warnings);
}
END_TEST

START_TEST(a_missing_file_is_a_warning)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0};
    load_users(c, &errors, &warnings);
    ck_assert_uint_eq(errors.len, 0);
    ck_assert_str_eq(buf_text(&warnings), "users: could not open auth_file: No such file or directory\n");
    config_free(c);
    buf_deinit(&warnings);
}
END_TEST

START_TEST(a_directory_is_an_error)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0};
    mkdir("users", 0700);
    load_users(c, &errors, &warnings);
    ck_assert_str_eq(buf_text(&errors), "users: could not read auth_file: not a regular file\n");
    config_free(c);
    buf_deinit(&errors);
}
END_TEST

START_TEST(a_file_for_everybody_is_a_warning)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0};
    scratch_write("users", "\"bob\" \"s\"\n");
    chmod("users", 0644);
    load_users(c, &errors, &warnings);
    ck_assert_str_eq(buf_text(&warnings), "users: auth_file can be read by every user of this system\n");
    config_free(c);
    buf_deinit(&warnings);
}
END_TEST

START_TEST(who_is_not_in_the_file_any_more_has_no_password)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0};
    config_need_user(c, "al")->pool_size = 7;
    scratch_write("users", "\"al\" \"1\"\n\"bob\" \"2\"\n");
    load_users(c, &errors, &warnings);
    scratch_write("users", "\"bob\" \"3\"\n");
    load_users(c, &errors, &warnings);
    ck_assert(!config_find_user(c, "al")->has_password);
    ck_assert_ptr_null(config_find_user(c, "al")->secret);
    ck_assert_int_eq(config_find_user(c, "al")->pool_size, 7);
    ck_assert_str_eq(config_find_user(c, "bob")->secret, "3");
    config_free(c);
}
END_TEST

START_TEST(many_users_are_found)
{
    struct config *c = mem_zalloc(sizeof(*c));
    struct buf errors = {0}, warnings = {0}, text = {0};
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "\"user%d\" \"secret%d\"\n", i, i);
    scratch_write_bytes("users", text.data, text.len);
    load_users(c, &errors, &warnings);
    ck_assert_uint_eq(c->user_count, 20000);
    ck_assert_str_eq(config_find_user(c, "user19999")->secret, "secret19999");
    ck_assert_str_eq(config_find_user(c, "user0")->secret, "secret0");
    ck_assert_ptr_null(config_find_user(c, "user20000"));
    config_free(c);
    buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_file");
    ADD_LOOP(suite, lines_become_users, cases);
    ADD_TEST(suite, names_and_secrets_have_bounds);
    ADD_TEST(suite, a_nul_byte_is_an_error);
    ADD_TEST(suite, a_missing_file_is_a_warning);
    ADD_TEST(suite, a_directory_is_an_error);
    ADD_TEST(suite, a_file_for_everybody_is_a_warning);
    ADD_TEST(suite, who_is_not_in_the_file_any_more_has_no_password);
    ADD_TEST(suite, many_users_are_found);
    return run_suite(suite);
}
