/* The set of threads: start and stop, accepted descriptors, configurations, asks. Control's side and its messages. */
#include "worker/types.h"

enum { ASK_PATIENCE = 1000 * 1000 }; /* usec */

/* ---- a thread ---- */
static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

static struct worker *worker_new(struct workers *all, int id)
{
    const struct config *config = all->setup.config;
    struct worker *worker = mem_zalloc(sizeof *worker);
    worker->id = id;
    worker->all = all;
    worker->config = config;
    worker->loop = loop_new();
    worker->read_buf = mem_alloc(READ_SIZE);
    worker->startup = mem_alloc(sizeof *worker->startup);
    list_init(&worker->databases);
    list_init(&worker->pools);
    list_init(&worker->clients);
    list_init(&worker->buried);
    list_init(&worker->freed);
    list_init(&worker->cancels);
    store_init(&worker->store, config->track_extra_parameters, config->max_prepared_statements,
               (uint32_t)config->max_packet_size);
    timer_start(worker->loop, &worker->tick, loop_now(worker->loop), worker_tick);
    return worker;
}

/* Everything is closed and the thread is joined: the rest is memory. */
static void worker_free(struct worker *worker)
{
    loop_free(worker->loop);
    LIST_FOREACH_SAFE (&worker->buried, it, after)
        mem_free(LIST_ENTRY(it, struct client, link));
    databases_free(worker);
    store_deinit(&worker->store);
    uint32_t cursor = 0;
    for (char *text; (text = table_next(&worker->strings, &cursor)) != NULL;)
        mem_free(text);
    table_deinit(&worker->strings);
    out_deinit(&worker->to_client);
    out_deinit(&worker->to_backend);
    mem_free(worker->slots);
    mem_free(worker->free_slots);
    mem_free(worker->startup);
    mem_free(worker->spare_login);
    mem_free(worker->read_buf);
    mem_free(worker);
}

struct workers *workers_new(const struct workers_setup *setup)
{
    assert(setup->count > 0 && setup->count <= WORKERS_MAX);
    struct workers *all = mem_zalloc(sizeof *all);
    all->count = setup->count;
    all->setup = *setup;
    all->broker = broker_new(setup->count);
    broker_set_process_limits(all->broker, setup->config->max_client_conn, 0);
    all->scram_cache = auth_scram_cache_new();
    all->resolver = resolver_new(setup->control);
    random_bytes(all->mock_key, sizeof all->mock_key);
    pthread_mutex_init(&all->keys_lock, NULL);
    list_init(&all->keys);
    for (int i = 0; i < all->count; i++)
        all->list[i] = worker_new(all, i);
    return all;
}

struct workers *workers_start(const struct workers_setup *setup)
{
    struct workers *all = workers_new(setup);
    for (int i = 0; i < all->count; i++) {
        struct worker *worker = all->list[i];
        int rc = pthread_create(&worker->thread, NULL, worker_main, worker);
        assert(rc == 0);
        worker->has_thread = true;
    }
    return all;
}

/*
 * ---- stop ----
 * Everything is closed on its own thread. A turn later all that was on its way from there to other workers has been
 * posted; when that is so everywhere the loops end, and nothing is posted to one that is gone.
 */
struct worker_message {
    struct message message;
    struct worker *worker;
    int fd;
};

static void end_here(struct message *message)
{
    struct worker_message *m = LIST_ENTRY(message, struct worker_message, message);
    loop_stop(m->worker->loop);
    mem_free(m);
}

static void post_to_all(struct workers *all, void (*run)(struct message *))
{
    for (int i = 0; i < all->count; i++) {
        struct worker_message *m = mem_zalloc(sizeof *m);
        m->message.run = run;
        m->worker = all->list[i];
        loop_post(m->worker->loop, &m->message);
    }
}

static void settled_here(struct message *message)
{
    struct worker_message *m = LIST_ENTRY(message, struct worker_message, message);
    struct workers *all = m->worker->all;
    mem_free(m);
    if (atomic_fetch_sub(&all->unsettled, 1) == 1)
        post_to_all(all, end_here);
}

