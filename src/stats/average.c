/* average - what happened lately, from two earlier totals and the present one. */
#include "pgpooler/stats.h"

#include <inttypes.h>

void stats_history_init(struct stats_history *h, usec now)
{
    /* As if counting had begun a second ago: the first query after a millisecond is not 1000 a second. */
    *h = (struct stats_history){.older_at = now - USEC_PER_SEC, .newer_at = now};
}

static void take_totals(struct stats_console *out, const struct stats *totals)
{
#define STATS_CONSOLE(field, unit, per, total, average, totals_, averages, row, metric, labels, help)                  \
    out->field = totals->field;
#include "pgpooler/stats.def"
}

void stats_history_shift(struct stats_history *h, const struct stats *totals, usec now)
{
    h->older = h->newer;
    h->older_at = h->newer_at;
    take_totals(&h->newer, totals);
    h->newer_at = now;
}

/* count per second; 128 bits because microseconds times bytes may need them */
static uint64_t per_second(uint64_t count, usec elapsed)
{
    return (uint64_t)((unsigned __int128)count * (uint64_t)USEC_PER_SEC / (uint64_t)elapsed);
}

static uint64_t per_piece(uint64_t time, uint64_t pieces)
{
    return pieces > 0 ? time / pieces : 0;
}

void stats_average(const struct stats_history *h, const struct stats *totals, usec now, struct stats_console *out)
{
    *out = (struct stats_console){0};
    usec elapsed = now - h->older_at;
    if (elapsed <= 0)
        return;

    struct stats_console since; /* the older totals */
#define STATS_CONSOLE(field, unit, per, total, average, totals_, averages, row, metric, labels, help)                  \
    since.field = totals->field > h->older.field ? totals->field - h->older.field : 0;
#include "pgpooler/stats.def"

#define AVERAGE_SECOND(value)     per_second(value, elapsed)
#define AVERAGE_XACT(value)       per_piece(value, since.xact_count)
#define AVERAGE_QUERY(value)      per_piece(value, since.query_count)
#define AVERAGE_ASSIGNMENT(value) per_piece(value, since.server_assignment_count)
#define STATS_CONSOLE(field, unit, per, total, average, totals_, averages, row, metric, labels, help)                  \
    out->field = AVERAGE_##per(since.field);
#include "pgpooler/stats.def"
}

void stats_format_line(struct buf *out, const struct stats_console *average)
{
    buf_printf(out, "stats: %" PRIu64 " xacts/s, %" PRIu64 " queries/s, ", average->xact_count, average->query_count);
    buf_printf(out, "%" PRIu64 " client parses/s, %" PRIu64 " server parses/s, %" PRIu64 " binds/s, ",
               average->client_parse_count, average->server_parse_count, average->bind_count);
    buf_printf(out, "%" PRIu64 " client logins/s, ", average->client_login_count);
    buf_printf(out, "in %" PRIu64 " B/s, out %" PRIu64 " B/s, ", average->received, average->sent);
    buf_printf(out, "xact %" PRIu64 " us, query %" PRIu64 " us, wait %" PRIu64 " us", average->xact_time,
               average->query_time, average->wait_time);
}
