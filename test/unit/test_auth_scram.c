#include <check.h>
#include <stdlib.h>

#include "auth/scram.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Tables hold texts; a row with a NUL inside its message gives the length. */
static struct slice msg_of(const char *text, size_t len)
{
    return len > 0 ? (struct slice){text, len} : slice_of(text);
}

/* ---- RFC 7677 section 3: user "user", password "pencil" ---- */

#define RFC_BARE          "n=user,r=rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE         "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_SERVER_FIRST  "r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_WITHOUT_PROOF "c=biws,r=" RFC_NONCE
#define RFC_PROOF         "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SIGNATURE     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void ck_assert_base64(const uint8_t bytes[DIGEST_LEN], const char *expected)
{
    struct buf text = {0};
    base64_append(&text, bytes, DIGEST_LEN);
    ck_assert_str_eq(buf_text(&text), expected);
    buf_deinit(&text);
}

START_TEST(rfc_7677_example_comes_out)
{
    struct scram_server_first first;
    ck_assert_int_eq(scram_server_first_parse(slice_of(RFC_SERVER_FIRST), &first), 0);
    ck_assert_uint_eq(first.salt.iterations, 4096);
    ck_assert_uint_eq(first.salt.len, 16);

    struct scram_keys keys;
    uint8_t stored_key[DIGEST_LEN], proof[DIGEST_LEN], signature[DIGEST_LEN], client_key[DIGEST_LEN];
    struct buf exchange = {0};
    buf_append_str(&exchange, RFC_BARE "," RFC_SERVER_FIRST "," RFC_WITHOUT_PROOF);
    scram_keys_derive("pencil", &first.salt, &keys);
    scram_stored_key(keys.client_key, stored_key);
    scram_mask(stored_key, &exchange, keys.client_key, proof);
    ck_assert_base64(proof, RFC_PROOF);
    scram_server_signature(keys.server_key, &exchange, signature);
    ck_assert_base64(signature, RFC_SIGNATURE);
    scram_mask(stored_key, &exchange, proof, client_key);
    ck_assert_mem_eq(client_key, keys.client_key, DIGEST_LEN);
    buf_deinit(&exchange);
}
END_TEST

START_TEST(rfc_7677_messages_are_read)
{
    struct scram_client_first first;
    ck_assert_int_eq(scram_client_first_parse(slice_of("n,," RFC_BARE), &first), 0);
    ck_assert(slice_equal(first.bare, slice_of(RFC_BARE)));
    ck_assert(slice_equal(first.gs2, slice_of("n,,")));
    ck_assert(slice_equal(first.nonce, slice_of("rOprNGfwEbeRWgbNEkqO")));

    struct scram_client_final final;
    ck_assert_int_eq(scram_client_final_parse(slice_of(RFC_WITHOUT_PROOF ",p=" RFC_PROOF), &final), 0);
    ck_assert(slice_equal(final.without_proof, slice_of(RFC_WITHOUT_PROOF)));
    ck_assert(slice_equal(final.binding, slice_of("biws")));
    ck_assert(slice_equal(final.nonce, slice_of(RFC_NONCE)));
    ck_assert_base64(final.proof, RFC_PROOF);

    uint8_t signature[DIGEST_LEN];
    ck_assert_int_eq(scram_server_final_parse(slice_of("v=" RFC_SIGNATURE), signature), 0);
    ck_assert_base64(signature, RFC_SIGNATURE);
}
END_TEST

/* ---- malformed messages ---- */

