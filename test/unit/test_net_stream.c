/* stream: readiness, backpressure, ends and errors, connecting, closing at any moment. */
#include "net/loop.h"
#include "net_drive.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* ---- an owner that keeps what it reads ---- */

struct owner {
    struct stream *stream;
    char text[64];
    size_t len, total;
    size_t bite; /* most bytes per event; then it asks to be read later */
    int readables, draineds, openeds, dones;
    int opened_err, end; /* ERR_CLOSED or ERR_IO once read */
    void (*at_readable)(struct owner *owner);
    void (*at_drained)(struct owner *owner);
    void (*at_opened)(struct owner *owner);
};

static struct loop *loop;
static struct owner one, two;
static int peer, other_peer;
static bool in_call; /* true while a call into net is made: no event may come then */

static void on_opened(void *arg, int err)
{
    struct owner *owner = arg;
    ck_assert(!in_call);
    owner->openeds++;
    owner->opened_err = err;
    if (owner->at_opened != NULL)
        owner->at_opened(owner);
}

static void read_bytes(struct owner *owner)
{
    char bytes[65536];
    size_t size = owner->bite != 0 ? owner->bite : sizeof bytes;
    ssize_t got = stream_read(owner->stream, bytes, size);
    if (got < 0) {
        owner->end = got == ERR_AGAIN ? owner->end : (int)got;
        return;
    }
    for (ssize_t i = 0; i < got && owner->len < sizeof owner->text - 1; i++)
        owner->text[owner->len++] = bytes[i];
    owner->total += (size_t)got;
    if ((size_t)got == size)
        stream_read_later(owner->stream);
}

static void on_readable(void *arg)
{
    struct owner *owner = arg;
    ck_assert(!in_call);
    owner->readables++;
    if (owner->at_readable != NULL)
        owner->at_readable(owner);
    else
        read_bytes(owner);
}

static void on_drained(void *arg)
{
    struct owner *owner = arg;
    ck_assert(!in_call);
    owner->draineds++;
    if (owner->at_drained != NULL)
        owner->at_drained(owner);
}

static void on_done(void *arg)
{
    ck_assert(!in_call);
    ((struct owner *)arg)->dones++;
}

static const struct stream_events events = {on_opened, on_readable, on_drained};

static void close_stream(struct owner *owner)
{
    stream_close(owner->stream, on_done);
    owner->stream = NULL;
}

static bool one_ended(void)
{
    return one.end != 0;
}
static bool one_drained(void)
{
    return one.draineds > 0;
}
static bool one_opened(void)
{
    return one.openeds > 0;
}
static bool one_done(void)
{
    return one.dones > 0;
}
static bool both_done(void)
{
    return one.dones > 0 && two.dones > 0;
}

static void open_pair(void (*make)(int fds[2]), struct owner *owner, int *other)
{
    int fds[2];
    make(fds);
    *owner = (struct owner){0};
    owner->stream = stream_open(loop, fds[0], &events, owner);
    *other = fds[1];
}

static void set_up(void)
{
    loop = loop_new();
    one = two = (struct owner){0};
    peer = other_peer = -1;
}

static void tear_down(void)
{
    if (one.stream != NULL)
        close_stream(&one);
    if (two.stream != NULL)
        close_stream(&two);
    loop_free(loop); /* asserts that nothing is left */
    if (peer >= 0)
        close(peer);
    if (other_peer >= 0)
        close(other_peer);
}

static int write_text(struct owner *owner, const char *text)
{
    return stream_write(owner->stream, &(struct iovec){(void *)(uintptr_t)text, strlen(text)}, 1);
}

/* ---- what the loop does unasked ---- */

static int turns;

static void count_turn(uv_check_t *counter)
{
    (void)counter;
    turns++;
}

