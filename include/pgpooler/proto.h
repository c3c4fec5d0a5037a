/*
 * proto - messages of the PostgreSQL protocol 3.0 and 3.2 as bytes.
 *
 * Reads and builds; keeps no conversation state (that is session's) and does no I/O.
 * Every length is bounded here, in one place, before anybody uses it. Incremental:
 * a function that needs more bytes answers ERR_AGAIN and has consumed nothing.
 *
 * Source: docs PROTOCOL-MESSAGE-FORMATS, PROTOCOL-FLOW; limits as PostgreSQL's own.
 */
#ifndef PGPOOLER_PROTO_H
#define PGPOOLER_PROTO_H

#include "pgpooler/base.h"

enum {
    PROTO_HEADER = 5,             /* type byte and length */
    PROTO_STARTUP_MAX = 10000,    /* MAX_STARTUP_PACKET_LENGTH: the body behind the length word */
    PROTO_AUTH_MAX = 65535,       /* PG_MAX_AUTH_TOKEN_LENGTH */
    PROTO_SMALL_MAX = 10000,      /* PQ_SMALL_MESSAGE_LIMIT */
    PROTO_LARGE_MAX = 0x3ffffffe, /* PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize - 1 */
    PROTO_VERSION_3_0 = 196608,
    PROTO_VERSION_3_2 = 196610,
    PROTO_CANCEL_CODE = 80877102,
    PROTO_SSL_CODE = 80877103,
    PROTO_GSS_CODE = 80877104,
    PROTO_CANCEL_KEY_MAX = 256, /* 3.2; 3.0 has exactly 4 */
};

/* ---- framing ---- */
struct proto_header {
    char type;
    uint32_t len; /* whole message on the wire: type byte, length word and body */
};
/* The most that PostgreSQL accepts as the length word of a frontend message, by type byte; 0: no such type. */
extern const uint32_t proto_frontend_limit[256];
/*
 * Reads the 5 byte header of a frontend message after login.
 * @max_len  max_packet_size
 * ERR_AGAIN, ERR_PROTOCOL (unknown type, said from its first byte on, or length below 4), ERR_TOO_LARGE. Inline: every
 * message of every client comes through here.
 */
