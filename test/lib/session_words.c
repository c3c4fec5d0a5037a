/* Messages as words: one table of names, a shape of the body for each. */
#include "session_words.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Shapes, a letter for each argument:  s string  t text of the rest, without NUL  b single byte  4 number of 4 bytes
 * o list of oids  v bound value  c two of them  r columns of a row  e an error's SQLSTATE and message  x bytes that are
 * always so
 */
struct word {
    const char *name;
    char type;
    const char *shape;
    const char *fixed; /* hex behind the arguments */
};
static const struct word client_words[] = {
    {"Query", 'Q', "s", ""},
    {"Parse", 'P', "sso", ""},
    {"Bind", 'B', "v", ""},
    {"Describe", 'D', "bs", ""},
    {"Execute", 'E', "s4", ""},
    {"Close", 'C', "bs", ""},
    {"Sync", 'S', "", ""},
    {"Flush", 'H', "", ""},
    {"CopyData", 'd', "t", ""},
    {"CopyDone", 'c', "", ""},
    {"CopyFail", 'f', "s", ""},
    {"Terminate", 'X', "", ""},
    {"Call", 'F', "4", "000000000001"},
    {"Password", 'p', "s", ""},
    {"SetConfig", 'B', "c", ""},
};
static const struct word backend_words[] = {
    {"ParseComplete", '1', "", ""},  {"BindComplete", '2', "", ""}, {"CloseComplete", '3', "", ""},
    {"NoData", 'n', "", ""},         {"Params", 't', "", "0000"},   {"Columns", 'T', "", "0000"},
    {"DataRow", 'D', "r", ""},       {"Complete", 'C', "s", ""},    {"Suspended", 's', "", ""},
    {"Empty", 'I', "", ""},          {"Ready", 'Z', "b", ""},       {"Error", 'E', "e", ""},
    {"Fatal", 'E', "e", ""},         {"Notice", 'N', "e", ""},      {"Status", 'S', "ss", ""},
    {"Notify", 'A', "4ss", ""},      {"CopyIn", 'G', "", "000000"}, {"CopyOut", 'H', "", "000000"},
    {"CopyBoth", 'W', "", "000000"}, {"CopyData", 'd', "t", ""},    {"CopyDone", 'c', "", ""},
    {"Result", 'V', "", "ffffffff"}, {"Key", 'K', "4", "00000001"},
};

static const struct word *words_of(bool from_client, size_t *count)
{
    *count = from_client ? sizeof client_words / sizeof *client_words : sizeof backend_words / sizeof *backend_words;
    return from_client ? client_words : backend_words;
}

void labels_deinit(struct labels *labels)
{
    for (int i = 0; i < labels->count; i++)
        mem_free(labels->names[i]);
    *labels = (struct labels){0};
}

/* ---- text to bytes ---- */

/* The next argument, or false at the end of the message; `'a b'` is one, `-` is empty. */
static bool next_argument(const char **at, struct buf *out)
{
    const char *p = *at;
    out->len = 0;
    while (*p == ' ')
        p++;
    if (*p == '\0' || *p == '|' || *p == '\n') {
        *at = p;
        return false;
    }
    if (*p == '\'') {
        const char *end = strchr(++p, '\'');
        ck_assert_msg(end != NULL, "no end of quotes: %s", p);
        buf_append(out, p, (size_t)(end - p));
        p = end + 1;
    } else {
        size_t len = strcspn(p, " |\n");
        if (len != 1 || *p != '-')
            buf_append(out, p, len);
        p += len;
    }
    *at = p;
    return true;
}

/* Labels in the text become the names that they stand for. */
static void append_named(struct buf *out, const struct labels *labels, const char *text)
{
    for (const char *hit; (hit = strstr(text, "pgp_")) != NULL;) {
        char *end;
        long label = strtol(hit + 4, &end, 10);
        buf_append(out, text, (size_t)(hit - text));
        if (label >= 1 && label <= labels->count)
            buf_append_str(out, labels->names[label - 1]);
        else
            buf_append(out, hit, (size_t)(end - hit));
        text = end;
    }
    buf_append_str(out, text);
}

