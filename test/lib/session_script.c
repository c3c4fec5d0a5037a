/* The interpreter of transcripts, and the simplest caller that a session can have. */
#include "session_script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the caller ---- */
static void add_event(struct script *f, const char *event)
{
    buf_printf(&f->events, " %s", event);
}

static void flush_out(struct out *from, struct buf *to)
{
    for (int i = 0; i < from->count; i++)
        buf_append(to, from->pieces[i].iov_base, from->pieces[i].iov_len);
    out_deinit(from);
}

static struct script_backend *linked_to(struct script *f, const struct script_client *c)
{
    for (int i = 0; i < SCRIPT_PEERS; i++)
        if (c->session.link == &f->backends[i].state)
            return &f->backends[i];
    return NULL;
}

static struct script_client *client_of(struct script *f, const struct script_backend *b)
{
    for (int i = 0; i < SCRIPT_PEERS; i++)
        if (b->state.session == &f->clients[i].session)
            return &f->clients[i];
    return NULL;
}

/* In memory of exactly this size, so that a sanitizer sees any read behind it. */
static char *exact_copy(const struct buf *b)
{
    char *copy = mem_alloc(b->len ? b->len : 1);
    if (b->len > 0)
        memcpy(copy, b->data, b->len);
    return copy;
}

static enum session_want present(struct script *f, struct script_client *c)
{
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {&to_client, &to_backend, 1, f->others_wait};
    enum session_want want;
    char *bytes = exact_copy(&c->in);
    size_t used = session_client_bytes(&c->session, bytes, c->in.len, &io, &want);
    ck_assert_msg(used <= c->in.len, "%s: consumed more than there was", f->what);
    struct script_backend *b = linked_to(f, c);
    ck_assert_msg(b != NULL || to_backend.total == 0, "%s: bytes for no backend", f->what);
    flush_out(&to_client, &c->out);
    if (b != NULL)
        flush_out(&to_backend, &b->out);
    mem_free(bytes);
    buf_consume(&c->in, used);
    c->waits = want != SESSION_MORE;
    c->over = want == SESSION_TERMINATE || want == SESSION_FATAL;
    char fatal[32];
    switch (want) {
    case SESSION_MORE:
        break;
    case SESSION_NEED:
        f->asked = (int)(c - f->clients);
        add_event(f, "need");
        break;
    case SESSION_HOLD:
        add_event(f, "hold");
        break;
    case SESSION_TERMINATE:
        add_event(f, "terminate");
        break;
    case SESSION_FATAL:
        snprintf(fatal, sizeof fatal, "fatal(%s)", c->session.fatal_sqlstate);
        add_event(f, fatal);
        break;
    }
    return want;
}

static void part_if_possible(struct script *f, struct script_client *c)
{
    if (c == NULL || c->session.link == NULL)
        return;
    enum session_verdict verdict = session_verdict(c->session.link);
    if (verdict == SESSION_STAY)
        return;
    ck_assert_msg(verdict == SESSION_DISCARD || backend_state_is_clean(c->session.link), "%s: not clean", f->what);
    add_event(f, verdict == SESSION_PART ? "release" : "discard");
    session_detach(&c->session);
}

/* A client that waited is asked again, before it is parted if nobody else wants the backend. */
static void answers_came(struct script *f, struct script_client *c)
{
    bool parts = session_verdict(c->session.link) != SESSION_STAY;
    if (parts && f->others_wait)
        part_if_possible(f, c);
    size_t events = f->events.len;
    if (c->waits && !c->over && present(f, c) == SESSION_HOLD) /* still: said once */
        f->events.len = events;
    part_if_possible(f, c);
    if (c->in.len > 0 && c->session.link == NULL && !c->waits)
        present(f, c);
}

static size_t next_piece(struct script *f, size_t at, size_t len)
{
    size_t piece = f->piece ? f->piece : len;
    if (at == 0 && f->split > 0 && f->split < len) {
        f->was_split = true;
        piece = f->split;
    }
    return piece < len - at ? piece : len - at;
}