static const struct {
    const char *what, *msg;
    int answer;
    size_t len;
} client_firsts[] = {
    {"what libpq sends", "n,,n=,r=abc", 0, 0},
    {"a client that could bind", "y,,n=,r=abc", 0, 0},
    {"any user name", "n,,n=a=2Cb=3D,r=abc", 0, 0},
    {"an extension", "n,,n=,r=abc,x=1", 0, 0},
    {"two extensions", "n,,n=,r=abc,x=1,Z=2=3", 0, 0},
    {"channel binding", "p=tls-server-end-point,,n=,r=abc", ERR_DENIED, 0},
    {"acting for another user", "n,a=bob,n=,r=abc", ERR_DENIED, 0},
    {"nothing", "", ERR_PROTOCOL, 0},
    {"one byte", "n", ERR_PROTOCOL, 0},
    {"header alone", "n,,", ERR_PROTOCOL, 0},
    {"header cut off", "n,", ERR_PROTOCOL, 0},
    {"unknown flag", "x,,n=,r=abc", ERR_PROTOCOL, 0},
    {"upper-case flag", "N,,n=,r=abc", ERR_PROTOCOL, 0},
    {"no comma behind the flag", "nn,n=,r=abc", ERR_PROTOCOL, 0},
    {"something in place of authzid", "n,b=c,n=,r=abc", ERR_PROTOCOL, 0},
    {"no header", "n=,r=abc", ERR_PROTOCOL, 0},
    {"no name", "n,,r=abc", ERR_PROTOCOL, 0},
    {"no nonce", "n,,n=", ERR_PROTOCOL, 0},
    {"empty nonce", "n,,n=,r=", ERR_PROTOCOL, 0},
    {"wrong order", "n,,r=abc,n=", ERR_PROTOCOL, 0},
    {"trailing comma", "n,,n=,r=abc,", ERR_PROTOCOL, 0},
    {"two commas", "n,,n=,,r=abc", ERR_PROTOCOL, 0},
    {"nonce twice", "n,,n=,r=abc,r=abc", ERR_PROTOCOL, 0},
    {"name twice", "n,,n=,n=,r=abc", ERR_PROTOCOL, 0},
    {"mandatory extension in front", "n,,m=1,n=,r=abc", ERR_PROTOCOL, 0},
    {"mandatory extension behind", "n,,n=,r=abc,m=1", ERR_PROTOCOL, 0},
    {"empty extension", "n,,n=,r=abc,x=", ERR_PROTOCOL, 0},
    {"extension without value", "n,,n=,r=abc,x", ERR_PROTOCOL, 0},
    {"extension without letter", "n,,n=,r=abc,=1", ERR_PROTOCOL, 0},
    {"digit as a name", "n,,n=,r=abc,1=1", ERR_PROTOCOL, 0},
    {"blank in the nonce", "n,,n=,r=a c", ERR_PROTOCOL, 0},
    {"DEL in the nonce", "n,,n=,r=a\x7f", ERR_PROTOCOL, 0},
    {"UTF-8 in the nonce", "n,,n=,r=a\xc3\xa9", ERR_PROTOCOL, 0},
    {"NUL at the end", "n,,n=,r=abc\0", ERR_PROTOCOL, 12},
    {"NUL in the name", "n,,n=a\0b,r=abc", ERR_PROTOCOL, 14},
    {"NUL in an extension", "n,,n=,r=abc,x=\0", ERR_PROTOCOL, 15},
};

START_TEST(client_first_takes_one_form)
{
    struct scram_client_first out;
    ck_assert_msg(scram_client_first_parse(msg_of(client_firsts[_i].msg, client_firsts[_i].len), &out) ==
                      client_firsts[_i].answer,
                  "%s", client_firsts[_i].what);
}
END_TEST

#define P ",p=" RFC_PROOF
static const struct {
    const char *what, *msg;
    int answer;
    size_t len;
} client_finals[] = {
    {"complete", "c=biws,r=abc" P, 0, 0},
    {"an extension", "c=biws,r=abc,x=1" P, 0, 0},
    {"nothing", "", ERR_PROTOCOL, 0},
    {"proof alone", "p=" RFC_PROOF, ERR_PROTOCOL, 0},
    {"no proof", "c=biws,r=abc", ERR_PROTOCOL, 0},
    {"no binding", "r=abc" P, ERR_PROTOCOL, 0},
    {"no nonce", "c=biws" P, ERR_PROTOCOL, 0},
    {"binding alone", "c=biws", ERR_PROTOCOL, 0},
    {"nonce alone", "r=abc", ERR_PROTOCOL, 0},
    {"wrong order, nonce first", "r=abc,c=biws" P, ERR_PROTOCOL, 0},
    {"wrong order, proof in the middle", "c=biws" P ",r=abc", ERR_PROTOCOL, 0},
    {"wrong order, proof first", "p=" RFC_PROOF ",c=biws,r=abc", ERR_PROTOCOL, 0},
    {"empty binding", "c=,r=abc" P, ERR_PROTOCOL, 0},
    {"empty nonce", "c=biws,r=" P, ERR_PROTOCOL, 0},
    {"empty proof", "c=biws,r=abc,p=", ERR_PROTOCOL, 0},
    {"all empty", "c=,r=,p=", ERR_PROTOCOL, 0},
    {"binding twice", "c=biws,c=biws,r=abc" P, ERR_PROTOCOL, 0},
    {"nonce twice", "c=biws,r=abc,r=abc" P, ERR_PROTOCOL, 0},
    {"proof twice", "c=biws,r=abc" P P, ERR_PROTOCOL, 0},
    {"trailing comma", "c=biws,r=abc" P ",", ERR_PROTOCOL, 0},
    {"extension behind the proof", "c=biws,r=abc" P ",x=1", ERR_PROTOCOL, 0},
    {"comma in front", ",c=biws,r=abc" P, ERR_PROTOCOL, 0},
    {"two commas", "c=biws,,r=abc" P, ERR_PROTOCOL, 0},
    {"mandatory extension", "c=biws,r=abc,m=1" P, ERR_PROTOCOL, 0},
    {"proof too short", "c=biws,r=abc,p=Zm9v", ERR_PROTOCOL, 0},
    {"proof without padding", "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", ERR_PROTOCOL, 0},
    {"proof too long", "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVRa", ERR_PROTOCOL, 0},
    {"proof is no base64", "c=biws,r=abc,p=dHzbZapWIk4jUhN Ute9ytag9zjfMHgsqmmiz7AndVQ=", ERR_PROTOCOL, 0},
    {"NUL at the end", "c=biws,r=abc" P "\0", ERR_PROTOCOL, sizeof("c=biws,r=abc" P)},
    {"NUL in the nonce", "c=biws,r=a\0c" P, ERR_PROTOCOL, sizeof("c=biws,r=a\0c" P) - 1},
    {"NUL instead of a comma", "c=biws\0r=abc" P, ERR_PROTOCOL, sizeof("c=biws\0r=abc" P) - 1},
};

