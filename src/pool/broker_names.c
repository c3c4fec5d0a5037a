/*
 * The records of entries, users and pools, found by name; who is logged in; what new clients are welcomed with.
 *
 * Records are made when first named and stay: there are as many as entries and users in use.
 */
#include "broker_state.h"

static bool scope_has_name(const void *value, const void *key)
{
    const struct scope *scope = value;
    const struct slice *name = key;
    return slice_equal((struct slice){scope->name, scope->name_len}, *name);
}

struct scope *scope_find(const struct table *scopes, const char *name, size_t name_len)
{
    struct slice key = {name, name_len};
    return table_find(scopes, hash_bytes(name, name_len), scope_has_name, &key);
}

struct scope *scope_get(struct table *scopes, const char *name, size_t name_len)
{
    struct scope *scope = scope_find(scopes, name, name_len);
    if (scope)
        return scope;
    scope = mem_zalloc(sizeof(*scope));
    scope->name = mem_strndup(name, name_len);
    scope->name_len = name_len;
    table_insert(scopes, hash_bytes(name, name_len), scope);
    return scope;
}

static void scope_add_member(struct scope *scope, struct broker_pool *p)
{
    size_t count = (size_t)scope->member_count + 1;
    scope->members = mem_realloc(scope->members, count * sizeof(struct broker_pool *));
    scope->members[scope->member_count++] = p;
}

static struct scope *account_get(struct broker *b, const char *entry, const char *user)
{
    struct buf name = {0};
    buf_append_cstr(&name, entry);
    buf_append_str(&name, user);
    struct scope *account = scope_get(&b->accounts, name.data, name.len);
    buf_deinit(&name);
    return account;
}

static struct broker_pool *pool_new(struct broker *b, struct scope *account, const char *entry, const char *user,
                                    int target)
{
    struct broker_pool *p = mem_zalloc(sizeof(*p) + (size_t)b->workers * sizeof(struct place));
    p->broker = b;
    p->entry = mem_strdup(entry);
    p->user = mem_strdup(user);
    p->target = target;
    p->index = b->process.member_count;
    p->account = account;
    p->limits.connects_max = 1;
    list_init(&p->queue);
    list_init(&p->hungry);
    for (int w = 0; w < b->workers; w++)
        list_init(&p->places[w].tickets);

    p->scope[SCOPE_ENTRY] = scope_get(&b->entries, entry, strlen(entry));
    p->scope[SCOPE_USER] = scope_get(&b->users, user, strlen(user));
    p->scope[SCOPE_PROCESS] = &b->process;
    for (enum scope_kind kind = 0; kind < SCOPES; kind++)
        scope_add_member(p->scope[kind], p);
    scope_add_member(account, p);
    return p;
}

struct broker_pool *broker_pool_get(struct broker *b, const char *entry, const char *user, int target)
{
    struct broker_pool *p = NULL;
    pthread_mutex_lock(&b->lock);
    struct scope *account = account_get(b, entry, user);
    for (int i = 0; i < account->member_count && !p; i++)
        if (account->members[i]->target == target)
            p = account->members[i];
    if (!p)
        p = pool_new(b, account, entry, user, target);
    pthread_mutex_unlock(&b->lock);
    return p;
}

const char *broker_pool_entry(const struct broker_pool *p)
{
    return p->entry;
}

const char *broker_pool_user(const struct broker_pool *p)
{
    return p->user;
}

int broker_pool_target(const struct broker_pool *p)
{
    return p->target;
}

struct broker_pool *broker_pool_next(struct broker *b, const struct broker_pool *after)
{
    pthread_mutex_lock(&b->lock);
    int index = after ? after->index + 1 : 0;
    struct broker_pool *next = index < b->process.member_count ? b->process.members[index] : NULL;
    pthread_mutex_unlock(&b->lock);
    return next;
}

static void pool_free(struct broker_pool *p)
{
    mem_free(p->entry);
    mem_free(p->user);
    mem_free(p->failure);
    buf_deinit(&p->welcome);
    mem_free(p);
}

static void scopes_deinit(struct table *scopes)
{
    uint32_t cursor = 0;
    struct scope *scope;
    while ((scope = table_next(scopes, &cursor))) {
        mem_free(scope->name);
        mem_free(scope->members);
        mem_free(scope);
    }
    table_deinit(scopes);
}

void names_deinit(struct broker *b)
{
    for (int i = 0; i < b->process.member_count; i++)
        pool_free(b->process.members[i]);
    mem_free(b->process.members);
    scopes_deinit(&b->entries);
    scopes_deinit(&b->users);
    scopes_deinit(&b->accounts);
}

