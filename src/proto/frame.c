/* frame - where a frontend message ends, and reading inside one without leaving it. */
#include "pgpooler/proto.h"

uint32_t proto_frontend_limit(char type)
{
    switch (type) {
    case 'Q':
    case 'P':
    case 'B':
    case 'F':
    case 'd':
        return PROTO_LARGE_MAX;
    case 'C':
    case 'D':
    case 'E':
    case 'H':
    case 'S':
    case 'X':
    case 'c':
    case 'f': /* measured on 15: a length of 10001 ends the connection */
        return PROTO_SMALL_MAX;
    case 'p':
        return PROTO_AUTH_MAX;
    default:
        return 0;
    }
}

int proto_frontend_header(const char *data, size_t len, uint32_t max_len, struct proto_header *out)
{
    if (len < 1)
        return ERR_AGAIN;
    out->type = data[0];
    out->len = 0;
    uint32_t limit = proto_frontend_limit(data[0]);
    if (limit == 0) /* said at once: what stands where the length should be means nothing */
        return ERR_PROTOCOL;
    if (len < PROTO_HEADER)
        return ERR_AGAIN;
    uint32_t word = read_u32(data + 1);
    if (word < 4)
        return ERR_PROTOCOL;
    if (word > limit || word >= max_len)
        return ERR_TOO_LARGE;
    out->len = word + 1;
    return 0;
}

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