static void end_rest(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

/* The loop is left alone for a moment: whatever it does then it would do for ever. */
static void expect_sleep(void)
{
    static uv_check_t counter;
    static struct timer timer;
    uv_check_init(&loop->uv, &counter);
    uv_check_start(&counter, count_turn);
    turns = 0;
    timer_start(loop, &timer, loop_now(loop) + 20 * USEC_PER_MSEC, end_rest);
    loop_run(loop);
    uv_close((uv_handle_t *)&counter, NULL);
    drive_turns(loop, 2);
    ck_assert_msg(turns < 15, "the loop is kept busy: %d turns", turns);
}

/* ---- writing ---- */

enum { PIECES = 3000, PIECE = 1500 }; /* more pieces than one sendmsg takes, more bytes than a socket holds */
static char pieces_of_output[PIECES][PIECE];
static size_t received;

static void take_what_is_there(void)
{
    char bytes[50001]; /* no multiple of a piece */
    ssize_t got;
    while ((got = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        ck_assert_mem_eq(bytes, (char *)pieces_of_output + received, (size_t)got);
        received += (size_t)got;
    }
    ck_assert(got == 0 || errno == EAGAIN);
}

static bool all_received(void)
{
    take_what_is_there();
    return received == sizeof pieces_of_output;
}

static void write_all_pieces(void)
{
    static struct iovec pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        for (int k = 0; k < PIECE; k++)
            pieces_of_output[i][k] = (char)(i * 7 + k);
        pieces[i] = (struct iovec){pieces_of_output[i], PIECE};
    }
    in_call = true;
    ck_assert_int_eq(stream_write(one.stream, pieces, PIECES / 2), 0);
    ck_assert_int_eq(stream_write(one.stream, pieces + PIECES / 2, PIECES - PIECES / 2), 0);
    in_call = false;
}

START_TEST(a_full_socket_keeps_the_rest_and_says_drained_once)
{
    open_pair(_i == 0 ? local_pair : tcp_pair, &one, &peer);
    write_all_pieces();
    ck_assert_uint_gt(stream_pending(one.stream), 0);
    drive_turns(loop, 3);
    ck_assert_int_eq(one.draineds, 0);
    drive_until(loop, all_received);
    drive_until(loop, one_drained);
    ck_assert_uint_eq(stream_pending(one.stream), 0);
    expect_sleep();
    ck_assert_int_eq(one.draineds, 1);
}
END_TEST

START_TEST(what_fits_is_written_without_an_event)
{
    open_pair(local_pair, &one, &peer);
    char bytes[16];
    ck_assert_int_eq(write_text(&one, "hello"), 0);
    ck_assert_uint_eq(stream_pending(one.stream), 0);
    ck_assert_int_eq(recv(peer, bytes, sizeof bytes, MSG_DONTWAIT), 5);
    drive_turns(loop, 3);
    ck_assert_int_eq(one.draineds, 0);
}
END_TEST

/* Stands before the C library's: libuv has no other way to change what epoll watches. */
static int interest_changes;
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    interest_changes++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void answer_question(struct owner *owner)
{
    char question;
    if (stream_read(owner->stream, &question, 1) != 1)
        return;
    stream_pause_reading(owner->stream);
    ck_assert_int_eq(write_text(owner, "answer"), 0);
    stream_resume_reading(owner->stream);
}

static bool is_answered(void)
{
    char bytes[16];
    return recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) == 6;
}

START_TEST(a_question_and_its_answer_change_no_interest)
{
    open_pair(local_pair, &one, &peer);
    one.at_readable = answer_question;
    drive_turns(loop, 2);
    ck_assert_int_gt(interest_changes, 0);
    interest_changes = 0;
    for (int i = 0; i < 10; i++) {
        send_text(peer, "?");
        drive_until(loop, is_answered);
    }
    ck_assert_int_eq(interest_changes, 0);
}
END_TEST

START_TEST(fin_follows_the_pending_output)
{
    open_pair(tcp_pair, &one, &peer);
    write_all_pieces();
    stream_shutdown_write(one.stream);
    ck_assert_int_eq(write_text(&one, "too late"), ERR_IO);
    drive_until(loop, all_received);
    drive_until(loop, one_drained);
    char byte;
    ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
    send_text(peer, "still heard");
    shutdown(peer, SHUT_WR);
    drive_until(loop, one_ended);
    ck_assert_str_eq(one.text, "still heard");
}
END_TEST

START_TEST(closing_tries_the_pending_output_once_more)
{
    open_pair(local_pair, &one, &peer);
    write_all_pieces();
    take_what_is_there(); /* makes room that no event has told of yet */
    size_t before = received;
    close_stream(&one);
    take_what_is_there();
    ck_assert_uint_gt(received, before);
}
END_TEST

