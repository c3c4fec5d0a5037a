/* build_backend - the messages that a server sends to its client. */
#include "pgpooler/proto.h"

size_t proto_begin(struct buf *out, char type)
{
    size_t begin = out->len;
    buf_append_u8(out, (uint8_t)type);
    buf_append_u32(out, 0);
    return begin;
}

void proto_end(struct buf *out, size_t begin)
{
    size_t word = out->len - begin - 1; /* the length counts itself, not the type */
    assert(word <= INT32_MAX);
    buf_put_u32(out, begin + 1, (uint32_t)word);
}

static void add_count(struct buf *out, int count)
{
    assert(count >= 0 && count <= UINT16_MAX);
    buf_append_u16(out, (uint16_t)count);
}

void proto_auth(struct buf *out, uint32_t code, const void *data, size_t len)
{
    size_t begin = proto_begin(out, 'R');
    buf_append_u32(out, code);
    buf_append(out, data, len);
    proto_end(out, begin);
}

void proto_auth_sasl(struct buf *out, const char *const *mechanisms, int count)
{
    size_t begin = proto_begin(out, 'R');
    buf_append_u32(out, 10);
    for (int i = 0; i < count; i++)
        buf_append_cstr(out, mechanisms[i]);
    buf_append_u8(out, '\0');
    proto_end(out, begin);
}

void proto_parameter_status(struct buf *out, const char *name, const char *value)
{
    size_t begin = proto_begin(out, 'S');
    buf_append_cstr(out, name);
    buf_append_cstr(out, value);
    proto_end(out, begin);
}

void proto_backend_key(struct buf *out, uint32_t pid, const void *key, size_t key_len)
{
    assert(key_len >= 4 && key_len <= PROTO_CANCEL_KEY_MAX);
    size_t begin = proto_begin(out, 'K');
    buf_append_u32(out, pid);
    buf_append(out, key, key_len);
    proto_end(out, begin);
}

void proto_negotiate_version(struct buf *out, uint32_t newest, const char *const *options, int count)
{
    assert(count >= 0);
    size_t begin = proto_begin(out, 'v');
    buf_append_u32(out, newest); /* the whole number, not the minor one: what libpq expects */
    buf_append_u32(out, (uint32_t)count);
    for (int i = 0; i < count; i++)
        buf_append_cstr(out, options[i]);
    proto_end(out, begin);
}

void proto_ready(struct buf *out, char status)
{
    size_t begin = proto_begin(out, 'Z');
    buf_append_u8(out, (uint8_t)status);
    proto_end(out, begin);
}

void proto_command_complete(struct buf *out, const char *tag)
{
    size_t begin = proto_begin(out, 'C');
    buf_append_cstr(out, tag);
    proto_end(out, begin);
}

void proto_empty(struct buf *out, char type)
{
    proto_end(out, proto_begin(out, type));
}

/* pg_type.typlen of the types that we name; -1: variable */
static uint16_t type_len(uint32_t oid)
{
    switch (oid) {
    case OID_INT8:
        return 8;
    case OID_INT4:
        return 4;
    default:
        return UINT16_MAX;
    }
}

void proto_row_description(struct buf *out, const struct proto_column *columns, int count)
{
    size_t begin = proto_begin(out, 'T');
    add_count(out, count);
    for (int i = 0; i < count; i++) {
        buf_append_cstr(out, columns[i].name);
        buf_append_u32(out, 0); /* of no table */
        buf_append_u16(out, 0); /* and no column of it */
        buf_append_u32(out, columns[i].type_oid);
        buf_append_u16(out, type_len(columns[i].type_oid));
        buf_append_u32(out, UINT32_MAX); /* type modifier -1: none */
        buf_append_u16(out, 0);          /* text */
    }
    proto_end(out, begin);
}

void proto_data_row(struct buf *out, const char *const *values, int count)
{
    size_t begin = proto_begin(out, 'D');
    add_count(out, count);
    for (int i = 0; i < count; i++) {
        if (!values[i]) {
            buf_append_u32(out, UINT32_MAX); /* length -1: NULL */
            continue;
        }
        size_t len = strlen(values[i]);
        buf_append_u32(out, (uint32_t)len);
        buf_append(out, values[i], len);
    }
    proto_end(out, begin);
}
