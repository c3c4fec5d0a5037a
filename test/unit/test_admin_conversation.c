/*
 * The console's protocol as transcripts: what a client says, and what it hears. The owner is made up: SHOW answers a
 * row, HELP a notice, FAIL an error, WAIT nothing before the test says so, everything else its word.
 */
#include "admin/conversation.h"
#include "pgpooler/proto.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *text;
    int64_t number;
};
static const struct admin_column columns[] = {
    {"text", COL_TEXT, offsetof(struct row, text), "", false},
    {"number", COL_INT, offsetof(struct row, number), "", false},
};
static const struct admin_table table = {.columns = columns, .column_count = 2, .row_size = sizeof(struct row)};

static void run(void *owner, const struct command *command)
{
    struct conversation *talk = owner;
    if (!command->is_valid || strcmp(command->word, "FAIL") == 0) {
        conversation_fail(talk, "08P01", "no", NULL);
    } else if (strcmp(command->word, "SHOW") == 0) {
        struct result result;
        result_init(&result, &table);
        struct row *row = result_add(&result);
        *row = (struct row){command->argument, 7};
        conversation_rows(talk, &result);
        result_deinit(&result);
        conversation_complete(talk, "SHOW");
    } else if (strcmp(command->word, "HELP") == 0) {
        conversation_notice(talk, "usage", NULL);
        conversation_complete(talk, "SHOW");
    } else if (strcmp(command->word, "WAIT") != 0) {
        conversation_complete(talk, command->word);
    }
}

static const struct admin_table *describe(void *owner, const struct command *command)
{
    (void)owner;
    return command->is_valid && strcmp(command->word, "SHOW") == 0 ? &table : NULL;
}

/* ---- what a client says: words of a transcript as messages ---- */

/* Bind with one result format for all: `b`; formats for both columns: `bb`; for three: `bbb`. */
static void add_binary_bind(struct buf *out, const char *portal, const char *stmt, size_t formats, uint16_t code)
{
    size_t begin = proto_begin(out, 'B');
    buf_append_cstr(out, portal);
    buf_append_cstr(out, stmt);
    buf_append_u16(out, 0);
    buf_append_u16(out, 0);
    buf_append_u16(out, (uint16_t)formats);
    for (size_t i = 0; i < formats; i++)
        buf_append_u16(out, code);
    proto_end(out, begin);
}

static void add_message(struct buf *out, const char *text)
{
    char type = text[0], first[64] = "", second[64] = "";
    static const char *const one[] = {"1"};
    sscanf(text + 1, " %63[^ ] %63[^\n]", first, second);
    if (strcmp(first, "-") == 0)
        first[0] = '\0';
    if (strcmp(second, "-") == 0)
        second[0] = '\0';
    switch (type) {
    case 'Q':
        proto_query(out, text[1] ? text + 2 : "");
        break;
    case 'P':
        proto_parse(out, first, second, NULL, 0);
        break;
    case 'B':
        proto_bind(out, first, second, NULL, 0);
        break;
    case 'V': /* Bind with a value */
        proto_bind(out, first, second, one, 1);
        break;
    case 'b':
        add_binary_bind(out, "", first, strlen(second), 1);
        break;
    case 'z': /* Bind with a format that does not exist */
        add_binary_bind(out, "", first, 1, 2);
        break;
    case 'D':
    case 'C':
        (type == 'D' ? proto_describe : proto_close)(out, first[0], second);
        break;
    case 'E':
        proto_execute(out, first, 0);
        break;
    default: { /* S, H, X, F, d: nothing in it; ? a type that does not exist; Y a Describe that is cut short */
        size_t begin = proto_begin(out, type == 'Y' ? 'D' : type);
        if (type == 'Y')
            buf_append_u8(out, 'S');
        proto_end(out, begin);
    }
    }
}

/* Messages are separated by |. */
static void add_messages(struct buf *out, const char *text)
{
    char *copy = mem_strdup(text), *rest = copy;
    for (char *word; (word = strsep(&rest, "|")) != NULL;) {
        word += strspn(word, " ");
        for (size_t len = strlen(word); len > 0 && word[len - 1] == ' ';)
            word[--len] = '\0';
        if (*word != '\0')
            add_message(out, word);
    }
    mem_free(copy);
}

/* ---- what it hears: the type, and what matters of the rest ---- */

