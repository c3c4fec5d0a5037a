/* host, port, weight and zone lists become hosts. */
#include "config/pairs.h"
#include "config/parts.h"
#include "config_scratch.h"

static const struct {
    const char *what, *text;
    const char *hosts; /* host:port*weight@zone, one after the other; NULL: refused */
    const char *why;
} cases[] = {
    {"no host is the Unix socket", "dbname=x", "-:5432*1@- ", NULL},
    {"a port for the Unix socket", "port=6000", "-:6000*1@- ", NULL},
    {"one host", "host=a port=5433", "a:5433*1@- ", NULL},
    {"IPv6", "host=::1", "::1:5432*1@- ", NULL},
    {"a directory and an abstract socket", "host=/run/pg,@x", "/run/pg:5432*1@- @x:5432*1@- ", NULL},
    {"one port for all", "host=a,b port=7", "a:7*1@- b:7*1@- ", NULL},
    {"one port for each", "host=a,b,c port=7,8,9", "a:7*1@- b:8*1@- c:9*1@- ", NULL},
    {"blanks in quoted lists", "host=' a , b ' port='7 , 8'", "a:7*1@- b:8*1@- ", NULL},
    {"empty names are none", "host=a,, port=7", "a:7*1@- ", NULL},
    {"only commas", "host=,,", "-:5432*1@- ", NULL},
    {"weights", "host=a,b weight=2,0", "a:5432*2@- b:5432*0@- ", NULL},
    {"one weight", "host=a,b weight=3", "a:5432*3@- b:5432*3@- ", NULL},
    {"zones", "host=a,b zone=x,y", "a:5432*1@x b:5432*1@y ", NULL},
    {"one zone", "host=a,b zone=x", "a:5432*1@x b:5432*1@x ", NULL},
    {"the highest port", "port=65535", "-:65535*1@- ", NULL},
    {"a port too high", "port=65536", NULL, "invalid port: a number from 1 to 65535 is needed, not \"65536\""},
    {"port 0", "port=0", NULL, "invalid port: a number from 1 to 65535 is needed, not \"0\""},
    {"port and garbage", "port=5432x", NULL, "invalid port: a number from 1 to 65535 is needed, not \"5432x\""},
    {"a huge port", "port=99999999999999999999", NULL,
     "invalid port: a number from 1 to 65535 is needed, not \"99999999999999999999\""},
    {"the second port is bad", "host=a,b port=1,x", NULL,
     "invalid port: a number from 1 to 65535 is needed, not \"1,x\""},
    {"too few ports", "host=a,b,c port=1,2", NULL,
     "port has 2 values for 3 hosts: one for all or one for each is needed"},
    {"too many ports", "host=a port=1,2", NULL, "port has 2 values for 1 hosts: one for all or one for each is needed"},
    {"a list of no ports", "host=a port=,", NULL,
     "port has 0 values for 1 hosts: one for all or one for each is needed"},
    {"a negative weight", "host=a weight=-1", NULL, "invalid weight: a number from 0 to 1000 is needed, not \"-1\""},
    {"too many zones", "host=a zone=x,y", NULL, "zone has 2 values for 1 hosts: one for all or one for each is needed"},
};

START_TEST(lists_become_hosts)
{
    struct config_entry *entry = entry_new("e");
    struct buf why = {0}, hosts = {0};
    ck_assert_int_eq(pairs_parse(cases[_i].text, &entry_rows, entry, &why), 0);
    int err = entry_split_hosts(entry, &why);
    for (size_t i = 0; i < entry->host_count; i++) {
        const struct config_host *h = &entry->hosts[i];
        buf_printf(&hosts, "%s:%d*%d@%s ", h->host == NULL ? "-" : h->host, h->port, h->weight,
                   h->zone == NULL ? "-" : h->zone);
    }
    if (cases[_i].hosts != NULL) {
        ck_assert_msg(err == 0, "%s: %s", cases[_i].what, buf_text(&why));
        ck_assert_msg(strcmp(buf_text(&hosts), cases[_i].hosts) == 0, "%s: %s", cases[_i].what, buf_text(&hosts));
        ck_assert_int_eq(entry->port, entry->hosts[0].port);
    } else {
        ck_assert_msg(err == ERR_INVALID, "%s: %s", cases[_i].what, buf_text(&hosts));
        ck_assert_msg(strcmp(buf_text(&why), cases[_i].why) == 0, "%s: %s", cases[_i].what, buf_text(&why));
    }
    config_entry_free(entry);
    buf_deinit(&why);
    buf_deinit(&hosts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hosts");
    ADD_LOOP(suite, lists_become_hosts, cases);
    return run_suite(suite);
}
