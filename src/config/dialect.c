/*
 * dialect - PgBouncer's dialect of ini, read with inih.
 *
 * Each line of a file is taken apart by PgBouncer's rules and handed to inih in a form that
 * its own rules leave alone:
 *
 *      app = host=a ; b          app=host%3da%20%3b%20b
 *      (a long value)            app=first+                `+`: the value goes on,
 *                                 second                   as inih's continuation line
 *      'my db' = host=a          '=my%20db=host%3da        the key is too free for inih
 *      [users]                   [users]                   inih does not tell of headers,
 *                                %section=                 so they become an assignment
 *
 * inih reads one line and calls the handler before it asks for the next, so the line that
 * was read last is the place of every assignment.
 */
#include "dialect.h"
#include "read_file.h"

#include <ini.h>

enum {
    INIH_LINE = 190,  /* bytes; inih's buffer of 200 also holds line end and NUL */
    KEY_MAX = 127,    /* bytes: the longest name of a user */
    SECTION_MAX = 40, /* bytes; inih keeps 49 */
    INCLUDE_DEPTH_MAX = 10,
    FILES_MAX = 1000, /* ten files that include each ten others are a mistake */
};

/* No file can write these as a key or a section: `%` is always encoded. */
static const char header_key[] = "%section";
static const char broken_section[] = "%";
static const char quoted_key[] = "'";

struct source { /* an open file */
    struct source *includer;
    char *path;
    struct file_id id;
    struct buf text;
    size_t at;
    int line;
};

struct reader {
    struct source *top;
    int depth, files;
    struct buf pending; /* adapted lines of the line read last */
    size_t pending_at;  /* inih has fetched them up to here */
    struct buf value;   /* pieces of the value that inih is delivering */
    struct buf key;     /* its key; inih cuts long ones in continuation lines */
    bool in_value;
    dialect_handler *handler;
    void *owner;
    struct config_report *report;
};

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("_.*-", byte) != NULL);
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = (struct slice){text.ptr + 1, text.len - 1};
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* ---- files ---- */

static void source_free(struct source *s)
{
    if (s == NULL)
        return;
    mem_free(s->path);
    if (s->text.len > 0)
        mem_wipe(s->text.data, s->text.len); /* it has passwords */
    buf_deinit(&s->text);
    mem_free(s);
}

/* Opens a file on top of the one that includes it; errors are reported at file:line, the place of the %include. */
static void source_push(struct reader *r, const char *path, const char *file, int line)
{
    struct source *s = mem_zalloc(sizeof(*s));
    struct buf why = {0};
    if (r->depth > INCLUDE_DEPTH_MAX) {
        report_error(r->report, file, line, "%%include is nested deeper than %d files", INCLUDE_DEPTH_MAX);
        goto err_free;
    }
    if (++r->files > FILES_MAX) {
        report_error(r->report, file, line, "more than %d files are included", FILES_MAX);
        goto err_free;
    }
    if (read_file(path, &s->text, &s->id, &why) != 0) {
        struct buf quoted = {0};
        report_quote(&quoted, path);
        report_error(r->report, file, line, "could not load file %s: %s", buf_text(&quoted), buf_text(&why));
        buf_deinit(&quoted);
        goto err_free;
    }
    for (const struct source *above = r->top; above != NULL; above = above->includer) {
        if (above->id.device == s->id.device && above->id.inode == s->id.inode) {
            report_error(r->report, file, line, "%%include loop: %s includes itself", above->path);
            goto err_free;
        }
    }
    s->path = mem_strdup(path);
    s->includer = r->top;
    r->top = s;
    r->depth++;
    buf_deinit(&why);
    return;
err_free:
    buf_deinit(&why);
    source_free(s);
}

static void source_pop(struct reader *r)
{
    struct source *done = r->top;
    r->top = done->includer;
    r->depth--;
    source_free(done);
}

/* ---- adapting a line for inih ---- */

static void append_encoded(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (is_key_byte((char)byte))
            buf_append_u8(out, byte);
        else
            buf_printf(out, "%%%02x", byte);
    }
}

/* Undoes append_encoded() in place; the text is ours, so it is well formed. */
static void decode(char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        const char *high = memchr(digits, from[1], 16), *low = memchr(digits, from[2], 16);
        assert(high != NULL && low != NULL);
        *to++ = (char)((high - digits) << 4 | (low - digits));
        from += 2;
    }
    *to = '\0';
}

