/*
 * stats - counters, their averages over time, and histograms of durations.
 *
 * Counts; never looks at a clock and never prints. One struct stats per (worker, entry),
 * written by that worker alone and without locks: whoever else wants it asks the worker
 * for a copy and adds the copies up. What exists is in stats.def.
 */
#ifndef PGPOOLER_STATS_H
#define PGPOOLER_STATS_H

#include "pgpooler/base.h"

/*
 * Durations by powers of two: bucket i counts those above 2^(i-1) and up to 2^i
 * microseconds, the first one all up to 1, the last one all above 2^26 (67 seconds).
 */
enum { HISTOGRAM_BUCKETS = 28 };
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t sum; /* usec */
};
void histogram_record(struct histogram *h, usec duration); /* below 0 counts as 0 */
void histogram_add(struct histogram *into, const struct histogram *from);
usec histogram_bound(int bucket); /* the longest duration in it; USEC_NEVER for the last one */
uint64_t histogram_count(const struct histogram *h);

/* Zero-initialised has counted nothing. Counters that are no times are for everybody to increment. */
struct stats {
#define STATS_CONSOLE(field, unit, per, total, average, totals, averages, row, metric, labels, help) uint64_t field;
#define STATS_OWN(field, unit, metric, labels, help)                                                 uint64_t field;
#define STATS_HISTOGRAM(field, metric, help)                                                         struct histogram field;
#include "pgpooler/stats.def"
};
void stats_add(struct stats *into, const struct stats *from);

/* Times go into their counter and into their histogram. The counts are incremented when a query or transaction begins.
 */
void stats_xact_ended(struct stats *s, usec duration);
void stats_query_ended(struct stats *s, usec duration);
void stats_wait_ended(struct stats *s, usec duration);

/* ---- averages, as PgBouncer's console shows them ---- */

/* A value for each of PgBouncer's counters: totals at an instant, or averages. */
struct stats_console {
#define STATS_CONSOLE(field, unit, per, total, average, totals, averages, row, metric, labels, help) uint64_t field;
#include "pgpooler/stats.def"
};

/*
 * Two earlier totals of an entry, shifted every stats_period. An average is taken since the
 * older one, so it covers between one and two periods; right after a shift exactly one.
 */
struct stats_history {
    struct stats_console older, newer;
    usec older_at, newer_at;
};
/* @now  when counting began */
void stats_history_init(struct stats_history *h, usec now);
void stats_history_shift(struct stats_history *h, const struct stats *totals, usec now);
/*
 * Counts and bytes per second; xact_time, query_time and wait_time in microseconds per
 * transaction, query and assignment. Totals that went down (an entry was removed and came
 * back) average 0.
 */
void stats_average(const struct stats_history *h, const struct stats *totals, usec now, struct stats_console *out);
/* Appends the text of PgBouncer's periodic log line, which log readers parse: `stats: 5 xacts/s, ...` */
void stats_format_line(struct buf *out, const struct stats_console *average);

/* ---- the tables as data: for the console, the metrics and the manual ---- */
enum stats_unit { STATS_COUNT, STATS_BYTES, STATS_USEC };

struct stats_counter {
    const char *field;
    enum stats_unit unit;
    const char *metric, *labels, *help; /* labels: `name="value"`, or "" */
    /* the console's names; NULL behind the first STATS_CONSOLE_COUNTERS */
    const char *show_total, *show_average;         /* SHOW STATS */
    const char *show_totals, *show_averages;       /* SHOW STATS_TOTALS, SHOW STATS_AVERAGES */
    const char *show_total_row, *show_average_row; /* SHOW TOTALS */
    size_t offset;                                 /* in struct stats */
    size_t console_offset;                         /* in struct stats_console */
};
enum {
    STATS_CONSOLE_COUNTERS = sizeof(struct stats_console) / sizeof(uint64_t),
    STATS_COUNTERS = STATS_CONSOLE_COUNTERS
#define STATS_OWN(field, unit, metric, labels, help) +1
#include "pgpooler/stats.def"
};
extern const struct stats_counter stats_counters[STATS_COUNTERS];
uint64_t stats_value(const struct stats *s, const struct stats_counter *counter);
uint64_t stats_console_value(const struct stats_console *s,
                             const struct stats_counter *counter); /* the console's only */

struct stats_histogram {
    const char *field, *metric, *help;
    size_t offset; /* in struct stats */
};
enum {
    STATS_HISTOGRAMS = 0
#define STATS_HISTOGRAM(field, metric, help) +1
#include "pgpooler/stats.def"
};
extern const struct stats_histogram stats_histograms[STATS_HISTOGRAMS];
const struct histogram *stats_histogram_of(const struct stats *s, const struct stats_histogram *histogram); /* lends */

#endif
