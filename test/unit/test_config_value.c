/* Values of every kind: text to field and back, and what is refused. */
#include "config/rows.h"
#include "config_scratch.h"

union field {
    const char *text;
    int number;
    usec time;
    struct config_share share;
};

static const struct {
    const char *what;
    enum config_kind kind;
    const char *min, *max;
    const char *text;
    const char *shown; /* NULL: refused */
    const char *why;   /* of a refusal */
} cases[] = {
    {"an integer", KIND_integer, NULL, NULL, "20", "20", NULL},
    {"hexadecimal", KIND_integer, NULL, NULL, "0x10", "16", NULL},
    {"octal", KIND_integer, NULL, NULL, "010", "8", NULL},
    {"the largest integer", KIND_integer, NULL, NULL, "2147483647", "2147483647", NULL},
    {"one more", KIND_integer, NULL, NULL, "2147483648", NULL, "k must be an integer, not \"2147483648\""},
    {"no digits", KIND_integer, NULL, NULL, "", NULL, "k must be an integer, not \"\""},
    {"half a hexadecimal", KIND_integer, NULL, NULL, "0x", NULL, "k must be an integer, not \"0x\""},
    {"a comment behind an integer", KIND_integer, NULL, NULL, "1 ; x", NULL, "k must be an integer, not \"1 ; x\""},
    {"a negative integer", KIND_integer, NULL, NULL, "-1", NULL, "k must be 0 or more, not \"-1\""},
    {"at the bound", KIND_integer, "1", "010", "8", "8", NULL},
    {"over the bound", KIND_integer, "1", "010", "9", NULL, "k must be between 1 and 010, not \"9\""},
    {"under the bound", KIND_integer, "1", NULL, "0", NULL, "k must be 1 or more, not \"0\""},
    {"a flag", KIND_flag, NULL, NULL, "1", "1", NULL},
    {"any integer is a flag", KIND_flag, NULL, NULL, "-60", "1", NULL},
    {"words are no flags", KIND_flag, NULL, NULL, "on", NULL, "k must be 0 or 1, not \"on\""},
    {"auto", KIND_auto_integer, "1", "64", "AUTO", "auto", NULL},
    {"a number instead of auto", KIND_auto_integer, "1", "64", "3", "3", NULL},
    {"0 is not auto", KIND_auto_integer, "1", "64", "0", NULL, "k must be between 1 and 64, not \"0\""},
    {"seconds", KIND_seconds, NULL, NULL, "3600", "3600", NULL},
    {"a fraction", KIND_seconds, NULL, NULL, "0.25", "0.25", NULL},
    {"a fraction alone", KIND_seconds, NULL, NULL, ".5", "0.5", NULL},
    {"a point at the end", KIND_seconds, NULL, NULL, "5.", "5", NULL},
    {"microseconds, and what is below them", KIND_seconds, NULL, NULL, "1.0000019", "1.000001", NULL},
    {"only a point", KIND_seconds, NULL, NULL, ".", NULL,
     "k must be seconds without a unit, such as 30 or 0.5, not \".\""},
    {"a unit", KIND_seconds, NULL, NULL, "5s", NULL, "k must be seconds without a unit, such as 30 or 0.5, not \"5s\""},
    {"negative seconds", KIND_seconds, NULL, NULL, "-1", NULL,
     "k must be seconds without a unit, such as 30 or 0.5, not \"-1\""},
    {"more seconds than a clock has", KIND_seconds, NULL, NULL, "9223372036855", NULL,
     "k must be seconds without a unit, such as 30 or 0.5, not \"9223372036855\""},
    {"a number that overflows", KIND_seconds, NULL, NULL, "99999999999999999999999999", NULL,
     "k must be seconds without a unit, such as 30 or 0.5, not \"99999999999999999999999999\""},
    {"whole seconds", KIND_whole_seconds, NULL, NULL, "0x3c", "60", NULL},
    {"not whole seconds", KIND_whole_seconds, NULL, NULL, "1.5", NULL,
     "k must be whole seconds without a unit, not \"1.5\""},
    {"a bare duration is seconds", KIND_duration, NULL, NULL, "5", "5s", NULL},
    {"microseconds", KIND_duration, NULL, NULL, "7us", "7us", NULL},
    {"milliseconds", KIND_duration, NULL, NULL, "200ms", "200ms", NULL},
    {"the unit that fits is shown", KIND_duration, NULL, NULL, "120s", "2min", NULL},
    {"hours", KIND_duration, NULL, NULL, "1.5h", "90min", NULL},
    {"a blank before the unit", KIND_duration, NULL, NULL, "2 min", "2min", NULL},
    {"no time", KIND_duration, NULL, NULL, "0", "0", NULL},
    {"an unknown unit", KIND_duration, NULL, NULL, "2m", NULL,
     "k must be a time such as 200ms, 5s, 1min or 1h, not \"2m\""},
    {"only a unit", KIND_duration, NULL, NULL, "s", NULL, "k must be a time such as 200ms, 5s, 1min or 1h, not \"s\""},
    {"two points", KIND_duration, NULL, NULL, "1.2.3s", NULL,
     "k must be a time such as 200ms, 5s, 1min or 1h, not \"1.2.3s\""},
    {"a duration over its bound", KIND_duration, "10ms", "1min", "61s", NULL,
     "k must be between 10ms and 1min, not \"61s\""},
    {"a duration under its bound", KIND_duration, "10ms", "1min", "9ms", NULL,
     "k must be between 10ms and 1min, not \"9ms\""},
    {"off", KIND_optional_duration, "0", NULL, "off", "off", NULL},
    {"not off", KIND_optional_duration, "0", NULL, "10ms", "10ms", NULL},
    {"neither", KIND_optional_duration, "0", NULL, "never", NULL,
     "k must be off or a time such as 200ms, 5s, 1min or 1h, not \"never\""},
    {"a share as a number", KIND_share, NULL, NULL, "12", "12", NULL},
    {"a share as a percentage", KIND_share, NULL, NULL, "50%", "50%", NULL},
    {"more than all", KIND_share, NULL, NULL, "101%", NULL,
     "k must be a number or a percentage up to 100%, not \"101%\""},
    {"less than nothing", KIND_share, NULL, NULL, "-2", NULL,
     "k must be a number or a percentage up to 100%, not \"-2\""},
    {"a percentage of what", KIND_share, NULL, NULL, "%", NULL,
     "k must be a number or a percentage up to 100%, not \"%\""},
    {"a word, without case", KIND_pool_mode, NULL, NULL, "TransAction", "transaction", NULL},
    {"no such word", KIND_pool_mode, NULL, NULL, "x", NULL,
     "k must be one of session, transaction, statement, not \"x\""},
    {"a method of this build", KIND_auth_method, NULL, NULL, "scram-sha-256", "scram-sha-256", NULL},
    {"pam", KIND_auth_method, NULL, NULL, "PAM", NULL, "k=pam is not supported by this build"},
    {"ldap", KIND_auth_method, NULL, NULL, "ldap", NULL, "k=ldap is not supported by this build"},
    {"hba", KIND_auth_method, NULL, NULL, "hba", NULL, "k=hba is not supported by this build"},
    {"cert", KIND_auth_method, NULL, NULL, "cert", NULL, "k=cert is not supported by this build"},
    {"clients without TLS", KIND_client_sslmode, NULL, NULL, "disable", "disable", NULL},
    {"clients with TLS", KIND_client_sslmode, NULL, NULL, "allow", NULL,
     "k=allow: TLS is not available in this version"},
    {"servers with TLS if they like", KIND_server_sslmode, NULL, NULL, "prefer", "prefer", NULL},
    {"servers with TLS", KIND_server_sslmode, NULL, NULL, "require", NULL,
     "k=require: TLS is not available in this version"},
    {"servers with certificates", KIND_server_sslmode, NULL, NULL, "verify-full", NULL,
     "k=verify-full: TLS is not available in this version"},
    {"text is taken as it is", KIND_text, NULL, NULL, " a;b ", " a;b ", NULL},
    {"an empty text", KIND_list, NULL, NULL, "", "", NULL},
    {"a secret is not shown", KIND_secret, NULL, NULL, "canary", "***", NULL},
    {"what is quoted is cut and printable", KIND_flag, NULL, NULL,
     "\x1b[31m\n"
     "0123456789012345678901234567890123456789012345678901234567890123456789",
     NULL, "k must be 0 or 1, not \"\\x1b[31m\\x0a012345678901234567890123456789012345678901234567890123...\""},
};