/* Queues `head=encoded` in as many lines as inih needs. */
static void queue_assignment(struct reader *r, struct slice head, struct slice encoded)
{
    size_t room = INIH_LINE - head.len;
    buf_append(&r->pending, head.ptr, head.len);
    buf_append_str(&r->pending, "=");
    while (encoded.len > room) {
        buf_append(&r->pending, encoded.ptr, room);
        buf_append_str(&r->pending, "+\n ");
        encoded = (struct slice){encoded.ptr + room, encoded.len - room};
        room = INIH_LINE;
    }
    buf_append(&r->pending, encoded.ptr, encoded.len);
    buf_append_str(&r->pending, "\n");
}

static void queue_plain(struct reader *r, struct slice key, struct slice value)
{
    struct buf encoded = {0};
    append_encoded(&encoded, value);
    queue_assignment(r, key, (struct slice){encoded.data, encoded.len});
    buf_deinit(&encoded);
}

static void queue_quoted(struct reader *r, struct slice key, struct slice value)
{
    struct buf encoded = {0};
    append_encoded(&encoded, key);
    buf_append_str(&encoded, "=");
    append_encoded(&encoded, value);
    queue_assignment(r, slice_of(quoted_key), (struct slice){encoded.data, encoded.len});
    buf_deinit(&encoded);
}

static void line_error(struct reader *r, const char *message)
{
    report_error(r->report, r->top->path, r->top->line, "%s", message);
}

static void adapt_header(struct reader *r, struct slice line)
{
    const char *end = memchr(line.ptr, ']', line.len);
    struct slice name = {line.ptr + 1, end == NULL ? 0 : (size_t)(end - line.ptr - 1)};
    struct slice rest = {end, 0};
    if (end != NULL)
        rest = trim((struct slice){end + 1, line.len - name.len - 2});
    bool is_good = name.len > 0 && name.len <= SECTION_MAX;
    for (size_t i = 0; i < name.len; i++)
        is_good = is_good && is_key_byte(name.ptr[i]);
    if (rest.len > 0 && rest.ptr[0] != ';' && rest.ptr[0] != '#')
        is_good = false;
    if (!is_good) {
        line_error(r, "syntax error: expected [section]");
        buf_printf(&r->pending, "[%s]\n", broken_section);
        return;
    }
    buf_printf(&r->pending, "[%.*s]\n%s=\n", (int)name.len, name.ptr, header_key);
}

static void adapt_include(struct reader *r, struct slice file)
{
    file = trim(file);
    char *path = mem_strndup(file.ptr, file.len);
    source_push(r, path, r->top->path, r->top->line);
    mem_free(path);
}

/* A key in single quotes, two of them for one inside. Leaves `line` behind the closing one. */
static bool take_quoted_key(struct slice *line, struct buf *key)
{
    size_t at = 1;
    for (;; at++) {
        if (at >= line->len)
            return false;
        if (line->ptr[at] == '\'') {
            if (at + 1 >= line->len || line->ptr[at + 1] != '\'')
                break;
            at++;
        }
        buf_append(key, line->ptr + at, 1);
    }
    *line = (struct slice){line->ptr + at + 1, line->len - at - 1};
    return key->len > 0;
}

static void adapt_assignment(struct reader *r, struct slice line)
{
    static const char expected[] =
        "syntax error: expected key = value; a key with other characters than A-Z a-z 0-9 _ . * - "
        "is written in single quotes";
    struct buf key = {0};
    bool is_quoted = line.ptr[0] == '\'';
    if (is_quoted) {
        if (!take_quoted_key(&line, &key)) {
            line_error(r, "syntax error: a key in single quotes is empty or has no closing quote");
            goto out;
        }
    } else {
        size_t len = 0;
        while (len < line.len && is_key_byte(line.ptr[len]))
            len++;
        buf_append(&key, line.ptr, len);
        line = (struct slice){line.ptr + len, line.len - len};
    }
    line = trim(line);
    if (key.len == 0 || line.len == 0 || line.ptr[0] != '=') {
        line_error(r, expected);
        goto out;
    }
    if (key.len > KEY_MAX) {
        report_error(r->report, r->top->path, r->top->line, "key is longer than %d bytes", KEY_MAX);
        goto out;
    }
    struct slice value = trim((struct slice){line.ptr + 1, line.len - 1});
    if (is_quoted)
        queue_quoted(r, (struct slice){key.data, key.len}, value);
    else
        queue_plain(r, (struct slice){key.data, key.len}, value);
out:
    buf_deinit(&key);
}

