/* histogram - durations in buckets of powers of two. */
#include "pgpooler/stats.h"

/* The smallest i with duration <= 2^i. */
static int bucket_of(uint64_t duration)
{
    int bucket = duration <= 1 ? 0 : 64 - __builtin_clzll(duration - 1);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

void histogram_record(struct histogram *h, usec duration)
{
    uint64_t counted = duration > 0 ? (uint64_t)duration : 0;
    h->buckets[bucket_of(counted)]++;
    h->sum += counted;
}

void histogram_add(struct histogram *into, const struct histogram *from)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->sum += from->sum;
}

usec histogram_bound(int bucket)
{
    assert(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
    return bucket == HISTOGRAM_BUCKETS - 1 ? USEC_NEVER : (usec)1 << bucket;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t count = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}
