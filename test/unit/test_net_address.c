/* address: numbers, socket directories and names. */
#include "pgpooler/net.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

#define HUNDRED "/a123456789/a123456789/a123456789/a123456789/a123456789/a123456789/a123456789/a123456789/a1"

static const struct {
    const char *what, *host;
    int port, expected;
    const char *text;
} cases[] = {
    {"IPv4", "127.0.0.1", 5432, 0, "127.0.0.1"},
    {"IPv6", "::1", 6432, 0, "::1"},
    {"IPv6 is written in its short form", "2001:0db8::0:1", 1, 0, "2001:db8::1"},
    {"a link-local address with its interface", "fe80::1%lo", 1, 0, "fe80::1%lo"},
    {"an interface that does not exist", "fe80::1%nosuch", 1, ERR_NOT_FOUND, ""},
    {"the highest port", "10.0.0.1", 65535, 0, "10.0.0.1"},
    {"a directory", "/var/run/postgresql", 5432, 0, "unix"},
    {"an abstract name", "@pooler", 5432, 0, "unix"},
    {"a name", "localhost", 5432, ERR_NOT_FOUND, ""},
    {"nothing", "", 5432, ERR_NOT_FOUND, ""},
    {"almost a number", "127.0.0", 5432, ERR_NOT_FOUND, ""},
    {"a very long name", &HUNDRED[1], 5432, ERR_NOT_FOUND, ""},
    {"a port too high", "127.0.0.1", 65536, ERR_INVALID, ""},
    {"a port below zero", "/tmp", -1, ERR_INVALID, ""},
    {"a directory too long for a socket", HUNDRED "/and/more/than/that", 5432, ERR_TOO_LARGE, ""},
};

START_TEST(hosts_become_addresses)
{
    struct address address;
    char text[64];
    int result = address_parse(cases[_i].host, cases[_i].port, &address);
    ck_assert_msg(result == cases[_i].expected, "%s: %s", cases[_i].what, err_text(result));
    if (result != 0)
        return;
    ck_assert_msg(strcmp(address_text(&address, text, sizeof text), cases[_i].text) == 0, "%s: %s", cases[_i].what,
                  text);
    ck_assert_int_eq(address_port(&address), address_is_local(&address) ? 0 : cases[_i].port);
}
END_TEST

START_TEST(local_names_are_postgresql_s)
{
    struct address address;
    ck_assert_int_eq(address_parse("/run", 5433, &address), 0);
    ck_assert_str_eq(address.local.sun_path, "/run/.s.PGSQL.5433");
    ck_assert_uint_eq(address.len, offsetof(struct sockaddr_un, sun_path) + sizeof "/run/.s.PGSQL.5433");
    ck_assert_int_eq(address_parse("@app", 5433, &address), 0);
    ck_assert_mem_eq(address.local.sun_path, "\0app/.s.PGSQL.5433", 18);
    ck_assert_uint_eq(address.len, offsetof(struct sockaddr_un, sun_path) + 18);
}
END_TEST

START_TEST(text_is_cut_to_its_room)
{
    struct address address;
    char text[5];
    ck_assert_int_eq(address_parse("127.0.0.1", 1, &address), 0);
    ck_assert_str_eq(address_text(&address, text, sizeof text), "127.");
}
END_TEST

START_TEST(a_descriptor_without_a_peer_has_no_address)
{
    struct address address;
    char text[8];
    address_of_peer(-1, &address);
    ck_assert_uint_eq(address.len, 0);
    ck_assert_str_eq(address_text(&address, text, sizeof text), "");
    ck_assert_int_eq(address_port(&address), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_address");
    TCase *tcase = tcase_create("address");
    tcase_add_loop_test(tcase, hosts_become_addresses, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, local_names_are_postgresql_s);
    tcase_add_test(tcase, text_is_cut_to_its_room);
    tcase_add_test(tcase, a_descriptor_without_a_peer_has_no_address);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