static void note_nothing(struct owner *owner)
{
    (void)owner;
}

START_TEST(output_for_the_vanished_is_dropped_and_drained)
{
    open_pair(_i == 0 ? local_pair : tcp_pair, &one, &peer);
    write_all_pieces();
    stream_pause_reading(one.stream); /* so drained is the only event that may come */
    drive_turns(loop, 2);
    reset_connection(peer);
    peer = -1;
    drive_until(loop, one_drained);
    ck_assert_uint_eq(stream_pending(one.stream), 0);
    ck_assert_int_eq(one.readables, 0);
    ck_assert_int_eq(write_text(&one, "x"), ERR_IO);
    stream_resume_reading(one.stream);
    drive_until(loop, one_ended);
}
END_TEST

START_TEST(writing_to_the_vanished_is_an_error_and_no_signal)
{
    open_pair(tcp_pair, &one, &peer);
    one.at_readable = note_nothing;
    reset_connection(peer);
    peer = -1;
    while (write_text(&one, "x") == 0)
        ;
    ck_assert_int_eq(write_text(&one, "x"), ERR_IO);
    one.at_readable = NULL;
    drive_until(loop, one_ended);
}
END_TEST

/* ---- reading ---- */

START_TEST(a_paused_stream_is_silent_and_loses_nothing)
{
    open_pair(local_pair, &one, &peer);
    if (_i & 1) { /* the kernel has told of the bytes before the pause, or not */
        send_text(peer, "early ");
        drive_turns(loop, 2);
    }
    int before = one.readables;
    in_call = true;
    stream_pause_reading(one.stream);
    in_call = false;
    if (_i & 2) /* an unwanted event takes the interest off, or none came */
        send_text(peer, "paused ");
    expect_sleep();
    ck_assert_int_eq(one.readables, before);
    in_call = true;
    stream_resume_reading(one.stream);
    in_call = false;
    send_text(peer, "resumed");
    shutdown(peer, SHUT_WR);
    drive_until(loop, one_ended);
    char expected[64] = "";
    strcat(strcat(strcat(expected, _i & 1 ? "early " : ""), _i & 2 ? "paused " : ""), "resumed");
    ck_assert_str_eq(one.text, expected);
}
END_TEST

static void pause_at_once(struct owner *owner)
{
    stream_read_later(owner->stream);
    stream_pause_reading(owner->stream);
    owner->at_readable = NULL;
}

START_TEST(a_promise_to_read_later_outlives_a_pause)
{
    open_pair(local_pair, &one, &peer);
    one.at_readable = pause_at_once;
    send_text(peer, "x");
    drive_turns(loop, 4);
    ck_assert_int_eq(one.readables, 1);
    char byte; /* take the byte away: only the promise can bring the event now */
    ck_assert_int_eq(recv(stream_fd(one.stream), &byte, 1, MSG_DONTWAIT), 1);
    stream_resume_reading(one.stream);
    drive_turns(loop, 4);
    ck_assert_int_eq(one.readables, 2);
}
END_TEST

static int one_when_two_ended;

static void read_two(struct owner *owner)
{
    owner->at_readable = NULL;
    on_readable(owner);
    one_when_two_ended = one.readables;
}

START_TEST(a_long_reader_does_not_starve_the_others)
{
    open_pair(local_pair, &one, &peer);
    open_pair(local_pair, &two, &other_peer);
    char bytes[1000] = {0};
    one.bite = 1;
    two.at_readable = read_two;
    ck_assert_int_eq(send(peer, bytes, sizeof bytes, 0), sizeof bytes);
    drive_turns(loop, 2);
    ck_assert_uint_lt(one.total, sizeof bytes);
    send_text(other_peer, "x");
    shutdown(peer, SHUT_WR);
    drive_until(loop, one_ended);
    ck_assert_int_eq((int)one.total, (int)sizeof bytes);
    ck_assert_uint_eq(two.total, 1);
    ck_assert_int_lt(one_when_two_ended, 10);
    stream_close(one.stream, NULL);
    one.stream = NULL;
    expect_sleep();
}
END_TEST

