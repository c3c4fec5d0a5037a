/*
 * What a stranger can send before we know who it is: startup packets, the options in
 * them, and the header of the first message.
 */
#include "pgpooler/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_inside(const char *text, const char *packet, size_t len)
{
    assert(text >= packet && text < packet + len);
    assert(memchr(text, '\0', len - (size_t)(text - packet)));
}

static int read_setting(void *ctx, const char *name, const char *value)
{
    (void)ctx;
    assert(*name && strchr(name, '=') == NULL);
    return strlen(value) > 1000 ? ERR_TOO_LARGE : 0;
}

static void expect_valid(const struct startup *s, const char *packet)
{
    assert(s->param_count >= 0 && s->param_count <= STARTUP_PARAMS_MAX);
    assert(s->option_count >= 0 && s->option_count <= STARTUP_PARAMS_MAX);
    assert(s->len <= 4 + PROTO_STARTUP_MAX);
    for (int i = 0; i < s->param_count; i++) {
        expect_inside(s->params[i].name, packet, s->len);
        expect_inside(s->params[i].value, packet, s->len);
        assert(*s->params[i].name && startup_param(s, s->params[i].name));
    }
    for (int i = 0; i < s->option_count; i++)
        expect_inside(s->options[i], packet, s->len);
    if (s->kind == STARTUP_CANCEL)
        assert(s->cancel_key.len >= 4 && s->cancel_key.len <= PROTO_CANCEL_KEY_MAX);

    struct buf scratch = {0};
    const char *options = startup_param(s, "options");
    if (options)
        proto_options_parse(options, &scratch, read_setting, NULL);
    buf_deinit(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct startup s, shorter;
    const char *why;
    const char *bytes = (const char *)data;

    int result = proto_startup_parse(bytes, size, &s, &why);
    assert((why != NULL) == (result == ERR_PROTOCOL || result == ERR_TOO_LARGE));
    if (result == 0)
        expect_valid(&s, bytes);

    /* An answer that was possible with fewer bytes is the same with more. */
    size_t cut = size ? data[size - 1] % size : 0;
    int early = proto_startup_parse(bytes, cut, &shorter, &why);
    assert(early == ERR_AGAIN || early == result);

    struct proto_header header;
    if (proto_frontend_header(bytes, size, 1 << 20, &header) == 0)
        assert(header.len >= PROTO_HEADER && header.len <= 1 << 20);

    struct proto_error_fields fields;
    proto_error_read(bytes, size, &fields);
    assert(fields.sqlstate);
    if (size >= PROTO_HEADER) {
        struct buf out = {0};
        proto_error_rename(&out, bytes, size, "pgp_", "s");
        assert(out.len <= size && out.data[0] == bytes[0]);
        buf_deinit(&out);
    }
    return 0;
}
