/*
 * config - the files an administrator writes, as one immutable struct.
 *
 * Reads PgBouncer's dialect of ini (with %include), auth_file and connection strings,
 * through the table in config.def. A load gives a whole new configuration or none, with
 * every error as `file:line: message`; a changed value (SET) is a changed deep copy. So
 * a struct config never changes once it exists, and threads share it read-only.
 *
 * It does not watch files, keep a current configuration, or know what a change means for
 * running pools; it answers questions about two configurations, and others act.
 */
#ifndef PGPOOLER_CONFIG_H
#define PGPOOLER_CONFIG_H

#include "pgpooler/base.h"

/* A distribution may set its own, as Debian does for PgBouncer. */
#ifndef CONFIG_SOCKET_DIR
#define CONFIG_SOCKET_DIR "/tmp"
#endif

enum {
    CONFIG_ENTRY_NAME_MAX = 63, /* bytes, PostgreSQL's NAMEDATALEN - 1 */
    CONFIG_USER_NAME_MAX = 127, /* bytes */
    CONFIG_SECRET_MAX = 65530,  /* bytes, of a password or its hash */
    CONFIG_DEFAULT_PORT = 5432, /* of a server */
    CONFIG_DEFAULT_PEER_PORT = 6432,
};

/* ---- values that are words; the words are in src/config/words.c ---- */
enum pool_mode { POOL_MODE_SESSION, POOL_MODE_TRANSACTION, POOL_MODE_STATEMENT };
enum auth_method { AUTH_ANY, AUTH_TRUST, AUTH_PLAIN, AUTH_MD5, AUTH_CERT, AUTH_HBA, AUTH_LDAP, AUTH_PAM, AUTH_SCRAM };
enum sslmode {
    SSLMODE_DISABLE,
    SSLMODE_ALLOW,
    SSLMODE_PREFER,
    SSLMODE_REQUIRE,
    SSLMODE_VERIFY_CA,
    SSLMODE_VERIFY_FULL
};
enum sslnegotiation { SSLNEGOTIATION_POSTGRES, SSLNEGOTIATION_DIRECT };
enum channel_binding { CHANNEL_BINDING_DISABLE, CHANNEL_BINDING_PREFER, CHANNEL_BINDING_REQUIRE };
enum syslog_facility {
    SYSLOG_AUTH,
    SYSLOG_AUTHPRIV,
    SYSLOG_DAEMON,
    SYSLOG_USER,
    SYSLOG_LOCAL0, /* local1 to local7 follow */
    SYSLOG_LOCAL7 = SYSLOG_LOCAL0 + 7
};
enum load_balance { LOAD_BALANCE_ROUND_ROBIN, LOAD_BALANCE_DISABLE };
enum routing { ROUTING_OFF, ROUTING_ON, ROUTING_DRY_RUN };
enum target_session_attrs {
    TARGET_SESSION_ANY,
    TARGET_SESSION_READ_WRITE,
    TARGET_SESSION_READ_ONLY,
    TARGET_SESSION_PRIMARY,
    TARGET_SESSION_STANDBY,
    TARGET_SESSION_PREFER_STANDBY
};
enum read_your_writes { READ_YOUR_WRITES_OFF, READ_YOUR_WRITES_SESSION, READ_YOUR_WRITES_KEY };
enum replica_fallback { REPLICA_FALLBACK_PRIMARY, REPLICA_FALLBACK_WAIT, REPLICA_FALLBACK_ERROR };
enum session_features { SESSION_FEATURES_PIN, SESSION_FEATURES_ERROR, SESSION_FEATURES_IGNORE };
enum session_link { SESSION_LINK_LOGIN, SESSION_LINK_QUERY };
enum listen_on_loss { LISTEN_ON_LOSS_CLOSE, LISTEN_ON_LOSS_NOTICE };
enum metrics_compat { METRICS_COMPAT_OFF, METRICS_COMPAT_PGBOUNCER_EXPORTER, METRICS_COMPAT_ALL };
enum log_format { LOG_FORMAT_PGBOUNCER, LOG_FORMAT_JSON };

/* A number, or a percentage of something that the key's help names. */
struct config_share {
    int value; /* -1: not set */
    bool is_percent;
};

/*
 * ---- kinds of config.def: C type of a global key ----
 * In entries and users a word is an int, so that every number can be -1: not set.
 */
