/* The client's part of a login, played towards a node, which may be anybody. */
#include "auth/scram.h"
#include "pgpooler/proto.h"

enum login_state {
    LOGIN_NEW,
    LOGIN_SENT_PASSWORD,    /* AuthenticationOk has to follow */
    LOGIN_SENT_SCRAM_FIRST, /* wants AuthenticationSASLContinue */
    LOGIN_WORKING,          /* auth_login_work() has or will have the object */
    LOGIN_SENT_SCRAM_FINAL, /* wants AuthenticationSASLFinal */
    LOGIN_PROVED,           /* the node knows the secret: AuthenticationOk has to follow */
    LOGIN_GRANTED,
    LOGIN_REFUSED,
};

/* docs PROTOCOL-MESSAGE-FORMATS */
enum { AUTH_OK = 0, AUTH_CLEARTEXT = 3, AUTH_MD5 = 5, AUTH_SASL = 10, AUTH_SASL_CONTINUE = 11, AUTH_SASL_FINAL = 12 };

struct auth_login {
    enum login_state state;
    enum auth_secret_kind kind;
    char *user, *secret;
    struct scram_keys keys; /* given, or derived from a plain secret */
    struct auth_scram_cache *cache;
    char refusal[64];

    struct scram_salt salt; /* the node's */
    struct buf nonce;       /* our part, then both */
    struct buf exchange;    /* AuthMessage as far as it goes */
};

struct auth_login *auth_login_new(const char *user, const struct auth_credentials *credentials)
{
    struct auth_login *login = mem_zalloc(sizeof(*login));
    login->user = mem_strdup(user);
    login->kind = auth_secret_kind(credentials->secret);
    login->secret = mem_strdup(credentials->secret != NULL ? credentials->secret : "");
    login->cache = credentials->cache;
    if (login->kind != AUTH_SECRET_PLAIN && credentials->keys != NULL)
        login->keys = *credentials->keys;
    return login;
}

void auth_login_free(struct auth_login *login)
{
    if (login == NULL)
        return;
    mem_wipe(login->secret, strlen(login->secret));
    mem_free(login->secret);
    mem_free(login->user);
    buf_deinit(&login->nonce);
    buf_deinit(&login->exchange);
    mem_wipe(login, sizeof(*login));
    mem_free(login);
}

static enum auth_answer refuse(struct auth_login *login, const char *why)
{
    login->state = LOGIN_REFUSED;
    size_t len = strlen(why);
    assert(len < sizeof(login->refusal));
    memcpy(login->refusal, why, len + 1);
    mem_wipe(&login->keys, sizeof(login->keys));
    return AUTH_REFUSED;
}

static enum auth_answer refuse_for_secret(struct auth_login *login)
{
    return refuse(login, *login->secret == '\0' ? "no password stored for this user" : "wrong password type");
}

/* ---- clear text and md5 ---- */

static enum auth_answer password_send(struct auth_login *login, const char *password, struct buf *out)
{
    proto_password(out, password, strlen(password) + 1);
    login->state = LOGIN_SENT_PASSWORD;
    return AUTH_MORE;
}

static enum auth_answer on_cleartext(struct auth_login *login, struct reader body, struct buf *out)
{
    if (reader_left(&body) != 0)
        return refuse(login, "malformed authentication request");
    if (login->kind != AUTH_SECRET_PLAIN)
        return refuse_for_secret(login);
    return password_send(login, login->secret, out);
}

/* docs PROTOCOL-FLOW-START-UP: md5(md5(password, user), salt), the inner digest without its "md5" in front */
static enum auth_answer on_md5(struct auth_login *login, struct reader body, struct buf *out)
{
    char inner[MD5_TEXT_LEN + 1], response[MD5_TEXT_LEN + 1];
    struct slice salt = reader_bytes(&body, 4);
    if (body.bad || reader_left(&body) != 0)
        return refuse(login, "malformed authentication request");
    if (login->kind != AUTH_SECRET_PLAIN && login->kind != AUTH_SECRET_MD5)
        return refuse_for_secret(login);
    const char *hash = login->secret;
    bool done = true;
    if (login->kind == AUTH_SECRET_PLAIN) {
        done = digest_md5_text(slice_of(login->secret), slice_of(login->user), inner);
        hash = inner;
    }
    done = done && digest_md5_text(slice_of(hash + 3), salt, response);
    mem_wipe(inner, sizeof(inner));
    return done ? password_send(login, response, out) : refuse(login, "MD5 is switched off in OpenSSL");
}

