/*
 * console - inside admin: its state, and one client of it.
 */
#ifndef ADMIN_CONSOLE_H
#define ADMIN_CONSOLE_H

#include "conversation.h"
#include "pgpooler/admin.h"
#include "rows.h"

/* ---- averages of every database, averages.c ---- */
struct averages {
    struct list histories; /* struct database_history */
    struct stats_history all;
    usec older_at, newer_at; /* of the latest two shifts */
};
void averages_init(struct averages *averages, usec now);
void averages_deinit(struct averages *averages);
void averages_shift(struct averages *averages, const struct database_view *databases, int count, usec now);
void averages_of(const struct averages *averages, const struct database_view *database, usec now,
                 struct stats_console *out);

struct admin {
    struct loop *loop;
    struct workers *workers;
    struct admin_hooks hooks;
    struct list consoles;
    struct list closing; /* consoles whose stream or answer is still on its way */
    int console_count;
    struct stats console_stats; /* of database pgbouncer */
    struct averages averages;
    struct timer period;
    bool is_closed;
};
const struct config *admin_config(const struct admin *admin);

/* ---- a client of the console ---- */
struct console {
    struct list link; /* in admin->consoles or admin->closing */
    struct admin *admin;
    struct console_client *client;
    struct stream *stream; /* NULL: closing */
    struct conversation talk;
    const struct command *command; /* that is running; borrowed from the conversation */
    usec request_wall, began_at;
    int awaited;          /* callbacks that will come, with this console as their context */
    bool is_closed;       /* memory goes when the stream has closed and nothing is awaited */
    bool waits_for_pause; /* PAUSE: until no backend is left */
    const char *pausing;  /* the entry, NULL: all; borrowed from the command */
    struct timer poll;
};
void console_open(struct admin *admin, struct console_client *client); /* takes */
void console_close(struct console *console, const char *reason);       /* safe inside its own callbacks */
/* A line of the log about this client; only while it is connected. */
void console_log(const struct console *console, enum log_level level, const char *text);
/* Client's Ctrl-C. */
void console_cancel(struct console *console);

/* Answers, each the last of a command; safe for a console that is gone. */
void console_complete(struct console *console, const char *tag);
void console_fail(struct console *console, const char *sqlstate, const char *message, const char *detail);
void console_refuse(struct console *console, const char *message); /* with PgBouncer's one SQLSTATE for everything */

/* Frees all that admin->closing has; nothing may come for them any more. */
void consoles_free(struct admin *admin);

/* A callback that had the console as context has come. False: the console is gone, and perhaps its memory. */
bool console_awaited(struct console *console);

/* ---- what commands do: commands.c, pause.c and shows.c ---- */
enum command_verdict { COMMAND_UNKNOWN, COMMAND_DENIED, COMMAND_ALLOWED };
enum command_verdict command_judge(const struct command *command, enum console_right right); /* pure */
void command_run(void *console, const struct command *command);
const struct admin_table *command_describe(void *console, const struct command *command);

void run_pause(struct console *console, const struct command *command);
void run_resume(struct console *console, const struct command *command);
void pause_abandon(struct console *console); /* the console stops waiting: what it paused goes on */

struct admin_show {
    const char *word;
    const struct admin_table *table;
    /* `ask` is answered first; SHOW_ASKS_NOTHING: the ask given to build is NULL. */
    int ask;
    void (*build)(struct admin *admin, const struct ask *ask, struct result *out);
    const char *help;
};
enum { SHOW_ASKS_NOTHING = -1 };
extern const struct admin_show shows[];
extern const int show_count;
const struct admin_show *show_find(const char *word); /* or NULL */
void run_show(struct console *console, const struct command *command);

/* ---- the builders: shows_*.c ---- */
void show_version(struct admin *admin, const struct ask *ask, struct result *out);
void show_state(struct admin *admin, const struct ask *ask, struct result *out);
void show_config(struct admin *admin, const struct ask *ask, struct result *out);
void show_databases(struct admin *admin, const struct ask *ask, struct result *out);
void show_pools(struct admin *admin, const struct ask *ask, struct result *out);
void show_clients(struct admin *admin, const struct ask *ask, struct result *out);
void show_servers(struct admin *admin, const struct ask *ask, struct result *out);
void show_sockets(struct admin *admin, const struct ask *ask, struct result *out);
void show_active_sockets(struct admin *admin, const struct ask *ask, struct result *out);
void show_stats(struct admin *admin, const struct ask *ask, struct result *out); /* totals and averages of any table */
void show_totals(struct admin *admin, const struct ask *ask, struct result *out);
void show_counters(struct admin *admin, const struct ask *ask, struct result *out);
void show_lists(struct admin *admin, const struct ask *ask, struct result *out);
void show_users(struct admin *admin, const struct ask *ask, struct result *out);
void show_peers(struct admin *admin, const struct ask *ask, struct result *out);

/* How an entry uses its list of hosts; NULL when it has none. */
const char *load_balance_shown(const struct config_entry *entry);

/*
 * The totals of every database over all workers, the console's own among them, sorted by name; the caller frees the
 * array with mem_free(). Names are borrowed from the ask.
 */
struct database_view *totals_of(const struct admin *admin, const struct ask *ask, int *count);

#endif
