/*
 * From the first byte to the first ReadyForQuery: requests before startup, the startup message, authentication, the
 * welcome. Moves forward only: one startup message, whose identity never changes; in authentication nothing but 'p'.
 */
#include "worker/types.h"

#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct login {
    struct timer timer; /* over everything until the welcome */
    struct job job;
    struct worker *worker;
    struct client *client; /* NULL: gone while the job runs */
    struct auth_check *check;
    char *user, *database;
    struct buf options;
    char *values[TRACKED_MAX]; /* of tracked parameters, as the client wants them */
    bool asked_tls, asked_gss, is_console, working, welcome_due;
    bool started;  /* the startup message is read */
    bool is_owner; /* the system user who runs this process: no password on the console */
};

static bool is_console_name(const char *database)
{
    return strcmp(database, "pgbouncer") == 0 || strcmp(database, "pgpooler") == 0;
}

static void send_buf(struct client *client, struct buf *msg)
{
    struct iovec piece = {msg->data, msg->len};
    stream_write(client->stream, &piece, 1);
    buf_deinit(msg);
}

/*
 * Logins are reused: between two idle clients that stay, a freed one would leave a hole that the next, smaller
 * allocation spoils, and an idle client would cost a hundred bytes more.
 */
static struct login *login_new(struct worker *worker)
{
    struct login *login = worker->spare_login;
    worker->spare_login = NULL;
    if (login == NULL)
        login = mem_alloc(sizeof *login);
    *login = (struct login){.worker = worker};
    return login;
}

static void login_destroy(struct login *login)
{
    auth_check_free(login->check);
    for (int i = 0; i < TRACKED_MAX; i++)
        mem_free(login->values[i]);
    mem_free(login->user);
    mem_free(login->database);
    buf_deinit(&login->options);
    struct worker *worker = login->worker;
    mem_free(worker->spare_login);
    worker->spare_login = login;
}

void login_free(struct client *client)
{
    struct login *login = client->login;
    client->login = NULL;
    client->worker->login_clients--;
    atomic_fetch_sub_explicit(&client->worker->all->login_clients, 1, memory_order_relaxed);
    timer_stop(&login->timer);
    if (login->working)
        login->client = NULL; /* the job's end frees it */
    else
        login_destroy(login);
}

static void login_timed_out(struct timer *timer)
{
    struct login *login = LIST_ENTRY(timer, struct login, timer);
    client_fatal(login->client, CLOSE_LOGIN_TIMEOUT);
}

void client_accepted(struct worker *worker, int fd)
{
    struct client *client = client_new(worker);
    client->login = login_new(worker);
    client->login->client = client;
    worker->login_clients++;
    int logins = atomic_fetch_add_explicit(&worker->all->login_clients, 1, memory_order_relaxed) + 1;
    const struct config *c = worker->config;
    int most = c->max_unauthenticated_clients > 0 ? c->max_unauthenticated_clients : c->max_client_conn;
    struct stream_options options = stream_options_of(c);
    client->stream = stream_open(worker->loop, fd, &client_events, client);
    stream_tune(client->stream, &options);
    if (c->client_login_timeout > 0)
        timer_start(worker->loop, &client->login->timer, loop_now(worker->loop) + c->client_login_timeout,
                    login_timed_out);
    if (most > 0 && logins > most) /* whoever only connects must not use up the descriptors */
        client_fatal(client, CLOSE_LOGIN_PROCESS_FULL);
}

/* ---- the startup message ---- */
struct parameter_check {
    struct client *client;
    const char *refused; /* the first name that is not acceptable */
};

static int take_parameter(void *ctx, const char *name, const char *value)
{
    struct parameter_check *check = ctx;
    struct client *client = check->client;
    int index = params_index(&client->worker->store, name);
    if (index >= 0) {
        mem_free(client->login->values[index]);
        client->login->values[index] = mem_strdup(value);
    } else if (!config_name_in_list(client->worker->config->ignore_startup_parameters, name)) {
        check->refused = name;
        return ERR_DENIED;
    }
    return 0;
}

static bool refuse(struct client *client, enum close_reason reason, const char *what)
{
    client_fatal_words(client, reason, NULL, what);
    return false;
}

