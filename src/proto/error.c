/* error - ErrorResponse and NoticeResponse: built, read, and with a name changed. */
#include "pgpooler/proto.h"

static void add_field(struct buf *out, char code, const char *text)
{
    if (!text)
        return;
    buf_append_u8(out, (uint8_t)code);
    buf_append_cstr(out, text);
}

/* In the order in which the server sends them; docs PROTOCOL-ERROR-FIELDS. */
static void add_message(struct buf *out, char type, const struct proto_error *e)
{
    size_t begin = proto_begin(out, type);
    add_field(out, 'S', e->severity);
    if (e->with_v)
        add_field(out, 'V', e->severity);
    add_field(out, 'C', e->sqlstate);
    add_field(out, 'M', e->message);
    add_field(out, 'D', e->detail);
    add_field(out, 'H', e->hint);
    buf_append_u8(out, '\0');
    proto_end(out, begin);
}

void proto_error(struct buf *out, const struct proto_error *e)
{
    add_message(out, 'E', e);
}

void proto_notice(struct buf *out, const struct proto_error *e)
{
    add_message(out, 'N', e);
}

void proto_fatal(struct buf *out, const char *sqlstate, const char *message)
{
    proto_error(out,
                &(struct proto_error){.severity = "FATAL", .sqlstate = sqlstate, .message = message, .with_v = true});
}

void proto_error_read(const char *body, size_t len, struct proto_error_fields *out)
{
    *out = (struct proto_error_fields){.sqlstate = "XX000"};
    const char *localised = NULL;
    struct reader r = reader_of(body, len);
    for (char code; (code = (char)reader_u8(&r)) != '\0';) {
        const char *text = reader_cstr(&r);
        if (r.bad)
            break;
        switch (code) {
        case 'S':
            localised = text;
            break;
        case 'V':
            out->severity = text;
            break;
        case 'C':
            out->sqlstate = text;
            break;
        case 'M':
            out->message = text;
            break;
        case 'D':
            out->detail = text;
            break;
        case 'H':
            out->hint = text;
            break;
        default:
            break;
        }
    }
    if (!out->severity) /* servers before 9.6 send no V */
        out->severity = localised;
}

static void add_replaced(struct buf *out, const char *text, const char *from, const char *to)
{
    const char *hit;
    while ((hit = strstr(text, from))) {
        buf_append(out, text, (size_t)(hit - text));
        buf_append_str(out, to);
        text = hit + strlen(from);
    }
    buf_append_cstr(out, text);
}

void proto_error_rename(struct buf *out, const char *msg, size_t len, const char *from, const char *to)
{
    assert(len >= PROTO_HEADER && *from);
    size_t begin = proto_begin(out, msg[0]);
    struct reader r = reader_of(msg + PROTO_HEADER, len - PROTO_HEADER);
    const char *copied = r.at; /* everything before it is in `out` already */
    for (char code; (code = (char)reader_u8(&r)) != '\0';) {
        const char *field = r.at;
        const char *text = reader_cstr(&r);
        if (r.bad)
            break;
        if (code != 'M')
            continue;
        buf_append(out, copied, (size_t)(field - copied));
        add_replaced(out, text, from, to);
        copied = r.at;
    }
    buf_append(out, copied, (size_t)(r.end - copied)); /* as it came, if it is no well-formed message */
    proto_end(out, begin);
}
