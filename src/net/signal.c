#include "net/loop.h"

struct signal {
    uv_signal_t handle;
    struct list link; /* in loop->signals */
    void (*raised)(void *owner, int signum);
    void *owner;
};

static void on_raised(uv_signal_t *handle, int signum)
{
    struct signal *signal = (struct signal *)handle;
    loop_read_clock(loop_of(handle));
    signal->raised(signal->owner, signum);
}

void net_on_signal(struct loop *loop, int signum, void (*raised)(void *owner, int signum), void *owner)
{
    struct signal *signal = mem_zalloc(sizeof *signal);
    signal->raised = raised;
    signal->owner = owner;
    list_push_back(&loop->signals, &signal->link);
    uv_signal_init(&loop->uv, &signal->handle);
    int failed = uv_signal_start(&signal->handle, on_raised, signum);
    assert(failed == 0);
    (void)failed;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

void signals_close(struct loop *loop)
{
    LIST_FOREACH_SAFE (&loop->signals, it, after)
        uv_close((uv_handle_t *)&LIST_ENTRY(it, struct signal, link)->handle, on_closed);
    list_init(&loop->signals);
}
