/* The player: a line, its first word, what it does. Everything is quiet again behind each line. */
#include "pooler_script.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 16, LINE_MAX = 4096 };

#define FAIL_UNLESS(f, condition, ...)                                                                                 \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            char reason[LINE_MAX];                                                                                     \
            snprintf(reason, sizeof reason, __VA_ARGS__);                                                              \
            ck_abort_msg("%s: at `%.*s`: %s", (f)->what, (int)(f)->line.len, (f)->line.ptr, reason);                   \
        }                                                                                                              \
    } while (0)

void pooler_script_open(struct pooler_script *f, const char *what, const char *databases, const char *settings,
                        int workers, size_t packet)
{
    *f = (struct pooler_script){.what = what, .databases = databases, .line = slice_of("(begin)")};
    pooler_open(&f->pooler, databases, settings, workers);
    f->pooler.packet = f->pooler.server.packet = packet;
}

void pooler_script_close(struct pooler_script *f)
{
    pooler_close(&f->pooler);
    labels_deinit(&f->labels);
}

/* ---- who is meant ---- */
static struct pooler_client *client_of(struct pooler_script *f, const char *name)
{
    long number = strtol(name + 1, NULL, 10);
    FAIL_UNLESS(f, name[0] == 'C' && number >= 1 && number <= POOLER_CLIENTS, "no client: %s", name);
    return &f->pooler.clients[number - 1];
}

static struct server_connection *connection_of(struct pooler_script *f, const char *name)
{
    long number = strtol(name + 1, NULL, 10);
    struct server_memory *server = &f->pooler.server;
    bool is_cancel = name[0] == 'K';
    int count = is_cancel ? server->cancel_count : server->backend_count;
    FAIL_UNLESS(f, number >= 1 && number <= count, "the server has seen %d such connections, not %s", count, name);
    return (is_cancel ? server->cancels : server->backends)[number - 1];
}

/* ---- logins ---- */
static uint32_t version_of(const char *text)
{
    unsigned major = 0, minor = 0;
    sscanf(text, "%u.%u", &major, &minor);
    return major << 16 | minor;
}

static void assert_welcome(struct pooler_script *f, struct pooler_client *client)
{
    struct buf seen = {0};
    if (!client->is_in)
        words_decode(&seen, &f->labels, false, buf_text(&client->in), client->in.len);
    FAIL_UNLESS(f, client->is_in, "not welcome, but: %s", buf_text(&seen));
    buf_deinit(&seen);
}

static void knock(struct pooler_script *f, char **words, int count)
{
    struct pooler_client *client = client_of(f, words[1]);
    struct startup_param params[WORDS_MAX] = {{"user", "alice"}, {"database", "app"}};
    int param_count = 2;
    const char *password = "secret";
    uint32_t version = PROTO_VERSION_3_0;
    for (int i = 2; i < count; i++) {
        char *value = strchr(words[i], '=');
        FAIL_UNLESS(f, value != NULL, "not a parameter: %s", words[i]);
        *value++ = '\0';
        if (strcmp(words[i], "password") == 0)
            password = value;
        else if (strcmp(words[i], "version") == 0)
            version = version_of(value);
        else if (strcmp(words[i], "user") == 0)
            params[0].value = value;
        else if (strcmp(words[i], "database") == 0)
            params[1].value = value;
        else
            params[param_count++] = (struct startup_param){words[i], value};
    }
    if (client->peer == NULL)
        client_connect(client);
    client_start(client, version, params, param_count, password);
    if (words[0][0] == 'l')
        assert_welcome(f, client);
}

/* ---- bytes ---- */
static void trim(const char **text)
{
    *text += strspn(*text, " ");
}

static void send_words(struct pooler_script *f, const char *name, const char *rest)
{
    bool from_client = name[0] == 'C';
    struct pooler_client *client = from_client ? client_of(f, name) : NULL;
    struct memory_peer *peer = from_client ? client->peer : connection_of(f, name)->peer;
    struct buf *unsent = from_client ? &client->unsent : &connection_of(f, name)->unsent;
    struct buf msg = {0};
    size_t now = SIZE_MAX;
    FAIL_UNLESS(f, peer != NULL, "is not connected");
    if (*rest == '+') {
        peer_send(peer, unsent->data, unsent->len);
        buf_deinit(unsent);
        return;
    }
    if (*rest >= '0' && *rest <= '9') {
        char *end;
        now = strtoul(rest, &end, 10);
        rest = end;
    }
    trim(&rest);
    if (strncmp(rest, "Startup ", 8) == 0) {
        const struct startup_param params[] = {{"user", "alice"}, {"database", "app"}};
        client_answers(client, "alice", "secret");
        proto_startup_message(&msg, PROTO_VERSION_3_0, params, 2);
        rest += strcspn(rest, "|");
        rest += *rest == '|';
    }
    words_encode(&msg, &f->labels, from_client, rest);
    now = now < msg.len ? now : msg.len;
    peer_send(peer, msg.data, now);
    buf_append(unsent, msg.data + now, msg.len - now);
    buf_deinit(&msg);
}

