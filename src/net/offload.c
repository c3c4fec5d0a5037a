#include "net/loop.h"

struct offload {
    uv_work_t work;
    struct job *job;
};

static void on_thread(uv_work_t *work)
{
    struct job *job = ((struct offload *)work)->job;
    job->run(job);
}

static void on_loop(uv_work_t *work, int status)
{
    struct job *job = ((struct offload *)work)->job;
    (void)status; /* nothing cancels work here */
    mem_free(work);
    loop_read_clock(job->loop);
    job->done(job);
}

void net_offload(struct loop *loop, struct job *job)
{
    struct offload *offload = mem_zalloc(sizeof *offload);
    offload->job = job;
    job->loop = loop;
    int failed = uv_queue_work(&loop->uv, &offload->work, on_thread, on_loop);
    assert(failed == 0);
    (void)failed;
}
