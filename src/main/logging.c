/* logging - the sink of base's log. */
#include "logging.h"

#include "pgpooler/net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <syslog.h>
#include <unistd.h>

/* Any thread logs, and control opens files anew meanwhile. */
static struct {
    pthread_mutex_t lock;
    bool to_stderr, to_syslog;
    int fd;      /* -1: no file */
    char *ident; /* syslog keeps the pointer */
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .to_stderr = true, .fd = -1};

static const int syslog_level[LOG_LEVELS] = {
    [LOG_LEVEL_FATAL] = LOG_CRIT, [LOG_LEVEL_ERROR] = LOG_ERR,   [LOG_LEVEL_WARNING] = LOG_WARNING,
    [LOG_LEVEL_LOG] = LOG_INFO,   [LOG_LEVEL_DEBUG] = LOG_DEBUG, [LOG_LEVEL_NOISE] = LOG_DEBUG,
};

static int facility_of(enum syslog_facility facility)
{
    switch (facility) {
    case SYSLOG_AUTH:
        return LOG_AUTH;
    case SYSLOG_AUTHPRIV:
        return LOG_AUTHPRIV;
    case SYSLOG_USER:
        return LOG_USER;
    case SYSLOG_DAEMON:
        return LOG_DAEMON;
    default:
        return LOG_LOCAL0 + ((int)facility - SYSLOG_LOCAL0) * (LOG_LOCAL1 - LOG_LOCAL0);
    }
}

/* A log that cannot be written has nobody to be told about it. */
static void write_line(int fd, const struct buf *line)
{
    ssize_t written;
    do {
        written = write(fd, line->data, line->len); /* one write per line: lines of several threads do not mix */
    } while (written < 0 && errno == EINTR);
}

static void write_message(enum log_level level, const char *message)
{
    struct buf line = {0};
    log_format_line(&line, level, message, net_wall_now(), (int)getpid());
    pthread_mutex_lock(&sink.lock);
    if (sink.to_stderr)
        write_line(STDERR_FILENO, &line);
    if (sink.fd >= 0)
        write_line(sink.fd, &line);
    if (sink.to_syslog)
        syslog(syslog_level[level], "%s", message);
    pthread_mutex_unlock(&sink.lock);
    buf_deinit(&line);
}

void logging_begin(bool is_quiet)
{
    sink.to_stderr = !is_quiet;
    log_set_sink(write_message);
}

static void configure_syslog(const struct config *config)
{
    if (sink.to_syslog)
        closelog();
    mem_free(sink.ident);
    sink.ident = NULL;
    sink.to_syslog = config->syslog;
    if (!config->syslog)
        return;
    sink.ident = mem_strdup(config->syslog_ident);
    openlog(sink.ident, LOG_PID, facility_of(config->syslog_facility));
}

bool logging_configure(const struct config *config, int verbose_argument)
{
    int fd = -1;
    if (config->logfile != NULL && config->logfile[0] != '\0') {
        fd = open(config->logfile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0) {
            log_write(LOG_LEVEL_ERROR, "could not open log file '%s': %s", config->logfile, strerror(errno));
            return false;
        }
    }
    pthread_mutex_lock(&sink.lock);
    if (sink.fd >= 0)
        close(sink.fd);
    sink.fd = fd;
    configure_syslog(config);
    pthread_mutex_unlock(&sink.lock);
    log_set_verbosity(config->verbose > verbose_argument ? config->verbose : verbose_argument);
    return true;
}

void logging_detach_stderr(void)
{
    pthread_mutex_lock(&sink.lock);
    sink.to_stderr = false;
    pthread_mutex_unlock(&sink.lock);
}

void logging_end(void)
{
    log_set_sink(NULL);
    if (sink.fd >= 0)
        close(sink.fd);
    sink.fd = -1;
    if (sink.to_syslog)
        closelog();
    mem_free(sink.ident);
    sink.ident = NULL;
    sink.to_syslog = false;
}
