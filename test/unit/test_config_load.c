/* Whole files: what they mean, and that every mistake is told with its file and line. */
#include "config_scratch.h"

/* t.ini, which may include part.ini and name the file users. One line of `errors` for each mistake. */
static const struct {
    const char *what, *text, *part, *users, *errors;
} broken[] = {
    {"an empty file", "", NULL, NULL, "t.ini: main section missing from config file: [pgbouncer] or [pgpooler]\n"},
    {"no main section", "[databases]\na=\n[users]\n", NULL, NULL,
     "t.ini: main section missing from config file: [pgbouncer] or [pgpooler]\n"},
    {"a key before the first section", "\nverbose=1\n[pgbouncer]\n", NULL, NULL,
     "t.ini:2: value without section: \"verbose\"\n"},
    {"an unknown section", "[pgbouncer]\n[database]\na=b=c\n", NULL, NULL,
     "t.ini:2: unknown section \"database\"; did you mean \"databases\"?\n"},
    {"sections have case", "[pgbouncer]\n[Users]\n", NULL, NULL,
     "t.ini:2: unknown section \"Users\"; did you mean \"users\"?\n"},
    {"an unknown key", "[pgbouncer]\n\npool_mod = session\n", NULL, NULL,
     "t.ini:3: unknown key \"pool_mod\"; did you mean \"pool_mode\"?\n"},
    {"a bad integer", "[pgbouncer]\nmax_client_conn = many\n", NULL, NULL,
     "t.ini:2: max_client_conn must be an integer, not \"many\"\n"},
    {"a comment behind a value", "[pgbouncer]\nverbose = 1 ; more\n", NULL, NULL,
     "t.ini:2: verbose must be an integer, not \"1 ; more\"\n"},
    {"a value after 300 bytes of another",
     "[pgbouncer]\nignore_startup_parameters = "
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
     "verbose=x\n",
     NULL, NULL, "t.ini:3: verbose must be an integer, not \"x\"\n"},
    {"a port too high", "[pgbouncer]\nlisten_port = 65536\n", NULL, NULL,
     "t.ini:2: listen_port must be between 0 and 65535, not \"65536\"\n"},
    {"pam", "[pgbouncer]\nauth_type = pam\n", NULL, NULL, "t.ini:2: auth_type=pam is not supported by this build\n"},
    {"TLS with clients", "[pgbouncer]\nclient_tls_sslmode = require\n", NULL, NULL,
     "t.ini:2: client_tls_sslmode=require: TLS is not available in this version\n"},
    {"TLS with servers", "[pgbouncer]\nserver_tls_sslmode = verify-ca\n", NULL, NULL,
     "t.ini:2: server_tls_sslmode=verify-ca: TLS is not available in this version\n"},
    {"all mistakes of a file", "[pgbouncer]\nverbose = x\nnonsense\nlisten_port=-1\n", NULL, NULL,
     "t.ini:2: verbose must be an integer, not \"x\"\n"
     "t.ini:3: syntax error: expected key = value; a key with other characters than A-Z a-z 0-9 _ . * - is written in "
     "single quotes\n"
     "t.ini:4: listen_port must be between 0 and 65535, not \"-1\"\n"},
    {"a mistake in an included file", "[pgbouncer]\n%include part.ini\nverbose=y\n", "\nverbose=x\n", NULL,
     "part.ini:2: verbose must be an integer, not \"x\"\nt.ini:3: verbose must be an integer, not \"y\"\n"},
    {"a section from an included file goes on", "[pgbouncer]\n%include part.ini\nverbose=1\n", "[users]\n", NULL,
     "t.ini:3: syntax error in connection string: expected key=value\n"},
    {"an include loop", "[pgbouncer]\n%include part.ini\n", "%include t.ini\n", NULL,
     "part.ini:1: %include loop: t.ini includes itself\n"},
    {"a reserved name", "[pgbouncer]\n[databases]\npgbouncer = host=a\n", NULL, NULL,
     "t.ini:3: database name \"pgbouncer\" is reserved\n"},
    {"our reserved name", "[pgbouncer]\n[databases]\n'pgpooler' = host=a\n", NULL, NULL,
     "t.ini:3: database name \"pgpooler\" is reserved\n"},
    {"a name that PostgreSQL would cut",
     "[pgbouncer]\n[databases]\n"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn = host=a\n",
     NULL, NULL, "t.ini:3: the name is longer than 63 bytes\n"},
    {"a bad connection string does not show its password", "[pgbouncer]\n[databases]\n\na = password='canary\n", NULL,
     NULL, "t.ini:4: syntax error in connection string: a quote is not closed\n"},
    {"a bad port", "[pgbouncer]\n[databases]\na = host=x port=0\n", NULL, NULL,
     "t.ini:3: invalid port: a number from 1 to 65535 is needed, not \"0\"\n"},
    {"a database key for a user", "[pgbouncer]\n[users]\nbob = host=a\n", NULL, NULL,
     "t.ini:3: unknown key \"host\"\n"},
    {"; begins no comment in a connection string", "[pgbouncer]\n[databases]\na = host=b ; c\n", NULL, NULL,
     "t.ini:3: syntax error in connection string: expected key=value\n"},
    {"a user without =", "[pgbouncer]\n[users]\nbob = session\n", NULL, NULL,
     "t.ini:3: syntax error in connection string: expected key=value\n"},
    {"peers are numbers", "[pgbouncer]\n[peers]\nx = host=a\n0 = host=a\n65536 = host=b\n", NULL, NULL,
     "t.ini:3: a peer's name must be a number from 1 to 65535, not \"x\"\n"
     "t.ini:4: a peer's name must be a number from 1 to 65535, not \"0\"\n"
     "t.ini:5: a peer's name must be a number from 1 to 65535, not \"65536\"\n"},
    {"peers have a host", "[pgbouncer]\n[peers]\n1 = port=1\n", NULL, NULL, "t.ini:3: a peer needs a host\n"},
    {"a lag that probes cannot see", "[pgbouncer]\nmax_replica_lag = 500ms\n\n", NULL, NULL,
     "t.ini:2: max_replica_lag is shorter than three times lag_check_period: probing is too slow to see it\n"},
    {"a lag that slow probes cannot see", "[pgbouncer]\nlag_check_period = 10s\n", NULL, NULL,
     "t.ini: max_replica_lag is shorter than three times lag_check_period: probing is too slow to see it\n"},
    {"the same in an entry", "[pgbouncer]\n[databases]\n* = host=b\na = max_replica_lag=1ms\nb = host=c\n", NULL, NULL,
     "t.ini:4: max_replica_lag is shorter than three times lag_check_period: probing is too slow to see it\n"},
    {"auth_query in the console", "[pgbouncer]\nauth_dbname = pgbouncer\n[databases]\n* = auth_dbname=pgpooler\n", NULL,
     NULL,
     "t.ini:2: auth_dbname is the console's name, which is reserved\n"
     "t.ini:4: auth_dbname is the console's name, which is reserved\n"},
    {"a broken auth_file", "[pgbouncer]\nauth_file = users\n", NULL, "\"a\" \"b\"\nc d\n",
     "users:2: broken auth file: expected \"user\" \"secret\"\n"},
    {"a key in double quotes", "[pgbouncer]\n[databases]\n\"my db\" = host=a\n", NULL, NULL,
     "t.ini:3: syntax error: expected key = value; a key with other characters than A-Z a-z 0-9 _ . * - is written in "
     "single quotes\n"},
    {"terminal codes in a file name", "[pgbouncer]\nauth_file = \x1b[2J/\x07\n%include \x07\n", NULL, NULL,
     "t.ini:3: could not load file \"\\x07\": No such file or directory\n"},
    {"terminal codes in a key", "[pgbouncer]\n'\x1b[2J' = 1\n", NULL, NULL, "t.ini:2: unknown key \"\\x1b[2J\"\n"},
};

