/*
 * Private to session: prepared names of a client, and what is prepared on a backend.
 */
#ifndef SESSION_PREPARED_H
#define SESSION_PREPARED_H

#include "session/ledger.h"
#include "session/store.h"

/* A client's name for a statement. Immutable: a name parsed anew is a new object. */
struct prepared_name {
    uint32_t refs;
    uint32_t len;
    uint64_t hash;
    struct stmt *stmt; /* owned reference */
    char text[];       /* NUL-terminated */
};
struct prepared_names {
    struct table table; /* owns a reference of each */
};

struct prepared_name *prepared_name_find(const struct session *s, struct slice text);
bool prepared_name_is_linked(const struct session *s, const struct prepared_name *name);
struct prepared_name *prepared_name_new(struct slice text, struct stmt *stmt);   /* takes stmt; in no table, refs 1 */
void prepared_name_add(struct session *s, struct slice text, struct stmt *stmt); /* takes stmt; in the table */
void prepared_name_link(struct session *s, struct prepared_name *name);          /* takes a reference */
void prepared_name_unlink(struct session *s, struct prepared_name *name);        /* drops the table's; absent is fine */
void prepared_name_unref(struct store *store, struct prepared_name *name);       /* NULL is fine */
void prepared_names_clear(struct session *s);

/* One statement on a backend, in order of last use. */
struct prepared {
    struct list recent;
    struct stmt *stmt; /* owned reference */
    uint32_t unit;     /* in which it was parsed */
    bool stale;        /* the server's copy is of no use any more: close and parse again before the next use */
};
struct prepared_on_backend {
    struct table table;
    struct list recent; /* most recently used first */
    int count;
};
struct prepared *prepared_find(const struct backend_state *b, const struct stmt *stmt);
void prepared_touch(struct backend_state *b, struct prepared *p);
struct prepared *prepared_add(struct backend_state *b, struct stmt *stmt); /* takes its own reference */
void prepared_remove(struct backend_state *b, const struct stmt *stmt);    /* absent is fine */
void prepared_clear(struct backend_state *b);
/* What was parsed in unanswered units has met other parameters than its name says. */
void prepared_distrust_unanswered(struct backend_state *b);
struct prepared *prepared_least_recent(const struct backend_state *b); /* NULL when empty */
void backend_set_unnamed(struct backend_state *b, struct stmt *stmt);  /* takes its own reference; NULL: none there */
void backend_forget_unnamed(struct backend_state *b);                  /* nobody knows what is there */

#endif
