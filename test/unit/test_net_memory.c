/* net_memory: the streams in memory keep the promises of net.h, and the peers show what tests want to see. */
#include "net_memory.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct owner {
    struct stream *stream;
    char text[128];
    size_t len, bite;
    int readables, draineds, openeds, dones, opened_err, end;
    void (*at_readable)(struct owner *owner);
};

static struct loop *loop;
static struct owner one;
static struct memory_peer *peer;
static struct address server;

static void on_opened(void *arg, int err)
{
    struct owner *owner = arg;
    owner->openeds++;
    owner->opened_err = err;
}

static void on_readable(void *arg)
{
    struct owner *owner = arg;
    owner->readables++;
    if (owner->at_readable != NULL) {
        owner->at_readable(owner);
        return;
    }
    size_t size = owner->bite != 0 ? owner->bite : sizeof owner->text - 1 - owner->len;
    ssize_t got = stream_read(owner->stream, owner->text + owner->len, size);
    if (got == ERR_CLOSED || got == ERR_IO)
        owner->end = (int)got;
    if (got <= 0)
        return;
    owner->len += (size_t)got;
    if ((size_t)got == size)
        stream_read_later(owner->stream);
}

static void on_drained(void *arg)
{
    ((struct owner *)arg)->draineds++;
}

static void on_done(void *arg)
{
    ((struct owner *)arg)->dones++;
}

static const struct stream_events events = {on_opened, on_readable, on_drained};

static void on_accepted(void *owner, int fd)
{
    ((struct owner *)owner)->stream = stream_open(loop, fd, &events, owner);
}

static void set_up(void)
{
    loop = loop_new();
    ck_assert_int_eq(address_parse("10.0.0.1", 5432, &server), 0);
    peer = net_memory_client(NULL, on_accepted, &one);
    ck_assert_ptr_null(one.stream);
    net_memory_run();
    ck_assert_ptr_nonnull(one.stream);
}

static void tear_down(void)
{
    if (one.stream != NULL)
        stream_close(one.stream, on_done);
    loop_free(loop);
    net_memory_reset();
}

static int write_text(const char *text)
{
    return stream_write(one.stream, &(struct iovec){(void *)(uintptr_t)text, strlen(text)}, 1);
}

static void expect_received(const char *text)
{
    struct slice got = peer_received(peer);
    ck_assert_msg(slice_equal(got, slice_of(text)), "%.*s", (int)got.len, got.ptr);
}

static void send_text(const char *text)
{
    peer_send(peer, text, strlen(text));
}

START_TEST(bytes_go_both_ways)
{
    send_text("hello");
    ck_assert_int_eq(one.readables, 0);
    net_memory_run();
    ck_assert_str_eq(one.text, "hello");
    ck_assert_int_eq(write_text("welcome"), 0);
    expect_received("welcome");
    char bytes[4] = "";
    ck_assert_uint_eq(peer_receive(peer, bytes, 3), 3);
    ck_assert_str_eq(bytes, "wel");
    expect_received("come");
}
END_TEST

START_TEST(packets_split_what_was_sent)
{
    peer_set_packet(peer, 2);
    send_text("abcde");
    net_memory_run();
    ck_assert_str_eq(one.text, "abcde");
    ck_assert_int_eq(one.readables, 3);
}
END_TEST

START_TEST(what_is_read_later_comes_in_the_same_run)
{
    one.bite = 2;
    send_text("abcde");
    net_memory_run();
    ck_assert_str_eq(one.text, "abcde");
}
END_TEST

START_TEST(a_paused_stream_is_silent)
{
    stream_pause_reading(one.stream);
    send_text("x");
    stream_read_later(one.stream);
    net_memory_run();
    ck_assert_int_eq(one.readables, 0);
    stream_resume_reading(one.stream);
    net_memory_run();
    ck_assert_str_eq(one.text, "x");
}
END_TEST

