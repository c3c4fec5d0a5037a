/* The server's part of a login, played towards a client. */
#include "auth/scram.h"
#include "pgpooler/proto.h"

enum check_state {
    CHECK_NEW,
    CHECK_WANTS_PASSWORD,
    CHECK_WANTS_MD5,
    CHECK_WANTS_SCRAM_FIRST,
    CHECK_WANTS_SCRAM_FINAL,
    CHECK_WORKING, /* auth_check_work() has or will have the object */
    CHECK_GRANTED,
    CHECK_REFUSED,
};

/* Client-visible, so none of them says which step failed or whether the user exists. */
enum refusal {
    REFUSE_TRUST,
    REFUSE_PASSWORD,
    REFUSE_SCRAM,
    REFUSE_EMPTY,
    REFUSE_BAD_PASSWORD_MSG,
    REFUSE_BAD_SCRAM_MSG
};
static const struct {
    const char *sqlstate, *text;
} refusals[] = {
    [REFUSE_TRUST] = {SQLSTATE_INVALID_PASSWORD, "\"trust\" authentication failed"},
    [REFUSE_PASSWORD] = {SQLSTATE_INVALID_PASSWORD, "password authentication failed"},
    [REFUSE_SCRAM] = {SQLSTATE_INVALID_PASSWORD, "SASL authentication failed"},
    [REFUSE_EMPTY] = {SQLSTATE_INVALID_PASSWORD, "empty password returned by client"},
    [REFUSE_BAD_PASSWORD_MSG] = {SQLSTATE_PROTOCOL_VIOLATION, "malformed password message"},
    [REFUSE_BAD_SCRAM_MSG] = {SQLSTATE_PROTOCOL_VIOLATION, "malformed SCRAM message"},
};

struct auth_check {
    enum check_state state;
    enum auth_check_method method; /* the one in use: MD5 may have become SCRAM */
    enum auth_secret_kind kind;
    bool is_known;
    bool is_mock; /* nothing that the client sends will match */
    enum refusal refusal;
    char *user, *secret; /* secret: "" when unknown */
    struct auth_scram_cache *cache;

    uint8_t md5_salt[4];
    char *password; /* what the client typed, while it is checked against a SCRAM secret */
    /*
     * Of the SCRAM secret. For a plain secret and for mocks the salt is made up, and the keys are
     * derived when they are needed, or random.
     */
    struct scram_secret scram;
    struct scram_keys keys; /* derived by work() or found in the cache; when granted, what the client could teach us */
    char gs2[4];
    uint8_t proof[DIGEST_LEN];
    struct buf nonce;    /* both parts */
    struct buf exchange; /* AuthMessage as far as it goes */
};

/*
 * The same for a user who is not known and for one with a plain secret: whoever asks for salts learns
 * nothing. Stable, because a salt that changes with every try gives the mock away.
 */
static void salt_make_up(const char *user, const struct auth_policy *policy, struct scram_salt *out)
{
    uint8_t digest[DIGEST_LEN];
    digest_hmac(policy->mock_key, sizeof(policy->mock_key), user, strlen(user), digest);
    out->iterations = policy->scram_iterations > 0 ? (uint32_t)policy->scram_iterations : 4096;
    out->len = SCRAM_SALT_LEN;
    memcpy(out->bytes, digest, SCRAM_SALT_LEN);
}

/* Which exchange this user gets, and whether it can succeed at all: contract sections 1.4 and 4. */
static void exchange_choose(struct auth_check *check, const struct auth_policy *policy)
{
    enum auth_secret_kind looks_like = check->kind;
    if (check->kind == AUTH_SECRET_NONE) {
        check->is_mock = true;
        looks_like = policy->mock_is_scram ? AUTH_SECRET_SCRAM : AUTH_SECRET_PLAIN;
    }
    if (check->method == AUTH_CHECK_MD5 && looks_like == AUTH_SECRET_SCRAM)
        check->method = AUTH_CHECK_SCRAM;
    if (check->method == AUTH_CHECK_SCRAM && check->kind == AUTH_SECRET_MD5)
        check->is_mock = true;
    /* A mock of a plain-text exchange does the real one's work, not to be told by its speed. */
    if (check->method == AUTH_CHECK_PLAIN && check->is_mock)
        check->kind = looks_like;

    if (check->kind == AUTH_SECRET_SCRAM && !check->is_mock) {
        int err = scram_secret_parse(check->secret, &check->scram);
        assert(err == 0); /* or auth_secret_kind() would have said otherwise */
        return;
    }
    salt_make_up(check->user, policy, &check->scram.salt);
    random_bytes(check->scram.stored_key, DIGEST_LEN);
    random_bytes(check->scram.server_key, DIGEST_LEN);
}

