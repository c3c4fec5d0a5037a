/* console - one client of the console: its stream, its welcome, and the end of both. */
#include "console.h"

#include "pgpooler/proto.h"

enum {
    READ_SIZE = 4096,
    HELD_MAX = 2 * CONVERSATION_MESSAGE_MAX, /* bytes of input kept while a command runs */
    PENDING_MAX = 1 << 20,                   /* bytes of output that stop us from answering more */
};

/* What PgBouncer's console says; drivers look at some of them. */
static const struct {
    const char *name, *value;
} welcome_parameters[] = {
    {"server_version", PGBOUNCER_VERSION "/bouncer"},
    {"client_encoding", "UTF8"},
    {"server_encoding", "UTF8"},
    {"DateStyle", "ISO"},
    {"TimeZone", "GMT"},
    {"standard_conforming_strings", "on"},
    {"is_superuser", "on"},
};

static void free_client(struct console_client *client)
{
    mem_free(client->user);
    mem_free(client->database);
    mem_free(client->application_name);
    buf_deinit(&client->unread);
    mem_wipe(client->cancel_key, sizeof client->cancel_key);
    mem_free(client);
}

static void free_console(struct console *console)
{
    list_remove(&console->link);
    conversation_deinit(&console->talk);
    free_client(console->client);
    mem_free(console);
}

static void free_when_unused(struct console *console)
{
    if (console->is_closed && console->awaited == 0)
        free_console(console);
}

void consoles_free(struct admin *admin)
{
    LIST_FOREACH_SAFE (&admin->closing, it, after)
        free_console(LIST_ENTRY(it, struct console, link));
}

static void on_closed(void *owner)
{
    struct console *console = owner;
    console->is_closed = true;
    free_when_unused(console);
}

void console_log(const struct console *console, enum log_level level, const char *text)
{
    char host[128];
    const struct address *peer = stream_peer(console->stream);
    address_text(peer, host, sizeof host);
    log_write(level, "C-%p: %s/%s@%s:%d %s", (const void *)console, console->client->database, console->client->user,
              host, address_port(peer), text);
}

static void log_end(const struct console *console, const char *reason)
{
    usec age = net_wall_now() - console->client->connected_wall;
    char *text = mem_printf("closing because: %s (age=%ds)", reason, (int)(age / USEC_PER_SEC));
    console_log(console, LOG_LEVEL_LOG, text);
    mem_free(text);
}

void console_close(struct console *console, const char *reason)
{
    if (console->stream == NULL)
        return;
    if (admin_config(console->admin)->log_disconnections)
        log_end(console, reason);
    struct stream *stream = console->stream;
    console->stream = NULL;
    console->talk.is_over = true; /* nothing more is run */
    pause_abandon(console);
    timer_stop(&console->poll);
    list_remove(&console->link);
    list_push_back(&console->admin->closing, &console->link);
    console->admin->console_count--;
    stream_close(stream, on_closed);
}

bool console_awaited(struct console *console)
{
    assert(console->awaited > 0);
    console->awaited--;
    if (console->stream != NULL)
        return true;
    free_when_unused(console);
    return false;
}

/* Sends what there is, and closes when the conversation is over. */
static void flush(struct console *console)
{
    struct buf *out = &console->talk.out;
    int err = 0;
    if (out->len > 0) {
        struct iovec piece = {out->data, out->len};
        console->admin->console_stats.sent += out->len;
        err = stream_write(console->stream, &piece, 1);
        buf_deinit(out); /* a console is mostly idle */
    }
    if (err != 0)
        console_close(console, "client connection broken");
    else if (console->talk.is_over)
        console_close(console, "client close request");
}

/* Answers what is here as far as the client takes the answers. False: nothing is read for now, or ever. */
static bool serve(struct console *console)
{
    for (bool is_full = true; is_full;) {
        conversation_continue(&console->talk);
        if (console->stream == NULL)
            return false;
        is_full = console->talk.out.len >= CONVERSATION_OUT_MAX;
        flush(console);
        if (console->stream == NULL)
            return false;
        if (stream_pending(console->stream) > PENDING_MAX) {
            stream_pause_reading(console->stream); /* on_drained() goes on */
            return false;
        }
    }
    if (console->talk.in.len > HELD_MAX) {
        stream_pause_reading(console->stream); /* until the running command has ended */
        return false;
    }
    stream_resume_reading(console->stream);
    return true;
}

