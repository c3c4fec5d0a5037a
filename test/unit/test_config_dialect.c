/* Lines of PgBouncer's dialect arrive whole, whatever inih does by itself, and with their place. */
#include "config/dialect.h"
#include "config_scratch.h"

/* Everything the handler is told, as one text. */
static void transcribe(void *owner, const struct dialect_line *line)
{
    struct buf *out = owner;
    if (line->key == NULL)
        buf_printf(out, "%s:%d [%s]\n", line->file, line->line, line->section);
    else
        buf_printf(out, "%s:%d %s.%s=%s\n", line->file, line->line, line->section, line->key, line->value);
}

static void read_into(struct buf *seen, struct buf *errors)
{
    struct buf warnings = {0};
    struct config_report report = {errors, &warnings, 0};
    dialect_read("t.ini", transcribe, seen, &report);
    ck_assert_uint_eq(warnings.len, 0);
}

#define SYNTAX                                                                                                         \
    "syntax error: expected key = value; a key with other characters than A-Z a-z 0-9 _ . * - is written in "          \
    "single quotes\n"
static const struct {
    const char *what, *text, *seen, *errors;
} cases[] = {
    {"a plain file", "[a]\nk=v\n", "t.ini:1 [a]\nt.ini:2 a.k=v\n", ""},
    {"an empty file", "", "", ""},
    {"blanks around everything", "  [a]  \n\t k \t=\t v  w \t\n", "t.ini:1 [a]\nt.ini:2 a.k=v  w\n", ""},
    {"indented keys are keys, not continuations", "[a]\nk=v\n  l=w\n", "t.ini:1 [a]\nt.ini:2 a.k=v\nt.ini:3 a.l=w\n",
     ""},
    {"an indented line without = is an error", "[a]\nk=v\n  more\n", "t.ini:1 [a]\nt.ini:2 a.k=v\n",
     "t.ini:3: " SYNTAX},
    {"; and # do not end a value", "[a]\nk = x ; y # z\n", "t.ini:1 [a]\nt.ini:2 a.k=x ; y # z\n", ""},
    {"; may begin a value", "[a]\nk =;x\n", "t.ini:1 [a]\nt.ini:2 a.k=;x\n", ""},
    {"comments", "; c\n  # c\n[a]\n;k=v\n#k=v\n", "t.ini:3 [a]\n", ""},
    {"a comment behind a header", "[a] ; c\n[b] # c\n", "t.ini:1 [a]\nt.ini:2 [b]\n", ""},
    {"CRLF", "[a]\r\nk=v\r\n\r\n", "t.ini:1 [a]\nt.ini:2 a.k=v\n", ""},
    {"no newline at the end", "[a]\nk=v", "t.ini:1 [a]\nt.ini:2 a.k=v\n", ""},
    {"an empty value", "[a]\nk=\nl = \n", "t.ini:1 [a]\nt.ini:2 a.k=\nt.ini:3 a.l=\n", ""},
    {"the same key twice arrives twice", "[a]\nk=1\nk=2\n", "t.ini:1 [a]\nt.ini:2 a.k=1\nt.ini:3 a.k=2\n", ""},
    {"= and : inside a value", "[a]\nk=a=b:c\n", "t.ini:1 [a]\nt.ini:2 a.k=a=b:c\n", ""},
    {"bytes that the encoding uses itself", "[a]\nk=%41+'%section+\n", "t.ini:1 [a]\nt.ini:2 a.k=%41+'%section+\n", ""},
    {"a value with a bracket", "[a]\nk=[b]\n", "t.ini:1 [a]\nt.ini:2 a.k=[b]\n", ""},
    {"a key before any header", "k=v\n", "t.ini:1 .k=v\n", ""},
    {"a key in single quotes", "[a]\n'my db' = x\n", "t.ini:1 [a]\nt.ini:2 a.my db=x\n", ""},
    {"a quoted key with everything in it", "[a]\n'a=b;c''d%:[ ' = x=y\n", "t.ini:1 [a]\nt.ini:2 a.a=b;c'd%:[ =x=y\n",
     ""},
    {"an empty value of a quoted key", "[a]\n'k'=\n", "t.ini:1 [a]\nt.ini:2 a.k=\n", ""},
    {"a quoted key is not closed", "[a]\n'k = 1\n", "t.ini:1 [a]\n",
     "t.ini:2: syntax error: a key in single quotes is empty or has no closing quote\n"},
    {"an empty quoted key", "[a]\n'' = 1\n", "t.ini:1 [a]\n",
     "t.ini:2: syntax error: a key in single quotes is empty or has no closing quote\n"},
    {"a key in double quotes", "[a]\n\"my db\" = x\n", "t.ini:1 [a]\n", "t.ini:2: " SYNTAX},
    {"a colon is not an equal sign", "[a]\nk: v\n", "t.ini:1 [a]\n", "t.ini:2: " SYNTAX},
    {"two words before =", "[a]\nk l = v\n", "t.ini:1 [a]\n", "t.ini:2: " SYNTAX},
    {"no key", "[a]\n= v\n", "t.ini:1 [a]\n", "t.ini:2: " SYNTAX},
    {"a header that is not closed hides what follows", "[a\nk=v\n[b]\nl=w\n", "t.ini:3 [b]\nt.ini:4 b.l=w\n",
     "t.ini:1: syntax error: expected [section]\n"},
    {"a header with something behind it", "[a] k=v\n", "", "t.ini:1: syntax error: expected [section]\n"},
    {"an empty header", "[]\n", "", "t.ini:1: syntax error: expected [section]\n"},
    {"a header with blanks in it", "[ a ]\n", "", "t.ini:1: syntax error: expected [section]\n"},
    {"a byte order mark", "\xef\xbb\xbf[a]\n", "", "t.ini:1: " SYNTAX},
    {"every error is told, not only the first", "x\ny\n[a]\nk=v\n", "t.ini:3 [a]\nt.ini:4 a.k=v\n",
     "t.ini:1: " SYNTAX "t.ini:2: " SYNTAX},
    {"an included file, and lines after it", "[a]\nk=1\n%include b.ini\nm=3\n",
     "t.ini:1 [a]\nt.ini:2 a.k=1\nb.ini:1 a.l=2\nb.ini:2 [b]\nb.ini:3 b.x=y\nt.ini:4 b.m=3\n", ""},
    {"an indented include with blanks", "[a]\n  %include \t b.ini \n",
     "t.ini:1 [a]\nb.ini:1 a.l=2\nb.ini:2 [b]\nb.ini:3 b.x=y\n", ""},
    {"an include of a file that is not there", "\n%include no.ini\n[a]\n", "t.ini:3 [a]\n",
     "t.ini:2: could not load file \"no.ini\": No such file or directory\n"},
    {"an include of a directory", "%include /\n", "", "t.ini:1: could not load file \"/\": not a regular file\n"},
    {"an include without a file", "%include\n", "", "t.ini:1: " SYNTAX},
    {"an include without a blank", "%includeb.ini\n", "", "t.ini:1: " SYNTAX},
    {"a file that includes itself", "\n%include ./t.ini\n[a]\n", "t.ini:3 [a]\n",
     "t.ini:2: %include loop: t.ini includes itself\n"},
    {"an error in an included file", "%include broken.ini\n", "", "broken.ini:2: " SYNTAX},
    {"including nothing", "%include /dev/null\n[a]\n", "t.ini:2 [a]\n", ""},
};

