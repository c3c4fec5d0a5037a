/* What we are built on, for --version and the log. */
#include "pgpooler/net.h"

#include <ares.h>
#include <openssl/crypto.h>
#include <uv.h>

void net_versions(struct net_versions *out)
{
    out->event = uv_version_string();
    out->dns = ares_version(NULL);
    out->tls = OpenSSL_version(OPENSSL_VERSION);
}
