/* value - one value of the configuration: text to field and back. */
#include "value.h"
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

/* What C type a kind has. */
enum storage { STORE_TEXT, STORE_INT, STORE_USEC, STORE_SHARE };

static enum storage storage_of(enum config_kind kind)
{
    switch (kind) {
    case KIND_text:
    case KIND_list:
    case KIND_secret:
        return STORE_TEXT;
    case KIND_seconds:
    case KIND_whole_seconds:
    case KIND_duration:
    case KIND_optional_duration:
        return STORE_USEC;
    case KIND_share:
        return STORE_SHARE;
    default:
        return STORE_INT; /* numbers and words; an enum is as wide as an int */
    }
}
static_assert(sizeof(enum auth_method) == sizeof(int), "words are written through an int");

/* ---- numbers ---- */

/* C's notation: 0x10 is 16 and 010 is 8, as in PgBouncer. */
static bool parse_integer(const char *text, int *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0 || value > INT_MAX || value < INT_MIN)
        return false;
    *out = (int)value;
    return true;
}

/* A non-negative decimal number of units; `*text` moves behind it. Digits below a microsecond are dropped. */
static bool parse_decimal(const char **text, usec unit, usec *out)
{
    const char *p = *text;
    usec value = 0;
    int digits = 0;
    for (; *p >= '0' && *p <= '9'; p++, digits++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
            return false;
    if (__builtin_mul_overflow(value, unit, &value))
        return false;
    if (*p == '.') {
        usec place = unit;
        for (p++; *p >= '0' && *p <= '9'; p++, digits++) {
            place /= 10;
            if (__builtin_add_overflow(value, place * (*p - '0'), &value))
                return false;
        }
    }
    *text = p;
    *out = value;
    return digits > 0 && value < USEC_NEVER;
}

static const struct unit {
    const char *name;
    usec length;
} units[] = {
    /* the longest first: value_format() takes the first that divides */
    {"h", 3600 * USEC_PER_SEC}, {"min", 60 * USEC_PER_SEC}, {"s", USEC_PER_SEC}, {"ms", USEC_PER_MSEC}, {"us", 1},
};
enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

static bool parse_duration(const char *text, usec *out)
{
    const char *unit = text + strspn(text, "0123456789.");
    const char *name = unit + strspn(unit, " \t");
    usec length = 0;
    if (*unit == '\0')
        length = USEC_PER_SEC;
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (strcmp(name, units[i].name) == 0)
            length = units[i].length;
    return length > 0 && parse_decimal(&text, length, out) && text == unit;
}

static bool parse_seconds(const char *text, usec *out)
{
    return parse_decimal(&text, USEC_PER_SEC, out) && *text == '\0';
}

static bool parse_whole_seconds(const char *text, usec *out)
{
    int seconds;
    if (!parse_integer(text, &seconds))
        return false;
    *out = seconds * USEC_PER_SEC;
    return true;
}

static bool parse_share(const char *text, struct config_share *out)
{
    size_t len = strlen(text);
    out->is_percent = len > 0 && text[len - 1] == '%';
    char *number = mem_strndup(text, out->is_percent ? len - 1 : len);
    bool is_good = parse_integer(number, &out->value) && out->value >= 0 && !(out->is_percent && out->value > 100);
    mem_free(number);
    return is_good;
}

/* One number of any kind but share and words, as a 64-bit integer. */
static bool parse_number(enum config_kind kind, const char *text, int64_t *out)
{
    int integer = 0;
    bool is_good;
    switch (kind) {
    case KIND_seconds:
        return parse_seconds(text, out);
    case KIND_whole_seconds:
        return parse_whole_seconds(text, out);
    case KIND_duration:
    case KIND_optional_duration:
        return parse_duration(text, out);
    default:
        is_good = parse_integer(text, &integer);
        *out = integer;
        return is_good;
    }
}

static const char *what_is_expected(enum config_kind kind)
{
    switch (kind) {
    case KIND_integer:
        return "an integer";
    case KIND_flag:
        return "0 or 1";
    case KIND_auto_integer:
        return "auto or an integer";
    case KIND_seconds:
        return "seconds without a unit, such as 30 or 0.5";
    case KIND_whole_seconds:
        return "whole seconds without a unit";
    case KIND_duration:
        return "a time such as 200ms, 5s, 1min or 1h";
    case KIND_optional_duration:
        return "off or a time such as 200ms, 5s, 1min or 1h";
    case KIND_share:
        return "a number or a percentage up to 100%";
    default:
        return "a number";
    }
}

static int refuse(const struct config_option *option, const char *text, struct buf *why)
{
    buf_printf(why, "%s must be %s, not ", option->key, what_is_expected(option->kind));
    report_quote(why, text);
    return ERR_INVALID;
}

static int check_bounds(const struct config_option *option, const char *text, int64_t value, struct buf *why)
{
    int64_t min = 0, max = INT64_MAX;
    bool bounds_are_good = (option->min == NULL || parse_number(option->kind, option->min, &min)) &&
                           (option->max == NULL || parse_number(option->kind, option->max, &max));
    assert(bounds_are_good);
    (void)bounds_are_good;
    if (value >= min && value <= max)
        return 0;
    const char *low = option->min == NULL ? "0" : option->min;
    if (option->max == NULL)
        buf_printf(why, "%s must be %s or more, not ", option->key, low);
    else
        buf_printf(why, "%s must be between %s and %s, not ", option->key, low, option->max);
    report_quote(why, text);
    return ERR_INVALID;
}

static int parse_word(const struct config_option *option, const char *text, int *out, struct buf *why)
{
    const struct config_word *first = words_of(option->kind);
    for (const struct config_word *w = first; w->word != NULL; w++) {
        if (strcasecmp(w->word, text) != 0)
            continue;
        if (w->refusal != NULL) {
            buf_printf(why, "%s=%s%s", option->key, w->word, w->refusal);
            return ERR_INVALID;
        }
        *out = w->value;
        return 0;
    }
    buf_printf(why, "%s must be one of", option->key);
    for (const struct config_word *w = first; w->word != NULL; w++)
        if (w->refusal == NULL)
            buf_printf(why, "%s %s", w == first ? "" : ",", w->word);
    buf_append_str(why, ", not ");
    report_quote(why, text);
    return ERR_INVALID;
}

static void replace_text(const char **field, const char *text)
{
    char *before = (char *)*field;
    *field = text == NULL ? NULL : mem_strdup(text);
    if (before != NULL)
        mem_wipe(before, strlen(before)); /* some are secrets, and no row of config.def is large */
    mem_free(before);
}

int value_parse(const struct config_option *option, const char *text, void *field, struct buf *why)
{
    enum storage storage = storage_of(option->kind);
    if (storage == STORE_TEXT) {
        replace_text(field, text);
        return 0;
    }
    if (storage == STORE_SHARE) {
        struct config_share share;
        if (!parse_share(text, &share))
            return refuse(option, text, why);
        *(struct config_share *)field = share;
        return 0;
    }
    if (words_of(option->kind) != NULL)
        return parse_word(option, text, field, why);
    if (option->kind == KIND_auto_integer && strcasecmp(text, "auto") == 0) {
        *(int *)field = 0;
        return 0;
    }
    if (option->kind == KIND_optional_duration && strcasecmp(text, "off") == 0) {
        *(usec *)field = USEC_NEVER;
        return 0;
    }
    int64_t value;
    if (!parse_number(option->kind, text, &value))
        return refuse(option, text, why);
    if (option->kind == KIND_flag)
        value = value != 0; /* PgBouncer takes any integer; people write tcp_keepalive = 60 */
    int err = check_bounds(option, text, value, why);
    if (err != 0)
        return err;
    if (storage == STORE_USEC)
        *(usec *)field = value;
    else
        *(int *)field = (int)value;
    return 0;
}

/* ---- back to text ---- */

static void format_seconds(usec value, struct buf *out)
{
    buf_printf(out, "%lld", (long long)(value / USEC_PER_SEC));
    usec rest = value % USEC_PER_SEC;
    if (rest == 0)
        return;
    buf_printf(out, ".%06lld", (long long)rest);
    while (out->data[out->len - 1] == '0')
        out->len--;
}

static void format_duration(usec value, struct buf *out)
{
    if (value == USEC_NEVER) {
        buf_append_str(out, "off");
        return;
    }
    const struct unit *unit = units;
    while (value % unit->length != 0)
        unit++;
    buf_printf(out, "%lld%s", (long long)(value / unit->length), value == 0 ? "" : unit->name);
}

bool value_format(const struct config_option *option, const void *field, struct buf *out)
{
    const char *text;
    switch (storage_of(option->kind)) {
    case STORE_TEXT:
        text = *(const char *const *)field;
        if (text == NULL)
            return false;
        buf_append_str(out, option->kind == KIND_secret ? "***" : text);
        return true;
    case STORE_USEC:
        if (option->kind == KIND_seconds || option->kind == KIND_whole_seconds)
            format_seconds(*(const usec *)field, out);
        else
            format_duration(*(const usec *)field, out);
        return true;
    case STORE_SHARE:
        buf_printf(out, "%d%s", ((const struct config_share *)field)->value,
                   ((const struct config_share *)field)->is_percent ? "%" : "");
        return true;
    case STORE_INT:
        break;
    }
    int value = *(const int *)field;
    if (words_of(option->kind) != NULL)
        buf_append_str(out, words_name(option->kind, value));
    else if (option->kind == KIND_auto_integer && value == 0)
        buf_append_str(out, "auto");
    else
        buf_printf(out, "%d", value);
    return true;
}

/* ---- life ---- */

void value_unset(const struct config_option *option, void *field)
{
    switch (storage_of(option->kind)) {
    case STORE_TEXT:
        *(const char **)field = NULL;
        break;
    case STORE_INT:
        *(int *)field = -1;
        break;
    case STORE_USEC:
        *(usec *)field = -1;
        break;
    case STORE_SHARE:
        *(struct config_share *)field = (struct config_share){-1, false};
        break;
    }
}

void value_clear(const struct config_option *option, void *field)
{
    if (storage_of(option->kind) == STORE_TEXT)
        replace_text(field, NULL);
    value_unset(option, field);
}

void value_copy(const struct config_option *option, void *to, const void *from)
{
    switch (storage_of(option->kind)) {
    case STORE_TEXT:
        replace_text(to, *(const char *const *)from);
        break;
    case STORE_INT:
        *(int *)to = *(const int *)from;
        break;
    case STORE_USEC:
        *(usec *)to = *(const usec *)from;
        break;
    case STORE_SHARE:
        *(struct config_share *)to = *(const struct config_share *)from;
        break;
    }
}

bool value_equal(const struct config_option *option, const void *a, const void *b)
{
    const struct config_share *share_a = a, *share_b = b;
    const char *text_a, *text_b;
    switch (storage_of(option->kind)) {
    case STORE_TEXT:
        text_a = *(const char *const *)a;
        text_b = *(const char *const *)b;
        return text_a == text_b || (text_a != NULL && text_b != NULL && strcmp(text_a, text_b) == 0);
    case STORE_INT:
        return *(const int *)a == *(const int *)b;
    case STORE_USEC:
        return *(const usec *)a == *(const usec *)b;
    case STORE_SHARE:
        return share_a->value == share_b->value && share_a->is_percent == share_b->is_percent;
    }
    return false;
}
