/* auth_file - users and their secrets: `"user" "secret"` lines. */
#include "auth_file.h"
#include "parts.h"
#include "read_file.h"

#include <sys/stat.h>

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
        p++;
    return p;
}

/* A text in double quotes, two of them for one inside. NULL: it is not that. */
static const char *take_quoted(const char *p, const char *end, struct buf *out)
{
    if (p == end || *p != '"')
        return NULL;
    for (p++; p < end; p++) {
        if (*p == '"') {
            if (p + 1 == end || p[1] != '"')
                return p + 1;
            p++;
        }
        buf_append_u8(out, (uint8_t)*p);
    }
    return NULL;
}

/* NULL, or what is wrong with the line; it is never shown, as it holds a secret. */
static const char *take_line(struct config *c, const char *p, const char *end, struct buf *name, struct buf *secret)
{
    static const char expected[] = "broken auth file: expected \"user\" \"secret\"";
    name->len = secret->len = 0;
    if (memchr(p, '\0', (size_t)(end - p)) != NULL)
        return "broken auth file: the line has a NUL byte";
    p = take_quoted(p, end, name);
    if (p == NULL)
        return expected;
    p = take_quoted(skip_blanks(p, end), end, secret);
    if (p == NULL)
        return expected;
    if (name->len == 0)
        return "broken auth file: the user's name is empty";
    if (name->len > CONFIG_USER_NAME_MAX)
        return "broken auth file: the user's name is longer than 127 bytes";
    if (secret->len > CONFIG_SECRET_MAX)
        return "broken auth file: the secret is longer than 65530 bytes";
    user_set_secret(config_need_user(c, buf_text(name)), buf_text(secret));
    return NULL;
}

static void take_all(struct config *c, const char *path, const struct buf *text, struct config_report *report)
{
    struct buf name = {0}, secret = {0};
    const char *p = text->data, *end = text->data + text->len;
    for (int line = 1; p < end; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *line_end = newline == NULL ? end : newline;
        p = skip_blanks(p, line_end);
        const char *wrong = NULL;
        if (p < line_end && *p != ';')
            wrong = take_line(c, p, line_end, &name, &secret);
        if (wrong != NULL)
            report_error(report, path, line, "%s", wrong);
        p = newline == NULL ? end : newline + 1;
    }
    mem_wipe(secret.data, secret.cap);
    buf_deinit(&secret);
    buf_deinit(&name);
}

void auth_file_load(struct config *c, const char *path, struct config_report *report)
{
    struct buf text = {0}, why = {0};
    struct file_id id;
    for (size_t i = 0; i < c->user_count; i++)
        user_set_secret(c->users[i], NULL);

    int err = read_file(path, &text, &id, &why);
    if (err == ERR_NOT_FOUND)
        report_warning(report, path, 0, "could not open auth_file: %s", buf_text(&why));
    else if (err != 0)
        report_error(report, path, 0, "could not read auth_file: %s", buf_text(&why));
    else if (S_ISREG(id.mode) && (id.mode & S_IROTH) != 0)
        report_warning(report, path, 0, "auth_file can be read by every user of this system");
    if (err == 0)
        take_all(c, path, &text, report);

    mem_wipe(text.data, text.cap);
    buf_deinit(&text);
    buf_deinit(&why);
}
