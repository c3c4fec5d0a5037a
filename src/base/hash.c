/*
 * hash - XXH3 keyed with a secret of this process, so that a peer who chooses the
 * keys cannot choose the collisions.
 */
#include "pgpooler/base.h"

#include <pthread.h>

#define XXH_INLINE_ALL /* no symbols: libpg_query exports its own copy under the same names */
#include <xxhash.h>

static unsigned char secret[XXH3_SECRET_DEFAULT_SIZE];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    random_bytes(secret, sizeof(secret));
}

uint64_t hash_bytes(const void *data, size_t len)
{
    pthread_once(&secret_once, make_secret);
    return XXH3_64bits_withSecret(data, len, secret, sizeof(secret));
}

static struct hash128 hash128_plain(const void *data, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(data, len, secret, sizeof(secret));
    return (struct hash128){hash.high64, hash.low64};
}

struct hash128 hash128_bytes(const void *data, size_t len, struct hash128 chain)
{
    pthread_once(&secret_once, make_secret);
    struct hash128 own = hash128_plain(data, len);
    if (chain.high == 0 && chain.low == 0)
        return own;
    struct hash128 both[2] = {chain, own};
    return hash128_plain(both, sizeof(both));
}
