/*
 * Private to session: the queue of answers that a backend still owes, oldest first.
 *
 * Entries own a reference of their name and statement. What an entry changed in prepared names is kept when its
 * answer says so, and undone when the server failed or skipped it.
 */
#ifndef SESSION_LEDGER_H
#define SESSION_LEDGER_H

#include "pgpooler/session.h"

/* enum ledger_effect, bits of ledger_entry.effects: what happened when the entry was appended */
enum {
    EFFECT_NAME_ADDED = 1,       /* name stands in the session's table */
    EFFECT_NAME_REMOVED = 2,     /* name was taken out of it */
    EFFECT_PREPARED_ADDED = 4,   /* stmt (or name's) counts as prepared on the backend */
    EFFECT_PREPARED_REMOVED = 8, /* stmt no longer does */
    EFFECT_UNNAMED_SET = 16,     /* the session's unnamed statement was replaced; stmt is the former one or NULL */
    EFFECT_DUPLICATE = 32,       /* a Parse that the server should refuse: name is new and in no table, stmt what is
                                    already prepared under the name that was sent */
};

static inline struct ledger_entry *ledger_at(const struct ledger *ledger, uint32_t i)
{
    return &ledger->entries[(ledger->head + i) & (ledger->size - 1)];
}
static inline struct ledger_entry *ledger_head(const struct ledger *ledger)
{
    return ledger->count ? ledger_at(ledger, 0) : NULL;
}
void ledger_grow(struct ledger *ledger);
/* Appends a zeroed entry and returns it. */
static inline struct ledger_entry *ledger_append(struct ledger *ledger, char kind, enum ledger_action action)
{
    if (ledger->count == ledger->size)
        ledger_grow(ledger);
    struct ledger_entry *entry = ledger_at(ledger, ledger->count++);
    *entry = (struct ledger_entry){.kind = kind, .action = (uint8_t)action};
    return entry;
}
void ledger_deinit(struct ledger *ledger); /* empty */

void ledger_confirm_effects(struct backend_state *b, struct ledger_entry *head);
/* The head got its answer: its effects hold. */
static inline void ledger_confirm(struct backend_state *b)
{
    struct ledger_entry *head = ledger_head(&b->ledger);
    if (head->kind == 'S' || head->kind == 'Q' || head->kind == 'F')
        b->units_answered++;
    if (head->name != NULL || head->stmt != NULL)
        ledger_confirm_effects(b, head);
    b->ledger.head = (b->ledger.head + 1) & (b->ledger.size - 1);
    b->ledger.count--;
}
/*
 * The server answered the head with an error. A Query or FunctionCall stays, for its ReadyForQuery; otherwise the
 * head and everything up to the next Sync goes, undone from the last to the first.
 */
void ledger_fail(struct backend_state *b, const char *sqlstate, const char *message);
/* The server took Syncs sent behind the head for part of a COPY: they get no answer. */
void ledger_forget_syncs(struct backend_state *b);
/* The head has deallocated everything on the backend: only what later entries bring counts. */
void ledger_forget_prepared(struct backend_state *b);
/* Gives everything up without undoing: the connection is gone, or nobody listens any more. */
void ledger_clear(struct backend_state *b);

#endif
