/* show - the rows of SHOW CONFIG. */
#include "rows.h"

int config_option_count(void)
{
    return (int)global_rows.count;
}

void config_option_show(const struct config *c, int i, struct config_row *out)
{
    assert(i >= 0 && (size_t)i < global_rows.count);
    const struct config_option *option = &global_rows.options[i];
    const void *field = row_value(c, option);
    out->key = option->key;
    out->default_value = option->default_text;
    out->changeable = option->change == CHANGE_START ? "no" : "yes";

    if (option->kind == KIND_text || option->kind == KIND_list) {
        out->value = *(const char *const *)field;
        return;
    }
    struct buf text = {0};
    out->value = NULL;
    if (value_format(option, field, &text)) {
        assert(text.len < sizeof(out->storage));
        memcpy(out->storage, text.data, text.len);
        out->storage[text.len] = '\0';
        out->value = out->storage;
    }
    buf_deinit(&text);
}
