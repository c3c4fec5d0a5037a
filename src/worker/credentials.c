/* SCRAM keys learned from clients, for new backends of the same pool on any worker. */
#include "worker/types.h"

struct shared_keys {
    struct list link;
    struct broker_pool *pool;
    struct scram_keys keys;
};

static struct shared_keys *keys_of(struct workers *all, const struct broker_pool *pool)
{
    LIST_FOREACH (&all->keys, it) {
        struct shared_keys *known = LIST_ENTRY(it, struct shared_keys, link);
        if (known->pool == pool)
            return known;
    }
    return NULL;
}

void shared_keys_put(struct workers *all, struct broker_pool *pool, const struct scram_keys *keys)
{
    pthread_mutex_lock(&all->keys_lock);
    struct shared_keys *known = keys_of(all, pool);
    if (known == NULL) {
        known = mem_zalloc(sizeof *known);
        known->pool = pool;
        list_push_back(&all->keys, &known->link);
    }
    known->keys = *keys;
    pthread_mutex_unlock(&all->keys_lock);
}

bool shared_keys_get(struct workers *all, struct broker_pool *pool, struct scram_keys *out)
{
    pthread_mutex_lock(&all->keys_lock);
    struct shared_keys *known = keys_of(all, pool);
    if (known != NULL)
        *out = known->keys;
    pthread_mutex_unlock(&all->keys_lock);
    return known != NULL;
}

void shared_keys_free(struct workers *all)
{
    LIST_FOREACH_SAFE (&all->keys, it, after) {
        struct shared_keys *known = LIST_ENTRY(it, struct shared_keys, link);
        mem_wipe(known, sizeof *known);
        mem_free(known);
    }
}
