/* Private to main: the command line, PgBouncer's. */
#ifndef MAIN_ARGUMENTS_H
#define MAIN_ARGUMENTS_H

#include <stdbool.h>

enum arguments_want { ARGUMENTS_RUN, ARGUMENTS_DONE, ARGUMENTS_WRONG };

struct arguments {
    bool daemon, reboot, quiet;
    int verbose;
    const char *user; /* or NULL */
    const char *config_path;
};

/* DONE: everything was said already (-h, -V); WRONG: so it was, on stderr. */
enum arguments_want arguments_read(int argc, char **argv, struct arguments *out);

#endif
