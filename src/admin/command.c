/* command - the console's grammar. */
#include "command.h"

#include <ctype.h>
#include <strings.h>

struct lexer {
    const char *at;
    struct arena *arena;
    bool is_broken; /* a comment or a quote that never ends */
};

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Comments nest, as in PostgreSQL. At the opening one. */
static void skip_comment(struct lexer *lexer)
{
    int depth = 0;
    do {
        if (lexer->at[0] == '/' && lexer->at[1] == '*') {
            depth++;
            lexer->at += 2;
        } else if (lexer->at[0] == '*' && lexer->at[1] == '/') {
            depth--;
            lexer->at += 2;
        } else if (*lexer->at == '\0') {
            lexer->is_broken = true;
            return;
        } else {
            lexer->at++;
        }
    } while (depth > 0);
}

static void skip_blanks(struct lexer *lexer)
{
    for (;;) {
        if (is_blank(*lexer->at))
            lexer->at++;
        else if (lexer->at[0] == '-' && lexer->at[1] == '-')
            lexer->at += strcspn(lexer->at, "\n");
        else if (lexer->at[0] == '/' && lexer->at[1] == '*')
            skip_comment(lexer);
        else
            return;
    }
}

/* At the quote; the text without it, or NULL when it never ends. */
static const char *read_quoted(struct lexer *lexer)
{
    char quote = *lexer->at++;
    char *text = arena_alloc(lexer->arena, strlen(lexer->at) + 1), *to = text;
    for (; *lexer->at != '\0'; *to++ = *lexer->at++) {
        if (*lexer->at != quote)
            continue;
        lexer->at++;
        if (*lexer->at != quote) {
            *to = '\0';
            return text;
        }
    }
    lexer->is_broken = true;
    return NULL;
}

static const char *read_span(struct lexer *lexer, size_t len)
{
    const char *text = len > 0 ? arena_printf(lexer->arena, "%.*s", (int)len, lexer->at) : NULL;
    lexer->at += len;
    return text;
}

/* A word or a quoted name; NULL when there is none. */
static const char *read_name(struct lexer *lexer)
{
    if (*lexer->at == '"')
        return read_quoted(lexer);
    size_t len = 0;
    while (is_word_char(lexer->at[len]))
        len++;
    return read_span(lexer, len);
}

static const char *read_value(struct lexer *lexer)
{
    if (*lexer->at == '\'')
        return read_quoted(lexer);
    size_t len = strcspn(lexer->at, " \t\n\v\f\r;'\"");
    return read_span(lexer, len);
}

static bool read_assignment(struct lexer *lexer, struct command *out)
{
    out->argument = read_name(lexer);
    if (out->argument == NULL)
        return false;
    skip_blanks(lexer);
    if (*lexer->at == '=') {
        lexer->at++;
    } else {
        const char *to = is_word_char(*lexer->at) ? read_name(lexer) : NULL;
        if (to == NULL || strcasecmp(to, "to") != 0)
            return false;
    }
    skip_blanks(lexer);
    out->value = read_value(lexer);
    return out->value != NULL;
}

static bool read_command(struct lexer *lexer, struct command *out)
{
    if (!is_word_char(*lexer->at))
        return false;
    char *word = (char *)read_name(lexer);
    for (char *c = word; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    out->word = strcmp(word, "SELECT") == 0 ? "SHOW" : word;
    skip_blanks(lexer);
    if (strcmp(word, "SET") == 0) {
        if (!read_assignment(lexer, out))
            return false;
    } else if (*lexer->at != ';' && *lexer->at != '\0') {
        out->argument = read_name(lexer);
        if (out->argument == NULL)
            return false;
    }
    skip_blanks(lexer);
    return !lexer->is_broken && (*lexer->at == ';' || *lexer->at == '\0');
}

/* To the end of a command that made no sense. */
static void skip_command(struct lexer *lexer)
{
    for (;;) {
        skip_blanks(lexer);
        if (*lexer->at == ';' || *lexer->at == '\0')
            return;
        if (*lexer->at == '\'' || *lexer->at == '"')
            read_quoted(lexer);
        else
            lexer->at++;
    }
}

static struct command *add_command(struct commands *commands)
{
    if (commands->count == commands->room) {
        commands->room = commands->room > 0 ? 2 * commands->room : 4;
        commands->list = mem_realloc(commands->list, (size_t)commands->room * sizeof *commands->list);
    }
    struct command *added = &commands->list[commands->count++];
    *added = (struct command){0};
    return added;
}

void commands_parse(struct commands *out, const char *text)
{
    *out = (struct commands){0};
    struct lexer lexer = {.at = text, .arena = &out->arena};
    for (;;) {
        skip_blanks(&lexer);
        if (*lexer.at == ';') {
            lexer.at++;
            continue;
        }
        if (*lexer.at == '\0' && !lexer.is_broken)
            return;
        const char *begin = *lexer.at != '\0' ? lexer.at : text;
        struct command *command = add_command(out);
        command->is_valid = read_command(&lexer, command);
        if (!command->is_valid)
            skip_command(&lexer);
        size_t len = (size_t)(lexer.at - begin);
        while (len > 0 && is_blank(begin[len - 1]))
            len--;
        command->text = arena_printf(&out->arena, "%.*s", (int)len, begin);
        if (*lexer.at == '\0')
            return;
    }
}

void commands_deinit(struct commands *commands)
{
    arena_deinit(&commands->arena);
    mem_free(commands->list);
    *commands = (struct commands){0};
}