static void client_sends(struct script *f, struct script_client *c, const char *data, size_t len)
{
    for (size_t at = 0, piece; at < len; at += piece) {
        piece = next_piece(f, at, len);
        buf_append(&c->in, data + at, piece);
        if (!c->waits)
            present(f, c);
    }
    part_if_possible(f, c);
}

static void backend_sends_piece(struct script *f, struct script_backend *b)
{
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {&to_client, &to_backend, 2, f->others_wait};
    struct script_client *c = client_of(f, b);
    enum backend_news news;
    char *bytes = exact_copy(&b->in);
    size_t used = session_backend_bytes(&b->state, bytes, b->in.len, &io, &news);
    ck_assert_msg(used <= b->in.len, "%s: consumed more than there was", f->what);
    ck_assert_msg(c != NULL || to_client.total == 0, "%s: bytes for no client", f->what);
    if (c != NULL)
        flush_out(&to_client, &c->out);
    flush_out(&to_backend, &b->out);
    mem_free(bytes);
    buf_consume(&b->in, used);
    char refused[32];
    switch (news) {
    case BACKEND_FINE:
        break;
    case BACKEND_DYING:
        add_event(f, "dying");
        break;
    case BACKEND_DESYNC:
        add_event(f, "desync");
        break;
    case BACKEND_REFUSE:
        snprintf(refused, sizeof refused, "refuse(%s)", b->state.session->fatal_sqlstate);
        add_event(f, refused);
        break;
    }
    b->gone = news == BACKEND_DYING || news == BACKEND_DESYNC;
    if (news == BACKEND_FINE && c != NULL)
        answers_came(f, c);
}

static void backend_sends(struct script *f, struct script_backend *b, const char *data, size_t len)
{
    for (size_t at = 0, piece; at < len && !b->gone; at += piece) {
        piece = next_piece(f, at, len);
        buf_append(&b->in, data + at, piece);
        backend_sends_piece(f, b);
    }
}

static void attach(struct script *f, struct script_backend *b)
{
    struct script_client *c = &f->clients[f->asked];
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {&to_client, &to_backend, 1, f->others_wait};
    session_attach(&c->session, &b->state, &io);
    flush_out(&to_client, &c->out);
    flush_out(&to_backend, &b->out);
    size_t events = f->events.len;
    if (present(f, c) == SESSION_HOLD && b->state.setting_up) /* always so; not worth a mark */
        f->events.len = events;
    part_if_possible(f, c);
}

/* ---- the interpreter ---- */
static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \n");
}

/* Words up to the end of the line or a mark or two blanks behind them. */
static const char *take_words(const char *at, struct buf *words)
{
    words->len = 0;
    bool quoted = false;
    for (; *at && (quoted || (*at != '\n' && *at != '*' && strncmp(at, "  ", 2) != 0)); at++) {
        quoted ^= *at == '\'';
        buf_append(words, at, 1);
    }
    return at;
}

static int peer_number(const char **at)
{
    (*at)++;
    int number = 1;
    if (**at >= '1' && **at <= '0' + SCRIPT_PEERS)
        number = *(*at)++ - '0';
    return number - 1;
}

static void no_marks_left(struct script *f, const char *before)
{
    ck_assert_msg(f->events.len == 0, "%s: also asked for%s\nbefore: %.60s", f->what, buf_text(&f->events), before);
}

static const char *expect_mark(struct script *f, const char *at)
{
    size_t len = strcspn(++at, " \n");
    const char *events = buf_text(&f->events);
    bool equal = strncmp(events, " ", 1) == 0 && strncmp(events + 1, at, len) == 0 && strchr(" ", events[1 + len]);
    ck_assert_msg(equal, "%s: expected *%.*s\ncame:%s\nbehind: %.80s", f->what, (int)len, at, events, at);
    buf_consume(&f->events, len + 1);
    return at + len;
}

