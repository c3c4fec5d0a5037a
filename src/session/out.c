/* Output as pieces: references into the receive buffer, and chunks for what we write ourselves. */
#include "pgpooler/session.h"

enum { CHUNK_SIZE = 16384 };

struct out_chunk {
    struct out_chunk *older;
    size_t used, size;
    char data[];
};

void out_push(struct out *out, const char *ptr, size_t len)
{
    if (out->count == out->size) {
        out->size = out->size ? out->size * 2 : 16;
        out->pieces = mem_realloc(out->pieces, (size_t)out->size * sizeof *out->pieces);
    }
    out->pieces[out->count++] = (struct iovec){(void *)(uintptr_t)ptr, len};
    out->total += len;
}

char *out_space(struct out *out, size_t len)
{
    struct out_chunk *chunk = out->chunks;
    if (chunk == NULL || chunk->size - chunk->used < len) {
        size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
        chunk = mem_alloc(sizeof *chunk + size);
        *chunk = (struct out_chunk){.older = out->chunks, .size = size};
        out->chunks = chunk;
    }
    char *at = chunk->data + chunk->used;
    chunk->used += len;
    out_ref(out, at, len);
    return at;
}

void out_copy(struct out *out, const void *src, size_t len)
{
    if (len > 0)
        memcpy(out_space(out, len), src, len);
}

void out_clear(struct out *out)
{
    out->count = 0;
    out->total = 0;
    struct out_chunk *chunk = out->chunks;
    if (chunk == NULL)
        return;
    while (chunk->older != NULL || chunk->size > CHUNK_SIZE) { /* keeps one ordinary chunk for the next time */
        struct out_chunk *older = chunk->older;
        mem_free(chunk);
        chunk = older;
        if (chunk == NULL)
            break;
    }
    out->chunks = chunk;
    if (chunk != NULL)
        chunk->used = 0;
}

void out_deinit(struct out *out)
{
    while (out->chunks != NULL) {
        struct out_chunk *older = out->chunks->older;
        mem_free(out->chunks);
        out->chunks = older;
    }
    mem_free(out->pieces);
    *out = (struct out){0};
}
