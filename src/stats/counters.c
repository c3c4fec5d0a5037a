/* counters - the table of what is counted, and adding up. */
#include "pgpooler/stats.h"

const struct stats_counter stats_counters[STATS_COUNTERS] = {
#define STATS_CONSOLE(field_, unit_, per_, total_, average_, totals_, averages_, row_, metric_, labels_, help_)        \
    {                                                                                                                  \
        .field = #field_,                                                                                              \
        .unit = STATS_##unit_,                                                                                         \
        .metric = metric_,                                                                                             \
        .labels = labels_,                                                                                             \
        .help = help_,                                                                                                 \
        .show_total = "total_" total_,                                                                                 \
        .show_average = "avg_" average_,                                                                               \
        .show_totals = totals_,                                                                                        \
        .show_averages = averages_,                                                                                    \
        .show_total_row = "total_" row_,                                                                               \
        .show_average_row = "avg_" row_,                                                                               \
        .offset = offsetof(struct stats, field_),                                                                      \
        .console_offset = offsetof(struct stats_console, field_),                                                      \
    },
#define STATS_OWN(field_, unit_, metric_, labels_, help_)                                                              \
    {                                                                                                                  \
        .field = #field_,                                                                                              \
        .unit = STATS_##unit_,                                                                                         \
        .metric = metric_,                                                                                             \
        .labels = labels_,                                                                                             \
        .help = help_,                                                                                                 \
        .offset = offsetof(struct stats, field_),                                                                      \
    },
#include "pgpooler/stats.def"
};

const struct stats_histogram stats_histograms[STATS_HISTOGRAMS] = {
#define STATS_HISTOGRAM(field_, metric_, help_) {#field_, metric_, help_, offsetof(struct stats, field_)},
#include "pgpooler/stats.def"
};

uint64_t stats_value(const struct stats *s, const struct stats_counter *counter)
{
    uint64_t value;
    memcpy(&value, (const char *)s + counter->offset, sizeof(value));
    return value;
}

uint64_t stats_console_value(const struct stats_console *s, const struct stats_counter *counter)
{
    uint64_t value;
    assert(counter->show_total);
    memcpy(&value, (const char *)s + counter->console_offset, sizeof(value));
    return value;
}

const struct histogram *stats_histogram_of(const struct stats *s, const struct stats_histogram *histogram)
{
    return (const void *)((const char *)s + histogram->offset);
}

void stats_add(struct stats *into, const struct stats *from)
{
#define STATS_CONSOLE(field, unit, per, total, average, totals, averages, row, metric, labels, help)                   \
    into->field += from->field;
#define STATS_OWN(field, unit, metric, labels, help) into->field += from->field;
#define STATS_HISTOGRAM(field, metric, help)         histogram_add(&into->field, &from->field);
#include "pgpooler/stats.def"
}

static void record(uint64_t *total, struct histogram *times, usec duration)
{
    if (duration > 0)
        *total += (uint64_t)duration;
    histogram_record(times, duration);
}

void stats_xact_ended(struct stats *s, usec duration)
{
    record(&s->xact_time, &s->xact_times, duration);
}

void stats_query_ended(struct stats *s, usec duration)
{
    record(&s->query_time, &s->query_times, duration);
}

void stats_wait_ended(struct stats *s, usec duration)
{
    record(&s->wait_time, &s->wait_times, duration);
}
