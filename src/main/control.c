#include "main/control.h"

#include "main/listen.h"
#include "main/logging.h"
#include "main/process.h"
#include "pgpooler/admin.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { WATCH_PERIOD = 20 * 1000 }; /* usec between two looks at what a shutdown waits for */

enum shutdown_state { SHUTDOWN_NONE, SHUTDOWN_FOR_SERVERS, SHUTDOWN_FOR_CLIENTS };

struct control {
    const struct arguments *arguments;
    struct loop *loop;
    struct config *config; /* in force */
    struct config *former; /* until the last worker has let go of it */
    struct workers *workers;
    struct admin *admin;
    struct listeners listeners;
    enum shutdown_state shutting_down;
    struct timer watch;
    /* the change under way: who asked for it */
    bool changing;
    admin_done *change_done;
    void *change_ctx;
};

static void accepted(void *owner, int fd)
{
    struct control *control = owner;
    workers_accept(control->workers, fd);
}

static void console_arrived(void *owner, struct console_client *console)
{
    struct control *control = owner;
    admin_console_arrived(control->admin, console);
}

static void console_cancelled(void *owner, uint32_t pid, const uint8_t *key, size_t key_len)
{
    struct control *control = owner;
    admin_console_cancelled(control->admin, pid, key, key_len);
}

/* ---- a new configuration: RELOAD and SET ---- */
static void answer_change(struct control *control, const char *error)
{
    admin_done *done = control->change_done;
    control->change_done = NULL;
    if (done != NULL)
        done(control->change_ctx, error);
}

static void change_is_in_force(void *owner)
{
    struct control *control = owner;
    config_free(control->former);
    control->former = NULL;
    control->changing = false;
    process_notify("READY=1");
    answer_change(control, NULL);
}

static void put_in_force(struct control *control, struct config *fresh, admin_done *done, void *ctx)
{
    config_keep_start_only(fresh, control->config);
    control->former = control->config;
    control->config = fresh;
    control->changing = true;
    control->change_done = done;
    control->change_ctx = ctx;
    logging_configure(fresh, control->arguments->quiet || control->arguments->daemon, control->arguments->verbose);
    workers_set_config(control->workers, fresh, change_is_in_force, control);
}