START_TEST(a_mistake_is_told_with_its_place)
{
    struct buf errors = {0}, warnings = {0};
    if (broken[_i].part != NULL)
        scratch_write("part.ini", broken[_i].part);
    if (broken[_i].users != NULL)
        scratch_write("users", broken[_i].users);
    struct config *c = scratch_load(broken[_i].text, &errors, &warnings);
    ck_assert_msg(c == NULL, "%s: loads", broken[_i].what);
    ck_assert_msg(strcmp(buf_text(&errors), broken[_i].errors) == 0, "%s:\n%s", broken[_i].what, buf_text(&errors));
    buf_deinit(&errors);
    buf_deinit(&warnings);
}
END_TEST

/* Files that load: one key to look at, and the warnings. */
static const struct {
    const char *what, *text, *key, *value, *warnings;
} good[] = {
    {"a default", "[pgbouncer]\n", "default_pool_size", "20", ""},
    {"our name of the main section", "[pgpooler]\nverbose=2\n", "verbose", "2", ""},
    {"the last of two", "[pgbouncer]\nverbose=1\nverbose=2\n", "verbose", "2", ""},
    {"a section that is opened again", "[pgbouncer]\nverbose=1\n[users]\n[databases]\na=\n", "verbose", "1", ""},
    {"a second main section resets", "[pgbouncer]\nverbose=1\nlisten_port=1\n[databases]\n[pgbouncer]\n", "verbose",
     "0", "t.ini:5: a second [pgbouncer] section: all settings above are back at their defaults\n"},
    {"it resets what only counts at the start, too", "[pgbouncer]\nlisten_port=1\n[pgbouncer]\n", "listen_port", "6432",
     "t.ini:3: a second [pgbouncer] section: all settings above are back at their defaults\n"},
    {"our section beside PgBouncer's does not", "[pgbouncer]\nverbose=1\n[pgpooler]\nworkers=2\n", "verbose", "1", ""},
    {"a path with ; and blanks", "[pgbouncer]\nlogfile = /a b/c ; d.log\n", "logfile", "/a b/c ; d.log", ""},
    {"octal", "[pgbouncer]\nunix_socket_mode = 0770\n", "unix_socket_mode", "504", ""},
    {"a fraction of a second", "[pgbouncer]\nserver_lifetime = 0.5\n", "server_lifetime", "0.5", ""},
    {"the file itself", "[pgbouncer]\n", "conffile", "t.ini", ""},
    {"another file next time", "[pgbouncer]\nconffile = /etc/x.ini\n", "conffile", "/etc/x.ini", ""},
    {"another file, emptied", "[pgbouncer]\nconffile =\n", "conffile", "t.ini", ""},
    {"servers with TLS if they like", "[pgbouncer]\nserver_tls_sslmode = allow\n", "server_tls_sslmode", "allow", ""},
    {"an auth_file that is not there", "[pgbouncer]\nauth_file = no\n", "auth_file", "no",
     "no: could not open auth_file: No such file or directory\n"},
    {"terminal codes in the name of an auth_file", "[pgbouncer]\nauth_file = \x1b[2J\n", "verbose", "0",
     "?[2J: could not open auth_file: No such file or directory\n"},
    {"no lag limit with slow probes", "[pgbouncer]\nmax_replica_lag=0\nlag_check_period=10s\n", "max_replica_lag", "0",
     ""},
    {"routing without a mode for it",
     "[pgbouncer]\n[databases]\na = routing=on\nb = routing=on pool_mode=transaction\n", "routing", "off",
     "t.ini:3: routing needs pool_mode transaction or statement: sessions of this entry stay on one node\n"},
};

