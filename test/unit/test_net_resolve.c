/* resolve: numbers at once but later, names through a name server that lives in this test. */
#include "net_drive.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

static struct loop *loop;
static struct watch *server;
static int server_fd, answers;
static struct resolved last;
static bool in_call;
static char conf[64];

/*
 * A resolver file can name no port, so this stands before the C library's connect and turns what is meant for port 53
 * to the test's own server.
 */
static struct address server_at;
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    if (to->sa_family == AF_INET && ((const struct sockaddr_in *)(const void *)to)->sin_port == htons(53)) {
        to = &server_at.any;
        len = server_at.len;
    }
    return (int)syscall(SYS_connect, fd, to, len);
}

/* And this before its clock, which runs ahead when a test has no patience for a timeout. */
static bool in_a_hurry;
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int64_t ahead_nsec;
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (in_a_hurry)
        ahead_nsec += 2000000;
    int64_t nsec = now->tv_nsec + ahead_nsec;
    now->tv_sec += nsec / 1000000000;
    now->tv_nsec = nsec % 1000000000;
    return result;
}

/* ---- a name server of one socket: knows db.test, keeps silent about silent.test ---- */

struct record {
    const char *name; /* in DNS's form */
    int type;         /* 1: A, 28: AAAA */
    unsigned char data[16];
};
static const struct record records[] = {
    {"\2db\4test", 1, {10, 0, 0, 1}},
    {"\2db\4test", 1, {10, 0, 0, 2}},
    {"\2db\4test", 28, {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}},
};

/* RFC 1035, 4: the question comes back, then each record with a pointer to its name. */
static void answer_question(void *owner, int events)
{
    unsigned char query[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    (void)owner;
    (void)events;
    ssize_t len = recvfrom(server_fd, query, sizeof query, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    if (len < 17)
        return;
    const char *name = (const char *)query + 12;
    size_t name_len = strlen(name) + 1;
    int type = read_u16(query + 12 + name_len);
    if (strcmp(name, "\6silent\4test") == 0)
        return;
    struct buf reply = {0};
    uint16_t count = 0;
    bool known = false;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        known |= strcmp(records[i].name, name) == 0;
        count = (uint16_t)(count + (strcmp(records[i].name, name) == 0 && records[i].type == type));
    }
    buf_append(&reply, query, 2);
    buf_append_u16(&reply, known ? 0x8180 : 0x8183);
    buf_append_u16(&reply, 1);
    buf_append_u16(&reply, count);
    buf_append_u32(&reply, 0);
    buf_append(&reply, query + 12, name_len + 4);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        if (strcmp(records[i].name, name) != 0 || records[i].type != type)
            continue;
        uint16_t data_len = type == 1 ? 4 : 16;
        buf_append_u16(&reply, 0xc00c);
        buf_append_u16(&reply, (uint16_t)type);
        buf_append_u16(&reply, 1);
        buf_append_u32(&reply, 60);
        buf_append_u16(&reply, data_len);
        buf_append(&reply, records[i].data, data_len);
    }
    sendto(server_fd, reply.data, reply.len, 0, (struct sockaddr *)&from, from_len);
    buf_deinit(&reply);
}

static void set_up(void)
{
    struct address at;
    loop = loop_new();
    ck_assert_int_eq(address_parse("127.0.0.1", 0, &at), 0);
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server_fd, &at.any, at.len), 0);
    address_of_self(server_fd, &server_at);
    server = net_watch(loop, server_fd, WATCH_READ, answer_question, NULL);
    snprintf(conf, sizeof conf, "/tmp/pgpooler-test-XXXXXX");
    FILE *file = fdopen(mkstemp(conf), "w");
    fprintf(file, "nameserver 127.0.0.1\n");
    fclose(file);
    net_resolve_conf(loop, conf);
}

static void tear_down(void)
{
    watch_close(server);
    close(server_fd);
    loop_free(loop);
    unlink(conf);
}

static void on_resolved(void *owner, const struct resolved *result)
{
    (void)owner;
    ck_assert(!in_call);
    last = *result;
    answers++;
}

static bool answered(void)
{
    return answers > 0;
}

static void ask(const char *host, int port)
{
    in_call = true;
    net_resolve(loop, host, port, on_resolved, NULL);
    in_call = false;
}

static bool has(const char *expected)
{
    char text[64];
    for (int i = 0; i < last.count; i++)
        if (strcmp(address_text(&last.addresses[i], text, sizeof text), expected) == 0)
            return true;
    return false;
}

static const struct {
    const char *what, *host;
    int count;
    const char *addresses[3];
} cases[] = {
    {"a number is its own answer", "192.0.2.1", 1, {"192.0.2.1"}},
    {"so is an IPv6 number", "::1", 1, {"::1"}},
    {"and a socket directory", "/tmp", 1, {"unix"}},
    {"a name has all its addresses", "db.test", 3, {"10.0.0.1", "10.0.0.2", "2001:db8::7"}},
    {"an unknown name has none", "nosuch.test", 0, {NULL}},
    {"a name that is none", "a..b", 0, {NULL}},
    {"nothing", "", 0, {NULL}},
};

START_TEST(hosts_are_looked_up)
{
    ask(cases[_i].host, 5432);
    drive_until(loop, answered);
    ck_assert_msg(last.count == cases[_i].count, "%s: %d addresses, %s", cases[_i].what, last.count, last.error);
    for (int i = 0; i < last.count; i++) {
        ck_assert_msg(has(cases[_i].addresses[i]), "%s: no %s", cases[_i].what, cases[_i].addresses[i]);
        ck_assert_int_eq(address_port(&last.addresses[i]), address_is_local(&last.addresses[i]) ? 0 : 5432);
    }
    ck_assert((last.count == 0) == (last.error != NULL));
}
END_TEST

static bool ten_answers(void)
{
    return answers == 10;
}

START_TEST(many_lookups_at_once)
{
    for (int i = 0; i < 10; i++)
        ask(i % 2 == 0 ? "db.test" : "nosuch.test", i);
    drive_until(loop, ten_answers);
}
END_TEST

START_TEST(a_silent_name_server_ends_in_an_error)
{
    ask("silent.test", 1);
    in_a_hurry = true;
    drive_until(loop, answered);
    ck_assert_int_eq(last.count, 0);
    ck_assert_ptr_nonnull(last.error);
}
END_TEST

START_TEST(a_lookup_on_its_way_does_not_outlive_the_loop)
{
    ask("silent.test", 1);
    drive_turns(loop, 3);
    ck_assert_int_eq(answers, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_resolve");
    TCase *tcase = tcase_create("resolve");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, hosts_are_looked_up, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, many_lookups_at_once);
    tcase_add_test(tcase, a_silent_name_server_ends_in_an_error);
    tcase_add_test(tcase, a_lookup_on_its_way_does_not_outlive_the_loop);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
