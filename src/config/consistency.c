/* consistency - rules about several values of a configuration at once. */
#include "consistency.h"

/* A lag that is not three probes long could be seen at healthy replicas. */
enum { LAG_PERIODS_MIN = 3 };
static const char lag_too_small[] =
    "max_replica_lag is shorter than three times lag_check_period: probing is too slow to see it";
static const char auth_dbname_is_console[] = "auth_dbname is the console's name, which is reserved";

struct check {
    const struct config *c;
    complaint_handler *handler;
    void *owner;
};

static void blame_key(const struct check *k, const char *key, const char *text)
{
    k->handler(k->owner, &(struct config_complaint){.is_error = true, .key = key, .text = text});
}

static void blame_entry(const struct check *k, const struct config_entry *entry, bool is_error, const char *text)
{
    k->handler(k->owner, &(struct config_complaint){.is_error = is_error, .entry = entry, .text = text});
}

static bool lag_is_too_small(const struct config *c, usec lag)
{
    return lag > 0 && lag < LAG_PERIODS_MIN * c->lag_check_period;
}

static bool is_console(const char *name)
{
    return name != NULL && config_name_is_reserved(name);
}

static void check_entry(const struct check *k, const struct config_entry *entry)
{
    if (lag_is_too_small(k->c, entry->max_replica_lag))
        blame_entry(k, entry, true, lag_too_small);
    if (is_console(entry->auth_dbname))
        blame_entry(k, entry, true, auth_dbname_is_console);
    if (config_routing(k->c, entry) != ROUTING_OFF && config_pool_mode(k->c, entry, NULL) == POOL_MODE_SESSION)
        blame_entry(k, entry, false,
                    "routing needs pool_mode transaction or statement: sessions of this entry stay on one node");
}

void consistency_check(const struct config *c, complaint_handler *handler, void *owner)
{
    struct check k = {c, handler, owner};
    if (lag_is_too_small(c, c->max_replica_lag))
        blame_key(&k, "max_replica_lag", lag_too_small);
    if (is_console(c->auth_dbname))
        blame_key(&k, "auth_dbname", auth_dbname_is_console);
    for (size_t i = 0; i < c->entry_count; i++)
        check_entry(&k, c->entries[i]);
    if (c->auto_template != NULL)
        check_entry(&k, c->auto_template);
}