#define CONFIG_TYPE_text                 const char *
#define CONFIG_TYPE_list                 const char * /* comma-separated: config_name_in_list() */
#define CONFIG_TYPE_secret               const char * /* never shown, wiped when freed */
#define CONFIG_TYPE_integer              int
#define CONFIG_TYPE_flag                 int  /* 0 or 1 */
#define CONFIG_TYPE_auto_integer         int  /* 0: auto */
#define CONFIG_TYPE_seconds              usec /* PgBouncer's: decimal seconds without a unit */
#define CONFIG_TYPE_whole_seconds        usec
#define CONFIG_TYPE_duration             usec /* ours: us ms s min h, a bare number is seconds */
#define CONFIG_TYPE_optional_duration    usec /* the same or "off": USEC_NEVER */
#define CONFIG_TYPE_share                struct config_share
#define CONFIG_TYPE_pool_mode            enum pool_mode
#define CONFIG_TYPE_auth_method          enum auth_method
#define CONFIG_TYPE_client_sslmode       enum sslmode
#define CONFIG_TYPE_server_sslmode       enum sslmode
#define CONFIG_TYPE_sslnegotiation       enum sslnegotiation
#define CONFIG_TYPE_channel_binding      enum channel_binding
#define CONFIG_TYPE_syslog_facility      enum syslog_facility
#define CONFIG_TYPE_load_balance         enum load_balance
#define CONFIG_TYPE_routing              enum routing
#define CONFIG_TYPE_target_session_attrs enum target_session_attrs
#define CONFIG_TYPE_read_your_writes     enum read_your_writes
#define CONFIG_TYPE_replica_fallback     enum replica_fallback
#define CONFIG_TYPE_session_features     enum session_features
#define CONFIG_TYPE_session_link         enum session_link
#define CONFIG_TYPE_listen_on_loss       enum listen_on_loss
#define CONFIG_TYPE_metrics_compat       enum metrics_compat
#define CONFIG_TYPE_log_format           enum log_format

#define CONFIG_OVERRIDE_text                 const char * /* NULL: not set */
#define CONFIG_OVERRIDE_list                 const char *
#define CONFIG_OVERRIDE_secret               const char *
#define CONFIG_OVERRIDE_integer              int
#define CONFIG_OVERRIDE_seconds              usec
#define CONFIG_OVERRIDE_duration             usec
#define CONFIG_OVERRIDE_optional_duration    usec
#define CONFIG_OVERRIDE_share                struct config_share
#define CONFIG_OVERRIDE_pool_mode            int /* enum pool_mode, and so on */
#define CONFIG_OVERRIDE_server_sslmode       int
#define CONFIG_OVERRIDE_sslnegotiation       int
#define CONFIG_OVERRIDE_channel_binding      int
#define CONFIG_OVERRIDE_load_balance         int
#define CONFIG_OVERRIDE_routing              int
#define CONFIG_OVERRIDE_target_session_attrs int
#define CONFIG_OVERRIDE_read_your_writes     int
#define CONFIG_OVERRIDE_replica_fallback     int
#define CONFIG_OVERRIDE_session_features     int

/* One address of an entry's host list. */
struct config_host {
    const char *host; /* name, address, /directory or @abstract; NULL: unix_socket_dir */
    int port;
    int weight;       /* 0 to 1000; 0: no reads */
    const char *zone; /* or NULL */
};

/* A [databases] line. A field that the line does not set is NULL or -1: ask config_pool_size() and its like. */
struct config_entry {
    const char *name;
#define ENTRY_OPTION(kind, field, ...) CONFIG_OVERRIDE_##kind field;
#include "pgpooler/config.def"
    struct config_host *hosts; /* host, port, weight and zone taken apart; never empty */
    size_t host_count;
    int port;     /* of the first host */
    bool is_auto; /* made from the * line */
};

/* A user known from auth_file, from [users], or both. */
struct config_user {
    const char *name;
    bool has_password;  /* [users] alone gives none */
    const char *secret; /* plain, md5... or SCRAM-SHA-256$...; NULL without has_password */
#define USER_OPTION(kind, field, ...) CONFIG_OVERRIDE_##kind field;
#include "pgpooler/config.def"
};

/* A [peers] line. */
struct config_peer {
    int id; /* 1 to 65535; our own peer_id may be among them */
#define PEER_OPTION(kind, field, ...) CONFIG_OVERRIDE_##kind field;
#include "pgpooler/config.def"
};

struct config {
#define OPTION(group, kind, field, ...) CONFIG_TYPE_##kind field;
#include "pgpooler/config.def"
    struct config_entry **entries; /* in the order of the file, without the * line */
    size_t entry_count;
    struct config_entry *auto_template; /* the * line, or NULL; its dbname is NULL unless it is written */
    struct config_user **users;
    size_t user_count;
    struct config_peer **peers;
    size_t peer_count;
    struct table entries_by_name, users_by_name;
};

/*
 * Reads the file at `path`, what it includes, and its auth_file. NULL when anything is
 * wrong; `errors` then has one `file:line: message` per line (`file: message` for a whole
 * file), as many as one pass can find. `warnings` gets lines of the same form about what works but may not be meant.
 */
struct config *config_load(const char *path, struct buf *errors, struct buf *warnings);
void config_free(struct config *c); /* takes; NULL is fine; secrets are wiped */

/* Exact names only; the * line is for config_make_auto(). Lent, like all results below, as long as `c` lives. */
const struct config_entry *config_find_entry(const struct config *c, const char *name);
const struct config_user *config_find_user(const struct config *c, const char *name);
const struct config_peer *config_find_peer(const struct config *c, int id);

/*
 * An entry for a name that has none, from the * line; the caller owns it and it does not
 * point into `c`. NULL without a * line, and for names that no entry can have: empty,
 * over CONFIG_ENTRY_NAME_MAX, reserved.
 */
