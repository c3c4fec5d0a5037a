/* rows - config.def as tables, and the operations on a whole struct that follow from them. */
#include "rows.h"
#include "report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_option global_options[] = {
#define OPTION(group, kind, field, text, min, max, change, help)                                                       \
    {#field, #group, KIND_##kind, offsetof(struct config, field), text, min, max, CHANGE_##change, help},
#include "pgpooler/config.def"
};
static const struct config_option entry_options[] = {
#define ENTRY_OPTION(kind, field, key, min, max, change, help)                                                         \
    {key, NULL, KIND_##kind, offsetof(struct config_entry, field), NULL, min, max, CHANGE_##change, help},
#include "pgpooler/config.def"
};
static const struct config_option user_options[] = {
#define USER_OPTION(kind, field, min, max, help)                                                                       \
    {#field, NULL, KIND_##kind, offsetof(struct config_user, field), NULL, min, max, CHANGE_KEEP, help},
#include "pgpooler/config.def"
};
static const struct config_option peer_options[] = {
#define PEER_OPTION(kind, field, min, max, help)                                                                       \
    {#field, NULL, KIND_##kind, offsetof(struct config_peer, field), NULL, min, max, CHANGE_KEEP, help},
#include "pgpooler/config.def"
};

const struct config_rows global_rows = {global_options, COUNT(global_options)};
const struct config_rows entry_rows = {entry_options, COUNT(entry_options)};
const struct config_rows user_rows = {user_options, COUNT(user_options)};
const struct config_rows peer_rows = {peer_options, COUNT(peer_options)};

/* Other names that PgBouncer knows. */
static const struct {
    const struct config_rows *rows;
    const char *alias, *key;
} aliases[] = {
    {&global_rows, "service_name", "job_name"},
    {&entry_rows, "reserve_pool", "reserve_pool_size"},
    {&user_rows, "reserve_pool", "reserve_pool_size"},
};

const struct config_option *rows_find(const struct config_rows *rows, const char *key, struct buf *why)
{
    struct config_guess guess = {.wanted = key};
    const char *wanted = key;
    for (size_t i = 0; i < COUNT(aliases); i++)
        if (aliases[i].rows == rows && strcmp(aliases[i].alias, key) == 0)
            wanted = aliases[i].key;
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->options[i].key, wanted) == 0)
            return &rows->options[i];
        guess_try(&guess, rows->options[i].key);
    }
    buf_append_str(why, "unknown key ");
    report_quote(why, key);
    guess_append(&guess, why);
    return NULL;
}

void *row_field(void *object, const struct config_option *option)
{
    return (char *)object + option->offset;
}

const void *row_value(const void *object, const struct config_option *option)
{
    return (const char *)object + option->offset;
}

void rows_unset(const struct config_rows *rows, void *object)
{
    for (size_t i = 0; i < rows->count; i++)
        value_unset(&rows->options[i], row_field(object, &rows->options[i]));
}

void rows_set_defaults(const struct config_rows *rows, void *object)
{
    struct buf why = {0};
    for (size_t i = 0; i < rows->count; i++) {
        const struct config_option *option = &rows->options[i];
        void *field = row_field(object, option);
        if (option->default_text == NULL) {
            value_clear(option, field);
            continue;
        }
        int err = value_parse(option, option->default_text, field, &why);
        assert(err == 0); /* config.def is ours */
        (void)err;
    }
}

void rows_clear(const struct config_rows *rows, void *object)
{
    for (size_t i = 0; i < rows->count; i++)
        value_clear(&rows->options[i], row_field(object, &rows->options[i]));
}

void rows_copy(const struct config_rows *rows, void *to, const void *from)
{
    for (size_t i = 0; i < rows->count; i++)
        value_copy(&rows->options[i], row_field(to, &rows->options[i]), row_value(from, &rows->options[i]));
}
