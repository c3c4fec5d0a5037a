/* words - the values that are words. They are compared without case, as PgBouncer does. */
#include "value.h"

#define NEEDS_BUILD " is not supported by this build"
#define NEEDS_TLS   ": TLS is not available in this version"

/* TLS, PAM, LDAP and hba rules would have to be there; to run on without them would be unsafe. */
static const struct config_word auth_methods[] = {
    {"any", AUTH_ANY, NULL},
    {"trust", AUTH_TRUST, NULL},
    {"plain", AUTH_PLAIN, NULL},
    {"md5", AUTH_MD5, NULL},
    {"scram-sha-256", AUTH_SCRAM, NULL},
    {"cert", AUTH_CERT, NEEDS_BUILD},
    {"hba", AUTH_HBA, NEEDS_BUILD},
    {"ldap", AUTH_LDAP, NEEDS_BUILD},
    {"pam", AUTH_PAM, NEEDS_BUILD},
    {NULL, 0, NULL},
};
static const struct config_word client_sslmodes[] = {
    {"disable", SSLMODE_DISABLE, NULL},
    {"allow", SSLMODE_ALLOW, NEEDS_TLS},
    {"prefer", SSLMODE_PREFER, NEEDS_TLS},
    {"require", SSLMODE_REQUIRE, NEEDS_TLS},
    {"verify-ca", SSLMODE_VERIFY_CA, NEEDS_TLS},
    {"verify-full", SSLMODE_VERIFY_FULL, NEEDS_TLS},
    {NULL, 0, NULL},
};
static const struct config_word server_sslmodes[] = {
    {"disable", SSLMODE_DISABLE, NULL},
    {"allow", SSLMODE_ALLOW, NULL},
    {"prefer", SSLMODE_PREFER, NULL},
    {"require", SSLMODE_REQUIRE, NEEDS_TLS},
    {"verify-ca", SSLMODE_VERIFY_CA, NEEDS_TLS},
    {"verify-full", SSLMODE_VERIFY_FULL, NEEDS_TLS},
    {NULL, 0, NULL},
};
static const struct config_word sslnegotiations[] = {
    {"postgres", SSLNEGOTIATION_POSTGRES, NULL},
    {"direct", SSLNEGOTIATION_DIRECT, NEEDS_TLS},
    {NULL, 0, NULL},
};
static const struct config_word channel_bindings[] = {
    {"disable", CHANNEL_BINDING_DISABLE, NULL},
    {"prefer", CHANNEL_BINDING_PREFER, NULL},
    {"require", CHANNEL_BINDING_REQUIRE, NEEDS_TLS},
    {NULL, 0, NULL},
};
static const struct config_word pool_modes[] = {
    {"session", POOL_MODE_SESSION, NULL},
    {"transaction", POOL_MODE_TRANSACTION, NULL},
    {"statement", POOL_MODE_STATEMENT, NULL},
    {NULL, 0, NULL},
};
static const struct config_word syslog_facilities[] = {
    {"auth", SYSLOG_AUTH, NULL},
    {"authpriv", SYSLOG_AUTHPRIV, NULL},
    {"daemon", SYSLOG_DAEMON, NULL},
    {"user", SYSLOG_USER, NULL},
    {"local0", SYSLOG_LOCAL0, NULL},
    {"local1", SYSLOG_LOCAL0 + 1, NULL},
    {"local2", SYSLOG_LOCAL0 + 2, NULL},
    {"local3", SYSLOG_LOCAL0 + 3, NULL},
    {"local4", SYSLOG_LOCAL0 + 4, NULL},
    {"local5", SYSLOG_LOCAL0 + 5, NULL},
    {"local6", SYSLOG_LOCAL0 + 6, NULL},
    {"local7", SYSLOG_LOCAL7, NULL},
    {NULL, 0, NULL},
};
static const struct config_word load_balances[] = {
    {"round-robin", LOAD_BALANCE_ROUND_ROBIN, NULL},
    {"disable", LOAD_BALANCE_DISABLE, NULL},
    {NULL, 0, NULL},
};
static const struct config_word routings[] = {
    {"off", ROUTING_OFF, NULL},
    {"on", ROUTING_ON, NULL},
    {"dry-run", ROUTING_DRY_RUN, NULL},
    {NULL, 0, NULL},
};
static const struct config_word target_sessions[] = {
    {"any", TARGET_SESSION_ANY, NULL},
    {"read-write", TARGET_SESSION_READ_WRITE, NULL},
    {"read-only", TARGET_SESSION_READ_ONLY, NULL},
    {"primary", TARGET_SESSION_PRIMARY, NULL},
    {"standby", TARGET_SESSION_STANDBY, NULL},
    {"prefer-standby", TARGET_SESSION_PREFER_STANDBY, NULL},
    {NULL, 0, NULL},
};
static const struct config_word read_your_writes_words[] = {
    {"off", READ_YOUR_WRITES_OFF, NULL},
    {"session", READ_YOUR_WRITES_SESSION, NULL},
    {"key", READ_YOUR_WRITES_KEY, NULL},
    {NULL, 0, NULL},
};
static const struct config_word replica_fallbacks[] = {
    {"primary", REPLICA_FALLBACK_PRIMARY, NULL},
    {"wait", REPLICA_FALLBACK_WAIT, NULL},
    {"error", REPLICA_FALLBACK_ERROR, NULL},
    {NULL, 0, NULL},
};
static const struct config_word session_features_words[] = {
    {"pin", SESSION_FEATURES_PIN, NULL},
    {"error", SESSION_FEATURES_ERROR, NULL},
    {"ignore", SESSION_FEATURES_IGNORE, NULL},
    {NULL, 0, NULL},
};
static const struct config_word session_links[] = {
    {"login", SESSION_LINK_LOGIN, NULL},
    {"query", SESSION_LINK_QUERY, NULL},
    {NULL, 0, NULL},
};
static const struct config_word listen_on_losses[] = {
    {"close", LISTEN_ON_LOSS_CLOSE, NULL},
    {"notice", LISTEN_ON_LOSS_NOTICE, NULL},
    {NULL, 0, NULL},
};
static const struct config_word metrics_compats[] = {
    {"off", METRICS_COMPAT_OFF, NULL},
    {"pgbouncer_exporter", METRICS_COMPAT_PGBOUNCER_EXPORTER, NULL},
    {"all", METRICS_COMPAT_ALL, NULL},
    {NULL, 0, NULL},
};
static const struct config_word log_formats[] = {
    {"pgbouncer", LOG_FORMAT_PGBOUNCER, NULL},
    {"json", LOG_FORMAT_JSON, NULL},
    {NULL, 0, NULL},
};

