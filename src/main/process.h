/* process - what concerns the process as a whole: its user, its descriptors, its pid file, the background. */
#ifndef MAIN_PROCESS_H
#define MAIN_PROCESS_H

#include "pgpooler/config.h"

/* All answer false after they have logged why, at level FATAL. */
bool process_become(const char *user);
bool process_is_root(void);
/* False: another process holds the file. A file of a dead one is removed. Nothing to do when `path` is empty. */
bool process_check_pidfile(const char *path);
bool process_write_pidfile(const char *path);
void process_remove_pidfile(const char *path);
/* Returns in the grandchild; the process that was started ends with 0. */
bool process_daemonise(void);

/* Raises the limit of descriptors as far as it goes and logs it beside what the configuration may need. */
void process_raise_descriptors(const struct config *config);
/* How many descriptors clients and server connections may take, by the configuration alone. */
long process_expected_descriptors(const struct config *config);

/* Tells systemd, if it started us: "READY=1" and the like. */
void process_notify(const char *state);
void process_notify_reloading(void); /* READY=1 follows */

#endif
