#include "net/listening.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_file(const struct address *at)
{
    return address_is_local(at) && at->local.sun_path[0] != '\0';
}

static char *failure(const struct address *at, const char *what, int error)
{
    char text[128];
    if (!address_is_local(at))
        return mem_printf("could not %s on %s port %d: %s", what, address_text(at, text, sizeof text), address_port(at),
                          strerror(error));
    if (has_file(at))
        return mem_printf("could not %s on unix socket %s: %s", what, at->local.sun_path, strerror(error));
    int len = (int)(at->len - offsetof(struct sockaddr_un, sun_path)) - 1;
    return mem_printf("could not %s on unix socket @%.*s: %s", what, len, at->local.sun_path + 1, strerror(error));
}

/* Removes a socket file that nobody listens on. False: somebody does. Other obstacles are left for bind to name. */
static bool clear_stale_file(const struct address *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    int error = connect(fd, &at->any, at->len) == 0 ? 0 : errno;
    close(fd);
    struct stat file;
    if (error == ECONNREFUSED && lstat(at->local.sun_path, &file) == 0 && S_ISSOCK(file.st_mode))
        unlink(at->local.sun_path);
    return error != 0 && error != EAGAIN; /* EAGAIN: its backlog is full */
}

static int change_group(const char *path, const char *name)
{
    char *end;
    unsigned long gid = strtoul(name, &end, 10);
    if (*name == '\0' || *end != '\0') {
        char space[4096];
        struct group group, *found = NULL;
        int error = getgrnam_r(name, &group, space, sizeof space, &found);
        if (found == NULL)
            return error != 0 ? error : ENOENT;
        gid = found->gr_gid;
    }
    return chown(path, (uid_t)-1, (gid_t)gid) == 0 ? 0 : errno;
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

void listening_tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void tune_inet(int fd, const struct address *at, const struct listener_options *options)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (at->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (options->reuse_port)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (options->defer_accept > 0)
        set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept);
    listening_tune(fd);
}

int listening_open(const struct address *at, const struct listener_options *options, char **error)
{
    static const char in_use[] = "unix socket is in use, cannot continue";
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = failure(at, "open a socket", errno);
        return -1;
    }
    bool made_file = false;
    if (!address_is_local(at)) {
        tune_inet(fd, at, options);
    } else if (has_file(at) && !clear_stale_file(at)) {
        *error = mem_strdup(in_use);
        goto err_after_socket;
    }
    if (bind(fd, &at->any, at->len) != 0) {
        bool taken = address_is_local(at) && !has_file(at) && errno == EADDRINUSE;
        *error = taken ? mem_strdup(in_use) : failure(at, "bind", errno);
        goto err_after_socket;
    }
    made_file = has_file(at);
    /* Group and mode before listen: nobody connects under the wrong ones. chown may clear mode bits, so it is first. */
    if (made_file && options->unix_group != NULL && options->unix_group[0] != '\0') {
        int failed = change_group(at->local.sun_path, options->unix_group);
        if (failed != 0) {
            *error = failure(at, "set the group", failed);
            goto err_after_socket;
        }
    }
    if (made_file && chmod(at->local.sun_path, (mode_t)options->unix_mode) != 0) {
        *error = failure(at, "set the mode", errno);
        goto err_after_socket;
    }
    if (listen(fd, options->backlog) != 0) {
        *error = failure(at, "listen", errno);
        goto err_after_socket;
    }
    return fd;

err_after_socket:
    close(fd);
    if (made_file)
        unlink(at->local.sun_path);
    return -1;
}