static void write_row(struct buf *out, struct reader *body)
{
    for (int count = reader_u16(body); count > 0; count--) {
        uint32_t len = reader_u32(body);
        struct slice value = reader_bytes(body, len);
        buf_append_str(out, " ");
        for (size_t i = 0; i < value.len; i++)
            buf_printf(out, value.ptr[i] < ' ' ? "%02x" : "%c", value.ptr[i]);
    }
}

static void write_heard(struct buf *out, const struct buf *heard)
{
    for (size_t at = 0; at < heard->len;) {
        struct proto_header header;
        ck_assert_int_eq(proto_backend_header(heard->data + at, heard->len - at, &header), 0);
        ck_assert_uint_le(at + header.len, heard->len);
        const char *begin = heard->data + at + PROTO_HEADER;
        struct reader body = reader_of(begin, header.len - PROTO_HEADER);
        buf_printf(out, "%s%c", at > 0 ? " | " : "", header.type);
        if (header.type == 'C') {
            buf_printf(out, " %s", reader_cstr(&body));
        } else if (header.type == 'D') {
            write_row(out, &body);
        } else if (header.type == 'T' || header.type == 't') {
            buf_printf(out, " %d", reader_u16(&body));
        } else if (header.type == 'E') {
            struct proto_error_fields fields;
            proto_error_read(begin, header.len - PROTO_HEADER, &fields);
            buf_printf(out, " %s%s", strcmp(fields.severity, "FATAL") == 0 ? "FATAL " : "", fields.sqlstate);
        }
        at += header.len;
    }
}

static const struct {
    const char *what, *says, *hears;
} cases[] = {
    {"a command", "Q RELOAD", "C RELOAD | Z"},
    {"a table", "Q SHOW POOLS", "T 2 | D POOLS 7 | C SHOW | Z"},
    {"a notice", "Q HELP", "N | C SHOW | Z"},
    {"an error", "Q FAIL", "E 08P01 | Z"},
    {"several in a string", "Q RELOAD; SHOW A; SHOW B;", "C RELOAD | T 2 | D A 7 | C SHOW | T 2 | D B 7 | C SHOW | Z"},
    {"an error ends its string", "Q RELOAD; FAIL; SHOW A", "C RELOAD | E 08P01 | Z"},
    {"what does not parse is told to the owner", "Q '", "E 08P01 | Z"},
    {"an empty query", "Q", "I | Z"},
    {"semicolons alone", "Q  ;; ", "I | Z"},
    {"a comment alone", "Q -- ping", "I | Z"},
    {"queries one behind the other", "Q SHOW A | Q FAIL | Q RELOAD",
     "T 2 | D A 7 | C SHOW | Z | E 08P01 | Z | C RELOAD | Z"},

    {"extended: unnamed", "P - SHOW A | B - - | D P - | E - | S", "1 | 2 | T 2 | D A 7 | C SHOW | Z"},
    {"without Describe", "P - SHOW A | B - - | E - | S", "1 | 2 | D A 7 | C SHOW | Z"},
    {"a statement described", "P s SHOW A | D S s | S", "1 | t 0 | T 2 | Z"},
    {"one without rows", "P s RELOAD | D S s | B - s | D P - | E - | S", "1 | t 0 | n | 2 | n | C RELOAD | Z"},
    {"an empty one", "P s - | D S s | B - s | D P - | E - | S", "1 | t 0 | n | 2 | n | I | Z"},
    {"a comment", "P s -- x | B - s | E - | S", "1 | 2 | I | Z"},
    {"a statement lives on", "P s SHOW A | S | B - s | E - | S", "1 | Z | 2 | D A 7 | C SHOW | Z"},
    {"and through a query", "P s SHOW A | S | Q RELOAD | B - s | E - | S",
     "1 | Z | C RELOAD | Z | 2 | D A 7 | C SHOW | Z"},
    {"the unnamed one does not", "P - SHOW A | S | Q RELOAD | B - - | S", "1 | Z | C RELOAD | Z | E 26000 | Z"},
    {"a portal ends with its Sync", "P - SHOW A | B p - | S | E p | S", "1 | 2 | Z | E 34000 | Z"},
    {"executed twice", "P - SHOW A | B p - | E p | E p | S", "1 | 2 | D A 7 | C SHOW | D A 7 | C SHOW | Z"},
    {"a portal outlives its statement", "P s SHOW A | B p s | C S s | E p | S", "1 | 2 | 3 | D A 7 | C SHOW | Z"},
    {"binary for all columns", "P s SHOW A | b s b | E - | S", "1 | 2 | D A 00000007 | C SHOW | Z"},
    {"binary for each", "P s SHOW A | b s bb | E - | S", "1 | 2 | D A 00000007 | C SHOW | Z"},
    {"a wrong number of formats", "P s SHOW A | b s bbb | E - | S", "1 | E 08P01 | Z"},
    {"a format that does not exist", "P s SHOW A | z s | E - | S", "1 | E 08P01 | Z"},
    {"Close forgets", "P s SHOW A | C S s | B - s | S", "1 | 3 | E 26000 | Z"},
    {"a portal too", "P - SHOW A | B p - | C P p | E p | S", "1 | 2 | 3 | E 34000 | Z"},
    {"Close of nothing is fine", "C S none | C P none | S", "3 | 3 | Z"},
    {"the unnamed statement is replaced", "P - SHOW A | P - RELOAD | B - - | E - | S", "1 | 1 | 2 | C RELOAD | Z"},
    {"a named one is not", "P s SHOW A | P s RELOAD | S", "1 | E 42P05 | Z"},
    {"nor a portal", "P - SHOW A | B p - | B p - | S", "1 | 2 | E 42P03 | Z"},
    {"an unknown statement", "B - none | D P - | E - | S", "E 26000 | Z"},
    {"described", "D S none | S", "E 26000 | Z"},
    {"an unknown portal described", "D P none | S", "E 34000 | Z"},
    {"several commands in one statement", "P s SHOW A; SHOW B | B - s | S", "E 42601 | Z"},
    {"parameters", "P s SHOW A | V - s | S", "1 | E 08P01 | Z"},
    {"an error skips to the Sync", "P - FAIL | B - - | E - | P s SHOW A | E - | S | D S s | S",
     "1 | 2 | E 08P01 | Z | E 26000 | Z"},
    {"a query behind an error is skipped too", "E none | Q SHOW A | S | Q SHOW B",
     "E 34000 | Z | T 2 | D B 7 | C SHOW | Z"},
    {"Flush", "P s SHOW A | H", "1"},
    {"Sync alone", "S", "Z"},

    {"a function call", "F | Q RELOAD", "E 0A000 | Z | C RELOAD | Z"},
    {"what is left of a COPY", "d | Q RELOAD", "C RELOAD | Z"},
    {"Terminate", "Q RELOAD | X | Q SHOW A", "C RELOAD | Z"},
    {"an unknown message", "? | Q RELOAD", "E FATAL 08P01"},
    {"a message cut short", "Y | Q RELOAD", "E FATAL 08P01"},
    {"nothing behind a command that takes its time", "Q WAIT; SHOW A | Q SHOW B", ""},
    {"nor behind an Execute", "P - WAIT | B - - | E - | S", "1 | 2"},
};

