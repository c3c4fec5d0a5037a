/* columns - rows of a table, and how they look on the wire. */
#include "columns.h"

#include "pgpooler/proto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void result_init(struct result *result, const struct admin_table *table)
{
    *result = (struct result){.table = table};
}

void result_deinit(struct result *result)
{
    arena_deinit(&result->arena);
    mem_free(result->rows);
    *result = (struct result){0};
}

void *result_add(struct result *result)
{
    if (result->count == result->room) {
        result->room = result->room > 0 ? 2 * result->room : 16;
        result->rows = mem_realloc(result->rows, (size_t)result->room * sizeof *result->rows);
    }
    void *row = arena_alloc(&result->arena, result->table->row_size);
    memset(row, 0, result->table->row_size);
    return result->rows[result->count++] = row;
}

static int compare_through(const void *a, const void *b, void *compare)
{
    int (*const *by)(const void *, const void *) = compare;
    return (*by)(*(void *const *)a, *(void *const *)b);
}

void result_sort(struct result *result, int (*compare)(const void *row, const void *other))
{
    if (result->count > 1)
        qsort_r(result->rows, (size_t)result->count, sizeof *result->rows, compare_through, &compare);
}

int table_width(const struct admin_table *table)
{
    int width = 0;
    for (int i = 0; i < table->column_count; i++)
        width += !table->columns[i].is_newer;
    return width;
}

/* OID and pg_type.typlen (-1: variable) */
static const struct {
    uint32_t oid;
    uint16_t len;
} types[] = {
    [COL_TEXT] = {OID_TEXT, UINT16_MAX},
    [COL_INT] = {OID_INT4, 4},
    [COL_BIGINT] = {OID_INT8, 8},
    [COL_NUMERIC] = {OID_NUMERIC, UINT16_MAX},
};

/* docs PROTOCOL-MESSAGE-FORMATS, RowDescription */
void table_describe(struct buf *out, const struct admin_table *table, const uint16_t *formats)
{
    size_t begin = proto_begin(out, 'T');
    buf_append_u16(out, (uint16_t)table_width(table));
    int sent = 0;
    for (int i = 0; i < table->column_count; i++) {
        const struct admin_column *column = &table->columns[i];
        if (column->is_newer)
            continue;
        buf_append_cstr(out, column->name);
        buf_append_u32(out, 0); /* of no table */
        buf_append_u16(out, 0); /* and no column of it */
        buf_append_u32(out, types[column->kind].oid);
        buf_append_u16(out, types[column->kind].len);
        buf_append_u32(out, UINT32_MAX); /* no type modifier */
        buf_append_u16(out, formats != NULL ? formats[sent] : 0);
        sent++;
    }
    proto_end(out, begin);
}

/*
 * numeric on the wire: digits to the base 10000, most significant first, behind their count, the power of the first
 * one, a sign and a number of decimals. Zero has no digits. Source: numeric_send() of the server.
 */
static void append_numeric(struct buf *out, uint64_t value)
{
    uint16_t digits[5]; /* 20 decimal digits */
    uint16_t count = 0;
    for (; value > 0; value /= 10000)
        digits[count++] = (uint16_t)(value % 10000);
    uint16_t weight = count > 0 ? (uint16_t)(count - 1) : 0;
    uint16_t skipped = 0; /* zeroes at the end are not sent */
    while (skipped < count && digits[skipped] == 0)
        skipped++;
    buf_append_u16(out, (uint16_t)(count - skipped));
    buf_append_u16(out, weight);
    buf_append_u16(out, 0);
    buf_append_u16(out, 0);
    for (int i = count - 1; i >= skipped; i--)
        buf_append_u16(out, digits[i]);
}

static void append_binary(struct buf *out, enum column_kind kind, int64_t value)
{
    if (kind == COL_NUMERIC) {
        append_numeric(out, (uint64_t)value);
        return;
    }
    if (kind == COL_BIGINT)
        buf_append_u32(out, (uint32_t)((uint64_t)value >> 32));
    buf_append_u32(out, (uint32_t)(uint64_t)value);
}

static void append_number(struct buf *out, enum column_kind kind, int64_t value, bool as_binary)
{
    if (as_binary)
        append_binary(out, kind, value);
    else if (kind == COL_NUMERIC)
        buf_printf(out, "%" PRIu64, (uint64_t)value);
    else
        buf_printf(out, "%" PRId64, value);
}

void table_row(struct buf *out, const struct admin_table *table, const void *row, const uint16_t *formats)
{
    size_t begin = proto_begin(out, 'D');
    buf_append_u16(out, (uint16_t)table_width(table));
    int sent = 0;
    for (int i = 0; i < table->column_count; i++) {
        const struct admin_column *column = &table->columns[i];
        if (column->is_newer)
            continue;
        const char *cell = (const char *)row + column->offset;
        size_t len_at = out->len;
        buf_append_u32(out, UINT32_MAX); /* -1: NULL */
        bool as_binary = formats != NULL && formats[sent] == 1;
        sent++;
        if (column->kind == COL_TEXT) {
            const char *text;
            memcpy(&text, cell, sizeof text);
            if (text == NULL)
                continue;
            buf_append_str(out, text); /* the same bytes in both formats */
        } else {
            int64_t value;
            memcpy(&value, cell, sizeof value);
            append_number(out, column->kind, value, as_binary);
        }
        buf_put_u32(out, len_at, (uint32_t)(out->len - len_at - 4));
    }
    proto_end(out, begin);
}
