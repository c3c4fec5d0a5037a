/* conversation - one console's protocol; docs PROTOCOL-FLOW. */
#include "conversation.h"

#include "pgpooler/proto.h"

#define SQLSTATE_SYNTAX_ERROR     "42601"
#define SQLSTATE_NO_SUCH_STMT     "26000"
#define SQLSTATE_NO_SUCH_PORTAL   "34000"
#define SQLSTATE_DUPLICATE_STMT   "42P05"
#define SQLSTATE_DUPLICATE_PORTAL "42P03"

struct prepared {
    struct list link;
    char *name;
    char *text;
    struct commands commands; /* at most one command; none: an empty query */
};
struct portal {
    struct list link;
    char *name;
    struct commands commands;
    uint16_t *formats; /* per column; NULL: all text */
};

static void prepared_free(struct prepared *stmt)
{
    list_remove(&stmt->link);
    commands_deinit(&stmt->commands);
    mem_free(stmt->text);
    mem_free(stmt->name);
    mem_free(stmt);
}

static void portal_free(struct portal *portal)
{
    list_remove(&portal->link);
    commands_deinit(&portal->commands);
    mem_free(portal->formats);
    mem_free(portal->name);
    mem_free(portal);
}

static struct prepared *find_prepared(struct conversation *talk, const char *name)
{
    LIST_FOREACH (&talk->stmts, it)
        if (strcmp(LIST_ENTRY(it, struct prepared, link)->name, name) == 0)
            return LIST_ENTRY(it, struct prepared, link);
    return NULL;
}

static struct portal *find_portal(struct conversation *talk, const char *name)
{
    LIST_FOREACH (&talk->portals, it)
        if (strcmp(LIST_ENTRY(it, struct portal, link)->name, name) == 0)
            return LIST_ENTRY(it, struct portal, link);
    return NULL;
}

static void drop_prepared(struct conversation *talk, const char *name)
{
    struct prepared *stmt = find_prepared(talk, name);
    if (stmt == NULL)
        return;
    prepared_free(stmt);
    talk->stmt_count--;
}

static void drop_portal(struct conversation *talk, const char *name)
{
    struct portal *portal = find_portal(talk, name);
    if (portal == NULL)
        return;
    portal_free(portal);
    talk->portal_count--;
}

static void drop_portals(struct conversation *talk)
{
    LIST_FOREACH_SAFE (&talk->portals, it, after)
        portal_free(LIST_ENTRY(it, struct portal, link));
    talk->portal_count = 0;
}

void conversation_init(struct conversation *talk)
{
    *talk = (struct conversation){0};
    list_init(&talk->stmts);
    list_init(&talk->portals);
}

void conversation_deinit(struct conversation *talk)
{
    drop_portals(talk);
    LIST_FOREACH_SAFE (&talk->stmts, it, after)
        prepared_free(LIST_ENTRY(it, struct prepared, link));
    commands_deinit(&talk->commands);
    buf_deinit(&talk->in);
    buf_deinit(&talk->out);
}

/* ---- answers ---- */

static void send_error(struct conversation *talk, const char *sqlstate, const char *message, const char *detail)
{
    proto_error(&talk->out,
                &(struct proto_error){.severity = "ERROR", .sqlstate = sqlstate, .message = message, .detail = detail});
}

/* Of a message of the extended protocol. */
static void refuse(struct conversation *talk, const char *sqlstate, const char *message)
{
    send_error(talk, sqlstate, message, NULL);
    talk->is_skipping = true;
}

static void refuse_unknown(struct conversation *talk, const char *sqlstate, const char *kind, const char *name,
                           const char *what)
{
    char *message = mem_printf("%s \"%s\" %s", kind, name, what);
    refuse(talk, sqlstate, message);
    mem_free(message);
}

static void end_with_fatal(struct conversation *talk, const char *message)
{
    proto_error(&talk->out, &(struct proto_error){
                                .severity = "FATAL", .sqlstate = SQLSTATE_PROTOCOL_VIOLATION, .message = message});
    talk->is_over = true;
}