/* Takes the next line of the topmost file apart. false: no file is left. */
static bool adapt_next_line(struct reader *r)
{
    static const char include[] = "%include";
    struct source *s = r->top;
    if (s == NULL)
        return false;
    if (s->at == s->text.len) {
        source_pop(r);
        return true;
    }
    const char *start = s->text.data + s->at;
    const char *newline = memchr(start, '\n', s->text.len - s->at);
    size_t len = newline == NULL ? s->text.len - s->at : (size_t)(newline - start);
    s->at += len + (newline == NULL ? 0 : 1);
    s->line++;

    struct slice line = trim((struct slice){start, len});
    if (line.len == 0 || line.ptr[0] == ';' || line.ptr[0] == '#')
        return true;
    if (memchr(line.ptr, '\0', line.len) != NULL)
        line_error(r, "syntax error: the line has a NUL byte");
    else if (line.ptr[0] == '[')
        adapt_header(r, line);
    else if (line.len > sizeof(include) && memcmp(line.ptr, include, sizeof(include) - 1) == 0 &&
             is_blank(line.ptr[sizeof(include) - 1]))
        adapt_include(r, (struct slice){line.ptr + sizeof(include), line.len - sizeof(include)});
    else
        adapt_assignment(r, line);
    return true;
}

/* ---- inih's two callbacks ---- */

/* As fgets(): one line into `out`. */
static char *next_inih_line(char *out, int size, void *stream)
{
    struct reader *r = stream;
    while (r->pending_at == r->pending.len) {
        r->pending_at = r->pending.len = 0;
        if (!adapt_next_line(r))
            return NULL;
    }
    const char *start = r->pending.data + r->pending_at;
    const char *newline = memchr(start, '\n', r->pending.len - r->pending_at);
    assert(newline != NULL);
    size_t len = (size_t)(newline - start) + 1;
    assert(len < (size_t)size);
    memcpy(out, start, len);
    out[len] = '\0';
    r->pending_at += len;
    return out;
}

static void deliver(struct reader *r, const char *section)
{
    struct dialect_line line = {.file = r->top->path, .line = r->top->line, .section = section};
    char *key = r->key.data, *value = r->value.data;
    if (strcmp(key, header_key) == 0) {
        key = NULL;
    } else if (strcmp(key, quoted_key) == 0) {
        key = value;
        value = strchr(value, '=');
        assert(value != NULL);
        *value++ = '\0';
        decode(key);
    }
    decode(value);
    line.key = key;
    line.value = value;
    r->handler(r->owner, &line);
}

static int on_inih_value(void *stream, const char *section, const char *name, const char *value)
{
    struct reader *r = stream;
    size_t len = strlen(value);
    bool goes_on = len > 0 && value[len - 1] == '+';
    if (!r->in_value) {
        r->key.len = r->value.len = 0;
        buf_append_cstr(&r->key, name);
    }
    buf_append(&r->value, value, goes_on ? len - 1 : len);
    r->in_value = goes_on;
    if (goes_on)
        return 1;
    buf_append_u8(&r->value, '\0');
    if (strcmp(section, broken_section) != 0)
        deliver(r, section);
    return 1;
}

void dialect_read(const char *path, dialect_handler *handler, void *owner, struct config_report *report)
{
    struct reader r = {.handler = handler, .owner = owner, .report = report};
    source_push(&r, path, path, 0);
    int wrong_line = ini_parse_stream(next_inih_line, &r, on_inih_value, &r);
    assert(wrong_line == 0); /* the stream is ours */
    (void)wrong_line;
    while (r.top != NULL)
        source_pop(&r);
    mem_wipe(r.value.data, r.value.cap); /* passwords */
    mem_wipe(r.pending.data, r.pending.cap);
    buf_deinit(&r.value);
    buf_deinit(&r.pending);
    buf_deinit(&r.key);
}