static void begin(struct conversation *talk)
{
    conversation_init(talk);
    talk->run = run;
    talk->describe = describe;
    talk->owner = talk;
}

static void expect(struct conversation *talk, const char *what, const char *hears)
{
    struct buf seen = {0};
    write_heard(&seen, &talk->out);
    ck_assert_msg(strcmp(buf_text(&seen), hears) == 0, "%s: heard\n%s\nand not\n%s", what, buf_text(&seen), hears);
    buf_deinit(&seen);
    buf_deinit(&talk->out);
}

START_TEST(a_client_hears)
{
    struct buf bytes = {0};
    struct conversation talk;
    add_messages(&bytes, cases[_i].says);
    begin(&talk);
    conversation_bytes(&talk, bytes.data, bytes.len);
    expect(&talk, cases[_i].what, cases[_i].hears);
    conversation_deinit(&talk);

    begin(&talk);
    for (size_t at = 0; at < bytes.len; at++)
        conversation_bytes(&talk, bytes.data + at, 1);
    expect(&talk, "byte by byte", cases[_i].hears);
    conversation_deinit(&talk);
    buf_deinit(&bytes);
}
END_TEST

static void say(struct conversation *talk, const char *says)
{
    struct buf bytes = {0};
    add_messages(&bytes, says);
    conversation_bytes(talk, bytes.data, bytes.len);
    buf_deinit(&bytes);
}

