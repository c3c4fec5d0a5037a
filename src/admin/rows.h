/*
 * rows - what each SHOW table is made from: one struct per row, whose fields the columns of tables.c point to.
 *
 * Text is NULL for SQL NULL. Order, names and types on the wire are PgBouncer 1.25.2's, which tools scan by position.
 */
#ifndef ADMIN_ROWS_H
#define ADMIN_ROWS_H

#include "columns.h"
#include "pgpooler/stats.h"

struct text_row {
    const char *text;
};
struct pair_row {
    const char *key, *value;
};
struct count_row {
    const char *list;
    int64_t items;
};
struct config_value_row {
    const char *key, *value, *default_value, *changeable;
};
struct pool_row {
    const char *database, *user;
    int64_t cl_active, cl_waiting, cl_active_cancel_req, cl_waiting_cancel_req;
    int64_t sv_active, sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested, sv_login;
    int64_t maxwait, maxwait_us;
    const char *pool_mode, *load_balance_hosts;
};
struct database_row {
    const char *name, *host;
    int64_t port;
    const char *database, *force_user;
    int64_t pool_size, min_pool_size, reserve_pool_size, server_lifetime;
    const char *pool_mode, *load_balance_hosts;
    int64_t max_connections, current_connections, max_client_connections, current_client_connections, paused, disabled;
};
struct socket_row {
    const char *type, *user, *database, *replication, *state, *addr;
    int64_t port;
    const char *local_addr;
    int64_t local_port;
    const char *connect_time, *request_time;
    int64_t wait, wait_us, close_needed;
    const char *ptr, *link;
    int64_t remote_pid;
    const char *tls, *application_name;
    int64_t prepared_statements, id;
    int64_t recv_pos, pkt_pos, pkt_remain, send_pos, send_remain, pkt_avail, send_avail; /* SHOW SOCKETS only */
};
struct stats_row {
    const char *database;
    struct stats_console total, average;
};
struct total_row {
    const char *name;
    uint64_t value;
};
struct user_row {
    const char *name, *pool_size, *reserve_pool_size, *pool_mode;
    int64_t max_user_connections, current_connections, max_user_client_connections, current_client_connections;
};
struct peer_row {
    int64_t peer_id;
    const char *host;
    int64_t port, pool_size;
};

extern const struct admin_table version_table, state_table, config_table, databases_table, pools_table, sockets_table,
    clients_table, stats_table, stats_totals_table, stats_averages_table, totals_table, counters_table, lists_table,
    users_table, peers_table;

#endif