START_TEST(a_good_file_loads)
{
    struct buf errors = {0}, warnings = {0};
    struct config *c = scratch_load(good[_i].text, &errors, &warnings);
    ck_assert_msg(c != NULL, "%s: %s", good[_i].what, buf_text(&errors));
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row row;
        config_option_show(c, i, &row);
        if (strcmp(row.key, good[_i].key) == 0)
            ck_assert_msg(strcmp(row.value, good[_i].value) == 0, "%s: %s", good[_i].what, row.value);
    }
    ck_assert_msg(strcmp(buf_text(&warnings), good[_i].warnings) == 0, "%s: %s", good[_i].what, buf_text(&warnings));
    config_free(c);
    buf_deinit(&warnings);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
    struct buf errors = {0}, warnings = {0};
    ck_assert_ptr_null(config_load("no.ini", &errors, &warnings));
    ck_assert_str_eq(buf_text(&errors), "no.ini: could not load file \"no.ini\": No such file or directory\n");
    buf_deinit(&errors);
}
END_TEST

START_TEST(parts_are_found)
{
    scratch_write("users", "\"al\" \"one\"\n\"bob\" \"two\"\n");
    struct config *c = scratch_load("[users]\n"
                                    "bob = pool_mode=transaction pool_size=3\n"
                                    "bob = query_timeout=2\n"
                                    "cy = max_user_connections=1\n"
                                    "[databases]\n"
                                    "  app = host=a,b port=1,2 user=u pool_size=7\n"
                                    "app = host=c dbname='real app' application_name='a ; b'\n"
                                    "'my db' =\n"
                                    "* = host=d\n"
                                    "[peers]\n"
                                    "1 = host=/run/one\n"
                                    "2 = host=two port=7 pool_size=9\n"
                                    "2 = host=deux\n"
                                    "[pgbouncer]\n"
                                    "auth_file = users\n",
                                    NULL, NULL);
    ck_assert_uint_eq(c->entry_count, 2);
    const struct config_entry *app = config_find_entry(c, "app");
    ck_assert_str_eq(app->dbname, "real app");
    ck_assert_str_eq(app->application_name, "a ; b");
    ck_assert_int_eq(app->pool_size, -1); /* the second line stands alone */
    ck_assert_ptr_null(app->user);
    ck_assert_uint_eq(app->host_count, 1);
    ck_assert_str_eq(app->hosts[0].host, "c");
    ck_assert(!app->is_auto);
    ck_assert_str_eq(config_find_entry(c, "my db")->dbname, "my db");
    ck_assert_ptr_null(config_find_entry(c, "*"));
    ck_assert_ptr_null(config_find_entry(c, "App"));
    ck_assert_str_eq(c->auto_template->host, "d");

    const struct config_user *bob = config_find_user(c, "bob");
    ck_assert_str_eq(bob->secret, "two");
    ck_assert_int_eq(bob->pool_size, 3);
    ck_assert_int_eq(bob->query_timeout, 2 * USEC_PER_SEC);
    ck_assert_str_eq(config_find_user(c, "al")->secret, "one");
    ck_assert_int_eq(config_find_user(c, "al")->pool_mode, -1);
    ck_assert(!config_find_user(c, "cy")->has_password);
    ck_assert_ptr_null(config_find_user(c, "dora"));

    ck_assert_uint_eq(c->peer_count, 2);
    ck_assert_int_eq(config_find_peer(c, 1)->port, 6432);
    ck_assert_str_eq(config_find_peer(c, 2)->host, "deux");
    ck_assert_int_eq(config_find_peer(c, 2)->pool_size, -1);
    ck_assert_ptr_null(config_find_peer(c, 3));
    config_free(c);
}
END_TEST

