/* manual - the part of man/pgpooler.1 that config.def knows: every key with its default. */
#ifndef MAIN_MANUAL_H
#define MAIN_MANUAL_H

#include "pgpooler/base.h"

/* Appends roff: the page has it between its first and its last line. */
void manual_print_options(struct buf *out);

#endif
