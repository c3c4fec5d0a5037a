/* What a client sees, above all one that breaks the rules. */
#include <check.h>
#include <stdlib.h>

#include "auth/scram.h"
#include "pgpooler/proto.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define SCRAM_SECRET                                                                                                   \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="                         \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static const struct auth_policy policy = {.mock_key = {1, 2, 3}, .scram_iterations = 4096};

static struct buf out; /* what the client got; the tests run in processes of their own */

static struct auth_check *started(enum auth_check_method method, const char *user, const char *secret)
{
    struct auth_check *check = auth_check_new(method, user, secret, &policy);
    ck_assert_int_eq(auth_check_start(check, &out), AUTH_MORE);
    return check;
}

static void expect_refusal(struct auth_check *check, const char *sqlstate, const char *text)
{
    const char *got_sqlstate, *got_text;
    auth_check_refusal(check, &got_sqlstate, &got_text);
    ck_assert_str_eq(got_sqlstate, sqlstate);
    ck_assert_str_eq(got_text, text);
    ck_assert_int_eq(auth_check_step(check, "x", 2, &out), AUTH_REFUSED); /* for good */
    auth_check_free(check);
    buf_deinit(&out);
}

/* The message alone, whatever the server's part is in it. */
static enum auth_answer sasl_initial(struct auth_check *check, const char *msg)
{
    struct buf body = {0};
    buf_append_cstr(&body, "SCRAM-SHA-256");
    buf_append_u32(&body, (uint32_t)strlen(msg));
    buf_append_str(&body, msg);
    buf_consume(&out, out.len);
    enum auth_answer answer = auth_check_step(check, body.data, body.len, &out);
    buf_deinit(&body);
    return answer;
}

/* ---- requests ---- */

START_TEST(requests_are_what_the_protocol_says)
{
    auth_check_free(started(AUTH_CHECK_PLAIN, "alice", "secret"));
    ck_assert_uint_eq(out.len, 9);
    ck_assert_mem_eq(out.data, "R\0\0\0\x08\0\0\0\x03", 9);
    buf_consume(&out, out.len);
    auth_check_free(started(AUTH_CHECK_MD5, "alice", "secret"));
    ck_assert_uint_eq(out.len, 13);
    ck_assert_mem_eq(out.data, "R\0\0\0\x0c\0\0\0\x05", 9);
    buf_consume(&out, out.len);
    auth_check_free(started(AUTH_CHECK_SCRAM, "alice", "secret"));
    ck_assert_uint_eq(out.len, 24);
    ck_assert_mem_eq(out.data, "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0", 24);
    buf_deinit(&out);
}
END_TEST

START_TEST(md5_becomes_scram_for_a_scram_secret)
{
    auth_check_free(started(AUTH_CHECK_MD5, "alice", SCRAM_SECRET));
    ck_assert_int_eq(out.data[8], 10);
    buf_deinit(&out);
}
END_TEST

START_TEST(md5_salts_differ)
{
    auth_check_free(started(AUTH_CHECK_MD5, "alice", "secret"));
    auth_check_free(started(AUTH_CHECK_MD5, "alice", "secret"));
    ck_assert_mem_ne(out.data + 9, out.data + 13 + 9, 4);
    buf_deinit(&out);
}
END_TEST

START_TEST(trust_wants_a_known_user)
{
    struct auth_check *check = auth_check_new(AUTH_CHECK_TRUST, "alice", "", &policy);
    ck_assert_int_eq(auth_check_start(check, &out), AUTH_GRANTED);
    auth_check_free(check);
    check = auth_check_new(AUTH_CHECK_TRUST, "nobody", NULL, &policy);
    ck_assert_int_eq(auth_check_start(check, &out), AUTH_REFUSED);
    ck_assert_uint_eq(out.len, 0);
    expect_refusal(check, "28P01", "\"trust\" authentication failed");
}
END_TEST

/* ---- password messages ---- */