/* ---- SCRAM ---- */

/* A list of names, ended by an empty one. */
static bool offers_scram(struct reader *body)
{
    bool found = false;
    const char *name;
    while (*(name = reader_cstr(body)) != '\0')
        found = found || strcmp(name, SCRAM_MECHANISM) == 0;
    return found;
}

static enum auth_answer on_sasl(struct auth_login *login, struct reader body, struct buf *out)
{
    bool offered = offers_scram(&body);
    if (body.bad || reader_left(&body) != 0)
        return refuse(login, "malformed authentication request");
    if (!offered)
        return refuse(login, "no SASL mechanism in common");
    if (login->kind != AUTH_SECRET_PLAIN && !login->keys.usable)
        return refuse_for_secret(login);

    /* The user's name stays empty: the server takes the startup message's. */
    scram_nonce_append(&login->nonce);
    buf_append_str(&login->exchange, "n=,r=");
    buf_append(&login->exchange, login->nonce.data, login->nonce.len);

    struct buf answer = {0};
    buf_append_cstr(&answer, SCRAM_MECHANISM);
    buf_append_u32(&answer, (uint32_t)(3 + login->exchange.len));
    buf_append_str(&answer, "n,,");
    buf_append(&answer, login->exchange.data, login->exchange.len);
    proto_password(out, answer.data, answer.len);
    buf_deinit(&answer);
    login->state = LOGIN_SENT_SCRAM_FIRST;
    return AUTH_MORE;
}

/* Once the keys are there. */
static enum auth_answer scram_final_send(struct auth_login *login, struct buf *out)
{
    struct buf answer = {0};
    buf_append_str(&answer, "c=biws,r="); /* base64 of "n,," */
    buf_append(&answer, login->nonce.data, login->nonce.len);
    buf_append_str(&login->exchange, ",");
    buf_append(&login->exchange, answer.data, answer.len);

    uint8_t stored_key[DIGEST_LEN], proof[DIGEST_LEN];
    scram_stored_key(login->keys.client_key, stored_key);
    scram_mask(stored_key, &login->exchange, login->keys.client_key, proof);
    buf_append_str(&answer, ",p=");
    base64_append(&answer, proof, sizeof(proof));
    proto_password(out, answer.data, answer.len);
    buf_deinit(&answer);
    mem_wipe(stored_key, sizeof(stored_key));
    login->state = LOGIN_SENT_SCRAM_FINAL;
    return AUTH_MORE;
}

static enum auth_answer on_sasl_continue(struct auth_login *login, struct slice msg, struct buf *out)
{
    struct scram_server_first first;
    int err = scram_server_first_parse(msg, &first);
    if (err == ERR_TOO_LARGE)
        return refuse(login, "SCRAM salt or iteration count too large");
    if (err != 0)
        return refuse(login, "malformed SCRAM message from server");
    /* Somebody else's nonce is a replay; ours with nothing added would let the node replay too. */
    if (first.nonce.len <= login->nonce.len || memcmp(first.nonce.ptr, login->nonce.data, login->nonce.len) != 0)
        return refuse(login, "SCRAM nonce is not ours");

    buf_append(&login->nonce, first.nonce.ptr + login->nonce.len, first.nonce.len - login->nonce.len);
    buf_append_str(&login->exchange, ",");
    buf_append(&login->exchange, msg.ptr, msg.len);
    login->salt = first.salt;
    if (login->kind != AUTH_SECRET_PLAIN || scram_cache_find(login->cache, login->secret, &login->salt, &login->keys))
        return scram_final_send(login, out);
    login->state = LOGIN_WORKING;
    return AUTH_OFFLOAD;
}

