/* listeners - the sockets that clients come to. Accepted descriptors go straight to the workers. */
#include "control.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_accepted(void *owner, int fd)
{
    struct control *control = owner;
    if (control->workers == NULL) { /* not up yet, or no more */
        close(fd);
        return;
    }
    workers_accept(control->workers, fd);
}

static struct listener_options options_of(const struct config *config)
{
    return (struct listener_options){
        .backlog = config->listen_backlog,
        .reuse_port = config->so_reuseport,
        .defer_accept = config->tcp_defer_accept,
        .unix_mode = config->unix_socket_mode,
        .unix_group = config->unix_socket_group,
    };
}

/* ---- TCP ---- */

static void open_tcp(struct control *control, const struct address *at)
{
    char host[128];
    char *error = NULL;
    if (control->tcp_count == LISTENERS_MAX) {
        log_write(LOG_LEVEL_WARNING, "listen_addr has too many addresses: the rest is left out");
        return;
    }
    struct listener_options options = options_of(control->config);
    struct listener *listener = listener_open(control->loop, at, &options, on_accepted, control, &error);
    if (listener == NULL) {
        log_write(LOG_LEVEL_WARNING, "%s", error);
        mem_free(error);
        return;
    }
    control->tcp[control->tcp_count++] = listener;
    const struct address *bound = listener_address(listener);
    address_text(bound, host, sizeof host);
    bool is_inet6 = bound->any.sa_family == AF_INET6;
    log_write(LOG_LEVEL_LOG, is_inet6 ? "listening on [%s]:%d" : "listening on %s:%d", host, address_port(bound));
}

/* A name, an address, or * for all. At the start nobody waits for us yet, so names are asked for at once. */
static void open_host(struct control *control, const char *host)
{
    char port[16];
    snprintf(port, sizeof port, "%d", control->config->listen_port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found);
    if (failed != 0) {
        log_write(LOG_LEVEL_WARNING, "could not resolve listen_addr '%s': %s", host,
                  failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return;
    }
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        struct address at = {.len = it->ai_addrlen};
        if (it->ai_addrlen > sizeof at.inet)
            continue;
        memcpy(&at.inet, it->ai_addr, it->ai_addrlen);
        open_tcp(control, &at);
    }
    freeaddrinfo(found);
}

static bool open_all_tcp(struct control *control)
{
    char *list = mem_strdup(control->config->listen_addr), *rest = list;
    bool is_wanted = false;
    for (char *host; (host = strsep(&rest, ",")) != NULL;) {
        host += strspn(host, " \t");
        host[strcspn(host, " \t")] = '\0';
        if (*host == '\0')
            continue;
        is_wanted = true;
        open_host(control, host);
    }
    mem_free(list);
    if (is_wanted && control->tcp_count == 0)
        log_write(LOG_LEVEL_FATAL, "failed to listen on any address in listen_addr list");
    return !is_wanted || control->tcp_count > 0;
}

/* ---- Unix socket ---- */

static bool wants_local(const struct config *config)
{
    return config->unix_socket_dir != NULL && config->unix_socket_dir[0] != '\0';
}

/* PostgreSQL keeps a lock file beside its socket. */
static bool is_locked(const struct address *at)
{
    if (at->local.sun_path[0] == '\0')
        return false;
    char *path = mem_printf("%s.lock", at->local.sun_path);
    struct stat file;
    bool exists = lstat(path, &file) == 0;
    mem_free(path);
    return exists;
}

static bool open_local(struct control *control)
{
    const struct config *config = control->config;
    struct address at;
    if (address_parse(config->unix_socket_dir, config->listen_port, &at) != 0 || !address_is_local(&at)) {
        log_write(LOG_LEVEL_FATAL, "unix_socket_dir '%s' is no directory that a socket fits in",
                  config->unix_socket_dir);
        return false;
    }
    if (is_locked(&at)) {
        log_write(LOG_LEVEL_FATAL, "unix port %d is in use", config->listen_port);
        return false;
    }
    char *error = NULL;
    struct listener_options options = options_of(config);
    control->local = listener_open(control->loop, &at, &options, on_accepted, control, &error);
    if (control->local == NULL) {
        log_write(LOG_LEVEL_FATAL, "%s", error);
        mem_free(error);
        return false;
    }
    log_write(LOG_LEVEL_LOG, "listening on unix:%s/.s.PGSQL.%d", config->unix_socket_dir, config->listen_port);
    return true;
}

bool listeners_find_other(const struct config *config)
{
    struct address at;
    if (!wants_local(config) || address_parse(config->unix_socket_dir, config->listen_port, &at) != 0)
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_there = connect(fd, &at.any, at.len) == 0;
    close(fd);
    return is_there;
}

/* ---- both ---- */

bool listeners_open(struct control *control)
{
    const struct config *config = control->config;
    if (wants_local(config) && !open_local(control))
        return false;
    if (!open_all_tcp(control))
        return false;
    if (control->tcp_count > 0 || control->local != NULL)
        return true;
    log_write(LOG_LEVEL_FATAL, "nowhere to listen on");
    return false;
}

void listeners_close_tcp(struct control *control)
{
    for (int i = 0; i < control->tcp_count; i++)
        listener_close(control->tcp[i]);
    control->tcp_count = 0;
}

void listeners_close_all(struct control *control)
{
    listeners_close_tcp(control);
    if (control->local != NULL)
        listener_close(control->local);
    control->local = NULL;
}
