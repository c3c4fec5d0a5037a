/* Private to session: statements in the store, and copies that travel between workers. */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "pgpooler/session.h"

/*
 * Might it take all prepared statements away? Then names wait for its answer. Only the beginning of each statement is
 * looked at: what hides the word better is still followed once its answer is here.
 */
bool text_may_deallocate(const char *text, size_t len);
/*
 * Might it change parameters? When it runs and is undone in one batch (SET LOCAL, an error), no ParameterStatus ever
 * tells. What a function of the user does is not seen here.
 */
bool text_may_set(const char *text);

/* Finds or makes; gives one reference. @tail  a Parse message behind its name, well-formed */
struct stmt *stmt_intern(struct store *store, struct slice tail, uint64_t parse_hash);
/* The same, or NULL where it would have to be made; gives no reference. */
struct stmt *stmt_find(const struct store *store, struct slice tail, uint64_t parse_hash);
static inline struct stmt *stmt_ref(struct stmt *stmt)
{
    stmt->refs++;
    return stmt;
}
void stmt_unref(struct store *store, struct stmt *stmt); /* NULL is fine */

/* Copies outside of any store; freed with mem_free. */
struct stmt *stmt_copy(const struct stmt *stmt);
struct params *params_plain_copy(const struct params *params);
struct params *params_copy_into(struct store *store, const struct params *foreign); /* gives one reference */

#endif
