#include "main/listen.h"

#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

static void listen_at(struct listeners *listeners, struct loop *loop, const struct address *at,
                      const struct config *config, void (*accepted)(void *owner, int fd), void *owner)
{
    char host[128];
    address_text(at, host, sizeof host);
    if (listeners->tcp_count == LISTENERS_MAX) {
        log_write(LOG_LEVEL_WARNING, "too many listen addresses: %s is left out", host);
        return;
    }
    struct listener_options options = {
        .backlog = config->listen_backlog,
        .reuse_port = config->so_reuseport,
        .defer_accept = config->tcp_defer_accept,
    };
    char *error = NULL;
    struct listener *listener = listener_open(loop, at, &options, accepted, owner, &error);
    if (listener == NULL) {
        log_write(LOG_LEVEL_WARNING, "cannot listen on %s:%d: %s", host, address_port(at), error);
        mem_free(error);
        return;
    }
    log_write(LOG_LEVEL_LOG, "listening on %s:%d", host, address_port(at));
    listeners->tcp[listeners->tcp_count++] = listener;
}

/* One word of listen_addr: an address, a name, or * for all. At the start only, so a blocking lookup is fine. */
static void listen_on_name(struct listeners *listeners, struct loop *loop, const char *name,
                           const struct config *config, void (*accepted)(void *owner, int fd), void *owner)
{
    char port[16];
    snprintf(port, sizeof port, "%d", config->listen_port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, port, &hints, &found);
    if (rc != 0) {
        log_write(LOG_LEVEL_WARNING, "cannot look up listen address %s: %s", name, gai_strerror(rc));
        return;
    }
    for (struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        struct address at = {.len = it->ai_addrlen};
        memcpy(&at.inet, it->ai_addr, it->ai_addrlen);
        listen_at(listeners, loop, &at, config, accepted, owner);
    }
    freeaddrinfo(found);
}

static bool listen_locally(struct listeners *listeners, struct loop *loop, const struct config *config,
                           void (*accepted)(void *owner, int fd), void *owner)
{
    const char *directory = config->unix_socket_dir;
    struct address at;
    if (address_parse(directory, config->listen_port, &at) != 0 || !address_is_local(&at)) {
        log_write(LOG_LEVEL_FATAL, "bad unix_socket_dir: %s", directory);
        return false;
    }
    char lock[300];
    snprintf(lock, sizeof lock, "%s/.s.PGSQL.%d.lock", directory, config->listen_port);
    if (directory[0] != '@' && access(lock, F_OK) == 0) {
        log_write(LOG_LEVEL_FATAL, "unix port %d is in use", config->listen_port);
        return false;
    }
    struct listener_options options = {.backlog = config->listen_backlog,
                                       .unix_mode = config->unix_socket_mode,
                                       .unix_group = config->unix_socket_group};
    char *error = NULL;
    listeners->local = listener_open(loop, &at, &options, accepted, owner, &error);
    if (listeners->local == NULL) {
        log_write(LOG_LEVEL_FATAL, "%s", error);
        mem_free(error);
        return false;
    }
    log_write(LOG_LEVEL_LOG, "listening on unix:%s/.s.PGSQL.%d", directory, config->listen_port);
    return true;
}

bool listeners_open(struct listeners *listeners, struct loop *loop, const struct config *config,
                    void (*accepted)(void *owner, int fd), void *owner)
{
    *listeners = (struct listeners){0};
    const char *names = config->listen_addr ? config->listen_addr : "";
    bool wanted = false;
    for (const char *at = names + strspn(names, ", \t"); *at; at += strspn(at, ", \t")) {
        size_t len = strcspn(at, ", \t");
        char *name = mem_strndup(at, len);
        wanted = true;
        listen_on_name(listeners, loop, name, config, accepted, owner);
        mem_free(name);
        at += len;
    }
    if (wanted && listeners->tcp_count == 0) {
        log_write(LOG_LEVEL_FATAL, "failed to listen on any address in listen_addr list");
        return false;
    }
    bool wants_local = config->unix_socket_dir != NULL && *config->unix_socket_dir;
    if (!wanted && !wants_local) {
        log_write(LOG_LEVEL_FATAL, "nowhere to listen on");
        return false;
    }
    if (wants_local && !listen_locally(listeners, loop, config, accepted, owner)) {
        listeners_close(listeners);
        return false;
    }
    return true;
}

void listeners_close_tcp(struct listeners *listeners)
{
    for (int i = 0; i < listeners->tcp_count; i++)
        listener_close(listeners->tcp[i]);
    listeners->tcp_count = 0;
}

void listeners_close(struct listeners *listeners)
{
    listeners_close_tcp(listeners);
    if (listeners->local != NULL)
        listener_close(listeners->local);
    listeners->local = NULL;
}
