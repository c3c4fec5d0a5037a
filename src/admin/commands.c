/* commands - the words of the console, who may say them, and those that are carried out by the process itself. */
#include "console.h"

#include "pgpooler/proto.h"

#include <strings.h>

enum takes { TAKES_NOTHING, TAKES_OPTION, TAKES_ARGUMENT };

struct admin_command {
    const char *word;
    enum console_right right; /* the least that is needed */
    enum takes takes;
    void (*run)(struct console *console, const struct command *command);
    const char *help; /* the line in SHOW HELP */
};

static void refuse_unknown(struct console *console, const struct command *command);
static void run_help(struct console *console, const struct command *command);
static void run_fake_show(struct console *console, const struct command *command);

/* ---- settings that drivers ask for, about a server that is not there ---- */

static const struct {
    const char *name, *value;
    struct admin_column column;
} fake_settings[] = {
#define FAKE(name, value)                                                                                              \
    {                                                                                                                  \
        name, value,                                                                                                   \
        {                                                                                                              \
            name, COL_TEXT, offsetof(struct text_row, text), "for drivers that ask", false                             \
        }                                                                                                              \
    }
    FAKE("client_encoding", "UTF-8"),
    FAKE("default_transaction_isolation", "read committed"),
    FAKE("standard_conforming_strings", "on"),
    FAKE("datestyle", "ISO"),
    FAKE("timezone", "GMT"),
    FAKE("extra_float_digits", "1"),
#undef FAKE
};
enum { FAKE_SETTINGS = sizeof fake_settings / sizeof *fake_settings };
#define FAKE_TABLE(i)                                                                                                  \
    {                                                                                                                  \
        .columns = &fake_settings[i].column, .column_count = 1, .row_size = sizeof(struct text_row)                    \
    }
static const struct admin_table fake_tables[] = {FAKE_TABLE(0), FAKE_TABLE(1), FAKE_TABLE(2),
                                                 FAKE_TABLE(3), FAKE_TABLE(4), FAKE_TABLE(5)};
_Static_assert(sizeof fake_tables / sizeof *fake_tables == FAKE_SETTINGS, "a table for each");

