/*
 * Private to session: what we say to a backend on our own, and local answers when their turn comes.
 */
#ifndef SESSION_REWRITE_H
#define SESSION_REWRITE_H

#include "session/prepared.h"

/* The first `keep` bytes of a message with another length word, and a statement's name behind them. */
void rewrite_head(struct out *out, const char *message, size_t keep, const char *name, uint32_t new_len);
/* A Parse under this name of what `tail` holds. */
void rewrite_parse(struct out *out, const char *name, struct slice tail);
/*
 * The statement is prepared when the next message arrives: parsed here first, hidden, if need be. If parameters that
 * parse analysis reads differ from those under which the client parsed it, its like of today's parameters is taken
 * instead, so that the name never stands for anything else: a reference of that one is returned, otherwise NULL.
 */
struct stmt *rewrite_ensure(struct backend_state *b, struct stmt *stmt, struct out *to_backend, struct stats *stats);
/* Something is prepared under its name when the next message arrives, no matter what. */
void rewrite_occupy(struct backend_state *b, struct stmt *stmt, struct out *to_backend);
/* Before a Parse of stmt: closes it if it is there, else the least recently used one if the backend is full. */
void rewrite_make_room(struct backend_state *b, struct stmt *stmt, struct out *to_backend);
/* The unnamed statement becomes this one, or none (NULL). */
void rewrite_unnamed(struct backend_state *b, struct stmt *stmt, struct out *to_backend);
/* Sets the backend's parameters to these, in a unit of its own. */
void rewrite_parameters(struct backend_state *b, const struct params *wanted, struct out *to_backend);
void rewrite_answer_local(struct backend_state *b, struct session_io *io);
/* Answers the local entries that have come to the head. */
static inline void rewrite_settle(struct backend_state *b, struct session_io *io)
{
    const struct ledger_entry *head = ledger_head(&b->ledger);
    if (head != NULL && head->action == LEDGER_LOCAL)
        rewrite_answer_local(b, io);
}

#endif
