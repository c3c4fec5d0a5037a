/*
 * session_world - clients and backends joined by the session module, beside the same clients on servers of their own.
 *
 * Bytes travel in random pieces in all four directions, in random order; links end and begin as a caller of session
 * does it. What a client gets must be what its own server told it.
 */
#ifndef TEST_SESSION_WORLD_H
#define TEST_SESSION_WORLD_H

#include "pgpooler/session.h"
#include "server_model.h"

enum { WORLD_CLIENTS = 4, WORLD_BACKENDS = 3 };

/* splitmix64 */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *r);
uint32_t random_below(struct random *r, uint32_t bound);
static inline bool random_one_in(struct random *r, uint32_t n)
{
    return random_below(r, n) == 0;
}

/*
 * Plays what each client says.
 * @may_vanish  clients may be gone at any time
 * Returns true if all was well; otherwise `why` tells.
 */
bool world_run(uint64_t seed, const struct buf *scripts, int clients, bool may_vanish, struct buf *why);

#endif
