/* frame: lengths are bounded per type, and a reader never leaves its frame. */
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

#define ANY 2147483647u

static const struct {
    const char *what;
    const char *bytes;
    size_t len;
    uint32_t max_len;
    int result;
    uint32_t message_len;
} frontend[] = {
    {"nothing yet", "", 0, ANY, ERR_AGAIN, 0},
    {"a header without its last byte", "Q\0\0\0", 4, ANY, ERR_AGAIN, 0},
    {"the smallest message", "S\0\0\0\4", 5, ANY, 0, 5},
    {"the body may be missing", "Q\0\0\1\0", 5, ANY, 0, 257},
    {"an unknown type is told from its first byte", "!", 1, ANY, ERR_PROTOCOL, 0},
    {"a NUL is no type", "\0\0\0\0\4", 5, ANY, ERR_PROTOCOL, 0},
    {"a backend's type is no frontend type", "Z\0\0\0\5", 5, ANY, ERR_PROTOCOL, 0},
    {"length 0", "Q\0\0\0\0", 5, ANY, ERR_PROTOCOL, 0},
    {"length 3", "Q\0\0\0\3", 5, ANY, ERR_PROTOCOL, 0},
    {"length -1", "Q\xff\xff\xff\xff", 5, ANY, ERR_TOO_LARGE, 0},
    {"length 2^31", "d\x80\0\0\0", 5, ANY, ERR_TOO_LARGE, 0},
    {"the longest query", "Q\x3f\xff\xff\xfe", 5, ANY, 0, 0x3fffffff},
    {"one byte more", "Q\x3f\xff\xff\xff", 5, ANY, ERR_TOO_LARGE, 0},
    {"the longest small message", "D\0\0\x27\x10", 5, ANY, 0, 10001},
    {"one byte more in a small message", "D\0\0\x27\x11", 5, ANY, ERR_TOO_LARGE, 0},
    {"CopyFail is a small message", "f\0\0\x27\x11", 5, ANY, ERR_TOO_LARGE, 0},
    {"the longest answer of a login", "p\0\0\xff\xff", 5, ANY, 0, 65536},
    {"one byte more in a login", "p\0\1\0\0", 5, ANY, ERR_TOO_LARGE, 0},
    {"exactly max_packet_size", "Q\0\0\0\x63", 5, 100, 0, 100},
    {"one above max_packet_size", "Q\0\0\0\x64", 5, 100, ERR_TOO_LARGE, 0},
};

START_TEST(frontend_headers)
{
    /* in memory of exactly this size, so that a sanitizer sees any read behind it */
    char *bytes = mem_dup(frontend[_i].bytes, frontend[_i].len);
    struct proto_header header = {0};
    int result = proto_frontend_header(bytes, frontend[_i].len, frontend[_i].max_len, &header);
    ck_assert_msg(result == frontend[_i].result, "%s: %s", frontend[_i].what, err_text(result));
    ck_assert_msg(result != 0 || header.len == frontend[_i].message_len, "%s: %u", frontend[_i].what, header.len);
    if (frontend[_i].len > 0)
        ck_assert_msg(header.type == frontend[_i].bytes[0], "%s: type", frontend[_i].what);
    mem_free(bytes);
}
END_TEST

static const struct {
    const char *what;
    const char *bytes;
    size_t len;
    int result;
    uint32_t message_len;
} backend[] = {
    {"too few bytes", "Z\0\0\0", 4, ERR_AGAIN, 0},          {"ready for query", "Z\0\0\0\5", 5, 0, 6},
    {"types of later versions pass", "~\0\0\0\4", 5, 0, 5}, {"length 3", "Z\0\0\0\3", 5, ERR_PROTOCOL, 0},
    {"the longest", "D\x3f\xff\xff\xfe", 5, 0, 0x3fffffff}, {"one byte more", "D\x3f\xff\xff\xff", 5, ERR_PROTOCOL, 0},
    {"length -1", "D\xff\xff\xff\xff", 5, ERR_PROTOCOL, 0},
};

START_TEST(backend_headers)
{
    struct proto_header header = {0};
    int result = proto_backend_header(backend[_i].bytes, backend[_i].len, &header);
    ck_assert_msg(result == backend[_i].result, "%s: %s", backend[_i].what, err_text(result));
    ck_assert_msg(header.len == backend[_i].message_len, "%s: %u", backend[_i].what, header.len);
}
END_TEST

