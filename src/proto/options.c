/* options - PostgreSQL's command line switches inside the startup parameter `options`. */
#include "pgpooler/proto.h"

/* isspace of the C locale, which is the server's at this point */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word, unescaped, into `word` with a NUL; false at the end of the text. */
static bool next_word(const char **at, struct buf *word)
{
    const char *p = *at;
    while (is_blank(*p))
        p++;
    word->len = 0;
    bool found = *p != '\0';
    for (; *p && !is_blank(*p); p++) {
        if (*p == '\\') {
            p++;
            if (*p == '\0') /* a backslash with nothing to escape is dropped */
                break;
        }
        buf_append_u8(word, (uint8_t)*p);
    }
    *at = p;
    buf_append_u8(word, '\0');
    return found;
}

int proto_options_parse(const char *options, struct buf *scratch,
                        int (*each)(void *ctx, const char *name, const char *value), void *ctx)
{
    while (next_word(&options, scratch)) {
        char *setting = scratch->data;
        if (strcmp(setting, "-c") == 0) {
            if (!next_word(&options, scratch))
                return ERR_SYNTAX;
            setting = scratch->data;
        } else if (strncmp(setting, "-c", 2) == 0 || strncmp(setting, "--", 2) == 0) {
            setting += 2;
        } else {
            return ERR_SYNTAX;
        }
        char *equals = strchr(setting, '=');
        if (!equals || equals == setting)
            return ERR_SYNTAX;
        *equals = '\0';
        int stop = each(ctx, setting, equals + 1);
        if (stop)
            return stop;
    }
    return 0;
}
