/* Private to main: which addresses the configuration means, and listeners on them. */
#ifndef MAIN_LISTEN_H
#define MAIN_LISTEN_H

#include "pgpooler/config.h"
#include "pgpooler/net.h"

enum { LISTENERS_MAX = 64 };
struct listeners {
    struct listener *tcp[LISTENERS_MAX];
    int tcp_count;
    struct listener *local; /* the Unix socket, or NULL */
};

/* False, and the reason is in the log: a Unix socket in use, no usable address, nowhere to listen on. */
bool listeners_open(struct listeners *listeners, struct loop *loop, const struct config *config,
                    void (*accepted)(void *owner, int fd), void *owner);
void listeners_close_tcp(struct listeners *listeners);
void listeners_close(struct listeners *listeners);

#endif
