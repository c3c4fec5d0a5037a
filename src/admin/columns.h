/*
 * columns - the tables that SHOW answers with: one row here per column, and rows of values on their way to a client.
 *
 * A column names where its value stands in the row struct that rows.h has for it. RowDescription, DataRow, the manual
 * and the metrics read the same tables.
 */
#ifndef ADMIN_COLUMNS_H
#define ADMIN_COLUMNS_H

#include "pgpooler/base.h"

enum column_kind {
    COL_TEXT,    /* const char *, NULL: SQL NULL */
    COL_INT,     /* int64_t, sent as int4 */
    COL_BIGINT,  /* int64_t, sent as int8 */
    COL_NUMERIC, /* uint64_t, sent as numeric */
};
struct admin_column {
    const char *name;
    enum column_kind kind;
    size_t offset; /* of the value in the row */
    const char *help;
    bool is_newer; /* than the PgBouncer whose shape we have: not sent */
};
struct admin_table {
    const struct admin_column *columns;
    int column_count;
    size_t row_size;
};

/* Rows of one table, in the order in which they are sent. */
struct result {
    const struct admin_table *table;
    struct arena arena; /* of the rows and their text */
    void **rows;
    int count, room;
};
void result_init(struct result *result, const struct admin_table *table);
void result_deinit(struct result *result);
void *result_add(struct result *result); /* zeroed; lends */
void result_sort(struct result *result, int (*compare)(const void *row, const void *other));

/* How many columns are sent. */
int table_width(const struct admin_table *table);
/* `formats` has an entry per column sent: 0 text, 1 binary; NULL: all text. */
void table_describe(struct buf *out, const struct admin_table *table, const uint16_t *formats); /* RowDescription */
void table_row(struct buf *out, const struct admin_table *table, const void *row, const uint16_t *formats);

#endif