START_TEST(types_of_frontend_messages)
{
    static const char types[] = "BCDEFHPQSXcdfp";
    for (int type = 0; type < 256; type++) {
        bool known = type && strchr(types, type);
        ck_assert_msg((proto_frontend_limit[type] > 0) == known, "type %d", type);
    }
}
END_TEST

START_TEST(a_reader_reads_in_order)
{
    struct reader r = reader_of("\1\2\3\4\5\6\7name\0\0xyz", 16);
    ck_assert_uint_eq(reader_u8(&r), 1);
    ck_assert_uint_eq(reader_u16(&r), 0x0203);
    ck_assert_uint_eq(reader_u32(&r), 0x04050607);
    ck_assert_str_eq(reader_cstr(&r), "name");
    ck_assert_str_eq(reader_cstr(&r), "");
    ck_assert_uint_eq(reader_left(&r), 3);
    struct slice nothing = reader_bytes(&r, 0), rest = reader_bytes(&r, 3);
    ck_assert_uint_eq(nothing.len, 0);
    ck_assert(slice_equal(rest, slice_of("xyz")));
    ck_assert_uint_eq(reader_left(&r), 0);
    ck_assert(!r.bad);
}
END_TEST

static void read_u8(struct reader *r)
{
    ck_assert_uint_eq(reader_u8(r), 0);
}
static void read_u16_word(struct reader *r)
{
    ck_assert_uint_eq(reader_u16(r), 0);
}
static void read_u32_word(struct reader *r)
{
    ck_assert_uint_eq(reader_u32(r), 0);
}
static void read_cstr(struct reader *r)
{
    ck_assert_str_eq(reader_cstr(r), "");
}
static void read_bytes(struct reader *r)
{
    struct slice bytes = reader_bytes(r, 4);
    ck_assert_uint_eq(bytes.len, 0);
    ck_assert_ptr_nonnull(bytes.ptr);
}
static void read_huge(struct reader *r)
{
    ck_assert_uint_eq(reader_bytes(r, SIZE_MAX).len, 0);
}

static const struct {
    const char *what;
    void (*read)(struct reader *r);
    size_t len;
} short_reads[] = {
    {"a byte", read_u8, 0},
    {"a 2 byte word", read_u16_word, 1},
    {"a 4 byte word", read_u32_word, 3},
    {"a string without its NUL", read_cstr, 3},
    {"a string in nothing", read_cstr, 0},
    {"more bytes than there are", read_bytes, 3},
    {"a count that overflows", read_huge, 3},
};

START_TEST(a_read_behind_the_frame_is_bad_for_good)
{
    char *body = mem_dup("xyz", short_reads[_i].len);
    struct reader r = reader_of(body, short_reads[_i].len);
    short_reads[_i].read(&r);
    ck_assert_msg(r.bad, "%s", short_reads[_i].what);
    ck_assert_msg(reader_left(&r) == 0, "%s", short_reads[_i].what);
    read_u8(&r); /* what would have fitted before gives nothing now */
    read_cstr(&r);
    ck_assert(r.bad);
    mem_free(body);
}
END_TEST

START_TEST(an_empty_body_needs_no_memory)
{
    struct reader r = reader_of(NULL, 0);
    ck_assert_uint_eq(reader_left(&r), 0);
    ck_assert_uint_eq(reader_bytes(&r, 0).len, 0);
    ck_assert_uint_eq(reader_u8(&r), 0);
    ck_assert(r.bad);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_proto_frame");
    TCase *tests = tcase_create("frame");
    tcase_add_loop_test(tests, frontend_headers, 0, sizeof(frontend) / sizeof(*frontend));
    tcase_add_loop_test(tests, backend_headers, 0, sizeof(backend) / sizeof(*backend));
    tcase_add_test(tests, types_of_frontend_messages);
    tcase_add_test(tests, a_reader_reads_in_order);
    tcase_add_loop_test(tests, a_read_behind_the_frame_is_bad_for_good, 0, sizeof(short_reads) / sizeof(*short_reads));
    tcase_add_test(tests, an_empty_body_needs_no_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
