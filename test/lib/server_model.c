/* One message after the other, as a server's main loop; the toy language is at the end of each. */
#include "server_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *const model_parameters[MODEL_PARAMETERS] = {"DateStyle", "TimeZone"};
const char *const model_defaults[MODEL_PARAMETERS] = {"ISO", "UTC"};

void server_model_init(struct server_model *m)
{
    *m = (struct server_model){0};
    for (int i = 0; i < MODEL_PARAMETERS; i++) {
        strcpy(m->values[i], model_defaults[i]);
        strcpy(m->before[i], model_defaults[i]);
        strcpy(m->reported[i], model_defaults[i]);
    }
}

void server_model_deinit(struct server_model *m)
{
    buf_deinit(&m->in);
    buf_deinit(&m->out);
    buf_deinit(&m->copy_rest);
}

static void copy_text(char *to, const char *from)
{
    snprintf(to, MODEL_TEXT, "%s", from);
}

/* ---- transactions ---- */
static void start_xact(struct server_model *m)
{
    if (m->xact != XACT_NONE)
        return;
    m->xact = XACT_IMPLICIT;
    m->executed = m->has_savepoint = false;
    memcpy(m->before, m->values, sizeof m->values);
}

static void end_xact(struct server_model *m, bool commit)
{
    if (!commit)
        memcpy(m->values, m->before, sizeof m->values);
    m->xact = XACT_NONE;
    m->executed = false;
    memset(m->portals, 0, sizeof m->portals);
}

static bool is_exit(const char *text)
{
    return strcmp(text, "commit") == 0 || strncmp(text, "rollback", 8) == 0;
}

/* ---- answers ---- */
static void ready(struct server_model *m)
{
    for (int i = 0; i < MODEL_PARAMETERS; i++) {
        if (strcmp(m->values[i], m->reported[i]) == 0)
            continue;
        proto_parameter_status(&m->out, model_parameters[i], m->values[i]);
        strcpy(m->reported[i], m->values[i]);
    }
    proto_ready(&m->out, m->xact == XACT_BLOCK ? 'T' : m->xact == XACT_FAILED ? 'E' : 'I');
    m->flushed = m->out.len;
}

/* Always false, for `return fail(...)`. An error is flushed at once. */
static bool fail(struct server_model *m, const char *sqlstate, const char *format, const char *name)
{
    char message[3 * MODEL_TEXT];
    snprintf(message, sizeof message, format, name);
    proto_error(&m->out,
                &(struct proto_error){.severity = "ERROR", .sqlstate = sqlstate, .message = message, .with_v = true});
    m->flushed = m->out.len;
    m->copy = MODEL_COPY_NO;
    memset(m->portals, 0, sizeof m->portals);
    if (m->xact == XACT_BLOCK || m->xact == XACT_FAILED) {
        memcpy(m->values, m->before, sizeof m->values);
        m->xact = XACT_FAILED;
    } else {
        end_xact(m, false);
    }
    return false;
}

static bool fail_aborted(struct server_model *m)
{
    return fail(m, "25P02", "current transaction is aborted, commands ignored until end of transaction block", NULL);
}

static void notice(struct server_model *m, const char *text)
{
    proto_notice(&m->out,
                 &(struct proto_error){.severity = "WARNING", .sqlstate = "25P01", .message = text, .with_v = true});
}

/* ---- the toy language ---- */
static bool run_end(struct server_model *m, const char *text)
{
    bool commit = strcmp(text, "commit") == 0;
    if (m->xact == XACT_IMPLICIT)
        notice(m, "there is no transaction in progress");
    commit = commit && m->xact != XACT_FAILED;
    end_xact(m, commit);
    proto_command_complete(&m->out, commit ? "COMMIT" : "ROLLBACK");
    return true;
}

static bool run_set(struct server_model *m, const char *name_and_value)
{
    for (int i = 0; i < MODEL_PARAMETERS; i++) {
        size_t len = strlen(model_parameters[i]);
        if (strncmp(name_and_value, model_parameters[i], len) != 0)
            continue;
        snprintf(m->values[i], MODEL_VALUE, "%s", name_and_value + len + 1);
        proto_command_complete(&m->out, "SET");
        return true;
    }
    return fail(m, "42704", "unrecognized configuration parameter \"%s\"", name_and_value);
}