static void encode_argument(struct buf *out, const struct labels *labels, const struct word *word, char shape,
                            const char **at, struct buf *scratch)
{
    bool here = next_argument(at, scratch);
    const char *text = here ? buf_text(scratch) : "";
    switch (shape) {
    case 's':
        append_named(out, labels, text);
        buf_append_u8(out, 0);
        break;
    case 't':
        buf_append_str(out, text);
        break;
    case 'b':
        ck_assert_msg(strlen(text) == 1, "%s wants a letter, not '%s'", word->name, text);
        buf_append_u8(out, (uint8_t)*text);
        break;
    case '4':
        buf_append_u32(out, (uint32_t)strtoul(text, NULL, 10));
        break;
    case 'o': {
        size_t count_at = out->len;
        uint16_t count = 0;
        buf_append_u16(out, 0);
        for (; here; here = next_argument(at, scratch), count++)
            buf_append_u32(out, (uint32_t)strtoul(buf_text(scratch), NULL, 10));
        out->data[count_at + 1] = (char)count;
        break;
    }
    case 'v': { /* statement, portal, one value */
        struct buf stmt = {0};
        append_named(&stmt, labels, text);
        next_argument(at, scratch);
        buf_append_cstr(out, buf_text(scratch));
        buf_append_cstr(out, buf_text(&stmt));
        buf_deinit(&stmt);
        buf_append_u16(out, 0);
        here = next_argument(at, scratch);
        buf_append_u16(out, here);
        if (here) {
            buf_append_u32(out, (uint32_t)scratch->len);
            buf_append(out, scratch->data, scratch->len);
        }
        buf_append_u16(out, 0);
        break;
    }
    case 'c': /* a Bind of two values */
        buf_append(out, "\0\0\0\0\0\2", 6);
        for (int i = 0; i < 2; i++, next_argument(at, scratch)) {
            buf_append_u32(out, (uint32_t)scratch->len);
            buf_append(out, scratch->data, scratch->len);
        }
        buf_append_u16(out, 0);
        break;
    case 'r':
        buf_append_u16(out, 1);
        buf_append_u32(out, (uint32_t)scratch->len);
        buf_append(out, scratch->data, scratch->len);
        break;
    default: { /* 'e' */
        const char *severity = strcmp(word->name, "Fatal") == 0    ? "FATAL"
                               : strcmp(word->name, "Notice") == 0 ? "NOTICE"
                                                                   : "ERROR";
        buf_printf(out, "S%s%cV%s%cC%s%cM", severity, 0, severity, 0, text, 0);
        next_argument(at, scratch);
        append_named(out, labels, buf_text(scratch));
        buf_append(out, "\0", 2);
        break;
    }
    }
}

void words_encode(struct buf *out, const struct labels *labels, bool from_client, const char *text)
{
    struct buf scratch = {0};
    size_t count;
    const struct word *words = words_of(from_client, &count);
    const char *at = text;
    while (next_argument(&at, &scratch)) {
        const struct word *word = NULL;
        for (size_t i = 0; i < count; i++)
            if (strcmp(words[i].name, buf_text(&scratch)) == 0)
                word = &words[i];
        ck_assert_msg(word != NULL, "unknown word: %s", buf_text(&scratch));
        size_t begin = proto_begin(out, word->type);
        for (const char *shape = word->shape; *shape; shape++)
            encode_argument(out, labels, word, *shape, &at, &scratch);
        for (const char *hex = word->fixed; *hex; hex += 2)
            buf_append_u8(out, (uint8_t)strtoul((char[]){hex[0], hex[1], 0}, NULL, 16));
        proto_end(out, begin);
        at += strspn(at, " ");
        ck_assert_msg(*at == '|' || *at == '\0', "too many arguments: %s", at);
        at += *at == '|';
    }
    buf_deinit(&scratch);
}

