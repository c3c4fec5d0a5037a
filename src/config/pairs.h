/* pairs - the key=value pairs of a connection string. */
#ifndef CONFIG_PAIRS_H
#define CONFIG_PAIRS_H

#include "rows.h"

/*
 * Sets fields of `object` from `key=value key='quoted value'`; in quotes two single quotes
 * are one, and there are no other escapes. ERR_SYNTAX or ERR_INVALID with the first
 * mistake in `why`; fields set before it stay set.
 */
int pairs_parse(const char *text, const struct config_rows *rows, void *object, struct buf *why);

#endif
