/*
 * control - the control thread: what the process has, from its start to its end.
 *
 *      control_start: configuration, user, log, descriptors, background, sockets, pid file, workers, console, signals
 *      control_run:   until somebody shuts it down
 *      control_stop:  the same things, backwards
 */
#ifndef MAIN_CONTROL_H
#define MAIN_CONTROL_H

#include "arguments.h"
#include "pgpooler/admin.h"

enum shutdown_phase {
    RUNNING,
    WAITING_FOR_SERVERS, /* paused; ends when no backend is left */
    WAITING_FOR_CLIENTS, /* ends when the last client has gone */
    STOPPING,            /* the loop has been told to end */
};

enum { LISTENERS_MAX = 64 };

struct control {
    const struct arguments *arguments;
    struct config *config; /* what everybody has, or is being given now */
    struct loop *loop;
    struct workers *workers;
    struct admin *admin;

    struct listener *tcp[LISTENERS_MAX];
    int tcp_count;
    struct listener *local; /* Unix socket; stays for the console while clients are waited for */

    enum shutdown_phase phase;
    struct timer poll; /* of the waiting phases */
    usec shutdown_began;
    bool pause_answered; /* all workers know that they are paused */
    bool is_dropping;    /* an ASK_DROP_WAITING is on its way */
    bool pidfile_is_ours;

    struct list changes; /* of the configuration, one at a time: changes.c */
};

/* False: it could not start and has logged why; what it had is gone again. */
bool control_start(struct control *control, const struct arguments *arguments);
void control_run(struct control *control);
void control_stop(struct control *control);

/* ---- listeners.c ---- */
/* False: logged why. */
bool listeners_open(struct control *control);
void listeners_close_tcp(struct control *control);
void listeners_close_all(struct control *control);
/* Does somebody listen on what would be our Unix socket? */
bool listeners_find_other(const struct config *config);

/* ---- changes.c ---- */
void changes_init(struct control *control);
void changes_reload(void *control, admin_done *done, void *ctx); /* done may be NULL */
void changes_set(void *control, const char *key, const char *value, admin_done *done, void *ctx);
void changes_free(struct control *control); /* after the loop is gone */
/* Logs each line of `lines`. */
void log_lines(enum log_level level, struct buf *lines);

/* ---- shutdown.c ---- */
void shutdown_begin(void *control, enum admin_shutdown how);
bool shutdown_has_begun(void *control);

#endif
