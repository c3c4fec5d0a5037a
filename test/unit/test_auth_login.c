/* What a node can do to us: nothing but refuse. */
#include <check.h>
#include <stdlib.h>

#include "auth/scram.h"
#include "pgpooler/proto.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct buf out; /* what the node got; the tests run in processes of their own */

static struct auth_login *login_with(const char *secret)
{
    struct auth_credentials credentials = {.secret = secret};
    return auth_login_new("alice", &credentials);
}

static enum auth_answer step(struct auth_login *login, uint32_t code, const char *data, size_t len)
{
    struct buf body = {0};
    buf_append_u32(&body, code);
    buf_append(&body, data, len);
    buf_consume(&out, out.len);
    enum auth_answer answer = auth_login_step(login, body.data, body.len, &out);
    buf_deinit(&body);
    return answer;
}

static void expect_refusal(struct auth_login *login, enum auth_answer answer, const char *text)
{
    ck_assert_int_eq(answer, AUTH_REFUSED);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_str_eq(auth_login_refusal(login), text);
    ck_assert_int_eq(step(login, 0, NULL, 0), AUTH_REFUSED); /* for good */
    auth_login_free(login);
    buf_deinit(&out);
}

#define MECHANISMS "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0"

/* Up to where the node has our first SCRAM message; its nonce, to be freed. */
static char *scram_begin(struct auth_login *login)
{
    ck_assert_int_eq(step(login, 10, MECHANISMS, sizeof(MECHANISMS)), AUTH_MORE);
    ck_assert_int_eq(out.data[0], 'p');
    ck_assert_str_eq(out.data + 5, "SCRAM-SHA-256");
    ck_assert_uint_eq(read_u32(out.data + 19), out.len - 23);
    ck_assert_mem_eq(out.data + 23, "n,,n=,r=", 8);
    ck_assert_uint_ge(out.len - 31, 24);
    return mem_strndup(out.data + 31, out.len - 31);
}

/* ---- short exchanges ---- */

START_TEST(trusting_nodes_are_entered)
{
    struct auth_login *login = login_with(NULL);
    ck_assert_int_eq(step(login, 0, NULL, 0), AUTH_GRANTED);
    ck_assert_uint_eq(out.len, 0);
    auth_login_free(login);
    auth_login_free(NULL);
    buf_deinit(&out);
}
END_TEST

START_TEST(passwords_are_sent_as_the_protocol_says)
{
    struct auth_login *login = login_with("secret");
    ck_assert_int_eq(step(login, 3, NULL, 0), AUTH_MORE);
    ck_assert_uint_eq(out.len, 12);
    ck_assert_mem_eq(out.data, "p\0\0\0\x0bsecret", 12);
    ck_assert_int_eq(step(login, 0, NULL, 0), AUTH_GRANTED);
    auth_login_free(login);

    static const char *const secrets[] = {"secret", "md54a0a68b43b6cd5cf266fa02f196e2371"};
    for (int i = 0; i < COUNT(secrets); i++) {
        login = login_with(secrets[i]);
        ck_assert_int_eq(step(login, 5, "\x01\x02\x03\x04", 4), AUTH_MORE);
        ck_assert_uint_eq(out.len, 41);
        ck_assert_str_eq(out.data + 5, "md598a0412b9c31436fc53776e863350083");
        ck_assert_int_eq(step(login, 0, NULL, 0), AUTH_GRANTED);
        auth_login_free(login);
    }
    buf_deinit(&out);
}
END_TEST

