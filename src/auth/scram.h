/*
 * SCRAM-SHA-256 without a conversation: the keys, the four messages, the stored secret.
 *
 *      client first   n,,n=,r=<client nonce>
 *      server first   r=<client nonce><server nonce>,s=<salt>,i=<iterations>
 *      client final   c=biws,r=<both nonces>,p=<proof>
 *      server final   v=<signature>
 *
 * Every reader takes exactly one form: attributes in RFC 5802's order, none twice, no NUL, nothing
 * behind the last. What they lend points into the message.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "pgpooler/auth.h"

#include "auth/digest.h"

enum {
    SCRAM_SALT_MAX = 1024,    /* bytes */
    SCRAM_SALT_LEN = 16,      /* of salts that we make; what PostgreSQL uses, so that ours do not stand out */
    SCRAM_MSG_MAX = 8192,     /* longest message of either side that is looked at */
    SCRAM_NONCE_BYTES = 18,   /* random ones of our part, as PostgreSQL and libpq */
    SCRAM_NONCE_TEXT = 24,    /* the same as base64 */
    SCRAM_NODE_WORK = 100000, /* most iterations that a node may make us compute; CVE-2026-6669 */
    /* Most iterations of a stored secret to check a plain password against: users choose their own secrets. */
    SCRAM_STORED_WORK = 1000000,
};
#define SCRAM_MECHANISM "SCRAM-SHA-256"

/* ---- keys ---- */
struct scram_salt {
    uint32_t iterations;
    size_t len;
    uint8_t bytes[SCRAM_SALT_MAX];
};
struct scram_secret {
    struct scram_salt salt;
    uint8_t stored_key[DIGEST_LEN], server_key[DIGEST_LEN];
};
/* ERR_SYNTAX for anything but SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey. */
int scram_secret_parse(const char *text, struct scram_secret *out);

/* Slow: salt->iterations rounds. */
void scram_keys_derive(const char *password, const struct scram_salt *salt, struct scram_keys *out);
void scram_stored_key(const uint8_t client_key[DIGEST_LEN], uint8_t out[DIGEST_LEN]);
/*
 * key XOR ClientSignature: makes the proof of a ClientKey, and the ClientKey of a proof.
 * @exchange  AuthMessage: client-first-bare "," server-first "," client-final-without-proof
 */
void scram_mask(const uint8_t stored_key[DIGEST_LEN], const struct buf *exchange, const uint8_t key[DIGEST_LEN],
                uint8_t out[DIGEST_LEN]);
void scram_server_signature(const uint8_t server_key[DIGEST_LEN], const struct buf *exchange, uint8_t out[DIGEST_LEN]);

/* Appends a fresh part of a nonce, SCRAM_NONCE_TEXT characters. */
void scram_nonce_append(struct buf *out);

/* ---- messages: 0, ERR_PROTOCOL, or what the function says ---- */
struct scram_client_first {
    struct slice gs2;   /* "n,," or "y,,": comes back in client final as c= */
    struct slice bare;  /* behind gs2 */
    struct slice nonce; /* not empty */
};
/* ERR_DENIED when the client insists on channel binding or on acting for somebody else. */
int scram_client_first_parse(struct slice msg, struct scram_client_first *out);

struct scram_server_first {
    struct slice nonce;
    struct scram_salt salt;
};
/* ERR_TOO_LARGE for a salt or an iteration count above the bounds. */
int scram_server_first_parse(struct slice msg, struct scram_server_first *out);

struct scram_client_final {
    struct slice binding;       /* base64 as sent */
    struct slice nonce;         /* both parts */
    struct slice without_proof; /* the message up to ",p=" */
    uint8_t proof[DIGEST_LEN];
};
int scram_client_final_parse(struct slice msg, struct scram_client_final *out);

/* ERR_DENIED when the server reports an error instead. */
int scram_server_final_parse(struct slice msg, uint8_t signature[DIGEST_LEN]);

/* ---- cache.c; both do nothing for a NULL cache ---- */
bool scram_cache_find(struct auth_scram_cache *cache, const char *password, const struct scram_salt *salt,
                      struct scram_keys *out);
void scram_cache_keep(struct auth_scram_cache *cache, const char *password, const struct scram_salt *salt,
                      const struct scram_keys *keys);

#endif