START_TEST(client_final_takes_one_form)
{
    struct scram_client_final out;
    ck_assert_msg(scram_client_final_parse(msg_of(client_finals[_i].msg, client_finals[_i].len), &out) ==
                      client_finals[_i].answer,
                  "%s", client_finals[_i].what);
}
END_TEST

START_TEST(extensions_of_the_final_are_signed)
{
    struct scram_client_final out;
    ck_assert_int_eq(scram_client_final_parse(slice_of("c=biws,r=abc,x=1,y=2" P), &out), 0);
    ck_assert(slice_equal(out.without_proof, slice_of("c=biws,r=abc,x=1,y=2")));
}
END_TEST

static const struct {
    const char *what, *msg;
    int answer;
    size_t len;
} server_firsts[] = {
    {"complete", "r=abc,s=c2FsdA==,i=4096", 0, 0},
    {"one iteration", "r=abc,s=c2FsdA==,i=1", 0, 0},
    {"as many as we compute", "r=abc,s=c2FsdA==,i=100000", 0, 0},
    {"one more", "r=abc,s=c2FsdA==,i=100001", ERR_TOO_LARGE, 0},
    {"2^31-1", "r=abc,s=c2FsdA==,i=2147483647", ERR_TOO_LARGE, 0},
    {"2^32+1 is not 1", "r=abc,s=c2FsdA==,i=4294967297", ERR_TOO_LARGE, 0},
    {"2^64+1 is not 1", "r=abc,s=c2FsdA==,i=18446744073709551617", ERR_TOO_LARGE, 0},
    {"no iterations", "r=abc,s=c2FsdA==,i=0", ERR_PROTOCOL, 0},
    {"negative", "r=abc,s=c2FsdA==,i=-1", ERR_PROTOCOL, 0},
    {"sign", "r=abc,s=c2FsdA==,i=+1", ERR_PROTOCOL, 0},
    {"leading zero", "r=abc,s=c2FsdA==,i=04096", ERR_PROTOCOL, 0},
    {"letters behind", "r=abc,s=c2FsdA==,i=4096x", ERR_PROTOCOL, 0},
    {"blank in front", "r=abc,s=c2FsdA==,i= 4096", ERR_PROTOCOL, 0},
    {"empty iterations", "r=abc,s=c2FsdA==,i=", ERR_PROTOCOL, 0},
    {"empty salt", "r=abc,s=,i=4096", ERR_PROTOCOL, 0},
    {"salt is no base64", "r=abc,s=c2FsdA=,i=4096", ERR_PROTOCOL, 0},
    {"empty nonce", "r=,s=c2FsdA==,i=4096", ERR_PROTOCOL, 0},
    {"no salt", "r=abc,i=4096", ERR_PROTOCOL, 0},
    {"no iterations attribute", "r=abc,s=c2FsdA==", ERR_PROTOCOL, 0},
    {"wrong order", "s=c2FsdA==,r=abc,i=4096", ERR_PROTOCOL, 0},
    {"mandatory extension", "m=1,r=abc,s=c2FsdA==,i=4096", ERR_PROTOCOL, 0},
    {"something behind", "r=abc,s=c2FsdA==,i=4096,x=1", ERR_PROTOCOL, 0},
    {"trailing comma", "r=abc,s=c2FsdA==,i=4096,", ERR_PROTOCOL, 0},
    {"nothing", "", ERR_PROTOCOL, 0},
    {"NUL at the end", "r=abc,s=c2FsdA==,i=4096\0", ERR_PROTOCOL, sizeof("r=abc,s=c2FsdA==,i=4096")},
};

