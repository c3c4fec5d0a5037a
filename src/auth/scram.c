#include "auth/scram.h"

/* ---- keys: RFC 5802 section 3 ---- */

static void key_of(const uint8_t salted[DIGEST_LEN], const char *role, uint8_t out[DIGEST_LEN])
{
    digest_hmac(salted, DIGEST_LEN, role, strlen(role), out);
}

void scram_keys_derive(const char *password, const struct scram_salt *salt, struct scram_keys *out)
{
    uint8_t salted[DIGEST_LEN];
    digest_pbkdf2(slice_of(password), (struct slice){(const char *)salt->bytes, salt->len}, salt->iterations, salted);
    key_of(salted, "Client Key", out->client_key);
    key_of(salted, "Server Key", out->server_key);
    out->usable = true;
    mem_wipe(salted, sizeof(salted));
}

void scram_stored_key(const uint8_t client_key[DIGEST_LEN], uint8_t out[DIGEST_LEN])
{
    digest_sha256(client_key, DIGEST_LEN, out);
}

void scram_mask(const uint8_t stored_key[DIGEST_LEN], const struct buf *exchange, const uint8_t key[DIGEST_LEN],
                uint8_t out[DIGEST_LEN])
{
    uint8_t signature[DIGEST_LEN];
    digest_hmac(stored_key, DIGEST_LEN, exchange->data, exchange->len, signature);
    for (size_t i = 0; i < DIGEST_LEN; i++)
        out[i] = key[i] ^ signature[i];
    mem_wipe(signature, sizeof(signature));
}

void scram_server_signature(const uint8_t server_key[DIGEST_LEN], const struct buf *exchange, uint8_t out[DIGEST_LEN])
{
    digest_hmac(server_key, DIGEST_LEN, exchange->data, exchange->len, out);
}

void scram_nonce_append(struct buf *out)
{
    uint8_t bytes[SCRAM_NONCE_BYTES];
    random_bytes(bytes, sizeof(bytes));
    base64_append(out, bytes, sizeof(bytes));
}

/* ---- reading attributes: name "=" value, with commas between them ---- */

struct attributes {
    const char *at, *end;
    bool open; /* at the start, or behind a comma: an attribute has to follow */
};

static struct attributes attributes_of(struct slice msg)
{
    return (struct attributes){msg.ptr, msg.ptr + msg.len, true};
}

/* False when there is none, or none that is well-formed. The value may be empty. */
static bool attribute_next(struct attributes *list, char *name, struct slice *value)
{
    size_t left = (size_t)(list->end - list->at);
    if (!list->open || left < 2 || list->at[1] != '=')
        return false;
    char letter = list->at[0];
    if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')))
        return false;
    const char *from = list->at + 2;
    const char *comma = memchr(from, ',', left - 2);
    const char *to = comma != NULL ? comma : list->end;
    *name = letter;
    *value = (struct slice){from, (size_t)(to - from)};
    if (memchr(from, '\0', value->len) != NULL)
        return false;
    list->open = comma != NULL;
    list->at = comma != NULL ? comma + 1 : list->end;
    return true;
}

static bool attribute_named(struct attributes *list, char wanted, struct slice *value)
{
    char name;
    return attribute_next(list, &name, value) && name == wanted;
}

/* Extensions that we do not know are skipped, but the letters of RFC 5802 are none: `m` asks us to refuse. */
static bool is_extension(char name, struct slice value)
{
    return strchr("anmrcsipve", name) == NULL && value.len > 0;
}

/* RFC 5802: printable ASCII but for the comma, which cannot get here. */
static bool is_nonce(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
            return false;
    return text.len > 0;
}

/* RFC 5802's posit-number, up to max. 0, ERR_PROTOCOL or ERR_TOO_LARGE. */
static int number_parse(struct slice text, uint32_t max, uint32_t *out)
{
    if (text.len == 0 || text.ptr[0] == '0')
        return ERR_PROTOCOL;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return ERR_PROTOCOL;
        if (value <= max)
            value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    if (value > max)
        return ERR_TOO_LARGE;
    *out = (uint32_t)value;
    return 0;
}

/* An empty salt is as wrong as one that is no base64. */
static int salt_parse(struct slice text, struct scram_salt *out)
{
    int err = base64_decode(text, out->bytes, sizeof(out->bytes), &out->len);
    if (err == ERR_TOO_LARGE)
        return err;
    return err != 0 || out->len == 0 ? ERR_PROTOCOL : 0;
}

/* ---- the messages: RFC 5802 section 7 ---- */