static void on_readable(void *owner)
{
    struct console *console = owner;
    char bytes[READ_SIZE];
    ssize_t got = stream_read(console->stream, bytes, sizeof bytes);
    if (got == ERR_AGAIN)
        return;
    if (got <= 0) {
        console_close(console, "client unexpected eof");
        return;
    }
    console->admin->console_stats.received += (uint64_t)got;
    conversation_bytes(&console->talk, bytes, (size_t)got);
    if (serve(console) && (size_t)got == sizeof bytes)
        stream_read_later(console->stream);
}

static void on_drained(void *owner)
{
    serve(owner);
}

static const struct stream_events console_events = {.readable = on_readable, .drained = on_drained};

static void append_welcome(struct buf *out, const struct console_client *client)
{
    proto_auth(out, 0, NULL, 0); /* AuthenticationOk */
    for (size_t i = 0; i < sizeof welcome_parameters / sizeof *welcome_parameters; i++)
        proto_parameter_status(out, welcome_parameters[i].name, welcome_parameters[i].value);
    proto_backend_key(out, client->cancel_pid, client->cancel_key, client->cancel_key_len);
    proto_ready(out, 'I');
}

void console_open(struct admin *admin, struct console_client *client)
{
    if (admin->is_closed) { /* it was on its way */
        stream_close(client->stream, NULL);
        free_client(client);
        return;
    }
    struct console *console = mem_zalloc(sizeof *console);
    console->admin = admin;
    console->client = client;
    console->stream = client->stream;
    console->request_wall = client->connected_wall;
    conversation_init(&console->talk);
    console->talk.run = command_run;
    console->talk.describe = command_describe;
    console->talk.owner = console;
    list_push_back(&admin->consoles, &console->link);
    admin->console_count++;
    admin->console_stats.client_login_count++;
    stream_set_owner(console->stream, &console_events, console);
    if (client->right == CONSOLE_NOBODY) {
        proto_error(&console->talk.out, &(struct proto_error){.severity = "FATAL",
                                                              .sqlstate = SQLSTATE_PROTOCOL_VIOLATION,
                                                              .message = "not allowed"});
        console->talk.is_over = true;
        flush(console);
        return;
    }
    append_welcome(&console->talk.out, client);
    conversation_bytes(&console->talk, client->unread.data, client->unread.len);
    buf_deinit(&client->unread);
    if (serve(console))
        stream_read_later(console->stream); /* what came while it was on its way */
}

/* ---- answers ---- */

static void answered(struct console *console)
{
    struct stats *stats = &console->admin->console_stats;
    usec took = loop_now(console->admin->loop) - console->began_at;
    stats_query_ended(stats, took);
    stats_xact_ended(stats, took);
    console->command = NULL;
    if (console->talk.is_inside) /* whoever is at work goes on */
        return;
    serve(console);
}

void console_complete(struct console *console, const char *tag)
{
    if (console->stream == NULL)
        return;
    conversation_complete(&console->talk, tag);
    answered(console);
}

void console_fail(struct console *console, const char *sqlstate, const char *message, const char *detail)
{
    if (console->stream == NULL)
        return;
    if (admin_config(console->admin)->log_pooler_errors) {
        char *line = mem_printf("pooler error: %s", message);
        console_log(console, LOG_LEVEL_WARNING, line);
        mem_free(line);
    }
    conversation_fail(&console->talk, sqlstate, message, detail);
    answered(console);
}

void console_refuse(struct console *console, const char *message)
{
    console_fail(console, SQLSTATE_PROTOCOL_VIOLATION, message, NULL);
}

void console_cancel(struct console *console)
{
    if (!console->waits_for_pause)
        return; /* everything else is done in a moment */
    pause_abandon(console);
    console_fail(console, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request", NULL);
}