struct config_entry *config_make_auto(const struct config *c, const char *name);
void config_entry_free(struct config_entry *entry); /* NULL is fine; not for entries of a config */

/* `pgbouncer` and `pgpooler`: the console, never an entry. */
bool config_name_is_reserved(const char *name);

/*
 * Does RELOAD have to replace the connections of an entry? Not for sizes, timeouts and
 * other values that are read when they are needed.
 */
bool config_entry_is_dirty(const struct config_entry *before, const struct config_entry *after);

/*
 * ---- what holds for a client: its user's value, else its entry's, else the global one ----
 * entry and user may be NULL. Numbers: 0 means what the key's help says, mostly no limit.
 */
int config_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user);
int config_min_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user);
int config_reserve_pool_size(const struct config *c, const struct config_entry *entry, const struct config_user *user);
int config_max_db_connections(const struct config *c, const struct config_entry *entry);
int config_max_db_client_connections(const struct config *c, const struct config_entry *entry);
int config_max_user_connections(const struct config *c, const struct config_user *user);
int config_max_user_client_connections(const struct config *c, const struct config_user *user);
enum pool_mode config_pool_mode(const struct config *c, const struct config_entry *entry,
                                const struct config_user *user);
usec config_query_wait_timeout(const struct config *c, const struct config_entry *entry,
                               const struct config_user *user);
usec config_query_timeout(const struct config *c, const struct config_entry *entry, const struct config_user *user);
usec config_idle_transaction_timeout(const struct config *c, const struct config_entry *entry,
                                     const struct config_user *user);
usec config_transaction_timeout(const struct config *c, const struct config_entry *entry,
                                const struct config_user *user);
usec config_client_idle_timeout(const struct config *c, const struct config_entry *entry,
                                const struct config_user *user);
usec config_server_lifetime(const struct config *c, const struct config_entry *entry);
/* Texts are NULL when nobody set them, or to nothing. */
const char *config_auth_user(const struct config *c, const struct config_entry *entry);
const char *config_auth_query(const struct config *c, const struct config_entry *entry);
const char *config_auth_dbname(const struct config *c, const struct config_entry *entry); /* NULL: the entry itself */
enum sslmode config_server_sslmode(const struct config *c, const struct config_entry *entry);
enum session_features config_session_features(const struct config *c, const struct config_entry *entry,
                                              const struct config_user *user);
/* How many connections of a pool may be pinned at a time; at least 1. INT_MAX: a share of an unlimited pool */
int config_max_pins(const struct config *c, const struct config_entry *entry, const struct config_user *user);
enum routing config_routing(const struct config *c, const struct config_entry *entry);
enum target_session_attrs config_target_session_attrs(const struct config_entry *entry);
usec config_max_replica_lag(const struct config *c, const struct config_entry *entry);
int config_max_replica_lag_bytes(const struct config *c, const struct config_entry *entry);
usec config_max_staleness(const struct config *c, const struct config_entry *entry);
enum read_your_writes config_read_your_writes(const struct config *c, const struct config_entry *entry);
enum replica_fallback config_replica_fallback(const struct config *c, const struct config_entry *entry);
const char *config_replica_safe_functions(const struct config *c, const struct config_entry *entry);
const char *config_primary_only_functions(const struct config *c, const struct config_entry *entry);
const char *config_pin_functions(const struct config *c, const struct config_entry *entry);
const char *config_monitor_user(const struct config *c, const struct config_entry *entry);
const char *config_monitor_password(const struct config *c, const struct config_entry *entry);
const char *config_monitor_dbname(const struct config *c, const struct config_entry *entry);
usec config_log_min_duration(const struct config *c, const struct config_entry *entry); /* USEC_NEVER: off */

/* Is `name` one of a comma-separated list? Blanks around the commas do not count. NULL is an empty list. */
bool config_name_in_list(const char *comma_list, const char *name);

/* The word for a value of pool_mode and load_balance_hosts, as SHOW prints it; NULL for -1. */
const char *config_pool_mode_word(int mode);
const char *config_load_balance_word(int load_balance);

/* ---- SHOW CONFIG: PgBouncer's keys in its order, then ours ---- */
struct config_row {
    const char *key;
    const char *value;         /* NULL: SQL NULL; points into the config or into this row: do not copy the row */
    const char *default_value; /* or NULL */
    const char *changeable;    /* "yes" or "no" */
    char storage[40];
};
int config_option_count(void);
void config_option_show(const struct config *c, int i, struct config_row *out);

/*
 * SET on the console: a deep copy with one value changed; the caller owns it. NULL when
 * the key is unknown or the value bad; *error then has a text to free with mem_free().
 * A key that only counts at the start is accepted and left alone, as PgBouncer does.
 * A new auth_file is read at once.
 */
struct config *config_set(const struct config *current, const char *key, const char *value, char **error);

/* After a reload: what only counts at the start stays what it is in the running process. */
void config_keep_start_only(struct config *fresh, const struct config *running);

/* Appends the text of etc/pgpooler.ini: every key with its help, commented out except a small working set. */
void config_print_sample(struct buf *out);

#endif
