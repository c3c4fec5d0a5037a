/* admin - the consoles that are open, and the averages that are kept for them and for the log. */
#include "console.h"

const struct config *admin_config(const struct admin *admin)
{
    return admin->hooks.config(admin->hooks.owner);
}

static void begin_period(struct admin *admin);

static void log_averages(struct admin *admin, const struct database_view *databases, int count)
{
    struct stats all = {0};
    for (int i = 0; i < count; i++)
        stats_add(&all, &databases[i].totals);
    struct stats_console average;
    stats_average(&admin->averages.all, &all, loop_now(admin->loop), &average);
    struct buf line = {0};
    stats_format_line(&line, &average);
    log_write(LOG_LEVEL_LOG, "%s", buf_text(&line));
    buf_deinit(&line);
}

static void on_totals(struct ask *ask, void *owner)
{
    struct admin *admin = owner;
    if (admin->is_closed)
        return;
    int count;
    struct database_view *databases = totals_of(admin, ask, &count);
    averages_shift(&admin->averages, databases, count, loop_now(admin->loop));
    if (admin_config(admin)->log_stats)
        log_averages(admin, databases, count);
    mem_free(databases);
}

static void on_period(struct timer *timer)
{
    struct admin *admin = LIST_ENTRY(timer, struct admin, period);
    workers_ask(admin->workers, ASK_STATS, NULL, NULL, 0, on_totals, admin);
    begin_period(admin);
}

static void begin_period(struct admin *admin)
{
    timer_start(admin->loop, &admin->period, loop_now(admin->loop) + admin_config(admin)->stats_period, on_period);
}

struct admin *admin_new(struct loop *control, struct workers *workers, const struct admin_hooks *hooks)
{
    struct admin *admin = mem_zalloc(sizeof *admin);
    admin->loop = control;
    admin->workers = workers;
    admin->hooks = *hooks;
    list_init(&admin->consoles);
    list_init(&admin->closing);
    averages_init(&admin->averages, loop_now(control));
    begin_period(admin);
    return admin;
}

void admin_close(struct admin *admin)
{
    admin->is_closed = true;
    timer_stop(&admin->period);
    LIST_FOREACH_SAFE (&admin->consoles, it, after)
        console_close(LIST_ENTRY(it, struct console, link), "server shutting down");
}

void admin_free(struct admin *admin)
{
    consoles_free(admin);
    averages_deinit(&admin->averages);
    mem_free(admin);
}

void admin_console_arrived(void *owner, struct console_client *client)
{
    console_open(owner, client);
}

void admin_console_cancelled(void *owner, uint32_t pid, const uint8_t *key, size_t key_len)
{
    struct admin *admin = owner;
    LIST_FOREACH (&admin->consoles, it) {
        struct console *console = LIST_ENTRY(it, struct console, link);
        const struct console_client *client = console->client;
        if (client->cancel_pid == pid && client->cancel_key_len == key_len &&
            mem_equal_consttime(client->cancel_key, key, key_len)) {
            console_cancel(console);
            return;
        }
    }
}
