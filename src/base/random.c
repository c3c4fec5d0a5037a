/* random - bytes that nobody can guess: keys, nonces, hash secrets. */
#include "pgpooler/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            /* going on with guessable keys would be worse than ending */
            fprintf(stderr, "pgpooler: getrandom: %s\n", strerror(errno));
            abort();
        }
        at += got;
        len -= (size_t)got;
    }
}
