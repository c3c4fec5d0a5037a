#include "pool_oracle.h"

void oracle_ask(struct oracle *o, const struct ticket *t, int worker, usec since)
{
    assert(o->count < 256);
    int at = o->count++;
    for (; at > 0 && o->waiting[at - 1].since > since; at--)
        o->waiting[at] = o->waiting[at - 1];
    o->waiting[at] = (struct oracle_ticket){t, since, worker};
}

static int position(const struct oracle *o, const struct ticket *t)
{
    for (int i = 0; i < o->count; i++)
        if (o->waiting[i].ticket == t)
            return i;
    return -1;
}

void oracle_leave(struct oracle *o, const struct ticket *t)
{
    int at = position(o, t);
    if (at < 0)
        return;
    o->count--;
    for (; at < o->count; at++)
        o->waiting[at] = o->waiting[at + 1];
}

void oracle_way_ended(struct oracle *o, int to)
{
    assert(o->arriving[to] > 0);
    o->arriving[to]--;
}

static bool lacks(const struct oracle *o, int at)
{
    int ahead = 0;
    for (int i = 0; i < at; i++)
        ahead += o->waiting[i].worker == o->waiting[at].worker;
    return ahead >= o->arriving[o->waiting[at].worker];
}

static int oldest_lacking(const struct oracle *o, int worker)
{
    for (int i = 0; i < o->count; i++)
        if (o->waiting[i].worker == worker && lacks(o, i))
            return i;
    return -1;
}

static usec slack(usec since, usec now)
{
    return (now - since) / 8 > 500 ? (now - since) / 8 : 500;
}

static const char *judge_order(const struct oracle *o, int chosen, usec now)
{
    for (int i = 0; i < o->count; i++) {
        const struct oracle_ticket *other = &o->waiting[i];
        if (i != chosen && lacks(o, i) && o->waiting[chosen].since - other->since > slack(other->since, now))
            return "a ticket was overtaken by one younger by more than the slack";
    }
    return NULL;
}

static const char *judge_serve(const struct oracle *o, int worker, usec now, const struct ticket *t)
{
    int chosen = position(o, t);
    if (chosen < 0 || o->waiting[chosen].worker != worker)
        return "served a ticket that does not wait here";
    for (int i = 0; i < chosen; i++)
        if (o->waiting[i].worker == worker)
            return "served not the oldest of its worker";
    if (oldest_lacking(o, worker) < 0)
        for (int i = 0; i < o->count; i++)
            if (lacks(o, i))
                return "served one that has a backend on its way while another lacks one";
    return judge_order(o, chosen, now);
}

static const char *judge_give(const struct oracle *o, int worker, usec now, int to)
{
    int chosen = oldest_lacking(o, to), local = oldest_lacking(o, worker);
    if (to == worker || chosen < 0)
        return "given to a worker where nobody lacks one";
    usec since = o->waiting[chosen].since;
    if (local >= 0 && o->waiting[local].since - since <= slack(since, now))
        return "moved although a local ticket is within the slack";
    return judge_order(o, chosen, now);
}

static const char *judge_keep(const struct oracle *o, int worker)
{
    for (int i = 0; i < o->count; i++)
        if (lacks(o, i) || o->waiting[i].worker == worker)
            return "kept idle while somebody waits";
    return NULL;
}

const char *oracle_judge(struct oracle *o, int worker, usec now, const struct broker_freed *freed)
{
    const char *wrong = NULL;
    switch (freed->fate) {
    case BROKER_SERVE:
        wrong = judge_serve(o, worker, now, freed->ticket);
        oracle_leave(o, freed->ticket);
        break;
    case BROKER_GIVE:
        wrong = judge_give(o, worker, now, freed->to);
        o->arriving[freed->to]++;
        break;
    case BROKER_KEEP:
        wrong = judge_keep(o, worker);
        break;
    case BROKER_CLOSE:
        break;
    }
    return wrong;
}
