/* rows - config.def as tables, and the operations on a whole struct that follow from them. */
#ifndef CONFIG_ROWS_H
#define CONFIG_ROWS_H

#include "value.h"

struct config_rows {
    const struct config_option *options;
    size_t count;
};
extern const struct config_rows global_rows, entry_rows, user_rows, peer_rows;

/* Also finds the other names that a few keys have. NULL: unknown; `why` then says so and what may be meant. */
const struct config_option *rows_find(const struct config_rows *rows, const char *key, struct buf *why);

void *row_field(void *object, const struct config_option *option);
const void *row_value(const void *object, const struct config_option *option);

void rows_unset(const struct config_rows *rows, void *object);
void rows_set_defaults(const struct config_rows *rows, void *object);       /* over fields that are set or unset */
void rows_clear(const struct config_rows *rows, void *object);              /* frees texts, then unsets */
void rows_copy(const struct config_rows *rows, void *to, const void *from); /* frees earlier texts of `to` */

#endif
