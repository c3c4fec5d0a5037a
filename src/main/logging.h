/* Private to main: where log lines go. */
#ifndef MAIN_LOGGING_H
#define MAIN_LOGGING_H

#include "pgpooler/config.h"

/*
 * Standard error unless quiet, the log file, syslog: as the configuration says. Opens the file anew, so that it can be
 * rotated. A file that cannot be opened leaves the former in use; false, and said on what is left.
 */
bool logging_configure(const struct config *config, bool quiet, int verbose);

#endif