#define BAD_PASSWORD "malformed password message"
static const struct {
    const char *what;
    enum auth_check_method method;
    const char *secret, *body;
    size_t len;
    const char *sqlstate, *text; /* NULL: granted */
} passwords[] = {
    {"right", AUTH_CHECK_PLAIN, "secret", "secret", 7, NULL, NULL},
    {"not ASCII", AUTH_CHECK_PLAIN, "p\xc3\xa4ss\xff", "p\xc3\xa4ss\xff", 7, NULL, NULL},
    {"wrong", AUTH_CHECK_PLAIN, "secret", "Secret", 7, "28P01", "password authentication failed"},
    {"only the beginning", AUTH_CHECK_PLAIN, "secret", "secre", 6, "28P01", "password authentication failed"},
    {"the hash is not the password", AUTH_CHECK_PLAIN, "md50123456789abcdef0123456789abcdef",
     "md50123456789abcdef0123456789abcdef", 36, "28P01", "password authentication failed"},
    {"empty, and so is the secret", AUTH_CHECK_PLAIN, "", "", 1, "28P01", "empty password returned by client"},
    {"empty", AUTH_CHECK_PLAIN, "secret", "", 1, "28P01", "empty password returned by client"},
    {"empty with md5", AUTH_CHECK_MD5, "secret", "", 1, "28P01", "empty password returned by client"},
    {"password in place of its hash", AUTH_CHECK_MD5, "secret", "secret", 7, "28P01", "password authentication failed"},
    {"a hash of something else", AUTH_CHECK_MD5, "secret", "md50123456789abcdef0123456789abcdef", 36, "28P01",
     "password authentication failed"},
    {"stored hash without the salt", AUTH_CHECK_MD5, "md50123456789abcdef0123456789abcdef",
     "md50123456789abcdef0123456789abcdef", 36, "28P01", "password authentication failed"},
    {"no body", AUTH_CHECK_PLAIN, "secret", "", 0, "08P01", BAD_PASSWORD},
    {"no NUL", AUTH_CHECK_PLAIN, "secret", "secret", 6, "08P01", BAD_PASSWORD},
    {"two NULs", AUTH_CHECK_PLAIN, "secret", "secret\0", 8, "08P01", BAD_PASSWORD},
    {"something behind the NUL", AUTH_CHECK_PLAIN, "secret", "secret\0x", 9, "08P01", BAD_PASSWORD},
    {"no NUL with md5", AUTH_CHECK_MD5, "secret", "md5", 3, "08P01", BAD_PASSWORD},
};

START_TEST(password_message_is_judged)
{
    struct auth_check *check = started(passwords[_i].method, "alice", passwords[_i].secret);
    enum auth_answer answer = auth_check_step(check, passwords[_i].body, passwords[_i].len, &out);
    ck_assert_msg(answer == (passwords[_i].text == NULL ? AUTH_GRANTED : AUTH_REFUSED), "%s", passwords[_i].what);
    if (passwords[_i].text != NULL)
        expect_refusal(check, passwords[_i].sqlstate, passwords[_i].text);
    else
        auth_check_free(check);
    buf_deinit(&out);
}
END_TEST

START_TEST(hash_of_the_empty_password_opens_nothing)
{
    static const char *const secrets[] = {NULL, "", "SCRAM-SHA-256$broken"};
    for (int i = 0; i < COUNT(secrets); i++) {
        struct auth_check *check = started(AUTH_CHECK_MD5, "alice", secrets[i]);
        char inner[MD5_TEXT_LEN + 1], response[MD5_TEXT_LEN + 1];
        ck_assert(digest_md5_text(slice_of(secrets[i] != NULL ? secrets[i] : ""), slice_of("alice"), inner));
        ck_assert(digest_md5_text(slice_of(inner + 3), (struct slice){out.data + 9, 4}, response));
        ck_assert_int_eq(auth_check_step(check, response, sizeof(response), &out), AUTH_REFUSED);
        expect_refusal(check, "28P01", "password authentication failed");
    }
}
END_TEST

