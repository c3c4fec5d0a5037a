/* loop: messages from many threads, streams that move between loops, jobs, signals, watches. */
#include "net_drive.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

static struct loop *loop;

static void set_up(void)
{
    loop = loop_new();
}

static void tear_down(void)
{
    loop_free(loop);
}

/* ---- messages ---- */

enum { SENDERS = 4, MESSAGES = 20000 };

struct numbered {
    struct message message;
    int sender, number;
};

static int next_of[SENDERS], arrived_messages;
static pthread_t loop_thread;

static void arrive(struct message *message)
{
    struct numbered *numbered = (struct numbered *)message;
    ck_assert(pthread_equal(pthread_self(), loop_thread));
    ck_assert_int_eq(numbered->number, next_of[numbered->sender]);
    next_of[numbered->sender]++;
    mem_free(numbered);
    if (++arrived_messages == SENDERS * MESSAGES)
        loop_stop(loop);
}

static void *send_messages(void *sender)
{
    for (int i = 0; i < MESSAGES; i++) {
        struct numbered *numbered = mem_zalloc(sizeof *numbered);
        numbered->message.run = arrive;
        numbered->sender = (int)(intptr_t)sender;
        numbered->number = i;
        loop_post(loop, &numbered->message);
    }
    return NULL;
}

START_TEST(messages_of_four_threads_arrive_in_each_sender_s_order)
{
    pthread_t threads[SENDERS];
    loop_thread = pthread_self();
    for (intptr_t i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_messages, (void *)i);
    loop_run(loop);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(arrived_messages, SENDERS * MESSAGES);
}
END_TEST

static void count(struct message *message)
{
    (void)message;
    arrived_messages++;
}

START_TEST(a_message_left_when_the_loop_is_freed_still_runs)
{
    struct loop *gone = loop_new();
    struct message message = {.run = count};
    loop_post(gone, &message);
    loop_free(gone);
    ck_assert_int_eq(arrived_messages, 1);
}
END_TEST

static void *stop_it(void *arg)
{
    loop_stop(arg);
    return NULL;
}

START_TEST(a_loop_is_stopped_from_another_thread_and_runs_again)
{
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, stop_it, loop);
        loop_run(loop);
        pthread_join(thread, NULL);
    }
    drive_turns(loop, 2);
}
END_TEST

/* ---- moving: one stream goes to and fro between two threads while its peer keeps sending ---- */

enum { STREAM_BYTES = 300000 };

static struct loop *loops[2];
static atomic_int moves;
static int here; /* index of the loop that has the stream; only ever touched by that loop's thread */
static struct stream *travelling;
static size_t seen;

static void on_arrived(void *owner, struct stream *stream)
{
    (void)owner;
    travelling = stream;
}

static void unexpected_open(void *owner, int err)
{
    (void)owner;
    ck_abort_msg("opened: %d", err);
}

static void unexpected_drain(void *owner)
{
    (void)owner;
    ck_abort_msg("drained");
}

static void gone(void *owner)
{
    (void)owner;
    loop_stop(loops[0]);
    loop_stop(loops[1]);
}

static void read_and_leave(void *owner)
{
    unsigned char bytes[997];
    ssize_t got = stream_read(travelling, bytes, sizeof bytes);
    (void)owner;
    if (got == ERR_CLOSED) {
        stream_close(travelling, gone);
        return;
    }
    ck_assert(got >= 0 || got == ERR_AGAIN);
    for (ssize_t i = 0; i < got; i++)
        ck_assert_uint_eq(bytes[i], (unsigned char)(seen++ % 251));
    if (got == (ssize_t)sizeof bytes) {
        stream_read_later(travelling);
        if (seen % 3 != 0)
            return; /* and sometimes it leaves with that promise open */
    }
    here = !here;
    atomic_fetch_add(&moves, 1);
    stream_move(travelling, loops[here], on_arrived);
}