void conversation_rows(struct conversation *talk, const struct result *result)
{
    assert(talk->is_busy);
    const uint16_t *formats = talk->executing != NULL ? talk->executing->formats : NULL;
    if (talk->state == CONVERSATION_SIMPLE)
        table_describe(&talk->out, result->table, NULL);
    for (int i = 0; i < result->count; i++)
        table_row(&talk->out, result->table, result->rows[i], formats);
}

void conversation_notice(struct conversation *talk, const char *message, const char *detail)
{
    proto_notice(&talk->out, &(struct proto_error){
                                 .severity = "NOTICE", .sqlstate = "00000", .message = message, .detail = detail});
}

static void command_ended(struct conversation *talk)
{
    assert(talk->is_busy);
    talk->is_busy = false;
    talk->executing = NULL;
    if (talk->state == CONVERSATION_EXTENDED)
        talk->state = CONVERSATION_READY;
}

void conversation_complete(struct conversation *talk, const char *tag)
{
    proto_command_complete(&talk->out, tag);
    command_ended(talk);
}

void conversation_fail(struct conversation *talk, const char *sqlstate, const char *message, const char *detail)
{
    send_error(talk, sqlstate, message, detail);
    if (talk->state == CONVERSATION_SIMPLE)
        talk->next = talk->commands.count; /* the rest of the string is not run */
    else
        talk->is_skipping = true;
    command_ended(talk);
}

static void run(struct conversation *talk, enum conversation_state state, const struct command *command)
{
    talk->state = state;
    talk->is_busy = true;
    talk->run(talk->owner, command);
}

/* ---- the simple protocol ---- */

static void begin_query(struct conversation *talk, const char *text)
{
    drop_prepared(talk, ""); /* docs PROTOCOL-FLOW-EXT-QUERY: a Query destroys the unnamed ones */
    drop_portal(talk, "");
    commands_parse(&talk->commands, text);
    talk->next = 0;
    talk->state = CONVERSATION_SIMPLE;
    if (talk->commands.count == 0)
        proto_empty(&talk->out, 'I');
}

static void step_query(struct conversation *talk)
{
    if (talk->next < talk->commands.count) {
        run(talk, CONVERSATION_SIMPLE, &talk->commands.list[talk->next++]);
        return;
    }
    commands_deinit(&talk->commands);
    talk->state = CONVERSATION_READY;
    proto_ready(&talk->out, 'I');
}

/* ---- the extended protocol ---- */

