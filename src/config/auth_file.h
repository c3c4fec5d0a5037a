/* auth_file - users and their secrets: `"user" "secret"` lines. */
#ifndef CONFIG_AUTH_FILE_H
#define CONFIG_AUTH_FILE_H

#include "report.h"

struct config;

/*
 * Forgets every secret in `c` and takes those of the file. Broken lines are errors in the
 * report. A file that does not exist is only a warning, as in PgBouncer.
 */
void auth_file_load(struct config *c, const char *path, struct config_report *report);

#endif