struct auth_check *auth_check_new(enum auth_check_method method, const char *user, const char *secret,
                                  const struct auth_policy *policy)
{
    struct auth_check *check = mem_zalloc(sizeof(*check));
    check->method = method;
    check->kind = auth_secret_kind(secret);
    check->is_known = secret != NULL;
    check->user = mem_strdup(user);
    check->secret = mem_strdup(secret != NULL ? secret : "");
    check->cache = policy->cache;
    exchange_choose(check, policy);
    return check;
}

static void text_wipe(char *text)
{
    if (text != NULL)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

void auth_check_free(struct auth_check *check)
{
    if (check == NULL)
        return;
    text_wipe(check->secret);
    text_wipe(check->password);
    mem_free(check->user);
    buf_deinit(&check->nonce);
    buf_deinit(&check->exchange);
    mem_wipe(check, sizeof(*check));
    mem_free(check);
}

static enum auth_answer refuse(struct auth_check *check, enum refusal why)
{
    check->state = CHECK_REFUSED;
    check->refusal = why;
    mem_wipe(&check->keys, sizeof(check->keys));
    return AUTH_REFUSED;
}

/* The only way in. */
static enum auth_answer conclude(struct auth_check *check, bool matches, enum refusal otherwise)
{
    if (!matches || check->is_mock)
        return refuse(check, otherwise);
    check->state = CHECK_GRANTED;
    return AUTH_GRANTED;
}

/* ---- the request ---- */

enum auth_answer auth_check_start(struct auth_check *check, struct buf *out)
{
    static const char *const mechanisms[] = {SCRAM_MECHANISM};
    assert(check->state == CHECK_NEW);
    switch (check->method) {
    case AUTH_CHECK_TRUST:
        check->is_mock = false; /* no secret is compared */
        return conclude(check, check->is_known, REFUSE_TRUST);
    case AUTH_CHECK_PLAIN:
        proto_auth(out, 3, NULL, 0);
        check->state = CHECK_WANTS_PASSWORD;
        break;
    case AUTH_CHECK_MD5:
        random_bytes(check->md5_salt, sizeof(check->md5_salt));
        proto_auth(out, 5, check->md5_salt, sizeof(check->md5_salt));
        check->state = CHECK_WANTS_MD5;
        break;
    case AUTH_CHECK_SCRAM:
        proto_auth_sasl(out, mechanisms, 1);
        check->state = CHECK_WANTS_SCRAM_FIRST;
        break;
    }
    return AUTH_MORE;
}

/* ---- clear text and md5 ---- */

/* Whether the password fits the SCRAM secret, once check->keys are made of it. */
static enum auth_answer password_conclude(struct auth_check *check)
{
    uint8_t stored_key[DIGEST_LEN];
    scram_stored_key(check->keys.client_key, stored_key);
    bool matches = mem_equal_consttime(stored_key, check->scram.stored_key, DIGEST_LEN);
    enum auth_answer answer = conclude(check, matches, REFUSE_PASSWORD);
    /* Wrong passwords are not worth a place: anybody can make them up. */
    if (answer == AUTH_GRANTED)
        scram_cache_keep(check->cache, check->password, &check->scram.salt, &check->keys);
    return answer;
}

static enum auth_answer on_password(struct auth_check *check, const char *password)
{
    char hash[MD5_TEXT_LEN + 1];
    bool matches = false;
    switch (check->kind) {
    case AUTH_SECRET_PLAIN:
        matches = digest_texts_equal(password, check->secret);
        break;
    case AUTH_SECRET_MD5:
        matches =
            digest_md5_text(slice_of(password), slice_of(check->user), hash) && digest_texts_equal(hash, check->secret);
        break;
    case AUTH_SECRET_SCRAM:
        if (check->scram.salt.iterations > SCRAM_STORED_WORK)
            break;
        check->password = mem_strdup(password);
        if (scram_cache_find(check->cache, password, &check->scram.salt, &check->keys))
            return password_conclude(check);
        check->state = CHECK_WORKING;
        return AUTH_OFFLOAD;
    case AUTH_SECRET_NONE:
    case AUTH_SECRET_KINDS:
        break;
    }
    return conclude(check, matches, REFUSE_PASSWORD);
}

/* docs PROTOCOL-FLOW-START-UP: md5(md5(password, user), salt), the inner digest without its "md5" in front */
static enum auth_answer on_md5(struct auth_check *check, const char *response)
{
    char inner[MD5_TEXT_LEN + 1], expected[MD5_TEXT_LEN + 1];
    const char *hash = check->secret;
    bool done = true;
    if (check->kind != AUTH_SECRET_MD5) {
        done = digest_md5_text(slice_of(check->secret), slice_of(check->user), inner);
        hash = inner;
    }
    done = done && digest_md5_text(slice_of(hash + 3), (struct slice){(char *)check->md5_salt, 4}, expected);
    bool matches = done && digest_texts_equal(response, expected);
    mem_wipe(inner, sizeof(inner));
    return conclude(check, matches, REFUSE_PASSWORD);
}

/* ---- SCRAM ---- */

static enum auth_answer on_scram_first(struct auth_check *check, struct reader body, struct buf *out)
{
    const char *mechanism = reader_cstr(&body);
    uint32_t len = reader_u32(&body);
    if (body.bad || strcmp(mechanism, SCRAM_MECHANISM) != 0 || len != reader_left(&body))
        return refuse(check, REFUSE_BAD_SCRAM_MSG);
    struct scram_client_first first;
    int err = scram_client_first_parse(reader_bytes(&body, len), &first);
    if (err != 0)
        return refuse(check, err == ERR_DENIED ? REFUSE_SCRAM : REFUSE_BAD_SCRAM_MSG);

    memcpy(check->gs2, first.gs2.ptr, first.gs2.len);
    buf_append(&check->nonce, first.nonce.ptr, first.nonce.len);
    scram_nonce_append(&check->nonce);

    struct buf answer = {0};
    buf_append_str(&answer, "r=");
    buf_append(&answer, check->nonce.data, check->nonce.len);
    buf_append_str(&answer, ",s=");
    base64_append(&answer, check->scram.salt.bytes, check->scram.salt.len);
    buf_printf(&answer, ",i=%u", check->scram.salt.iterations);
    proto_auth(out, 11, answer.data, answer.len);

    buf_append(&check->exchange, first.bare.ptr, first.bare.len);
    buf_append_str(&check->exchange, ",");
    buf_append(&check->exchange, answer.data, answer.len);
    buf_deinit(&answer);
    check->state = CHECK_WANTS_SCRAM_FINAL;
    return AUTH_MORE;
}

/* RFC 5802 section 3: whoever can make ClientKey out of the proof and StoredKey out of that knows the password. */
static enum auth_answer scram_conclude(struct auth_check *check, struct buf *out)
{
    uint8_t client_key[DIGEST_LEN], stored_key[DIGEST_LEN], signature[DIGEST_LEN];
    scram_mask(check->scram.stored_key, &check->exchange, check->proof, client_key);
    scram_stored_key(client_key, stored_key);
    bool matches = mem_equal_consttime(stored_key, check->scram.stored_key, DIGEST_LEN);
    enum auth_answer answer = conclude(check, matches, REFUSE_SCRAM);
    if (answer == AUTH_GRANTED) {
        memcpy(check->keys.client_key, client_key, DIGEST_LEN);
        memcpy(check->keys.server_key, check->scram.server_key, DIGEST_LEN);
        check->keys.usable = true;
        scram_server_signature(check->scram.server_key, &check->exchange, signature);
        struct buf final = {0};
        buf_append_str(&final, "v=");
        base64_append(&final, signature, DIGEST_LEN);
        proto_auth(out, 12, final.data, final.len);
        buf_deinit(&final);
    }
    mem_wipe(client_key, sizeof(client_key));
    return answer;
}

static enum auth_answer scram_conclude_plain(struct auth_check *check, struct buf *out)
{
    scram_stored_key(check->keys.client_key, check->scram.stored_key);
    memcpy(check->scram.server_key, check->keys.server_key, DIGEST_LEN);
    return scram_conclude(check, out);
}

static enum auth_answer on_scram_final(struct auth_check *check, struct slice msg, struct buf *out)
{
    struct scram_client_final final;
    struct slice nonce = {check->nonce.data, check->nonce.len};
    if (scram_client_final_parse(msg, &final) != 0 || !slice_equal(final.nonce, nonce))
        return refuse(check, REFUSE_BAD_SCRAM_MSG);
    struct buf binding = {0};
    base64_append(&binding, check->gs2, strlen(check->gs2));
    bool is_bound = slice_equal(final.binding, (struct slice){binding.data, binding.len});
    buf_deinit(&binding);
    if (!is_bound)
        return refuse(check, REFUSE_BAD_SCRAM_MSG);

    buf_append_str(&check->exchange, ",");
    buf_append(&check->exchange, final.without_proof.ptr, final.without_proof.len);
    memcpy(check->proof, final.proof, DIGEST_LEN);
    if (check->kind != AUTH_SECRET_PLAIN || check->is_mock)
        return scram_conclude(check, out);
    if (scram_cache_find(check->cache, check->secret, &check->scram.salt, &check->keys))
        return scram_conclude_plain(check, out);
    check->state = CHECK_WORKING;
    return AUTH_OFFLOAD;
}

/* ---- the client's messages ---- */

/* One string that fills the body, or NULL. */
static const char *password_read(const char *body, size_t len)
{
    return len > 0 && memchr(body, '\0', len) == body + len - 1 ? body : NULL;
}

enum auth_answer auth_check_step(struct auth_check *check, const char *body, size_t len, struct buf *out)
{
    assert(check->state != CHECK_NEW && check->state != CHECK_WORKING);
    const char *password = NULL;
    switch (check->state) {
    case CHECK_WANTS_PASSWORD:
    case CHECK_WANTS_MD5:
        password = password_read(body, len);
        if (password == NULL)
            return refuse(check, REFUSE_BAD_PASSWORD_MSG);
        if (*password == '\0')
            return refuse(check, REFUSE_EMPTY);
        return check->state == CHECK_WANTS_MD5 ? on_md5(check, password) : on_password(check, password);
    case CHECK_WANTS_SCRAM_FIRST:
        return on_scram_first(check, reader_of(body, len), out);
    case CHECK_WANTS_SCRAM_FINAL:
        return on_scram_final(check, (struct slice){body, len}, out);
    case CHECK_REFUSED:
        return AUTH_REFUSED;
    case CHECK_GRANTED: /* one message too many */
        return refuse(check, REFUSE_BAD_PASSWORD_MSG);
    case CHECK_NEW:
    case CHECK_WORKING:
        break;
    }
    return AUTH_REFUSED;
}

void auth_check_work(struct auth_check *check)
{
    assert(check->state == CHECK_WORKING);
    const char *password = check->method == AUTH_CHECK_SCRAM ? check->secret : check->password;
    scram_keys_derive(password, &check->scram.salt, &check->keys);
    if (check->method == AUTH_CHECK_SCRAM)
        scram_cache_keep(check->cache, password, &check->scram.salt, &check->keys);
}

enum auth_answer auth_check_resume(struct auth_check *check, struct buf *out)
{
    assert(check->state == CHECK_WORKING && check->keys.usable);
    return check->method == AUTH_CHECK_SCRAM ? scram_conclude_plain(check, out) : password_conclude(check);
}

/* ---- what comes of it ---- */

void auth_check_refusal(const struct auth_check *check, const char **sqlstate, const char **text)
{
    assert(check->state == CHECK_REFUSED);
    *sqlstate = refusals[check->refusal].sqlstate;
    *text = refusals[check->refusal].text;
}

bool auth_check_scram_keys(const struct auth_check *check, struct scram_keys *out)
{
    *out = (struct scram_keys){0};
    /* Keys of a plain secret belong to the salt that we made up: no node knows it. */
    if (check->state == CHECK_GRANTED && check->kind == AUTH_SECRET_SCRAM && check->keys.usable)
        *out = check->keys;
    return out->usable;
}
