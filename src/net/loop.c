#include "net/loop.h"

#include <time.h>

static usec clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

usec net_wall_now(void)
{
    return clock_now(CLOCK_REALTIME);
}

void loop_read_clock(struct loop *loop)
{
    loop->now = clock_now(CLOCK_MONOTONIC);
}

usec loop_now(const struct loop *loop)
{
    return loop->now;
}

usec loop_heartbeat(const struct loop *loop)
{
    return atomic_load_explicit(&loop->heartbeat, memory_order_relaxed);
}

/* ---- mailbox: a stack that any thread pushes to and the loop takes whole and turns round ---- */

void loop_post(struct loop *loop, struct message *message)
{
    struct message *newest = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
    do {
        message->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &newest, message, memory_order_release,
                                                    memory_order_relaxed));
    if (newest == NULL) /* whoever found it empty rings for all that came since */
        uv_async_send(&loop->bell);
}

static void run_mailbox(struct loop *loop)
{
    struct message *newest = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire), *oldest = NULL;
    while (newest != NULL) {
        struct message *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    while (oldest != NULL) {
        struct message *message = oldest;
        oldest = message->next;
        loop_read_clock(loop);
        message->run(message);
    }
}

static void on_bell(uv_async_t *bell)
{
    struct loop *loop = loop_of(bell);
    run_mailbox(loop);
    if (atomic_load(&loop->stop_asked))
        uv_stop(&loop->uv);
}

static void do_not_sleep(uv_idle_t *awake)
{
    (void)awake;
}

void loop_stay_awake(struct loop *loop)
{
    uv_idle_start(&loop->awake, do_not_sleep);
}

static void on_turn_end(uv_check_t *turn_end)
{
    struct loop *loop = loop_of(turn_end);
    loop_read_clock(loop);
    atomic_store_explicit(&loop->heartbeat, loop->now, memory_order_relaxed);
    streams_read_again(loop);
    if (list_is_empty(&loop->again))
        uv_idle_stop(&loop->awake);
}

/* ---- life ---- */

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    if (uv_loop_init(&loop->uv) != 0) {
        mem_free(loop);
        return NULL;
    }
    if (uv_async_init(&loop->uv, &loop->bell, on_bell) != 0) {
        uv_loop_close(&loop->uv);
        mem_free(loop);
        return NULL;
    }
    loop->uv.data = loop;
    list_init(&loop->again);
    list_init(&loop->signals);
    uv_check_init(&loop->uv, &loop->turn_end);
    uv_check_start(&loop->turn_end, on_turn_end);
    uv_idle_init(&loop->uv, &loop->awake);
    loop_read_clock(loop);
    atomic_store(&loop->heartbeat, loop->now);
    timers_open(loop);
    return loop;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    atomic_store(&loop->stop_asked, false);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop_asked, true);
    uv_async_send(&loop->bell);
}

static bool is_own(const struct loop *loop, const uv_handle_t *handle)
{
    return (const char *)handle >= (const char *)loop && (const char *)handle < (const char *)(loop + 1);
}

static void check_closed(uv_handle_t *handle, void *loop)
{
    assert((is_own(loop, handle) || uv_is_closing(handle)) && "everything open is closed by its owner first");
}

void loop_free(struct loop *loop)
{
    signals_close(loop);
    resolver_close(loop);
    /* Handles on their way to be closed, jobs still running and their messages are seen through. */
    uv_unref((uv_handle_t *)&loop->bell);
    uv_unref((uv_handle_t *)&loop->turn_end);
    uv_unref((uv_handle_t *)&loop->awake);
    uv_unref((uv_handle_t *)&loop->alarm);
    do {
        run_mailbox(loop);
        uv_walk(&loop->uv, check_closed, loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (atomic_load(&loop->mailbox) != NULL);
    timers_close(loop);
    uv_close((uv_handle_t *)&loop->bell, NULL);
    uv_close((uv_handle_t *)&loop->turn_end, NULL);
    uv_close((uv_handle_t *)&loop->awake, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&loop->uv);
    assert(busy == 0);
    (void)busy;
    mem_free(loop->resolve_conf);
    mem_free(loop);
}
