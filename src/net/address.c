#include "pgpooler/net.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

static int parse_local(const char *host, int port, struct address *out)
{
    size_t room = sizeof out->local.sun_path;
    int len = snprintf(out->local.sun_path, room, "%s/.s.PGSQL.%d", host, port);
    if (len < 0 || (size_t)len >= room)
        return ERR_TOO_LARGE;
    out->local.sun_family = AF_UNIX;
    bool is_abstract = host[0] == '@';
    if (is_abstract)
        out->local.sun_path[0] = '\0';
    /* unix(7): an abstract name is all bytes of the length, so no terminating NUL there */
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len + (is_abstract ? 0 : 1));
    return 0;
}

/* "fe80::1%eth0": a link-local address needs its interface. */
static bool parse_inet6(const char *host, struct sockaddr_in6 *out)
{
    char text[INET6_ADDRSTRLEN];
    const char *scope = strchr(host, '%');
    size_t len = scope != NULL ? (size_t)(scope - host) : strlen(host);
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &out->sin6_addr) != 1)
        return false;
    if (scope != NULL && (out->sin6_scope_id = if_nametoindex(scope + 1)) == 0)
        return false;
    out->sin6_family = AF_INET6;
    return true;
}

int address_parse(const char *host, int port, struct address *out)
{
    memset(out, 0, sizeof *out);
    if (port < 0 || port > UINT16_MAX)
        return ERR_INVALID;
    if (host[0] == '/' || host[0] == '@')
        return parse_local(host, port, out);
    struct sockaddr_in *inet = (struct sockaddr_in *)&out->inet;
    struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)&out->inet;
    if (inet_pton(AF_INET, host, &inet->sin_addr) == 1) {
        inet->sin_family = AF_INET;
        inet->sin_port = htons((uint16_t)port);
        out->len = sizeof *inet;
        return 0;
    }
    if (parse_inet6(host, inet6)) {
        inet6->sin6_port = htons((uint16_t)port);
        out->len = sizeof *inet6;
        return 0;
    }
    memset(out, 0, sizeof *out);
    return ERR_NOT_FOUND;
}

bool address_is_local(const struct address *address)
{
    return address->any.sa_family == AF_UNIX;
}

int address_port(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->inet)->sin_port);
    if (address->any.sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->inet)->sin6_port);
    return 0;
}

const char *address_text(const struct address *address, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *inet = (const struct sockaddr_in *)&address->inet;
    const struct sockaddr_in6 *inet6 = (const struct sockaddr_in6 *)&address->inet;
    if (address->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &inet->sin_addr, text, sizeof text);
    else if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &inet6->sin6_addr, text, sizeof text);
    char name[IF_NAMESIZE];
    if (address_is_local(address))
        snprintf(out, size, "unix");
    else if (address->any.sa_family == AF_INET6 && inet6->sin6_scope_id != 0 &&
             if_indextoname(inet6->sin6_scope_id, name) != NULL)
        snprintf(out, size, "%s%%%s", text, name);
    else
        snprintf(out, size, "%s", text);
    return out;
}