static bool run_savepoint(struct server_model *m, bool back)
{
    if (m->xact == XACT_IMPLICIT)
        return fail(m, "25P01", "%s can only be used in transaction blocks", back ? "ROLLBACK TO" : "SAVEPOINT");
    if (back && !m->has_savepoint)
        return fail(m, "3B001", "savepoint \"s\" does not exist", NULL);
    if (back) {
        memcpy(m->values, m->at_savepoint, sizeof m->values);
        m->xact = XACT_BLOCK;
    } else {
        memcpy(m->at_savepoint, m->values, sizeof m->values);
        m->has_savepoint = true;
    }
    proto_command_complete(&m->out, back ? "ROLLBACK" : "SAVEPOINT");
    return true;
}

static bool run_deallocate(struct server_model *m, bool discard)
{
    if (discard && (m->xact == XACT_BLOCK || m->executed))
        return fail(m, "25001", "DISCARD ALL cannot run inside a transaction block", NULL);
    for (int i = 0; i < MODEL_STATEMENTS; i++) /* the unnamed one stays */
        if (m->statements[i].name[0] != '\0')
            m->statements[i].used = false;
    if (discard)
        for (int i = 0; i < MODEL_PARAMETERS; i++)
            strcpy(m->values[i], model_defaults[i]);
    proto_command_complete(&m->out, discard ? "DISCARD ALL" : "DEALLOCATE ALL");
    return true;
}

static void run_copyout(struct server_model *m, uint32_t lines)
{
    static const char copy_out[] = {'H', 0, 0, 0, 7, 0, 0, 0}, line[] = {'d', 0, 0, 0, 6, 'x', '\n'};
    char tag[32];
    buf_append(&m->out, copy_out, sizeof copy_out);
    for (uint32_t i = 0; i < lines; i++)
        buf_append(&m->out, line, sizeof line);
    proto_empty(&m->out, 'c');
    snprintf(tag, sizeof tag, "COPY %u", lines);
    proto_command_complete(&m->out, tag);
}

static bool returns_rows(const char *text)
{
    return strncmp(text, "rows", 4) == 0 || strncmp(text, "SELECT", 6) == 0;
}

static void describe(struct server_model *m, const char *text)
{
    if (returns_rows(text))
        proto_row_description(&m->out, &(struct proto_column){"value", OID_TEXT}, 1);
    else
        proto_empty(&m->out, 'n');
}

/* True when all rows have been told. */
static bool run_rows(struct server_model *m, struct model_portal *portal, uint32_t max)
{
    const char *text = portal->statement.text;
    char *tag = NULL;
    uint32_t rows = (uint32_t)strtoul(text + 4, &tag, 10), told = 0;
    for (; portal->row < rows && (max == 0 || told < max); portal->row++, told++) {
        char value[4 * MODEL_TEXT];
        snprintf(value, sizeof value, "%s#%u parsed %s now %s %s", strstr(tag, "$1") ? portal->value[0] : tag,
                 portal->row, portal->statement.style, m->values[0], m->values[1]);
        proto_data_row(&m->out, (const char *[]){value}, 1);
    }
    if (max > 0 && told == max) {
        proto_empty(&m->out, 's');
        return false;
    }
    char complete[32];
    snprintf(complete, sizeof complete, "SELECT %u", told);
    proto_command_complete(&m->out, complete);
    return true;
}

/* What pgpooler itself says: SELECT pg_catalog.set_config($1, $2, false) */
static bool run_set_config(struct server_model *m, const struct model_portal *portal)
{
    char setting[2 * MODEL_TEXT + 2];
    snprintf(setting, sizeof setting, "%s %s", portal->value[0], portal->value[1]);
    size_t begin = m->out.len;
    if (!run_set(m, setting))
        return false;
    m->out.len = begin;
    proto_data_row(&m->out, (const char *[]){portal->value[1]}, 1);
    proto_command_complete(&m->out, "SELECT 1");
    return true;
}

static void begin_copy(struct server_model *m, enum model_copy kind)
{
    static const char copy_in[] = {'G', 0, 0, 0, 7, 0, 0, 0};
    buf_append(&m->out, copy_in, sizeof copy_in);
    m->flushed = m->out.len;
    m->copy = kind;
    m->copied = 0;
}