START_TEST(a_half_closed_peer_still_gets_its_answer)
{
    open_pair(tcp_pair, &one, &peer);
    send_text(peer, "question");
    shutdown(peer, SHUT_WR);
    drive_until(loop, one_ended);
    ck_assert_int_eq(one.end, ERR_CLOSED);
    ck_assert_str_eq(one.text, "question");
    /* The end stays readable for ever; it must not keep the loop busy. */
    int before = one.readables;
    expect_sleep();
    ck_assert_int_eq(one.readables, before);
    ck_assert_int_eq(write_text(&one, "answer"), 0);
    char bytes[16] = "";
    ck_assert_int_eq(recv(peer, bytes, sizeof bytes, 0), 6);
    ck_assert_str_eq(bytes, "answer");
}
END_TEST

START_TEST(a_last_word_behind_an_rst_is_read)
{
    open_pair(tcp_pair, &one, &peer);
    one.bite = (size_t)_i; /* 0: all at once; else in small bites */
    stream_pause_reading(one.stream);
    drive_turns(loop, 2);
    send_text(peer, "FATAL: terminating connection");
    reset_connection(peer); /* epoll reports an error now, and libuv gives the handle up */
    peer = -1;
    drive_turns(loop, 3);
    ck_assert_int_eq(one.readables, 0);
    stream_resume_reading(one.stream);
    drive_until(loop, one_ended);
    ck_assert_str_eq(one.text, "FATAL: terminating connection");
    ck_assert_int_eq(one.end, ERR_IO);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_polled_reads_as_an_error)
{
    FILE *file = tmpfile(); /* epoll refuses plain files */
    one.stream = stream_open(loop, dup(fileno(file)), &events, &one);
    fclose(file);
    ck_assert_int_eq(stream_fd(one.stream), -1);
    drive_until(loop, one_ended);
    ck_assert_int_eq(one.end, ERR_IO);
    ck_assert_int_eq(write_text(&one, "x"), ERR_IO);
}
END_TEST

/* ---- connecting ---- */

static void connect_to(const struct address *to)
{
    struct stream_options options = {.keepalive = 1, .keepidle = 7, .user_timeout_msec = 4000};
    in_call = true;
    one.stream = stream_connect(loop, to, &options, &events, &one);
    in_call = false;
}

START_TEST(connecting_over_tcp)
{
    struct address at;
    int listening = tcp_listen(&at), value = 0;
    connect_to(&at);
    drive_until(loop, one_opened);
    ck_assert_int_eq(one.opened_err, 0);
    socklen_t len = sizeof value;
    getsockopt(stream_fd(one.stream), IPPROTO_TCP, TCP_NODELAY, &value, &len);
    ck_assert_int_ne(value, 0);
    getsockopt(stream_fd(one.stream), SOL_SOCKET, SO_KEEPALIVE, &value, &len);
    ck_assert_int_ne(value, 0);
    ck_assert_int_eq(address_port(stream_peer(one.stream)), address_port(&at));
    peer = accept(listening, NULL, NULL);
    close(listening);
    send_text(peer, "welcome");
    shutdown(peer, SHUT_WR);
    drive_until(loop, one_ended);
    ck_assert_str_eq(one.text, "welcome");
}
END_TEST

START_TEST(connecting_over_a_local_socket_opens_later_too)
{
    struct address at;
    char name[32];
    snprintf(name, sizeof name, "@pgpooler-test-%d", (int)getpid());
    ck_assert_int_eq(address_parse(name, 5432, &at), 0);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listening, &at.any, at.len), 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    connect_to(&at);
    drive_until(loop, one_opened);
    ck_assert_int_eq(one.opened_err, 0);
    ck_assert(address_is_local(stream_peer(one.stream)));
    close(listening);
    drive_until(loop, one_ended);
}
END_TEST

START_TEST(nobody_listens)
{
    struct address at;
    if (_i == 0)
        close(tcp_listen(&at));
    else
        ck_assert_int_eq(address_parse("/nonexistent", 1, &at), 0);
    connect_to(&at);
    drive_until(loop, one_opened);
    ck_assert_int_eq(one.opened_err, _i == 0 ? -ECONNREFUSED : -ENOENT);
}
END_TEST

START_TEST(no_descriptor_left_to_connect_with)
{
    struct address at;
    ck_assert_int_eq(address_parse("127.0.0.1", 1, &at), 0);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    connect_to(&at);
    setrlimit(RLIMIT_NOFILE, &before);
    drive_until(loop, one_opened);
    ck_assert_int_eq(one.opened_err, -EMFILE);
}
END_TEST