START_TEST(a_line_arrives_whole_and_with_its_place)
{
    struct buf seen = {0}, errors = {0};
    scratch_write("b.ini", "l=2\n[b]\nx=y");
    scratch_write("broken.ini", "\n?\n");
    scratch_write("t.ini", cases[_i].text);
    read_into(&seen, &errors);
    ck_assert_msg(strcmp(buf_text(&seen), cases[_i].seen) == 0, "%s: saw\n%s", cases[_i].what, buf_text(&seen));
    ck_assert_msg(strcmp(buf_text(&errors), cases[_i].errors) == 0, "%s: errors\n%s", cases[_i].what,
                  buf_text(&errors));
    buf_deinit(&seen);
    buf_deinit(&errors);
}
END_TEST

START_TEST(a_nul_byte_is_an_error_of_its_line)
{
    struct buf seen = {0}, errors = {0};
    static const char text[] = "[a]\nk=x\0y\nl=1\n";
    scratch_write_bytes("t.ini", text, sizeof(text) - 1);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&seen), "t.ini:1 [a]\nt.ini:3 a.l=1\n");
    ck_assert_str_eq(buf_text(&errors), "t.ini:2: syntax error: the line has a NUL byte\n");
    buf_deinit(&seen);
    buf_deinit(&errors);
}
END_TEST

