/* Our own, because OpenSSL's decoder skips blanks and takes several texts for one value. */
#include "auth/digest.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buf *out, const void *data, size_t len)
{
    const uint8_t *from = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)from[i] << 16;
        if (have > 1)
            bits |= (uint32_t)from[i + 1] << 8;
        if (have > 2)
            bits |= from[i + 2];
        char quad[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], have > 1 ? alphabet[bits >> 6 & 63] : '=',
                        have > 2 ? alphabet[bits & 63] : '='};
        buf_append(out, quad, sizeof(quad));
    }
}

/* 0 to 63, or 64 for a character that is not of the alphabet. */
static uint32_t digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int base64_decode(struct slice text, void *out, size_t room, size_t *len)
{
    if (text.len % 4 != 0)
        return ERR_SYNTAX;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    size_t bytes = text.len / 4 * 3 - padding;
    if (bytes > room)
        return ERR_TOO_LARGE;

    uint8_t *to = out;
    size_t digits = text.len - padding, done = 0;
    uint32_t bits = 0, have = 0; /* `have` low bits of `bits` wait to become a byte */
    for (size_t i = 0; i < digits; i++) {
        uint32_t value = digit(text.ptr[i]);
        if (value == 64)
            return ERR_SYNTAX;
        bits = (bits << 6 | value) & 0xfff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            to[done++] = (uint8_t)(bits >> have);
        }
    }
    if ((bits & ((1u << have) - 1)) != 0)
        return ERR_SYNTAX;
    assert(done == bytes);
    *len = bytes;
    return 0;
}

int base64_decode_exactly(struct slice text, void *out, size_t len)
{
    size_t got;
    return base64_decode(text, out, len, &got) == 0 && got == len ? 0 : ERR_SYNTAX;
}
