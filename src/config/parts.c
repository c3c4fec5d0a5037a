/* parts - entries, users and peers: made, copied, added to a config, freed. */
#include "parts.h"

/* ---- entries ---- */

struct config_entry *entry_new(const char *name)
{
    struct config_entry *entry = mem_zalloc(sizeof(*entry));
    rows_unset(&entry_rows, entry);
    entry->name = mem_strdup(name);
    return entry;
}

struct config_entry *entry_copy(const struct config_entry *entry)
{
    struct config_entry *copy = entry_new(entry->name);
    struct buf why = {0};
    rows_copy(&entry_rows, copy, entry);
    int err = entry_split_hosts(copy, &why);
    assert(err == 0); /* the original went through it */
    (void)err;
    copy->is_auto = entry->is_auto;
    return copy;
}

void config_entry_free(struct config_entry *entry)
{
    if (entry == NULL)
        return;
    for (size_t i = 0; entry->hosts != NULL && i < entry->host_count; i++) {
        mem_free((char *)entry->hosts[i].host);
        mem_free((char *)entry->hosts[i].zone);
    }
    mem_free(entry->hosts);
    rows_clear(&entry_rows, entry);
    mem_free((char *)entry->name);
    mem_free(entry);
}

bool config_name_is_reserved(const char *name)
{
    return strcmp(name, "pgbouncer") == 0 || strcmp(name, "pgpooler") == 0;
}

struct config_entry *config_make_auto(const struct config *c, const char *name)
{
    if (c->auto_template == NULL || name[0] == '\0' || strlen(name) > CONFIG_ENTRY_NAME_MAX ||
        config_name_is_reserved(name))
        return NULL;
    struct config_entry *entry = entry_copy(c->auto_template);
    mem_free((char *)entry->name);
    entry->name = mem_strdup(name);
    if (entry->dbname == NULL)
        entry->dbname = mem_strdup(name);
    entry->is_auto = true;
    return entry;
}

static bool hosts_are_equal(const struct config_entry *a, const struct config_entry *b)
{
    if (a->host_count != b->host_count)
        return false;
    for (size_t i = 0; i < a->host_count; i++) {
        const char *host_a = a->hosts[i].host, *host_b = b->hosts[i].host;
        if (a->hosts[i].port != b->hosts[i].port || (host_a == NULL) != (host_b == NULL))
            return false;
        if (host_a != NULL && strcmp(host_a, host_b) != 0)
            return false;
    }
    return true;
}

bool config_entry_is_dirty(const struct config_entry *before, const struct config_entry *after)
{
    for (size_t i = 0; i < entry_rows.count; i++) {
        const struct config_option *option = &entry_rows.options[i];
        if (option->change == CHANGE_CLOSE && !value_equal(option, row_value(before, option), row_value(after, option)))
            return true;
    }
    return !hosts_are_equal(before, after);
}

/* ---- users ---- */

struct config_user *user_new(const char *name)
{
    struct config_user *user = mem_zalloc(sizeof(*user));
    rows_unset(&user_rows, user);
    user->name = mem_strdup(name);
    return user;
}

struct config_user *user_copy(const struct config_user *user)
{
    struct config_user *copy = user_new(user->name);
    rows_copy(&user_rows, copy, user);
    user_set_secret(copy, user->secret);
    return copy;
}

void user_set_secret(struct config_user *user, const char *secret)
{
    char *before = (char *)user->secret;
    user->secret = secret == NULL ? NULL : mem_strdup(secret);
    user->has_password = secret != NULL;
    if (before != NULL)
        mem_wipe(before, strlen(before));
    mem_free(before);
}

void user_free(struct config_user *user)
{
    user_set_secret(user, NULL);
    rows_clear(&user_rows, user);
    mem_free((char *)user->name);
    mem_free(user);
}

/* ---- peers ---- */

struct config_peer *peer_new(int id)
{
    struct config_peer *peer = mem_zalloc(sizeof(*peer));
    rows_unset(&peer_rows, peer);
    peer->id = id;
    return peer;
}

struct config_peer *peer_copy(const struct config_peer *peer)
{
    struct config_peer *copy = peer_new(peer->id);
    rows_copy(&peer_rows, copy, peer);
    return copy;
}

void peer_free(struct config_peer *peer)
{
    rows_clear(&peer_rows, peer);
    mem_free(peer);
}

/* ---- in a config ---- */

static bool entry_has_name(const void *entry, const void *name)
{
    return strcmp(((const struct config_entry *)entry)->name, name) == 0;
}

static bool user_has_name(const void *user, const void *name)
{
    return strcmp(((const struct config_user *)user)->name, name) == 0;
}

const struct config_entry *config_find_entry(const struct config *c, const char *name)
{
    return table_find(&c->entries_by_name, hash_bytes(name, strlen(name)), entry_has_name, name);
}

const struct config_user *config_find_user(const struct config *c, const char *name)
{
    return table_find(&c->users_by_name, hash_bytes(name, strlen(name)), user_has_name, name);
}

const struct config_peer *config_find_peer(const struct config *c, int id)
{
    for (size_t i = 0; i < c->peer_count; i++)
        if (c->peers[i]->id == id)
            return c->peers[i];
    return NULL;
}

/* Room for one more pointer in an array that grows at powers of two. */
static void *grow(void *array, size_t count)
{
    if ((count & (count - 1)) != 0)
        return array;
    return mem_realloc(array, (count == 0 ? 1 : count * 2) * sizeof(void *));
}

void config_add_entry(struct config *c, struct config_entry *entry)
{
    uint64_t hash = hash_bytes(entry->name, strlen(entry->name));
    struct config_entry *before = table_find(&c->entries_by_name, hash, entry_has_name, entry->name);
    size_t at = c->entry_count;
    if (before != NULL) {
        for (at = 0; c->entries[at] != before; at++)
            ;
        table_remove(&c->entries_by_name, hash, before);
        config_entry_free(before);
    } else {
        c->entries = grow(c->entries, c->entry_count++);
    }
    c->entries[at] = entry;
    table_insert(&c->entries_by_name, hash, entry);
}

void config_add_user(struct config *c, struct config_user *user)
{
    assert(config_find_user(c, user->name) == NULL);
    c->users = grow(c->users, c->user_count);
    c->users[c->user_count++] = user;
    table_insert(&c->users_by_name, hash_bytes(user->name, strlen(user->name)), user);
}

struct config_user *config_need_user(struct config *c, const char *name)
{
    struct config_user *user = table_find(&c->users_by_name, hash_bytes(name, strlen(name)), user_has_name, name);
    if (user == NULL) {
        user = user_new(name);
        config_add_user(c, user);
    }
    return user;
}

void config_add_peer(struct config *c, struct config_peer *peer)
{
    for (size_t i = 0; i < c->peer_count; i++) {
        if (c->peers[i]->id == peer->id) {
            peer_free(c->peers[i]);
            c->peers[i] = peer;
            return;
        }
    }
    c->peers = grow(c->peers, c->peer_count);
    c->peers[c->peer_count++] = peer;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->entry_count; i++)
        config_entry_free(c->entries[i]);
    for (size_t i = 0; i < c->user_count; i++)
        user_free(c->users[i]);
    for (size_t i = 0; i < c->peer_count; i++)
        peer_free(c->peers[i]);
    config_entry_free(c->auto_template);
    mem_free(c->entries);
    mem_free(c->users);
    mem_free(c->peers);
    table_deinit(&c->entries_by_name);
    table_deinit(&c->users_by_name);
    rows_clear(&global_rows, c);
    mem_free(c);
}