/* ---- bytes to text ---- */
static void decode_text(struct buf *out, struct labels *labels, const char *text)
{
    struct buf plain = {0};
    for (const char *hit; (hit = strstr(text, "pgp_")) != NULL;) {
        buf_append(&plain, text, (size_t)(hit - text));
        if (strspn(hit + 4, "0123456789abcdef") < 32) {
            buf_append(&plain, hit, 4);
            text = hit + 4;
            continue;
        }
        int label = 0;
        while (label < labels->count && strncmp(labels->names[label], hit, 36) != 0)
            label++;
        if (label == labels->count) {
            ck_assert_msg(label < LABELS_MAX, "too many names");
            labels->names[labels->count++] = mem_strndup(hit, 36);
        }
        buf_printf(&plain, "pgp_%d", label + 1);
        text = hit + 36;
    }
    buf_append_str(&plain, text);
    bool quote = plain.len == 0 || memchr(plain.data, ' ', plain.len) != NULL;
    buf_printf(out, quote ? " '%s'" : " %s", buf_text(&plain));
    buf_deinit(&plain);
}

static void decode_argument(struct buf *out, struct labels *labels, char shape, struct reader *r)
{
    switch (shape) {
    case 's': {
        const char *text = reader_cstr(r);
        if (*text)
            decode_text(out, labels, text);
        else
            buf_append_str(out, " -");
        break;
    }
    case 't': {
        struct slice rest = reader_bytes(r, reader_left(r));
        buf_printf(out, " %.*s", (int)rest.len, rest.ptr);
        break;
    }
    case 'b':
        buf_printf(out, " %c", reader_u8(r));
        break;
    case '4':
        buf_printf(out, " %u", reader_u32(r));
        break;
    case 'o':
        for (int count = reader_u16(r); count > 0 && !r->bad; count--)
            buf_printf(out, " %u", reader_u32(r));
        break;
    case 'v': {
        const char *portal = reader_cstr(r);
        const char *stmt = reader_cstr(r);
        decode_text(out, labels, *stmt ? stmt : "-");
        buf_printf(out, " %s", *portal ? portal : "-");
        reader_u16(r);
        if (reader_u16(r) == 1) {
            struct slice value = reader_bytes(r, reader_u32(r));
            buf_printf(out, " %.*s", (int)value.len, value.ptr);
        }
        reader_u16(r);
        break;
    }
    case 'r': {
        reader_u16(r);
        struct slice value = reader_bytes(r, reader_u32(r));
        buf_printf(out, " %.*s", (int)value.len, value.ptr);
        break;
    }
    default: { /* 'e' */
        struct proto_error_fields fields;
        proto_error_read(r->at, reader_left(r), &fields);
        buf_printf(out, " %s", fields.sqlstate);
        decode_text(out, labels, fields.message ? fields.message : "");
        reader_bytes(r, reader_left(r));
        break;
    }
    }
}

static bool is_fatal(const char *body, size_t len)
{
    struct proto_error_fields fields;
    proto_error_read(body, len, &fields);
    return fields.severity != NULL && strcmp(fields.severity, "FATAL") == 0;
}

void words_decode(struct buf *out, struct labels *labels, bool from_client, const char *data, size_t len)
{
    size_t count, at = 0;
    const struct word *words = words_of(from_client, &count);
    for (struct proto_header h; proto_backend_header(data + at, len - at, &h) == 0 && h.len <= len - at; at += h.len) {
        const struct word *word = NULL;
        for (size_t i = 0; i < count && word == NULL; i++)
            if (words[i].type == h.type)
                word = &words[i];
        if (at > 0)
            buf_append_str(out, " | ");
        if (word == NULL) {
            buf_printf(out, "?%c", h.type);
            continue;
        }
        const char *body = data + at + PROTO_HEADER;
        bool fatal = !from_client && h.type == 'E' && is_fatal(body, h.len - PROTO_HEADER);
        buf_append_str(out, fatal ? "Fatal" : word->name);
        struct reader r = reader_of(body, h.len - PROTO_HEADER);
        for (const char *shape = word->shape; *shape; shape++)
            decode_argument(out, labels, *shape, &r);
        if (r.bad)
            buf_append_str(out, " MALFORMED");
    }
    if (at < len)
        buf_printf(out, " ... %zu bytes", len - at);
}
