/* change - a configuration made from another one: SET, and what RELOAD must not touch. */
#include "auth_file.h"
#include "consistency.h"
#include "parts.h"

static struct config *copy(const struct config *c)
{
    struct config *fresh = mem_zalloc(sizeof(*fresh));
    rows_unset(&global_rows, fresh);
    rows_copy(&global_rows, fresh, c);
    for (size_t i = 0; i < c->entry_count; i++)
        config_add_entry(fresh, entry_copy(c->entries[i]));
    for (size_t i = 0; i < c->user_count; i++)
        config_add_user(fresh, user_copy(c->users[i]));
    for (size_t i = 0; i < c->peer_count; i++)
        config_add_peer(fresh, peer_copy(c->peers[i]));
    if (c->auto_template != NULL)
        fresh->auto_template = entry_copy(c->auto_template);
    return fresh;
}

/* Keeps the first error; warnings were given when the file was loaded. */
static void on_complaint(void *owner, const struct config_complaint *complaint)
{
    struct buf *why = owner;
    if (complaint->is_error && why->len == 0)
        buf_append_str(why, complaint->text);
}

static void reload_users(struct config *c, struct buf *why)
{
    struct buf warnings = {0};
    struct config_report report = {why, &warnings, 0};
    auth_file_load(c, c->auth_file, &report);
    if (report.error_count > 0) /* lines; the console shows one text */
        why->len--;
    buf_deinit(&warnings);
}

struct config *config_set(const struct config *current, const char *key, const char *value, char **error)
{
    struct buf why = {0};
    struct config *fresh = copy(current);
    const struct config_option *option = rows_find(&global_rows, key, &why);
    if (option == NULL)
        goto err;
    if (option->change == CHANGE_START)
        return fresh;
    if (value_parse(option, value, row_field(fresh, option), &why) != 0)
        goto err;
    consistency_check(fresh, on_complaint, &why);
    if (why.len == 0 && option->offset == offsetof(struct config, auth_file))
        reload_users(fresh, &why);
    if (why.len > 0)
        goto err;
    return fresh;
err:
    *error = mem_strdup(buf_text(&why));
    buf_deinit(&why);
    config_free(fresh);
    return NULL;
}

void config_keep_start_only(struct config *fresh, const struct config *running)
{
    for (size_t i = 0; i < global_rows.count; i++) {
        const struct config_option *option = &global_rows.options[i];
        if (option->change == CHANGE_START)
            value_copy(option, row_field(fresh, option), row_value(running, option));
    }
}
