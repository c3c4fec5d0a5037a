/* pause - PAUSE waits until the workers have no backend of it any more; RESUME ends it. */
#include "console.h"

#include "pgpooler/proto.h"

#define POLL_PERIOD (20 * USEC_PER_MSEC)

/* Is there such an entry, or would the * line make one? */
static bool entry_exists(const struct admin *admin, const char *name)
{
    const struct config *config = admin_config(admin);
    if (config_find_entry(config, name) != NULL)
        return true;
    struct config_entry *made = config_make_auto(config, name);
    config_entry_free(made);
    return made != NULL;
}

static void refuse_named(struct console *console, const char *before, const char *name, const char *behind)
{
    char *message = mem_printf("%s%s%s", before, name, behind);
    console_refuse(console, message);
    mem_free(message);
}

static int backends_left(struct console *console)
{
    struct broker *broker = workers_broker(console->admin->workers);
    struct broker_counts counts;
    if (console->pausing != NULL)
        broker_database_count(broker, console->pausing, &counts);
    else
        broker_process_count(broker, &counts);
    return counts.total;
}

static void look_again(struct timer *timer)
{
    struct console *console = LIST_ENTRY(timer, struct console, poll);
    struct admin *admin = console->admin;
    if (!broker_is_paused(workers_broker(admin->workers), console->pausing)) {
        console->waits_for_pause = false;
        console_fail(console, SQLSTATE_QUERY_CANCELED, "PAUSE was ended by RESUME", NULL);
    } else if (backends_left(console) == 0) {
        console->waits_for_pause = false;
        console_complete(console, "PAUSE");
    } else {
        timer_start(admin->loop, timer, loop_now(admin->loop) + POLL_PERIOD, look_again);
    }
}

static void on_paused(struct ask *ask, void *owner)
{
    struct console *console = owner;
    (void)ask;
    /* Not cancelled meanwhile, and the latest of several in quick succession. */
    if (console_awaited(console) && console->waits_for_pause && console->awaited == 0)
        look_again(&console->poll);
}

void run_pause(struct console *console, const struct command *command)
{
    struct admin *admin = console->admin;
    const char *name = command->argument;
    if (name != NULL && config_name_is_reserved(name)) {
        refuse_named(console, "cannot pause admin db: ", name, "");
        return;
    }
    if (name != NULL && !entry_exists(admin, name)) {
        refuse_named(console, "no such database: ", name, "");
        return;
    }
    if (name == NULL && broker_is_paused(workers_broker(admin->workers), NULL)) {
        console_refuse(console, "already suspended/paused");
        return;
    }
    console->waits_for_pause = true;
    console->pausing = name;
    console->awaited++;
    workers_ask(admin->workers, ASK_PAUSE, name, NULL, 0, on_paused, console);
}

static void on_abandoned(struct ask *ask, void *owner)
{
    (void)ask;
    (void)owner;
}

void pause_abandon(struct console *console)
{
    if (!console->waits_for_pause)
        return;
    console->waits_for_pause = false;
    timer_stop(&console->poll);
    if (!console->admin->is_closed)
        workers_ask(console->admin->workers, ASK_RESUME, console->pausing, NULL, 0, on_abandoned, NULL);
}

static void on_resumed(struct ask *ask, void *owner)
{
    struct console *console = owner;
    (void)ask;
    if (console_awaited(console))
        console_complete(console, "RESUME");
}

void run_resume(struct console *console, const struct command *command)
{
    struct admin *admin = console->admin;
    const char *name = command->argument;
    bool is_paused = broker_is_paused(workers_broker(admin->workers), name);
    if (admin->hooks.is_shutting_down(admin->hooks.owner)) {
        console_refuse(console, "pooler is shutting down");
    } else if (name == NULL && !is_paused) {
        console_refuse(console, "pooler is not paused/suspended");
    } else if (name != NULL && !entry_exists(admin, name)) {
        refuse_named(console, "no such database: ", name, "");
    } else if (!is_paused) {
        refuse_named(console, "database ", name, " is not paused");
    } else {
        console->awaited++;
        workers_ask(admin->workers, ASK_RESUME, name, NULL, 0, on_resumed, console);
    }
}
