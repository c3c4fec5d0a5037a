#include "main/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool process_become_user(const char *user)
{
    if (user == NULL || *user == '\0')
        return true;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        log_write(LOG_LEVEL_FATAL, "could not find user '%s' to switch to", user);
        return false;
    }
    if (geteuid() == entry->pw_uid)
        return true;
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
        log_write(LOG_LEVEL_FATAL, "could not switch to user '%s': %s", user, strerror(errno));
        return false;
    }
    return true;
}

bool process_is_not_root(void)
{
    if (geteuid() != 0)
        return true;
    log_write(LOG_LEVEL_FATAL, "pgpooler should not run as root");
    return false;
}

void process_raise_descriptors(const struct config *config, int listeners)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t was = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = was;
    long long expected = config->max_client_conn + listeners + 10;
    for (size_t i = 0; i < config->entry_count; i++)
        expected += config_pool_size(config, config->entries[i], NULL) *
                    (config->entries[i]->user != NULL ? 1 : (long long)(config->user_count ? config->user_count : 1));
    log_write(LOG_LEVEL_LOG,
              "kernel file descriptor limit: %lld (hard: %lld); max_client_conn: %d, max expected fd use: %lld",
              (long long)limit.rlim_cur, (long long)limit.rlim_max, config->max_client_conn, expected);
    if ((long long)limit.rlim_cur < config->max_client_conn)
        log_write(LOG_LEVEL_WARNING, "max_client_conn is above the descriptor limit: not all clients can be served");
}

void process_daemonise(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        log_write(LOG_LEVEL_FATAL, "fork failed: %s", strerror(errno));
        exit(1);
    }
    if (pid > 0)
        _exit(0);
    setsid();
    pid = fork();
    if (pid != 0)
        _exit(pid < 0);
    int nowhere = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(nowhere, fd);
    if (nowhere > 2)
        close(nowhere);
}

/* ---- pid file ---- */
bool process_check_pidfile(const char *path)
{
    if (path == NULL || *path == '\0')
        return true;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    long pid = 0;
    bool readable = fscanf(file, "%ld", &pid) == 1 && pid > 0;
    fclose(file);
    if (!readable || kill((pid_t)pid, 0) == 0 || errno == EPERM) {
        log_write(LOG_LEVEL_FATAL, "pidfile '%s' exists, another instance running?", path);
        return false;
    }
    log_write(LOG_LEVEL_LOG, "stale pidfile, removing");
    unlink(path);
    return true;
}

bool process_write_pidfile(const char *path)
{
    if (path == NULL || *path == '\0')
        return true;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        log_write(LOG_LEVEL_FATAL, "could not open pidfile '%s': %s", path, strerror(errno));
        return false;
    }
    char text[24];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    bool written = write(fd, text, (size_t)len) == len;
    close(fd);
    if (!written)
        log_write(LOG_LEVEL_FATAL, "could not write pidfile '%s'", path);
    return written;
}

void process_remove_pidfile(const char *path)
{
    if (path != NULL && *path)
        unlink(path);
}

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
    close(fd);
}
