#include <check.h>
#include <stdlib.h>

#include "auth/digest.h"

/* ---- base64 ---- */

static const struct {
    const char *bytes, *text;
} base64_pairs[] = {
    /* RFC 4648 section 10 */
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"n,,", "biws"},
    {"y,,", "eSws"},
    {"\xff\xfe\xfb\xef", "//777w=="},
};

START_TEST(base64_goes_both_ways)
{
    const char *bytes = base64_pairs[_i].bytes, *text = base64_pairs[_i].text;
    struct buf encoded = {0};
    base64_append(&encoded, bytes, strlen(bytes));
    ck_assert_str_eq(buf_text(&encoded), text);
    char decoded[16];
    size_t len = 99;
    ck_assert_int_eq(base64_decode(slice_of(text), decoded, sizeof(decoded), &len), 0);
    ck_assert_uint_eq(len, strlen(bytes));
    ck_assert_mem_eq(decoded, bytes, len);
    buf_deinit(&encoded);
}
END_TEST

static const struct {
    const char *what, *text;
    int err;
} base64_wrong[] = {
    {"one digit alone", "Z", ERR_SYNTAX},
    {"padding missing", "Zg", ERR_SYNTAX},
    {"half of the padding missing", "Zg=", ERR_SYNTAX},
    {"padding alone", "====", ERR_SYNTAX},
    {"three paddings", "Z===", ERR_SYNTAX},
    {"padding in the middle", "Zg==Zg==", ERR_SYNTAX},
    {"unused bits set, one byte", "Zh==", ERR_SYNTAX},
    {"unused bits set, two bytes", "Zm9=", ERR_SYNTAX},
    {"a blank", "Zm 9", ERR_SYNTAX},
    {"a line break", "Zm9v\nZm9v", ERR_SYNTAX},
    {"the alphabet for names", "_-77", ERR_SYNTAX},
    {"a byte above ASCII", "Zm9\xc3", ERR_SYNTAX},
    {"no room", "Zm9vYmFyZm9v", ERR_TOO_LARGE},
};

START_TEST(base64_is_strict)
{
    char decoded[8];
    size_t len;
    ck_assert_msg(base64_decode(slice_of(base64_wrong[_i].text), decoded, sizeof(decoded), &len) ==
                      base64_wrong[_i].err,
                  "%s", base64_wrong[_i].what);
}
END_TEST

START_TEST(base64_of_a_known_size_takes_no_other)
{
    char out[3];
    ck_assert_int_eq(base64_decode_exactly(slice_of("Zm9v"), out, 3), 0);
    ck_assert_int_eq(base64_decode_exactly(slice_of("Zm8="), out, 3), ERR_SYNTAX);
    ck_assert_int_eq(base64_decode_exactly(slice_of("Zm9vYg=="), out, 3), ERR_SYNTAX);
    ck_assert_int_eq(base64_decode_exactly(slice_of(""), out, 3), ERR_SYNTAX);
}
END_TEST

/* ---- digests ---- */

static void ck_assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    struct buf text = {0};
    for (size_t i = 0; i < len; i++)
        buf_printf(&text, "%02x", bytes[i]);
    ck_assert_str_eq(buf_text(&text), hex);
    buf_deinit(&text);
}

START_TEST(digests_match_published_vectors)
{
    uint8_t out[DIGEST_LEN];
    digest_sha256("abc", 3, out); /* FIPS 180-4 */
    ck_assert_hex(out, sizeof(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, out); /* RFC 4231 case 2 */
    ck_assert_hex(out, sizeof(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    digest_pbkdf2(slice_of("passwd"), slice_of("salt"), 1, out); /* RFC 7914 section 11, the first block */
    ck_assert_hex(out, sizeof(out), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}
END_TEST

START_TEST(md5_text_is_what_postgres_stores)
{
    char text[MD5_TEXT_LEN + 1];
    ck_assert(digest_md5_text(slice_of("secret"), slice_of("alice"), text));
    ck_assert_str_eq(text, "md54a0a68b43b6cd5cf266fa02f196e2371");
    ck_assert(digest_md5_text(slice_of(""), slice_of(""), text));
    ck_assert_str_eq(text, "md5d41d8cd98f00b204e9800998ecf8427e"); /* RFC 1321 A.5 */
}
END_TEST

START_TEST(texts_are_compared_whole)
{
    ck_assert(digest_texts_equal("", ""));
    ck_assert(digest_texts_equal("secret", "secret"));
    ck_assert(!digest_texts_equal("secret", "secrets"));
    ck_assert(!digest_texts_equal("secret", "Secret"));
    ck_assert(!digest_texts_equal("", "x"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_digest");
    TCase *tc = tcase_create("digest");
    tcase_add_loop_test(tc, base64_goes_both_ways, 0, sizeof(base64_pairs) / sizeof(base64_pairs[0]));
    tcase_add_loop_test(tc, base64_is_strict, 0, sizeof(base64_wrong) / sizeof(base64_wrong[0]));
    tcase_add_test(tc, base64_of_a_known_size_takes_no_other);
    tcase_add_test(tc, digests_match_published_vectors);
    tcase_add_test(tc, md5_text_is_what_postgres_stores);
    tcase_add_test(tc, texts_are_compared_whole);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
