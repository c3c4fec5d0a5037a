#include "pgpooler/base.h"

#include <stdio.h>

static const struct {
    const char *sqlstate, *text;
} rows[CLOSE_REASONS] = {
#define CLOSE(name, sqlstate, text) {sqlstate, text},
#include "pgpooler/close.def"
#undef CLOSE
};

const char *close_sqlstate(enum close_reason reason)
{
    return rows[reason].sqlstate;
}

const char *close_message(enum close_reason reason, const char *words, char *out, size_t size)
{
    const char *text = rows[reason].text, *gap = strstr(text, "%s");
    if (gap == NULL)
        snprintf(out, size, "%s", text);
    else
        snprintf(out, size, "%.*s%s%s", (int)(gap - text), text, words ? words : "", gap + 2);
    return out;
}
