/* load - the files into a whole struct config, or the list of what is wrong with them. */
#include "auth_file.h"
#include "consistency.h"
#include "dialect.h"
#include "pairs.h"
#include "parts.h"

#include <stdlib.h>

enum section { SECTION_NONE, SECTION_MAIN, SECTION_DATABASES, SECTION_USERS, SECTION_PEERS, SECTION_UNKNOWN };

/* Where a value was written, for errors that only show when all is read. */
struct place {
    const char *file; /* in loader.files; NULL: nowhere */
    int line;
};

struct entry_place {
    struct entry_place *next;
    const char *name;
    struct place place;
};

struct loader {
    struct config *c;
    struct config_report *report;
    enum section section;
    bool has_pgbouncer, has_pgpooler;
    struct place *option_places;      /* one for each row of global_rows */
    struct entry_place *entry_places; /* the newest first */
    struct arena arena;
    const char *file; /* the copy of the file name seen last */
    struct buf why;
};

static struct place place_of(struct loader *l, const struct dialect_line *line)
{
    if (l->file == NULL || strcmp(l->file, line->file) != 0)
        l->file = arena_strdup(&l->arena, line->file);
    return (struct place){l->file, line->line};
}

/* Reports what l->why says. */
static void refuse(struct loader *l, const struct dialect_line *line)
{
    report_error(l->report, line->file, line->line, "%s", buf_text(&l->why));
}

/* ---- sections ---- */

/* The first header of either name finds the defaults in place; a second one of the same name resets, as in PgBouncer.
 */
static void begin_main(struct loader *l, const struct dialect_line *line, bool *seen)
{
    if (*seen) {
        report_warning(l->report, line->file, line->line,
                       "a second [%s] section: all settings above are back at their defaults", line->section);
        rows_set_defaults(&global_rows, l->c);
        memset(l->option_places, 0, global_rows.count * sizeof(*l->option_places));
    }
    *seen = true;
    l->section = SECTION_MAIN;
}

static void begin_section(struct loader *l, const struct dialect_line *line)
{
    static const struct {
        const char *name;
        enum section section;
    } others[] = {{"databases", SECTION_DATABASES}, {"users", SECTION_USERS}, {"peers", SECTION_PEERS}};

    if (strcmp(line->section, "pgbouncer") == 0) {
        begin_main(l, line, &l->has_pgbouncer);
        return;
    }
    if (strcmp(line->section, "pgpooler") == 0) {
        begin_main(l, line, &l->has_pgpooler);
        return;
    }
    struct config_guess guess = {.wanted = line->section};
    guess_try(&guess, "pgpooler");
    guess_try(&guess, "pgbouncer");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        guess_try(&guess, others[i].name);
        if (strcmp(line->section, others[i].name) == 0) {
            l->section = others[i].section;
            return;
        }
    }
    l->section = SECTION_UNKNOWN;
    buf_append_str(&l->why, "unknown section ");
    report_quote(&l->why, line->section);
    guess_append(&guess, &l->why);
    refuse(l, line);
}

/* ---- one line of each section ---- */

static void set_global(struct loader *l, const struct dialect_line *line)
{
    const struct config_option *option = rows_find(&global_rows, line->key, &l->why);
    if (option == NULL || value_parse(option, line->value, row_field(l->c, option), &l->why) != 0) {
        refuse(l, line);
        return;
    }
    l->option_places[option - global_rows.options] = place_of(l, line);
}

static bool name_is_good(struct loader *l, const struct dialect_line *line, size_t max)
{
    if (strlen(line->key) <= max)
        return true;
    buf_printf(&l->why, "the name is longer than %zu bytes", max);
    refuse(l, line);
    return false;
}

static void add_entry(struct loader *l, const struct dialect_line *line)
{
    if (!name_is_good(l, line, CONFIG_ENTRY_NAME_MAX))
        return;
    if (config_name_is_reserved(line->key)) {
        report_error(l->report, line->file, line->line, "database name \"%s\" is reserved", line->key);
        return;
    }
    bool is_template = strcmp(line->key, "*") == 0;
    struct config_entry *entry = entry_new(line->key);
    if (pairs_parse(line->value, &entry_rows, entry, &l->why) != 0 || entry_split_hosts(entry, &l->why) != 0) {
        refuse(l, line);
        config_entry_free(entry);
        return;
    }
    if (is_template) {
        config_entry_free(l->c->auto_template);
        l->c->auto_template = entry;
    } else {
        if (entry->dbname == NULL)
            entry->dbname = mem_strdup(entry->name);
        config_add_entry(l->c, entry);
    }
    struct entry_place *at = arena_alloc(&l->arena, sizeof(*at));
    *at = (struct entry_place){l->entry_places, arena_strdup(&l->arena, line->key), place_of(l, line)};
    l->entry_places = at;
}

