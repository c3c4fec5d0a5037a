/* tables - the columns of every SHOW, in PgBouncer 1.25.2's order. Reading this file is reading the contract. */
#include "rows.h"

/* The column is named after the field. */
#define TEXT(row, field, help)                                                                                         \
    {                                                                                                                  \
#field, COL_TEXT, offsetof(struct row, field), help, false                                                     \
    }
#define INT(row, field, help)                                                                                          \
    {                                                                                                                  \
#field, COL_INT, offsetof(struct row, field), help, false                                                      \
    }
#define TABLE(row_struct, columns_of)                                                                                  \
    {                                                                                                                  \
        .columns = columns_of, .column_count = sizeof(columns_of) / sizeof *(columns_of),                              \
        .row_size = sizeof(struct row_struct)                                                                          \
    }

/* clang-format off */
static const struct admin_column version_columns[] = {
    {"version", COL_TEXT, offsetof(struct text_row, text), "what we are and whose console we speak", false},
};
const struct admin_table version_table = TABLE(text_row, version_columns);

static const struct admin_column state_columns[] = {
    TEXT(pair_row, key, "active, paused or suspended"),
    TEXT(pair_row, value, "yes or no"),
};
const struct admin_table state_table = TABLE(pair_row, state_columns);

static const struct admin_column config_columns[] = {
    TEXT(config_value_row, key, "name of the setting"),
    TEXT(config_value_row, value, "what it is now"),
    {"default", COL_TEXT, offsetof(struct config_value_row, default_value), "what it is when no file sets it", false},
    TEXT(config_value_row, changeable, "whether SET and RELOAD change it: yes or no"),
};
const struct admin_table config_table = TABLE(config_value_row, config_columns);

static const struct admin_column database_columns[] = {
    TEXT(database_row, name, "name that clients connect to"),
    TEXT(database_row, host, "hosts of the server; NULL: Unix socket"),
    INT(database_row, port, "port of the first host"),
    TEXT(database_row, database, "name of the database on the server"),
    TEXT(database_row, force_user, "server user of all connections, when the entry sets one"),
    INT(database_row, pool_size, "server connections per pool"),
    INT(database_row, min_pool_size, "server connections kept open per pool"),
    INT(database_row, reserve_pool_size, "server connections added for clients that wait too long"),
    INT(database_row, server_lifetime, "age in seconds at which unused server connections are closed"),
    TEXT(database_row, pool_mode, "the entry's own pool mode; NULL: the global one"),
    TEXT(database_row, load_balance_hosts, "how a list of hosts is used"),
    INT(database_row, max_connections, "limit of server connections; 0: none"),
    INT(database_row, current_connections, "server connections now"),
    INT(database_row, max_client_connections, "limit of client connections; 0: none"),
    INT(database_row, current_client_connections, "client connections now"),
    INT(database_row, paused, "1 when paused"),
    INT(database_row, disabled, "1 when new logins are refused"),
};
const struct admin_table databases_table = TABLE(database_row, database_columns);

static const struct admin_column pool_columns[] = {
    TEXT(pool_row, database, "name that clients connect to"),
    TEXT(pool_row, user, "user of the server connections"),
    INT(pool_row, cl_active, "clients with a server connection, or idle"),
    INT(pool_row, cl_waiting, "clients queued for a server connection"),
    INT(pool_row, cl_active_cancel_req, "cancel requests sent on to a server"),
    INT(pool_row, cl_waiting_cancel_req, "cancel requests not sent on yet"),
    INT(pool_row, sv_active, "server connections with a client"),
    INT(pool_row, sv_active_cancel, "server connections that carry a cancel request"),
    INT(pool_row, sv_being_canceled, "server connections whose query is being cancelled"),
    INT(pool_row, sv_idle, "server connections ready for a client"),
    INT(pool_row, sv_used, "server connections idle for so long that they are checked first"),
    INT(pool_row, sv_tested, "server connections being reset or checked"),
    INT(pool_row, sv_login, "server connections that are logging in"),
    INT(pool_row, maxwait, "how long the first client in the queue has waited, whole seconds"),
    INT(pool_row, maxwait_us, "and the microseconds behind them"),
    TEXT(pool_row, pool_mode, "session, transaction or statement"),
    TEXT(pool_row, load_balance_hosts, "how a list of hosts is used"),
};
const struct admin_table pools_table = TABLE(pool_row, pool_columns);

