/* Both directions against each other, in memory: every method with every secret on either side. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/scram.h"
#include "pgpooler/proto.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct auth_policy policy_of(struct auth_scram_cache *cache)
{
    struct auth_policy policy = {.scram_iterations = 16, .cache = cache};
    memset(policy.mock_key, 0x5a, sizeof(policy.mock_key));
    return policy;
}

/* ---- secrets of user alice, password "secret" ---- */

struct secrets {
    char *md5, *scram;
    struct scram_keys keys; /* of `scram` */
};

static char *scram_secret_make(const char *password, uint32_t iterations, struct scram_keys *keys)
{
    struct scram_salt salt = {.iterations = iterations, .len = SCRAM_SALT_LEN};
    uint8_t stored_key[DIGEST_LEN];
    random_bytes(salt.bytes, salt.len);
    scram_keys_derive(password, &salt, keys);
    scram_stored_key(keys->client_key, stored_key);
    struct buf text = {0};
    buf_printf(&text, "SCRAM-SHA-256$%u:", iterations);
    base64_append(&text, salt.bytes, salt.len);
    buf_append_str(&text, "$");
    base64_append(&text, stored_key, DIGEST_LEN);
    buf_append_str(&text, ":");
    base64_append(&text, keys->server_key, DIGEST_LEN);
    buf_text(&text);
    return text.data;
}

static struct secrets secrets_make(void)
{
    struct secrets made = {.md5 = mem_alloc(MD5_TEXT_LEN + 1)};
    ck_assert(digest_md5_text(slice_of("secret"), slice_of("alice"), made.md5));
    made.scram = scram_secret_make("secret", 16, &made.keys);
    return made;
}

static void secrets_free(struct secrets *made)
{
    mem_free(made->md5);
    mem_free(made->scram);
}

/* ---- a login, message by message ---- */

struct play {
    struct auth_check *check;
    struct auth_login *login;
    int check_offloads, login_offloads;
    bool check_granted, login_granted;
    int messages; /* sent so far, both ways */
    int spoilt;   /* index of the message in which one bit gets flipped; -1: none */
    unsigned int spoil_at;
};

/* The body of the one message in `wire`, its header checked. */
static struct slice body_of(struct play *play, struct buf *wire, char type)
{
    ck_assert_uint_ge(wire->len, PROTO_HEADER);
    ck_assert_int_eq(wire->data[0], type);
    ck_assert_uint_eq(read_u32(wire->data + 1) + 1, wire->len);
    struct slice body = {wire->data + PROTO_HEADER, wire->len - PROTO_HEADER};
    if (play->messages++ == play->spoilt) {
        size_t bit = play->spoil_at % (body.len * 8);
        wire->data[PROTO_HEADER + bit / 8] = (char)(wire->data[PROTO_HEADER + bit / 8] ^ 1 << bit % 8);
    }
    return body;
}

static enum auth_answer check_step(struct play *play, struct slice body, struct buf *out)
{
    enum auth_answer answer = auth_check_step(play->check, body.ptr, body.len, out);
    if (answer == AUTH_OFFLOAD) {
        play->check_offloads++;
        auth_check_work(play->check);
        answer = auth_check_resume(play->check, out);
    }
    return answer;
}

static enum auth_answer login_step(struct play *play, struct slice body, struct buf *out)
{
    enum auth_answer answer = auth_login_step(play->login, body.ptr, body.len, out);
    if (answer == AUTH_OFFLOAD) {
        play->login_offloads++;
        auth_login_work(play->login);
        answer = auth_login_resume(play->login, out);
    }
    return answer;
}

/*
 * 'G' both are content, 'T' 'P' 'S' the check refuses (trust, password, SASL), 'M' it found a malformed message,
 * 'w' 'n' the login refuses for the type or lack of its secret, 'l' for another reason.
 */