START_TEST(a_command_may_take_its_time)
{
    struct conversation talk;
    begin(&talk);
    say(&talk, "Q WAIT; SHOW A | Q SHOW B");
    ck_assert(talk.is_busy);
    expect(&talk, "while it runs", "");
    conversation_complete(&talk, "WAIT");
    conversation_continue(&talk);
    expect(&talk, "behind it", "C WAIT | T 2 | D A 7 | C SHOW | Z | T 2 | D B 7 | C SHOW | Z");

    say(&talk, "Q WAIT; SHOW A");
    conversation_fail(&talk, "57014", "cancelled", NULL);
    conversation_continue(&talk);
    expect(&talk, "when it fails", "E 57014 | Z");

    say(&talk, "P - WAIT | B - - | E - | P s SHOW A | S");
    expect(&talk, "extended, while it runs", "1 | 2");
    conversation_fail(&talk, "57014", "cancelled", NULL);
    conversation_continue(&talk);
    expect(&talk, "extended, when it fails", "E 57014 | Z");
    conversation_deinit(&talk);
}
END_TEST

START_TEST(what_a_client_keeps_here_is_bounded)
{
    struct conversation talk;
    begin(&talk);
    for (int i = 0; i <= CONVERSATION_NAMES_MAX; i++) {
        char text[40];
        sprintf(text, "P s%d SHOW A", i);
        say(&talk, text);
        struct buf heard = talk.out;
        ck_assert_int_eq(heard.data[0], i < CONVERSATION_NAMES_MAX ? '1' : 'E');
        buf_deinit(&talk.out);
    }
    conversation_deinit(&talk);

    begin(&talk);
    char header[PROTO_HEADER] = {'Q'};
    write_u32(header + 1, CONVERSATION_MESSAGE_MAX + 1);
    conversation_bytes(&talk, header, sizeof header);
    expect(&talk, "a long message is refused by its header", "E FATAL 08P01");
    ck_assert(talk.is_over);
    conversation_deinit(&talk);
}
END_TEST

START_TEST(answers_wait_for_those_before_them)
{
    struct conversation talk;
    struct buf bytes = {0};
    enum { QUERIES = 20000 };
    begin(&talk);
    for (int i = 0; i < QUERIES; i++)
        proto_query(&bytes, "SHOW A");
    conversation_bytes(&talk, bytes.data, bytes.len);
    int answered = 0;
    for (bool is_full = true; is_full;) {
        is_full = talk.out.len >= CONVERSATION_OUT_MAX;
        ck_assert_uint_lt(talk.out.len, CONVERSATION_OUT_MAX + 1000);
        for (size_t at = 0; at < talk.out.len; at += 1 + read_u32(talk.out.data + at + 1))
            answered += talk.out.data[at] == 'Z';
        buf_deinit(&talk.out);
        conversation_continue(&talk);
    }
    ck_assert_int_eq(answered, QUERIES);
    buf_deinit(&bytes);
    conversation_deinit(&talk);
}
END_TEST

/* Whatever comes, it is answered or ends, and nothing is read that was not sent. */
START_TEST(any_bytes_are_survived)
{
    static const char types[] = "QPBDECSHXFdcf?";
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1 + (unsigned)_i;
    printf("SEED=%u\n", seed);
    for (int round = 0; round < 3000; round++) {
        struct conversation talk;
        begin(&talk);
        for (int i = 0; i < 8 && !talk.is_over; i++) {
            char *body = mem_alloc(32); /* a block of its own: a sanitizer sees the byte behind it */
            size_t len = (size_t)rand_r(&seed) % 28;
            body[0] = types[(size_t)rand_r(&seed) % (sizeof types - 1)];
            write_u32(body + 1, (uint32_t)len + 4);
            for (size_t k = 0; k < len; k++)
                body[PROTO_HEADER + k] = "\0\0\0\1SPSHOW A;"[rand_r(&seed) % 13];
            conversation_bytes(&talk, body, PROTO_HEADER + len);
            mem_free(body);
        }
        struct buf seen = {0};
        write_heard(&seen, &talk.out);
        buf_deinit(&seen);
        conversation_deinit(&talk);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_conversation");
    TCase *tcase = tcase_create("conversation");
    tcase_add_loop_test(tcase, a_client_hears, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, a_command_may_take_its_time);
    tcase_add_test(tcase, what_a_client_keeps_here_is_bounded);
    tcase_add_test(tcase, answers_wait_for_those_before_them);
    tcase_add_loop_test(tcase, any_bytes_are_survived, 0, 4);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