START_TEST(a_value_is_read_or_refused)
{
    struct config_option option = {.key = "k", .kind = cases[_i].kind, .min = cases[_i].min, .max = cases[_i].max};
    union field field;
    struct buf why = {0}, shown = {0};
    value_unset(&option, &field);
    int err = value_parse(&option, cases[_i].text, &field, &why);
    if (cases[_i].shown == NULL) {
        ck_assert_msg(err == ERR_INVALID, "%s was taken", cases[_i].what);
        ck_assert_msg(strcmp(buf_text(&why), cases[_i].why) == 0, "%s: %s", cases[_i].what, buf_text(&why));
        union field unset;
        value_unset(&option, &unset);
        ck_assert_msg(value_equal(&option, &field, &unset), "%s: the field was touched", cases[_i].what);
    } else {
        ck_assert_msg(err == 0, "%s: %s", cases[_i].what, buf_text(&why));
        ck_assert(value_format(&option, &field, &shown));
        ck_assert_msg(strcmp(buf_text(&shown), cases[_i].shown) == 0, "%s: %s", cases[_i].what, buf_text(&shown));
    }
    value_clear(&option, &field);
    buf_deinit(&why);
    buf_deinit(&shown);
}
END_TEST

/* What is shown reads back as the same value, so SHOW CONFIG can be pasted into a file. */
START_TEST(what_is_shown_reads_back)
{
    struct config_option option = {.key = "k", .kind = cases[_i].kind, .min = cases[_i].min, .max = cases[_i].max};
    union field field, again, copied;
    struct buf why = {0}, shown = {0};
    if (cases[_i].shown == NULL || cases[_i].kind == KIND_secret)
        return;
    value_unset(&option, &field);
    value_unset(&option, &again);
    value_unset(&option, &copied);
    ck_assert_int_eq(value_parse(&option, cases[_i].text, &field, &why), 0);
    value_format(&option, &field, &shown);
    ck_assert_int_eq(value_parse(&option, buf_text(&shown), &again, &why), 0);
    value_copy(&option, &copied, &field);
    ck_assert_msg(value_equal(&option, &field, &again), "%s: %s", cases[_i].what, buf_text(&shown));
    ck_assert_msg(value_equal(&option, &field, &copied), "%s", cases[_i].what);
    value_clear(&option, &field);
    ck_assert_msg(!value_equal(&option, &field, &copied), "%s", cases[_i].what);
    value_clear(&option, &again);
    value_clear(&option, &copied);
    buf_deinit(&shown);
}
END_TEST