static char play_login(struct play *play)
{
    struct buf to_client = {0}, to_node = {0};
    enum auth_answer answer = auth_check_start(play->check, &to_client);
    char end = '?';
    while (answer != AUTH_REFUSED) {
        enum auth_answer there = AUTH_MORE;
        if (to_client.len > 0)
            there = login_step(play, body_of(play, &to_client, 'R'), &to_node);
        buf_deinit(&to_client);
        play->check_granted = answer == AUTH_GRANTED;
        if (there == AUTH_MORE && play->check_granted)
            there = login_step(play, (struct slice){"\0\0\0\0", 4}, &to_node);
        play->login_granted = there == AUTH_GRANTED;
        if (there == AUTH_REFUSED) {
            const char *why = auth_login_refusal(play->login);
            end = strcmp(why, "wrong password type") == 0 ? 'w' : strncmp(why, "no password", 11) == 0 ? 'n' : 'l';
            break;
        }
        if (there == AUTH_GRANTED) {
            end = play->check_granted ? 'G' : '!';
            break;
        }
        answer = check_step(play, body_of(play, &to_node, 'p'), &to_client);
        buf_deinit(&to_node);
    }
    if (answer == AUTH_REFUSED) {
        const char *sqlstate, *text;
        auth_check_refusal(play->check, &sqlstate, &text);
        end = strcmp(text, "\"trust\" authentication failed") == 0  ? 'T'
              : strcmp(text, "password authentication failed") == 0 ? 'P'
              : strcmp(text, "SASL authentication failed") == 0     ? 'S'
                                                                    : 'M';
        ck_assert_str_eq(sqlstate, end == 'M' ? "08P01" : "28P01");
        ck_assert_uint_eq(to_client.len, 0);
    }
    buf_deinit(&to_client);
    buf_deinit(&to_node);
    return end;
}

static void play_end(struct play *play)
{
    auth_check_free(play->check);
    auth_login_free(play->login);
}

/* ---- every method with every pair of secrets ---- */

enum { STORED_UNKNOWN, STORED_EMPTY, STORED_BROKEN, STORED_PLAIN, STORED_MD5, STORED_SCRAM };
enum { HAS_PLAIN, HAS_WRONG, HAS_MD5, HAS_KEYS, HAS_SCRAM_ALONE, HAS_NOTHING, HAS_EMPTY, HAS_COUNT };

static const struct {
    enum auth_check_method method;
    int stored;
    bool mock_is_scram;
    const char *ends; /* one letter of play_login() per HAS_... */
} matrix[] = {
    {AUTH_CHECK_TRUST, STORED_UNKNOWN, false, "TTTTTTT"}, {AUTH_CHECK_TRUST, STORED_EMPTY, false, "GGGGGGG"},
    {AUTH_CHECK_TRUST, STORED_BROKEN, false, "GGGGGGG"},  {AUTH_CHECK_TRUST, STORED_PLAIN, false, "GGGGGGG"},
    {AUTH_CHECK_TRUST, STORED_MD5, false, "GGGGGGG"},     {AUTH_CHECK_TRUST, STORED_SCRAM, false, "GGGGGGG"},
    {AUTH_CHECK_PLAIN, STORED_UNKNOWN, false, "PPwwwnn"}, {AUTH_CHECK_PLAIN, STORED_UNKNOWN, true, "PPwwwnn"},
    {AUTH_CHECK_PLAIN, STORED_EMPTY, false, "PPwwwnn"},   {AUTH_CHECK_PLAIN, STORED_BROKEN, false, "PPwwwnn"},
    {AUTH_CHECK_PLAIN, STORED_PLAIN, false, "GPwwwnn"},   {AUTH_CHECK_PLAIN, STORED_MD5, false, "GPwwwnn"},
    {AUTH_CHECK_PLAIN, STORED_SCRAM, false, "GPwwwnn"},   {AUTH_CHECK_MD5, STORED_UNKNOWN, false, "PPPwwnn"},
    {AUTH_CHECK_MD5, STORED_UNKNOWN, true, "SSwSwnn"},    {AUTH_CHECK_MD5, STORED_EMPTY, false, "PPPwwnn"},
    {AUTH_CHECK_MD5, STORED_EMPTY, true, "SSwSwnn"},      {AUTH_CHECK_MD5, STORED_BROKEN, false, "PPPwwnn"},
    {AUTH_CHECK_MD5, STORED_PLAIN, true, "GPGwwnn"},      {AUTH_CHECK_MD5, STORED_MD5, true, "GPGwwnn"},
    {AUTH_CHECK_MD5, STORED_SCRAM, false, "GSwGwnn"},     {AUTH_CHECK_SCRAM, STORED_UNKNOWN, false, "SSwSwnn"},
    {AUTH_CHECK_SCRAM, STORED_EMPTY, false, "SSwSwnn"},   {AUTH_CHECK_SCRAM, STORED_BROKEN, false, "SSwSwnn"},
    {AUTH_CHECK_SCRAM, STORED_PLAIN, false, "GSwSwnn"},   {AUTH_CHECK_SCRAM, STORED_MD5, false, "SSwSwnn"},
    {AUTH_CHECK_SCRAM, STORED_SCRAM, false, "GSwGwnn"},
};

