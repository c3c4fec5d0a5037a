/* listener: accepting, pausing, running out of descriptors, socket files. */
#include "net/loop.h"
#include "net_drive.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct loop *loop;
static struct listener *listener;
static int accepted_fds[200], accepted;
static char directory[64];

static void on_accepted(void *owner, int fd)
{
    (void)owner;
    accepted_fds[accepted++] = fd;
}

static int wanted;

static bool all_accepted(void)
{
    return accepted == wanted;
}

static void expect_accepted(int count)
{
    wanted = count;
    drive_until(loop, all_accepted);
}

static void expect_no_more(void)
{
    int before = accepted;
    drive_turns(loop, 3);
    ck_assert_int_eq(accepted, before);
}

static void set_up(void)
{
    loop = loop_new();
    snprintf(directory, sizeof directory, "/tmp/pgpooler-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void tear_down(void)
{
    if (listener != NULL)
        listener_close(listener);
    loop_free(loop);
    for (int i = 0; i < accepted; i++)
        close(accepted_fds[i]);
    rmdir(directory);
}

static const struct listener_options plain = {.backlog = 100, .unix_mode = 0777};

static struct listener *listen_on(const char *host, int port, const struct listener_options *options, char **error)
{
    struct address at;
    ck_assert_int_eq(address_parse(host, port, &at), 0);
    return listener_open(loop, &at, options, on_accepted, NULL, error);
}

static void must_listen_on(const char *host, int port, const struct listener_options *options)
{
    char *error = NULL;
    listener = listen_on(host, port, options, &error);
    ck_assert_msg(listener != NULL, "%s", error);
    ck_assert_ptr_null(error);
}

static int knock(const struct address *at)
{
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, &at->any, at->len), 0);
    return fd;
}

/* ---- accepting ---- */