static void stop_here(struct message *message)
{
    struct worker_message *m = LIST_ENTRY(message, struct worker_message, message);
    struct worker *worker = m->worker;
    timer_stop(&worker->tick);
    while (!list_is_empty(&worker->clients)) /* one may take others along, whom its backend has served */
        client_close(LIST_ENTRY(worker->clients.next, struct client, link), CLOSE_QUIETLY);
    LIST_FOREACH (&worker->pools, it) {
        struct worker_pool *pool = LIST_ENTRY(it, struct worker_pool, link);
        LIST_FOREACH_SAFE (&pool->backends, at, next)
            backend_drop(LIST_ENTRY(at, struct backend, link));
    }
    worker->stopping = true;
    cancel_drop_all(worker);
    m->message.run = settled_here;
    loop_post(worker->loop, &m->message);
}

static void control_is_through(struct message *message)
{
    struct worker_message *m = LIST_ENTRY(message, struct worker_message, message);
    loop_stop(m->worker->all->setup.control);
    mem_free(m);
}

/* What the workers have posted to control refers to them: it is worked off while they are there. */
static void finish_control(struct workers *all)
{
    struct worker_message *m = mem_zalloc(sizeof *m);
    m->message.run = control_is_through;
    m->worker = all->list[0];
    loop_post(all->setup.control, &m->message);
    loop_run(all->setup.control);
}

void workers_stop(struct workers *all)
{
    atomic_store(&all->unsettled, all->count);
    post_to_all(all, stop_here);
    for (int i = 0; i < all->count; i++) {
        if (all->list[i]->has_thread)
            pthread_join(all->list[i]->thread, NULL);
        else
            loop_run(all->list[i]->loop);
    }
    resolver_stop(all->resolver);
    finish_control(all);
    for (int i = 0; i < all->count; i++)
        worker_free(all->list[i]);
    shared_keys_free(all);
    pthread_mutex_destroy(&all->keys_lock);
    resolver_free(all->resolver);
    auth_scram_cache_free(all->scram_cache);
    broker_free(all->broker);
    mem_free(all);
}

int workers_count(const struct workers *all)
{
    return all->count;
}

struct broker *workers_broker(struct workers *all)
{
    return all->broker;
}

/* ---- accepted descriptors ---- */
static void accept_here(struct message *message)
{
    struct worker_message *m = LIST_ENTRY(message, struct worker_message, message);
    client_accepted(m->worker, m->fd);
    while (m->worker->stopping && !list_is_empty(&m->worker->clients))
        client_close(LIST_ENTRY(m->worker->clients.next, struct client, link), CLOSE_QUIETLY);
    mem_free(m);
}

void workers_accept(struct workers *all, int fd)
{
    struct worker *least = NULL;
    int least_count = 0;
    for (int i = 0; i < all->count; i++) { /* round robin among equals */
        struct worker *worker = all->list[(all->next + i) % all->count];
        int count = atomic_load_explicit(&worker->client_count, memory_order_relaxed);
        if (least == NULL || count < least_count) {
            least = worker;
            least_count = count;
        }
    }
    all->next = (least->id + 1) % all->count;
    atomic_fetch_add_explicit(&least->client_count, 1, memory_order_relaxed);
    struct worker_message *m = mem_zalloc(sizeof *m);
    m->message.run = accept_here;
    m->worker = least;
    m->fd = fd;
    loop_post(least->loop, &m->message);
}

/* ---- consoles' cancels ---- */
struct console_cancel {
    struct message message;
    struct workers *all;
    uint32_t pid;
    uint8_t key[PROTO_CANCEL_KEY_MAX];
    size_t key_len;
};

static void console_cancel_here(struct message *message)
{
    struct console_cancel *m = LIST_ENTRY(message, struct console_cancel, message);
    m->all->setup.console_cancelled(m->all->setup.owner, m->pid, m->key, m->key_len);
    mem_free(m);
}

void console_cancel_post(struct workers *all, uint32_t pid, struct slice key)
{
    struct console_cancel *m = mem_zalloc(sizeof *m);
    m->message.run = console_cancel_here;
    m->all = all;
    m->pid = pid;
    m->key_len = key.len;
    memcpy(m->key, key.ptr, key.len);
    loop_post(all->setup.control, &m->message);
}

/* ---- a new configuration ---- */
struct config_change {
    struct workers *all;
    const struct config *config;
    void (*done)(void *owner);
    void *owner;
    int missing;
};
struct config_message {
    struct message message;
    struct config_change *change;
    struct worker *worker;
};