START_TEST(server_first_takes_one_form)
{
    struct scram_server_first out;
    ck_assert_msg(scram_server_first_parse(msg_of(server_firsts[_i].msg, server_firsts[_i].len), &out) ==
                      server_firsts[_i].answer,
                  "%s", server_firsts[_i].what);
}
END_TEST

START_TEST(salts_are_bounded)
{
    static const uint8_t zeros[SCRAM_SALT_MAX + 1];
    struct scram_server_first out;
    for (size_t extra = 0; extra <= 1; extra++) {
        struct buf msg = {0};
        buf_append_str(&msg, "r=abc,s=");
        base64_append(&msg, zeros, SCRAM_SALT_MAX + extra);
        buf_append_str(&msg, ",i=1");
        int answer = scram_server_first_parse((struct slice){msg.data, msg.len}, &out);
        ck_assert_int_eq(answer, extra > 0 ? ERR_TOO_LARGE : 0);
        buf_deinit(&msg);
    }
}
END_TEST

static const struct {
    const char *what, *msg;
    int answer;
} server_finals[] = {
    {"complete", "v=" RFC_SIGNATURE, 0},
    {"an error", "e=invalid-proof", ERR_DENIED},
    {"nothing", "", ERR_PROTOCOL},
    {"empty signature", "v=", ERR_PROTOCOL},
    {"short signature", "v=Zm9v", ERR_PROTOCOL},
    {"something behind", "v=" RFC_SIGNATURE ",x=1", ERR_PROTOCOL},
    {"trailing comma", "v=" RFC_SIGNATURE ",", ERR_PROTOCOL},
    {"another attribute", "p=" RFC_SIGNATURE, ERR_PROTOCOL},
    {"error and more", "e=a,v=" RFC_SIGNATURE, ERR_PROTOCOL},
};

START_TEST(server_final_takes_one_form)
{
    uint8_t signature[DIGEST_LEN];
    ck_assert_msg(scram_server_final_parse(slice_of(server_finals[_i].msg), signature) == server_finals[_i].answer,
                  "%s", server_finals[_i].what);
}
END_TEST

START_TEST(long_messages_are_refused)
{
    struct buf msg = {0};
    buf_append_str(&msg, "n,,n=,r=");
    while (msg.len < SCRAM_MSG_MAX)
        buf_append_str(&msg, "a");
    struct scram_client_first out;
    ck_assert_int_eq(scram_client_first_parse((struct slice){msg.data, msg.len}, &out), 0);
    buf_append_str(&msg, "a");
    ck_assert_int_eq(scram_client_first_parse((struct slice){msg.data, msg.len}, &out), ERR_PROTOCOL);
    buf_deinit(&msg);
}
END_TEST

START_TEST(nonces_are_long_and_differ)
{
    struct buf a = {0}, b = {0};
    scram_nonce_append(&a);
    scram_nonce_append(&b);
    ck_assert_uint_eq(a.len, SCRAM_NONCE_TEXT);
    ck_assert_uint_ge(SCRAM_NONCE_BYTES, 18);
    ck_assert_str_ne(buf_text(&a), buf_text(&b));
    buf_deinit(&a);
    buf_deinit(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_scram");
    TCase *tc = tcase_create("scram");
    tcase_add_test(tc, rfc_7677_example_comes_out);
    tcase_add_test(tc, rfc_7677_messages_are_read);
    tcase_add_loop_test(tc, client_first_takes_one_form, 0, COUNT(client_firsts));
    tcase_add_loop_test(tc, client_final_takes_one_form, 0, COUNT(client_finals));
    tcase_add_test(tc, extensions_of_the_final_are_signed);
    tcase_add_loop_test(tc, server_first_takes_one_form, 0, COUNT(server_firsts));
    tcase_add_test(tc, salts_are_bounded);
    tcase_add_loop_test(tc, server_final_takes_one_form, 0, COUNT(server_finals));
    tcase_add_test(tc, long_messages_are_refused);
    tcase_add_test(tc, nonces_are_long_and_differ);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
