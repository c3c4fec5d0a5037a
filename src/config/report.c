/* report - collects what is wrong with a file, with its place. */
#include "report.h"

enum {
    ERRORS_SHOWN_MAX = 100,
    QUOTED_MAX = 60,  /* bytes of a quoted text */
    GUESSED_MAX = 48, /* bytes; longer names are not compared */
};

static void append_line(struct buf *out, const char *file, int line, const char *format, va_list args)
{
    size_t start = out->len;
    buf_append_str(out, file);
    if (line > 0)
        buf_printf(out, ":%d", line);
    buf_append_str(out, ": ");
    buf_vprintf(out, format, args);
    /* A file name may have anything in it; a message is one line all the same. */
    for (size_t i = start; i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
            out->data[i] = '?';
    buf_append_str(out, "\n");
}

void report_error(struct config_report *r, const char *file, int line, const char *format, ...)
{
    r->error_count++;
    if (r->error_count > ERRORS_SHOWN_MAX) {
        if (r->error_count == ERRORS_SHOWN_MAX + 1)
            buf_printf(r->errors, "%s:%d: too many errors, the rest is not shown\n", file, line);
        return;
    }
    va_list args;
    va_start(args, format);
    append_line(r->errors, file, line, format, args);
    va_end(args);
}

void report_warning(struct config_report *r, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_line(r->warnings, file, line, format, args);
    va_end(args);
}

void report_quote(struct buf *out, const char *text)
{
    buf_append_str(out, "\"");
    size_t shown = 0;
    for (; text[shown] != '\0' && shown < QUOTED_MAX; shown++) {
        unsigned char byte = (unsigned char)text[shown];
        if (byte >= 0x20 && byte < 0x7f)
            buf_append_u8(out, byte);
        else
            buf_printf(out, "\\x%02x", byte);
    }
    buf_append_str(out, text[shown] != '\0' ? "...\"" : "\"");
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions and replacements that make one name the other (Levenshtein, row by row). */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[GUESSED_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

void guess_try(struct config_guess *g, const char *candidate)
{
    size_t wanted_len = strlen(g->wanted), candidate_len = strlen(candidate);
    if (wanted_len > GUESSED_MAX || candidate_len > GUESSED_MAX)
        return;
    size_t distance = edit_distance(g->wanted, wanted_len, candidate, candidate_len);
    size_t tolerated = wanted_len < 5 ? 1 : wanted_len < 9 ? 2 : 3;
    if (distance <= tolerated && (g->nearest == NULL || distance < g->distance)) {
        g->nearest = candidate;
        g->distance = distance;
    }
}

void guess_append(const struct config_guess *g, struct buf *out)
{
    if (g->nearest != NULL)
        buf_printf(out, "; did you mean \"%s\"?", g->nearest);
}
