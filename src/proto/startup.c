/* startup - the packets without a type byte that open a connection, and the options in them. */
#include "pgpooler/proto.h"

#include <stdio.h>

enum {
    LENGTH_AND_CODE = 8,
    TLS_HANDSHAKE_RECORD = 0x16, /* as first byte of a length it would be beyond every limit */
};

/* The header in hex; out->note keeps the text. */
static int bad_header(struct startup *out, const char *data, size_t len, int err, const char **why)
{
    char hex[2 * LENGTH_AND_CODE + 1] = "";
    assert(len <= LENGTH_AND_CODE);
    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)data[i]);
    snprintf(out->note, sizeof(out->note), "bad packet header: '%s'", hex);
    *why = out->note;
    return err;
}

static int refuse(const char **why, int err, const char *text)
{
    *why = text;
    return err;
}

/* docs PROTOCOL-MESSAGE-FORMATS, CancelRequest: the key is the rest of the packet */
static int parse_cancel(struct reader *r, struct startup *out, const char **why)
{
    out->kind = STARTUP_CANCEL;
    out->cancel_pid = reader_u32(r);
    size_t key_len = reader_left(r);
    if (r->bad || key_len < 4 || key_len > PROTO_CANCEL_KEY_MAX)
        return refuse(why, ERR_PROTOCOL, "cancel request with a key of invalid length");
    out->cancel_key = reader_bytes(r, key_len);
    return 0;
}

/* docs PROTOCOL-MESSAGE-FORMATS, StartupMessage: pairs of strings, a zero byte as terminator */
static int parse_params(struct reader *r, struct startup *out, const char **why)
{
    static const char no_terminator[] = "invalid startup packet layout: expected terminator as last byte";
    out->kind = STARTUP_MESSAGE;
    for (;;) {
        const char *name = reader_cstr(r);
        if (r->bad)
            return refuse(why, ERR_PROTOCOL, no_terminator);
        if (*name == '\0')
            break;
        const char *value = reader_cstr(r);
        if (r->bad)
            return refuse(why, ERR_PROTOCOL, no_terminator);
        bool is_option = strncmp(name, "_pq_.", 5) == 0;
        if ((is_option ? out->option_count : out->param_count) == STARTUP_PARAMS_MAX)
            return refuse(why, ERR_TOO_LARGE, "too many startup parameters");
        if (is_option)
            out->options[out->option_count++] = name;
        else
            out->params[out->param_count++] = (struct startup_param){name, value};
    }
    return reader_left(r) == 0 ? 0 : refuse(why, ERR_PROTOCOL, no_terminator);
}

int proto_startup_parse(const char *data, size_t len, struct startup *out, const char **why)
{
    *why = NULL;
    out->len = 0;
    out->version = 0;
    out->cancel_pid = 0;
    out->cancel_key = (struct slice){"", 0};
    out->param_count = out->option_count = 0;

    if (len < 1)
        return ERR_AGAIN;
    if (data[0] == TLS_HANDSHAKE_RECORD) {
        out->kind = STARTUP_DIRECT_TLS;
        return 0;
    }
    if (len < 4)
        return ERR_AGAIN;
    uint32_t packet_len = read_u32(data);
    if (packet_len < LENGTH_AND_CODE)
        return bad_header(out, data, 4, ERR_PROTOCOL, why);
    if (packet_len > 4 + PROTO_STARTUP_MAX)
        return bad_header(out, data, 4, ERR_TOO_LARGE, why);
    if (len < LENGTH_AND_CODE)
        return ERR_AGAIN;

    uint32_t code = read_u32(data + 4);
    bool known_code = code == PROTO_CANCEL_CODE || code == PROTO_SSL_CODE || code == PROTO_GSS_CODE;
    if (code >> 16 == 2)
        return refuse(why, ERR_PROTOCOL, "old V2 protocol not supported");
    if (code >> 16 != 3 && !known_code)
        return bad_header(out, data, LENGTH_AND_CODE, ERR_PROTOCOL, why);
    if ((code == PROTO_SSL_CODE || code == PROTO_GSS_CODE) && packet_len != LENGTH_AND_CODE)
        return bad_header(out, data, LENGTH_AND_CODE, ERR_PROTOCOL, why);
    if (len < packet_len)
        return ERR_AGAIN;

    out->len = packet_len;
    struct reader r = reader_of(data + LENGTH_AND_CODE, packet_len - LENGTH_AND_CODE);
    switch (code) {
    case PROTO_SSL_CODE:
        out->kind = STARTUP_SSL;
        return 0;
    case PROTO_GSS_CODE:
        out->kind = STARTUP_GSS;
        return 0;
    case PROTO_CANCEL_CODE:
        return parse_cancel(&r, out, why);
    default:
        out->version = code;
        return parse_params(&r, out, why);
    }
}

const char *startup_param(const struct startup *s, const char *name)
{
    for (int i = s->param_count - 1; i >= 0; i--) {
        if (strcmp(s->params[i].name, name) == 0)
            return s->params[i].value;
    }
    return NULL;
}
