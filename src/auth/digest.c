#include "auth/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

static void require(bool done, const char *what)
{
    if (done)
        return;
    log_write(LOG_LEVEL_FATAL, "OpenSSL cannot compute %s", what);
    abort();
}

void digest_sha256(const void *data, size_t len, uint8_t out[DIGEST_LEN])
{
    require(EVP_Q_digest(NULL, "SHA256", NULL, data, len, out, NULL) == 1, "SHA-256");
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_LEN])
{
    assert(key_len <= INT32_MAX);
    unsigned int out_len = 0;
    require(HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &out_len) != NULL && out_len == DIGEST_LEN,
            "HMAC-SHA-256");
}

void digest_pbkdf2(struct slice password, struct slice salt, uint32_t iterations, uint8_t out[DIGEST_LEN])
{
    assert(password.len <= INT32_MAX && salt.len <= INT32_MAX && iterations >= 1 && iterations <= INT32_MAX);
    require(PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, (const unsigned char *)salt.ptr, (int)salt.len,
                              (int)iterations, EVP_sha256(), DIGEST_LEN, out) == 1,
            "PBKDF2");
}

bool digest_md5_text(struct slice first, struct slice second, char out[MD5_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[16];
    struct buf both = {0};
    buf_reserve(&both, first.len + second.len + 1); /* in one piece: growing would leave a copy of a secret behind */
    buf_append(&both, first.ptr, first.len);
    buf_append(&both, second.ptr, second.len);
    bool done = EVP_Q_digest(NULL, "MD5", NULL, both.data, both.len, digest, NULL) == 1;
    mem_wipe(both.data, both.cap);
    buf_deinit(&both);
    if (!done)
        return false;
    memcpy(out, "md5", 3);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[3 + 2 * i] = hex[digest[i] >> 4];
        out[4 + 2 * i] = hex[digest[i] & 15];
    }
    out[MD5_TEXT_LEN] = '\0';
    mem_wipe(digest, sizeof(digest));
    return true;
}

bool digest_texts_equal(const char *a, const char *b)
{
    uint8_t of_a[DIGEST_LEN], of_b[DIGEST_LEN];
    digest_sha256(a, strlen(a), of_a);
    digest_sha256(b, strlen(b), of_b);
    bool equal = mem_equal_consttime(of_a, of_b, DIGEST_LEN);
    mem_wipe(of_a, sizeof(of_a));
    mem_wipe(of_b, sizeof(of_b));
    return equal;
}