START_TEST(many_entries_are_found)
{
    struct buf text = {0};
    buf_append_str(&text, "[pgbouncer]\n[databases]\n");
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "db%d = host=h%d\n", i % 2500, i);
    struct config *c = scratch_load(buf_text(&text), NULL, NULL);
    ck_assert_uint_eq(c->entry_count, 2500);
    ck_assert_str_eq(config_find_entry(c, "db7")->host, "h2507");
    ck_assert_str_eq(config_find_entry(c, "db2499")->host, "h2499");
    ck_assert_ptr_null(config_find_entry(c, "db2500"));
    config_free(c);
    buf_deinit(&text);
}
END_TEST

/* A good file with one thing broken in it loads or tells why; it never does both or neither. */
START_TEST(a_damaged_file_loads_or_tells)
{
    static const char text[] = "[pgbouncer]\nlisten_port = 6432\npool_mode=session\nauth_file=users\n"
                               "server_lifetime=1.5\nmax_pins=50%\n[databases]\n'my db' = host=a,b port=1,2\n"
                               "* = user='x''y' weight=1\n[users]\nbob = pool_size=1\n[peers]\n1 = host=a\n";
    uint64_t state = random_seed();
    scratch_write("users", "\"a\" \"b\"\n");
    for (int round = 0; round < 1000; round++) {
        struct buf errors = {0}, warnings = {0};
        char damaged[sizeof(text)];
        memcpy(damaged, text, sizeof(text));
        size_t len = random_below(&state, 4) == 0 ? random_below(&state, sizeof(text)) : sizeof(text) - 1;
        for (uint32_t i = 0; i < 3 && len > 0; i++)
            damaged[random_below(&state, (uint32_t)len)] = (char)random_below(&state, 256);
        scratch_write_bytes("t.ini", damaged, len);
        struct config *c = config_load("t.ini", &errors, &warnings);
        ck_assert_msg((c == NULL) == (errors.len > 0), "round %d: %s", round, buf_text(&errors));
        config_free(c);
        buf_deinit(&errors);
        buf_deinit(&warnings);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load");
    ADD_LOOP(suite, a_mistake_is_told_with_its_place, broken);
    ADD_LOOP(suite, a_good_file_loads, good);
    ADD_TEST(suite, a_file_that_is_not_there_is_told);
    ADD_TEST(suite, parts_are_found);
    ADD_TEST(suite, many_entries_are_found);
    ADD_TEST(suite, a_damaged_file_loads_or_tells);
    return run_suite(suite);
}
