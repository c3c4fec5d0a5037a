/* control - start, signals, end. */
#include "control.h"

#include "logging.h"
#include "process.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

/* ---- start ---- */

static bool load_config(struct control *control)
{
    struct buf errors = {0}, warnings = {0};
    control->config = config_load(control->arguments->config, &errors, &warnings);
    log_lines(LOG_LEVEL_WARNING, &warnings);
    log_lines(LOG_LEVEL_ERROR, &errors);
    if (control->config == NULL)
        log_write(LOG_LEVEL_FATAL, "cannot load config file");
    buf_deinit(&errors);
    buf_deinit(&warnings);
    return control->config != NULL;
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool take_user(const struct control *control)
{
    const char *user = control->arguments->user != NULL ? control->arguments->user : control->config->user;
    if (is_set(user) && !process_become(user))
        return false;
    if (process_is_root())
        log_write(LOG_LEVEL_FATAL, "pgpooler should not run as root");
    return !process_is_root();
}

static bool may_be_daemon(const struct config *config)
{
    if (!is_set(config->pidfile)) {
        log_write(LOG_LEVEL_FATAL, "daemon needs pidfile configured");
        return false;
    }
    if (!is_set(config->logfile) && !config->syslog) {
        log_write(LOG_LEVEL_FATAL, "daemon needs logging configured: logfile or syslog");
        return false;
    }
    return true;
}

/* Everything before there are descriptors and threads, which would not survive it. */
static bool prepare_process(struct control *control)
{
    const struct arguments *arguments = control->arguments;
    if (!load_config(control) || !take_user(control))
        return false;
    const struct config *config = control->config;
    if (arguments->is_daemon && !may_be_daemon(config))
        return false;
    if (!logging_configure(config, arguments->verbose)) {
        log_write(LOG_LEVEL_FATAL, "cannot log");
        return false;
    }
    if (arguments->takes_over && listeners_find_other(config)) {
        log_write(LOG_LEVEL_FATAL, "taking over from a running process (-R) is not supported: stop it first");
        return false;
    }
    if (!process_check_pidfile(config->pidfile))
        return false;
    if (arguments->is_daemon) {
        if (!process_daemonise())
            return false;
        logging_detach_stderr();
    }
    process_raise_descriptors(config);
    return true;
}

static int count_workers(const struct config *config)
{
    enum { AUTO_MAX = 8 };
    if (config->workers > 0)
        return config->workers < WORKERS_MAX ? config->workers : WORKERS_MAX;
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return count < AUTO_MAX ? count : AUTO_MAX;
}

static void on_console_arrived(void *owner, struct console_client *console)
{
    struct control *control = owner;
    admin_console_arrived(control->admin, console);
}

static void on_console_cancelled(void *owner, uint32_t pid, const uint8_t *key, size_t key_len)
{
    struct control *control = owner;
    admin_console_cancelled(control->admin, pid, key, key_len);
}

static const struct config *current_config(void *owner)
{
    const struct control *control = owner;
    return control->config;
}

static void start_workers(struct control *control)
{
    struct workers_setup setup = {
        .count = count_workers(control->config),
        .control = control->loop,
        .config = control->config,
        .console_arrived = on_console_arrived,
        .console_cancelled = on_console_cancelled,
        .owner = control,
    };
    control->workers = workers_start(&setup);
    struct admin_hooks hooks = {
        .config = current_config,
        .reload = changes_reload,
        .set = changes_set,
        .shut_down = shutdown_begin,
        .is_shutting_down = shutdown_has_begun,
        .owner = control,
    };
    control->admin = admin_new(control->loop, control->workers, &hooks);
}

/* ---- signals ---- */

static void on_told(struct ask *ask, void *owner)
{
    (void)ask;
    (void)owner;
}

static void on_hangup(void *owner, int signum)
{
    (void)signum;
    log_write(LOG_LEVEL_LOG, "got SIGHUP, re-reading config");
    changes_reload(owner, NULL, NULL);
}

static void on_terminate(void *owner, int signum)
{
    const struct control *control = owner;
    const char *name = signum == SIGTERM ? "SIGTERM" : "SIGINT";
    if (control->phase != RUNNING) {
        log_write(LOG_LEVEL_LOG, "got %s while shutting down, exiting at once", name);
        shutdown_begin(owner, ADMIN_SHUTDOWN_NOW);
    } else if (signum == SIGTERM) {
        log_write(LOG_LEVEL_LOG, "got %s, shutting down, waiting for all clients to disconnect", name);
        shutdown_begin(owner, ADMIN_SHUTDOWN_CLIENTS);
    } else {
        log_write(LOG_LEVEL_LOG, "got %s, shutting down, waiting for all servers connections to be released", name);
        shutdown_begin(owner, ADMIN_SHUTDOWN_SERVERS);
    }
}

static void on_quit(void *owner, int signum)
{
    (void)signum;
    log_write(LOG_LEVEL_LOG, "got SIGQUIT, exiting at once");
    shutdown_begin(owner, ADMIN_SHUTDOWN_NOW);
}

static void on_pause(void *owner, int signum)
{
    struct control *control = owner;
    (void)signum;
    log_write(LOG_LEVEL_LOG, "got SIGUSR1, pausing all activity");
    workers_ask(control->workers, ASK_PAUSE, NULL, NULL, 0, on_told, NULL);
}

static void on_resume(void *owner, int signum)
{
    struct control *control = owner;
    (void)signum;
    if (control->phase != RUNNING) {
        log_write(LOG_LEVEL_LOG, "got SIGUSR2 while shutting down, ignoring");
        return;
    }
    log_write(LOG_LEVEL_LOG, "got SIGUSR2, continuing from PAUSE");
    workers_ask(control->workers, ASK_RESUME, NULL, NULL, 0, on_told, NULL);
}

static void watch_signals(struct control *control)
{
    net_on_signal(control->loop, SIGHUP, on_hangup, control);
    net_on_signal(control->loop, SIGTERM, on_terminate, control);
    net_on_signal(control->loop, SIGINT, on_terminate, control);
    net_on_signal(control->loop, SIGQUIT, on_quit, control);
    net_on_signal(control->loop, SIGUSR1, on_pause, control);
    net_on_signal(control->loop, SIGUSR2, on_resume, control);
}

/* ---- life ---- */

bool control_start(struct control *control, const struct arguments *arguments)
{
    *control = (struct control){.arguments = arguments};
    changes_init(control);
    signal(SIGPIPE, SIG_IGN);
    logging_begin(arguments->is_quiet);
    log_set_verbosity(arguments->verbose);
    if (!prepare_process(control))
        goto err;
    control->loop = loop_new();
    if (control->loop == NULL) {
        log_write(LOG_LEVEL_FATAL, "could not make an event loop: no descriptors left?");
        goto err;
    }
    if (is_set(control->config->resolv_conf))
        net_resolve_conf(control->loop, control->config->resolv_conf);
    watch_signals(control); /* heard from control_run() on */
    if (!listeners_open(control) || !process_write_pidfile(control->config->pidfile))
        goto err;
    control->pidfile_is_ours = true;
    start_workers(control);
    struct net_versions versions;
    net_versions(&versions);
    log_write(LOG_LEVEL_LOG, "process up: " ADMIN_VERSION ", libuv %s, adns: c-ares %s, tls: %s", versions.event,
              versions.dns, versions.tls);
    process_notify("READY=1");
    return true;

err:
    control_stop(control);
    return false;
}

void control_run(struct control *control)
{
    loop_run(control->loop);
}

void control_stop(struct control *control)
{
    control->phase = STOPPING;
    if (control->loop != NULL) {
        listeners_close_all(control);
        if (control->workers != NULL) {
            admin_close(control->admin);
            workers_stop(control->workers);
        }
        loop_free(control->loop);
    }
    if (control->admin != NULL)
        admin_free(control->admin);
    changes_free(control);
    if (control->pidfile_is_ours)
        process_remove_pidfile(control->config->pidfile);
    config_free(control->config);
    logging_end();
}
