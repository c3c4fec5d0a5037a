/* logging - where the log goes: standard error, a file, syslog. One per process. */
#ifndef MAIN_LOGGING_H
#define MAIN_LOGGING_H

#include "pgpooler/config.h"

/* From now on log_write() comes here; until logging_configure() it goes to standard error only. */
void logging_begin(bool is_quiet);
/*
 * Opens what the configuration names, anew if it was open: at the start, and after a reload, so that a rotated file is
 * let go. False when the file cannot be opened; everything stays as it was, and the log says so.
 */
bool logging_configure(const struct config *config, int verbose_argument);
/* Standard error is gone: a daemon's. */
void logging_detach_stderr(void);
void logging_end(void);

#endif
