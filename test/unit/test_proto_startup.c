/* startup: the packets that open a connection, whole, cut short and wrong. */
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

#define BYTES(text)   text, sizeof(text) - 1
#define NO_TERMINATOR "invalid startup packet layout: expected terminator as last byte"
#define V3_0          "\0\3\0\0"
#define CANCEL        "\x04\xd2\x16\x2e"
#define SSL           "\x04\xd2\x16\x2f"
#define GSS           "\x04\xd2\x16\x30"

static const struct {
    const char *what, *bytes;
    size_t len;
    int result;
    const char *why; /* NULL for good packets */
    enum startup_kind kind;
    uint32_t version;
} packets[] = {
    {"nothing yet", BYTES(""), ERR_AGAIN, NULL, 0, 0},
    {"part of the length", BYTES("\0\0"), ERR_AGAIN, NULL, 0, 0},
    {"part of the code", BYTES("\0\0\0\x8\0\3\0"), ERR_AGAIN, NULL, 0, 0},
    {"part of the parameters", BYTES("\0\0\0\x10" V3_0 "user"), ERR_AGAIN, NULL, 0, 0},
    {"SSLRequest", BYTES("\0\0\0\x8" SSL), 0, NULL, STARTUP_SSL, 0},
    {"SSLRequest with something behind its code", BYTES("\0\0\0\x9" SSL "x"), ERR_PROTOCOL,
     "bad packet header: '0000000904d2162f'", 0, 0},
    {"GSSENCRequest", BYTES("\0\0\0\x8" GSS), 0, NULL, STARTUP_GSS, 0},
    {"GSSENCRequest with something behind its code", BYTES("\0\0\0\xc" GSS "xxxx"), ERR_PROTOCOL,
     "bad packet header: '0000000c04d21630'", 0, 0},
    {"a TLS record", BYTES("\x16"), 0, NULL, STARTUP_DIRECT_TLS, 0},
    {"no parameters", BYTES("\0\0\0\x9" V3_0 "\0"), 0, NULL, STARTUP_MESSAGE, 196608},
    {"3.2", BYTES("\0\0\0\x9\0\3\0\2\0"), 0, NULL, STARTUP_MESSAGE, 196610},
    {"3.9999, as a test of negotiation asks", BYTES("\0\0\0\x9\0\3\x27\x0f\0"), 0, NULL, STARTUP_MESSAGE, 206607},
    {"3.1", BYTES("\0\0\0\x9\0\3\0\1\0"), 0, NULL, STARTUP_MESSAGE, 196609},
    {"2.0", BYTES("\0\0\1\x28\0\2\0\0"), ERR_PROTOCOL, "old V2 protocol not supported", 0, 0},
    {"protocol 4", BYTES("\0\0\0\x9\0\4\0\0\0"), ERR_PROTOCOL, "bad packet header: '0000000900040000'", 0, 0},
    {"a code next to those that exist", BYTES("\0\0\0\x8\x04\xd2\x16\x31"), ERR_PROTOCOL,
     "bad packet header: '0000000804d21631'", 0, 0},
    {"length 0", BYTES("\0\0\0\0" V3_0), ERR_PROTOCOL, "bad packet header: '00000000'", 0, 0},
    {"length 7", BYTES("\0\0\0\x7"), ERR_PROTOCOL, "bad packet header: '00000007'", 0, 0},
    {"length -1", BYTES("\xff\xff\xff\xff"), ERR_TOO_LARGE, "bad packet header: 'ffffffff'", 0, 0},
    {"HTTP", BYTES("GET / HTTP/1.1\r\n"), ERR_TOO_LARGE, "bad packet header: '47455420'", 0, 0},
    {"a typed message", BYTES("Q\0\0\0\x6;\0"), ERR_TOO_LARGE, "bad packet header: '51000000'", 0, 0},
    {"a length beyond the limit", BYTES("\0\0\x27\x15" V3_0), ERR_TOO_LARGE, "bad packet header: '00002715'", 0, 0},
    {"a length at the limit", BYTES("\0\0\x27\x14" V3_0), ERR_AGAIN, NULL, 0, 0},
    {"no terminator", BYTES("\0\0\0\x8" V3_0), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"a pair, but no terminator", BYTES("\0\0\0\xf" V3_0 "user\0a\0"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"a name without NUL", BYTES("\0\0\0\xc" V3_0 "user"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"a name without value", BYTES("\0\0\0\xd" V3_0 "user\0"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"a value without NUL", BYTES("\0\0\0\xe" V3_0 "user\0a"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"something behind the terminator", BYTES("\0\0\0\xa" V3_0 "\0x"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"a second terminator", BYTES("\0\0\0\xa" V3_0 "\0\0"), ERR_PROTOCOL, NO_TERMINATOR, 0, 0},
    {"cancel with a key of 4 bytes", BYTES("\0\0\0\x10" CANCEL "\0\0\1\2abcd"), 0, NULL, STARTUP_CANCEL, 0},
    {"cancel with a key of 3 bytes", BYTES("\0\0\0\xf" CANCEL "\0\0\1\2abc"), ERR_PROTOCOL,
     "cancel request with a key of invalid length", 0, 0},
    {"cancel without a key", BYTES("\0\0\0\x8" CANCEL), ERR_PROTOCOL, "cancel request with a key of invalid length", 0,
     0},
    {"half a cancel", BYTES("\0\0\0\x10" CANCEL "\0\0\1\2ab"), ERR_AGAIN, NULL, 0, 0},
};

static int parse(const char *bytes, size_t len, struct startup *out, const char **why)
{
    /* in memory of exactly this size, so that a sanitizer sees any read behind it */
    static char *copy;
    mem_free(copy);
    copy = mem_dup(bytes, len);
    return proto_startup_parse(copy, len, out, why);
}

START_TEST(packet_kinds)
{
    struct startup s;
    const char *why;
    int result = parse(packets[_i].bytes, packets[_i].len, &s, &why);
    ck_assert_msg(result == packets[_i].result, "%s: %s", packets[_i].what, err_text(result));
    if (packets[_i].why) {
        ck_assert_msg(why && strcmp(why, packets[_i].why) == 0, "%s: %s", packets[_i].what, why ? why : "no reason");
        return;
    }
    ck_assert_ptr_null(why);
    if (result != 0)
        return;
    ck_assert_msg(s.kind == packets[_i].kind, "%s", packets[_i].what);
    ck_assert_msg(s.version == packets[_i].version, "%s: %u", packets[_i].what, s.version);
    ck_assert_msg(s.len == (s.kind == STARTUP_DIRECT_TLS ? 0 : packets[_i].len), "%s", packets[_i].what);
}
END_TEST

START_TEST(parameters_keep_their_order)
{
    static const char packet[] = "\0\0\0\x4b" V3_0 "user\0alice\0"
                                 "database\0\0"
                                 "_pq_.one\0on\0"
                                 "DateStyle\0ISO\0"
                                 "user\0bob\0"
                                 "_pq_.two\0\0"
                                 "\0next";
    struct startup s;
    const char *why;
    ck_assert_int_eq(parse(BYTES(packet), &s, &why), 0);
    ck_assert_uint_eq(s.len, sizeof(packet) - 1 - 4);
    ck_assert_int_eq(s.param_count, 4);
    ck_assert_str_eq(s.params[0].value, "alice");
    ck_assert_str_eq(s.params[1].name, "database");
    ck_assert_str_eq(s.params[2].name, "DateStyle");
    ck_assert_str_eq(startup_param(&s, "user"), "bob");
    ck_assert_str_eq(startup_param(&s, "database"), "");
    ck_assert_ptr_null(startup_param(&s, "datestyle"));
    ck_assert_int_eq(s.option_count, 2);
    ck_assert_str_eq(s.options[0], "_pq_.one");
    ck_assert_str_eq(s.options[1], "_pq_.two");
}
END_TEST

START_TEST(every_shorter_piece_asks_for_more)
{
    struct buf packet = {0};
    struct startup s;
    const char *why;
    struct startup_param params[] = {{"user", "alice"}, {"database", "app"}};
    proto_startup_message(&packet, PROTO_VERSION_3_0, params, 2);
    for (size_t len = 0; len < packet.len; len++) {
        ck_assert_msg(parse(packet.data, len, &s, &why) == ERR_AGAIN, "%zu bytes", len);
        ck_assert_uint_eq(s.len, 0);
    }
    ck_assert_int_eq(parse(packet.data, packet.len, &s, &why), 0);
    ck_assert_uint_eq(s.len, packet.len);
    buf_deinit(&packet);
}
END_TEST

static const struct {
    const char *what;
    int params, options;
    int result;
} amounts[] = {
    {"as many parameters as fit", STARTUP_PARAMS_MAX, 0, 0},
    {"one parameter more", STARTUP_PARAMS_MAX + 1, 0, ERR_TOO_LARGE},
    {"as many options as fit", 0, STARTUP_PARAMS_MAX, 0},
    {"one option more", 0, STARTUP_PARAMS_MAX + 1, ERR_TOO_LARGE},
    {"both full", STARTUP_PARAMS_MAX, STARTUP_PARAMS_MAX, 0},
};

START_TEST(how_many_parameters)
{
    struct buf packet = {0};
    struct startup s;
    const char *why;
    buf_append_u32(&packet, 0);
    buf_append_u32(&packet, PROTO_VERSION_3_0);
    for (int i = 0; i < amounts[_i].params; i++)
        buf_append(&packet, "a\0", 3);
    for (int i = 0; i < amounts[_i].options; i++)
        buf_append(&packet, "_pq_.x\0", 8);
    buf_append_u8(&packet, 0);
    buf_put_u32(&packet, 0, (uint32_t)packet.len);
    int result = parse(packet.data, packet.len, &s, &why);
    ck_assert_msg(result == amounts[_i].result, "%s: %s", amounts[_i].what, err_text(result));
    if (result == 0) {
        ck_assert_int_eq(s.param_count, amounts[_i].params);
        ck_assert_int_eq(s.option_count, amounts[_i].options);
    } else {
        ck_assert_str_eq(why, "too many startup parameters");
    }
    buf_deinit(&packet);
}
END_TEST

static const struct {
    size_t key_len;
    int result;
} keys[] = {{0, ERR_PROTOCOL}, {3, ERR_PROTOCOL}, {4, 0}, {5, 0}, {32, 0}, {256, 0}, {257, ERR_PROTOCOL}};

START_TEST(cancel_keys)
{
    struct buf packet = {0};
    struct startup s;
    const char *why;
    char key[300];
    memset(key, 'k', sizeof(key));
    buf_append_u32(&packet, (uint32_t)(12 + keys[_i].key_len));
    buf_append_u32(&packet, PROTO_CANCEL_CODE);
    buf_append_u32(&packet, 0x80000001);
    buf_append(&packet, key, keys[_i].key_len);
    int result = parse(packet.data, packet.len, &s, &why);
    ck_assert_msg(result == keys[_i].result, "%zu bytes: %s", keys[_i].key_len, err_text(result));
    if (result == 0) {
        ck_assert_uint_eq(s.cancel_pid, 0x80000001);
        ck_assert(slice_equal(s.cancel_key, (struct slice){key, keys[_i].key_len}));
    }
    buf_deinit(&packet);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_proto_startup");
    TCase *tests = tcase_create("startup");
    tcase_add_loop_test(tests, packet_kinds, 0, sizeof(packets) / sizeof(*packets));
    tcase_add_test(tests, parameters_keep_their_order);
    tcase_add_test(tests, every_shorter_piece_asks_for_more);
    tcase_add_loop_test(tests, how_many_parameters, 0, sizeof(amounts) / sizeof(*amounts));
    tcase_add_loop_test(tests, cancel_keys, 0, sizeof(keys) / sizeof(*keys));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