/* The words of a kind are all there: every value of the enum has a name. */
START_TEST(every_word_has_one_value)
{
    for (int kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        const struct config_word *first = words_of((enum config_kind)kind);
        int count = 0;
        while (first != NULL && first[count].word != NULL)
            count++;
        for (int value = 0; value < count; value++)
            ck_assert_msg(words_name((enum config_kind)kind, value) != NULL, "kind %d has no word for %d", kind, value);
    }
    ck_assert_str_eq(config_pool_mode_word(POOL_MODE_TRANSACTION), "transaction");
    ck_assert_ptr_null(config_pool_mode_word(-1));
    ck_assert_str_eq(config_load_balance_word(LOAD_BALANCE_ROUND_ROBIN), "round-robin");
}
END_TEST

static void rows_are_good(const struct config_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct config_option *option = &rows->options[i];
        struct buf why = {0};
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(option->key, rows->options[j].key) != 0, "%s is there twice", option->key);
        ck_assert_ptr_eq(rows_find(rows, option->key, &why), option);
        ck_assert_msg(option->help == NULL || option->help[strlen(option->help) - 1] == '.',
                      "the help of %s is no sentence", option->key);
        bool has_global = rows_find(&global_rows, option->key, &why) != NULL;
        ck_assert_msg(option->help != NULL || has_global, "%s has no help and no global key", option->key);
        buf_deinit(&why);
    }
}

START_TEST(the_rows_of_config_def_are_good)
{
    rows_are_good(&global_rows);
    rows_are_good(&entry_rows);
    rows_are_good(&user_rows);
    rows_are_good(&peer_rows);
}
END_TEST

static const struct {
    const char *what, *key, *why;
} unknown_keys[] = {
    {"a letter too many", "pool_modes", "unknown key \"pool_modes\"; did you mean \"pool_mode\"?"},
    {"two letters wrong", "lisen_por", "unknown key \"lisen_por\"; did you mean \"listen_port\"?"},
    {"the nearest of several", "max_user_connection",
     "unknown key \"max_user_connection\"; did you mean \"max_user_connections\"?"},
    {"case counts", "Verbose", "unknown key \"Verbose\"; did you mean \"verbose\"?"},
    {"nothing near", "frobnicate", "unknown key \"frobnicate\""},
    {"nothing at all", "", "unknown key \"\""},
};
START_TEST(an_unknown_key_gets_a_guess)
{
    struct buf why = {0};
    ck_assert_ptr_null(rows_find(&global_rows, unknown_keys[_i].key, &why));
    ck_assert_msg(strcmp(buf_text(&why), unknown_keys[_i].why) == 0, "%s: %s", unknown_keys[_i].what, buf_text(&why));
    buf_deinit(&why);
}
END_TEST

START_TEST(other_names_of_keys_are_known)
{
    struct buf why = {0};
    ck_assert_str_eq(rows_find(&global_rows, "service_name", &why)->key, "job_name");
    ck_assert_str_eq(rows_find(&entry_rows, "reserve_pool", &why)->key, "reserve_pool_size");
    ck_assert_ptr_null(rows_find(&global_rows, "reserve_pool", &why));
    buf_deinit(&why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value");
    ADD_LOOP(suite, a_value_is_read_or_refused, cases);
    ADD_LOOP(suite, what_is_shown_reads_back, cases);
    ADD_TEST(suite, every_word_has_one_value);
    ADD_TEST(suite, the_rows_of_config_def_are_good);
    ADD_LOOP(suite, an_unknown_key_gets_a_guess, unknown_keys);
    ADD_TEST(suite, other_names_of_keys_are_known);
    return run_suite(suite);
}
