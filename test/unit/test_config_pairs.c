/* Connection strings: which pairs they are, and which are none. */
#include "config/pairs.h"
#include "config/parts.h"
#include "config_scratch.h"

/* What was set, in the order of config.def. */
static void describe(const struct config_entry *entry, struct buf *out)
{
    struct config_entry *unset = entry_new("");
    for (size_t i = 0; i < entry_rows.count; i++) {
        const struct config_option *option = &entry_rows.options[i];
        if (value_equal(option, row_value(entry, option), row_value(unset, option)))
            continue;
        buf_printf(out, "%s[", option->key);
        value_format(option, row_value(entry, option), out);
        buf_append_str(out, "]");
    }
    config_entry_free(unset);
}

#define SYNTAX "syntax error in connection string: "
static const struct {
    const char *what, *text, *set, *why;
} cases[] = {
    {"nothing", "", "", ""},
    {"only blanks", " \t ", "", ""},
    {"two pairs", "host=a dbname=b", "dbname[b]host[a]", ""},
    {"blanks around =", "host = a\tport= 5", "host[a]port[5]", ""},
    {"a value in quotes", "connect_query='select 1; x=y'", "connect_query[select 1; x=y]", ""},
    {"a quote inside quotes", "connect_query='set a=''b'''", "connect_query[set a='b']", ""},
    {"only a quote", "dbname=''''", "dbname[']", ""},
    {"a backslash is a backslash", "dbname=a\\b host='c\\'", "dbname[a\\b]host[c\\]", ""},
    {"a quote inside a bare value", "dbname=a'b", "dbname[a'b]", ""},
    {"the last of two", "dbname=a dbname=b", "dbname[b]", ""},
    {"another name of a key", "reserve_pool=7", "reserve_pool_size[7]", ""},
    {"every kind of value", "pool_mode=STATEMENT server_lifetime=0.5 max_replica_lag=200ms max_pins=10% password=x",
     "password[***]server_lifetime[0.5]pool_mode[statement]max_replica_lag[200ms]max_pins[10%]", ""},
    {"keys of ours", "routing=dry-run read_your_writes=key log_min_duration=off target_session_attrs=prefer-standby",
     "routing[dry-run]target_session_attrs[prefer-standby]read_your_writes[key]log_min_duration[off]", ""},
    {"an empty value", "dbname= host=a", "dbname[host=a]", ""},
    {"an empty value at the end", "host=a dbname=", "host[a]", SYNTAX "a value is empty"},
    {"an empty value in quotes", "dbname='' host=a", "", SYNTAX "a value is empty"},
    {"an open quote", "dbname='a", "", SYNTAX "a quote is not closed"},
    {"an open quote at the end", "dbname='", "", SYNTAX "a quote is not closed"},
    {"nothing between quote and key", "dbname='a'host=b", "", SYNTAX "a blank is missing behind a quote"},
    {"no =", "host", "", SYNTAX "expected key=value"},
    {"no key", "=a", "", SYNTAX "expected key=value"},
    {"a URI", "postgresql://u@h/db", "", SYNTAX "expected key=value"},
    {"an unknown key", "pool_sise=3", "", "unknown key \"pool_sise\"; did you mean \"pool_size\"?"},
    {"libpq's options", "options=-cx=y", "", "unknown key \"options\""},
    {"case counts in keys", "HOST=a", "", "unknown key \"HOST\""},
    {"a bad value", "pool_size=20x", "", "pool_size must be an integer, not \"20x\""},
    {"TLS that is needed", "sslmode=verify-full", "", "sslmode=verify-full: TLS is not available in this version"},
    {"direct TLS", "sslnegotiation=direct", "", "sslnegotiation=direct: TLS is not available in this version"},
    {"channel binding", "channel_binding=require", "", "channel_binding=require: TLS is not available in this version"},
    {"what is before the mistake stays", "host=a port", "host[a]", SYNTAX "expected key=value"},
};

START_TEST(a_string_is_pairs_or_a_mistake)
{
    struct config_entry *entry = entry_new("e");
    struct buf set = {0}, why = {0};
    int err = pairs_parse(cases[_i].text, &entry_rows, entry, &why);
    describe(entry, &set);
    ck_assert_msg(strcmp(buf_text(&set), cases[_i].set) == 0, "%s: set %s", cases[_i].what, buf_text(&set));
    ck_assert_msg(strcmp(buf_text(&why), cases[_i].why) == 0, "%s: %s", cases[_i].what, buf_text(&why));
    ck_assert_msg((err == 0) == (why.len == 0), "%s: %d", cases[_i].what, err);
    config_entry_free(entry);
    buf_deinit(&set);
    buf_deinit(&why);
}
END_TEST

/* Whatever a password is, its quoted form gives it back. */
START_TEST(any_quoted_value_comes_back)
{
    uint64_t state = random_seed();
    for (int round = 0; round < 500; round++) {
        struct config_entry *entry = entry_new("e");
        struct buf text = {0}, value = {0}, why = {0};
        buf_append_str(&text, "host=a password='");
        for (uint32_t i = 0, len = 1 + random_below(&state, 300); i < len; i++) {
            char byte = (char)(1 + random_below(&state, random_below(&state, 2) ? 255 : '\''));
            buf_append(&value, &byte, 1);
            buf_append(&text, &byte, 1);
            if (byte == '\'')
                buf_append(&text, &byte, 1);
        }
        buf_append_str(&text, "' port=7");
        ck_assert_msg(pairs_parse(buf_text(&text), &entry_rows, entry, &why) == 0, "round %d: %s", round,
                      buf_text(&why));
        ck_assert_str_eq(entry->password, buf_text(&value));
        ck_assert_str_eq(entry->ports, "7");
        config_entry_free(entry);
        buf_deinit(&text);
        buf_deinit(&value);
        buf_deinit(&why);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pairs");
    ADD_LOOP(suite, a_string_is_pairs_or_a_mistake, cases);
    ADD_TEST(suite, any_quoted_value_comes_back);
    return run_suite(suite);
}