static inline int proto_frontend_header(const char *data, size_t len, uint32_t max_len, struct proto_header *out)
{
    if (len < 1)
        return ERR_AGAIN;
    out->type = data[0];
    out->len = 0;
    uint32_t limit = proto_frontend_limit[(unsigned char)data[0]];
    if (limit == 0) /* what stands where the length should be means nothing */
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
/* The same for a backend's message: any type, length at least 4 and below 2^30. */
static inline int proto_backend_header(const char *data, size_t len, struct proto_header *out)
{
    if (len < PROTO_HEADER)
        return ERR_AGAIN;
    uint32_t word = read_u32(data + 1);
    if (word < 4 || word > (uint32_t)PROTO_LARGE_MAX)
        return ERR_PROTOCOL;
    out->type = data[0];
    out->len = word + 1;
    return 0;
}

/* ---- reading bodies: bounded by the frame; a failed read leaves `bad` set and gives zeros ---- */
struct reader {
    const char *at, *end;
    bool bad;
};
struct reader reader_of(const char *body, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
const char *reader_cstr(struct reader *r);             /* NUL-terminated inside the frame; "" when bad */
struct slice reader_bytes(struct reader *r, size_t n); /* exactly n bytes */
size_t reader_left(const struct reader *r);

/* ---- startup family: the packets without a type byte ---- */
enum startup_kind { STARTUP_SSL, STARTUP_GSS, STARTUP_CANCEL, STARTUP_DIRECT_TLS, STARTUP_MESSAGE };
struct startup_param {
    const char *name, *value; /* borrowed from the packet */
};
enum { STARTUP_PARAMS_MAX = 512 };
struct startup {
    enum startup_kind kind;
    size_t len;       /* bytes of the packet on the wire; 0 for STARTUP_DIRECT_TLS: all bytes are the handshake's */
    uint32_t version; /* as asked for: 196608, 196610, 3.9999 ... */
    /* STARTUP_CANCEL */
    uint32_t cancel_pid;
    struct slice cancel_key; /* 4 to 256 bytes */
    /* STARTUP_MESSAGE: all parameters in order of arrival, `user` and `database` too, `_pq_.` ones not */
    int param_count;
    struct startup_param params[STARTUP_PARAMS_MAX];
    int option_count; /* `_pq_.` protocol options, none of which we support */
    const char *options[STARTUP_PARAMS_MAX];
    char note[48]; /* holds *why when that quotes bytes of the packet */
};
/*
 * ERR_AGAIN; ERR_PROTOCOL or ERR_TOO_LARGE with *why set to PgBouncer's text for the client
 * ("old V2 protocol not supported", "invalid startup packet layout: expected terminator as last byte",
 * "bad packet header: '...'" as hex of the first bytes ...). Minor versions above 3.2 are no error.
 * A first byte 0x16 is STARTUP_DIRECT_TLS.
 */
int proto_startup_parse(const char *data, size_t len, struct startup *out, const char **why);
/* Last value of a parameter (the last one counts, as in PostgreSQL), or NULL. Exact name. */
const char *startup_param(const struct startup *s, const char *name);
/*
 * Splits PostgreSQL's `options` value: -c name=value, -cname=value, --name=value, backslash escapes blanks.
 * Calls `each` per setting with names as written (PostgreSQL takes '-' in them for '_'); stops when it returns non-zero
 * and returns that. ERR_SYNTAX for anything else (also an empty name). `scratch` holds the unescaped text (borrowed by
 * `each`).
 */
int proto_options_parse(const char *options, struct buf *scratch,
                        int (*each)(void *ctx, const char *name, const char *value), void *ctx);

/* ---- building: each appends one whole message ---- */
size_t proto_begin(struct buf *out, char type); /* returns the position that proto_end wants */
void proto_end(struct buf *out, size_t begin);  /* fills the length word in */

/* ErrorResponse ('E') and NoticeResponse ('N'). NULL fields are left out. */
struct proto_error {
    const char *severity; /* "ERROR", "FATAL", "NOTICE" ... */
    const char *sqlstate;
    const char *message, *detail, *hint;
    bool with_v; /* also the unlocalised severity, field V; PgBouncer sends none */
};
void proto_error(struct buf *out, const struct proto_error *e);
void proto_notice(struct buf *out, const struct proto_error *e);
void proto_fatal(struct buf *out, const char *sqlstate, const char *message); /* FATAL with S, V, C, M */

/*
 * Fields of a received ErrorResponse or NoticeResponse body; absent ones are NULL, sqlstate then "XX000".
 * The severity is the unlocalised one (field V) when the server sent it.
 */
struct proto_error_fields {
    const char *severity, *sqlstate, *message, *detail, *hint;
};
void proto_error_read(const char *body, size_t len, struct proto_error_fields *out); /* borrows body; safe on garbage */
/* Appends the error message (whole, with header) with `from` replaced by `to` in its message field. */
void proto_error_rename(struct buf *out, const char *msg, size_t len, const char *from, const char *to);

/* backend to frontend */
void proto_auth(struct buf *out, uint32_t code, const void *data, size_t len); /* 'R' with any code */
void proto_auth_sasl(struct buf *out, const char *const *mechanisms, int count);
void proto_parameter_status(struct buf *out, const char *name, const char *value);
void proto_backend_key(struct buf *out, uint32_t pid, const void *key, size_t key_len);
void proto_negotiate_version(struct buf *out, uint32_t newest, const char *const *options, int count);
void proto_ready(struct buf *out, char status);                /* Z */
void proto_command_complete(struct buf *out, const char *tag); /* C */
void proto_empty(struct buf *out, char type);                  /* body-less: 1 2 3 n s I c */

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_NUMERIC = 1700 };
struct proto_column {
    const char *name;
    uint32_t type_oid;
};
void proto_row_description(struct buf *out, const struct proto_column *columns, int count); /* text format */
void proto_data_row(struct buf *out, const char *const *values, int count);                 /* NULL is SQL NULL */

/* frontend to backend */
void proto_startup_message(struct buf *out, uint32_t version, const struct startup_param *params, int count);
void proto_cancel_request(struct buf *out, uint32_t pid, const void *key, size_t key_len);
void proto_password(struct buf *out, const void *data, size_t len); /* 'p' with these bytes as body */
void proto_query(struct buf *out, const char *sql);
void proto_parse(struct buf *out, const char *name, const char *sql, const uint32_t *oids, int oid_count);
/* Binds text parameters, text results. */
void proto_bind(struct buf *out, const char *portal, const char *stmt, const char *const *values, int count);
void proto_describe(struct buf *out, char kind, const char *name);
void proto_execute(struct buf *out, const char *portal, uint32_t max_rows);
void proto_close(struct buf *out, char kind, const char *name);
void proto_sync(struct buf *out);

/* SQLSTATEs that we send ourselves, with PostgreSQL's names. */
#define SQLSTATE_PROTOCOL_VIOLATION             "08P01"
#define SQLSTATE_CONNECTION_FAILURE             "08006"
#define SQLSTATE_TRANSACTION_RESOLUTION_UNKNOWN "08007"
#define SQLSTATE_FEATURE_NOT_SUPPORTED          "0A000"
#define SQLSTATE_INVALID_PASSWORD               "28P01"
#define SQLSTATE_TOO_MANY_CONNECTIONS           "53300"
#define SQLSTATE_PROGRAM_LIMIT_EXCEEDED         "54000"
#define SQLSTATE_QUERY_CANCELED                 "57014"
#define SQLSTATE_ADMIN_SHUTDOWN                 "57P01"
#define SQLSTATE_CANNOT_CONNECT_NOW             "57P03"

#endif