static const struct {
    const char *what, *secret;
    uint32_t code;
    const char *data;
    size_t len;
    const char *refusal;
} firsts[] = {
    {"clear text wanted, hash stored", "md50123456789abcdef0123456789abcdef", 3, "", 0, "wrong password type"},
    {"SCRAM wanted, hash stored", "md50123456789abcdef0123456789abcdef", 10, MECHANISMS, sizeof(MECHANISMS),
     "wrong password type"},
    {"clear text wanted, nothing stored", NULL, 3, "", 0, "no password stored for this user"},
    {"md5 wanted, nothing stored", "", 5, "salt", 4, "no password stored for this user"},
    {"SCRAM wanted, nothing stored", NULL, 10, MECHANISMS, sizeof(MECHANISMS), "no password stored for this user"},
    {"Kerberos", "secret", 7, "", 0, "unsupported authentication method 7"},
    {"SSPI", "secret", 9, "", 0, "unsupported authentication method 9"},
    {"crypt, long gone", "secret", 4, "ab", 2, "unsupported authentication method 4"},
    {"a code out of nowhere", "secret", 0xffffffff, "", 0, "unsupported authentication method 4294967295"},
    {"SCRAM from its second message", "secret", 11, "r=abc", 5, "authentication request out of order"},
    {"SCRAM from its last message", "secret", 12, "v=abc", 5, "authentication request out of order"},
    {"only mechanisms that we do not speak", "secret", 10, "OAUTHBEARER\0", 13, "no SASL mechanism in common"},
    {"no mechanism", "secret", 10, "", 1, "no SASL mechanism in common"},
    {"a list without its end", "secret", 10, "SCRAM-SHA-256", 14, "malformed authentication request"},
    {"a name without its end", "secret", 10, "SCRAM-SHA-256", 13, "malformed authentication request"},
    {"something behind the list", "secret", 10, "SCRAM-SHA-256\0\0x", 16, "malformed authentication request"},
    {"empty SASL request", "secret", 10, "", 0, "malformed authentication request"},
    {"md5 without salt", "secret", 5, "", 0, "malformed authentication request"},
    {"md5 with three bytes of salt", "secret", 5, "abc", 3, "malformed authentication request"},
    {"md5 with five", "secret", 5, "abcde", 5, "malformed authentication request"},
    {"clear text and more", "secret", 3, "x", 1, "malformed authentication request"},
    {"ok and more", "secret", 0, "x", 1, "malformed authentication request"},
};

START_TEST(first_request_is_judged)
{
    struct auth_login *login = login_with(firsts[_i].secret);
    enum auth_answer answer = step(login, firsts[_i].code, firsts[_i].data, firsts[_i].len);
    ck_assert_msg(answer == AUTH_REFUSED, "%s", firsts[_i].what);
    expect_refusal(login, answer, firsts[_i].refusal);
}
END_TEST

START_TEST(half_a_code_is_refused)
{
    for (size_t len = 0; len < 4; len++) {
        struct auth_login *login = login_with("secret");
        expect_refusal(login, auth_login_step(login, "\0\0\0\0", len, &out), "malformed authentication request");
    }
}
END_TEST

START_TEST(long_requests_are_refused)
{
    struct auth_login *login = login_with("secret");
    char *long_text = mem_zalloc(1 << 20);
    memset(long_text, 'a', 1 << 20);
    expect_refusal(login, step(login, 10, long_text, 1 << 20), "authentication request too long");
    login = login_with("secret");
    mem_free(scram_begin(login));
    expect_refusal(login, step(login, 11, long_text, SCRAM_MSG_MAX), "authentication request too long");
    mem_free(long_text);
}
END_TEST

START_TEST(one_password_is_enough)
{
    static const uint32_t codes[] = {3, 5, 10, 11, 12};
    for (int i = 0; i < COUNT(codes); i++) {
        struct auth_login *login = login_with("secret");
        ck_assert_int_eq(step(login, 3, NULL, 0), AUTH_MORE);
        expect_refusal(login, step(login, codes[i], "salt", codes[i] == 5 ? 4 : 0),
                       "authentication request out of order");
    }
}
END_TEST

/* ---- SCRAM with a node that cheats ---- */

/* # stands for our nonce. */
static const struct {
    const char *what, *msg, *refusal;
} server_firsts[] = {
    {"not our nonce", "r=abcdefghijklmnopqrstuvwxyz,s=c2FsdA==,i=4096", "SCRAM nonce is not ours"},
    {"our nonce behind theirs", "r=x#,s=c2FsdA==,i=4096", "SCRAM nonce is not ours"},
    {"nothing added", "r=#,s=c2FsdA==,i=4096", "SCRAM nonce is not ours"},
    {"a short one", "r=a,s=c2FsdA==,i=4096", "SCRAM nonce is not ours"},
    {"too much work", "r=#x,s=c2FsdA==,i=100001", "SCRAM salt or iteration count too large"},
    {"work for years", "r=#x,s=c2FsdA==,i=2147483647", "SCRAM salt or iteration count too large"},
    {"a number without end", "r=#x,s=c2FsdA==,i=100000000000000000000", "SCRAM salt or iteration count too large"},
    {"no work", "r=#x,s=c2FsdA==,i=0", "malformed SCRAM message from server"},
    {"negative work", "r=#x,s=c2FsdA==,i=-1", "malformed SCRAM message from server"},
    {"letters", "r=#x,s=c2FsdA==,i=4096x", "malformed SCRAM message from server"},
    {"no salt", "r=#x,s=,i=4096", "malformed SCRAM message from server"},
    {"bad salt", "r=#x,s=c2FsdA,i=4096", "malformed SCRAM message from server"},
    {"nothing", "", "malformed SCRAM message from server"},
    {"an error too early", "e=other-error", "malformed SCRAM message from server"},
};