static bool take_options(struct client *client, const char *options)
{
    if (config_name_in_list(client->worker->config->ignore_startup_parameters, "options"))
        return true;
    struct parameter_check check = {client, NULL};
    int rc = proto_options_parse(options, &client->login->options, take_parameter, &check);
    if (rc == ERR_SYNTAX)
        return refuse(client, CLOSE_LOGIN_OPTIONS, "");
    return rc == 0 || refuse(client, CLOSE_LOGIN_OPTION, check.refused);
}

static bool take_parameters(struct client *client, const struct startup *s)
{
    for (int i = 0; i < s->param_count; i++) {
        const char *name = s->params[i].name, *value = s->params[i].value;
        if (strcmp(name, "user") == 0 || strcmp(name, "database") == 0)
            continue;
        if (strcmp(name, "options") == 0) {
            if (!take_options(client, value))
                return false;
            continue;
        }
        if (strcmp(name, "replication") == 0) {
            if (strcmp(value, "false") != 0 && strcmp(value, "off") != 0 && strcmp(value, "0") != 0) {
                client_fatal(client, CLOSE_LOGIN_REPLICATION);
                return false;
            }
            continue;
        }
        struct parameter_check check = {client, NULL};
        if (take_parameter(&check, name, value) != 0)
            return refuse(client, CLOSE_LOGIN_PARAMETER, name);
    }
    return true;
}

static void login_answered(struct client *client, enum auth_answer answer, struct buf *out);

static void granted(struct client *client);

