/* pairs - the key=value pairs of a connection string. */
#include "pairs.h"
#include "report.h"

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n\v\f");
}

/* The messages never show the string itself: it may hold a password. */
static int syntax_error(struct buf *why, const char *what)
{
    buf_printf(why, "syntax error in connection string: %s", what);
    return ERR_SYNTAX;
}

/* Appends the value at `*at` to `value` and moves behind it. */
static int take_value(const char **at, struct buf *value, struct buf *why)
{
    const char *p = *at;
    if (*p != '\'') {
        size_t len = strcspn(p, " \t\r\n\v\f");
        buf_append(value, p, len);
        *at = p + len;
    } else {
        for (p++; *p != '\'' || p[1] == '\''; p++) {
            if (*p == '\0')
                return syntax_error(why, "a quote is not closed");
            p += *p == '\'';
            buf_append_u8(value, (uint8_t)*p);
        }
        *at = ++p;
        if (*p != '\0' && skip_blanks(p) == p)
            return syntax_error(why, "a blank is missing behind a quote");
    }
    return value->len > 0 ? 0 : syntax_error(why, "a value is empty");
}

/* Appends the key at `*at` to `key` and moves to the value. */
static int take_key(const char **at, struct buf *key, struct buf *why)
{
    static const char key_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t len = strspn(*at, key_bytes);
    const char *p = skip_blanks(*at + len);
    if (len == 0 || *p != '=')
        return syntax_error(why, "expected key=value");
    buf_append(key, *at, len);
    *at = skip_blanks(p + 1);
    return 0;
}

int pairs_parse(const char *text, const struct config_rows *rows, void *object, struct buf *why)
{
    struct buf key = {0}, value = {0};
    int err = 0;
    for (const char *at = skip_blanks(text); *at != '\0' && err == 0; at = skip_blanks(at)) {
        key.len = value.len = 0;
        err = take_key(&at, &key, why);
        if (err == 0)
            err = take_value(&at, &value, why);
        if (err != 0)
            break;
        const struct config_option *option = rows_find(rows, buf_text(&key), why);
        err = option == NULL ? ERR_INVALID : value_parse(option, buf_text(&value), row_field(object, option), why);
    }
    mem_wipe(value.data, value.cap); /* passwords */
    buf_deinit(&value);
    buf_deinit(&key);
    return err;
}