static void expect_words(struct script *f, bool from_client, const char *words, struct buf *got)
{
    struct buf text = {0}, bytes = {0};
    words_decode(&text, &f->labels, from_client, got->data, got->len);
    words_encode(&bytes, &f->labels, from_client, words);
    bool equal = bytes.len == got->len && (got->len == 0 || memcmp(bytes.data, got->data, got->len) == 0);
    ck_assert_msg(equal, "%s:\nexpected %s\ncame     %s", f->what, words, buf_text(&text));
    got->len = 0;
    buf_deinit(&text);
    buf_deinit(&bytes);
}

static const char *play_bytes(struct script *f, const char *at, struct buf *words)
{
    bool is_client = *at == 'C';
    int i = peer_number(&at);
    char direction = *at++;
    ck_assert_msg(direction == '<' || direction == '>', "%s: no < or > before %.40s", f->what, at);
    struct script_client *c = &f->clients[i];
    struct script_backend *b = &f->backends[i];
    if (direction == '<') {
        at = take_words(at, words);
        expect_words(f, !is_client, buf_text(words), is_client ? &c->out : &b->out);
        return at;
    }
    no_marks_left(f, at);
    struct buf *unsent = is_client ? &c->unsent : &b->unsent;
    size_t limit = SIZE_MAX;
    if (*at >= '0' && *at <= '9')
        limit = strtoul(at, (char **)(uintptr_t)&at, 10);
    if (*at == '+') {
        at++;
    } else {
        at = take_words(at, words);
        words_encode(unsent, &f->labels, is_client, buf_text(words));
    }
    struct buf now = {0};
    size_t len = unsent->len < limit ? unsent->len : limit;
    buf_append(&now, unsent->data ? unsent->data : "", len);
    buf_consume(unsent, len);
    if (is_client)
        client_sends(f, c, now.data, now.len);
    else
        backend_sends(f, b, now.data, now.len);
    buf_deinit(&now);
    return at;
}

static void expect_farewell(struct script *f, const struct script_client *c, const char *wanted)
{
    static const char *const names[] = {"clean", "rollback", "cancel", "close"};
    const char *got = names[session_farewell(&c->session)];
    ck_assert_msg(strncmp(wanted, got, strlen(got)) == 0, "%s: farewell %s, expected %.8s", f->what, got, wanted);
}

/* Begins the sessions anew under another rule; the first thing in a script, but for what a reload may change. */
static void set_rule(struct script *f, const char *name, const char *value)
{
    enum session_mode mode = SESSION_MODE_TRANSACTION;
    if (strcmp(name, "others_wait") == 0)
        f->others_wait = true;
    else if (strcmp(name, "max_prepared") == 0)
        f->store.max_prepared = f->other_store.max_prepared = atoi(value);
    else if (strcmp(name, "reload_max_prepared") == 0) {
        f->store.max_prepared = f->other_store.max_prepared = atoi(value);
        return;
    } else if (strcmp(name, "mode") == 0)
        mode = strcmp(value, "session") == 0 ? SESSION_MODE_SESSION : SESSION_MODE_STATEMENT;
    else
        ck_abort_msg("%s: unknown rule %s", f->what, name);
    for (int i = 0; i < SCRIPT_PEERS; i++) {
        session_deinit(&f->clients[i].session);
        session_init(&f->clients[i].session, &f->store, &f->stats, mode, params_ref(f->store.no_params));
    }
}

static void set_value(struct script *f, const char *peer, const char *name, const char *value)
{
    bool is_client = *peer == 'C';
    int i = peer_number(&peer);
    struct session *s = &f->clients[i].session;
    if (is_client)
        s->params = params_with(&f->store, s->params, params_index(&f->store, name), value);
    else
        backend_state_parameter(&f->backends[i].state, name, value);
}

