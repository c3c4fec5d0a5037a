/*
 * conversation - the protocol of one console after its login, simple and extended, as bytes in and bytes out.
 *
 * Pure. Commands are run by the owner, one at a time: run() is called and ends, at once or later, with one of
 * conversation_complete() and conversation_fail(). Nothing behind a running command is looked at before that.
 *
 *      READY --Query--> SIMPLE --last command or error--> READY (ReadyForQuery)
 *        '-----Execute--> EXTENDED --> READY              an error skips everything up to the Sync
 */
#ifndef ADMIN_CONVERSATION_H
#define ADMIN_CONVERSATION_H

#include "columns.h"
#include "command.h"

enum {
    CONVERSATION_MESSAGE_MAX = 65536, /* bytes; the longest message that a console takes */
    CONVERSATION_OUT_MAX = 262144,    /* bytes of answers; no command is begun on top of them */
    CONVERSATION_NAMES_MAX = 1000,    /* prepared statements, and portals, at a time */
};

enum conversation_state { CONVERSATION_READY, CONVERSATION_SIMPLE, CONVERSATION_EXTENDED };

struct conversation {
    /* Borrows the command until it is answered. */
    void (*run)(void *owner, const struct command *command);
    /* The table that the command answers with, NULL: no rows. Asked before it is run. */
    const struct admin_table *(*describe)(void *owner, const struct command *command);
    void *owner;

    struct buf in;
    struct buf out;   /* for the owner to send and to empty */
    bool is_busy;     /* a command is running */
    bool is_over;     /* Terminate came, or a message that nobody can answer: send `out` and close */
    bool is_inside;   /* conversation_continue() is at work further up the stack */
    bool is_skipping; /* after an error, until Sync */
    enum conversation_state state;
    struct commands commands; /* of the Query being answered */
    int next;                 /* in it */
    struct list stmts, portals;
    int stmt_count, portal_count;
    struct portal *executing;
};
/* The owner sets `run`, `describe` and `owner` afterwards. */
void conversation_init(struct conversation *talk);
void conversation_deinit(struct conversation *talk);

/*
 * Both may call run(). Call conversation_continue() when a command has been answered outside of run(), and when `out`
 * was full and has been sent.
 */
void conversation_bytes(struct conversation *talk, const void *data, size_t len);
void conversation_continue(struct conversation *talk);

/* ---- answers to the running command ---- */
void conversation_rows(struct conversation *talk, const struct result *result);
void conversation_notice(struct conversation *talk, const char *message, const char *detail);
void conversation_complete(struct conversation *talk, const char *tag);
void conversation_fail(struct conversation *talk, const char *sqlstate, const char *message, const char *detail);

#endif