static void log_lines(enum log_level level, struct buf *lines)
{
    const char *text = buf_text(lines);
    while (*text) {
        size_t len = strcspn(text, "\n");
        log_write(level, "%.*s", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static struct config *load(const char *path)
{
    struct buf errors = {0}, warnings = {0};
    struct config *config = config_load(path, &errors, &warnings);
    log_lines(LOG_LEVEL_WARNING, &warnings);
    log_lines(LOG_LEVEL_ERROR, &errors);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    return config;
}

static void reload(void *owner, admin_done *done, void *ctx)
{
    struct control *control = owner;
    if (control->changing) {
        if (done != NULL)
            done(ctx, "another change of the configuration is under way");
        return;
    }
    log_write(LOG_LEVEL_LOG, "reloading configuration");
    const char *path = control->config->conffile ? control->config->conffile : control->arguments->config_path;
    struct config *fresh = load(path);
    if (fresh == NULL) {
        log_write(LOG_LEVEL_ERROR, "RELOAD failed, the configuration in force stays as it is");
        if (done != NULL)
            done(ctx, "RELOAD failed, see logs for additional details");
        return;
    }
    process_notify("RELOADING=1");
    put_in_force(control, fresh, done, ctx);
}

static void set(void *owner, const char *key, const char *value, admin_done *done, void *ctx)
{
    struct control *control = owner;
    char *error = NULL;
    struct config *fresh = control->changing ? NULL : config_set(control->config, key, value, &error);
    if (fresh != NULL) {
        put_in_force(control, fresh, done, ctx);
        return;
    }
    log_write(LOG_LEVEL_WARNING, "SET %s: %s", key, error ? error : "another change is under way");
    done(ctx, error ? error : "another change of the configuration is under way");
    mem_free(error);
}

static const struct config *config_in_force(void *owner)
{
    return ((struct control *)owner)->config;
}

/* ---- the end ---- */
static void ignore_answer(struct ask *ask, void *owner)
{
    (void)ask;
    (void)owner;
}

static void ask_all(struct control *control, enum ask_kind kind, const char *text)
{
    workers_ask(control->workers, kind, NULL, text, 0, ignore_answer, control);
}

static void watch_shutdown(struct timer *timer)
{
    struct control *control = LIST_ENTRY(timer, struct control, watch);
    struct broker_counts counts;
    broker_process_count(workers_broker(control->workers), &counts);
    bool over = control->shutting_down == SHUTDOWN_FOR_SERVERS ? counts.total == 0 : counts.clients == 0;
    if (over)
        loop_stop(control->loop);
    else
        timer_start(control->loop, timer, loop_now(control->loop) + WATCH_PERIOD, watch_shutdown);
}

static void shut_down(void *owner, enum admin_shutdown how)
{
    struct control *control = owner;
    process_notify("STOPPING=1");
    if (how == ADMIN_SHUTDOWN_NOW) {
        loop_stop(control->loop);
        return;
    }
    listeners_close_tcp(&control->listeners);
    ask_all(control, ASK_CLIENTS_ONLY, "pooler is shutting down");
    if (how == ADMIN_SHUTDOWN_SERVERS) {
        ask_all(control, ASK_PAUSE, NULL);
        ask_all(control, ASK_DROP_WAITING, "server shutting down");
    }
    control->shutting_down = how == ADMIN_SHUTDOWN_SERVERS ? SHUTDOWN_FOR_SERVERS : SHUTDOWN_FOR_CLIENTS;
    timer_start(control->loop, &control->watch, loop_now(control->loop) + WATCH_PERIOD, watch_shutdown);
}

static bool is_shutting_down(void *owner)
{
    return ((struct control *)owner)->shutting_down != SHUTDOWN_NONE;
}

/* ---- signals ---- */
static void on_signal(void *owner, int signum)
{
    struct control *control = owner;
    bool ending = is_shutting_down(control);
    switch (signum) {
    case SIGHUP:
        log_write(LOG_LEVEL_LOG, "got SIGHUP, re-reading config");
        reload(control, NULL, NULL);
        break;
    case SIGINT:
        log_write(LOG_LEVEL_LOG, ending ? "got SIGINT while shutting down, fast exit"
                                        : "got SIGINT, shutting down, waiting for all servers connections to be "
                                          "released");
        shut_down(control, ending ? ADMIN_SHUTDOWN_NOW : ADMIN_SHUTDOWN_SERVERS);
        break;
    case SIGTERM:
        log_write(LOG_LEVEL_LOG, ending ? "got SIGTERM while shutting down, fast exit"
                                        : "got SIGTERM, shutting down, waiting for all clients disconnect");
        shut_down(control, ending ? ADMIN_SHUTDOWN_NOW : ADMIN_SHUTDOWN_CLIENTS);
        break;
    case SIGQUIT:
        log_write(LOG_LEVEL_LOG, "got SIGQUIT, fast exit");
        shut_down(control, ADMIN_SHUTDOWN_NOW);
        break;
    case SIGUSR1:
        log_write(LOG_LEVEL_LOG, "got SIGUSR1, pausing all activity");
        if (!ending)
            ask_all(control, ASK_PAUSE, NULL);
        break;
    case SIGUSR2:
        log_write(LOG_LEVEL_LOG, "got SIGUSR2, continuing from pause");
        if (!ending)
            ask_all(control, ASK_RESUME, NULL);
        break;
    default:
        break;
    }
}

static void hear_signals(struct control *control)
{
    static const int heard[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++)
        net_on_signal(control->loop, heard[i], on_signal, control);
}

/* ---- start and stop ---- */
static int worker_count(const struct config *config)
{
    enum { AUTO_MAX = 8 };
    if (config->workers > 0)
        return config->workers;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : processors > AUTO_MAX ? AUTO_MAX : (int)processors;
}

static void start(struct control *control)
{
    struct workers_setup setup = {
        .count = worker_count(control->config),
        .control = control->loop,
        .config = control->config,
        .console_arrived = console_arrived,
        .console_cancelled = console_cancelled,
        .owner = control,
    };
    control->workers = workers_start(&setup);
    struct admin_hooks hooks = {
        .config = config_in_force,
        .reload = reload,
        .set = set,
        .shut_down = shut_down,
        .is_shutting_down = is_shutting_down,
        .owner = control,
    };
    control->admin = admin_new(control->loop, control->workers, &hooks);
    struct net_versions versions;
    net_versions(&versions);
    log_write(LOG_LEVEL_LOG, "process up: %s, libuv %s, adns: c-ares %s, tls: %s", ADMIN_VERSION, versions.event,
              versions.dns, versions.tls);
    process_notify("READY=1");
}

static void stop(struct control *control)
{
    timer_stop(&control->watch);
    listeners_close(&control->listeners);
    admin_close(control->admin);
    workers_stop(control->workers);
    loop_free(control->loop);
    admin_free(control->admin);
    process_remove_pidfile(control->config->pidfile);
    config_free(control->former);
}

int control_run(const struct arguments *arguments, struct config *config)
{
    struct control control = {.arguments = arguments, .config = config, .loop = loop_new()};
    int exit_code = 1;
    if (config->resolv_conf != NULL && *config->resolv_conf)
        net_resolve_conf(control.loop, config->resolv_conf);
    hear_signals(&control);
    if (!listeners_open(&control.listeners, control.loop, config, accepted, &control))
        goto err_before_listeners;
    process_raise_descriptors(config, control.listeners.tcp_count + 1);
    if (!process_write_pidfile(config->pidfile))
        goto err_after_listeners;
    start(&control);
    loop_run(control.loop);
    stop(&control);
    config = control.config;
    exit_code = 0;
    goto out;

err_after_listeners:
    listeners_close(&control.listeners);
err_before_listeners:
    loop_free(control.loop);
out:
    config_free(config);
    return exit_code;
}