static void expect_words(struct pooler_script *f, const char *name, const char *rest)
{
    bool from_client = name[0] == 'B';
    struct buf *got = from_client ? &connection_of(f, name)->got : &client_of(f, name)->in;
    struct buf seen = {0};
    words_decode(&seen, &f->labels, from_client, buf_text(got), got->len);
    got->len = 0;
    for (char *newline; (newline = memchr(buf_text(&seen), '\n', seen.len)) != NULL;)
        *newline = '~';
    trim(&rest);
    FAIL_UNLESS(f, strcmp(rest, buf_text(&seen)) == 0, "got `%s`", buf_text(&seen));
    buf_deinit(&seen);
}

/* ---- what peers do ---- */
static void client_does(struct pooler_script *f, const char *name, const char *what)
{
    struct pooler_client *client = client_of(f, name);
    FAIL_UNLESS(f, client->peer != NULL, "is not connected");
    if (strcmp(what, "gone") == 0) {
        FAIL_UNLESS(f, client->is_closed, "is still there");
        client_leave(client, false);
        return;
    }
    if (strcmp(what, "here") == 0)
        FAIL_UNLESS(f, !client->is_closed, "was closed");
    else if (strcmp(what, "closes") == 0)
        client_leave(client, false);
    else if (strcmp(what, "resets") == 0)
        client_leave(client, true);
    else if (strcmp(what, "half-closes") == 0)
        peer_half_close(client->peer);
    else if (strcmp(what, "deaf") == 0)
        client_stop_reading(client, 1000);
    else if (strcmp(what, "reads") == 0)
        client_read_on(client);
    else
        FAIL_UNLESS(f, false, "a client can not do that");
}

static void connection_does(struct pooler_script *f, const char *name, const char *what)
{
    struct server_connection *connection = connection_of(f, name);
    if (strcmp(what, "gone") == 0)
        FAIL_UNLESS(f, connection->peer == NULL, "is still open");
    else if (strcmp(what, "open") == 0)
        FAIL_UNLESS(f, connection->peer != NULL, "is closed");
    else if (strcmp(what, "babbles") == 0)
        peer_send(connection->peer, "\x7f\xff\xff\xff\xff\x7f", 6);
    else if (strcmp(what, "holds") == 0)
        connection->holds = true;
    else if (strcmp(what, "forgets") == 0)
        connection->unanswered.len = 0;
    else if (strcmp(what, "answers") == 0)
        server_memory_answer(connection);
    else if (strcmp(what, "closes") == 0)
        server_memory_leave(connection, false);
    else if (strcmp(what, "resets") == 0)
        server_memory_leave(connection, true);
    else
        FAIL_UNLESS(f, false, "a server can not do that");
}

static void server_does(struct pooler_script *f, char **words, const char *text)
{
    struct server_memory *server = &f->pooler.server;
    const char *what = words[1];
    server->sqlstate[0] = '\0';
    server->is_mute = strcmp(what, "mute") == 0;
    if (strcmp(what, "silent") == 0) {
        net_memory_fail(&server->at, 0);
    } else if (strcmp(what, "down") == 0) {
        net_memory_fail(&server->at, ECONNREFUSED);
    } else {
        server_memory_serve(server);
        if (strcmp(what, "refuses") == 0) {
            snprintf(server->error, sizeof server->error, "%s", strstr(text, words[2]) + 6);
            snprintf(server->sqlstate, sizeof server->sqlstate, "%s", words[2]);
        } else {
            FAIL_UNLESS(f, server->is_mute || strcmp(what, "serves") == 0, "a server can not do that");
        }
    }
}

static void is_meant(struct pooler_script *f, const char *cancel_name, const char *backend_name)
{
    const struct server_connection *cancels = connection_of(f, cancel_name), *backend = connection_of(f, backend_name);
    FAIL_UNLESS(f, cancels->pid == backend->pid && cancels->cancel_key == backend->pid, "it is for process %u",
                cancels->pid);
}

/* ---- asks and counts ---- */
static const struct {
    const char *word;
    enum ask_kind kind;
} asks[] = {
    {"pause", ASK_PAUSE},
    {"resume", ASK_RESUME},
    {"reconnect", ASK_RECONNECT},
    {"kill", ASK_KILL},
    {"drop-waiting", ASK_DROP_WAITING},
    {"clients-only", ASK_CLIENTS_ONLY},
};

static void ask(struct pooler_script *f, const char *word, const char *name)
{
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++)
        if (strcmp(asks[i].word, word) == 0) {
            bool has_text = asks[i].kind == ASK_CLIENTS_ONLY || asks[i].kind == ASK_DROP_WAITING;
            pooler_ask(&f->pooler, asks[i].kind, has_text ? NULL : name, has_text ? name : NULL);
            return;
        }
    FAIL_UNLESS(f, false, "no such ask");
}