START_TEST(a_message_behind_the_last_is_refused)
{
    struct auth_check *check = started(AUTH_CHECK_PLAIN, "alice", "secret");
    ck_assert_int_eq(auth_check_step(check, "secret", 7, &out), AUTH_GRANTED);
    ck_assert_int_eq(auth_check_step(check, "secret", 7, &out), AUTH_REFUSED);
    expect_refusal(check, "08P01", BAD_PASSWORD);
}
END_TEST

/* ---- SASL framing: CVE-2026-6664 ---- */

#define BAD_SCRAM "malformed SCRAM message"
static const struct {
    const char *what, *mechanism;
    uint32_t len;
    const char *data;
} initials[] = {
    {"shorter than what is there", "SCRAM-SHA-256", 10, "n,,n=,r=abc"},
    {"longer by one", "SCRAM-SHA-256", 12, "n,,n=,r=abc"},
    {"-1 and data", "SCRAM-SHA-256", 0xffffffff, "n,,n=,r=abc"},
    {"-1 without data", "SCRAM-SHA-256", 0xffffffff, ""},
    {"-2", "SCRAM-SHA-256", 0xfffffffe, "n,,n=,r=abc"},
    {"2^31", "SCRAM-SHA-256", 0x80000000, "n,,n=,r=abc"},
    {"2^31-1", "SCRAM-SHA-256", 0x7fffffff, "n,,n=,r=abc"},
    {"0 and data", "SCRAM-SHA-256", 0, "n,,n=,r=abc"},
    {"0 without data", "SCRAM-SHA-256", 0, ""},
    {"a mechanism that was not offered", "SCRAM-SHA-256-PLUS", 11, "n,,n=,r=abc"},
    {"lower-case mechanism", "scram-sha-256", 11, "n,,n=,r=abc"},
    {"no mechanism", "", 11, "n,,n=,r=abc"},
};

START_TEST(sasl_lengths_are_exact)
{
    struct auth_check *check = started(AUTH_CHECK_SCRAM, "alice", SCRAM_SECRET);
    struct buf body = {0};
    buf_append_cstr(&body, initials[_i].mechanism);
    buf_append_u32(&body, initials[_i].len);
    buf_append_str(&body, initials[_i].data);
    enum auth_answer answer = auth_check_step(check, body.data, body.len, &out);
    ck_assert_msg(answer == AUTH_REFUSED, "%s", initials[_i].what);
    expect_refusal(check, "08P01", BAD_SCRAM);
    buf_deinit(&body);
}
END_TEST

static const struct {
    const char *what;
    size_t len;
} pieces[] = {
    {"nothing", 0}, {"one byte", 1}, {"mechanism without NUL", 13}, {"mechanism alone", 14}, {"half a length", 16}};

START_TEST(sasl_pieces_are_refused)
{
    struct auth_check *check = started(AUTH_CHECK_SCRAM, "alice", SCRAM_SECRET);
    char *body = mem_dup("SCRAM-SHA-256\0\0\0", pieces[_i].len + 1); /* on the heap: a byte too far would show */
    body = mem_realloc(body, pieces[_i].len > 0 ? pieces[_i].len : 1);
    ck_assert_msg(auth_check_step(check, body, pieces[_i].len, &out) == AUTH_REFUSED, "%s", pieces[_i].what);
    expect_refusal(check, "08P01", BAD_SCRAM);
    mem_free(body);
}
END_TEST

static const struct {
    const char *what, *msg, *sqlstate, *text;
} firsts[] = {
    {"channel binding", "p=tls-unique,,n=,r=abc", "28P01", "SASL authentication failed"},
    {"acting for somebody else", "n,a=bob,n=,r=abc", "28P01", "SASL authentication failed"},
    {"no nonce", "n,,n=", "08P01", BAD_SCRAM},
    {"trailing comma", "n,,n=,r=abc,", "08P01", BAD_SCRAM},
};