/* A later line for the same user adds to the earlier ones, as in PgBouncer. */
static void add_user(struct loader *l, const struct dialect_line *line)
{
    if (name_is_good(l, line, CONFIG_USER_NAME_MAX) &&
        pairs_parse(line->value, &user_rows, config_need_user(l->c, line->key), &l->why) != 0)
        refuse(l, line);
}

static void add_peer(struct loader *l, const struct dialect_line *line)
{
    char *end;
    long id = strtol(line->key, &end, 10);
    if (*end != '\0' || id < 1 || id > 65535) {
        buf_append_str(&l->why, "a peer's name must be a number from 1 to 65535, not ");
        report_quote(&l->why, line->key);
        refuse(l, line);
        return;
    }
    struct config_peer *peer = peer_new((int)id);
    int err = pairs_parse(line->value, &peer_rows, peer, &l->why);
    if (err == 0 && peer->host == NULL) {
        buf_append_str(&l->why, "a peer needs a host");
        err = ERR_INVALID;
    }
    if (err != 0) {
        refuse(l, line);
        peer_free(peer);
        return;
    }
    if (peer->port < 0)
        peer->port = CONFIG_DEFAULT_PEER_PORT;
    config_add_peer(l->c, peer);
}

static void on_line(void *owner, const struct dialect_line *line)
{
    struct loader *l = owner;
    l->why.len = 0;
    if (line->key == NULL) {
        begin_section(l, line);
        return;
    }
    switch (l->section) {
    case SECTION_MAIN:
        set_global(l, line);
        break;
    case SECTION_DATABASES:
        add_entry(l, line);
        break;
    case SECTION_USERS:
        add_user(l, line);
        break;
    case SECTION_PEERS:
        add_peer(l, line);
        break;
    case SECTION_NONE:
        buf_append_str(&l->why, "value without section: ");
        report_quote(&l->why, line->key);
        refuse(l, line);
        break;
    case SECTION_UNKNOWN:
        break; /* its header was reported */
    }
}

/* ---- when all is read ---- */

static struct place place_of_complaint(const struct loader *l, const struct config_complaint *complaint)
{
    struct buf why = {0};
    if (complaint->key != NULL)
        return l->option_places[rows_find(&global_rows, complaint->key, &why) - global_rows.options];
    const struct entry_place *at = l->entry_places;
    while (strcmp(at->name, complaint->entry->name) != 0)
        at = at->next;
    return at->place;
}

static void on_complaint(void *owner, const struct config_complaint *complaint)
{
    struct loader *l = owner;
    struct place place = place_of_complaint(l, complaint);
    if (place.file == NULL) /* a default that another key made wrong */
        place.file = l->c->conffile;
    if (complaint->is_error)
        report_error(l->report, place.file, place.line, "%s", complaint->text);
    else
        report_warning(l->report, place.file, place.line, "%s", complaint->text);
}

struct config *config_load(const char *path, struct buf *errors, struct buf *warnings)
{
    struct config_report report = {errors, warnings, 0};
    struct loader l = {.c = mem_zalloc(sizeof(*l.c)), .report = &report};
    l.option_places = mem_zalloc(global_rows.count * sizeof(*l.option_places));
    rows_unset(&global_rows, l.c);
    rows_set_defaults(&global_rows, l.c);

    dialect_read(path, on_line, &l, &report);
    if (!l.has_pgbouncer && !l.has_pgpooler && report.error_count == 0)
        report_error(&report, path, 0, "main section missing from config file: [pgbouncer] or [pgpooler]");
    if (l.c->conffile == NULL || l.c->conffile[0] == '\0') {
        mem_free((char *)l.c->conffile);
        l.c->conffile = mem_strdup(path);
    }
    consistency_check(l.c, on_complaint, &l);
    if (l.c->auth_file != NULL && l.c->auth_file[0] != '\0')
        auth_file_load(l.c, l.c->auth_file, &report);

    mem_free(l.option_places);
    arena_deinit(&l.arena);
    buf_deinit(&l.why);
    if (report.error_count > 0) {
        config_free(l.c);
        return NULL;
    }
    return l.c;
}
