/* effective - which of several places decides a value: the user, then the entry, then the global key. */
#include "pgpooler/config.h"

#include <limits.h>

/* A part that is not there, or does not set the field, passes the question on. */
#define NUMBER_OR(part, field, next) ((part) != NULL && (part)->field >= 0 ? (part)->field : (next))
#define TEXT_OR(part, field, next)   ((part) != NULL && (part)->field != NULL ? (part)->field : (next))
/* Words are ints in a part and an enum in the config. */
#define WORD_OR(part, field, type, next) ((part) != NULL && (part)->field >= 0 ? (enum type)(part)->field : (next))

int config_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user)
{
    return NUMBER_OR(user, pool_size, NUMBER_OR(entry, pool_size, c->default_pool_size));
}

int config_min_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user)
{
    int size = NUMBER_OR(entry, min_pool_size, c->min_pool_size);
    int most = config_pool_size(c, entry, user);
    return most > 0 && size > most ? most : size;
}

int config_reserve_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user)
{
    return NUMBER_OR(user, reserve_pool_size, NUMBER_OR(entry, reserve_pool_size, c->reserve_pool_size));
}

int config_max_db_connections(const struct config *c, const struct config_entry *entry)
{
    return NUMBER_OR(entry, max_db_connections, c->max_db_connections);
}

int config_max_db_client_connections(const struct config *c, const struct config_entry *entry)
{
    return NUMBER_OR(entry, max_db_client_connections, c->max_db_client_connections);
}

int config_max_user_connections(const struct config *c, const struct config_user *user)
{
    return NUMBER_OR(user, max_user_connections, c->max_user_connections);
}

int config_max_user_client_connections(const struct config *c, const struct config_user *user)
{
    return NUMBER_OR(user, max_user_client_connections, c->max_user_client_connections);
}

enum pool_mode config_pool_mode(const struct config *c, const struct config_entry *entry,
                                const struct config_user *user)
{
    return WORD_OR(user, pool_mode, pool_mode, WORD_OR(entry, pool_mode, pool_mode, c->pool_mode));
}

#define CLIENT_TIMEOUT(name)                                                                                           \
    usec config_##name(const struct config *c, const struct config_entry *entry, const struct config_user *user)       \
    {                                                                                                                  \
        return NUMBER_OR(user, name, NUMBER_OR(entry, name, c->name));                                                 \
    }
CLIENT_TIMEOUT(query_wait_timeout)
CLIENT_TIMEOUT(query_timeout)
CLIENT_TIMEOUT(idle_transaction_timeout)
CLIENT_TIMEOUT(transaction_timeout)
CLIENT_TIMEOUT(client_idle_timeout)

enum session_features config_session_features(const struct config *c, const struct config_entry *entry,
                                              const struct config_user *user)
{
    return WORD_OR(user, session_features, session_features,
                   WORD_OR(entry, session_features, session_features, c->session_features));
}

int config_max_pins(const struct config *c, const struct config_entry *entry, const struct config_user *user)
{
    struct config_share share = entry != NULL && entry->max_pins.value >= 0 ? entry->max_pins : c->max_pins;
    int64_t most = share.value;
    if (share.is_percent) {
        int size = config_pool_size(c, entry, user);
        if (size == 0)
            return INT_MAX;
        most = (int64_t)size * share.value / 100;
    }
    return most < 1 ? 1 : (int)most;
}

enum target_session_attrs config_target_session_attrs(const struct config_entry *entry)
{
    return WORD_OR(entry, target_session_attrs, target_session_attrs, TARGET_SESSION_ANY);
}

enum sslmode config_server_sslmode(const struct config *c, const struct config_entry *entry)
{
    return WORD_OR(entry, sslmode, sslmode, c->server_tls_sslmode);
}

#define ENTRY_NUMBER(type, name)                                                                                       \
    type config_##name(const struct config *c, const struct config_entry *entry)                                       \
    {                                                                                                                  \
        return NUMBER_OR(entry, name, c->name);                                                                        \
    }
ENTRY_NUMBER(usec, server_lifetime)
ENTRY_NUMBER(usec, max_replica_lag)
ENTRY_NUMBER(int, max_replica_lag_bytes)
ENTRY_NUMBER(usec, max_staleness)
ENTRY_NUMBER(usec, log_min_duration)

#define ENTRY_WORD(name)                                                                                               \
    enum name config_##name(const struct config *c, const struct config_entry *entry)                                  \
    {                                                                                                                  \
        return WORD_OR(entry, name, name, c->name);                                                                    \
    }
ENTRY_WORD(routing)
ENTRY_WORD(read_your_writes)
ENTRY_WORD(replica_fallback)

/* `key =` without a value is no value. */
static const char *null_if_empty(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

#define ENTRY_TEXT(name)                                                                                               \
    const char *config_##name(const struct config *c, const struct config_entry *entry)                                \
    {                                                                                                                  \
        return null_if_empty(TEXT_OR(entry, name, c->name));                                                           \
    }
ENTRY_TEXT(auth_user)
ENTRY_TEXT(auth_query)
ENTRY_TEXT(auth_dbname)
ENTRY_TEXT(replica_safe_functions)
ENTRY_TEXT(primary_only_functions)
ENTRY_TEXT(pin_functions)
ENTRY_TEXT(monitor_user)
ENTRY_TEXT(monitor_password)
ENTRY_TEXT(monitor_dbname)

bool config_name_in_list(const char *comma_list, const char *name)
{
    static const char blanks[] = " \t\r\n";
    size_t name_len = strlen(name);
    for (const char *p = comma_list; p != NULL && *p != '\0';) {
        p += strspn(p, blanks);
        size_t len = strcspn(p, ","), next = len;
        while (len > 0 && strchr(blanks, p[len - 1]) != NULL)
            len--;
        if (len == name_len && len > 0 && memcmp(p, name, len) == 0)
            return true;
        p += next + (p[next] == ',');
    }
    return false;
}