static const struct config_word *const words[CONFIG_KIND_COUNT] = {
    [KIND_auth_method] = auth_methods,
    [KIND_client_sslmode] = client_sslmodes,
    [KIND_server_sslmode] = server_sslmodes,
    [KIND_sslnegotiation] = sslnegotiations,
    [KIND_channel_binding] = channel_bindings,
    [KIND_pool_mode] = pool_modes,
    [KIND_syslog_facility] = syslog_facilities,
    [KIND_load_balance] = load_balances,
    [KIND_routing] = routings,
    [KIND_target_session_attrs] = target_sessions,
    [KIND_read_your_writes] = read_your_writes_words,
    [KIND_replica_fallback] = replica_fallbacks,
    [KIND_session_features] = session_features_words,
    [KIND_session_link] = session_links,
    [KIND_listen_on_loss] = listen_on_losses,
    [KIND_metrics_compat] = metrics_compats,
    [KIND_log_format] = log_formats,
};

const struct config_word *words_of(enum config_kind kind)
{
    return words[kind];
}

const char *words_name(enum config_kind kind, int value)
{
    for (const struct config_word *w = words[kind]; w->word != NULL; w++)
        if (w->value == value)
            return w->word;
    return NULL;
}

const char *config_pool_mode_word(int mode)
{
    return words_name(KIND_pool_mode, mode);
}

const char *config_load_balance_word(int load_balance)
{
    return words_name(KIND_load_balance, load_balance);
}
