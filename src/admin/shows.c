/* shows - which tables there are, and how one is asked for. */
#include "console.h"

#include <strings.h>

const struct admin_show shows[] = {
    {"CONFIG", &config_table, SHOW_ASKS_NOTHING, show_config, "Settings and their values."},
    {"DATABASES", &databases_table, SHOW_ASKS_NOTHING, show_databases, "Entries of [databases] and their limits."},
    {"POOLS", &pools_table, ASK_POOLS, show_pools, "Clients and server connections per database and user."},
    {"CLIENTS", &clients_table, ASK_SOCKETS, show_clients, "Client connections."},
    {"SERVERS", &clients_table, ASK_SOCKETS, show_servers, "Server connections."},
    {"SOCKETS", &sockets_table, ASK_SOCKETS, show_sockets, "Both, with what their buffers hold."},
    {"ACTIVE_SOCKETS", &sockets_table, ASK_SOCKETS, show_active_sockets, "Those of them that are not idle."},
    {"USERS", &users_table, SHOW_ASKS_NOTHING, show_users, "Known users and their limits."},
    {"PEERS", &peers_table, SHOW_ASKS_NOTHING, show_peers, "Entries of [peers]."},
    {"LISTS", &lists_table, ASK_POOLS, show_lists, "How many there are of everything."},
    {"STATE", &state_table, SHOW_ASKS_NOTHING, show_state, "Active, paused or suspended."},
    {"STATS", &stats_table, ASK_STATS, show_stats, "Totals and averages per database."},
    {"STATS_TOTALS", &stats_totals_table, ASK_STATS, show_stats, "Totals per database."},
    {"STATS_AVERAGES", &stats_averages_table, ASK_STATS, show_stats, "Averages per database."},
    {"TOTALS", &totals_table, ASK_STATS, show_totals, "Totals and averages over all databases."},
    {"COUNTERS", &counters_table, ASK_STATS, show_counters, "What PgBouncer does not count, over all databases."},
    {"VERSION", &version_table, SHOW_ASKS_NOTHING, show_version, "What we are."},
};
const int show_count = sizeof shows / sizeof *shows;

const struct admin_show *show_find(const char *word)
{
    for (int i = 0; i < show_count; i++)
        if (strcasecmp(shows[i].word, word) == 0)
            return &shows[i];
    return NULL;
}

static void answer(struct console *console, const struct ask *ask)
{
    const struct admin_show *show = show_find(console->command->argument);
    struct result result;
    result_init(&result, show->table);
    show->build(console->admin, ask, &result);
    conversation_rows(&console->talk, &result);
    result_deinit(&result);
    console_complete(console, "SHOW");
}

static void on_answered(struct ask *ask, void *owner)
{
    struct console *console = owner;
    if (console_awaited(console))
        answer(console, ask);
}

void run_show(struct console *console, const struct command *command)
{
    const struct admin_show *show = show_find(command->argument);
    assert(show != NULL); /* find_command() has looked */
    if (show->ask == SHOW_ASKS_NOTHING) {
        answer(console, NULL);
    } else {
        console->awaited++;
        workers_ask(console->admin->workers, (enum ask_kind)show->ask, NULL, NULL, 0, on_answered, console);
    }
}
