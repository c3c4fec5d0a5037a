/* build: each message byte for byte; the lengths are computed here, not taken from the code. */
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

#define BYTES(text) text, sizeof(text) - 1

static const char *const texts[] = {"ab", NULL, ""};
static const uint32_t oids[] = {23, 0x80000000};

/* backend to frontend */
static void auth_ok(struct buf *b)
{
    proto_auth(b, 0, NULL, 0);
}
static void auth_md5(struct buf *b)
{
    proto_auth(b, 5, "salt", 4);
}
static void auth_sasl(struct buf *b)
{
    proto_auth_sasl(b, (const char *const[]){"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, 2);
}
static void parameter(struct buf *b)
{
    proto_parameter_status(b, "DateStyle", "ISO");
}
static void key_short(struct buf *b)
{
    proto_backend_key(b, 0xfffffffe, "abcd", 4);
}
static void key_long(struct buf *b)
{
    proto_backend_key(b, 7, "0123456789abcdef0123456789abcdef", 32);
}
static void negotiate(struct buf *b)
{
    proto_negotiate_version(b, PROTO_VERSION_3_2, (const char *const[]){"_pq_.a", "_pq_.b"}, 2);
}
static void negotiate_nothing(struct buf *b)
{
    proto_negotiate_version(b, PROTO_VERSION_3_0, NULL, 0);
}
static void ready(struct buf *b)
{
    proto_ready(b, 'T');
}
static void complete(struct buf *b)
{
    proto_command_complete(b, "SELECT 1");
}
static void empty(struct buf *b)
{
    proto_empty(b, '1');
}
static void columns(struct buf *b)
{
    static const struct proto_column two[] = {{"n", OID_INT8}, {"", OID_TEXT}};
    proto_row_description(b, two, 2);
}
static void columns_int4(struct buf *b)
{
    proto_row_description(b, &(struct proto_column){"i", OID_INT4}, 1);
}
static void row(struct buf *b)
{
    proto_data_row(b, texts, 3);
}
static void row_empty(struct buf *b)
{
    proto_data_row(b, NULL, 0);
}

/* frontend to backend */
static void startup(struct buf *b)
{
    static const struct startup_param params[] = {{"user", "a"}, {"database", "b"}};
    proto_startup_message(b, PROTO_VERSION_3_0, params, 2);
}
static void cancel(struct buf *b)
{
    proto_cancel_request(b, 258, "abcd", 4);
}
static void cancel_long(struct buf *b)
{
    proto_cancel_request(b, 1, "0123456789", 10);
}
static void password(struct buf *b)
{
    proto_password(b, "x\0y", 3);
}
static void query(struct buf *b)
{
    proto_query(b, "select 1");
}
static void parse(struct buf *b)
{
    proto_parse(b, "s1", "select $1", oids, 2);
}
static void parse_unnamed(struct buf *b)
{
    proto_parse(b, "", "", NULL, 0);
}
static void bind(struct buf *b)
{
    proto_bind(b, "p", "s1", texts, 3);
}
static void describe(struct buf *b)
{
    proto_describe(b, 'S', "s1");
}
static void execute(struct buf *b)
{
    proto_execute(b, "p", 100);
}
static void close_portal(struct buf *b)
{
    proto_close(b, 'P', "");
}
static void sync(struct buf *b)
{
    proto_sync(b);
}

static const struct {
    const char *what;
    void (*build)(struct buf *b);
    const char *bytes;
    size_t len;
} messages[] = {
    {"AuthenticationOk", auth_ok, BYTES("R\0\0\0\x8\0\0\0\0")},
    {"AuthenticationMD5Password", auth_md5, BYTES("R\0\0\0\xc\0\0\0\5salt")},
    {"AuthenticationSASL", auth_sasl, BYTES("R\0\0\0\x2a\0\0\0\xaSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")},
    {"ParameterStatus", parameter,
     BYTES("S\0\0\0\x12"
           "DateStyle\0ISO\0")},
    {"BackendKeyData of 3.0", key_short,
     BYTES("K\0\0\0\xc\xff\xff\xff\xfe"
           "abcd")},
    {"BackendKeyData of 3.2", key_long,
     BYTES("K\0\0\0\x28\0\0\0\7"
           "0123456789abcdef0123456789abcdef")},
    {"NegotiateProtocolVersion", negotiate, BYTES("v\0\0\0\x1a\0\3\0\2\0\0\0\2_pq_.a\0_pq_.b\0")},
    {"NegotiateProtocolVersion without options", negotiate_nothing, BYTES("v\0\0\0\xc\0\3\0\0\0\0\0\0")},
    {"ReadyForQuery", ready, BYTES("Z\0\0\0\5T")},
    {"CommandComplete", complete, BYTES("C\0\0\0\xdSELECT 1\0")},
    {"ParseComplete", empty, BYTES("1\0\0\0\4")},
    {"RowDescription", columns,
     BYTES("T\0\0\0\x2d\0\2n\0\0\0\0\0\0\0\0\0\0\x14\0\x8\xff\xff\xff\xff\0\0"
           "\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0")},
    {"RowDescription of an int4", columns_int4,
     BYTES("T\0\0\0\x1a\0\1i\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0")},
    {"DataRow", row, BYTES("D\0\0\0\x14\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0")},
    {"DataRow without columns", row_empty, BYTES("D\0\0\0\6\0\0")},
    {"StartupMessage", startup, BYTES("\0\0\0\x1b\0\3\0\0user\0a\0database\0b\0\0")},
    {"CancelRequest", cancel, BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\2abcd")},
    {"CancelRequest of 3.2", cancel_long,
     BYTES("\0\0\0\x16\x04\xd2\x16\x2e\0\0\0\1"
           "0123456789")},
    {"SASLResponse", password, BYTES("p\0\0\0\7x\0y")},
    {"Query", query, BYTES("Q\0\0\0\xdselect 1\0")},
    {"Parse", parse, BYTES("P\0\0\0\x1bs1\0select $1\0\0\2\0\0\0\x17\x80\0\0\0")},
    {"Parse of nothing", parse_unnamed, BYTES("P\0\0\0\x8\0\0\0\0")},
    {"Bind", bind, BYTES("B\0\0\0\x1dp\0s1\0\0\0\0\3\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0\0\0")},
    {"Describe", describe, BYTES("D\0\0\0\x8Ss1\0")},
    {"Execute", execute, BYTES("E\0\0\0\xap\0\0\0\0\x64")},
    {"Close", close_portal, BYTES("C\0\0\0\6P\0")},
    {"Sync", sync, BYTES("S\0\0\0\4")},
};

START_TEST(bytes_of_messages)
{
    struct buf b = {0};
    buf_append_str(&b, "before"); /* messages are appended */
    messages[_i].build(&b);
    bool same = b.len == 6 + messages[_i].len && memcmp(b.data + 6, messages[_i].bytes, messages[_i].len) == 0;
    struct buf hex = {0};
    for (size_t i = 6; i < b.len; i++)
        buf_printf(&hex, "%02x", (unsigned char)b.data[i]);
    ck_assert_msg(same, "%s: %s", messages[_i].what, buf_text(&hex));
    ck_assert_mem_eq(b.data, "before", 6);
    buf_deinit(&hex);
    buf_deinit(&b);
}
END_TEST

START_TEST(nested_lengths_are_their_own)
{
    struct buf b = {0};
    proto_query(&b, "a");
    size_t begin = proto_begin(&b, 'd');
    buf_append_str(&b, "xyz");
    proto_end(&b, begin);
    proto_sync(&b);
    ck_assert_mem_eq(b.data, "Q\0\0\0\6a\0d\0\0\0\7xyzS\0\0\0\4", 20);
    buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_proto_build");
    TCase *tests = tcase_create("build");
    tcase_add_loop_test(tests, bytes_of_messages, 0, sizeof(messages) / sizeof(*messages));
    tcase_add_test(tests, nested_lengths_are_their_own);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
