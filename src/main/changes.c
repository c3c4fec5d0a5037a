/*
 * changes - RELOAD and SET: one new configuration at a time, read on another thread, given to every worker, and only
 * then is the former one freed. A configuration with any error changes nothing.
 *
 *      queued --first in the queue--> READING --config_load(), config_set()--> SPREADING --all have it--> done
 *                                        '--refused--> done
 */
#include "control.h"
#include "logging.h"
#include "process.h"

struct change {
    struct list link; /* in control->changes; the first one is under way */
    struct job job;
    struct control *control;
    char *key, *value; /* SET; NULL: RELOAD */
    admin_done *done;  /* or NULL */
    void *ctx;
    struct config *fresh;  /* read */
    struct config *former; /* SPREADING: until nobody has it */
    struct buf errors, warnings;
};

static void begin_next(struct control *control);

void log_lines(enum log_level level, struct buf *lines)
{
    char *rest = (char *)(uintptr_t)buf_text(lines);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (*line != '\0')
            log_write(level, "%s", line);
}

static void change_free(struct change *change)
{
    list_remove(&change->link);
    config_free(change->fresh);
    config_free(change->former);
    if (change->value != NULL)
        mem_wipe(change->value, strlen(change->value)); /* it may be a password */
    mem_free(change->value);
    mem_free(change->key);
    buf_deinit(&change->errors);
    buf_deinit(&change->warnings);
    mem_free(change);
}

static void end_change(struct change *change, const char *error)
{
    struct control *control = change->control;
    if (control->phase != STOPPING && change->done != NULL)
        change->done(change->ctx, error);
    change_free(change);
    begin_next(control);
}

static void on_spread(void *owner)
{
    process_notify("READY=1");
    end_change(owner, NULL);
}

static void refuse(struct change *change)
{
    if (change->key == NULL) {
        log_lines(LOG_LEVEL_ERROR, &change->errors);
        log_write(LOG_LEVEL_ERROR, "could not load the configuration: the running one stays as it is");
    } else {
        log_write(LOG_LEVEL_WARNING, "SET %s failed: %s", change->key, buf_text(&change->errors));
    }
    end_change(change, buf_text(&change->errors));
}

static void spread(struct change *change)
{
    struct control *control = change->control;
    if (change->key == NULL)
        config_keep_start_only(change->fresh, control->config);
    if (!logging_configure(change->fresh, control->arguments->verbose)) {
        buf_append_str(&change->errors, "the log file cannot be opened");
        refuse(change);
        return;
    }
    log_lines(LOG_LEVEL_WARNING, &change->warnings);
    change->former = control->config;
    control->config = change->fresh;
    change->fresh = NULL;
    process_notify_reloading();
    workers_set_config(control->workers, control->config, on_spread, change);
}

static void on_read(struct job *job)
{
    struct change *change = LIST_ENTRY(job, struct change, job);
    struct control *control = change->control;
    if (control->phase == STOPPING)
        return; /* changes_free() comes */
    if (change->fresh != NULL)
        spread(change);
    else
        refuse(change);
}

/* On another thread. The running configuration stays while this change is under way. */
static void read_config(struct job *job)
{
    struct change *change = LIST_ENTRY(job, struct change, job);
    const struct config *running = change->control->config;
    if (change->key == NULL) {
        change->fresh = config_load(running->conffile, &change->errors, &change->warnings);
        return;
    }
    char *error = NULL;
    change->fresh = config_set(running, change->key, change->value, &error);
    if (change->fresh == NULL)
        buf_append_str(&change->errors, error);
    mem_free(error);
}

static void begin_next(struct control *control)
{
    if (list_is_empty(&control->changes) || control->phase == STOPPING)
        return;
    struct change *change = LIST_ENTRY(control->changes.next, struct change, link);
    change->job.run = read_config;
    change->job.done = on_read;
    net_offload(control->loop, &change->job);
}

static void add(struct control *control, struct change *change, admin_done *done, void *ctx)
{
    change->control = control;
    change->done = done;
    change->ctx = ctx;
    bool is_first = list_is_empty(&control->changes);
    list_push_back(&control->changes, &change->link);
    if (is_first)
        begin_next(control);
}

void changes_init(struct control *control)
{
    list_init(&control->changes);
}

void changes_reload(void *control, admin_done *done, void *ctx)
{
    add(control, mem_zalloc(sizeof(struct change)), done, ctx);
}

void changes_set(void *control, const char *key, const char *value, admin_done *done, void *ctx)
{
    struct change *change = mem_zalloc(sizeof *change);
    change->key = mem_strdup(key);
    change->value = mem_strdup(value);
    add(control, change, done, ctx);
}

void changes_free(struct control *control)
{
    LIST_FOREACH_SAFE (&control->changes, it, after)
        change_free(LIST_ENTRY(it, struct change, link));
}
