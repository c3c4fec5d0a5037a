#include "main/logging.h"

#include "pgpooler/net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <syslog.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    int file; /* -1: none */
    bool to_stderr, to_syslog;
} log_to = {.lock = PTHREAD_MUTEX_INITIALIZER, .file = -1, .to_stderr = true};

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* a full disk is no reason to stop serving */
        data += n;
        len -= (size_t)n;
    }
}

static int syslog_priority(enum log_level level)
{
    static const int priority[LOG_LEVELS] = {
        [LOG_LEVEL_FATAL] = LOG_CRIT, [LOG_LEVEL_ERROR] = LOG_ERR,   [LOG_LEVEL_WARNING] = LOG_WARNING,
        [LOG_LEVEL_LOG] = LOG_INFO,   [LOG_LEVEL_DEBUG] = LOG_DEBUG, [LOG_LEVEL_NOISE] = LOG_DEBUG,
    };
    return priority[level];
}

static void sink(enum log_level level, const char *message)
{
    struct buf line = {0};
    log_format_line(&line, level, message, net_wall_now(), (int)getpid());
    pthread_mutex_lock(&log_to.lock);
    if (log_to.to_stderr)
        write_all(STDERR_FILENO, line.data, line.len);
    if (log_to.file >= 0)
        write_all(log_to.file, line.data, line.len);
    if (log_to.to_syslog)
        syslog(syslog_priority(level), "%s", message);
    pthread_mutex_unlock(&log_to.lock);
    buf_deinit(&line);
}

static int facility_of(enum syslog_facility facility)
{
    static const int named[] = {[SYSLOG_AUTH] = LOG_AUTH,
                                [SYSLOG_AUTHPRIV] = LOG_AUTHPRIV,
                                [SYSLOG_DAEMON] = LOG_DAEMON,
                                [SYSLOG_USER] = LOG_USER};
    static const int local[] = {LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
    return facility < SYSLOG_LOCAL0 ? named[facility] : local[facility - SYSLOG_LOCAL0];
}

bool logging_configure(const struct config *config, bool quiet, int verbose)
{
    bool wants_file = config->logfile != NULL && *config->logfile;
    int file = -1, failed = 0;
    if (wants_file) {
        file = open(config->logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        failed = file < 0 ? errno : 0;
    }
    pthread_mutex_lock(&log_to.lock);
    if (failed == 0) {
        if (log_to.file >= 0)
            close(log_to.file);
        log_to.file = file;
    }
    log_to.to_stderr = !quiet;
    if (config->syslog && !log_to.to_syslog) {
        static char ident[64]; /* openlog keeps the pointer */
        strncpy(ident, config->syslog_ident, sizeof ident - 1);
        openlog(ident, LOG_PID, facility_of(config->syslog_facility));
    }
    log_to.to_syslog = config->syslog;
    pthread_mutex_unlock(&log_to.lock);
    log_set_verbosity(config->verbose > verbose ? config->verbose : verbose);
    log_set_sink(sink);
    if (failed != 0)
        log_write(LOG_LEVEL_ERROR, "could not open log file: %s: %s", config->logfile, strerror(failed));
    return failed == 0;
}