static struct buf with_nonce(const char *text, const char *nonce)
{
    struct buf filled = {0};
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '#')
            buf_append_str(&filled, nonce);
        else
            buf_append(&filled, c, 1);
    return filled;
}

START_TEST(server_first_is_judged)
{
    struct auth_login *login = login_with("secret");
    char *nonce = scram_begin(login);
    struct buf msg = with_nonce(server_firsts[_i].msg, nonce);
    enum auth_answer answer = step(login, 11, msg.data, msg.len);
    ck_assert_msg(answer == AUTH_REFUSED, "%s", server_firsts[_i].what);
    expect_refusal(login, answer, server_firsts[_i].refusal);
    buf_deinit(&msg);
    mem_free(nonce);
}
END_TEST

/* Up to where the node has our proof. */
static struct auth_login *scram_proof_sent(void)
{
    struct auth_login *login = login_with("secret");
    char *nonce = scram_begin(login);
    struct buf msg = with_nonce("r=#x,s=c2FsdA==,i=2", nonce);
    ck_assert_int_eq(step(login, 11, msg.data, msg.len), AUTH_OFFLOAD);
    auth_login_work(login);
    ck_assert_int_eq(auth_login_resume(login, &out), AUTH_MORE);
    ck_assert_int_eq(out.data[0], 'p');
    ck_assert_mem_eq(out.data + 5, "c=biws,r=", 9);
    buf_deinit(&msg);
    mem_free(nonce);
    return login;
}

static const struct {
    const char *what;
    uint32_t code;
    const char *data, *refusal;
} server_finals[] = {
    {"ok without a proof", 0, "", "server said ok before it proved itself"},
    {"wrong signature", 12, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "server SCRAM signature mismatch"},
    {"an error", 12, "e=invalid-proof", "server reported a SCRAM error"},
    {"empty signature", 12, "v=", "malformed SCRAM message from server"},
    {"nothing", 12, "", "malformed SCRAM message from server"},
    {"clear text after all", 3, "", "authentication request out of order"},
    {"md5 after all", 5, "salt", "authentication request out of order"},
    {"once more from the start", 10, "SCRAM-SHA-256", "authentication request out of order"},
    {"a second challenge", 11, "r=abc,s=c2FsdA==,i=1", "authentication request out of order"},
};

START_TEST(server_final_is_judged)
{
    struct auth_login *login = scram_proof_sent();
    enum auth_answer answer =
        step(login, server_finals[_i].code, server_finals[_i].data, strlen(server_finals[_i].data));
    ck_assert_msg(answer == AUTH_REFUSED, "%s", server_finals[_i].what);
    expect_refusal(login, answer, server_finals[_i].refusal);
}
END_TEST

START_TEST(ok_in_the_middle_of_scram_is_refused)
{
    struct auth_login *login = login_with("secret");
    mem_free(scram_begin(login));
    expect_refusal(login, step(login, 0, NULL, 0), "server said ok before it proved itself");
}
END_TEST

START_TEST(nonces_differ)
{
    struct auth_login *a = login_with("secret"), *b = login_with("secret");
    char *of_a = scram_begin(a), *of_b = scram_begin(b);
    ck_assert_str_ne(of_a, of_b);
    mem_free(of_a);
    mem_free(of_b);
    auth_login_free(a);
    auth_login_free(b);
    buf_deinit(&out);
}
END_TEST

START_TEST(a_second_ok_is_refused)
{
    struct auth_login *login = login_with(NULL);
    ck_assert_int_eq(step(login, 0, NULL, 0), AUTH_GRANTED);
    expect_refusal(login, step(login, 0, NULL, 0), "authentication request out of order");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_login");
    TCase *tc = tcase_create("login");
    tcase_add_test(tc, trusting_nodes_are_entered);
    tcase_add_test(tc, passwords_are_sent_as_the_protocol_says);
    tcase_add_loop_test(tc, first_request_is_judged, 0, COUNT(firsts));
    tcase_add_test(tc, half_a_code_is_refused);
    tcase_add_test(tc, long_requests_are_refused);
    tcase_add_test(tc, one_password_is_enough);
    tcase_add_loop_test(tc, server_first_is_judged, 0, COUNT(server_firsts));
    tcase_add_loop_test(tc, server_final_is_judged, 0, COUNT(server_finals));
    tcase_add_test(tc, ok_in_the_middle_of_scram_is_refused);
    tcase_add_test(tc, nonces_differ);
    tcase_add_test(tc, a_second_ok_is_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
