#include "auth/scram.h"

enum auth_secret_kind auth_secret_kind(const char *secret)
{
    static const char scram[] = SCRAM_MECHANISM "$";
    if (secret == NULL || *secret == '\0')
        return AUTH_SECRET_NONE;
    if (strlen(secret) == MD5_TEXT_LEN && strncmp(secret, "md5", 3) == 0 &&
        strspn(secret + 3, "0123456789abcdef") == MD5_TEXT_LEN - 3)
        return AUTH_SECRET_MD5;
    if (strncmp(secret, scram, sizeof(scram) - 1) != 0)
        return AUTH_SECRET_PLAIN;
    /* A damaged secret must not turn into a password that whoever has seen the file can type. */
    struct scram_secret parsed;
    bool valid = scram_secret_parse(secret, &parsed) == 0;
    mem_wipe(&parsed, sizeof(parsed));
    return valid ? AUTH_SECRET_SCRAM : AUTH_SECRET_NONE;
}
