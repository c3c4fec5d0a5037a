/* What sessions of one worker share: each distinct statement and each distinct set of parameter values once. */
#include "session/store.h"

#include <stdio.h>
#include <strings.h>

/* Always tracked, in PgBouncer's order; parse analysis reads all but the last. */
static const struct {
    const char *name;
    bool parse;
} standard[] = {
    {"DateStyle", true},         {"client_encoding", true}, {"TimeZone", true}, {"standard_conforming_strings", true},
    {"application_name", false},
};

static struct params *params_intern(struct store *store, const char *const *values);

static void track(struct store *store, const char *name, size_t len, bool parse)
{
    char *copy = mem_strndup(name, len);
    if (len == 0 || store->tracked_count == TRACKED_MAX || params_index(store, copy) >= 0) {
        mem_free(copy);
        return;
    }
    store->tracked[store->tracked_count] = copy;
    store->tracked_parse[store->tracked_count] = parse;
    store->tracked_count++;
}

void store_init(struct store *store, const char *extra_tracked, int max_prepared, uint32_t max_packet_size)
{
    *store = (struct store){.max_prepared = max_prepared, .max_packet_size = max_packet_size};
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
        track(store, standard[i].name, strlen(standard[i].name), standard[i].parse);
    for (const char *at = extra_tracked ? extra_tracked : ""; *at;) {
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        track(store, at, len, true); /* an unknown parameter may matter to parse analysis */
        at += len;
    }
    const char *none[TRACKED_MAX] = {0};
    store->no_params = params_intern(store, none);
}

void store_deinit(struct store *store)
{
    params_unref(store, store->no_params);
    table_deinit(&store->params);
    table_deinit(&store->stmts);
    for (int i = 0; i < store->tracked_count; i++)
        mem_free((char *)(uintptr_t)store->tracked[i]);
}

/* ---- statements ---- */
static bool deallocates(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r')))
        at++;
    size_t len = (size_t)(end - at);
    if (len < 7 || (*at | 32) != 'd')
        return false;
    return strncasecmp(at, "discard", 7) == 0 || (len >= 10 && strncasecmp(at, "deallocate", 10) == 0);
}

bool text_may_deallocate(const char *text, size_t len)
{
    const char *end = text + len;
    while (!deallocates(text, end)) {
        text = memchr(text, ';', (size_t)(end - text));
        if (text == NULL)
            return false;
        text++;
    }
    return true;
}

bool text_may_set(const char *text)
{
    static const char *const words[] = {"set", "reset",   "rollback", "abort", "commit",
                                        "end", "discard", "do",       "call",  "execute"};
    text += strspn(text, " \t\r\n\f\v");
    if (*text == '/' || *text == '-') /* a comment: not worth reading it */
        return true;
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == len && strncasecmp(text, words[i], len) == 0)
            return true;
    return strcasestr(text, "set_config") != NULL;
}

struct stmt_key {
    struct slice tail;
    uint64_t parse_hash;
};

static bool stmt_matches(const void *value, const void *key)
{
    const struct stmt *stmt = value;
    const struct stmt_key *wanted = key;
    return stmt->parse_hash == wanted->parse_hash && stmt->tail_len == wanted->tail.len &&
           memcmp(stmt->tail, wanted->tail.ptr, wanted->tail.len) == 0;
}

static bool name_is_taken(const void *value, const void *key)
{
    return strcmp(((const struct stmt *)value)->name, key) == 0;
}

static struct stmt *stmt_new(struct slice tail, uint64_t parse_hash, struct hash128 hash)
{
    struct stmt *stmt = mem_alloc(sizeof *stmt + tail.len);
    *stmt = (struct stmt){.refs = 1, .tail_len = (uint32_t)tail.len, .hash = hash.low, .parse_hash = parse_hash};
    snprintf(stmt->name, sizeof stmt->name, "pgp_%016llx%016llx", (unsigned long long)hash.high,
             (unsigned long long)hash.low);
    memcpy(stmt->tail, tail.ptr, tail.len);
    stmt->deallocates = text_may_deallocate(tail.ptr, tail.len);
    stmt->sets = text_may_set(stmt->tail);
    return stmt;
}

struct stmt *stmt_intern(struct store *store, struct slice tail, uint64_t parse_hash)
{
    struct hash128 hash = hash128_bytes(tail.ptr, tail.len, (struct hash128){parse_hash, parse_hash});
    struct stmt_key key = {tail, parse_hash};
    struct stmt *stmt = table_find(&store->stmts, hash.low, stmt_matches, &key);
    if (stmt != NULL) {
        stmt->refs++;
        return stmt;
    }
    stmt = stmt_new(tail, parse_hash, hash);
    /* Other bytes with the same hash: never share the name. The low half stays, so both are found by it. */
    while (table_find(&store->stmts, hash.low, name_is_taken, stmt->name) != NULL) {
        struct hash128 other = hash128_bytes(stmt->name, strlen(stmt->name), hash);
        hash.high = other.high;
        snprintf(stmt->name, sizeof stmt->name, "pgp_%016llx%016llx", (unsigned long long)hash.high,
                 (unsigned long long)hash.low);
    }
    table_insert(&store->stmts, stmt->hash, stmt);
    return stmt;
}

