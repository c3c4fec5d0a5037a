/* err - the names of error codes, for logs. */
#include "pgpooler/base.h"

const char *err_text(int err)
{
    switch (err) {
    case ERR_NONE:
        return "no error";
    case ERR_AGAIN:
        return "more bytes needed";
    case ERR_PROTOCOL:
        return "protocol violation";
    case ERR_TOO_LARGE:
        return "length above its limit";
    case ERR_SYNTAX:
        return "syntax error";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_EXISTS:
        return "exists already";
    case ERR_DENIED:
        return "not permitted";
    case ERR_IO:
        return "system call failed";
    case ERR_CLOSED:
        return "connection closed by peer";
    case ERR_INVALID:
        return "value out of range";
    default:
        return "unknown error";
    }
}
