/* shutdown - the orderly ends: when the servers are free, when the clients have gone, or now. */
#include "control.h"
#include "process.h"

#define POLL_PERIOD (20 * USEC_PER_MSEC)

static void stop(struct control *control)
{
    control->phase = STOPPING;
    timer_stop(&control->poll);
    loop_stop(control->loop);
}

static bool is_over(struct control *control)
{
    struct broker_counts counts;
    broker_process_count(workers_broker(control->workers), &counts);
    if (control->phase == WAITING_FOR_SERVERS)
        return control->pause_answered && counts.total == 0;
    return counts.clients == 0;
}

static void on_told(struct ask *ask, void *owner)
{
    struct control *control = owner;
    if (ask->kind == ASK_PAUSE)
        control->pause_answered = true;
    if (ask->kind == ASK_DROP_WAITING)
        control->is_dropping = false;
}

static void look_again(struct timer *timer)
{
    struct control *control = LIST_ENTRY(timer, struct control, poll);
    usec now = loop_now(control->loop);
    usec patience = control->config->drain_timeout;
    if (is_over(control)) {
        log_write(LOG_LEVEL_LOG, control->phase == WAITING_FOR_SERVERS ? "server connections dropped, exiting"
                                                                       : "client connections dropped, exiting");
        stop(control);
    } else if (patience > 0 && now - control->shutdown_began >= patience) {
        log_write(LOG_LEVEL_WARNING, "drain_timeout is over, exiting with connections open");
        stop(control);
    } else {
        if (control->phase == WAITING_FOR_SERVERS && !control->is_dropping) {
            control->is_dropping = true; /* those who began to wait: nothing would come for them */
            workers_ask(control->workers, ASK_DROP_WAITING, NULL, "server shutting down", 0, on_told, control);
        }
        timer_start(control->loop, timer, now + POLL_PERIOD, look_again);
    }
}

void shutdown_begin(void *owner, enum admin_shutdown how)
{
    struct control *control = owner;
    if (control->phase == STOPPING)
        return;
    process_notify("STOPPING=1");
    if (how == ADMIN_SHUTDOWN_NOW) {
        stop(control);
        return;
    }
    bool for_servers = how == ADMIN_SHUTDOWN_SERVERS;
    control->phase = for_servers ? WAITING_FOR_SERVERS : WAITING_FOR_CLIENTS;
    control->shutdown_began = loop_now(control->loop);
    listeners_close_tcp(control);
    workers_ask(control->workers, ASK_CLIENTS_ONLY, NULL, "pooler is shutting down", 0, on_told, control);
    if (for_servers)
        workers_ask(control->workers, ASK_PAUSE, NULL, NULL, 0, on_told, control);
    timer_start(control->loop, &control->poll, control->shutdown_began + POLL_PERIOD, look_again);
}

bool shutdown_has_begun(void *owner)
{
    const struct control *control = owner;
    return control->phase != RUNNING;
}