START_TEST(a_narrow_window_leaves_output_pending)
{
    peer_set_window(peer, 4);
    ck_assert_int_eq(write_text("abcdef"), 0);
    ck_assert_int_eq(write_text("gh"), 0);
    stream_shutdown_write(one.stream);
    ck_assert_int_eq(write_text("too late"), ERR_IO);
    ck_assert_uint_eq(stream_pending(one.stream), 4);
    net_memory_run();
    expect_received("abcd");
    ck_assert_int_eq(one.draineds, 0);
    char bytes[8];
    peer_receive(peer, bytes, 4);
    ck_assert(!peer_is_ended(peer));
    net_memory_run();
    expect_received("efgh");
    ck_assert_int_eq(one.draineds, 1);
    ck_assert_uint_eq(stream_pending(one.stream), 0);
    peer_receive(peer, bytes, 4);
    ck_assert(peer_is_ended(peer));
    ck_assert(!peer_is_closed(peer));
}
END_TEST

static const struct {
    const char *what;
    void (*leave)(struct memory_peer *peer);
    int end, written;
} leavings[] = {
    {"a half-close", peer_half_close, ERR_CLOSED, 0},
    {"a close", peer_close, ERR_CLOSED, ERR_IO},
    {"a reset", peer_reset, ERR_IO, ERR_IO},
};

START_TEST(last_words_are_read_before_the_end)
{
    send_text("FATAL");
    leavings[_i].leave(peer);
    net_memory_run();
    ck_assert_str_eq(one.text, "FATAL");
    ck_assert_msg(one.end == leavings[_i].end, "%s: %s", leavings[_i].what, err_text(one.end));
    ck_assert_msg(write_text("x") == leavings[_i].written, "%s", leavings[_i].what);
    int before = one.readables;
    net_memory_run();
    ck_assert_int_eq(one.readables, before);
}
END_TEST

START_TEST(output_for_the_vanished_is_dropped_and_drained)
{
    peer_set_window(peer, 1);
    stream_pause_reading(one.stream);
    ck_assert_int_eq(write_text("abc"), 0);
    peer_reset(peer);
    net_memory_run();
    ck_assert_int_eq(one.draineds, 1);
    ck_assert_uint_eq(stream_pending(one.stream), 0);
    ck_assert_int_eq(write_text("x"), ERR_IO);
    ck_assert_int_eq(one.readables, 0);
}
END_TEST

static void close_it(struct owner *owner)
{
    stream_close(owner->stream, on_done);
    owner->stream = NULL;
}

START_TEST(closing_inside_an_event)
{
    one.at_readable = close_it;
    send_text("x");
    net_memory_run();
    ck_assert_int_eq(one.dones, 1);
    ck_assert(peer_is_closed(peer));
    ck_assert_uint_eq(net_memory_open_streams(), 0);
    peer_close(peer);
}
END_TEST

/* ---- connecting and being connected to ---- */

static void greet(void *context, struct memory_peer *accepted)
{
    *(struct memory_peer **)context = accepted;
    peer_send(accepted, "hi", 2);
}

static void answer(void *context, struct memory_peer *asked)
{
    char question;
    (void)context;
    while (peer_receive(asked, &question, 1) == 1)
        peer_send(asked, question == '?' ? "!" : ".", 1);
}

START_TEST(connecting_reaches_whoever_serves_the_address)
{
    struct owner two = {0};
    struct memory_peer *backend = NULL;
    net_memory_serve(&server, greet, &backend);
    two.stream = stream_connect(loop, &server, NULL, &events, &two);
    ck_assert_int_eq(two.openeds, 0);
    net_memory_run();
    ck_assert_int_eq(two.openeds, 1);
    ck_assert_int_eq(two.opened_err, 0);
    ck_assert_str_eq(two.text, "hi");
    ck_assert_int_eq(address_port(stream_peer(two.stream)), 5432);
    peer_on_arrival(backend, answer, NULL);
    stream_write(two.stream, &(struct iovec){"a?", 2}, 1);
    net_memory_run();
    ck_assert_str_eq(two.text, "hi.!");
    stream_close(two.stream, NULL);
}
END_TEST

