/*
 * base - what every module stands on: memory, bytes, containers, errors, time, log.
 *
 * No descriptor, no clock, no libuv. Running out of memory ends the process inside
 * mem_*, so no caller tests for it; any size that came from the wire is checked
 * against a configured bound before it gets here.
 *
 * Comments use three words for ownership everywhere:
 *   takes    the caller must not touch it again
 *   borrows  for the duration of the call
 *   lends    valid until the next call on the same object
 */
#ifndef PGPOOLER_BASE_H
#define PGPOOLER_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- errors: 0 or a negative enum err; what a peer does wrong is a value, never an assert ---- */
enum err {
    ERR_NONE = 0,
    ERR_AGAIN = -1,     /* not enough bytes yet, or the descriptor would block */
    ERR_PROTOCOL = -2,  /* the peer broke the protocol */
    ERR_TOO_LARGE = -3, /* a length above its bound */
    ERR_SYNTAX = -4,    /* text that does not parse */
    ERR_NOT_FOUND = -5,
    ERR_EXISTS = -6,
    ERR_DENIED = -7,
    ERR_IO = -8,       /* a system call failed; errno is left as it set it */
    ERR_CLOSED = -9,   /* the peer closed the connection */
    ERR_INVALID = -10, /* a value out of its range */
};
const char *err_text(int err);

/* ---- time: microseconds. Instants are monotonic unless a name says wall ---- */
typedef int64_t usec;
#define USEC_PER_MSEC ((usec)1000)
#define USEC_PER_SEC  ((usec)1000000)
#define USEC_NEVER    INT64_MAX

/* ---- memory: never returns NULL ---- */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size); /* zeroed */
void *mem_realloc(void *ptr, size_t size);
void *mem_dup(const void *src, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len); /* copies exactly len bytes and adds the NUL */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *ptr);              /* NULL is fine */
void mem_wipe(void *ptr, size_t size); /* zeroes secrets; not optimised away */

/* Equal contents in time that depends on len only; for secrets. */
bool mem_equal_consttime(const void *a, const void *b, size_t len);

/* Fills from the kernel's generator; ends the process when it fails. */
void random_bytes(void *out, size_t len);

/* ---- slice: borrowed bytes, not NUL-terminated ---- */
struct slice {
    const char *ptr;
    size_t len;
};
static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ---- buf: growable bytes; zero-initialised is empty and holds no memory ---- */
struct buf {
    char *data;
    size_t len, cap;
};
void buf_deinit(struct buf *b);               /* frees; the buf is empty again */
void buf_reserve(struct buf *b, size_t more); /* room for `more` bytes behind len */
void buf_append(struct buf *b, const void *src, size_t len);
void buf_append_str(struct buf *b, const char *text);  /* without the NUL */
void buf_append_cstr(struct buf *b, const char *text); /* with the NUL, as the protocol wants */
void buf_append_u8(struct buf *b, uint8_t value);
void buf_append_u16(struct buf *b, uint16_t value); /* big endian, as the protocol */
void buf_append_u32(struct buf *b, uint32_t value);
void buf_put_u32(struct buf *b, size_t at, uint32_t value); /* overwrites 4 bytes at offset `at` */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *b, size_t len); /* drops the first len bytes */
const char *buf_text(struct buf *b);         /* NUL-terminated view; the NUL is not counted in len */

static inline uint32_t read_u32(const void *at)
{
    const unsigned char *p = at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint16_t read_u16(const void *at)
{
    const unsigned char *p = at;
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline void write_u32(void *at, uint32_t value)
{
    unsigned char *p = at;
    p[0] = (unsigned char)(value >> 24);
    p[1] = (unsigned char)(value >> 16);
    p[2] = (unsigned char)(value >> 8);
    p[3] = (unsigned char)value;
}

/* ---- list: intrusive, circular, doubly linked ---- */
struct list {
    struct list *next, *prev;
};
#define LIST_ENTRY(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))
#define LIST_FOREACH(head, it)         for (struct list *it = (head)->next; it != (head); it = it->next)
/* `it` may be removed inside the loop */
#define LIST_FOREACH_SAFE(head, it, after)                                                                             \
    for (struct list *it = (head)->next, *after = it->next; it != (head); it = after, after = it->next)
static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}
static inline bool list_is_linked(const struct list *l) /* needs list_init or a removed node */
{
    return l->next != l;
}
static inline void list_push_front(struct list *head, struct list *node)
{
    node->next = head->next;
    node->prev = head;
    head->next->prev = node;
    head->next = node;
}
static inline void list_push_back(struct list *head, struct list *node)
{
    list_push_front(head->prev, node);
}
static inline void list_remove(struct list *node) /* harmless on an unlinked node */
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* ---- hash and table: open addressing, seeded per process, values are pointers ---- */
uint64_t hash_bytes(const void *data, size_t len);
struct hash128 {
    uint64_t high, low;
};
struct hash128 hash128_bytes(const void *data, size_t len,
                             struct hash128 chain); /* chain: an earlier result or {0,0} */

/*
 * A set of pointers found by hash and an equality that the caller knows.
 * Zero-initialised is empty and holds no memory. Values must not be NULL.
 */
struct table {
    struct table_slot *slots;
    uint32_t live; /* how many values it holds */
    uint32_t size;
};
typedef bool table_match(const void *value, const void *key);
void *table_find(const struct table *t, uint64_t hash, table_match *match, const void *key); /* or NULL */
void table_insert(struct table *t, uint64_t hash, void *value);       /* the caller knows that it is not there */
bool table_remove(struct table *t, uint64_t hash, const void *value); /* by identity; false when absent */
void *table_next(const struct table *t, uint32_t *cursor); /* start with 0; NULL ends; do not change meanwhile */
void table_deinit(struct table *t);

/* ---- arena: many small allocations freed at once; zero-initialised is empty; memory is not zeroed ---- */
struct arena {
    struct arena_block *blocks;
};
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *text); /* NULL stays NULL */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_deinit(struct arena *a);

/* ---- why a connection ends: every end names a row of close.def ---- */
enum close_reason {
#define CLOSE(name, sqlstate, text) CLOSE_##name,
#include "pgpooler/close.def"
#undef CLOSE
    CLOSE_REASONS
};
const char *close_sqlstate(enum close_reason reason); /* "" when the peer is not told */
/* The row's text with `words` in place of its %s (NULL: nothing), cut to size. */
const char *close_message(enum close_reason reason, const char *words, char *out, size_t size);

/* ---- log: levels and format of PgBouncer; the sink is set once by main before threads start ---- */
enum log_level {
    LOG_LEVEL_FATAL,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_LOG,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_NOISE,
    LOG_LEVELS
};
extern const char *const log_level_name[LOG_LEVELS]; /* "FATAL" "ERROR" "WARNING" "LOG" "DEBUG" "NOISE" */
/* Called from any thread with a complete message; no newline at its end, but perhaps inside. */
typedef void log_sink(enum log_level level, const char *message);
void log_set_sink(log_sink *sink);   /* NULL: standard error */
void log_set_verbosity(int verbose); /* 0: up to LOG, 1-2: DEBUG, 3: NOISE */
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * For sinks: appends `2026-11-21 16:16:14.570 UTC [387] LEVEL text` and a newline, in local time;
 * a newline inside the message becomes newline and tab. @wall microseconds since 1970
 */
void log_format_line(struct buf *out, enum log_level level, const char *message, usec wall, int pid);

#endif
