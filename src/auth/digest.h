/*
 * The digests and the text forms that authentication is made of. OpenSSL's digests are used in
 * digest.c and nowhere else in the module.
 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include "pgpooler/base.h"

enum {
    DIGEST_LEN = 32,   /* SHA-256 */
    MD5_TEXT_LEN = 35, /* "md5" and 32 hex digits */
};

/* These end the process when OpenSSL cannot do them: no build or setting of OpenSSL 3 lacks them. */
void digest_sha256(const void *data, size_t len, uint8_t out[DIGEST_LEN]);
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_LEN]);
/* PBKDF2 with HMAC-SHA-256, one block: RFC 5802's Hi(). Slow by intention. */
void digest_pbkdf2(struct slice password, struct slice salt, uint32_t iterations, uint8_t out[DIGEST_LEN]);

/* "md5" and the hex digest of first and second behind each other. False: MD5 is switched off here (FIPS). */
bool digest_md5_text(struct slice first, struct slice second, char out[MD5_TEXT_LEN + 1]);

/* Equal texts, in time that tells nothing about where they differ. */
bool digest_texts_equal(const char *a, const char *b);

/* RFC 4648 with padding and without line breaks. */
void base64_append(struct buf *out, const void *data, size_t len);
/*
 * Strict: no blanks, full padding, unused bits zero, so that one value has one text.
 * ERR_SYNTAX; ERR_TOO_LARGE when there is no room for it.
 */
int base64_decode(struct slice text, void *out, size_t room, size_t *len);
/* For values of a known size; ERR_SYNTAX for any other. */
int base64_decode_exactly(struct slice text, void *out, size_t len);

#endif
