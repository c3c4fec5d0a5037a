/* arena - memory handed out in pieces and given back as a whole. */
#include "pgpooler/base.h"

#include <stdio.h>

enum { ARENA_BLOCK = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    max_align_t data[];
};

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *block = mem_alloc(sizeof(*block) + cap);
    block->next = NULL;
    block->used = 0;
    block->cap = cap;
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    assert(size <= SIZE_MAX / 2);
    size = (size + align - 1) / align * align;

    struct arena_block *block = a->blocks;
    if (!block || block->cap - block->used < size) {
        bool oversized = size > ARENA_BLOCK / 4;
        block = block_new(oversized ? size : ARENA_BLOCK);
        if (oversized && a->blocks) { /* behind the first, whose room is still good for small pieces */
            block->next = a->blocks->next;
            a->blocks->next = block;
        } else {
            block->next = a->blocks;
            a->blocks = block;
        }
    }
    void *piece = (char *)block->data + block->used;
    block->used += size;
    return piece;
}

char *arena_strdup(struct arena *a, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(arena_alloc(a, size), text, size);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);

    char *text = arena_alloc(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

void arena_deinit(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        mem_free(block);
    }
}
