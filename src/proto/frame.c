/* frame - where a frontend message ends, and reading inside one without leaving it. */
#include "pgpooler/proto.h"

const uint32_t proto_frontend_limit[256] = {
    ['Q'] = PROTO_LARGE_MAX, ['P'] = PROTO_LARGE_MAX, ['B'] = PROTO_LARGE_MAX, ['F'] = PROTO_LARGE_MAX,
    ['d'] = PROTO_LARGE_MAX, ['C'] = PROTO_SMALL_MAX, ['D'] = PROTO_SMALL_MAX, ['E'] = PROTO_SMALL_MAX,
    ['H'] = PROTO_SMALL_MAX, ['S'] = PROTO_SMALL_MAX, ['X'] = PROTO_SMALL_MAX, ['c'] = PROTO_SMALL_MAX,
    ['f'] = PROTO_SMALL_MAX, /* measured on 15: a length of 10001 ends the connection */
    ['p'] = PROTO_AUTH_MAX,
};

struct reader reader_of(const char *body, size_t len)
{
    return (struct reader){.at = body, .end = len ? body + len : body};
}

/* The next n bytes, or NULL and `bad`; after that nothing is left. */
static const char *take(struct reader *r, size_t n)
{
    if (reader_left(r) < n || r->bad) {
        r->bad = true;
        r->at = r->end;
        return NULL;
    }
    const char *at = r->at;
    if (n > 0)
        r->at += n;
    return at;
}

uint8_t reader_u8(struct reader *r)
{
    const char *at = take(r, 1);
    return at ? (uint8_t)*at : 0;
}

uint16_t reader_u16(struct reader *r)
{
    const char *at = take(r, 2);
    return at ? read_u16(at) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    const char *at = take(r, 4);
    return at ? read_u32(at) : 0;
}

const char *reader_cstr(struct reader *r)
{
    size_t left = reader_left(r);
    const char *nul = left ? memchr(r->at, '\0', left) : NULL;
    const char *text = take(r, nul ? (size_t)(nul - r->at) + 1 : left + 1);
    return text ? text : "";
}

struct slice reader_bytes(struct reader *r, size_t n)
{
    const char *at = take(r, n);
    return at ? (struct slice){at, n} : (struct slice){"", 0};
}

size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}