/* False after an error. A COPY IN that begins leaves m->copy set. */
static bool run(struct server_model *m, struct model_portal *portal, uint32_t max, bool simple)
{
    const char *text = portal->statement.text;
    if (m->xact == XACT_FAILED && !is_exit(text))
        return fail_aborted(m);
    if (portal->done && !returns_rows(text))
        return fail(m, "55000", "portal \"%s\" cannot be run", portal->name);
    bool done = true, fine = true;
    if (strncmp(text, "rows", 4) == 0)
        done = run_rows(m, portal, max);
    else if (strncmp(text, "SELECT", 6) == 0)
        fine = run_set_config(m, portal);
    else if (strncmp(text, "set ", 4) == 0)
        fine = run_set(m, text + 4);
    else if (strcmp(text, "begin") == 0) {
        if (m->xact == XACT_BLOCK)
            notice(m, "there is already a transaction in progress");
        m->xact = XACT_BLOCK;
        proto_command_complete(&m->out, "BEGIN");
    } else if (strcmp(text, "commit") == 0 || strcmp(text, "rollback") == 0)
        return run_end(m, text);
    else if (strcmp(text, "savepoint") == 0 || strcmp(text, "rollback to") == 0)
        fine = run_savepoint(m, *text == 'r');
    else if (strcmp(text, "deallocate all") == 0 || strcmp(text, "discard all") == 0)
        fine = run_deallocate(m, text[1] == 'i');
    else if (strncmp(text, "copyout", 7) == 0)
        run_copyout(m, (uint32_t)atoi(text + 7));
    else if (strcmp(text, "copyin") == 0)
        begin_copy(m, simple ? MODEL_COPY_SIMPLE : MODEL_COPY_EXTENDED);
    else
        fine = fail(m, "22012", "division by zero", NULL);
    if (fine) {
        m->executed = true;
        portal->done = done;
    }
    return fine;
}

/* ---- simple protocol ---- */
static void run_simple(struct server_model *m, const char *sql)
{
    char text[MODEL_TEXT];
    bool fine = true, more = true;
    for (const char *at = sql; fine && more; at++) {
        size_t len = strcspn(at, ";");
        snprintf(text, sizeof text, "%.*s", (int)len, at);
        at += len;
        more = *at == ';';
        if (*text == '\0')
            continue;
        start_xact(m);
        struct model_portal portal = {.used = true};
        copy_text(portal.statement.text, text);
        strcpy(portal.statement.style, m->values[0]);
        if (returns_rows(text) && m->xact != XACT_FAILED)
            describe(m, text);
        fine = run(m, &portal, 0, true);
        if (m->copy == MODEL_COPY_SIMPLE) {
            m->copy_rest.len = 0;
            buf_append_cstr(&m->copy_rest, more ? at + 1 : "");
            return;
        }
    }
    if (m->xact == XACT_IMPLICIT)
        end_xact(m, true);
    ready(m);
}

static void drop_unnamed(struct server_model *m)
{
    for (int i = 0; i < MODEL_STATEMENTS; i++)
        if (m->statements[i].name[0] == '\0')
            m->statements[i].used = false;
}

static bool is_bad(const char *sql)
{
    return strstr(sql, "bad") != NULL;
}

static void on_query(struct server_model *m, const char *sql)
{
    start_xact(m);
    drop_unnamed(m);
    if (is_bad(sql)) {
        fail(m, "42601", "syntax error", NULL);
        ready(m);
        return;
    }
    if (strspn(sql, "; ") == strlen(sql))
        proto_empty(&m->out, 'I');
    run_simple(m, sql);
}

static void on_call(struct server_model *m, uint32_t function)
{
    start_xact(m);
    if (m->xact == XACT_FAILED) {
        fail_aborted(m);
    } else if (function != 1) {
        fail(m, "42883", "function with OID %s does not exist", "2");
    } else {
        static const char result[] = {'V', 0, 0, 0, 9, 0, 0, 0, 1, 'r'};
        buf_append(&m->out, result, sizeof result);
        m->executed = true;
        if (m->xact == XACT_IMPLICIT)
            end_xact(m, true);
    }
    ready(m);
}

