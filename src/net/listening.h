/* listening - making a listening socket: addresses, stale socket files, modes. Private to src/net. */
#ifndef PGPOOLER_NET_LISTENING_H
#define PGPOOLER_NET_LISTENING_H

#include "pgpooler/net.h"

/* A listening, non-blocking descriptor, or -1 and *error, a text that the caller frees. */
int listening_open(const struct address *at, const struct listener_options *options, char **error);
/* What accepted sockets inherit: set once here, not once per connection. Harmless on local sockets. */
void listening_tune(int fd);

#endif
