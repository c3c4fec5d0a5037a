#include "session/prepared.h"

void ledger_grow(struct ledger *ledger)
{
    uint32_t size = ledger->size ? ledger->size * 2 : 16;
    struct ledger_entry *entries = mem_alloc(size * sizeof *entries);
    for (uint32_t i = 0; i < ledger->count; i++)
        entries[i] = *ledger_at(ledger, i);
    mem_free(ledger->entries);
    *ledger = (struct ledger){.entries = entries, .count = ledger->count, .size = size};
}

void ledger_deinit(struct ledger *ledger)
{
    assert(ledger->count == 0);
    mem_free(ledger->entries);
    *ledger = (struct ledger){0};
}

static void entry_release(struct backend_state *b, struct ledger_entry *entry)
{
    if (entry->name != NULL)
        prepared_name_unref(b->store, entry->name);
    if (entry->stmt != NULL)
        stmt_unref(b->store, entry->stmt);
}

static void drop_head(struct ledger *ledger)
{
    ledger->head = (ledger->head + 1) & (ledger->size - 1);
    ledger->count--;
}

static bool ends_unit(const struct ledger_entry *entry)
{
    return entry->kind == 'S' || entry->kind == 'Q' || entry->kind == 'F';
}

/* The server took it: what stood under the sent name was gone, and now is what the client parsed. */
static void accept_duplicate(struct backend_state *b, struct ledger_entry *entry)
{
    struct prepared *there = prepared_find(b, entry->stmt);
    if (there == NULL)
        there = prepared_add(b, entry->stmt);
    there->stale = true;
    struct slice text = {entry->name->text, entry->name->len};
    if (b->session != NULL && prepared_name_find(b->session, text) == NULL)
        prepared_name_link(b->session, entry->name);
}

void ledger_confirm_effects(struct backend_state *b, struct ledger_entry *head)
{
    if (head->effects & EFFECT_DUPLICATE)
        accept_duplicate(b, head);
    entry_release(b, head);
}

static struct stmt *stmt_of(const struct ledger_entry *entry)
{
    return entry->stmt ? entry->stmt : entry->name->stmt;
}

/*
 * The session's unnamed statement goes back to `former` (NULL: none) as of entry i. If a later request has replaced it
 * again, that one's memory of the former is what changes. Takes the reference of `former`.
 */
static void restore_unnamed(struct backend_state *b, uint32_t i, struct stmt *former)
{
    struct session *s = b->session;
    struct stmt **place = s ? &s->unnamed : NULL;
    for (uint32_t later = i + 1; later < b->ledger.count; later++) {
        struct ledger_entry *entry = ledger_at(&b->ledger, later);
        if (entry->effects & EFFECT_UNNAMED_SET) {
            place = &entry->stmt;
            break;
        }
    }
    if (place == NULL) {
        stmt_unref(b->store, former);
        return;
    }
    stmt_unref(b->store, *place);
    *place = former;
}

/* @failed  the server tried the request and refused it; otherwise it never looked at it */
static void undo(struct backend_state *b, uint32_t i, bool failed)
{
    struct ledger_entry *entry = ledger_at(&b->ledger, i);
    if (entry->effects & EFFECT_PREPARED_ADDED)
        prepared_remove(b, stmt_of(entry));
    if (entry->effects & EFFECT_PREPARED_REMOVED && prepared_find(b, stmt_of(entry)) == NULL)
        prepared_add(b, stmt_of(entry))->stale = true; /* it perhaps was; if not, that costs one Parse */
    if (entry->effects & EFFECT_UNNAMED_SET) {
        /* The server drops the unnamed statement before it parses the new one: a failed Parse leaves none. */
        struct stmt *former = failed ? NULL : entry->stmt;
        if (failed)
            stmt_unref(b->store, entry->stmt);
        entry->stmt = NULL;
        restore_unnamed(b, i, former);
    }
    if (b->session != NULL) {
        if (entry->effects & EFFECT_NAME_ADDED)
            prepared_name_unlink(b->session, entry->name);
        if (entry->effects & EFFECT_NAME_REMOVED)
            prepared_name_link(b->session, entry->name);
    }
    entry->effects = 0;
}

/* Errors after which the server's copy of a statement serves nobody until it is parsed again. */
static bool needs_new_parse(const char *sqlstate, const char *message)
{
    return strcmp(sqlstate, "26000") == 0 ||
           (strcmp(sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED) == 0 && strstr(message, "cached plan") != NULL);
}

void ledger_fail(struct backend_state *b, const char *sqlstate, const char *message)
{
    struct ledger *ledger = &b->ledger;
    struct ledger_entry *head = ledger_head(ledger);
    if (head->kind == 'Q' || head->kind == 'F')
        return;
    if (head->name != NULL && needs_new_parse(sqlstate, message)) {
        struct prepared *p = prepared_find(b, stmt_of(head));
        if (p != NULL)
            p->stale = true;
    }
    uint32_t end = 0;
    while (end < ledger->count && ledger_at(ledger, end)->kind != 'S')
        end++;
    b->skipping = end == ledger->count;
    b->batch_open = b->batch_open || b->skipping;
    backend_forget_unnamed(b);
    for (uint32_t i = end; i-- > 0;)
        undo(b, i, i == 0);
    for (uint32_t i = 0; i < end; i++) {
        if (ends_unit(ledger_head(ledger)))
            b->units_answered++;
        entry_release(b, ledger_head(ledger));
        drop_head(ledger);
    }
}

void ledger_forget_syncs(struct backend_state *b)
{
    struct ledger *ledger = &b->ledger;
    uint32_t kept = 1;
    for (uint32_t i = 1; i < ledger->count; i++) {
        struct ledger_entry *entry = ledger_at(ledger, i);
        if (entry->kind != 'S') {
            *ledger_at(ledger, kept++) = *entry;
            continue;
        }
        b->units_answered++;
        b->batch_open = true;
    }
    ledger->count = kept;
}

void ledger_forget_prepared(struct backend_state *b)
{
    struct session *s = b->session;
    bool of_client = s != NULL && s->rewriting && ledger_head(&b->ledger)->action != LEDGER_HIDDEN;
    prepared_clear(b);
    if (of_client)
        prepared_names_clear(s);
    for (uint32_t i = 1; i < b->ledger.count; i++) {
        struct ledger_entry *entry = ledger_at(&b->ledger, i);
        if (entry->effects & EFFECT_PREPARED_ADDED) /* or its name is only taken: parsed again before the next use */
            prepared_add(b, stmt_of(entry))->stale = true;
        if (of_client && entry->effects & EFFECT_NAME_ADDED)
            prepared_name_link(s, entry->name);
        /* An error must bring back what later entries brought, but not what was deallocated. */
        if (entry->effects & EFFECT_PREPARED_REMOVED && prepared_find(b, stmt_of(entry)) == NULL)
            entry->effects &= (uint8_t)~EFFECT_PREPARED_REMOVED;
        if (of_client && entry->effects & EFFECT_NAME_REMOVED && !prepared_name_is_linked(s, entry->name))
            entry->effects &= (uint8_t)~EFFECT_NAME_REMOVED;
        if (entry->effects & EFFECT_PREPARED_REMOVED)
            prepared_remove(b, stmt_of(entry));
        if (of_client && entry->effects & EFFECT_NAME_REMOVED)
            prepared_name_unlink(s, entry->name);
    }
}

void ledger_clear(struct backend_state *b)
{
    while (b->ledger.count > 0) {
        entry_release(b, ledger_head(&b->ledger));
        drop_head(&b->ledger);
    }
}
