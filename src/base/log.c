/* log - one message from any thread to the one sink; PgBouncer's line format. */
#include "pgpooler/base.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_name[LOG_LEVELS] = {
    [LOG_LEVEL_FATAL] = "FATAL", [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_WARNING] = "WARNING",
    [LOG_LEVEL_LOG] = "LOG",     [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_NOISE] = "NOISE",
};

static void sink_to_stderr(enum log_level level, const char *message);

static log_sink *current_sink = sink_to_stderr;
static atomic_int max_level = LOG_LEVEL_LOG;

void log_set_sink(log_sink *sink)
{
    current_sink = sink ? sink : sink_to_stderr;
}

void log_set_verbosity(int verbose)
{
    int level = verbose >= 3 ? LOG_LEVEL_NOISE : verbose >= 1 ? LOG_LEVEL_DEBUG : LOG_LEVEL_LOG;
    atomic_store_explicit(&max_level, level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    int saved_errno = errno; /* a log line between a failed call and its handling changes nothing */
    char text[512];
    struct buf longer = {0};
    const char *message = text;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert(len >= 0);
    if ((size_t)len >= sizeof(text)) {
        errno = saved_errno; /* %m */
        va_start(args, format);
        buf_vprintf(&longer, format, args);
        va_end(args);
        message = buf_text(&longer);
    }
    current_sink(level, message);
    buf_deinit(&longer);
    errno = saved_errno;
}

void log_format_line(struct buf *out, enum log_level level, const char *message, usec wall, int pid)
{
    time_t seconds = (time_t)(wall / USEC_PER_SEC);
    int msec = (int)(wall % USEC_PER_SEC / USEC_PER_MSEC);
    struct tm local;
    char date[32], zone[16];
    localtime_r(&seconds, &local);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &local);
    strftime(zone, sizeof(zone), "%Z", &local);
    buf_printf(out, "%s.%03d %s [%d] %s ", date, msec, zone, pid, log_level_name[level]);

    /* a continuation line starts with a tab, so no message can forge a line of its own */
    const char *newline;
    while ((newline = strchr(message, '\n'))) {
        buf_append(out, message, (size_t)(newline - message));
        buf_append(out, "\n\t", 2);
        message = newline + 1;
    }
    buf_append_str(out, message);
    buf_append_u8(out, '\n');
}

static void sink_to_stderr(enum log_level level, const char *message)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct buf line = {0};
    log_format_line(&line, level, message, (usec)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000, (int)getpid());
    /* one write per line keeps the lines of several threads apart */
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written; /* nobody is left to tell */
    buf_deinit(&line);
}
