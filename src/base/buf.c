/* buf - growable bytes. */
#include "pgpooler/base.h"

#include <stdio.h>

enum { BUF_MIN = 64 };

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

void buf_reserve(struct buf *b, size_t more)
{
    if (b->cap - b->len >= more)
        return;
    assert(more <= SIZE_MAX / 2 - b->len);
    size_t cap = b->cap < BUF_MIN ? BUF_MIN : b->cap * 2;
    if (cap < b->len + more)
        cap = b->len + more;
    b->data = mem_realloc(b->data, cap);
    b->cap = cap;
}

void buf_append(struct buf *b, const void *src, size_t len)
{
    if (len == 0)
        return;
    buf_reserve(b, len);
    memcpy(b->data + b->len, src, len);
    b->len += len;
}

void buf_append_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_cstr(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text) + 1);
}

void buf_append_u8(struct buf *b, uint8_t value)
{
    buf_append(b, &value, 1);
}

void buf_append_u16(struct buf *b, uint16_t value)
{
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    buf_append(b, bytes, sizeof(bytes));
}

void buf_append_u32(struct buf *b, uint32_t value)
{
    unsigned char bytes[4];
    write_u32(bytes, value);
    buf_append(b, bytes, sizeof(bytes));
}

void buf_put_u32(struct buf *b, size_t at, uint32_t value)
{
    assert(b->len >= 4 && at <= b->len - 4);
    write_u32(b->data + at, value);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    buf_reserve(b, BUF_MIN);
    size_t room = b->cap - b->len;
    int need = vsnprintf(b->data + b->len, room, format, args);
    assert(need >= 0);
    if ((size_t)need >= room) {
        buf_reserve(b, (size_t)need + 1); /* vsnprintf writes a NUL, which is not counted */
        need = vsnprintf(b->data + b->len, (size_t)need + 1, format, again);
        assert(need >= 0);
    }
    b->len += (size_t)need;
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    if (b->len > 0 && len > 0)
        memmove(b->data, b->data + len, b->len);
}

const char *buf_text(struct buf *b)
{
    buf_reserve(b, 1);
    b->data[b->len] = '\0';
    return b->data;
}