/* ---- extended protocol: each answers false after an error ---- */
static struct model_statement *find_statement(struct server_model *m, const char *name)
{
    for (int i = 0; i < MODEL_STATEMENTS; i++)
        if (m->statements[i].used && strcmp(m->statements[i].name, name) == 0)
            return &m->statements[i];
    return NULL;
}

static struct model_portal *find_portal(struct server_model *m, const char *name)
{
    for (int i = 0; i < MODEL_PORTALS; i++)
        if (m->portals[i].used && strcmp(m->portals[i].name, name) == 0)
            return &m->portals[i];
    return NULL;
}

static bool no_statement(struct server_model *m, const char *name)
{
    if (*name == '\0')
        return fail(m, "26000", "unnamed prepared statement does not exist", NULL);
    return fail(m, "26000", "prepared statement \"%s\" does not exist", name);
}

static bool on_parse(struct server_model *m, struct reader *r)
{
    const char *name = reader_cstr(r), *text = reader_cstr(r);
    start_xact(m);
    if (*name == '\0')
        drop_unnamed(m);
    if (is_bad(text) || strchr(text, ';') != NULL)
        return fail(m, "42601", "syntax error", NULL);
    if (m->xact == XACT_FAILED && *text != '\0' && !is_exit(text))
        return fail_aborted(m);
    if (find_statement(m, name) != NULL)
        return fail(m, "42P05", "prepared statement \"%s\" already exists", name);
    int free_one = 0;
    while (m->statements[free_one].used)
        free_one++;
    assert(free_one < MODEL_STATEMENTS);
    struct model_statement *statement = &m->statements[free_one];
    statement->used = true;
    copy_text(statement->name, name);
    copy_text(statement->text, text);
    strcpy(statement->style, m->values[0]);
    proto_empty(&m->out, '1');
    return true;
}

static bool on_bind(struct server_model *m, struct reader *r)
{
    const char *name = reader_cstr(r), *statement_name = reader_cstr(r);
    start_xact(m);
    const struct model_statement *statement = find_statement(m, statement_name);
    if (statement == NULL)
        return no_statement(m, statement_name);
    reader_u16(r);
    int count = reader_u16(r);
    if (m->xact == XACT_FAILED && (!is_exit(statement->text) || count > 0))
        return fail_aborted(m);
    struct model_portal *portal = find_portal(m, name);
    if (portal != NULL && *name != '\0')
        return fail(m, "42P03", "portal \"%s\" already exists", name);
    int free_one = 0;
    while (portal == NULL && m->portals[free_one].used)
        free_one++;
    assert(free_one < MODEL_PORTALS);
    if (portal == NULL)
        portal = &m->portals[free_one];
    *portal = (struct model_portal){.used = true, .statement = *statement};
    copy_text(portal->name, name);
    for (int i = 0; i < count && i < 2; i++) {
        struct slice value = reader_bytes(r, reader_u32(r));
        snprintf(portal->value[i], MODEL_TEXT, "%.*s", (int)value.len, value.ptr);
    }
    proto_empty(&m->out, '2');
    return true;
}

static bool on_describe(struct server_model *m, struct reader *r)
{
    char kind = (char)reader_u8(r);
    const char *name = reader_cstr(r), *text;
    start_xact(m);
    if (kind == 'S') {
        const struct model_statement *statement = find_statement(m, name);
        if (statement == NULL)
            return no_statement(m, name);
        text = statement->text;
    } else {
        const struct model_portal *portal = find_portal(m, name);
        if (portal == NULL)
            return fail(m, "34000", "portal \"%s\" does not exist", name);
        text = portal->statement.text;
    }
    /* A server minds only when rows are returned; a hidden Parse in front minds always: the one known difference. */
    if (m->xact == XACT_FAILED && !is_exit(text))
        return fail_aborted(m);
    if (kind == 'S') {
        static const char no_parameters[] = {'t', 0, 0, 0, 6, 0, 0}, one[] = {'t', 0, 0, 0, 10, 0, 1, 0, 0, 0, 25};
        bool bound = strstr(text, "$1") != NULL;
        buf_append(&m->out, bound ? one : no_parameters, bound ? sizeof one : sizeof no_parameters);
    }
    describe(m, text);
    return true;
}

