/* The simplest pooler around sessions, with everything that may happen happening at random. */
#include "session_world.h"
#include "session_words.h"

#include <stdio.h>
#include <stdlib.h>

struct world_client {
    struct session session;
    struct server_model direct; /* what a server of its own says */
    struct buf script;
    size_t sent;
    struct buf in; /* arrived, not consumed */
    struct buf got;
    bool waits, over, vanished;
};
struct world_backend {
    struct backend_state state;
    struct server_model server;
    struct buf to_server; /* on its way */
    struct buf in;        /* arrived, not consumed */
    bool hidden;          /* busy with a query of ours */
};
struct world {
    struct random random;
    struct store store;
    struct stats stats;
    int client_count, backend_count;
    struct world_client clients[WORLD_CLIENTS];
    struct world_backend backends[WORLD_BACKENDS];
    struct buf *why;
    bool failed;
    bool progress;
};

uint64_t random_next(struct random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t random_below(struct random *r, uint32_t bound)
{
    return (uint32_t)(random_next(r) >> 33) % bound;
}

static void wrong(struct world *w, const char *what)
{
    if (!w->failed)
        buf_printf(w->why, "%s\n", what);
    w->failed = true;
}

/* ---- life ---- */
static void backend_init(struct world *w, struct world_backend *b)
{
    *b = (struct world_backend){0};
    backend_state_init(&b->state, &w->store);
    server_model_init(&b->server);
    for (int i = 0; i < MODEL_PARAMETERS; i++)
        backend_state_parameter(&b->state, model_parameters[i], model_defaults[i]);
}

static void backend_deinit(struct world_backend *b)
{
    backend_state_deinit(&b->state);
    server_model_deinit(&b->server);
    buf_deinit(&b->to_server);
    buf_deinit(&b->in);
}

static void client_init(struct world *w, struct world_client *c, const struct buf *script)
{
    *c = (struct world_client){0};
    struct params *params = params_ref(w->store.no_params);
    for (int i = 0; i < MODEL_PARAMETERS; i++)
        params = params_with(&w->store, params, params_index(&w->store, model_parameters[i]), model_defaults[i]);
    session_init(&c->session, &w->store, &w->stats, SESSION_MODE_TRANSACTION, params);
    buf_append(&c->script, script->data, script->len);
    server_model_init(&c->direct);
    server_model_bytes(&c->direct, script->data, script->len);
}

static void client_deinit(struct world_client *c)
{
    session_deinit(&c->session);
    server_model_deinit(&c->direct);
    buf_deinit(&c->script);
    buf_deinit(&c->in);
    buf_deinit(&c->got);
}

/* ---- the caller of session ---- */
static struct world_backend *linked_to(struct world *w, const struct world_client *c)
{
    for (int i = 0; i < w->backend_count; i++)
        if (c->session.link == &w->backends[i].state)
            return &w->backends[i];
    return NULL;
}

static struct world_client *client_of(struct world *w, const struct world_backend *b)
{
    for (int i = 0; i < w->client_count; i++)
        if (b->state.session == &w->clients[i].session)
            return &w->clients[i];
    return NULL;
}

static bool is_free(const struct world_backend *b)
{
    return b->state.session == NULL && !b->hidden;
}

static struct session_io io_of(struct world *w, struct out *to_client, struct out *to_backend)
{
    bool others_wait = false;
    for (int i = 0; i < w->client_count; i++)
        others_wait |= w->clients[i].waits && w->clients[i].session.link == NULL;
    return (struct session_io){to_client, to_backend, 1, others_wait};
}

static void gather(struct out *from, struct buf *to)
{
    for (int i = 0; i < from->count; i++)
        buf_append(to, from->pieces[i].iov_base, from->pieces[i].iov_len);
    out_deinit(from);
}

/* Rests of a COPY that the server has given up may be on their way: it ignores them, and they come first. */
static bool is_stray_copy_data(const struct world_backend *b)
{
    struct buf all = {0};
    buf_append(&all, b->server.in.data, b->server.in.len);
    buf_append(&all, b->to_server.data, b->to_server.len);
    size_t at = 0;
    struct proto_header h;
    while (proto_frontend_header(all.data + at, all.len - at, 1 << 28, &h) == 0 && h.len <= all.len - at &&
           memchr("dcf", h.type, 3) != NULL)
        at += h.len;
    bool stray = at == all.len;
    buf_deinit(&all);
    return stray;
}

static void expect_idle(struct world *w, const struct world_backend *b)
{
    if (b->in.len > 0 || !is_stray_copy_data(b) || !server_model_is_idle(&b->server))
        wrong(w, "a backend that is to be reused is not idle");
    if (!backend_state_is_clean(&b->state))
        wrong(w, "a backend that is to be reused is not clean");
}

/* The client is gone, or had its last word. */
static void leave(struct world *w, struct world_client *c)
{
    struct world_backend *b = linked_to(w, c);
    c->over = true;
    c->waits = false;
    if (b == NULL)
        return;
    enum session_farewell farewell = session_farewell(&c->session);
    session_detach(&c->session);
    if (farewell == FAREWELL_CLEAN) {
        expect_idle(w, b);
    } else if (farewell == FAREWELL_ROLLBACK) {
        struct out out = {0};
        backend_state_hidden_query(&b->state, "rollback", &out);
        gather(&out, &b->to_server);
        b->hidden = true;
    } else {
        backend_deinit(b);
        backend_init(w, b);
    }
}

static void end_with_fatal(struct world *w, struct world_client *c)
{
    proto_fatal(&c->got, c->session.fatal_sqlstate, c->session.fatal_text);
    leave(w, c);
}

static void present(struct world *w, struct world_client *c)
{
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = io_of(w, &to_client, &to_backend);
    enum session_want want;
    size_t used = session_client_bytes(&c->session, c->in.data, c->in.len, &io, &want);
    w->progress |= used > 0 || to_client.total > 0 || to_backend.total > 0;
    struct world_backend *b = linked_to(w, c);
    if (b == NULL && to_backend.total > 0)
        wrong(w, "bytes for no backend");
    gather(&to_client, &c->got);
    if (b != NULL)
        gather(&to_backend, &b->to_server);
    else
        out_deinit(&to_backend);
    buf_consume(&c->in, used);
    bool waited = c->waits;
    c->waits = want == SESSION_NEED;
    w->progress |= waited != c->waits;
    if (want == SESSION_TERMINATE)
        leave(w, c);
    else if (want == SESSION_FATAL)
        end_with_fatal(w, c);
}

static bool part_if_possible(struct world *w, struct world_backend *b, struct world_client *c)
{
    if (c->session.link == NULL || b->in.len > 0)
        return false;
    enum session_verdict verdict = session_verdict(&b->state);
    if (verdict == SESSION_STAY)
        return false;
    session_detach(&c->session);
    w->progress = true;
    if (verdict == SESSION_PART) {
        expect_idle(w, b);
    } else {
        backend_deinit(b);
        backend_init(w, b);
    }
    return true;
}

/* Behind answers: what a worker does. */
static void answered(struct world *w, struct world_backend *b, struct world_client *c)
{
    bool keep = c->in.len > 0 && random_one_in(&w->random, 2);
    if (!keep)
        part_if_possible(w, b, c);
    if (c->in.len > 0)
        present(w, c);
    if (keep && !c->over)
        part_if_possible(w, b, c);
    if (keep && !c->over && c->in.len > 0 && c->session.link == NULL)
        present(w, c);
}

/* ---- what may happen ---- */
static size_t some_of(struct world *w, size_t len)
{
    if (random_one_in(&w->random, 2))
        return len;
    uint32_t most = random_one_in(&w->random, 2) ? 8 : 64;
    size_t n = 1 + random_below(&w->random, most);
    return n < len ? n : len;
}

static void client_sends(struct world *w, struct world_client *c)
{
    if (c->over || (c->sent == c->script.len && c->in.len == 0))
        return;
    size_t n = c->sent < c->script.len ? some_of(w, c->script.len - c->sent) : 0;
    buf_append(&c->in, c->script.data + c->sent, n);
    c->sent += n;
    w->progress |= n > 0;
    present(w, c);
}

static void client_links(struct world *w, struct world_client *c)
{
    if (c->over || !c->waits || c->session.link != NULL)
        return;
    struct world_backend *b = &w->backends[random_below(&w->random, (uint32_t)w->backend_count)];
    if (!is_free(b))
        return;
    expect_idle(w, b);
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = io_of(w, &to_client, &to_backend);
    if (random_one_in(&w->random, 8)) {
        backend_state_pack(&b->state);
        backend_state_unpack(&b->state, &w->store);
    }
    session_attach(&c->session, &b->state, &io);
    gather(&to_client, &c->got);
    gather(&to_backend, &b->to_server);
    w->progress = true;
    present(w, c);
}

static void client_vanishes(struct world *w, struct world_client *c)
{
    if (c->over)
        return;
    c->vanished = true;
    leave(w, c);
}

static void server_works(struct world *w, struct world_backend *b)
{
    if (b->to_server.len == 0)
        return;
    size_t n = some_of(w, b->to_server.len);
    server_model_bytes(&b->server, b->to_server.data, n);
    buf_consume(&b->to_server, n);
    w->progress = true;
}

static void server_answers(struct world *w, struct world_backend *b)
{
    if (b->server.flushed == 0)
        return;
    size_t n = some_of(w, b->server.flushed);
    buf_append(&b->in, b->server.out.data, n);
    buf_consume(&b->server.out, n);
    b->server.flushed -= n;
    w->progress = true;
    struct world_client *c = client_of(w, b);
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = io_of(w, &to_client, &to_backend);
    enum backend_news news;
    size_t used = session_backend_bytes(&b->state, b->in.data, b->in.len, &io, &news);
    if (c == NULL && to_client.total > 0)
        wrong(w, "bytes for no client");
    if (c != NULL)
        gather(&to_client, &c->got);
    gather(&to_backend, &b->to_server);
    out_deinit(&to_client);
    buf_consume(&b->in, used);
    if (news == BACKEND_DESYNC) {
        wrong(w, "desync");
    } else if (c == NULL) {
        if (b->hidden && backend_state_is_quiet(&b->state)) {
            b->hidden = false;
            expect_idle(w, b);
        }
    } else if (news == BACKEND_FINE) {
        answered(w, b, c);
    } else if (news == BACKEND_REFUSE) {
        end_with_fatal(w, c);
    } else {
        leave(w, c);
    }
}

static void step(struct world *w, bool may_vanish)
{
    struct world_client *c = &w->clients[random_below(&w->random, (uint32_t)w->client_count)];
    struct world_backend *b = &w->backends[random_below(&w->random, (uint32_t)w->backend_count)];
    switch (random_below(&w->random, 4)) {
    case 0:
        client_sends(w, c);
        break;
    case 1:
        client_links(w, c);
        break;
    case 2:
        server_works(w, b);
        break;
    case 3:
        server_answers(w, b);
        break;
    }
    if (may_vanish && random_one_in(&w->random, 400))
        client_vanishes(w, c);
}

/* ---- was it right? ---- */

/*
 * A row tells under which DateStyle its statement was parsed. Parsed again on another backend that is the DateStyle
 * of today, not of then: accepted, and all that may differ. The styles have the same length.
 */
static bool same_message(const char *got, const char *wanted, size_t len)
{
    if (memcmp(got, wanted, len) == 0)
        return true;
    if (*got != 'D' || *wanted != 'D')
        return false;
    const char *parsed = memmem(wanted, len, " parsed ", 8);
    if (parsed == NULL)
        return false;
    size_t style = (size_t)(parsed - wanted) + 8;
    return memcmp(got, wanted, style) == 0 && memcmp(got + style + 3, wanted + style + 3, len - style - 3) == 0;
}

static bool is_beginning(const struct buf *got, const struct buf *wanted)
{
    size_t at = 0;
    struct proto_header h;
    if (got->len > wanted->len)
        return false;
    while (proto_backend_header(wanted->data + at, wanted->len - at, &h) == 0 && at < got->len) {
        size_t len = got->len - at < h.len ? got->len - at : h.len;
        if (len == h.len ? !same_message(got->data + at, wanted->data + at, len) : got->data[at] != wanted->data[at])
            return false;
        at += len;
    }
    return true;
}

static void check_client(struct world *w, int i)
{
    struct world_client *c = &w->clients[i];
    bool has_all = c->got.len >= c->direct.flushed;
    if (is_beginning(&c->got, &c->direct.out) && (has_all || c->vanished))
        return;
    struct labels labels = {0};
    buf_printf(w->why, "client %d got\n  ", i + 1);
    words_decode(w->why, &labels, false, c->got.data, c->got.len);
    buf_append_str(w->why, "\nwhere its own server said\n  ");
    words_decode(w->why, &labels, false, c->direct.out.data, c->direct.out.len);
    wrong(w, "");
    labels_deinit(&labels);
}

static bool work_is_left(const struct world *w)
{
    for (int i = 0; i < w->client_count; i++) {
        const struct world_client *c = &w->clients[i];
        if (!c->over && (c->sent < c->script.len || c->in.len > 0 || c->session.link != NULL))
            return true;
    }
    for (int i = 0; i < w->backend_count; i++)
        if (w->backends[i].hidden)
            return true;
    return false;
}

bool world_run(uint64_t seed, const struct buf *scripts, int clients, bool may_vanish, struct buf *why)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.random.state = seed;
    w.why = why;
    w.client_count = clients;
    w.backend_count = 1 + (int)random_below(&w.random, WORLD_BACKENDS);
    store_init(&w.store, NULL, 1 + (int)random_below(&w.random, 4), 1 << 20);
    for (int i = 0; i < w.backend_count; i++)
        backend_init(&w, &w.backends[i]);
    bool known_pool = random_one_in(&w.random, 2);
    for (int i = 0; i < clients; i++) {
        client_init(&w, &w.clients[i], &scripts[i]);
        w.clients[i].session.pool = known_pool ? &w : NULL;
    }
    for (int idle_steps = 0; !w.failed && work_is_left(&w);) {
        w.progress = false;
        step(&w, may_vanish);
        idle_steps = w.progress ? 0 : idle_steps + 1;
        if (idle_steps > 1000)
            wrong(&w, "nothing moves any more");
    }
    for (int i = 0; i < clients && (!w.failed || why->len < 100); i++)
        check_client(&w, i);
    for (int i = 0; i < clients; i++)
        if (w.clients[i].session.link != NULL)
            session_detach(&w.clients[i].session);
    for (int i = 0; i < w.backend_count; i++)
        backend_deinit(&w.backends[i]);
    for (int i = 0; i < clients; i++)
        client_deinit(&w.clients[i]);
    store_deinit(&w.store);
    return !w.failed;
}
