/*
 * hosts - an entry's host, port, weight and zone lists, taken apart.
 *
 * A list is as long as the host list, or has one value for all hosts. PgBouncer ignores
 * empty names (`host=a,`), so they are not hosts here either.
 */
#include "parts.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>

enum { WEIGHT_MAX = 1000, PORT_MAX = 65535 };

/* The next non-empty item of a comma-separated list; false at its end. */
static bool next_item(const char **list, struct slice *item)
{
    const char *p = *list + strspn(*list, ", \t");
    if (*p == '\0')
        return false;
    size_t len = strcspn(p, ",");
    *list = p + len;
    while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
        len--;
    *item = (struct slice){p, len};
    return true;
}

static size_t count_items(const char *list)
{
    size_t count = 0;
    for (struct slice item; list != NULL && next_item(&list, &item);)
        count++;
    return count;
}

static int parse_port(struct config_host *host, struct slice item)
{
    char *text = mem_strndup(item.ptr, item.len), *end;
    long port = strtol(text, &end, 10);
    bool is_good = end != text && *end == '\0' && port > 0 && port <= PORT_MAX;
    host->port = is_good ? (int)port : 0;
    mem_free(text);
    return is_good ? 0 : ERR_INVALID;
}

static int parse_weight(struct config_host *host, struct slice item)
{
    char *text = mem_strndup(item.ptr, item.len), *end;
    long weight = strtol(text, &end, 10);
    bool is_good = end != text && *end == '\0' && weight >= 0 && weight <= WEIGHT_MAX;
    host->weight = is_good ? (int)weight : 0;
    mem_free(text);
    return is_good ? 0 : ERR_INVALID;
}

static int copy_zone(struct config_host *host, struct slice item)
{
    host->zone = mem_strndup(item.ptr, item.len);
    return 0;
}

/* Gives every host its value of a list, or all of them the only one. */
static int spread(struct config_entry *entry, const char *list, const char *key, const char *expected,
                  int (*parse)(struct config_host *, struct slice), struct buf *why)
{
    if (list == NULL)
        return 0;
    size_t count = count_items(list);
    if (count != 1 && count != entry->host_count) {
        buf_printf(why, "%s has %zu values for %zu hosts: one for all or one for each is needed", key, count,
                   entry->host_count);
        return ERR_INVALID;
    }
    const char *at = list;
    struct slice item = {0};
    for (size_t i = 0; i < entry->host_count; i++) {
        if (i == 0 || count > 1)
            next_item(&at, &item);
        if (parse(&entry->hosts[i], item) != 0) {
            buf_printf(why, "invalid %s: %s is needed, not ", key, expected);
            report_quote(why, list);
            return ERR_INVALID;
        }
    }
    return 0;
}

int entry_split_hosts(struct config_entry *entry, struct buf *why)
{
    assert(entry->hosts == NULL);
    size_t count = count_items(entry->host);
    entry->host_count = count == 0 ? 1 : count; /* no host: the Unix socket */
    entry->hosts = mem_zalloc(entry->host_count * sizeof(*entry->hosts));
    const char *at = entry->host;
    struct slice item;
    for (size_t i = 0; i < entry->host_count; i++) {
        struct config_host *host = &entry->hosts[i];
        *host = (struct config_host){.port = CONFIG_DEFAULT_PORT, .weight = 1};
        if (at != NULL && next_item(&at, &item))
            host->host = mem_strndup(item.ptr, item.len);
    }
    int err = spread(entry, entry->ports, "port", "a number from 1 to 65535", parse_port, why);
    if (err == 0)
        err = spread(entry, entry->weights, "weight", "a number from 0 to 1000", parse_weight, why);
    if (err == 0)
        err = spread(entry, entry->zones, "zone", "a name", copy_zone, why);
    entry->port = entry->hosts[0].port;
    return err;
}