static void matrix_row_check(int row, struct auth_scram_cache *cache)
{
    struct secrets made = secrets_make();
    const char *const stored[] = {NULL, "", "SCRAM-SHA-256$4096:broken", "secret", made.md5, made.scram};
    const struct auth_credentials credentials[HAS_COUNT] = {
        [HAS_PLAIN] = {.secret = "secret", .cache = cache},
        [HAS_WRONG] = {.secret = "Secret", .cache = cache},
        [HAS_MD5] = {.secret = made.md5},
        [HAS_KEYS] = {.secret = made.scram, .keys = &made.keys},
        [HAS_SCRAM_ALONE] = {.secret = made.scram},
        [HAS_NOTHING] = {.secret = NULL},
        [HAS_EMPTY] = {.secret = ""},
    };
    struct auth_policy policy = policy_of(cache);
    policy.mock_is_scram = matrix[row].mock_is_scram;
    for (int has = 0; has < HAS_COUNT; has++) {
        struct play play = {.check = auth_check_new(matrix[row].method, "alice", stored[matrix[row].stored], &policy),
                            .login = auth_login_new("alice", &credentials[has]),
                            .spoilt = -1};
        char end = play_login(&play);
        ck_assert_msg(end == matrix[row].ends[has], "row %d, credentials %d: ended %c, not %c", row, has, end,
                      matrix[row].ends[has]);
        play_end(&play);
    }
    secrets_free(&made);
}

START_TEST(outcome_depends_on_method_and_secrets)
{
    matrix_row_check(_i, NULL);
}
END_TEST

START_TEST(cache_changes_no_outcome)
{
    struct auth_scram_cache *cache = auth_scram_cache_new();
    matrix_row_check(_i, cache);
    matrix_row_check(_i, cache);
    auth_scram_cache_free(cache);
}
END_TEST

/* ---- what is done on another thread, and how often ---- */

static void play_offloads(enum auth_check_method method, const char *stored, const char *secret,
                          struct auth_scram_cache *cache, int in_check, int in_login)
{
    struct auth_policy policy = policy_of(cache);
    struct auth_credentials credentials = {.secret = secret, .cache = cache};
    struct play play = {.check = auth_check_new(method, "alice", stored, &policy),
                        .login = auth_login_new("alice", &credentials),
                        .spoilt = -1};
    play_login(&play);
    ck_assert_int_eq(play.check_offloads, in_check);
    ck_assert_int_eq(play.login_offloads, in_login);
    play_end(&play);
}

START_TEST(slow_work_is_done_once)
{
    struct secrets made = secrets_make();
    struct auth_scram_cache *cache = auth_scram_cache_new();
    play_offloads(AUTH_CHECK_SCRAM, "secret", "wrong", cache, 1, 1);
    play_offloads(AUTH_CHECK_SCRAM, "secret", "secret", cache, 0, 0); /* both derive the same: same salt */
    play_offloads(AUTH_CHECK_SCRAM, made.scram, "secret", cache, 0, 1);
    play_offloads(AUTH_CHECK_SCRAM, made.scram, "secret", cache, 0, 0);
    play_offloads(AUTH_CHECK_SCRAM, "secret", "secret", NULL, 1, 1);
    auth_scram_cache_free(cache);
    secrets_free(&made);
}
END_TEST

START_TEST(wrong_passwords_take_no_place)
{
    struct secrets made = secrets_make();
    struct auth_scram_cache *cache = auth_scram_cache_new();
    play_offloads(AUTH_CHECK_PLAIN, made.scram, "wrong", cache, 1, 0);
    play_offloads(AUTH_CHECK_PLAIN, made.scram, "wrong", cache, 1, 0);
    play_offloads(AUTH_CHECK_PLAIN, made.scram, "secret", cache, 1, 0);
    play_offloads(AUTH_CHECK_PLAIN, made.scram, "secret", cache, 0, 0);
    auth_scram_cache_free(cache);
    secrets_free(&made);
}
END_TEST

START_TEST(secrets_beyond_computing_never_match_a_plain_password)
{
    struct scram_keys keys;
    char *costly = scram_secret_make("secret", 16, &keys);
    struct buf text = {0};
    buf_printf(&text, "SCRAM-SHA-256$%d%s", SCRAM_STORED_WORK + 1, strchr(costly, ':'));
    play_offloads(AUTH_CHECK_PLAIN, buf_text(&text), "secret", NULL, 0, 0);
    buf_deinit(&text);
    mem_free(costly);
}
END_TEST

/* ---- pass-through ---- */

static const struct {
    enum auth_check_method method;
    const char *password;
    int stored;
    bool learns;
} lessons[] = {
    {AUTH_CHECK_SCRAM, "secret", STORED_SCRAM, true},  {AUTH_CHECK_MD5, "secret", STORED_SCRAM, true},
    {AUTH_CHECK_PLAIN, "secret", STORED_SCRAM, true},  {AUTH_CHECK_SCRAM, "wrong", STORED_SCRAM, false},
    {AUTH_CHECK_PLAIN, "wrong", STORED_SCRAM, false},  {AUTH_CHECK_SCRAM, "secret", STORED_PLAIN, false},
    {AUTH_CHECK_PLAIN, "secret", STORED_MD5, false},   {AUTH_CHECK_MD5, "secret", STORED_MD5, false},
    {AUTH_CHECK_TRUST, "secret", STORED_SCRAM, false},
};