/* ---- clients ---- */

enum broker_login broker_client_login(struct broker *b, const char *entry, const char *user, int database_max,
                                      int user_max)
{
    enum broker_login answer = BROKER_LOGIN_OK;
    pthread_mutex_lock(&b->lock);
    struct scope *database = scope_get(&b->entries, entry, strlen(entry));
    struct scope *owner = scope_get(&b->users, user, strlen(user));
    if (b->clients_max > 0 && b->process.clients >= b->clients_max) {
        answer = BROKER_LOGIN_PROCESS_FULL;
    } else if (database_max > 0 && database->clients >= database_max) {
        answer = BROKER_LOGIN_DATABASE_FULL;
    } else if (user_max > 0 && owner->clients >= user_max) {
        answer = BROKER_LOGIN_USER_FULL;
    } else {
        b->process.clients++;
        database->clients++;
        owner->clients++;
        account_get(b, entry, user)->clients++;
    }
    pthread_mutex_unlock(&b->lock);
    return answer;
}

void broker_client_logout(struct broker *b, const char *entry, const char *user)
{
    pthread_mutex_lock(&b->lock);
    struct scope *account = account_get(b, entry, user);
    assert(account->clients > 0); /* each logout follows a login that was granted */
    account->clients--;
    b->process.clients--;
    scope_get(&b->entries, entry, strlen(entry))->clients--;
    scope_get(&b->users, user, strlen(user))->clients--;
    pthread_mutex_unlock(&b->lock);
}

/* ---- the welcome ---- */

void broker_welcome_set(struct broker *b, struct broker_pool *p, const void *params, size_t len)
{
    pthread_mutex_lock(&b->lock);
    p->welcome.len = 0;
    buf_append(&p->welcome, params, len);
    p->has_welcome = true;
    p->welcome_in_doubt = false;
    pthread_mutex_unlock(&b->lock);
}

void broker_welcome_doubt(struct broker *b, struct broker_pool *p)
{
    pthread_mutex_lock(&b->lock);
    p->welcome_in_doubt = true;
    pthread_mutex_unlock(&b->lock);
}

bool broker_welcome_get(struct broker *b, struct broker_pool *p, bool even_in_doubt, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    bool there = p->has_welcome && (even_in_doubt || !p->welcome_in_doubt);
    if (there && p->welcome.len > 0)
        buf_append(out, p->welcome.data, p->welcome.len);
    pthread_mutex_unlock(&b->lock);
    return there;
}

/* ---- counts ---- */

static void count_pool(const struct broker_pool *p, struct broker_counts *out)
{
    out->total += p->total;
    out->connecting += p->connecting;
    out->on_way += p->on_way;
    out->tickets += atomic_load(&p->waiting);
    if (p->limits.size > 0 && p->total > p->limits.size)
        out->reserved += p->total - p->limits.size;
    const struct ticket *oldest = queue_oldest(p);
    if (oldest && oldest->since < out->oldest_since)
        out->oldest_since = oldest->since;
}

/* `scope` NULL: nothing is known by that name, all is 0. */
static void count_scope(const struct scope *scope, struct broker_counts *out)
{
    *out = (struct broker_counts){.oldest_since = USEC_NEVER};
    if (!scope)
        return;
    for (int i = 0; i < scope->member_count; i++)
        count_pool(scope->members[i], out);
    out->clients = scope->clients;
}

void broker_pool_count(struct broker *b, struct broker_pool *p, struct broker_counts *out)
{
    pthread_mutex_lock(&b->lock);
    *out = (struct broker_counts){.oldest_since = USEC_NEVER};
    count_pool(p, out);
    out->clients = p->account->clients;
    pthread_mutex_unlock(&b->lock);
}

void broker_database_count(struct broker *b, const char *entry, struct broker_counts *out)
{
    pthread_mutex_lock(&b->lock);
    count_scope(scope_find(&b->entries, entry, strlen(entry)), out);
    pthread_mutex_unlock(&b->lock);
}

void broker_user_count(struct broker *b, const char *user, struct broker_counts *out)
{
    pthread_mutex_lock(&b->lock);
    count_scope(scope_find(&b->users, user, strlen(user)), out);
    pthread_mutex_unlock(&b->lock);
}

void broker_process_count(struct broker *b, struct broker_counts *out)
{
    pthread_mutex_lock(&b->lock);
    count_scope(&b->process, out);
    pthread_mutex_unlock(&b->lock);
}