static void swapped(struct message *message)
{
    struct config_message *m = LIST_ENTRY(message, struct config_message, message);
    struct config_change *change = m->change;
    mem_free(m);
    if (--change->missing > 0)
        return;
    change->done(change->owner);
    mem_free(change);
}

static void swap_here(struct message *message)
{
    struct config_message *m = LIST_ENTRY(message, struct config_message, message);
    worker_swap_config(m->worker, m->change->config);
    m->message.run = swapped;
    loop_post(m->worker->all->setup.control, &m->message);
}

void workers_set_config(struct workers *all, const struct config *config, void (*done)(void *owner), void *owner)
{
    struct config_change *change = mem_zalloc(sizeof *change);
    *change = (struct config_change){.all = all, .config = config, .done = done, .owner = owner, .missing = all->count};
    broker_set_process_limits(all->broker, config->max_client_conn, 0);
    for (int i = 0; i < all->count; i++) {
        struct config_message *m = mem_zalloc(sizeof *m);
        m->message.run = swap_here;
        m->change = change;
        m->worker = all->list[i];
        loop_post(m->worker->loop, &m->message);
    }
}

/* ---- asks ---- */
struct asking {
    struct ask ask; /* what control sees */
    struct workers *all;
    struct timer timer;
    int missing; /* parts still out */
    bool told;   /* done() was called */
};
struct ask_message {
    struct message message;
    struct asking *asking;
    struct worker *worker; /* may be gone when the answer comes */
    int index;             /* of the part */
    struct ask_part part;  /* the worker fills this one in; control copies it if it is not too late */
};

static void asking_free(struct asking *asking)
{
    for (int i = 0; i < asking->ask.part_count; i++)
        arena_deinit(&asking->ask.parts[i].arena);
    mem_free((char *)(uintptr_t)asking->ask.name);
    mem_free((char *)(uintptr_t)asking->ask.text);
    mem_free(asking);
}

static void tell(struct asking *asking)
{
    asking->told = true;
    timer_stop(&asking->timer);
    asking->ask.done(&asking->ask, asking->ask.owner);
}

static void part_arrived(struct message *message)
{
    struct ask_message *m = LIST_ENTRY(message, struct ask_message, message);
    struct asking *asking = m->asking;
    if (asking->told)
        arena_deinit(&m->part.arena);
    else
        asking->ask.parts[m->index] = m->part;
    mem_free(m);
    if (--asking->missing > 0)
        return;
    if (!asking->told)
        tell(asking);
    asking_free(asking);
}

static void ask_here(struct message *message)
{
    struct ask_message *m = LIST_ENTRY(message, struct ask_message, message);
    worker_answer(m->worker, &m->part, &m->asking->ask);
    m->message.run = part_arrived;
    loop_post(m->worker->all->setup.control, &m->message);
}

static void patience_over(struct timer *timer)
{
    struct asking *asking = LIST_ENTRY(timer, struct asking, timer);
    for (int i = 0; i < asking->ask.part_count; i++)
        if (!asking->ask.parts[i].answered)
            log_write(LOG_LEVEL_WARNING, "worker %d has been silent for a second: left out of the answer", i + 1);
    tell(asking);
}

void workers_ask(struct workers *all, enum ask_kind kind, const char *name, const char *text, uint64_t id,
                 void (*done)(struct ask *ask, void *owner), void *owner)
{
    struct asking *asking = mem_zalloc(sizeof *asking);
    asking->all = all;
    asking->missing = all->count;
    asking->ask = (struct ask){
        .kind = kind,
        .name = name ? mem_strdup(name) : NULL,
        .text = text ? mem_strdup(text) : NULL,
        .id = id,
        .done = done,
        .owner = owner,
        .part_count = all->count,
    };
    timer_start(all->setup.control, &asking->timer, loop_now(all->setup.control) + ASK_PATIENCE, patience_over);
    for (int i = 0; i < all->count; i++) {
        struct ask_message *m = mem_zalloc(sizeof *m);
        m->message.run = ask_here;
        m->asking = asking;
        m->worker = all->list[i];
        m->index = i;
        loop_post(m->worker->loop, &m->message);
    }
}