static void on_parse(struct conversation *talk, struct reader *body)
{
    const char *name = reader_cstr(body);
    const char *text = reader_cstr(body);
    for (unsigned count = reader_u16(body); count > 0 && !body->bad; count--)
        reader_u32(body); /* types of parameters that no command has */
    if (body->bad) {
        end_with_fatal(talk, "bad packet");
        return;
    }
    if (*name == '\0') {
        drop_prepared(talk, name);
    } else if (find_prepared(talk, name) != NULL) {
        refuse_unknown(talk, SQLSTATE_DUPLICATE_STMT, "prepared statement", name, "already exists");
        return;
    }
    if (talk->stmt_count >= CONVERSATION_NAMES_MAX) {
        refuse(talk, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many prepared statements on the console");
        return;
    }
    struct prepared *stmt = mem_zalloc(sizeof *stmt);
    commands_parse(&stmt->commands, text);
    if (stmt->commands.count > 1) {
        commands_deinit(&stmt->commands);
        mem_free(stmt);
        refuse(talk, SQLSTATE_SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement");
        return;
    }
    stmt->name = mem_strdup(name);
    stmt->text = mem_strdup(text);
    list_push_back(&talk->stmts, &stmt->link);
    talk->stmt_count++;
    proto_empty(&talk->out, '1');
}

static const struct admin_table *table_of(struct conversation *talk, const struct commands *commands)
{
    return commands->count > 0 ? talk->describe(talk->owner, &commands->list[0]) : NULL;
}

/* Reads the result formats of a Bind. False: refused. *formats is owned by the caller. */
static bool read_formats(struct conversation *talk, struct reader *body, const struct admin_table *table,
                         uint16_t **formats)
{
    unsigned count = reader_u16(body);
    struct slice codes = reader_bytes(body, 2 * (size_t)count);
    unsigned width = table != NULL ? (unsigned)table_width(table) : 0;
    if (body->bad)
        return true; /* the caller says so */
    if (count > 1 && count != width) {
        refuse(talk, SQLSTATE_PROTOCOL_VIOLATION, "bind message has a wrong number of result formats");
        return false;
    }
    if (count == 0 || width == 0)
        return true;
    *formats = mem_alloc(width * sizeof **formats);
    for (unsigned i = 0; i < width; i++) {
        (*formats)[i] = read_u16(codes.ptr + (count == 1 ? 0 : 2 * i));
        if ((*formats)[i] > 1) {
            refuse(talk, SQLSTATE_PROTOCOL_VIOLATION, "unsupported format code");
            return false;
        }
    }
    return true;
}

static void on_bind(struct conversation *talk, struct reader *body)
{
    const char *portal_name = reader_cstr(body);
    const char *stmt_name = reader_cstr(body);
    reader_bytes(body, 2 * (size_t)reader_u16(body)); /* formats of parameters */
    unsigned values = reader_u16(body);
    for (unsigned i = 0; i < values && !body->bad; i++) {
        uint32_t len = reader_u32(body);
        if (len != UINT32_MAX)
            reader_bytes(body, len);
    }
    const struct prepared *stmt = find_prepared(talk, stmt_name);
    uint16_t *formats = NULL;
    if (body->bad) {
        end_with_fatal(talk, "bad packet");
    } else if (stmt == NULL) {
        refuse_unknown(talk, SQLSTATE_NO_SUCH_STMT, "prepared statement", stmt_name, "does not exist");
    } else if (values > 0) {
        refuse(talk, SQLSTATE_PROTOCOL_VIOLATION, "console commands take no parameters");
    } else if (*portal_name != '\0' && find_portal(talk, portal_name) != NULL) {
        refuse_unknown(talk, SQLSTATE_DUPLICATE_PORTAL, "cursor", portal_name, "already exists");
    } else if (talk->portal_count >= CONVERSATION_NAMES_MAX) {
        refuse(talk, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "too many portals on the console");
    } else if (read_formats(talk, body, table_of(talk, &stmt->commands), &formats)) {
        if (body->bad) {
            end_with_fatal(talk, "bad packet");
        } else {
            drop_portal(talk, portal_name);
            struct portal *portal = mem_zalloc(sizeof *portal);
            portal->name = mem_strdup(portal_name);
            commands_parse(&portal->commands, stmt->text);
            portal->formats = formats;
            formats = NULL;
            list_push_back(&talk->portals, &portal->link);
            talk->portal_count++;
            proto_empty(&talk->out, '2');
        }
    }
    mem_free(formats);
}

static void describe(struct conversation *talk, const struct commands *commands, const uint16_t *formats)
{
    const struct admin_table *table = table_of(talk, commands);
    if (table != NULL)
        table_describe(&talk->out, table, formats);
    else
        proto_empty(&talk->out, 'n');
}

static void on_describe(struct conversation *talk, char kind, const char *name)
{
    if (kind == 'S') {
        const struct prepared *stmt = find_prepared(talk, name);
        if (stmt == NULL) {
            refuse_unknown(talk, SQLSTATE_NO_SUCH_STMT, "prepared statement", name, "does not exist");
            return;
        }
        size_t begin = proto_begin(&talk->out, 't');
        buf_append_u16(&talk->out, 0); /* no parameters */
        proto_end(&talk->out, begin);
        describe(talk, &stmt->commands, NULL);
        return;
    }
    const struct portal *portal = find_portal(talk, name);
    if (portal == NULL)
        refuse_unknown(talk, SQLSTATE_NO_SUCH_PORTAL, "portal", name, "does not exist");
    else
        describe(talk, &portal->commands, portal->formats);
}

static void on_execute(struct conversation *talk, const char *name)
{
    struct portal *portal = find_portal(talk, name);
    if (portal == NULL) {
        refuse_unknown(talk, SQLSTATE_NO_SUCH_PORTAL, "portal", name, "does not exist");
    } else if (portal->commands.count == 0) {
        proto_empty(&talk->out, 'I');
    } else {
        talk->executing = portal;
        run(talk, CONVERSATION_EXTENDED, &portal->commands.list[0]);
    }
}

static void on_close(struct conversation *talk, char kind, const char *name)
{
    if (kind == 'S')
        drop_prepared(talk, name);
    else
        drop_portal(talk, name);
    proto_empty(&talk->out, '3');
}

/* Describe and Close: which kind of thing, and its name. */
static void on_named(struct conversation *talk, char type, struct reader *body)
{
    char kind = (char)reader_u8(body);
    const char *name = reader_cstr(body);
    if (body->bad || (kind != 'S' && kind != 'P'))
        end_with_fatal(talk, "bad packet");
    else if (type == 'D')
        on_describe(talk, kind, name);
    else
        on_close(talk, kind, name);
}

/* ---- messages ---- */

static void on_message(struct conversation *talk, char type, struct reader *body)
{
    if (talk->is_skipping && type != 'S' && type != 'X')
        return;
    const char *text;
    switch (type) {
    case 'Q':
        text = reader_cstr(body);
        if (body->bad)
            end_with_fatal(talk, "bad packet");
        else
            begin_query(talk, text);
        return;
    case 'P':
        on_parse(talk, body);
        return;
    case 'B':
        on_bind(talk, body);
        return;
    case 'D':
    case 'C':
        on_named(talk, type, body);
        return;
    case 'E':
        text = reader_cstr(body);
        reader_u32(body); /* a limit of rows: tables are short and sent whole */
        if (body->bad)
            end_with_fatal(talk, "bad packet");
        else
            on_execute(talk, text);
        return;
    case 'S':
        talk->is_skipping = false;
        drop_portals(talk);
        proto_ready(&talk->out, 'I');
        return;
    case 'F':
        send_error(talk, SQLSTATE_FEATURE_NOT_SUPPORTED, "function calls are not supported on the console", NULL);
        proto_ready(&talk->out, 'I');
        return;
    case 'H': /* everything is sent at once anyway */
    case 'd': /* docs PROTOCOL-COPY: what is left of a COPY that failed is ignored */
    case 'c':
    case 'f':
        return;
    case 'X':
        talk->is_over = true;
        return;
    default:
        end_with_fatal(talk, "bad packet");
        return;
    }
}

/* The next message, if it is here. False: nothing to do before more bytes come. */
static bool step_message(struct conversation *talk)
{
    struct proto_header header;
    int err = proto_frontend_header(talk->in.data, talk->in.len, CONVERSATION_MESSAGE_MAX, &header);
    if (err == ERR_AGAIN)
        return false;
    if (err != 0) {
        end_with_fatal(talk, err == ERR_TOO_LARGE ? "message too large for the console" : "bad packet");
        return false;
    }
    if (talk->in.len < header.len)
        return false;
    struct reader body = reader_of(talk->in.data + PROTO_HEADER, header.len - PROTO_HEADER);
    on_message(talk, header.type, &body);
    buf_consume(&talk->in, header.len);
    return true;
}

void conversation_continue(struct conversation *talk)
{
    if (talk->is_inside)
        return;
    talk->is_inside = true;
    bool goes_on = true;
    while (goes_on && !talk->is_busy && !talk->is_over && talk->out.len < CONVERSATION_OUT_MAX) {
        if (talk->state == CONVERSATION_SIMPLE)
            step_query(talk);
        else
            goes_on = step_message(talk);
    }
    talk->is_inside = false;
}

void conversation_bytes(struct conversation *talk, const void *data, size_t len)
{
    buf_append(&talk->in, data, len);
    conversation_continue(talk);
}