START_TEST(connecting_elsewhere_fails_as_the_test_says)
{
    struct owner two = {0};
    if (_i > 0)
        net_memory_fail(&server, _i == 1 ? EHOSTUNREACH : 0);
    two.stream = stream_connect(loop, &server, NULL, &events, &two);
    net_memory_run();
    ck_assert_int_eq(two.openeds, _i < 2);
    ck_assert_int_eq(two.opened_err, _i == 0 ? -ECONNREFUSED : _i == 1 ? -EHOSTUNREACH : 0);
    stream_close(two.stream, NULL);
}
END_TEST

START_TEST(a_listener_is_dialled)
{
    char *error = NULL;
    struct listener_options options = {.backlog = 1};
    ck_assert_ptr_null(net_memory_dial(&server));
    struct owner two = {0};
    struct listener *listener = listener_open(loop, &server, &options, on_accepted, &two, &error);
    ck_assert_ptr_null(listener_open(loop, &server, &options, on_accepted, &two, &error));
    ck_assert_ptr_nonnull(error);
    mem_free(error);
    listener_pause(listener);
    struct memory_peer *client = net_memory_dial(&server);
    peer_send(client, "x", 1);
    net_memory_run();
    ck_assert_ptr_null(two.stream);
    listener_resume(listener);
    net_memory_run();
    ck_assert_str_eq(two.text, "x");
    struct memory_peer *late = net_memory_dial(&server);
    listener_close(listener);
    ck_assert(peer_is_closed(late));
    stream_close(two.stream, NULL);
}
END_TEST

/* ---- loops, time ---- */

static struct loop *elsewhere;

static void on_arrived(void *owner, struct stream *stream)
{
    ((struct owner *)owner)->stream = stream;
}

static void move_it(struct owner *owner)
{
    stream_move(owner->stream, elsewhere, on_arrived);
    owner->stream = NULL;
    owner->at_readable = NULL;
}

START_TEST(a_stream_moves_with_traffic_right_behind)
{
    elsewhere = loop_new();
    one.at_readable = move_it;
    send_text("abc"); /* nothing of it is read before the move */
    net_memory_run();
    ck_assert_str_eq(one.text, "abc");
    ck_assert_int_eq(write_text("there"), 0);
    expect_received("there");
    stream_close(one.stream, on_done);
    one.stream = NULL;
    loop_free(elsewhere);
    ck_assert_int_eq(one.dones, 1);
}
END_TEST

struct stamped {
    struct timer timer;
    usec fired;
    int repeat;
};

static void stamp(struct timer *timer)
{
    struct stamped *stamped = (struct stamped *)timer;
    stamped->fired = loop_now(loop);
    if (stamped->repeat-- > 0)
        timer_start(loop, timer, loop_now(loop) + USEC_PER_SEC, stamp);
}

START_TEST(time_moves_only_when_told)
{
    struct stamped early = {0}, late = {0}, repeating = {.repeat = 9};
    usec begin = loop_now(loop);
    timer_start(loop, &late.timer, begin + 3600 * USEC_PER_SEC, stamp);
    timer_start(loop, &early.timer, begin + 1500, stamp);
    timer_start(loop, &repeating.timer, begin, stamp);
    net_memory_run();
    ck_assert_int_eq(loop_now(loop), begin);
    net_memory_advance(USEC_PER_SEC);
    ck_assert_int_eq(loop_now(loop), begin + USEC_PER_SEC);
    ck_assert_int_eq(early.fired, begin + 2000);
    ck_assert_int_eq(late.fired, 0);
    net_memory_advance(3599 * USEC_PER_SEC);
    ck_assert_int_eq(late.fired, begin + 3600 * USEC_PER_SEC);
    ck_assert_int_eq(repeating.fired, begin + 9 * USEC_PER_SEC + 1000);
    ck_assert_int_eq(net_wall_now() % (86400 * USEC_PER_SEC), (begin + 3600 * USEC_PER_SEC) % (86400 * USEC_PER_SEC));
}
END_TEST