/* Its number, or -1. */
static int find_fake_setting(const char *name)
{
    for (int i = 0; i < FAKE_SETTINGS; i++)
        if (strcasecmp(fake_settings[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- the process ---- */

static void on_reloaded(void *ctx, const char *error)
{
    struct console *console = ctx;
    if (!console_awaited(console))
        return;
    if (error == NULL)
        console_complete(console, "RELOAD");
    else
        console_fail(console, "F0000", "RELOAD failed, see logs for additional details", NULL);
}

static void run_reload(struct console *console, const struct command *command)
{
    (void)command;
    const struct admin_hooks *hooks = &console->admin->hooks;
    console->awaited++;
    hooks->reload(hooks->owner, on_reloaded, console);
}

static void on_set(void *ctx, const char *error)
{
    struct console *console = ctx;
    if (!console_awaited(console))
        return;
    if (error != NULL) {
        console_fail(console, SQLSTATE_PROTOCOL_VIOLATION, "SET failed", error);
        return;
    }
    char *tag = mem_printf("SET %s=%s", console->command->argument, console->command->value);
    console_complete(console, tag);
    mem_free(tag);
}

static void run_set(struct console *console, const struct command *command)
{
    const struct admin_hooks *hooks = &console->admin->hooks;
    console->awaited++;
    hooks->set(hooks->owner, command->argument, command->value, on_set, console);
}

static void run_fake_set(struct console *console, const struct command *command)
{
    (void)command;
    conversation_notice(&console->talk, "SET ignored", NULL);
    console_complete(console, "SET");
}

static void run_shutdown(struct console *console, const struct command *command)
{
    const struct admin_hooks *hooks = &console->admin->hooks;
    if (command->argument == NULL) {
        hooks->shut_down(hooks->owner, ADMIN_SHUTDOWN_NOW); /* the answer is that the connection closes */
        return;
    }
    enum admin_shutdown how;
    if (strcasecmp(command->argument, "WAIT_FOR_SERVERS") == 0) {
        how = ADMIN_SHUTDOWN_SERVERS;
    } else if (strcasecmp(command->argument, "WAIT_FOR_CLIENTS") == 0) {
        how = ADMIN_SHUTDOWN_CLIENTS;
    } else {
        refuse_unknown(console, command);
        return;
    }
    if (hooks->is_shutting_down(hooks->owner)) {
        console_refuse(console, "pooler is shutting down");
        return;
    }
    console_complete(console, "SHUTDOWN");
    hooks->shut_down(hooks->owner, how);
}

/* ---- the table ---- */

static const struct admin_command commands[] = {
    {"SHOW", CONSOLE_STATS, TAKES_ARGUMENT, run_show, NULL},
    {"SET", CONSOLE_ADMIN, TAKES_ARGUMENT, run_set, "SET key = arg"},
    {"RELOAD", CONSOLE_ADMIN, TAKES_NOTHING, run_reload, "RELOAD"},
    {"PAUSE", CONSOLE_ADMIN, TAKES_OPTION, run_pause, "PAUSE [<db>]"},
    {"RESUME", CONSOLE_ADMIN, TAKES_OPTION, run_resume, "RESUME [<db>]"},
    {"SHUTDOWN", CONSOLE_ADMIN, TAKES_OPTION, run_shutdown, "SHUTDOWN\n\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* The same words about settings that are nobody's, and the usage. */
static const struct admin_command show_help = {"SHOW", CONSOLE_STATS, TAKES_ARGUMENT, run_help, NULL};
static const struct admin_command show_fake = {"SHOW", CONSOLE_STATS, TAKES_ARGUMENT, run_fake_show, NULL};
static const struct admin_command set_fake = {"SET", CONSOLE_STATS, TAKES_ARGUMENT, run_fake_set, NULL};

static const struct admin_command *find_show(const struct admin_command *show, const char *what)
{
    if (strcasecmp(what, "HELP") == 0)
        return &show_help;
    if (find_fake_setting(what) >= 0)
        return &show_fake;
    return show_find(what) != NULL ? show : NULL;
}

/* NULL: there is no such command. */
static const struct admin_command *find_command(const struct command *command)
{
    for (int i = 0; command->is_valid && i < COMMANDS; i++) {
        const struct admin_command *known = &commands[i];
        if (strcmp(known->word, command->word) != 0)
            continue;
        bool fits = command->argument != NULL ? known->takes != TAKES_NOTHING : known->takes != TAKES_ARGUMENT;
        if (!fits)
            return NULL;
        if (known->run == run_show)
            return find_show(known, command->argument);
        return known->run == run_set && find_fake_setting(command->argument) >= 0 ? &set_fake : known;
    }
    return NULL;
}

enum command_verdict command_judge(const struct command *command, enum console_right right)
{
    const struct admin_command *known = find_command(command);
    if (known == NULL)
        return COMMAND_UNKNOWN;
    return right < known->right ? COMMAND_DENIED : COMMAND_ALLOWED;
}

static void refuse_unknown(struct console *console, const struct command *command)
{
    enum { QUOTED_MAX = 300 }; /* bytes of the command in the message */
    int len = (int)strnlen(command->text, QUOTED_MAX);
    while (len > 0 && command->text[len] != '\0' && (command->text[len] & 0xc0) == 0x80)
        len--; /* no half characters */
    char *message = mem_printf("invalid command '%.*s', use SHOW HELP;", len, command->text);
    console_refuse(console, message);
    mem_free(message);
}

static void run_help(struct console *console, const struct command *command)
{
    (void)command;
    enum { WORDS_PER_LINE = 7 };
    struct buf usage = {0};
    buf_append_str(&usage, "\n\tSHOW HELP");
    for (int i = 0; i < show_count; i++)
        buf_printf(&usage, "%s%s", (i + 1) % WORDS_PER_LINE == 0 ? "\n\tSHOW " : "|", shows[i].word);
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].help != NULL)
            buf_printf(&usage, "\n\t%s", commands[i].help);
    conversation_notice(&console->talk, "Console usage", buf_text(&usage));
    buf_deinit(&usage);
    console_complete(console, "SHOW");
}

static void run_fake_show(struct console *console, const struct command *command)
{
    int i = find_fake_setting(command->argument);
    struct result result;
    result_init(&result, &fake_tables[i]);
    ((struct text_row *)result_add(&result))->text = fake_settings[i].value;
    conversation_rows(&console->talk, &result);
    result_deinit(&result);
    console_complete(console, "SHOW");
}

static void log_command(const struct command *command)
{
    if (command->argument != NULL)
        log_write(LOG_LEVEL_LOG, "%s '%s' command issued", command->word, command->argument);
    else
        log_write(LOG_LEVEL_LOG, "%s command issued", command->word);
}

void command_run(void *owner, const struct command *command)
{
    struct console *console = owner;
    struct stats *stats = &console->admin->console_stats;
    stats->query_count++;
    stats->xact_count++;
    console->command = command;
    console->began_at = loop_now(console->admin->loop);
    console->request_wall = net_wall_now();

    const struct admin_command *known = find_command(command);
    switch (command_judge(command, console->client->right)) {
    case COMMAND_UNKNOWN:
        refuse_unknown(console, command);
        break;
    case COMMAND_DENIED:
        console_refuse(console, "admin access needed");
        break;
    case COMMAND_ALLOWED:
        if (known->right == CONSOLE_ADMIN)
            log_command(command);
        known->run(console, command);
        break;
    }
}

const struct admin_table *command_describe(void *owner, const struct command *command)
{
    (void)owner;
    const struct admin_command *known = find_command(command);
    if (known != NULL && known->run == run_show)
        return show_find(command->argument)->table;
    if (known != NULL && known->run == run_fake_show)
        return &fake_tables[find_fake_setting(command->argument)];
    return NULL;
}
