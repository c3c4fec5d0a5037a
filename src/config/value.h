/*
 * value - one value of the configuration: text to field and back.
 *
 * A field lies in struct config, config_entry, config_user or config_peer, and its row of
 * config.def says what is in it.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "pgpooler/config.h"

#define CONFIG_KINDS(X)                                                                                                \
    X(text)                                                                                                            \
    X(list)                                                                                                            \
    X(secret)                                                                                                          \
    X(integer)                                                                                                         \
    X(flag)                                                                                                            \
    X(auto_integer)                                                                                                    \
    X(seconds)                                                                                                         \
    X(whole_seconds)                                                                                                   \
    X(duration)                                                                                                        \
    X(optional_duration)                                                                                               \
    X(share)                                                                                                           \
    X(pool_mode)                                                                                                       \
    X(auth_method)                                                                                                     \
    X(client_sslmode)                                                                                                  \
    X(server_sslmode)                                                                                                  \
    X(sslnegotiation)                                                                                                  \
    X(channel_binding)                                                                                                 \
    X(syslog_facility)                                                                                                 \
    X(load_balance)                                                                                                    \
    X(routing)                                                                                                         \
    X(target_session_attrs)                                                                                            \
    X(read_your_writes)                                                                                                \
    X(replica_fallback)                                                                                                \
    X(session_features)                                                                                                \
    X(session_link)                                                                                                    \
    X(listen_on_loss)                                                                                                  \
    X(metrics_compat)                                                                                                  \
    X(log_format)

enum config_kind {
#define KIND_NAME(kind) KIND_##kind,
    CONFIG_KINDS(KIND_NAME)
#undef KIND_NAME
        CONFIG_KIND_COUNT
};

enum config_change {
    CHANGE_RELOAD,
    CHANGE_START, /* only counts when the process starts */
    CHANGE_KEEP,
    CHANGE_CLOSE, /* a changed value replaces the entry's connections */
};

/* A row of config.def. */
struct config_option {
    const char *key;
    const char *group; /* NULL but for OPTION rows */
    enum config_kind kind;
    size_t offset;
    const char *default_text, *min, *max; /* or NULL */
    enum config_change change;
    const char *help; /* NULL: as the global key of the same name */
};

/* The words of a kind, the canonical one first for each value; ended by a row without word. NULL: not words. */
struct config_word {
    const char *word;
    int value;
    const char *refusal; /* why this build does not accept it, or NULL */
};
const struct config_word *words_of(enum config_kind kind);
const char *words_name(enum config_kind kind, int value); /* NULL: no such value */

/*
 * Sets the field, freeing its earlier text. ERR_INVALID leaves it as it was and appends
 * to `why` what is allowed, in a sentence that names the key.
 */
int value_parse(const struct config_option *option, const char *text, void *field, struct buf *why);

/* Appends the text that value_parse() would read; nothing, and false, for a text that is NULL. Secrets as ***. */
bool value_format(const struct config_option *option, const void *field, struct buf *out);

void value_unset(const struct config_option *option, void *field);               /* over garbage: NULL or -1 */
void value_clear(const struct config_option *option, void *field);               /* frees, then unsets */
void value_copy(const struct config_option *option, void *to, const void *from); /* frees an earlier text of `to` */
bool value_equal(const struct config_option *option, const void *a, const void *b);

#endif
