/*
 * server_model - a PostgreSQL server as seen through its protocol, with a toy language behind it.
 *
 * Bytes in, bytes out, nothing else: transactions, prepared statements and portals, skipping to Sync, COPY, and the
 * reports of parameters behave as a server's of version 14 and later; statements do nothing but answer:
 *
 *   rows N [tag]     N rows that tell the tag or the bound $1, DateStyle when parsed, DateStyle and TimeZone now
 *   set NAME VALUE   DateStyle, TimeZone; rolled back with its transaction
 *   begin commit rollback savepoint 'rollback to'     err     bad (a syntax error)     (nothing: an empty query)
 *   copyin           data that begins with `bad` fails it     copyout N
 *   'deallocate all' 'discard all'
 *
 * Source: docs PROTOCOL-FLOW; what they leave open is as in PostgreSQL's postgres.c, from memory.
 */
#ifndef TEST_SERVER_MODEL_H
#define TEST_SERVER_MODEL_H

#include "pgpooler/proto.h"

enum { MODEL_STATEMENTS = 24, MODEL_PORTALS = 8, MODEL_TEXT = 64, MODEL_PARAMETERS = 2, MODEL_VALUE = 8 };

struct model_statement {
    bool used;
    char name[MODEL_TEXT], text[MODEL_TEXT];
    char style[MODEL_VALUE]; /* DateStyle when it was parsed */
};
struct model_portal {
    bool used, done;
    uint32_t row; /* the next one */
    char name[MODEL_TEXT], value[2][MODEL_TEXT];
    struct model_statement statement;
};
enum model_xact { XACT_NONE, XACT_IMPLICIT, XACT_BLOCK, XACT_FAILED };
enum model_copy { MODEL_COPY_NO, MODEL_COPY_SIMPLE, MODEL_COPY_EXTENDED };

struct server_model {
    struct buf in;  /* a message that is not here as a whole */
    struct buf out; /* what it has to say ... */
    size_t flushed; /* ... of which so much has left it */
    bool dead;      /* after a FATAL */
    bool skipping;  /* to the next Sync */
    bool executed;  /* something ran in this implicit transaction */
    bool has_savepoint;
    enum model_xact xact;
    enum model_copy copy;
    uint32_t copied;
    struct buf copy_rest; /* of the simple query */
    struct model_statement statements[MODEL_STATEMENTS];
    struct model_portal portals[MODEL_PORTALS];
    char values[MODEL_PARAMETERS][MODEL_VALUE]; /* now */
    char before[MODEL_PARAMETERS][MODEL_VALUE]; /* when the transaction began */
    char at_savepoint[MODEL_PARAMETERS][MODEL_VALUE];
    char reported[MODEL_PARAMETERS][MODEL_VALUE];
};
extern const char *const model_parameters[MODEL_PARAMETERS];
extern const char *const model_defaults[MODEL_PARAMETERS];

void server_model_init(struct server_model *m);
void server_model_deinit(struct server_model *m);
void server_model_bytes(struct server_model *m, const char *data, size_t len);
/* Nothing begun, nothing open, nothing to say: another client may come, but for what m->in holds. */
bool server_model_is_idle(const struct server_model *m);

#endif