static enum auth_answer on_sasl_final(struct auth_login *login, struct slice msg)
{
    uint8_t theirs[DIGEST_LEN], ours[DIGEST_LEN];
    int err = scram_server_final_parse(msg, theirs);
    if (err == ERR_DENIED)
        return refuse(login, "server reported a SCRAM error");
    if (err != 0)
        return refuse(login, "malformed SCRAM message from server");
    scram_server_signature(login->keys.server_key, &login->exchange, ours);
    if (!mem_equal_consttime(theirs, ours, DIGEST_LEN))
        return refuse(login, "server SCRAM signature mismatch");
    /* A salt that a stranger chose never gets a place: only now we know that the node knows the secret. */
    if (login->kind == AUTH_SECRET_PLAIN)
        scram_cache_keep(login->cache, login->secret, &login->salt, &login->keys);
    login->state = LOGIN_PROVED;
    return AUTH_MORE;
}

void auth_login_work(struct auth_login *login)
{
    assert(login->state == LOGIN_WORKING);
    scram_keys_derive(login->secret, &login->salt, &login->keys);
}

enum auth_answer auth_login_resume(struct auth_login *login, struct buf *out)
{
    assert(login->state == LOGIN_WORKING && login->keys.usable);
    return scram_final_send(login, out);
}

/* ---- the node's messages ---- */

/* The only way in. In the middle of SCRAM a node that says ok only wants to be believed. */
static enum auth_answer on_ok(struct auth_login *login, struct reader body)
{
    bool may_come = login->state == LOGIN_NEW || login->state == LOGIN_SENT_PASSWORD || login->state == LOGIN_PROVED;
    if (login->state == LOGIN_GRANTED)
        return refuse(login, "authentication request out of order");
    if (!may_come)
        return refuse(login, "server said ok before it proved itself");
    if (reader_left(&body) != 0)
        return refuse(login, "malformed authentication request");
    login->state = LOGIN_GRANTED;
    return AUTH_GRANTED;
}

static enum auth_answer refuse_unexpected(struct auth_login *login, uint32_t code)
{
    static const uint32_t known[] = {AUTH_CLEARTEXT, AUTH_MD5, AUTH_SASL, AUTH_SASL_CONTINUE, AUTH_SASL_FINAL};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (code == known[i])
            return refuse(login, "authentication request out of order");
    enum auth_answer answer = refuse(login, "unsupported authentication method");
    struct buf text = {0};
    buf_printf(&text, "%s %u", login->refusal, code);
    memcpy(login->refusal, buf_text(&text), text.len + 1);
    buf_deinit(&text);
    return answer;
}

enum auth_answer auth_login_step(struct auth_login *login, const char *body, size_t len, struct buf *out)
{
    if (login->state == LOGIN_REFUSED)
        return AUTH_REFUSED;
    assert(login->state != LOGIN_WORKING);
    if (len > SCRAM_MSG_MAX)
        return refuse(login, "authentication request too long");
    struct reader reader = reader_of(body, len);
    uint32_t code = reader_u32(&reader);
    if (reader.bad)
        return refuse(login, "malformed authentication request");
    struct slice rest = {reader.at, reader_left(&reader)};

    if (code == AUTH_OK)
        return on_ok(login, reader);
    if (login->state == LOGIN_NEW && code == AUTH_CLEARTEXT)
        return on_cleartext(login, reader, out);
    if (login->state == LOGIN_NEW && code == AUTH_MD5)
        return on_md5(login, reader, out);
    if (login->state == LOGIN_NEW && code == AUTH_SASL)
        return on_sasl(login, reader, out);
    if (login->state == LOGIN_SENT_SCRAM_FIRST && code == AUTH_SASL_CONTINUE)
        return on_sasl_continue(login, rest, out);
    if (login->state == LOGIN_SENT_SCRAM_FINAL && code == AUTH_SASL_FINAL)
        return on_sasl_final(login, rest);
    return refuse_unexpected(login, code);
}

const char *auth_login_refusal(const struct auth_login *login)
{
    assert(login->state == LOGIN_REFUSED);
    return login->refusal;
}
