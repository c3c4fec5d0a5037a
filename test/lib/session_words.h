/*
 * session_words - protocol messages written as words, for transcripts.
 *
 *   Parse s1 'select 1' 23 | Bind s1 p1 | Execute p1 5 | Sync          from a client
 *   ParseComplete | DataRow x | Complete 'SELECT 1' | Ready I          from a backend
 *
 * `-` is the empty name. Names of ours on a backend (pgp_ and 32 hex digits) are written pgp_1, pgp_2 ... in the
 * order in which they are first seen.
 */
#ifndef TEST_SESSION_WORDS_H
#define TEST_SESSION_WORDS_H

#include "pgpooler/proto.h"

enum { LABELS_MAX = 64 };
struct labels {
    int count;
    char *names[LABELS_MAX];
};
void labels_deinit(struct labels *labels);

/* Appends the messages that the text stands for; ends the test on a word that it does not know. */
void words_encode(struct buf *out, const struct labels *labels, bool from_client, const char *text);
/* Appends the text of all complete messages; bytes behind them as `... n bytes`. New names of ours get labels. */
void words_decode(struct buf *out, struct labels *labels, bool from_client, const char *data, size_t len);

#endif
