/*
 * dialect - PgBouncer's dialect of ini, read with inih.
 *
 * Debian's inih cuts lines at 200 bytes, joins indented lines to the one before, and takes
 * ` ;` for a comment; PgBouncer does none of that and has %include. So inih gets an adapted
 * stream: see dialect.c.
 */
#ifndef CONFIG_DIALECT_H
#define CONFIG_DIALECT_H

#include "report.h"

struct dialect_line { /* all lent for the call */
    const char *file;
    int line;
    const char *section; /* "" before the first header */
    const char *key;     /* NULL: this is the section's header */
    const char *value;
};
typedef void dialect_handler(void *owner, const struct dialect_line *line);

/* Calls the handler for every header and assignment of the file and of what it includes; goes on after errors. */
void dialect_read(const char *path, dialect_handler *handler, void *owner, struct config_report *report);

#endif
