/*
 * table - open addressing with linear probing.
 *
 * A removal moves the entries behind it back into the gap, so there are no tombstones
 * and lookups stay short however much the table churns.
 */
#include "pgpooler/base.h"

struct table_slot {
    uint64_t hash;
    void *value; /* NULL: the slot is free */
};

enum { TABLE_MIN = 8 };

/* The multiplication spreads hashes that are weak in some bits; the size is a power of two. */
static uint32_t slot_home(const struct table *t, uint64_t hash)
{
    return (uint32_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->size - 1);
}

static uint32_t slot_after(const struct table *t, uint32_t at)
{
    return (at + 1) & (t->size - 1);
}

static void place(struct table *t, uint64_t hash, void *value)
{
    uint32_t at = slot_home(t, hash);
    while (t->slots[at].value)
        at = slot_after(t, at);
    t->slots[at] = (struct table_slot){hash, value};
}

static void resize(struct table *t, uint32_t size)
{
    struct table_slot *old = t->slots;
    uint32_t old_size = t->size;
    t->slots = mem_zalloc(size * sizeof(*t->slots));
    t->size = size;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i].value)
            place(t, old[i].hash, old[i].value);
    }
    mem_free(old);
}

void *table_find(const struct table *t, uint64_t hash, table_match *match, const void *key)
{
    if (t->live == 0)
        return NULL;
    for (uint32_t at = slot_home(t, hash); t->slots[at].value; at = slot_after(t, at)) {
        if (t->slots[at].hash == hash && match(t->slots[at].value, key))
            return t->slots[at].value;
    }
    return NULL;
}

void table_insert(struct table *t, uint64_t hash, void *value)
{
    assert(value);
    if (t->live >= t->size / 4 * 3) {
        assert(t->size <= UINT32_MAX / 4);
        resize(t, t->size ? t->size * 2 : TABLE_MIN);
    }
    place(t, hash, value);
    t->live++;
}

bool table_remove(struct table *t, uint64_t hash, const void *value)
{
    if (t->live == 0)
        return false;
    uint32_t gap = slot_home(t, hash);
    while (t->slots[gap].value != value) {
        if (!t->slots[gap].value)
            return false;
        gap = slot_after(t, gap);
    }
    /* An entry may fill the gap if the gap lies between its home and its place. */
    for (uint32_t at = slot_after(t, gap); t->slots[at].value; at = slot_after(t, at)) {
        uint32_t from_home = (at - slot_home(t, t->slots[at].hash)) & (t->size - 1);
        uint32_t from_gap = (at - gap) & (t->size - 1);
        if (from_home >= from_gap) {
            t->slots[gap] = t->slots[at];
            gap = at;
        }
    }
    t->slots[gap] = (struct table_slot){0};
    t->live--;
    if (t->size > TABLE_MIN && t->live < t->size / 8)
        resize(t, t->size / 2);
    return true;
}

void *table_next(const struct table *t, uint32_t *cursor)
{
    while (*cursor < t->size) {
        void *value = t->slots[(*cursor)++].value;
        if (value)
            return value;
    }
    return NULL;
}

void table_deinit(struct table *t)
{
    mem_free(t->slots);
    *t = (struct table){0};
}