/* ---- the rest ---- */

static int told[2];

static void note(void *owner, int value)
{
    *(int *)owner = value;
}

START_TEST(watches_and_signals_are_told_by_the_test)
{
    struct watch *watch = net_watch(loop, 7, WATCH_READ, note, &told[0]);
    net_on_signal(loop, SIGHUP, note, &told[1]);
    net_memory_ready(7, WATCH_READ | WATCH_WRITE);
    net_memory_signal(SIGHUP);
    net_memory_run();
    ck_assert_int_eq(told[0], WATCH_READ);
    ck_assert_int_eq(told[1], SIGHUP);
    watch_change(watch, WATCH_WRITE);
    net_memory_run();
    ck_assert_int_eq(told[0], WATCH_WRITE);
    watch_close(watch);
}
END_TEST

static void on_resolved(void *owner, const struct resolved *result)
{
    *(struct resolved *)owner = *result;
}

START_TEST(names_are_what_the_test_says)
{
    struct resolved known, number, unknown;
    net_memory_name("db", "10.0.0.1");
    net_memory_name("db", "10.0.0.2 ::1");
    net_resolve(loop, "db", 5432, on_resolved, &known);
    net_resolve(loop, "10.0.0.9", 5432, on_resolved, &number);
    net_resolve(loop, "nosuch", 5432, on_resolved, &unknown);
    net_memory_run();
    char text[64];
    ck_assert_int_eq(known.count, 2);
    ck_assert_str_eq(address_text(&known.addresses[0], text, sizeof text), "10.0.0.2");
    ck_assert_str_eq(address_text(&known.addresses[1], text, sizeof text), "::1");
    ck_assert_int_eq(number.count, 1);
    ck_assert_int_eq(unknown.count, 0);
    ck_assert_ptr_nonnull(unknown.error);
}
END_TEST

static int steps;

static void run_job(struct job *job)
{
    ck_assert_ptr_eq(job->loop, loop);
    ck_assert_int_eq(steps++, 0);
}

static void job_done(struct job *job)
{
    (void)job;
    ck_assert_int_eq(steps++, 1);
}

START_TEST(jobs_run_between_turns)
{
    struct job job = {.run = run_job, .done = job_done};
    net_offload(loop, &job);
    ck_assert_int_eq(steps, 0);
    net_memory_run();
    ck_assert_int_eq(steps, 2);
}
END_TEST

static void never_read(struct owner *owner)
{
    (void)owner;
}

START_TEST(a_loop_that_never_gets_quiet_ends_the_test)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    one.at_readable = never_read;
    send_text("x");
    net_memory_run();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_memory");
    TCase *cases = tcase_create("memory");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, bytes_go_both_ways);
    tcase_add_test(cases, packets_split_what_was_sent);
    tcase_add_test(cases, what_is_read_later_comes_in_the_same_run);
    tcase_add_test(cases, a_paused_stream_is_silent);
    tcase_add_test(cases, a_narrow_window_leaves_output_pending);
    tcase_add_loop_test(cases, last_words_are_read_before_the_end, 0, sizeof leavings / sizeof *leavings);
    tcase_add_test(cases, output_for_the_vanished_is_dropped_and_drained);
    tcase_add_test(cases, closing_inside_an_event);
    tcase_add_test(cases, connecting_reaches_whoever_serves_the_address);
    tcase_add_loop_test(cases, connecting_elsewhere_fails_as_the_test_says, 0, 3);
    tcase_add_test(cases, a_listener_is_dialled);
    tcase_add_test(cases, a_stream_moves_with_traffic_right_behind);
    tcase_add_test(cases, time_moves_only_when_told);
    tcase_add_test(cases, watches_and_signals_are_told_by_the_test);
    tcase_add_test(cases, names_are_what_the_test_says);
    tcase_add_test(cases, jobs_run_between_turns);
    tcase_add_test_raise_signal(cases, a_loop_that_never_gets_quiet_ends_the_test, SIGABRT);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
