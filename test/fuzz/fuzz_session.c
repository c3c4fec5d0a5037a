/*
 * What a client and a server may send to each other through a linked session, both of them hostile. The input is a
 * list of chunks: a byte that says who sends (0x80: the client) and how much, and the bytes.
 */
#include "pgpooler/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PENDING_MAX = 1 << 20 };

struct side {
    struct buf in;
    bool over;
};
struct pair {
    struct store store;
    struct stats stats;
    struct session session;
    struct backend_state backend;
    struct side client, server;
};

static size_t written(struct out *out)
{
    size_t total = 0;
    for (int i = 0; i < out->count; i++) {
        const unsigned char *bytes = out->pieces[i].iov_base;
        volatile unsigned char last = 0;
        for (size_t at = 0; at < out->pieces[i].iov_len; at++) /* so that a sanitizer sees what the pieces point to */
            last = bytes[at];
        (void)last;
        total += out->pieces[i].iov_len;
    }
    assert(total == out->total);
    out_deinit(out);
    return total;
}

/* In memory of exactly this size. */
static char *exact_copy(const struct buf *b)
{
    char *copy = mem_alloc(b->len ? b->len : 1);
    if (b->len > 0)
        memcpy(copy, b->data, b->len);
    return copy;
}

static void part_if_possible(struct pair *p)
{
    if (p->session.link == NULL || session_verdict(&p->backend) == SESSION_STAY)
        return;
    assert(session_verdict(&p->backend) == SESSION_DISCARD || backend_state_is_clean(&p->backend));
    p->server.over |= session_verdict(&p->backend) == SESSION_DISCARD;
    session_detach(&p->session);
}

static void client_speaks(struct pair *p)
{
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {&to_client, &to_backend, 1, false};
    bool may_link = true;
    while (!p->client.over) {
        char *bytes = exact_copy(&p->client.in);
        enum session_want want;
        size_t used = session_client_bytes(&p->session, bytes, p->client.in.len, &io, &want);
        assert(used <= p->client.in.len);
        assert(want != SESSION_FATAL || (p->session.fatal_sqlstate != NULL && p->session.fatal_text != NULL));
        written(&to_client);
        bool to_nobody = written(&to_backend) > 0 && p->session.link == NULL;
        assert(!to_nobody);
        mem_free(bytes);
        buf_consume(&p->client.in, used);
        p->client.over = want == SESSION_TERMINATE || want == SESSION_FATAL;
        if (want != SESSION_NEED || !may_link || p->server.over || !backend_state_is_clean(&p->backend))
            break;
        session_attach(&p->session, &p->backend, &io);
        may_link = false;
    }
    written(&to_client);
    written(&to_backend);
}

static void server_speaks(struct pair *p)
{
    if (p->server.over)
        return;
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {&to_client, &to_backend, 2, false};
    char *bytes = exact_copy(&p->server.in);
    enum backend_news news;
    size_t used = session_backend_bytes(&p->backend, bytes, p->server.in.len, &io, &news);
    assert(used <= p->server.in.len);
    bool to_nobody = written(&to_client) > 0 && p->session.link == NULL;
    assert(!to_nobody);
    written(&to_backend);
    mem_free(bytes);
    buf_consume(&p->server.in, used);
    p->server.over |= news == BACKEND_DYING || news == BACKEND_DESYNC;
    p->client.over |= news != BACKEND_FINE && p->session.link != NULL;
    if (news == BACKEND_FINE) {
        part_if_possible(p);
        client_speaks(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct pair p = {0};
    uint8_t rule = data[0];
    store_init(&p.store, "IntervalStyle", rule & 4 ? 2 : 0, PENDING_MAX);
    struct params *params = params_ref(p.store.no_params);
    if (rule & 8)
        params = params_with(&p.store, params, params_index(&p.store, "TimeZone"), "CET");
    session_init(&p.session, &p.store, &p.stats, (enum session_mode)(rule % 3), params);
    p.session.pool = &p;
    backend_state_init(&p.backend, &p.store);
    backend_state_parameter(&p.backend, "TimeZone", "UTC");

    for (size_t at = 1; at < size;) {
        bool from_client = data[at] & 0x80;
        size_t len = data[at] & 0x7f;
        at++;
        len = len < size - at ? len : size - at;
        struct side *side = from_client ? &p.client : &p.server;
        buf_append(&side->in, data + at, len);
        at += len;
        if (from_client)
            client_speaks(&p);
        else
            server_speaks(&p);
    }
    if (p.session.link != NULL) {
        (void)session_farewell(&p.session);
        session_detach(&p.session);
    }
    session_deinit(&p.session);
    backend_state_deinit(&p.backend);
    buf_deinit(&p.client.in);
    buf_deinit(&p.server.in);
    store_deinit(&p.store);
    return 0;
}
