/*
 * command - the console's language: what an administrator typed, as a list of commands.
 *
 * A tiny grammar of its own; nothing of it ever reaches a server:
 *
 *     text      commands separated by `;`, with SQL's comments and blanks anywhere between words
 *     command   WORD [argument]  |  SET key (= | TO) value
 *     argument  word of letters, digits and _, taken as written, or "name" with "" for one quote
 *     value     anything without blanks, quotes and `;`, or 'text' with '' for one quote
 *
 * Which words exist, and which take an argument, is for the caller to know.
 */
#ifndef ADMIN_COMMAND_H
#define ADMIN_COMMAND_H

#include "pgpooler/base.h"

struct command {
    bool is_valid;        /* false: only `text` means anything */
    const char *text;     /* as it was typed, without what surrounds it */
    const char *word;     /* upper case; SELECT is SHOW already */
    const char *argument; /* of SET: the key. NULL: none */
    const char *value;    /* of SET */
};
struct commands {
    struct arena arena;
    struct command *list;
    int count, room;
};
/* Never fails: what does not parse is a command that is not valid. Comments and empty commands are none at all. */
void commands_parse(struct commands *out, const char *text);
void commands_deinit(struct commands *commands);

#endif
