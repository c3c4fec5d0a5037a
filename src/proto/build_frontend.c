/* build_frontend - the messages that a client sends to its server. */
#include "pgpooler/proto.h"

/* The startup family has no type byte, so its length stands where the type would be. */
static void end_startup(struct buf *out, size_t begin)
{
    buf_put_u32(out, begin, (uint32_t)(out->len - begin));
}

void proto_startup_message(struct buf *out, uint32_t version, const struct startup_param *params, int count)
{
    size_t begin = out->len;
    buf_append_u32(out, 0);
    buf_append_u32(out, version);
    for (int i = 0; i < count; i++) {
        buf_append_cstr(out, params[i].name);
        buf_append_cstr(out, params[i].value);
    }
    buf_append_u8(out, '\0');
    end_startup(out, begin);
}

void proto_cancel_request(struct buf *out, uint32_t pid, const void *key, size_t key_len)
{
    assert(key_len >= 4 && key_len <= PROTO_CANCEL_KEY_MAX);
    size_t begin = out->len;
    buf_append_u32(out, 0);
    buf_append_u32(out, PROTO_CANCEL_CODE);
    buf_append_u32(out, pid);
    buf_append(out, key, key_len);
    end_startup(out, begin);
}

void proto_password(struct buf *out, const void *data, size_t len)
{
    size_t begin = proto_begin(out, 'p');
    buf_append(out, data, len);
    proto_end(out, begin);
}

void proto_query(struct buf *out, const char *sql)
{
    size_t begin = proto_begin(out, 'Q');
    buf_append_cstr(out, sql);
    proto_end(out, begin);
}

void proto_parse(struct buf *out, const char *name, const char *sql, const uint32_t *oids, int oid_count)
{
    assert(oid_count >= 0 && oid_count <= UINT16_MAX);
    size_t begin = proto_begin(out, 'P');
    buf_append_cstr(out, name);
    buf_append_cstr(out, sql);
    buf_append_u16(out, (uint16_t)oid_count);
    for (int i = 0; i < oid_count; i++)
        buf_append_u32(out, oids[i]);
    proto_end(out, begin);
}

void proto_bind(struct buf *out, const char *portal, const char *stmt, const char *const *values, int count)
{
    assert(count >= 0 && count <= UINT16_MAX);
    size_t begin = proto_begin(out, 'B');
    buf_append_cstr(out, portal);
    buf_append_cstr(out, stmt);
    buf_append_u16(out, 0); /* no format codes: all parameters are text */
    buf_append_u16(out, (uint16_t)count);
    for (int i = 0; i < count; i++) {
        if (!values[i]) {
            buf_append_u32(out, UINT32_MAX); /* length -1: NULL */
            continue;
        }
        size_t len = strlen(values[i]);
        buf_append_u32(out, (uint32_t)len);
        buf_append(out, values[i], len);
    }
    buf_append_u16(out, 0); /* all results are text */
    proto_end(out, begin);
}

/* Describe and Close have the same shape: what it is ('S' statement, 'P' portal), then its name. */
static void add_named(struct buf *out, char type, char kind, const char *name)
{
    assert(kind == 'S' || kind == 'P');
    size_t begin = proto_begin(out, type);
    buf_append_u8(out, (uint8_t)kind);
    buf_append_cstr(out, name);
    proto_end(out, begin);
}

void proto_describe(struct buf *out, char kind, const char *name)
{
    add_named(out, 'D', kind, name);
}

void proto_execute(struct buf *out, const char *portal, uint32_t max_rows)
{
    size_t begin = proto_begin(out, 'E');
    buf_append_cstr(out, portal);
    buf_append_u32(out, max_rows);
    proto_end(out, begin);
}

void proto_close(struct buf *out, char kind, const char *name)
{
    add_named(out, 'C', kind, name);
}

void proto_sync(struct buf *out)
{
    proto_empty(out, 'S');
}
