/* arguments - the command line, which is PgBouncer's. */
#ifndef MAIN_ARGUMENTS_H
#define MAIN_ARGUMENTS_H

#include "pgpooler/base.h"

struct arguments {
    bool is_daemon, is_quiet;
    bool takes_over; /* -R */
    int verbose;
    const char *user;   /* to become; NULL: the configuration's */
    const char *config; /* path */
};

enum arguments_answer {
    ARGUMENTS_RUN,
    ARGUMENTS_PRINTED, /* *text is for standard output: exit with 0 */
    ARGUMENTS_WRONG,   /* *text is for standard error: exit with 1 */
};
/* *out points into argv. `text` is appended to. */
enum arguments_answer arguments_parse(int argc, char **argv, struct arguments *out, struct buf *text);

#endif
