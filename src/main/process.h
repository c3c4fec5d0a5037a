/* Private to main: what a process is to its system: user, descriptors, pid file, daemon, service manager. */
#ifndef MAIN_PROCESS_H
#define MAIN_PROCESS_H

#include "pgpooler/config.h"

/* Each logs why on failure. */
bool process_become_user(const char *user);
bool process_is_not_root(void);
void process_raise_descriptors(const struct config *config, int listeners);
void process_daemonise(void); /* the parent exits 0 at once */
/* Refuses when the process named in it lives. NULL or empty path: nothing to do. */
bool process_check_pidfile(const char *path);
bool process_write_pidfile(const char *path);
void process_remove_pidfile(const char *path);
void process_notify(const char *state); /* systemd's NOTIFY_SOCKET, if there is one */

#endif