/* SHOW CLIENTS and SERVERS end where the seven of SHOW SOCKETS begin. */
enum { SOCKETS_ONLY = 7 };
static const struct admin_column socket_columns[] = {
    TEXT(socket_row, type, "C client, S server"),
    TEXT(socket_row, user, "user name"),
    TEXT(socket_row, database, "name that the client connects to"),
    TEXT(socket_row, replication, "none, logical or physical"),
    TEXT(socket_row, state, "what it is doing"),
    TEXT(socket_row, addr, "address of the other side; unix for a Unix socket"),
    INT(socket_row, port, "port of the other side"),
    TEXT(socket_row, local_addr, "address of our side"),
    INT(socket_row, local_port, "port of our side"),
    TEXT(socket_row, connect_time, "when it was made"),
    TEXT(socket_row, request_time, "when its latest request began"),
    INT(socket_row, wait, "how long it has waited now, whole seconds"),
    INT(socket_row, wait_us, "and the microseconds behind them"),
    INT(socket_row, close_needed, "1 when it is closed as soon as it is released"),
    TEXT(socket_row, ptr, "its identity"),
    TEXT(socket_row, link, "identity of the connection it is linked to"),
    INT(socket_row, remote_pid, "process at the other end of a Unix socket, or of the server"),
    TEXT(socket_row, tls, "protocol and cipher; empty: plain"),
    TEXT(socket_row, application_name, "name that the application gives itself"),
    INT(socket_row, prepared_statements, "prepared statements kept for it"),
    INT(socket_row, id, "unique number, for KILL_CLIENT"),
    INT(socket_row, recv_pos, "bytes received into its buffer"),
    INT(socket_row, pkt_pos, "bytes of them read"),
    INT(socket_row, pkt_remain, "bytes of the current message that are still to come"),
    INT(socket_row, send_pos, "bytes of its buffer sent"),
    INT(socket_row, send_remain, "bytes still to be sent of the current message"),
    INT(socket_row, pkt_avail, "bytes received and not read"),
    INT(socket_row, send_avail, "bytes waiting to be sent"),
};
const struct admin_table sockets_table = TABLE(socket_row, socket_columns);
const struct admin_table clients_table = {
    .columns = socket_columns,
    .column_count = sizeof socket_columns / sizeof *socket_columns - SOCKETS_ONLY,
    .row_size = sizeof(struct socket_row),
};

/* client_login_count came after the release whose shape we have. */
#define NUMERIC(name, part, counter, help)                                                                             \
    {name, COL_NUMERIC, offsetof(struct stats_row, part.counter), help,                                                \
     offsetof(struct stats_console, counter) == offsetof(struct stats_console, client_login_count)},

static const struct admin_column stats_columns[] = {
    TEXT(stats_row, database, "name that clients connect to"),
#define STATS_CONSOLE(field, unit, per, total_, average_, totals, averages, row, metric, labels, help)                 \
    NUMERIC("total_" total_, total, field, help)
#include "pgpooler/stats.def"
#define STATS_CONSOLE(field, unit, per, total_, average_, totals, averages, row, metric, labels, help)                 \
    NUMERIC("avg_" average_, average, field, help)
#include "pgpooler/stats.def"
};
const struct admin_table stats_table = TABLE(stats_row, stats_columns);

static const struct admin_column stats_totals_columns[] = {
    TEXT(stats_row, database, "name that clients connect to"),
#define STATS_CONSOLE(field, unit, per, total_, average_, totals, averages, row, metric, labels, help)                 \
    NUMERIC(totals, total, field, help)
#include "pgpooler/stats.def"
};
const struct admin_table stats_totals_table = TABLE(stats_row, stats_totals_columns);

static const struct admin_column stats_averages_columns[] = {
    TEXT(stats_row, database, "name that clients connect to"),
#define STATS_CONSOLE(field, unit, per, total_, average_, totals, averages, row, metric, labels, help)                 \
    NUMERIC(averages, average, field, help)
#include "pgpooler/stats.def"
};
const struct admin_table stats_averages_table = TABLE(stats_row, stats_averages_columns);

static const struct admin_column totals_columns[] = {
    TEXT(total_row, name, "name of the sum or average over all databases"),
    {"value", COL_NUMERIC, offsetof(struct total_row, value), "its value", false},
};
const struct admin_table totals_table = TABLE(total_row, totals_columns);

static const struct admin_column counter_columns[] = {
    TEXT(total_row, name, "what is counted"),
    {"value", COL_NUMERIC, offsetof(struct total_row, value), "since the start, over all databases", false},
};
const struct admin_table counters_table = TABLE(total_row, counter_columns);

static const struct admin_column list_columns[] = {
    TEXT(count_row, list, "kind of thing"),
    INT(count_row, items, "how many there are"),
};
const struct admin_table lists_table = TABLE(count_row, list_columns);

static const struct admin_column user_columns[] = {
    TEXT(user_row, name, "user name"),
    TEXT(user_row, pool_size, "the user's own pool size; empty: none"),
    TEXT(user_row, reserve_pool_size, "the user's own reserve; empty: none"),
    TEXT(user_row, pool_mode, "the user's own pool mode; NULL: none"),
    INT(user_row, max_user_connections, "limit of server connections; 0: none"),
    INT(user_row, current_connections, "server connections now"),
    INT(user_row, max_user_client_connections, "limit of client connections; 0: none"),
    INT(user_row, current_client_connections, "client connections now"),
};
const struct admin_table users_table = TABLE(user_row, user_columns);

static const struct admin_column peer_columns[] = {
    INT(peer_row, peer_id, "number of the process"),
    TEXT(peer_row, host, "where it listens"),
    INT(peer_row, port, "and its port"),
    INT(peer_row, pool_size, "connections for forwarded cancel requests"),
};
const struct admin_table peers_table = TABLE(peer_row, peer_columns);
/* clang-format on */
