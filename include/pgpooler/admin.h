/*
 * admin - the console: databases `pgbouncer` and `pgpooler`, which answer SHOW and carry out commands.
 *
 * Lives on the control thread. Clients are authenticated by the workers and move here with their stream; what is shown
 * comes from the workers by asks, from the broker and from the configuration. Changes of the process itself (reload,
 * SET, shutdown) are the owner's, through hooks.
 */
#ifndef PGPOOLER_ADMIN_H
#define PGPOOLER_ADMIN_H

#include "pgpooler/worker.h"

#define PGPOOLER_VERSION "0.1.0"
/* Whose console, command line and log we have: tools look for this name and number. */
#define PGBOUNCER_VERSION "1.25.2"
/* SHOW VERSION, and the first line of --version. */
#define ADMIN_VERSION "PgBouncer " PGBOUNCER_VERSION " (pgpooler " PGPOOLER_VERSION ")"

struct admin;

enum admin_shutdown { ADMIN_SHUTDOWN_NOW, ADMIN_SHUTDOWN_SERVERS, ADMIN_SHUTDOWN_CLIENTS };

/* error NULL: done. Borrowed. */
typedef void admin_done(void *ctx, const char *error);

struct admin_hooks {
    const struct config *(*config)(void *owner); /* lends until the next event */
    /* Both answer by done(ctx), at once or later, when every worker has the new configuration. They log why not. */
    void (*reload)(void *owner, admin_done *done, void *ctx);
    void (*set)(void *owner, const char *key, const char *value, admin_done *done, void *ctx);
    void (*shut_down)(void *owner, enum admin_shutdown how);
    bool (*is_shutting_down)(void *owner);
    void *owner;
};

/* Borrows the loop and the workers; copies the hooks. Averages begin to be kept. */
struct admin *admin_new(struct loop *control, struct workers *workers, const struct admin_hooks *hooks);
/* Closes every console; answers that are still on their way from workers find nobody. The loop may be freed next. */
void admin_close(struct admin *admin);
/* After admin_close() and loop_free(). */
void admin_free(struct admin *admin);

/* The callbacks of struct workers_setup; `admin` is a struct admin. */
void admin_console_arrived(void *admin, struct console_client *console);
void admin_console_cancelled(void *admin, uint32_t pid, const uint8_t *key, size_t key_len);

#endif
