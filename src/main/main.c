/* Arguments, configuration, what the system has to be told, and then the control thread. */
#include "main/arguments.h"
#include "main/control.h"
#include "main/logging.h"
#include "main/process.h"

#include <stdio.h>
#include <unistd.h>

static struct config *load_or_complain(const char *path)
{
    struct buf errors = {0}, warnings = {0};
    struct config *config = config_load(path, &errors, &warnings);
    fputs(buf_text(&warnings), stderr);
    fputs(buf_text(&errors), stderr);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    if (config == NULL)
        log_write(LOG_LEVEL_FATAL, "cannot load config file");
    return config;
}

/* A process of the same configuration that still runs: taking over from it is not there yet, so say so. */
static bool may_reboot(const struct config *config)
{
    if (config->pidfile == NULL || access(config->pidfile, F_OK) != 0)
        return true;
    log_write(LOG_LEVEL_FATAL, "online restart (-R) is not supported: stop the running process first");
    return false;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    switch (arguments_read(argc, argv, &arguments)) {
    case ARGUMENTS_DONE:
        return 0;
    case ARGUMENTS_WRONG:
        return 1;
    case ARGUMENTS_RUN:
        break;
    }
    struct config *config = load_or_complain(arguments.config_path);
    if (config == NULL)
        return 1;
    bool ready = process_become_user(arguments.user ? arguments.user : config->user) && process_is_not_root() &&
                 (!arguments.reboot || may_reboot(config)) && process_check_pidfile(config->pidfile) &&
                 logging_configure(config, arguments.quiet, arguments.verbose);
    if (ready && arguments.daemon && (config->pidfile == NULL || *config->pidfile == '\0')) {
        log_write(LOG_LEVEL_FATAL, "pidfile is needed to run as a daemon");
        ready = false;
    }
    if (!ready) {
        config_free(config);
        return 1;
    }
    if (arguments.daemon) {
        process_daemonise();
        arguments.quiet = true;
        logging_configure(config, true, arguments.verbose);
    }
    return control_run(&arguments, config);
}
