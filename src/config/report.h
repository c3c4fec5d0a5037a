/* report - collects what is wrong with a file, with its place. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "pgpooler/base.h"

/* Both bufs are borrowed from the caller of config_load(). */
struct config_report {
    struct buf *errors, *warnings;
    int error_count;
};

/* line 0: about the file as a whole. Beyond a hundred errors only one line says that there are more. */
void report_error(struct config_report *r, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct config_report *r, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends text in double quotes, cut to a readable length, without a byte that a terminal or log could act on. */
void report_quote(struct buf *out, const char *text);

/*
 * Remembers which of several candidates is nearest to what somebody wrote.
 * Start with {.wanted = text}; `nearest` stays NULL when nothing is near enough to be meant.
 */
struct config_guess {
    const char *wanted, *nearest;
    size_t distance;
};
void guess_try(struct config_guess *g, const char *candidate);
/* Appends `; did you mean "x"?` or nothing. */
void guess_append(const struct config_guess *g, struct buf *out);

#endif
