/*
 * Peers that send anything, in both directions. A message of the input is one length byte and so many bytes of text,
 * in which 0x01 stands for the nonce last seen and 0x02 for a proof or signature made without knowing the secret, so
 * that the fuzzer gets to the last message. The first byte chooses whom it plays.
 *
 * What must hold: without the secret nobody is granted anything, a refusal is for good, and nothing is read outside of
 * a message (each is a heap block of its exact size).
 */
#include "auth/scram.h"
#include "pgpooler/proto.h"

#include <stdio.h>
#include <stdlib.h>

#define SECRET                                                                                                         \
    "SCRAM-SHA-256$2:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="                            \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
    const uint8_t *at, *end;
};

static uint8_t input_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* Sets *nonce to what follows the last "r=" of a message that we sent. */
static void nonce_see(struct buf *nonce, struct buf *sent)
{
    const char *from = NULL;
    for (size_t i = 0; i + 2 <= sent->len; i++)
        if (memcmp(sent->data + i, "r=", 2) == 0)
            from = sent->data + i + 2;
    if (from != NULL) {
        size_t left = (size_t)(sent->data + sent->len - from);
        const char *comma = memchr(from, ',', left);
        buf_consume(nonce, nonce->len);
        buf_append(nonce, from, comma != NULL ? (size_t)(comma - from) : left);
    }
    buf_consume(sent, sent->len);
}

/* The next message with its stand-ins filled in; to be freed. */
static char *message_take(struct input *in, const struct buf *nonce, size_t *len)
{
    struct buf msg = {0};
    for (size_t left = input_byte(in); left > 0 && in->at < in->end; left--) {
        uint8_t c = input_byte(in);
        if (c == 1)
            buf_append(&msg, nonce->data, nonce->len);
        else if (c == 2)
            buf_append_str(&msg, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        else
            buf_append_u8(&msg, c);
    }
    *len = msg.len;
    char *exact = mem_dup(msg.data != NULL ? msg.data : "", msg.len);
    buf_deinit(&msg);
    return exact;
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static void play_client(struct input *in, enum auth_check_method method, const char *secret)
{
    struct auth_policy policy = {.scram_iterations = 2, .mock_is_scram = (in->end - in->at) % 2 == 1};
    struct auth_check *check = auth_check_new(method, "alice", secret, &policy);
    struct buf out = {0}, nonce = {0};
    struct scram_keys keys;
    enum auth_answer answer = auth_check_start(check, &out);
    while (in->at < in->end) {
        size_t len;
        char *msg = message_take(in, &nonce, &len);
        bool was_refused = answer == AUTH_REFUSED;
        answer = auth_check_step(check, msg, len, &out);
        mem_free(msg);
        if (answer == AUTH_OFFLOAD) {
            auth_check_work(check);
            answer = auth_check_resume(check, &out);
        }
        require(answer != AUTH_GRANTED, "a client without the secret stays outside");
        require(!was_refused || answer == AUTH_REFUSED, "a refused client stays refused");
        require(!auth_check_scram_keys(check, &keys), "no keys without a login");
        nonce_see(&nonce, &out);
    }
    auth_check_free(check);
    buf_deinit(&out);
    buf_deinit(&nonce);
}

static void play_node(struct input *in, const struct auth_credentials *credentials)
{
    struct auth_login *login = auth_login_new("alice", credentials);
    struct buf out = {0}, nonce = {0};
    enum auth_answer answer = AUTH_MORE;
    bool scram = false;
    while (in->at < in->end) {
        size_t len;
        char *msg = message_take(in, &nonce, &len);
        bool was_refused = answer == AUTH_REFUSED;
        answer = auth_login_step(login, msg, len, &out);
        scram = scram || (answer == AUTH_MORE && len >= 4 && read_u32(msg) == 10);
        mem_free(msg);
        if (answer == AUTH_OFFLOAD) {
            auth_login_work(login);
            answer = auth_login_resume(login, &out);
        }
        require(!scram || answer != AUTH_GRANTED, "a node that began SCRAM has to know the secret");
        require(!was_refused || answer == AUTH_REFUSED, "a refused node stays refused");
        require(answer != AUTH_REFUSED || *auth_login_refusal(login) != '\0', "a refusal has a reason");
        nonce_see(&nonce, &out);
    }
    auth_login_free(login);
    buf_deinit(&out);
    buf_deinit(&nonce);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    /* Longer than what a fuzzer finds by chance; the input could hold a shorter one. */
    static const char plain[] = "correct horse battery staple, 57 times over";
    static const char *const secrets[] = {NULL, "", plain, SECRET, "md50123456789abcdef0123456789abcdef"};
    static const enum auth_check_method methods[] = {AUTH_CHECK_PLAIN, AUTH_CHECK_MD5, AUTH_CHECK_SCRAM};
    static const struct scram_keys keys = {.client_key = {1}, .server_key = {2}, .usable = true};
    struct input in = {data, data + len};
    if (len == 0)
        return 0;
    uint8_t choice = input_byte(&in);
    const char *secret = secrets[choice / 4 % 5];
    if (choice % 4 < 3) {
        play_client(&in, methods[choice % 4], secret);
    } else {
        struct auth_credentials credentials = {.secret = secret, .keys = choice >= 128 ? &keys : NULL};
        play_node(&in, &credentials);
    }

    /* The same bytes as a stored secret. */
    char *text = mem_strndup((const char *)data, len);
    auth_secret_kind(text);
    mem_free(text);
    return 0;
}