int scram_client_first_parse(struct slice msg, struct scram_client_first *out)
{
    if (msg.len > SCRAM_MSG_MAX || msg.len < 3)
        return ERR_PROTOCOL;
    if (msg.ptr[0] == 'p' && msg.ptr[1] == '=')
        return ERR_DENIED; /* SCRAM-SHA-256-PLUS, which we did not offer */
    if ((msg.ptr[0] != 'n' && msg.ptr[0] != 'y') || msg.ptr[1] != ',')
        return ERR_PROTOCOL;
    if (msg.ptr[2] == 'a')
        return ERR_DENIED; /* authzid: logging in as one user to be another */
    if (msg.ptr[2] != ',')
        return ERR_PROTOCOL;
    out->gs2 = (struct slice){msg.ptr, 3};
    out->bare = (struct slice){msg.ptr + 3, msg.len - 3};

    struct attributes list = attributes_of(out->bare);
    struct slice value;
    char name;
    if (!attribute_named(&list, 'n', &value) || !attribute_named(&list, 'r', &out->nonce) || !is_nonce(out->nonce))
        return ERR_PROTOCOL;
    while (list.open)
        if (!attribute_next(&list, &name, &value) || !is_extension(name, value))
            return ERR_PROTOCOL;
    return 0;
}

int scram_server_first_parse(struct slice msg, struct scram_server_first *out)
{
    struct attributes list = attributes_of(msg);
    struct slice salt, iterations;
    if (msg.len > SCRAM_MSG_MAX || !attribute_named(&list, 'r', &out->nonce) || !is_nonce(out->nonce) ||
        !attribute_named(&list, 's', &salt) || !attribute_named(&list, 'i', &iterations) || list.open)
        return ERR_PROTOCOL;
    int err = salt_parse(salt, &out->salt);
    return err != 0 ? err : number_parse(iterations, SCRAM_NODE_WORK, &out->salt.iterations);
}

int scram_client_final_parse(struct slice msg, struct scram_client_final *out)
{
    struct attributes list = attributes_of(msg);
    struct slice value;
    char name;
    if (msg.len > SCRAM_MSG_MAX || !attribute_named(&list, 'c', &out->binding) || out->binding.len == 0 ||
        !attribute_named(&list, 'r', &out->nonce) || !is_nonce(out->nonce))
        return ERR_PROTOCOL;
    do {
        /* The comma in front of this attribute is where the part without the proof ends, if it is the proof. */
        out->without_proof = (struct slice){msg.ptr, (size_t)(list.at - msg.ptr) - (list.open ? 1 : 0)};
        if (!attribute_next(&list, &name, &value))
            return ERR_PROTOCOL;
    } while (is_extension(name, value));
    if (name != 'p' || list.open || base64_decode_exactly(value, out->proof, sizeof(out->proof)) != 0)
        return ERR_PROTOCOL;
    return 0;
}

int scram_server_final_parse(struct slice msg, uint8_t signature[DIGEST_LEN])
{
    struct attributes list = attributes_of(msg);
    struct slice value;
    char name;
    if (msg.len > SCRAM_MSG_MAX || !attribute_next(&list, &name, &value) || list.open)
        return ERR_PROTOCOL;
    if (name == 'e')
        return ERR_DENIED;
    if (name != 'v' || base64_decode_exactly(value, signature, DIGEST_LEN) != 0)
        return ERR_PROTOCOL;
    return 0;
}

/* ---- the stored secret: docs CATALOG-PG-AUTHID ---- */

/* Takes the text up to `separator` off *rest. */
static bool field_until(struct slice *rest, char separator, struct slice *field)
{
    const char *at = memchr(rest->ptr, separator, rest->len);
    if (at == NULL)
        return false;
    *field = (struct slice){rest->ptr, (size_t)(at - rest->ptr)};
    rest->ptr = at + 1;
    rest->len -= field->len + 1;
    return true;
}

int scram_secret_parse(const char *text, struct scram_secret *out)
{
    struct slice rest = slice_of(text), mechanism, iterations, salt, stored;
    if (!field_until(&rest, '$', &mechanism) || !slice_equal(mechanism, slice_of(SCRAM_MECHANISM)) ||
        !field_until(&rest, ':', &iterations) || !field_until(&rest, '$', &salt) || !field_until(&rest, ':', &stored))
        return ERR_SYNTAX;
    if (number_parse(iterations, INT32_MAX, &out->salt.iterations) != 0 || salt_parse(salt, &out->salt) != 0 ||
        base64_decode_exactly(stored, out->stored_key, DIGEST_LEN) != 0 ||
        base64_decode_exactly(rest, out->server_key, DIGEST_LEN) != 0)
        return ERR_SYNTAX;
    return 0;
}