START_TEST(accepted_sockets_are_ready_for_a_stream)
{
    must_listen_on("127.0.0.1", 0, &plain);
    ck_assert_int_gt(address_port(listener_address(listener)), 0);
    int fd = knock(listener_address(listener)), value = 0;
    expect_accepted(1);
    socklen_t len = sizeof value;
    ck_assert_int_eq(getsockopt(accepted_fds[0], IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    ck_assert_int_ne(value, 0);
    ck_assert(fcntl(accepted_fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(accepted_fds[0], F_GETFD) & FD_CLOEXEC);
    close(fd);
}
END_TEST

START_TEST(more_than_one_turn_takes_are_all_accepted)
{
    int fds[100];
    must_listen_on("127.0.0.1", 0, &plain);
    for (int i = 0; i < 100; i++)
        fds[i] = knock(listener_address(listener));
    expect_accepted(100);
    for (int i = 0; i < 100; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_paused_listener_leaves_them_in_the_backlog)
{
    must_listen_on("127.0.0.1", 0, &plain);
    listener_pause(listener);
    listener_pause(listener);
    int fd = knock(listener_address(listener));
    expect_no_more();
    listener_resume(listener);
    expect_accepted(1);
    close(fd);
}
END_TEST

static void close_listener(void *owner, int fd)
{
    on_accepted(owner, fd);
    listener_close(listener);
    listener = NULL;
}

START_TEST(closing_inside_accepted)
{
    struct address at;
    int listening = tcp_listen(&at);
    fcntl(listening, F_SETFL, O_NONBLOCK);
    listener = listener_adopt(loop, listening, close_listener, NULL);
    ck_assert_int_eq(address_port(listener_address(listener)), address_port(&at));
    int first = knock(&at), second = knock(&at);
    expect_accepted(1);
    expect_no_more();
    close(first);
    close(second);
}
END_TEST

START_TEST(a_port_in_use_is_named)
{
    char *error = NULL;
    must_listen_on("127.0.0.1", 0, &plain);
    ck_assert_ptr_null(listen_on("127.0.0.1", address_port(listener_address(listener)), &plain, &error));
    ck_assert_ptr_nonnull(strstr(error, "could not bind on 127.0.0.1 port"));
    mem_free(error);
}
END_TEST

START_TEST(a_port_can_be_shared)
{
    struct listener_options shared = plain;
    char *error = NULL;
    shared.reuse_port = true;
    must_listen_on("127.0.0.1", 0, &shared);
    struct listener *second = listen_on("127.0.0.1", address_port(listener_address(listener)), &shared, &error);
    ck_assert_msg(second != NULL, "%s", error);
    listener_close(second);
}
END_TEST

/* ---- running out of descriptors ---- */

static int warnings;
static char last_warning[200];

static void count_warnings(enum log_level level, const char *message)
{
    ck_assert_int_eq(level, LOG_LEVEL_WARNING);
    snprintf(last_warning, sizeof last_warning, "%s", message);
    warnings++;
}

static bool warned(void)
{
    return warnings > 0;
}

START_TEST(without_descriptors_it_rests_and_warns_once)
{
    struct rlimit before, tight;
    must_listen_on("127.0.0.1", 0, &plain);
    int fd = knock(listener_address(listener));
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = 3;
    log_set_sink(count_warnings);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    drive_until(loop, warned);
    drive_turns(loop, 50);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert_int_eq(warnings, 1);
    ck_assert_ptr_nonnull(strstr(last_warning, "event=accept_failed"));
    listener_pause(listener);
    listener_resume(listener);
    wheel_advance(&loop->wheel, loop->now + 4 * USEC_PER_SEC);
    expect_no_more(); /* descriptors are there again, and nothing cuts its rest short */
    wheel_advance(&loop->wheel, loop->now + 6 * USEC_PER_SEC);
    expect_accepted(1);
    ck_assert_int_eq(warnings, 1);
    log_set_sink(NULL);
    close(fd);
}
END_TEST

/* ---- socket files ---- */

static const char *file_of(int port)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/.s.PGSQL.%d", directory, port);
    return path;
}

START_TEST(a_socket_file_has_its_mode_and_goes_with_its_listener)
{
    struct listener_options options = plain;
    struct stat file;
    options.unix_mode = 0640;
    options.unix_group = _i == 0 ? NULL : _i == 1 ? "root" : "0";
    if (_i > 0 && getegid() != 0)
        return;
    must_listen_on(directory, 1, &options);
    ck_assert_int_eq(stat(file_of(1), &file), 0);
    ck_assert_uint_eq(file.st_mode & 07777, 0640);
    int fd = knock(listener_address(listener));
    expect_accepted(1);
    close(fd);
    listener_close(listener);
    listener = NULL;
    ck_assert_int_ne(stat(file_of(1), &file), 0);
}
END_TEST

START_TEST(an_unknown_group_is_an_error_and_leaves_no_file)
{
    struct listener_options options = plain;
    struct stat file;
    char *error = NULL;
    options.unix_group = "no-such-group-here";
    ck_assert_ptr_null(listen_on(directory, 1, &options, &error));
    ck_assert_ptr_nonnull(strstr(error, "could not set the group"));
    mem_free(error);
    ck_assert_int_ne(stat(file_of(1), &file), 0);
}
END_TEST

START_TEST(a_socket_in_use_is_left_alone)
{
    const char *host = _i == 0 ? directory : "@pgpooler-test-in-use";
    char *error = NULL;
    must_listen_on(host, (int)getpid() % 65536, &plain);
    ck_assert_ptr_null(listen_on(host, (int)getpid() % 65536, &plain, &error));
    ck_assert_str_eq(error, "unix socket is in use, cannot continue");
    mem_free(error);
    int fd = knock(listener_address(listener));
    close(fd);
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced)
{
    struct address at;
    ck_assert_int_eq(address_parse(directory, 1, &at), 0);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(dead, &at.any, at.len), 0);
    close(dead);
    must_listen_on(directory, 1, &plain);
    int fd = knock(&at);
    expect_accepted(1);
    close(fd);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_removed)
{
    char *error = NULL;
    fclose(fopen(file_of(1), "w"));
    ck_assert_ptr_null(listen_on(directory, 1, &plain, &error));
    ck_assert_ptr_nonnull(strstr(error, "could not bind on unix socket"));
    mem_free(error);
    ck_assert_int_eq(unlink(file_of(1)), 0);
}
END_TEST

START_TEST(a_successor_s_file_is_not_removed)
{
    must_listen_on(directory, 1, &plain);
    unlink(file_of(1));
    fclose(fopen(file_of(1), "w"));
    listener_close(listener);
    listener = NULL;
    ck_assert_int_eq(unlink(file_of(1)), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_listener");
    TCase *cases = tcase_create("listener");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, accepted_sockets_are_ready_for_a_stream);
    tcase_add_test(cases, more_than_one_turn_takes_are_all_accepted);
    tcase_add_test(cases, a_paused_listener_leaves_them_in_the_backlog);
    tcase_add_test(cases, closing_inside_accepted);
    tcase_add_test(cases, a_port_in_use_is_named);
    tcase_add_test(cases, a_port_can_be_shared);
    tcase_add_test(cases, without_descriptors_it_rests_and_warns_once);
    tcase_add_loop_test(cases, a_socket_file_has_its_mode_and_goes_with_its_listener, 0, 3);
    tcase_add_test(cases, an_unknown_group_is_an_error_and_leaves_no_file);
    tcase_add_loop_test(cases, a_socket_in_use_is_left_alone, 0, 2);
    tcase_add_test(cases, a_stale_socket_file_is_replaced);
    tcase_add_test(cases, a_file_that_is_no_socket_is_not_removed);
    tcase_add_test(cases, a_successor_s_file_is_not_removed);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
