/* process - one function per concern, called from control's start in the order of the header. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- user ---- */

bool process_become(const char *user)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        log_write(LOG_LEVEL_FATAL, "could not find user '%s': %s", user, errno != 0 ? strerror(errno) : "no such user");
        return false;
    }
    if (entry->pw_uid == geteuid())
        return true;
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
        log_write(LOG_LEVEL_FATAL, "could not become user '%s': %s", user, strerror(errno));
        return false;
    }
    return true;
}

bool process_is_root(void)
{
    return geteuid() == 0;
}

/* ---- pid file ---- */

/* The pid in the file; 0: nothing that could be one. ERR_NOT_FOUND: no file. ERR_IO */
static long read_pid(const char *path)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len < 0)
        return ERR_IO;
    text[len] = '\0';
    char *end;
    long pid = strtol(text, &end, 10);
    return end > text && (*end == '\n' || *end == '\0') && pid > 0 && pid <= INT_MAX ? pid : 0;
}

bool process_check_pidfile(const char *path)
{
    if (path == NULL || *path == '\0')
        return true;
    long pid = read_pid(path);
    if (pid == ERR_NOT_FOUND)
        return true;
    if (pid == ERR_IO) {
        log_write(LOG_LEVEL_FATAL, "could not read pidfile '%s': %s", path, strerror(errno));
        return false;
    }
    if (pid == 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) {
        log_write(LOG_LEVEL_FATAL, "pidfile '%s' exists, another instance running?", path);
        return false;
    }
    log_write(LOG_LEVEL_LOG, "stale pidfile, removing");
    if (unlink(path) != 0) {
        log_write(LOG_LEVEL_FATAL, "could not remove pidfile '%s': %s", path, strerror(errno));
        return false;
    }
    return true;
}

bool process_write_pidfile(const char *path)
{
    if (path == NULL || *path == '\0')
        return true;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        log_write(LOG_LEVEL_FATAL, "could not create pidfile '%s': %s", path, strerror(errno));
        return false;
    }
    bool is_written = dprintf(fd, "%d\n", (int)getpid()) > 0;
    int error = errno;
    is_written = close(fd) == 0 && is_written;
    if (!is_written) {
        unlink(path);
        log_write(LOG_LEVEL_FATAL, "could not write pidfile '%s': %s", path, strerror(error));
    }
    return is_written;
}

void process_remove_pidfile(const char *path)
{
    if (path == NULL || *path == '\0')
        return;
    if (unlink(path) != 0)
        log_write(LOG_LEVEL_WARNING, "could not remove pidfile '%s': %s", path, strerror(errno));
}

/* ---- background ---- */

/* True in the child; the parent ends. */
static bool continue_in_child(void)
{
    pid_t child = fork();
    if (child > 0)
        _exit(EXIT_SUCCESS);
    if (child < 0)
        log_write(LOG_LEVEL_FATAL, "could not fork: %s", strerror(errno));
    return child == 0;
}

bool process_daemonise(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        log_write(LOG_LEVEL_FATAL, "could not open /dev/null: %s", strerror(errno));
        return false;
    }
    if (!continue_in_child())
        return false;
    setsid();
    if (!continue_in_child()) /* no session leader: it can get no terminal any more */
        return false;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    return true;
}

/* ---- descriptors ---- */

static long at_most(long value, long limit)
{
    return limit > 0 && value > limit ? limit : value;
}

long process_expected_descriptors(const struct config *config)
{
    enum { OWN = 64 }; /* loops, listeners, log, pid file, console */
    long backends = 0;
    for (size_t i = 0; i < config->entry_count; i++) {
        const struct config_entry *entry = config->entries[i];
        long pools = entry->user != NULL || config->user_count == 0 ? 1 : (long)config->user_count;
        long size = config_pool_size(config, entry, NULL) + config_reserve_pool_size(config, entry, NULL);
        backends += at_most(pools * size, config_max_db_connections(config, entry));
    }
    return config->max_client_conn + backends + OWN;
}

void process_raise_descriptors(const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_write(LOG_LEVEL_WARNING, "could not read the kernel's file descriptor limit: %s", strerror(errno));
        return;
    }
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = before;
    long expected = process_expected_descriptors(config);
    log_write(
        LOG_LEVEL_LOG, "kernel file descriptor limit: %llu (hard: %llu); max_client_conn: %d, max expected fd use: %ld",
        (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max, config->max_client_conn, expected);
    if ((rlim_t)expected > limit.rlim_cur)
        log_write(LOG_LEVEL_WARNING, "there may be too few file descriptors: raise the limit or lower max_client_conn");
}

/* ---- systemd ---- */

/* sd_notify(3): a datagram to the socket in NOTIFY_SOCKET, @ for an abstract one. Nobody is told of a failure. */
void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (*path != '/' && *path != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (*path == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
    (void)sent;
    close(fd);
}

/* A reload names its instant, so that an earlier READY=1 is not taken for its end. */
void process_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000);
    process_notify(state);
}