START_TEST(giving_up_while_connecting)
{
    struct address at;
    int listening = tcp_listen(&at);
    connect_to(&at);
    close_stream(&one);
    drive_until(loop, one_done);
    ck_assert_int_eq(one.openeds, 0);
    close(listening);
}
END_TEST

/* ---- closing at any moment ---- */

static void close_both(struct owner *owner)
{
    (void)owner;
    close_stream(&one);
    close_stream(&two);
}

START_TEST(whoever_is_first_closes_both)
{
    open_pair(local_pair, &one, &peer);
    open_pair(local_pair, &two, &other_peer);
    one.at_readable = two.at_readable = close_both;
    if (_i == 0) { /* both readable in the same poll */
        send_text(peer, "x");
        send_text(other_peer, "x");
    } else { /* both in the list of those to be read again */
        stream_read_later(one.stream);
        stream_read_later(two.stream);
    }
    drive_until(loop, both_done);
    ck_assert_int_eq(one.readables + two.readables, 1);
    ck_assert_int_eq(one.dones + two.dones, 2);
}
END_TEST

START_TEST(closing_inside_opened)
{
    struct address at;
    int listening = _i == 0 ? -1 : tcp_listen(&at);
    if (_i == 0)
        ck_assert_int_eq(address_parse("/nonexistent", 1, &at), 0);
    one.at_opened = close_stream;
    connect_to(&at);
    drive_until(loop, one_done);
    if (listening >= 0)
        close(listening);
}
END_TEST

START_TEST(closing_inside_drained)
{
    open_pair(local_pair, &one, &peer);
    one.at_drained = close_stream;
    write_all_pieces();
    drive_until(loop, all_received);
    drive_until(loop, one_done);
    ck_assert_int_eq(one.draineds, 1);
}
END_TEST

static void close_after_asking(struct owner *owner)
{
    stream_read_later(owner->stream);
    close_stream(owner);
}

START_TEST(closing_after_asking_to_be_read_later)
{
    open_pair(local_pair, &one, &peer);
    one.at_readable = close_after_asking;
    send_text(peer, "x");
    drive_until(loop, one_done);
    drive_turns(loop, 2);
    ck_assert_int_eq(one.readables, 1);
    char byte;
    ck_assert_int_le(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_stream");
    TCase *cases = tcase_create("stream");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, a_full_socket_keeps_the_rest_and_says_drained_once, 0, 2);
    tcase_add_test(cases, what_fits_is_written_without_an_event);
    tcase_add_test(cases, a_question_and_its_answer_change_no_interest);
    tcase_add_test(cases, fin_follows_the_pending_output);
    tcase_add_test(cases, closing_tries_the_pending_output_once_more);
    tcase_add_loop_test(cases, output_for_the_vanished_is_dropped_and_drained, 0, 2);
    tcase_add_test(cases, writing_to_the_vanished_is_an_error_and_no_signal);
    tcase_add_loop_test(cases, a_paused_stream_is_silent_and_loses_nothing, 0, 4);
    tcase_add_test(cases, a_promise_to_read_later_outlives_a_pause);
    tcase_add_test(cases, a_long_reader_does_not_starve_the_others);
    tcase_add_test(cases, a_half_closed_peer_still_gets_its_answer);
    tcase_add_loop_test(cases, a_last_word_behind_an_rst_is_read, 0, 4);
    tcase_add_test(cases, a_descriptor_that_cannot_be_polled_reads_as_an_error);
    tcase_add_test(cases, connecting_over_tcp);
    tcase_add_test(cases, connecting_over_a_local_socket_opens_later_too);
    tcase_add_loop_test(cases, nobody_listens, 0, 2);
    tcase_add_test(cases, no_descriptor_left_to_connect_with);
    tcase_add_test(cases, giving_up_while_connecting);
    tcase_add_loop_test(cases, whoever_is_first_closes_both, 0, 2);
    tcase_add_loop_test(cases, closing_inside_opened, 0, 2);
    tcase_add_test(cases, closing_inside_drained);
    tcase_add_test(cases, closing_after_asking_to_be_read_later);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