static const char *play_command(struct script *f, const char *at)
{
    enum { WORDS = 4 };
    struct buf words[WORDS] = {0};
    no_marks_left(f, at);
    for (int i = 0; i < WORDS; i++) {
        at += strspn(at, " ");
        const char *end = *at == '\'' ? strchr(at + 1, '\'') : at + strcspn(at, " \n");
        buf_append(&words[i], at + (*at == '\''), (size_t)(end - at) - (*at == '\''));
        at = end + (*end == '\'');
        if (strncmp(at, "  ", 2) == 0)
            break;
    }
    const char *verb = buf_text(&words[0]), *peer = buf_text(&words[1]), *third = buf_text(&words[2]);
    const char *peer_at = peer;
    int i = peer_number(&peer_at);
    if (strcmp(verb, "attach") == 0)
        attach(f, &f->backends[i]);
    else if (strcmp(verb, "farewell") == 0)
        expect_farewell(f, &f->clients[i], third);
    else if (strcmp(verb, "vanish") == 0)
        session_detach(&f->clients[i].session);
    else if (strcmp(verb, "pack") == 0)
        backend_state_pack(&f->backends[i].state);
    else if (strcmp(verb, "unpack") == 0)
        backend_state_unpack(&f->backends[i].state, *third ? &f->other_store : &f->store);
    else if (strcmp(verb, "rule") == 0)
        set_rule(f, peer, third);
    else if (strcmp(verb, "value") == 0)
        set_value(f, peer, third, buf_text(&words[3]));
    else
        ck_abort_msg("%s: unknown command %s", f->what, verb);
    for (int j = 0; j < WORDS; j++)
        buf_deinit(&words[j]);
    return at;
}

void script_play(struct script *f, const char *text)
{
    struct buf words = {0};
    for (const char *at = skip_blanks(text); *at; at = skip_blanks(at)) {
        if (*at == '*')
            at = expect_mark(f, at);
        else if (*at == 'C' || *at == 'B')
            at = play_bytes(f, at, &words);
        else
            at = play_command(f, at);
    }
    no_marks_left(f, "the end");
    buf_deinit(&words);
}

void script_init(struct script *f, const char *what, size_t piece)
{
    *f = (struct script){.what = what, .piece = piece};
    store_init(&f->store, "IntervalStyle", 100, 1 << 28);
    store_init(&f->other_store, "IntervalStyle", 100, 1 << 28);
    for (int i = 0; i < SCRIPT_PEERS; i++) {
        session_init(&f->clients[i].session, &f->store, &f->stats, SESSION_MODE_TRANSACTION,
                     params_ref(f->store.no_params));
        backend_state_init(&f->backends[i].state, &f->store);
    }
}

void script_deinit(struct script *f)
{
    for (int i = 0; i < SCRIPT_PEERS; i++) {
        struct script_client *c = &f->clients[i];
        struct script_backend *b = &f->backends[i];
        expect_words(f, false, "", &c->out);
        expect_words(f, true, "", &b->out);
        if (c->session.link != NULL)
            session_detach(&c->session);
        session_deinit(&c->session);
        backend_state_deinit(&b->state);
        buf_deinit(&c->in);
        buf_deinit(&c->unsent);
        buf_deinit(&c->out);
        buf_deinit(&b->in);
        buf_deinit(&b->unsent);
        buf_deinit(&b->out);
    }
    store_deinit(&f->store);
    store_deinit(&f->other_store);
    labels_deinit(&f->labels);
    buf_deinit(&f->events);
}

void script_converse(const struct conversation *c)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7, 64};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct script f;
        struct buf what = {0};
        buf_printf(&what, "%s (pieces of %zu)", c->what, pieces[i]);
        script_init(&f, buf_text(&what), pieces[i]);
        script_play(&f, c->text);
        script_deinit(&f);
        buf_deinit(&what);
    }
}
