/* Names of nodes: one lookup channel on control, with a cache that the workers share by messages. */
#include "worker/types.h"

struct cached_name {
    struct list link;
    char *host;
    usec until; /* 0: never looked up */
    bool looking;
    struct resolved result;
    struct list askers; /* while looking */
};

struct resolver {
    struct loop *control;
    bool stopped;
    struct list names;
};

struct resolve_message {
    struct message message;
    struct list link; /* cached_name.askers */
    struct workers *all;
    struct loop *back;
    char *host;
    int port;
    usec ttl;
    void (*done)(void *owner, const struct resolved *result);
    void *owner;
    struct resolved result;
};

struct resolver *resolver_new(struct loop *control)
{
    struct resolver *resolver = mem_zalloc(sizeof *resolver);
    resolver->control = control;
    list_init(&resolver->names);
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    LIST_FOREACH_SAFE (&resolver->names, it, after) {
        struct cached_name *name = LIST_ENTRY(it, struct cached_name, link);
        mem_free(name->host);
        mem_free(name);
    }
    mem_free(resolver);
}

static void answer_at_worker(struct message *message)
{
    struct resolve_message *m = LIST_ENTRY(message, struct resolve_message, message);
    m->done(m->owner, &m->result);
    mem_free(m->host);
    mem_free(m);
}

static void set_port(struct address *address, int port)
{
    /* sin_port and sin6_port are at the same place, right behind the family */
    uint16_t in_order = (uint16_t)((port & 0xff) << 8 | (port >> 8 & 0xff));
    memcpy((char *)&address->any + sizeof(sa_family_t), &in_order, sizeof in_order);
}

static void reply(struct resolve_message *m, const struct resolved *result)
{
    m->result = *result;
    for (int i = 0; i < m->result.count; i++)
        set_port(&m->result.addresses[i], m->port);
    m->message.run = answer_at_worker;
    loop_post(m->back, &m->message);
}

static void looked_up(void *owner, const struct resolved *result)
{
    struct cached_name *name = owner;
    name->looking = false;
    name->result = *result;
    LIST_FOREACH_SAFE (&name->askers, it, after) {
        list_remove(it);
        reply(LIST_ENTRY(it, struct resolve_message, link), result);
    }
}

static void reply_that_it_stops(struct resolve_message *m)
{
    static const struct resolved nothing = {.error = "stopping"};
    reply(m, &nothing);
}

void resolver_stop(struct resolver *resolver)
{
    resolver->stopped = true;
    LIST_FOREACH (&resolver->names, it) {
        struct cached_name *name = LIST_ENTRY(it, struct cached_name, link);
        while (!list_is_empty(&name->askers)) {
            struct list *asker = name->askers.next;
            list_remove(asker);
            reply_that_it_stops(LIST_ENTRY(asker, struct resolve_message, link));
        }
    }
}

static void ask_at_control(struct message *message)
{
    struct resolve_message *m = LIST_ENTRY(message, struct resolve_message, message);
    struct resolver *resolver = m->all->resolver;
    if (resolver->stopped) {
        reply_that_it_stops(m);
        return;
    }
    struct cached_name *name = NULL;
    LIST_FOREACH (&resolver->names, it) {
        struct cached_name *known = LIST_ENTRY(it, struct cached_name, link);
        if (strcmp(known->host, m->host) == 0)
            name = known;
    }
    if (name == NULL) {
        name = mem_zalloc(sizeof *name);
        name->host = mem_strdup(m->host);
        list_init(&name->askers);
        list_push_back(&resolver->names, &name->link);
    }
    usec now = loop_now(resolver->control);
    if (!name->looking && now < name->until) {
        reply(m, &name->result);
        return;
    }
    list_push_back(&name->askers, &m->link);
    if (name->looking)
        return;
    name->looking = true;
    name->until = now + m->ttl;
    net_resolve(resolver->control, name->host, m->port, looked_up, name);
}

void resolver_ask(struct worker *worker, const char *host, int port, usec ttl,
                  void (*done)(void *owner, const struct resolved *result), void *owner)
{
    struct resolve_message *m = mem_zalloc(sizeof *m);
    m->message.run = ask_at_control;
    m->all = worker->all;
    m->back = worker->loop;
    m->host = mem_strdup(host);
    m->port = port;
    m->ttl = ttl;
    m->done = done;
    m->owner = owner;
    loop_post(worker->all->setup.control, &m->message);
}
