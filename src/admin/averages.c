/* averages - two earlier totals of each database, shifted every stats_period. */
#include "console.h"

struct database_history {
    struct list link;
    char *name;
    struct stats_history history;
};

void averages_init(struct averages *averages, usec now)
{
    *averages = (struct averages){0};
    list_init(&averages->histories);
    stats_history_init(&averages->all, now);
    averages->older_at = averages->all.older_at;
    averages->newer_at = averages->all.newer_at;
}

void averages_deinit(struct averages *averages)
{
    LIST_FOREACH_SAFE (&averages->histories, it, after) {
        struct database_history *known = LIST_ENTRY(it, struct database_history, link);
        mem_free(known->name);
        mem_free(known);
    }
    list_init(&averages->histories);
}

static struct database_history *find(const struct averages *averages, const char *name)
{
    LIST_FOREACH (&averages->histories, it) {
        struct database_history *known = LIST_ENTRY(it, struct database_history, link);
        if (strcmp(known->name, name) == 0)
            return known;
    }
    return NULL;
}

/* One that was not there at the latest shifts had counted nothing then. */
static struct stats_history fresh_history(const struct averages *averages)
{
    return (struct stats_history){.older_at = averages->older_at, .newer_at = averages->newer_at};
}

static struct database_history *find_or_make(struct averages *averages, const char *name)
{
    struct database_history *known = find(averages, name);
    if (known == NULL) {
        known = mem_zalloc(sizeof *known);
        known->name = mem_strdup(name);
        known->history = fresh_history(averages);
        list_push_back(&averages->histories, &known->link);
    }
    return known;
}

void averages_shift(struct averages *averages, const struct database_view *databases, int count, usec now)
{
    struct stats all = {0};
    for (int i = 0; i < count; i++) {
        stats_history_shift(&find_or_make(averages, databases[i].name)->history, &databases[i].totals, now);
        stats_add(&all, &databases[i].totals);
    }
    stats_history_shift(&averages->all, &all, now);
    averages->older_at = averages->newer_at;
    averages->newer_at = now;
}

void averages_of(const struct averages *averages, const struct database_view *database, usec now,
                 struct stats_console *out)
{
    const struct database_history *known = find(averages, database->name);
    struct stats_history fresh = fresh_history(averages);
    stats_average(known != NULL ? &known->history : &fresh, &database->totals, now, out);
}
