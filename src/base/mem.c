/* mem - allocation that cannot fail, and bytes that must not leak through memory or time. */
#include "pgpooler/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Written without the log: formatting a line may itself need memory. */
static _Noreturn void end_out_of_memory(void)
{
    static const char text[] = "pgpooler: out of memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
    _exit(EXIT_FAILURE);
}

/* malloc(0) may answer NULL, which is no lack of memory. */
static size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(at_least_one(size));
    if (!ptr)
        end_out_of_memory();
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, at_least_one(size));
    if (!ptr)
        end_out_of_memory();
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    ptr = realloc(ptr, at_least_one(size));
    if (!ptr)
        end_out_of_memory();
    return ptr;
}

void *mem_dup(const void *src, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, src, size);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    struct buf b = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    buf_text(&b);
    return b.data;
}

void mem_free(void *ptr)
{
    free(ptr);
}

void mem_wipe(void *ptr, size_t size)
{
    if (size == 0)
        return;
    memset(ptr, 0, size);
    __asm__ volatile("" : : "r"(ptr) : "memory"); /* somebody may look, as far as the compiler knows */
}

bool mem_equal_consttime(const void *a, const void *b, size_t len)
{
    /* volatile: the compiler must not leave the loop at the first difference */
    const volatile unsigned char *x = a, *y = b;
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference = (unsigned char)(difference | (x[i] ^ y[i]));
    return difference == 0;
}
