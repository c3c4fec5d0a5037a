/*
 * Any bytes as a configuration file and as an auth_file: they load, or there is a reason
 * in words that a terminal can bear; and what loads survives a copy and a question.
 */
#include "config/auth_file.h"
#include "pgpooler/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, kept open by `fd`; its name for the loader in `path`. */
static int file_of(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void expect_lines(const struct buf *messages)
{
    for (size_t i = 0; i < messages->len; i++)
        assert(messages->data[i] == '\n' || ((uint8_t)messages->data[i] >= 0x20 && messages->data[i] != 0x7f));
    assert(messages->len == 0 || messages->data[messages->len - 1] == '\n');
}

static void expect_same_entry(const struct config *c, const struct config_entry *before)
{
    const struct config_entry *after = config_find_entry(c, before->name);
    assert(after != NULL && !config_entry_is_dirty(before, after));
    assert(after->host_count > 0 && after->port > 0);
    assert(config_max_pins(c, after, NULL) > 0);
}

static void expect_whole(const struct config *c)
{
    char *error = NULL;
    struct config *copy = config_set(c, "log_stats", c->log_stats ? "1" : "0", &error);
    assert(copy != NULL || error != NULL);
    if (copy == NULL) {
        mem_free(error);
        return;
    }
    assert(copy->entry_count == c->entry_count && copy->user_count == c->user_count);
    for (size_t i = 0; i < c->entry_count; i++)
        expect_same_entry(copy, c->entries[i]);
    for (int i = 0; i < config_option_count(); i++) {
        struct config_row a, b;
        config_option_show(c, i, &a);
        config_option_show(copy, i, &b);
        assert((a.value == NULL) == (b.value == NULL) && (a.value == NULL || strcmp(a.value, b.value) == 0));
    }
    struct config_entry *made = config_make_auto(copy, "made");
    assert((made != NULL) == (c->auto_template != NULL));
    config_entry_free(made);
    config_free(copy);
}

static void try_config(const uint8_t *data, size_t size)
{
    char path[32];
    struct buf errors = {0}, warnings = {0};
    int fd = file_of(data, size, path);
    struct config *c = config_load(path, &errors, &warnings);
    assert((c == NULL) == (errors.len > 0));
    expect_lines(&errors);
    expect_lines(&warnings);
    if (c != NULL)
        expect_whole(c);
    config_free(c);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    close(fd);
}

static void try_auth_file(const uint8_t *data, size_t size)
{
    static const uint8_t minimal[] = "[pgbouncer]\n";
    char path[32];
    struct buf errors = {0}, warnings = {0};
    int fd = file_of(minimal, sizeof(minimal) - 1, path);
    struct config *c = config_load(path, &errors, &warnings);
    assert(c != NULL);
    close(fd);
    fd = file_of(data, size, path);
    struct config_report report = {&errors, &warnings, 0};
    auth_file_load(c, path, &report);
    expect_lines(&errors);
    for (size_t i = 0; i < c->user_count; i++) {
        assert(c->users[i]->has_password && c->users[i]->name[0] != '\0');
        assert(config_find_user(c, c->users[i]->name) == c->users[i]);
    }
    config_free(c);
    buf_deinit(&errors);
    buf_deinit(&warnings);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_config(data, size);
    try_auth_file(data, size);
    return 0;
}