START_TEST(keys_are_learned_from_a_login_with_a_scram_secret)
{
    struct secrets made = secrets_make();
    const char *const stored[] = {NULL, "", "", "secret", made.md5, made.scram};
    struct auth_policy policy = policy_of(NULL);
    struct auth_credentials credentials = {.secret = lessons[_i].password};
    struct play play = {.check = auth_check_new(lessons[_i].method, "alice", stored[lessons[_i].stored], &policy),
                        .login = auth_login_new("alice", &credentials),
                        .spoilt = -1};
    struct scram_keys learned;
    ck_assert(!auth_check_scram_keys(play.check, &learned));
    play_login(&play);
    ck_assert_int_eq(auth_check_scram_keys(play.check, &learned), lessons[_i].learns);
    ck_assert_int_eq(learned.usable, lessons[_i].learns);
    static const uint8_t zeros[DIGEST_LEN];
    ck_assert_mem_eq(learned.client_key, lessons[_i].learns ? made.keys.client_key : zeros, DIGEST_LEN);
    ck_assert_mem_eq(learned.server_key, lessons[_i].learns ? made.keys.server_key : zeros, DIGEST_LEN);
    play_end(&play);

    if (lessons[_i].learns) { /* and they open a node that has the same secret */
        struct auth_credentials learnt = {.secret = made.scram, .keys = &learned};
        play = (struct play){.check = auth_check_new(AUTH_CHECK_SCRAM, "alice", made.scram, &policy),
                             .login = auth_login_new("alice", &learnt),
                             .spoilt = -1};
        ck_assert_int_eq(play_login(&play), 'G');
        ck_assert_int_eq(play.login_offloads, 0);
        play_end(&play);
    }
    secrets_free(&made);
}
END_TEST

START_TEST(plain_secret_wins_over_keys)
{
    struct secrets made = secrets_make();
    struct auth_policy policy = policy_of(NULL);
    struct scram_keys stale = {.usable = true};
    struct auth_credentials credentials = {.secret = "secret", .keys = &stale};
    struct play play = {.check = auth_check_new(AUTH_CHECK_SCRAM, "alice", made.scram, &policy),
                        .login = auth_login_new("alice", &credentials),
                        .spoilt = -1};
    ck_assert_int_eq(play_login(&play), 'G');
    play_end(&play);
    secrets_free(&made);
}
END_TEST

/* ---- a man in the middle ---- */

START_TEST(no_flipped_bit_goes_unseen)
{
    const char *text = getenv("SEED");
    unsigned int seed = text != NULL ? (unsigned int)strtoul(text, NULL, 10) : 0;
    if (text == NULL)
        random_bytes(&seed, sizeof(seed));
    printf("SEED=%u\n", seed);
    srandom(seed);
    struct secrets made = secrets_make();
    struct auth_policy policy = policy_of(NULL);
    for (int i = 0; i < 3000; i++) {
        struct auth_credentials credentials = {.secret = made.scram, .keys = &made.keys};
        struct play play = {.check = auth_check_new(AUTH_CHECK_SCRAM, "alice", made.scram, &policy),
                            .login = auth_login_new("alice", &credentials),
                            .spoilt = i % 5, /* request, client first, server first, client final, server final */
                            .spoil_at = (unsigned int)random()};
        char end = play_login(&play);
        ck_assert_msg(!(play.check_granted && play.login_granted) && end != 'G' && end != '!',
                      "message %d, bit %u: ended %c", play.spoilt, play.spoil_at, end);
        play_end(&play);
    }
    secrets_free(&made);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth_exchange");
    TCase *tc = tcase_create("exchange");
    tcase_add_loop_test(tc, outcome_depends_on_method_and_secrets, 0, COUNT(matrix));
    tcase_add_loop_test(tc, cache_changes_no_outcome, 0, COUNT(matrix));
    tcase_add_test(tc, slow_work_is_done_once);
    tcase_add_test(tc, wrong_passwords_take_no_place);
    tcase_add_test(tc, secrets_beyond_computing_never_match_a_plain_password);
    tcase_add_loop_test(tc, keys_are_learned_from_a_login_with_a_scram_secret, 0, COUNT(lessons));
    tcase_add_test(tc, plain_secret_wins_over_keys);
    tcase_add_test(tc, no_flipped_bit_goes_unseen);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