static int count_of(struct pooler_script *f, const char *what)
{
    struct pooler *pooler = &f->pooler;
    if (strcmp(what, "backends") == 0) {
        int open = 0;
        for (int i = 0; i < pooler->server.backend_count; i++)
            open += pooler->server.backends[i]->peer != NULL;
        return open;
    }
    if (strcmp(what, "connections") == 0)
        return pooler->server.count;
    if (strcmp(what, "cancels") == 0)
        return pooler->server.cancel_count;
    if (strcmp(what, "cancelling") == 0)
        return pooler->cancels;
    if (strcmp(what, "consoles") == 0)
        return pooler->consoles;
    if (strcmp(what, "waiting") == 0)
        return pooler_ask(pooler, ASK_POOLS, NULL, NULL)->waiting;
    const struct pooler_sums *sums = pooler_ask(pooler, ASK_STATS, NULL, NULL);
    const struct {
        const char *what;
        int64_t value;
    } known[] = {
        {"idle", sums->idle},
        {"used", sums->used},
        {"clients", sums->clients},
        {"logins", sums->login_clients},
        {"desync", (int64_t)sums->stats.desync},
        {"moved", (int64_t)sums->stats.backends_moved},
        {"opened", (int64_t)sums->stats.backends_opened},
        {"failed", (int64_t)sums->stats.backends_failed},
        {"resets", (int64_t)sums->stats.resets},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].what, what) == 0)
            return (int)known[i].value;
    FAIL_UNLESS(f, false, "nobody counts %s", what);
    return 0;
}

static void count(struct pooler_script *f, char **words, int word_count)
{
    for (int i = 1; i + 1 < word_count; i += 2) {
        int value = count_of(f, words[i]);
        FAIL_UNLESS(f, value == atoi(words[i + 1]), "%s: %d", words[i], value);
    }
}

/* ---- lines ---- */
static void play_line(struct pooler_script *f, const char *text)
{
    char copy[LINE_MAX], *words[WORDS_MAX + 1] = {0}, *rest = copy;
    int word_count = 0;
    ck_assert_uint_lt(strlen(text), sizeof copy);
    strcpy(copy, text);
    for (char *word; word_count < WORDS_MAX && (word = strtok_r(NULL, " ", &rest)) != NULL;)
        words[word_count++] = word;
    if (word_count == 0)
        return;
    const char *first = words[0];
    size_t name_len = strcspn(first, "<>");
    if (first[name_len] != '\0') {
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)name_len, first);
        const char *behind = strpbrk(text, "<>") + 1;
        (first[name_len] == '>' ? send_words : expect_words)(f, name, behind);
        return;
    }
    FAIL_UNLESS(f, word_count > 1 || strcmp(first, "reload") == 0, "what?");
    if (strcmp(first, "login") == 0 || strcmp(first, "knock") == 0)
        knock(f, words, word_count);
    else if (strcmp(first, "welcome") == 0)
        assert_welcome(f, client_of(f, words[1]));
    else if (strcmp(first, "connect") == 0)
        client_connect(client_of(f, words[1]));
    else if (strcmp(first, "server") == 0)
        server_does(f, words, text);
    else if (strcmp(first, "cancel") == 0)
        client_cancel(client_of(f, words[1]), word_count > 2);
    else if (strcmp(first, "wait") == 0)
        net_memory_advance((usec)(atof(words[1]) * (double)USEC_PER_SEC));
    else if (strcmp(first, "ask") == 0)
        ask(f, words[1], words[2]);
    else if (strcmp(first, "count") == 0)
        count(f, words, word_count);
    else if (strcmp(first, "reload") == 0)
        pooler_reload(&f->pooler, f->databases, strlen(text) > 7 ? strstr(text, "reload") + 7 : NULL);
    else if (first[0] == 'K' && strcmp(words[1], "for") == 0)
        is_meant(f, first, words[2]);
    else if (first[0] == 'C')
        client_does(f, first, words[1]);
    else
        connection_does(f, first, words[1]);
}

void pooler_script_play(struct pooler_script *f, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char line[LINE_MAX];
        ck_assert_uint_lt(len, sizeof line);
        memcpy(line, text, len);
        while (len > 0 && line[len - 1] == ' ')
            len--;
        line[len] = '\0';
        f->line = (struct slice){text, len};
        play_line(f, line);
        text += strcspn(text, "\n");
        text += *text == '\n';
        if (!f->stops_short || *text != '\0')
            net_memory_run();
    }
}

void pooler_converse(const struct pooler_conversation *c, int variant)
{
    static const size_t packets[POOLER_VARIANTS] = {0, 1, 7};
    struct pooler_script f;
    char *what = mem_printf("%s (packets of %zu)", c->what, packets[variant]);
    pooler_script_open(&f, what, NULL, c->settings, c->workers, packets[variant]);
    pooler_script_play(&f, c->text);
    pooler_script_close(&f);
    mem_free(what);
}