static const struct stream_events travel = {unexpected_open, read_and_leave, unexpected_drain};

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void *keep_sending(void *arg)
{
    int fd = (int)(intptr_t)arg;
    unsigned char bytes[400];
    for (size_t sent = 0; sent < STREAM_BYTES;) {
        size_t len = 1 + sent % sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)((sent + i) % 251);
        ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
        sent += len;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

START_TEST(a_stream_moves_between_threads_while_its_peer_sends)
{
    int fds[2];
    pthread_t threads[2];
    tcp_pair(fds);
    loops[0] = loop_new();
    loops[1] = loop_new();
    travelling = stream_open(loops[0], fds[0], &travel, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run_loop, loops[i]);
    keep_sending((void *)(intptr_t)fds[1]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_ge(seen, STREAM_BYTES);
    ck_assert_int_gt(atomic_load(&moves), 10);
    loop_free(loops[0]);
    loop_free(loops[1]);
    close(fds[1]);
}
END_TEST

/* ---- jobs, signals, watches ---- */

static struct loop *job_loop;
static int results;

struct sum {
    struct job job;
    pthread_t thread;
    int value;
};

static void add_up(struct job *job)
{
    struct sum *sum = (struct sum *)job;
    sum->thread = pthread_self();
    for (int i = 0; i < 1000; i++)
        sum->value += i;
}

static void take_result(struct job *job)
{
    struct sum *sum = (struct sum *)job;
    ck_assert_ptr_eq(job->loop, job_loop);
    ck_assert(pthread_equal(pthread_self(), loop_thread));
    ck_assert(!pthread_equal(sum->thread, loop_thread));
    ck_assert_int_eq(sum->value, 499500);
    results++;
}

static bool eight_results(void)
{
    return results == 8;
}

START_TEST(jobs_run_elsewhere_and_are_done_here)
{
    struct sum sums[8] = {0};
    loop_thread = pthread_self();
    job_loop = loop;
    for (int i = 0; i < 8; i++) {
        sums[i].job.run = add_up;
        sums[i].job.done = take_result;
        net_offload(loop, &sums[i].job);
    }
    drive_until(loop, eight_results);
}
END_TEST

START_TEST(freeing_a_loop_sees_its_jobs_through)
{
    struct sum sum = {.job = {.run = add_up, .done = take_result}};
    loop_thread = pthread_self();
    job_loop = loop_new();
    net_offload(job_loop, &sum.job);
    loop_free(job_loop);
    ck_assert_int_eq(results, 1);
}
END_TEST

static int raised[2];

static void on_signal(void *owner, int signum)
{
    raised[*(int *)owner] = signum;
}

static bool both_raised(void)
{
    return raised[0] != 0 && raised[1] != 0;
}

START_TEST(signals_arrive_as_events)
{
    int first = 0, second = 1;
    net_on_signal(loop, SIGHUP, on_signal, &first);
    net_on_signal(loop, SIGUSR1, on_signal, &second);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    drive_until(loop, both_raised);
    ck_assert_int_eq(raised[0], SIGHUP);
    ck_assert_int_eq(raised[1], SIGUSR1);
}
END_TEST

static struct watch *watch;
static int watched_fd, ready_events, readies;

static void on_ready(void *owner, int events)
{
    (void)owner;
    ready_events |= events;
    readies++;
}

static bool is_ready(void)
{
    return ready_events != 0;
}

START_TEST(a_watch_follows_what_its_owner_wants)
{
    int fds[2];
    local_pair(fds);
    watch = net_watch(loop, fds[0], WATCH_READ, on_ready, NULL);
    drive_turns(loop, 3);
    ck_assert_int_eq(readies, 0);
    watch_change(watch, WATCH_READ | WATCH_WRITE);
    drive_until(loop, is_ready);
    ck_assert_int_eq(ready_events, WATCH_WRITE);
    watch_change(watch, 0);
    send_text(fds[1], "x");
    ready_events = readies = 0;
    drive_turns(loop, 3);
    ck_assert_int_eq(readies, 0);
    watch_change(watch, WATCH_READ);
    drive_until(loop, is_ready);
    ck_assert_int_eq(ready_events, WATCH_READ);
    watch_close(watch);
    send_text(fds[0], "still open");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void read_to_the_error(void *owner, int events)
{
    char byte;
    (void)owner;
    (void)events;
    if (recv(watched_fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET) {
        watch_close(watch);
        readies = -1;
    }
}

static bool closed_itself(void)
{
    return readies == -1;
}

START_TEST(a_watched_descriptor_with_an_error_is_still_told_of)
{
    int fds[2];
    tcp_pair(fds);
    watched_fd = fds[0];
    watch = net_watch(loop, fds[0], WATCH_READ, read_to_the_error, NULL);
    send_text(fds[1], "last words");
    reset_connection(fds[1]);
    drive_until(loop, closed_itself);
    close(fds[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("net_loop");
    TCase *cases = tcase_create("loop");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, messages_of_four_threads_arrive_in_each_sender_s_order);
    tcase_add_test(cases, a_message_left_when_the_loop_is_freed_still_runs);
    tcase_add_test(cases, a_loop_is_stopped_from_another_thread_and_runs_again);
    tcase_add_test(cases, a_stream_moves_between_threads_while_its_peer_sends);
    tcase_add_test(cases, jobs_run_elsewhere_and_are_done_here);
    tcase_add_test(cases, freeing_a_loop_sees_its_jobs_through);
    tcase_add_test(cases, signals_arrive_as_events);
    tcase_add_test(cases, a_watch_follows_what_its_owner_wants);
    tcase_add_test(cases, a_watched_descriptor_with_an_error_is_still_told_of);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