static bool on_execute(struct server_model *m, struct reader *r)
{
    const char *name = reader_cstr(r);
    uint32_t max = reader_u32(r);
    start_xact(m);
    struct model_portal *portal = find_portal(m, name);
    if (portal == NULL)
        return fail(m, "34000", "portal \"%s\" does not exist", name);
    if (portal->statement.text[0] == '\0') {
        proto_empty(&m->out, 'I');
        return true;
    }
    struct model_portal copy = *portal; /* it may end its own portal */
    bool fine = run(m, &copy, max, false);
    if ((portal = find_portal(m, name)) != NULL)
        *portal = copy;
    return fine;
}

static void on_close(struct server_model *m, struct reader *r)
{
    char kind = (char)reader_u8(r);
    const char *name = reader_cstr(r);
    start_xact(m);
    struct model_statement *statement = kind == 'S' ? find_statement(m, name) : NULL;
    struct model_portal *portal = kind == 'P' ? find_portal(m, name) : NULL;
    if (statement != NULL)
        statement->used = false;
    if (portal != NULL)
        portal->used = false;
    proto_empty(&m->out, '3');
}

/* ---- COPY IN ---- */
static void on_copy_message(struct server_model *m, char type, const char *body, size_t len)
{
    enum model_copy kind = m->copy;
    bool fine = true;
    char tag[32];
    switch (type) {
    case 'H':
    case 'S':
        return;
    case 'd':
        m->copied++;
        if (len < 3 || memcmp(body, "bad", 3) != 0)
            return;
        fine = fail(m, "22P02", "invalid input syntax", NULL);
        break;
    case 'f':
        fine = fail(m, "57014", "COPY from stdin failed", NULL);
        break;
    case 'c':
        m->copy = MODEL_COPY_NO;
        snprintf(tag, sizeof tag, "COPY %u", m->copied);
        proto_command_complete(&m->out, tag);
        m->executed = true;
        break;
    default:
        proto_fatal(&m->out, "08P01", "terminating connection because protocol synchronization was lost");
        m->flushed = m->out.len;
        m->dead = true;
        return;
    }
    if (kind == MODEL_COPY_EXTENDED)
        m->skipping = !fine;
    else if (fine)
        run_simple(m, buf_text(&m->copy_rest));
    else
        ready(m);
}

/* ---- the main loop ---- */
static void on_message(struct server_model *m, char type, const char *body, size_t len)
{
    struct reader r = reader_of(body, len);
    if (m->copy != MODEL_COPY_NO) {
        on_copy_message(m, type, body, len);
        return;
    }
    if (m->skipping && type != 'S')
        return;
    bool fine = true;
    switch (type) {
    case 'Q':
        on_query(m, reader_cstr(&r));
        break;
    case 'F':
        on_call(m, reader_u32(&r));
        break;
    case 'S':
        m->skipping = false;
        if (m->xact == XACT_IMPLICIT)
            end_xact(m, true);
        ready(m);
        break;
    case 'H':
        m->flushed = m->out.len;
        break;
    case 'P':
        fine = on_parse(m, &r);
        break;
    case 'B':
        fine = on_bind(m, &r);
        break;
    case 'D':
        fine = on_describe(m, &r);
        break;
    case 'E':
        fine = on_execute(m, &r);
        break;
    case 'C':
        on_close(m, &r);
        break;
    case 'X':
        m->dead = true;
        break;
    default: /* d, c, f: outside of COPY ignored */
        break;
    }
    m->skipping = m->skipping || !fine;
}

void server_model_bytes(struct server_model *m, const char *data, size_t len)
{
    buf_append(&m->in, data, len);
    size_t at = 0;
    struct proto_header h;
    while (!m->dead && proto_frontend_header(m->in.data + at, m->in.len - at, 1 << 28, &h) == 0 &&
           h.len <= m->in.len - at) {
        on_message(m, h.type, m->in.data + at + PROTO_HEADER, h.len - PROTO_HEADER);
        at += h.len;
    }
    buf_consume(&m->in, at);
}

bool server_model_is_idle(const struct server_model *m)
{
    return m->out.len == 0 && !m->dead && !m->skipping && m->xact == XACT_NONE && m->copy == MODEL_COPY_NO;
}