START_TEST(client_first_is_judged_alike_for_known_and_unknown)
{
    static const char *const secrets[] = {NULL, "", "secret", SCRAM_SECRET};
    for (int i = 0; i < COUNT(secrets); i++) {
        struct auth_check *check = started(AUTH_CHECK_SCRAM, "alice", secrets[i]);
        ck_assert_msg(sasl_initial(check, firsts[_i].msg) == AUTH_REFUSED, "%s", firsts[_i].what);
        ck_assert_uint_eq(out.len, 0);
        expect_refusal(check, firsts[_i].sqlstate, firsts[_i].text);
    }
}
END_TEST

/* ---- server first: what an unknown user looks like ---- */

/* Salt and iterations out of `out`, as ",s=...,i=..." */
static char *salt_of(const char *user, const char *secret, const struct auth_policy *with)
{
    struct auth_check *check = auth_check_new(AUTH_CHECK_SCRAM, user, secret, with);
    auth_check_start(check, &out);
    ck_assert_int_eq(sasl_initial(check, "n,,n=,r=abc"), AUTH_MORE);
    char *salt = mem_strdup(strstr(buf_text(&out) + 9, ",s="));
    auth_check_free(check);
    buf_deinit(&out);
    return salt;
}

START_TEST(salts_of_unknown_users_are_stable_and_look_real)
{
    struct auth_policy other = policy;
    other.mock_key[31] ^= 1;
    char *unknown = salt_of("nobody", NULL, &policy), *again = salt_of("nobody", NULL, &policy);
    char *neighbour = salt_of("nobody2", NULL, &policy), *elsewhere = salt_of("nobody", NULL, &other);
    char *plain = salt_of("nobody", "secret", &policy), *scram = salt_of("alice", SCRAM_SECRET, &policy);
    ck_assert_str_eq(unknown, again);
    ck_assert_str_ne(unknown, neighbour);
    ck_assert_str_ne(unknown, elsewhere);
    ck_assert_str_eq(unknown, plain); /* getting a password changes nothing that can be seen */
    ck_assert_uint_eq(strlen(unknown), strlen(scram));
    ck_assert_str_eq(strstr(unknown, ",i="), strstr(scram, ",i="));
    ck_assert_str_eq(scram, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    char *all[] = {unknown, again, neighbour, elsewhere, plain, scram};
    for (int i = 0; i < COUNT(all); i++)
        mem_free(all[i]);
}
END_TEST

START_TEST(server_adds_at_least_18_random_bytes_to_the_nonce)
{
    char *before = NULL;
    for (int i = 0; i < 2; i++) {
        struct auth_check *check = started(AUTH_CHECK_SCRAM, "alice", SCRAM_SECRET);
        sasl_initial(check, "n,,n=,r=abc");
        const char *text = buf_text(&out) + 9;
        ck_assert_int_eq(strncmp(text, "r=abc", 5), 0);
        char *nonce = mem_strndup(text + 5, (size_t)(strchr(text, ',') - text - 5));
        ck_assert_uint_ge(strlen(nonce), 24);
        if (before != NULL)
            ck_assert_str_ne(nonce, before);
        mem_free(before);
        before = nonce;
        auth_check_free(check);
        buf_deinit(&out);
    }
    mem_free(before);
}
END_TEST

/* ---- client final ---- */

/* # stands for the nonce, P for 32 bytes that are no proof. */
static const struct {
    const char *what, *gs2, *msg, *sqlstate, *text;
} finals[] = {
    {"wrong proof", "n,,", "c=biws,r=#,p=P", "28P01", "SASL authentication failed"},
    {"wrong proof of one that could bind", "y,,", "c=eSws,r=#,p=P", "28P01", "SASL authentication failed"},
    {"wrong proof, an extension", "n,,", "c=biws,r=#,x=1,p=P", "28P01", "SASL authentication failed"},
    {"header of another flag", "n,,", "c=eSws,r=#,p=P", "08P01", BAD_SCRAM},
    {"y taken back", "y,,", "c=biws,r=#,p=P", "08P01", BAD_SCRAM},
    {"header and more", "n,,", "c=biwsbiws,r=#,p=P", "08P01", BAD_SCRAM},
    {"nonce of the client alone", "n,,", "c=biws,r=abc,p=P", "08P01", BAD_SCRAM},
    {"nonce and more", "n,,", "c=biws,r=#x,p=P", "08P01", BAD_SCRAM},
    {"another nonce", "n,,", "c=biws,r=x#,p=P", "08P01", BAD_SCRAM},
    {"no proof", "n,,", "c=biws,r=#", "08P01", BAD_SCRAM},
    {"no nonce", "n,,", "c=biws,p=P", "08P01", BAD_SCRAM},
    {"no binding", "n,,", "r=#,p=P", "08P01", BAD_SCRAM},
    {"trailing comma", "n,,", "c=biws,r=#,p=P,", "08P01", BAD_SCRAM},
    {"nothing", "n,,", "", "08P01", BAD_SCRAM},
    {"first message once more", "n,,", "n,,n=,r=abc", "08P01", BAD_SCRAM},
};

START_TEST(client_final_is_judged_alike_for_known_and_unknown)
{
    static const char *const secrets[] = {NULL, "", "secret", SCRAM_SECRET, "md50123456789abcdef0123456789abcdef"};
    for (int i = 0; i < COUNT(secrets); i++) {
        struct auth_check *check = started(AUTH_CHECK_SCRAM, "alice", secrets[i]);
        struct buf first = {0}, final = {0};
        buf_printf(&first, "%sn=,r=abc", finals[_i].gs2);
        ck_assert_int_eq(sasl_initial(check, buf_text(&first)), AUTH_MORE);
        const char *nonce = buf_text(&out) + 11;
        for (const char *c = finals[_i].msg; *c != '\0'; c++)
            if (*c == '#')
                buf_append(&final, nonce, strcspn(nonce, ","));
            else if (*c == 'P')
                buf_append_str(&final, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
            else
                buf_append(&final, c, 1);
        buf_consume(&out, out.len);
        enum auth_answer answer = auth_check_step(check, final.data != NULL ? final.data : "", final.len, &out);
        if (answer == AUTH_OFFLOAD) {
            auth_check_work(check);
            answer = auth_check_resume(check, &out);
        }
        ck_assert_msg(answer == AUTH_REFUSED, "%s", finals[_i].what);
        ck_assert_uint_eq(out.len, 0);
        expect_refusal(check, finals[_i].sqlstate, finals[_i].text);
        buf_deinit(&first);
        buf_deinit(&final);
    }
}
END_TEST

START_TEST(nonsense_in_the_settings_is_survived)
{
    struct auth_policy odd = {.scram_iterations = -1};
    char *salt = salt_of("alice", "secret", &odd);
    ck_assert_str_eq(strstr(salt, ",i="), ",i=4096");
    mem_free(salt);
    auth_check_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_check");
    TCase *tc = tcase_create("check");
    tcase_add_test(tc, requests_are_what_the_protocol_says);
    tcase_add_test(tc, md5_becomes_scram_for_a_scram_secret);
    tcase_add_test(tc, md5_salts_differ);
    tcase_add_test(tc, trust_wants_a_known_user);
    tcase_add_loop_test(tc, password_message_is_judged, 0, COUNT(passwords));
    tcase_add_test(tc, hash_of_the_empty_password_opens_nothing);
    tcase_add_test(tc, a_message_behind_the_last_is_refused);
    tcase_add_loop_test(tc, sasl_lengths_are_exact, 0, COUNT(initials));
    tcase_add_loop_test(tc, sasl_pieces_are_refused, 0, COUNT(pieces));
    tcase_add_loop_test(tc, client_first_is_judged_alike_for_known_and_unknown, 0, COUNT(firsts));
    tcase_add_test(tc, salts_of_unknown_users_are_stable_and_look_real);
    tcase_add_test(tc, server_adds_at_least_18_random_bytes_to_the_nonce);
    tcase_add_loop_test(tc, client_final_is_judged_alike_for_known_and_unknown, 0, COUNT(finals));
    tcase_add_test(tc, nonsense_in_the_settings_is_survived);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
