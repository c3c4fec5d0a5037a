/*
 * pool_oracle - the rule of order for one pool's tickets, told a second time and plainly, to judge the broker by.
 *
 * A ticket lacks a backend when more tickets of its worker are waiting ahead of it than backends are on their way to
 * the worker, or as many.
 */
#ifndef POOL_ORACLE_H
#define POOL_ORACLE_H

#include "pgpooler/pool.h"

struct oracle {
    struct oracle_ticket {
        const struct ticket *ticket; /* compared, never read */
        usec since;
        int worker;
    } waiting[256]; /* oldest first */
    int count;
    int arriving[WORKERS_MAX];
};

void oracle_ask(struct oracle *o, const struct ticket *t, int worker, usec since);
void oracle_leave(struct oracle *o, const struct ticket *t); /* withdrawn; harmless when not waiting */
void oracle_way_ended(struct oracle *o, int to);             /* arrived or lost; before the arrival is judged */
/* Judges what the broker did with a free backend, and follows it. NULL: right; else what is wrong. */
const char *oracle_judge(struct oracle *o, int worker, usec now, const struct broker_freed *freed);

#endif
