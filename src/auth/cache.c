/*
 * Keys by what they were derived from. Sets of a few places each, found by a keyed digest, so that
 * nobody can choose salts that push out another user's keys; the oldest of a set makes room.
 */
#include "auth/scram.h"

#include <pthread.h>

enum { SETS = 1024, PLACES = 4 };

struct place {
    uint8_t name[DIGEST_LEN]; /* digest of password, salt and iterations under the cache's key */
    struct scram_keys keys;   /* usable: the place is taken */
};
struct set {
    struct place places[PLACES];
    unsigned int next; /* place to give away next */
};
struct auth_scram_cache {
    pthread_mutex_t lock;
    uint8_t key[DIGEST_LEN]; /* random: the names tell nothing about the passwords */
    struct set sets[SETS];
};

struct auth_scram_cache *auth_scram_cache_new(void)
{
    struct auth_scram_cache *cache = mem_zalloc(sizeof(*cache));
    pthread_mutex_init(&cache->lock, NULL);
    random_bytes(cache->key, sizeof(cache->key));
    return cache;
}

void auth_scram_cache_free(struct auth_scram_cache *cache)
{
    if (cache == NULL)
        return;
    pthread_mutex_destroy(&cache->lock);
    mem_wipe(cache, sizeof(*cache));
    mem_free(cache);
}

static void name_of(const struct auth_scram_cache *cache, const char *password, const struct scram_salt *salt,
                    uint8_t out[DIGEST_LEN])
{
    struct buf parts = {0};
    buf_reserve(&parts, 8 + salt->len + strlen(password)); /* in one piece: growing would leave the password behind */
    buf_append_u32(&parts, salt->iterations);
    buf_append_u32(&parts, (uint32_t)salt->len);
    buf_append(&parts, salt->bytes, salt->len);
    buf_append(&parts, password, strlen(password));
    digest_hmac(cache->key, sizeof(cache->key), parts.data, parts.len, out);
    mem_wipe(parts.data, parts.cap);
    buf_deinit(&parts);
}

/* NULL when it is not there. With the lock held. */
static struct place *place_find(struct set *set, const uint8_t name[DIGEST_LEN])
{
    for (size_t i = 0; i < PLACES; i++)
        if (set->places[i].keys.usable && memcmp(set->places[i].name, name, DIGEST_LEN) == 0)
            return &set->places[i];
    return NULL;
}

bool scram_cache_find(struct auth_scram_cache *cache, const char *password, const struct scram_salt *salt,
                      struct scram_keys *out)
{
    if (cache == NULL)
        return false;
    uint8_t name[DIGEST_LEN];
    name_of(cache, password, salt, name);
    pthread_mutex_lock(&cache->lock);
    const struct place *place = place_find(&cache->sets[read_u32(name) % SETS], name);
    if (place != NULL)
        *out = place->keys;
    pthread_mutex_unlock(&cache->lock);
    return place != NULL;
}

void scram_cache_keep(struct auth_scram_cache *cache, const char *password, const struct scram_salt *salt,
                      const struct scram_keys *keys)
{
    if (cache == NULL)
        return;
    assert(keys->usable);
    uint8_t name[DIGEST_LEN];
    name_of(cache, password, salt, name);
    struct set *set = &cache->sets[read_u32(name) % SETS];
    pthread_mutex_lock(&cache->lock);
    if (place_find(set, name) == NULL) { /* two logins at once may have derived the same keys */
        struct place *place = &set->places[set->next++ % PLACES];
        memcpy(place->name, name, DIGEST_LEN);
        place->keys = *keys;
    }
    pthread_mutex_unlock(&cache->lock);
}