/* Lengths around inih's line of 200 bytes, our pieces of 190, and far beyond. */
static const size_t lengths[] = {1, 61, 62, 63, 64, 187, 188, 189, 190, 191, 199, 200, 201, 380, 381, 2000, 70000};

static void long_value_arrives(const char *key, size_t len, char fill)
{
    struct buf text = {0}, expected = {0}, seen = {0}, errors = {0};
    buf_printf(&text, "[a]\n%s = ", key);
    buf_printf(&expected, "t.ini:1 [a]\nt.ini:2 a.%s=", key);
    for (size_t i = 0; i < len; i++) {
        buf_append_u8(&text, (uint8_t)fill);
        buf_append_u8(&expected, (uint8_t)fill);
    }
    buf_append_str(&text, "\nend = 1\n");
    buf_append_str(&expected, "\nt.ini:3 a.end=1\n");
    scratch_write_bytes("t.ini", text.data, text.len);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&errors), "");
    ck_assert_msg(strcmp(buf_text(&seen), buf_text(&expected)) == 0, "%zu bytes of %c for %s", len, fill, key);
    buf_deinit(&text);
    buf_deinit(&expected);
    buf_deinit(&seen);
    buf_deinit(&errors);
}

START_TEST(a_long_value_is_not_cut)
{
    char long_key[128];
    memset(long_key, 'k', 127);
    long_key[127] = '\0';
    long_value_arrives("k", lengths[_i], 'x');
    long_value_arrives("k", lengths[_i], ';');
    long_value_arrives(long_key, lengths[_i], 'x');
}
END_TEST

START_TEST(a_key_over_its_bound_is_an_error)
{
    struct buf seen = {0}, errors = {0}, text = {0};
    buf_append_str(&text, "[a]\n");
    for (int i = 0; i < 128; i++)
        buf_append_u8(&text, 'k');
    buf_append_str(&text, "=1\n");
    scratch_write_bytes("t.ini", text.data, text.len);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&seen), "t.ini:1 [a]\n");
    ck_assert_str_eq(buf_text(&errors), "t.ini:2: key is longer than 127 bytes\n");
    buf_deinit(&seen);
    buf_deinit(&errors);
    buf_deinit(&text);
}
END_TEST

/* A chain of `files` files, each including the next. */
static void write_chain(int files)
{
    char name[16], text[32];
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof(name), i == 0 ? "t.ini" : "%d.ini", i);
        snprintf(text, sizeof(text), i == files - 1 ? "[end]\n" : "%%include %d.ini\n", i + 1);
        scratch_write(name, text);
    }
}

START_TEST(includes_nest_ten_deep)
{
    struct buf seen = {0}, errors = {0};
    write_chain(11);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&seen), "10.ini:1 [end]\n");
    ck_assert_str_eq(buf_text(&errors), "");
    buf_deinit(&seen);
    buf_deinit(&errors);
}
END_TEST

START_TEST(includes_do_not_nest_eleven_deep)
{
    struct buf seen = {0}, errors = {0};
    write_chain(12);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&seen), "");
    ck_assert_str_eq(buf_text(&errors), "10.ini:1: %include is nested deeper than 10 files\n");
    buf_deinit(&seen);
    buf_deinit(&errors);
}
END_TEST

START_TEST(includes_that_multiply_are_bounded)
{
    struct buf seen = {0}, errors = {0}, text = {0};
    scratch_write("empty.ini", "");
    for (int i = 0; i < 1500; i++)
        buf_append_str(&text, "%include empty.ini\n");
    scratch_write_bytes("t.ini", text.data, text.len);
    read_into(&seen, &errors);
    ck_assert_msg(strncmp(buf_text(&errors), "t.ini:1000: more than 1000 files are included\n", 46) == 0, "%s",
                  buf_text(&errors));
    ck_assert_ptr_nonnull(strstr(buf_text(&errors), "too many errors, the rest is not shown\n"));
    buf_deinit(&seen);
    buf_deinit(&errors);
    buf_deinit(&text);
}
END_TEST

