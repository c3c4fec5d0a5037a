/* config_sample - the text of etc/pgpooler.ini, from config.def. */
#include "rows.h"

/* Headings, in the order of the file; each stands for the rows of config.def with its group. */
static const struct {
    const char *group, *heading;
} groups[] = {
    {"listen", "Where clients find us"},
    {"auth", "Who may log in"},
    {"console", "Who may use the console (database pgbouncer or pgpooler)"},
    {"pools", "Pools"},
    {"limits", "Limits"},
    {"time", "Timeouts"},
    {"client", "Clients"},
    {"server", "Servers"},
    {"route", "Reads on replicas"},
    {"tls", "TLS"},
    {"log", "Log"},
    {"metrics", "Metrics"},
    {"net", "TCP"},
    {"files", "Files and the process"},
    {"process", "Threads and shutdown"},
};

/* What a first installation needs; all other keys stay commented out. */
static const struct {
    const char *key, *value;
} working_set[] = {
    {"listen_addr", "127.0.0.1"},   {"listen_port", "6432"},
    {"auth_type", "scram-sha-256"}, {"auth_file", "/etc/pgpooler/userlist.txt"},
    {"pool_mode", "transaction"},
};

static const char introduction[] =
    "# pgpooler.ini - the configuration of pgpooler.\n"
    "#\n"
    "# A file of PgBouncer works as it is: [pgbouncer] is another name of [pgpooler].\n"
    "# Lines that begin with ; or # are comments; commented-out keys show their defaults.\n"
    "# A value runs to the end of its line. %include FILE reads another file in its place.\n"
    "# RELOAD on the console, or SIGHUP, reads all of this again, except what is marked (start only).\n";

static const char databases[] = "\n[databases]\n"
                                "# What clients may connect to: name = key=value key='value with blanks' ...\n"
                                "# The name * stands for all that are not listed.\n"
                                "#\n";
static const char database_examples[] = ";app = host=10.0.0.1 port=5432 dbname=app pool_size=50\n"
                                        ";fleet = host=10.0.0.1,10.0.0.2,10.0.0.3 weight=1,2,2 routing=on\n"
                                        "* = host=127.0.0.1 port=5432\n";

static const char users[] = "\n[users]\n"
                            "# Settings for single users, before those of databases: name = key=value ...\n"
                            "#\n";
static const char user_examples[] = ";report = pool_mode=session query_timeout=3600\n";

static const char peers[] =
    "\n[peers]\n"
    "# Other processes that clients may reach under the same address, so that a cancel request\n"
    "# finds its way: peer_id = key=value ...\n"
    "#\n";
static const char peer_examples[] = ";1 = host=/var/run/pgpooler1\n"
                                    ";2 = host=/var/run/pgpooler2\n";

/* Keys of their own with their help, then the names of those that are explained below. */
static void print_part_keys(struct buf *out, const struct config_rows *rows)
{
    enum { LINE_LEN = 96 };
    size_t column = LINE_LEN;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->options[i].help != NULL)
            buf_printf(out, "#   %-21s %s\n", rows->options[i].key, rows->options[i].help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct config_option *option = &rows->options[i];
        if (option->help != NULL)
            continue;
        size_t len = strlen(option->key) + 1;
        if (column == LINE_LEN)
            buf_append_str(out, "# and, as the global keys of the same names:");
        if (column + len > LINE_LEN) {
            buf_append_str(out, "\n#  ");
            column = strlen("#  ");
        }
        buf_printf(out, " %s", option->key);
        column += len;
    }
    if (column != LINE_LEN)
        buf_append_str(out, "\n");
}

static const char *working_value(const char *key)
{
    for (size_t i = 0; i < sizeof(working_set) / sizeof(working_set[0]); i++)
        if (strcmp(working_set[i].key, key) == 0)
            return working_set[i].value;
    return NULL;
}

static void print_option(struct buf *out, const struct config_option *option)
{
    buf_printf(out, "# %s%s\n", option->help, option->change == CHANGE_START ? " (start only)" : "");
    const char *value = working_value(option->key);
    if (value != NULL) {
        buf_printf(out, "%s = %s\n", option->key, value);
        return;
    }
    buf_printf(out, ";%s =", option->key);
    if (option->default_text != NULL && option->default_text[0] != '\0')
        buf_printf(out, " %s", option->default_text);
    buf_append_str(out, "\n");
}

void config_print_sample(struct buf *out)
{
    buf_append_str(out, introduction);
    buf_append_str(out, databases);
    print_part_keys(out, &entry_rows);
    buf_append_str(out, database_examples);
    buf_append_str(out, users);
    print_part_keys(out, &user_rows);
    buf_append_str(out, user_examples);
    buf_append_str(out, peers);
    print_part_keys(out, &peer_rows);
    buf_append_str(out, peer_examples);

    buf_append_str(out, "\n[pgpooler]\n");
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        buf_printf(out, "\n##### %s\n\n", groups[g].heading);
        for (size_t i = 0; i < global_rows.count; i++)
            if (strcmp(global_rows.options[i].group, groups[g].group) == 0)
                print_option(out, &global_rows.options[i]);
    }
}