/* PgBouncer's rule: user pgbouncer of its console, over the Unix socket, from a process of our own system user. */
static bool is_owner(const struct client *client)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return client->login->is_console && strcmp(client->login->user, "pgbouncer") == 0 &&
           address_is_local(stream_peer(client->stream)) &&
           getsockopt(stream_fd(client->stream), SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static void begin_auth(struct client *client)
{
    struct login *login = client->login;
    login->is_owner = is_owner(client);
    if (login->is_owner) {
        granted(client);
        return;
    }
    struct worker *worker = client->worker;
    const struct config *c = worker->config;
    const struct config_user *user = config_find_user(c, login->user);
    const char *secret = user && user->has_password ? user->secret : NULL;
    enum auth_check_method method = AUTH_CHECK_MD5;
    switch (c->auth_type) {
    case AUTH_ANY:
        method = AUTH_CHECK_TRUST;
        secret = "";
        break;
    case AUTH_TRUST:
        method = AUTH_CHECK_TRUST;
        break;
    case AUTH_PLAIN:
        method = AUTH_CHECK_PLAIN;
        break;
    case AUTH_SCRAM:
        method = AUTH_CHECK_SCRAM;
        break;
    default:
        break;
    }
    struct auth_policy policy = {.scram_iterations = c->scram_iterations, .cache = worker->all->scram_cache};
    memcpy(policy.mock_key, worker->all->mock_key, sizeof policy.mock_key);
    login->check = auth_check_new(method, login->user, secret, &policy);
    struct buf out = {0};
    login_answered(client, auth_check_start(login->check, &out), &out);
}

/* Of a console: for SHOW CLIENTS. Its other parameters mean nothing to us. */
static void note_application(struct client *client, const struct startup *s)
{
    int index = params_index(&client->worker->store, "application_name");
    const char *name = startup_param(s, "application_name");
    if (index >= 0 && name != NULL)
        client->login->values[index] = mem_strdup(name);
}

static void begin_session(struct client *client, const struct startup *s)
{
    struct login *login = client->login;
    if (s->version >> 16 != 3) {
        client_fatal(client, CLOSE_LOGIN_PROTOCOL);
        return;
    }
    const char *user = startup_param(s, "user"), *database = startup_param(s, "database");
    if (user == NULL || *user == '\0') {
        client_fatal(client, CLOSE_LOGIN_NO_USER);
        return;
    }
    login->started = true;
    login->user = mem_strdup(user);
    login->database = mem_strdup(database && *database ? database : user);
    login->is_console = is_console_name(login->database);
    client->user = login->user; /* interned when it is known to be somebody's: anybody can make up names */
    bool is_3_2 = s->version >= PROTO_VERSION_3_2;
    client->key_len = is_3_2 ? CLIENT_KEY_SIZE : 4;
    if (s->version > PROTO_VERSION_3_2 || s->version == PROTO_VERSION_3_0 + 1 || s->option_count > 0) {
        struct buf out = {0};
        proto_negotiate_version(&out, is_3_2 ? PROTO_VERSION_3_2 : PROTO_VERSION_3_0, s->options, s->option_count);
        send_buf(client, &out);
    }
    if (login->is_console)
        note_application(client, s);
    else if (!take_parameters(client, s))
        return;
    begin_auth(client);
}

/* One packet of the startup family. True: there may be another behind it. */
static bool startup_packet(struct client *client)
{
    struct login *login = client->login;
    struct startup *s = client->worker->startup;
    const char *why = "bad packet header";
    int rc = proto_startup_parse(client->held.data, client->held.len, s, &why);
    if (rc == ERR_AGAIN)
        return false;
    if (rc != 0) {
        client_fatal_words(client, CLOSE_LOGIN_PACKET, NULL, why);
        return false;
    }
    switch (s->kind) {
    case STARTUP_SSL:
    case STARTUP_GSS: {
        bool *asked = s->kind == STARTUP_SSL ? &login->asked_tls : &login->asked_gss;
        if (*asked) {
            client_fatal(client, CLOSE_LOGIN_ENCRYPTION_TWICE);
            return false;
        }
        *asked = true;
        buf_consume(&client->held, s->len);
        struct iovec no = {(char[]){'N'}, 1};
        stream_write(client->stream, &no, 1);
        return true;
    }
    case STARTUP_DIRECT_TLS:
        client_close(client, CLOSE_CLIENT_DIRECT_TLS);
        return false;
    case STARTUP_CANCEL:
        client->state = CLIENT_CANCEL;
        cancel_requested(client, s->cancel_pid, s->cancel_key);
        return false;
    case STARTUP_MESSAGE: {
        struct buf packet = client->held; /* lends its text to s; what is behind it waits for its turn */
        client->held = (struct buf){0};
        buf_append(&client->held, packet.data + s->len, packet.len - s->len);
        begin_session(client, s);
        buf_deinit(&packet);
        return client->state == CLIENT_LOGIN;
    }
    }
    return false;
}

/* ---- authentication ---- */
static void login_job_run(struct job *job)
{
    auth_check_work(LIST_ENTRY(job, struct login, job)->check);
}

static void login_job_done(struct job *job)
{
    struct login *login = LIST_ENTRY(job, struct login, job);
    login->working = false;
    if (login->client == NULL) {
        login_destroy(login);
        return;
    }
    struct client *client = login->client;
    struct buf out = {0};
    login_answered(client, auth_check_resume(login->check, &out), &out);
    if (client->state == CLIENT_LOGIN)
        login_readable(client);
}

/* One message in answer to ours. True: there may be another behind it. */
static bool auth_message(struct client *client)
{
    struct login *login = client->login;
    struct buf *held = &client->held;
    if (login->working || login->welcome_due || held->len == 0)
        return false;
    if (held->data[0] == 'X') {
        client_close(client, CLOSE_CLIENT_REQUEST);
        return false;
    }
    struct proto_header h;
    int rc = proto_frontend_header(held->data, held->len, PROTO_AUTH_MAX, &h);
    if (held->data[0] != 'p' || (rc != 0 && rc != ERR_AGAIN)) {
        client_fatal(client, CLOSE_LOGIN_EXPECTED_PASSWORD);
        return false;
    }
    if (rc == ERR_AGAIN || held->len < h.len)
        return false;
    struct buf out = {0};
    enum auth_answer answer = auth_check_step(login->check, held->data + PROTO_HEADER, h.len - PROTO_HEADER, &out);
    mem_wipe(held->data, h.len);
    buf_consume(held, h.len);
    login_answered(client, answer, &out);
    return client->state == CLIENT_LOGIN;
}

/* ---- behind authentication: is there room, and for whom ---- */
static void to_console(struct client *client);

static bool count_client(struct client *client)
{
    struct worker *worker = client->worker;
    const struct config_entry *entry = client->pool->database->entry;
    enum broker_login room = broker_client_login(
        worker->all->broker, client->pool->database->name, client->user,
        config_max_db_client_connections(worker->config, entry),
        config_max_user_client_connections(worker->config, config_find_user(worker->config, client->user)));
    static const enum close_reason full[] = {
        [BROKER_LOGIN_PROCESS_FULL] = CLOSE_LOGIN_PROCESS_FULL,
        [BROKER_LOGIN_DATABASE_FULL] = CLOSE_LOGIN_DATABASE_FULL,
        [BROKER_LOGIN_USER_FULL] = CLOSE_LOGIN_USER_FULL,
    };
    if (room != BROKER_LOGIN_OK) {
        client_fatal(client, full[room]);
        return false;
    }
    client->counted = true;
    client->pool->client_count++;
    return true;
}

static void granted(struct client *client)
{
    struct login *login = client->login;
    struct worker *worker = client->worker;
    if (login->is_console) {
        to_console(client);
        return;
    }
    if (worker->refusing != NULL) {
        client_fatal_words(client, CLOSE_LOGIN_SHUTTING_DOWN, NULL, worker->refusing);
        return;
    }
    struct database *database = database_get(worker, login->database);
    if (database == NULL) {
        refuse(client, CLOSE_LOGIN_NO_DATABASE, login->database);
        return;
    }
    if (worker->config->auth_type == AUTH_ANY && database->entry->user == NULL) {
        client_fatal(client, CLOSE_LOGIN_CONFIG);
        return;
    }
    const char *server_user = database->entry->user ? database->entry->user : login->user;
    client->pool = pool_get(worker, database, server_user);
    client->user = worker_string(worker, login->user);
    if (!count_client(client))
        return;
    if (worker->config->log_connections)
        client_log(client, LOG_LEVEL_LOG, "login attempt: db=%s user=%s tls=no replication=no", login->database,
                   login->user);
    database->stats.client_login_count++;
    struct scram_keys keys;
    if (database->entry->user == NULL && auth_check_scram_keys(login->check, &keys))
        shared_keys_put(worker->all, client->pool->idle.shared, &keys);
    mem_wipe(&keys, sizeof keys);
    login->welcome_due = true;
    pool_learn_welcome(client->pool, false);
    if (client->pool->params != NULL)
        login_welcome(client);
    else
        link_want(client); /* what the server reports is known behind its first login */
}

static void login_answered(struct client *client, enum auth_answer answer, struct buf *out)
{
    struct login *login = client->login;
    if (out->len > 0)
        send_buf(client, out);
    buf_deinit(out);
    switch (answer) {
    case AUTH_MORE:
        break;
    case AUTH_GRANTED:
        granted(client);
        break;
    case AUTH_REFUSED: {
        const char *sqlstate, *text;
        auth_check_refusal(login->check, &sqlstate, &text);
        client_fatal_words(client, CLOSE_LOGIN_REFUSED, sqlstate, text);
        break;
    }
    case AUTH_OFFLOAD:
        login->working = true;
        login->job = (struct job){.run = login_job_run, .done = login_job_done};
        net_offload(client->worker->loop, &login->job);
        break;
    }
}

/* ---- the welcome ---- */
static enum session_mode mode_of(const struct client *client)
{
    const struct config *c = client->worker->config;
    switch (config_pool_mode(c, client->pool->database->entry, config_find_user(c, client->user))) {
    case POOL_MODE_TRANSACTION:
        return SESSION_MODE_TRANSACTION;
    case POOL_MODE_STATEMENT:
        return SESSION_MODE_STATEMENT;
    default:
        return SESSION_MODE_SESSION;
    }
}

static struct params *wanted_params(struct client *client)
{
    struct store *store = &client->worker->store;
    struct params *asked = params_ref(store->no_params);
    for (int i = 0; i < store->tracked_count; i++)
        if (client->login->values[i] != NULL)
            asked = params_with(store, asked, i, client->login->values[i]);
    struct params *wanted = params_overlay(store, asked, client->pool->params);
    params_unref(store, asked);
    return wanted;
}

void login_welcome(struct client *client)
{
    struct worker *worker = client->worker;
    struct worker_pool *pool = client->pool;
    struct params *params = wanted_params(client);
    session_init(&client->session, &worker->store, &pool->database->stats, mode_of(client), params);
    client->session.pool = pool;
    struct buf out = {0};
    proto_auth(&out, 0, NULL, 0);
    buf_append(&out, pool->welcome.data, pool->welcome.len);
    for (int i = 0; i < worker->store.tracked_count; i++)
        if (params->values[i] != NULL)
            proto_parameter_status(&out, worker->store.tracked[i], params->values[i]);
    proto_backend_key(&out, client_cancel_pid(client), client->key, client->key_len);
    proto_ready(&out, 'I');
    send_buf(client, &out);
    login_free(client);
    client->state = CLIENT_RELAY;
    client->request_at = loop_now(worker->loop);
    stream_resume_reading(client->stream); /* paused when too much came with the login */
    if (client->held.len > 0)
        relay_feed(client);
    else
        buf_deinit(&client->held); /* an idle client holds no buffer */
}

/* ---- consoles move to control ---- */
static enum console_right right_of(const struct config *c, const char *user)
{
    if (config_name_in_list(c->admin_users, user))
        return CONSOLE_ADMIN;
    if (config_name_in_list(c->stats_users, user) || c->auth_type == AUTH_ANY)
        return CONSOLE_STATS;
    return CONSOLE_NOBODY;
}

struct console_move {
    struct console_client console;
    struct workers *all;
};

/* Between two owners nothing is delivered. */
static const struct stream_events moving_events;

static void console_arrived(void *owner, struct stream *stream)
{
    struct console_move *move = owner;
    struct workers *all = move->all;
    move->console.stream = stream;
    struct console_client *console = mem_dup(&move->console, sizeof move->console);
    mem_free(move);
    all->setup.console_arrived(all->setup.owner, console);
}

static void to_console(struct client *client)
{
    struct worker *worker = client->worker;
    struct login *login = client->login;
    enum console_right right = login->is_owner ? CONSOLE_ADMIN : right_of(worker->config, login->user);
    if (right == CONSOLE_NOBODY) {
        client_fatal(client, CLOSE_LOGIN_NOT_ALLOWED);
        return;
    }
    if (worker->config->log_connections)
        client_log(client, LOG_LEVEL_LOG, "login attempt: db=%s user=%s tls=no replication=no", login->database,
                   login->user);
    struct console_move *move = mem_zalloc(sizeof *move);
    move->all = worker->all;
    move->console = (struct console_client){
        .right = right,
        .user = mem_strdup(login->user),
        .database = mem_strdup(login->database),
        .connected_wall = net_wall_now(),
        .cancel_key_len = client->key_len,
    };
    int index = params_index(&worker->store, "application_name");
    if (index >= 0 && login->values[index] != NULL)
        move->console.application_name = mem_strdup(login->values[index]);
    /* Its slot here is free again soon, so the pid is from a range that no worker has. */
    move->console.cancel_pid = atomic_fetch_add(&worker->all->console_serial, 1) % ((1u << SLOT_BITS) - 1) + 1;
    memcpy(move->console.cancel_key, client->key, sizeof client->key);
    move->console.unread = client->held;
    client->held = (struct buf){0};
    struct stream *stream = client->stream;
    client_bury(client);
    stream_resume_reading(stream);
    stream_set_owner(stream, &moving_events, move);
    stream_move(stream, worker->all->setup.control, console_arrived);
}

/* ---- bytes ---- */
void login_readable(struct client *client)
{
    struct worker *worker = client->worker;
    ssize_t n = stream_read(client->stream, worker->read_buf, READ_SIZE);
    if (n == ERR_CLOSED || n == ERR_IO) {
        client_close(client, client->login->started ? CLOSE_CLIENT_EOF : CLOSE_QUIETLY);
        return;
    }
    if (n > 0)
        buf_append(&client->held, worker->read_buf, (size_t)n);
    bool more = true;
    while (more && client->state == CLIENT_LOGIN && client->login != NULL)
        more = client->login->started ? auth_message(client) : startup_packet(client);
    if (client->state == CLIENT_LOGIN && client->login != NULL && client->held.len > PROTO_AUTH_MAX + PROTO_HEADER)
        stream_pause_reading(client->stream);
}