START_TEST(a_fifo_does_not_block)
{
    struct buf seen = {0}, errors = {0};
    ck_assert_int_eq(mkfifo("t.ini", 0600), 0);
    read_into(&seen, &errors);
    ck_assert_str_eq(buf_text(&errors), "t.ini: could not load file \"t.ini\": not a regular file\n");
    buf_deinit(&seen);
    buf_deinit(&errors);
}
END_TEST

/* Any value without NUL, newline and outer blanks comes back as it was written. */
START_TEST(any_bytes_come_back)
{
    uint64_t state = random_seed();
    for (int round = 0; round < 300; round++) {
        struct buf text = {0}, expected = {0}, seen = {0}, errors = {0}, value = {0};
        buf_append_str(&text, "[a]\n'");
        buf_append_str(&expected, "t.ini:1 [a]\nt.ini:2 a.");
        uint32_t key_len = 1 + random_below(&state, 120), value_len = random_below(&state, 600);
        for (uint32_t i = 0; i < key_len; i++) {
            char byte = (char)(1 + random_below(&state, 255));
            byte = byte == '\n' ? ';' : byte;
            buf_append(&text, &byte, 1);
            if (byte == '\'')
                buf_append(&text, &byte, 1);
            buf_append(&expected, &byte, 1);
        }
        for (uint32_t i = 0; i < value_len; i++) {
            char byte = (char)(1 + random_below(&state, 255));
            bool is_outer = i == 0 || i == value_len - 1;
            byte = byte == '\n' || (is_outer && (byte == ' ' || (byte >= '\t' && byte <= '\r'))) ? '=' : byte;
            buf_append(&value, &byte, 1);
        }
        buf_printf(&text, "' = %s\n", buf_text(&value));
        buf_printf(&expected, "=%s\n", buf_text(&value));
        scratch_write_bytes("t.ini", text.data, text.len);
        read_into(&seen, &errors);
        ck_assert_msg(errors.len == 0, "round %d: %s", round, buf_text(&errors));
        ck_assert_msg(strcmp(buf_text(&seen), buf_text(&expected)) == 0, "round %d:\n%s", round, buf_text(&seen));
        buf_deinit(&text);
        buf_deinit(&expected);
        buf_deinit(&seen);
        buf_deinit(&errors);
        buf_deinit(&value);
    }
}
END_TEST

START_TEST(binary_garbage_ends_in_errors)
{
    uint64_t state = random_seed();
    for (int round = 0; round < 50; round++) {
        struct buf text = {0}, seen = {0}, errors = {0};
        for (uint32_t i = random_below(&state, 5000); i > 0; i--)
            buf_append_u8(&text, (uint8_t)random_below(&state, 256));
        scratch_write_bytes("t.ini", text.data, text.len);
        read_into(&seen, &errors);
        for (size_t i = 0; i < errors.len; i++)
            ck_assert_msg(errors.data[i] == '\n' || (errors.data[i] >= ' ' && errors.data[i] < 0x7f),
                          "a raw byte in: %s", buf_text(&errors));
        buf_deinit(&text);
        buf_deinit(&seen);
        buf_deinit(&errors);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dialect");
    ADD_LOOP(suite, a_line_arrives_whole_and_with_its_place, cases);
    ADD_TEST(suite, a_nul_byte_is_an_error_of_its_line);
    ADD_LOOP(suite, a_long_value_is_not_cut, lengths);
    ADD_TEST(suite, a_key_over_its_bound_is_an_error);
    ADD_TEST(suite, includes_nest_ten_deep);
    ADD_TEST(suite, includes_do_not_nest_eleven_deep);
    ADD_TEST(suite, includes_that_multiply_are_bounded);
    ADD_TEST(suite, a_fifo_does_not_block);
    ADD_TEST(suite, any_bytes_come_back);
    ADD_TEST(suite, binary_garbage_ends_in_errors);
    return run_suite(suite);
}
