/* error: ErrorResponse and NoticeResponse, built, read and renamed. */
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

#define BYTES(text) text, sizeof(text) - 1

static void expect(const struct buf *b, const char *what, const void *bytes, size_t len)
{
    ck_assert_msg(b->len == len && memcmp(b->data, bytes, len) == 0, "%s: %zu bytes: %.*s", what, b->len, (int)b->len,
                  b->data);
}

START_TEST(only_given_fields_are_sent)
{
    struct buf b = {0};
    proto_error(&b, &(struct proto_error){.severity = "FATAL", .sqlstate = "08P01", .message = "no"});
    expect(&b, "error", BYTES("E\0\0\0\x17SFATAL\0C08P01\0Mno\0\0"));
    b.len = 0;
    proto_notice(&b, &(struct proto_error){"NOTICE", "00000", "m", "d", "h", true});
    expect(&b, "notice", BYTES("N\0\0\0\x25SNOTICE\0VNOTICE\0C00000\0Mm\0Dd\0Hh\0\0"));
    b.len = 0;
    proto_fatal(&b, SQLSTATE_ADMIN_SHUTDOWN, "bye");
    expect(&b, "fatal", BYTES("E\0\0\0\x1fSFATAL\0VFATAL\0C57P01\0Mbye\0\0"));
    buf_deinit(&b);
}
END_TEST

static const struct {
    const char *what, *body;
    size_t len;
    struct proto_error_fields fields;
} bodies[] = {
    {"all fields", BYTES("SERROR\0VERROR\0C42601\0Mm\0Dd\0Hh\0P1\0Fscan.l\0\0"), {"ERROR", "42601", "m", "d", "h"}},
    {"the unlocalised severity is the one to go by",
     BYTES("SFEHLER\0VERROR\0C1\0\0"),
     {"ERROR", "1", NULL, NULL, NULL}},
    {"in either order", BYTES("VERROR\0SFEHLER\0C1\0\0"), {"ERROR", "1", NULL, NULL, NULL}},
    {"without the unlocalised severity", BYTES("SFEHLER\0C1\0\0"), {"FEHLER", "1", NULL, NULL, NULL}},
    {"nothing", BYTES(""), {NULL, "XX000", NULL, NULL, NULL}},
    {"only the terminator", BYTES("\0"), {NULL, "XX000", NULL, NULL, NULL}},
    {"fields behind the terminator do not count", BYTES("SERROR\0\0Mm\0"), {"ERROR", "XX000", NULL, NULL, NULL}},
    {"a field without NUL does not count", BYTES("C42601\0Mtext"), {NULL, "42601", NULL, NULL, NULL}},
    {"a code without text does not count", BYTES("C42601\0M"), {NULL, "42601", NULL, NULL, NULL}},
    {"no terminator", BYTES("C42601\0Mm\0"), {NULL, "42601", "m", NULL, NULL}},
    {"garbage", BYTES("\xff\xff\xff\xff"), {NULL, "XX000", NULL, NULL, NULL}},
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

START_TEST(fields_of_a_body)
{
    struct proto_error_fields got;
    const struct proto_error_fields *want = &bodies[_i].fields;
    char *body = mem_dup(bodies[_i].body, bodies[_i].len);
    proto_error_read(body, bodies[_i].len, &got);
    ck_assert_msg(same(got.severity, want->severity), "%s: severity", bodies[_i].what);
    ck_assert_msg(same(got.sqlstate, want->sqlstate), "%s: sqlstate", bodies[_i].what);
    ck_assert_msg(same(got.message, want->message), "%s: message", bodies[_i].what);
    ck_assert_msg(same(got.detail, want->detail), "%s: detail", bodies[_i].what);
    ck_assert_msg(same(got.hint, want->hint), "%s: hint", bodies[_i].what);
    mem_free(body);
}
END_TEST

static const struct {
    const char *what, *body;
    size_t len;
    const char *to, *renamed;
    size_t renamed_len;
} renames[] = {
    {"inside the message", BYTES("C26000\0Mstatement \"pgp_7f\" is gone\0Fx.c\0\0"), "s1",
     BYTES("C26000\0Mstatement \"s1\" is gone\0Fx.c\0\0")},
    {"every time, by a longer name", BYTES("Mpgp_7f,pgp_7f\0\0"), "longer_name", BYTES("Mlonger_name,longer_name\0\0")},
    {"by nothing", BYTES("Mpgp_7f\0\0"), "", BYTES("M\0\0")},
    {"not again in what it put there", BYTES("Mpgp_7f\0\0"), "pgp_7fpgp_7f", BYTES("Mpgp_7fpgp_7f\0\0")},
    {"only in the message", BYTES("Mm\0Dpgp_7f\0\0"), "s1", BYTES("Mm\0Dpgp_7f\0\0")},
    {"part of the name is not the name", BYTES("Mpgp_7\0\0"), "s1", BYTES("Mpgp_7\0\0")},
    {"nothing there", BYTES(""), "s1", BYTES("")},
    {"no terminator", BYTES("Mpgp_7f\0"), "s1", BYTES("Ms1\0")},
    {"a message without NUL stays as it is", BYTES("C26000\0Mpgp_7f"), "s1", BYTES("C26000\0Mpgp_7f")},
    {"bytes behind the terminator stay", BYTES("Mpgp_7f\0\0Mpgp_7f\0"), "s1", BYTES("Ms1\0\0Mpgp_7f\0")},
};

START_TEST(a_name_is_replaced)
{
    struct buf in = {0}, out = {0}, want = {0};
    buf_append_str(&out, "before"); /* what is there already is not touched */
    buf_append_str(&want, "before");
    size_t begin = proto_begin(&in, 'E');
    buf_append(&in, renames[_i].body, renames[_i].len);
    proto_end(&in, begin);
    begin = proto_begin(&want, 'E');
    buf_append(&want, renames[_i].renamed, renames[_i].renamed_len);
    proto_end(&want, begin);
    char *msg = mem_dup(in.data, in.len);
    proto_error_rename(&out, msg, in.len, "pgp_7f", renames[_i].to);
    expect(&out, renames[_i].what, want.data, want.len);
    mem_free(msg);
    buf_deinit(&in);
    buf_deinit(&out);
    buf_deinit(&want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_proto_error");
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, only_given_fields_are_sent);
    tcase_add_loop_test(tests, fields_of_a_body, 0, sizeof(bodies) / sizeof(*bodies));
    tcase_add_loop_test(tests, a_name_is_replaced, 0, sizeof(renames) / sizeof(*renames));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
