#include "manual.h"

#include "pgpooler/config.h"

struct manual_option {
    const char *key;
    const char *default_text; /* NULL or "": none worth mentioning */
    bool at_start;
    const char *help; /* NULL: as the global key */
};

#define RELOAD false
#define START  true
static const struct manual_option global_options[] = {
#define OPTION(group, kind, field, default_text, min, max, change, help) {#field, default_text, change, help},
#include "pgpooler/config.def"
};
#undef RELOAD
#undef START
static const struct manual_option entry_options[] = {
#define ENTRY_OPTION(kind, field, key, min, max, change, help) {key, NULL, false, help},
#include "pgpooler/config.def"
};
static const struct manual_option user_options[] = {
#define USER_OPTION(kind, field, min, max, help) {#field, NULL, false, help},
#include "pgpooler/config.def"
};
static const struct manual_option peer_options[] = {
#define PEER_OPTION(kind, field, min, max, help) {#field, NULL, false, help},
#include "pgpooler/config.def"
};

/* roff's own characters as themselves: groff_char(7). */
static void append_text(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_append_str(out, "\\e");
        else if (*text == '-')
            buf_append_str(out, "\\-");
        else
            buf_append(out, text, 1);
    }
}

static void print_option(struct buf *out, const struct manual_option *option)
{
    buf_append_str(out, ".TP\n.B ");
    append_text(out, option->key);
    if (option->default_text != NULL && option->default_text[0] != '\0') {
        buf_append_str(out, " = ");
        append_text(out, option->default_text);
    }
    buf_append_str(out, "\n");
    append_text(out, option->help);
    buf_append_str(out, option->at_start ? " (start only)\n" : "\n");
}

static void print_section(struct buf *out, const char *name, const char *introduction,
                          const struct manual_option *options, size_t count)
{
    buf_printf(out, ".SS %s\n%s\n", name, introduction);
    bool has_others = false;
    for (size_t i = 0; i < count; i++) {
        if (options[i].help != NULL)
            print_option(out, &options[i]);
        else
            has_others = true;
    }
    if (!has_others)
        return;
    buf_append_str(out, ".PP\nAlso, as the keys of the same names in [pgbouncer]:");
    const char *separator = "\n";
    for (size_t i = 0; i < count; i++) {
        if (options[i].help != NULL)
            continue;
        buf_append_str(out, separator);
        append_text(out, options[i].key);
        separator = ",\n";
    }
    buf_append_str(out, ".\n");
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

void manual_print_options(struct buf *out)
{
    buf_append_str(out, ".\\\" Printed by pgpooler --print-man-options\n");
    print_section(out, "[pgbouncer]",
                  "Also called [pgpooler]. What is marked (start only) keeps its value until the process ends; "
                  "everything else follows RELOAD and SET.",
                  global_options, COUNT(global_options));
    print_section(out, "[databases]",
                  "Lines of the form\n.IR name \" = key=value key='value with blanks' ...\" .\n"
                  "The name * stands for all databases that are not listed.",
                  entry_options, COUNT(entry_options));
    print_section(out, "[users]", "Settings for single users, which go before those of databases.", user_options,
                  COUNT(user_options));
    print_section(out, "[peers]",
                  "Other processes behind the same address, so that a cancel request finds its way. Lines of the form\n"
                  ".IR peer_id \" = key=value ...\" .",
                  peer_options, COUNT(peer_options));
    buf_append_str(out, ".\\\" End of what pgpooler prints\n");
}
