#include <check.h>
#include <stdlib.h>

#include "auth/scram.h"

#define KEY  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define HEX  "0123456789abcdef0123456789abcdef"

static const struct {
    const char *what, *text;
    enum auth_secret_kind kind;
} secrets[] = {
    {"no user", NULL, AUTH_SECRET_NONE},
    {"no password", "", AUTH_SECRET_NONE},
    {"a word", "secret", AUTH_SECRET_PLAIN},
    {"a blank", " ", AUTH_SECRET_PLAIN},
    {"an md5 hash", "md5" HEX, AUTH_SECRET_MD5},
    {"one digit short", "md50123456789abcdef0123456789abcde", AUTH_SECRET_PLAIN},
    {"one digit more", "md5" HEX "0", AUTH_SECRET_PLAIN},
    {"upper-case digits, no hash for PostgreSQL either", "md50123456789ABCDEF0123456789ABCDEF", AUTH_SECRET_PLAIN},
    {"upper-case prefix", "MD5" HEX, AUTH_SECRET_PLAIN},
    {"md5 alone", "md5", AUTH_SECRET_PLAIN},
    {"a SCRAM secret", "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY, AUTH_SECRET_SCRAM},
    {"one iteration", "SCRAM-SHA-256$1:" SALT "$" KEY ":" KEY, AUTH_SECRET_SCRAM},
    {"as many iterations as PostgreSQL has", "SCRAM-SHA-256$2147483647:" SALT "$" KEY ":" KEY, AUTH_SECRET_SCRAM},
    {"a password that begins with the mechanism", "SCRAM-SHA-256", AUTH_SECRET_PLAIN},
    {"another mechanism", "SCRAM-SHA-512$4096:" SALT "$" KEY ":" KEY, AUTH_SECRET_PLAIN},
    {"prefix alone is damage, not a password", "SCRAM-SHA-256$", AUTH_SECRET_NONE},
    {"one iteration too many", "SCRAM-SHA-256$2147483648:" SALT "$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"no iterations", "SCRAM-SHA-256$0:" SALT "$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"negative iterations", "SCRAM-SHA-256$-1:" SALT "$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"iterations are no number", "SCRAM-SHA-256$4096x:" SALT "$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"no salt", "SCRAM-SHA-256$4096:$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"salt is no base64", "SCRAM-SHA-256$4096:W22Z!$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"salt without padding", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ$" KEY ":" KEY, AUTH_SECRET_NONE},
    {"short key", "SCRAM-SHA-256$4096:" SALT "$Zm9v:" KEY, AUTH_SECRET_NONE},
    {"no server key", "SCRAM-SHA-256$4096:" SALT "$" KEY ":", AUTH_SECRET_NONE},
    {"server key missing with its colon", "SCRAM-SHA-256$4096:" SALT "$" KEY, AUTH_SECRET_NONE},
    {"a third key", "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY ":" KEY, AUTH_SECRET_NONE},
    {"a blank behind", "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY " ", AUTH_SECRET_NONE},
    {"wrong separators", "SCRAM-SHA-256$4096$" SALT ":" KEY "$" KEY, AUTH_SECRET_NONE},
};

START_TEST(kind_is_seen_in_the_text)
{
    ck_assert_msg(auth_secret_kind(secrets[_i].text) == secrets[_i].kind, "%s: got %d", secrets[_i].what,
                  (int)auth_secret_kind(secrets[_i].text));
}
END_TEST

START_TEST(scram_secret_is_taken_apart)
{
    struct scram_secret out;
    static const char text[] = "SCRAM-SHA-256$4096:" SALT "$" KEY ":6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    ck_assert_int_eq(scram_secret_parse(text, &out), 0);
    ck_assert_uint_eq(out.salt.iterations, 4096);
    ck_assert_uint_eq(out.salt.len, 16);
    struct buf back = {0};
    buf_append_str(&back, "SCRAM-SHA-256$4096:");
    base64_append(&back, out.salt.bytes, out.salt.len);
    buf_append_str(&back, "$");
    base64_append(&back, out.stored_key, DIGEST_LEN);
    buf_append_str(&back, ":");
    base64_append(&back, out.server_key, DIGEST_LEN);
    ck_assert_str_eq(buf_text(&back), text);
    buf_deinit(&back);
}
END_TEST

START_TEST(long_salt_is_no_secret)
{
    static const uint8_t zeros[SCRAM_SALT_MAX + 1];
    struct buf text = {0};
    buf_append_str(&text, "SCRAM-SHA-256$4096:");
    base64_append(&text, zeros, sizeof(zeros));
    buf_append_str(&text, "$" KEY ":" KEY);
    ck_assert_int_eq(auth_secret_kind(buf_text(&text)), AUTH_SECRET_NONE);
    buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_secret");
    TCase *tc = tcase_create("secret");
    tcase_add_loop_test(tc, kind_is_seen_in_the_text, 0, sizeof(secrets) / sizeof(secrets[0]));
    tcase_add_test(tc, scram_secret_is_taken_apart);
    tcase_add_test(tc, long_salt_is_no_secret);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