struct stmt *stmt_find(const struct store *store, struct slice tail, uint64_t parse_hash)
{
    struct hash128 hash = hash128_bytes(tail.ptr, tail.len, (struct hash128){parse_hash, parse_hash});
    struct stmt_key key = {tail, parse_hash};
    return table_find(&store->stmts, hash.low, stmt_matches, &key);
}

struct stmt *stmt_copy(const struct stmt *stmt)
{
    struct stmt *copy = mem_dup(stmt, sizeof *stmt + stmt->tail_len);
    copy->refs = 1;
    return copy;
}

void stmt_unref(struct store *store, struct stmt *stmt)
{
    if (stmt == NULL || --stmt->refs > 0)
        return;
    bool removed = table_remove(&store->stmts, stmt->hash, stmt);
    assert(removed);
    mem_free(stmt);
}

/* ---- parameter sets ---- */
int params_index(const struct store *store, const char *name)
{
    for (int i = 0; i < store->tracked_count; i++)
        if (strcasecmp(store->tracked[i], name) == 0)
            return i;
    return -1;
}

struct params_key {
    const char *const *values;
    int count;
};

static bool params_match(const void *value, const void *key)
{
    const struct params *params = value;
    const struct params_key *wanted = key;
    for (int i = 0; i < wanted->count; i++) {
        const char *a = params->values[i], *b = wanted->values[i];
        if (a != b && (a == NULL || b == NULL || strcmp(a, b) != 0))
            return false;
    }
    return true;
}

static struct params *params_intern(struct store *store, const char *const *values)
{
    struct hash128 all = {0, 0}, parse = {0, 0};
    size_t text_len = 0;
    int count = store->tracked_count;
    for (int i = 0; i < count; i++) {
        size_t len = values[i] ? strlen(values[i]) + 1 : 0;
        all = hash128_bytes(values[i], len, all);
        if (store->tracked_parse[i])
            parse = hash128_bytes(values[i], len, parse);
        text_len += len;
    }
    struct params_key key = {values, count};
    struct params *params = table_find(&store->params, all.low, params_match, &key);
    if (params != NULL) {
        params->refs++;
        return params;
    }
    params = mem_alloc(sizeof *params + (size_t)count * sizeof *params->values + text_len);
    *params = (struct params){.refs = 1, .count = (uint32_t)count, .hash = all.low, .parse_hash = parse.low};
    char *text = (char *)(params->values + count);
    for (int i = 0; i < count; i++) {
        params->values[i] = NULL;
        if (values[i] == NULL)
            continue;
        size_t len = strlen(values[i]) + 1;
        memcpy(text, values[i], len);
        params->values[i] = text;
        text += len;
    }
    table_insert(&store->params, params->hash, params);
    return params;
}

struct params *params_ref(struct params *params)
{
    params->refs++;
    return params;
}

void params_unref(struct store *store, struct params *params)
{
    if (params == NULL || --params->refs > 0)
        return;
    bool removed = table_remove(&store->params, params->hash, params);
    assert(removed);
    mem_free(params);
}

struct params *params_with(struct store *store, struct params *base, int index, const char *value)
{
    assert(index >= 0 && index < store->tracked_count);
    const char *values[TRACKED_MAX];
    memcpy(values, base->values, (size_t)store->tracked_count * sizeof *values);
    values[index] = value;
    struct params *result = params_intern(store, values);
    params_unref(store, base);
    return result;
}

struct params *params_overlay(struct store *store, const struct params *client, struct params *server)
{
    const char *values[TRACKED_MAX];
    for (int i = 0; i < store->tracked_count; i++) {
        const char *wanted = client->values[i], *reported = server->values[i];
        bool keep = wanted == NULL || reported == NULL || strcasecmp(wanted, reported) == 0;
        values[i] = keep ? reported : wanted;
    }
    return params_intern(store, values);
}

struct params *params_copy_into(struct store *store, const struct params *foreign)
{
    const char *values[TRACKED_MAX] = {0};
    for (uint32_t i = 0; i < foreign->count && i < (uint32_t)store->tracked_count; i++)
        values[i] = foreign->values[i];
    return params_intern(store, values);
}

struct params *params_plain_copy(const struct params *params)
{
    size_t text_len = 0;
    for (uint32_t i = 0; i < params->count; i++)
        text_len += params->values[i] ? strlen(params->values[i]) + 1 : 0;
    struct params *copy = mem_alloc(sizeof *copy + params->count * sizeof *copy->values + text_len);
    *copy = *params;
    copy->refs = 1;
    char *text = (char *)(copy->values + params->count);
    for (uint32_t i = 0; i < params->count; i++) {
        copy->values[i] = NULL;
        if (params->values[i] != NULL) {
            size_t len = strlen(params->values[i]) + 1;
            copy->values[i] = memcpy(text, params->values[i], len);
            text += len;
        }
    }
    return copy;
}
