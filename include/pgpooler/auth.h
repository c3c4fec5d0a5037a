/*
 * auth - who may log in: the exchanges of the PostgreSQL protocol, as bytes in and bytes out.
 *
 * Two machines. struct auth_check plays the server's part towards a client, struct auth_login
 * the client's part towards a node. Neither reads a descriptor or a clock, neither looks users
 * up and neither sends AuthenticationOk: the caller finds the secret, moves the bytes, and says
 * welcome. Not here: hba, auth_query, certificates, peer, PAM and LDAP.
 *
 *      auth_check_start(), auth_login_new()
 *                  |
 *                  v          AUTH_MORE: send `out`, wait for the peer
 *               waiting <-----------------------------------------.
 *                  |  step(body of the peer's message)            |
 *                  v                                              |
 *               deciding -----------------------------------------'
 *                  |   |   '--> AUTH_OFFLOAD: work() on any thread, then resume() decides
 *                  |   '------> AUTH_REFUSED: for good, every later call says so too
 *                  '----------> AUTH_GRANTED: for good
 *
 * Whatever could not be checked is refused. An unknown user goes through an exchange that looks
 * like a known one's and always fails.
 *
 * Passwords are used as the bytes they came in: SASLprep changes nothing in printable ASCII, and
 * for other text we do what PostgreSQL does with text that cannot be prepared. A password
 * that SASLprep would change (unusual spaces, compatibility or decomposed characters) therefore
 * works in the form in which it was given to the server only when that form is the prepared one.
 *
 * Sources: docs PROTOCOL-FLOW, SASL-AUTHENTICATION; RFC 5802 and 7677.
 */
#ifndef PGPOOLER_AUTH_H
#define PGPOOLER_AUTH_H

#include "pgpooler/base.h"

enum auth_answer {
    AUTH_MORE,    /* send what was appended, if anything, and come back with the peer's next message */
    AUTH_GRANTED, /* send what was appended, if anything; the peer is who it says */
    AUTH_REFUSED, /* ask ..._refusal() why */
    AUTH_OFFLOAD, /* call ..._work(), best on another thread, then ..._resume() */
};

/* ---- secrets as auth_file and pg_authid hold them ---- */
enum auth_secret_kind {
    AUTH_SECRET_NONE, /* NULL, empty, or a SCRAM secret that does not parse: matches nothing */
    AUTH_SECRET_PLAIN,
    AUTH_SECRET_MD5,   /* "md5" and 32 lower-case hex digits of md5(password, user) */
    AUTH_SECRET_SCRAM, /* SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey */
    AUTH_SECRET_KINDS
};
enum auth_secret_kind auth_secret_kind(const char *secret);

/* What a SCRAM login needs instead of a password, for one SCRAM secret. */
struct scram_keys {
    uint8_t client_key[32], server_key[32];
    bool usable;
};

/*
 * Keys that PBKDF2 made from (password, salt, iterations): each costs milliseconds.
 * Bounded, old ones make room; passwords are not kept in it. One for the process: any thread.
 */
struct auth_scram_cache;
struct auth_scram_cache *auth_scram_cache_new(void);
void auth_scram_cache_free(struct auth_scram_cache *cache); /* NULL is fine; wipes */

/* ---- towards clients ---- */
enum auth_check_method {
    AUTH_CHECK_TRUST,
    AUTH_CHECK_PLAIN, /* AuthenticationCleartextPassword */
    AUTH_CHECK_MD5,   /* becomes AUTH_CHECK_SCRAM for a user whose secret is SCRAM, as in PgBouncer */
    AUTH_CHECK_SCRAM, /* SCRAM-SHA-256, no channel binding offered */
};

/* Borrowed by auth_check_new, but for the cache: that must outlive the check. */
struct auth_policy {
    uint8_t mock_key[32];           /* random, or kept over restarts: salts of unknown users come from it */
    int scram_iterations;           /* for plain secrets over SCRAM, and what unknown users are told */
    struct auth_scram_cache *cache; /* or NULL */
    /*
     * Unknown users look like ones with a SCRAM secret, instead of a plain one. Shows with AUTH_CHECK_MD5
     * and _PLAIN only; right when most of the secrets are SCRAM.
     */
    bool mock_is_scram;
};

struct auth_check;
/*
 * @user    as in the startup message; what SCRAM carries is ignored, as PostgreSQL does
 * @secret  NULL: unknown user. "": known, without a password, so that only TRUST lets him in
 */
struct auth_check *auth_check_new(enum auth_check_method method, const char *user, const char *secret,
                                  const struct auth_policy *policy);
void auth_check_free(struct auth_check *check); /* NULL is fine; wipes secrets. Not while auth_check_work() runs */

/* Appends the request to the client. Once, before anything else. AUTH_GRANTED or _REFUSED for TRUST. */
enum auth_answer auth_check_start(struct auth_check *check, struct buf *out);
/*
 * @body  of the client's 'p' message, behind the length word
 * Between AUTH_OFFLOAD and auth_check_resume() the object belongs to auth_check_work().
 */
enum auth_answer auth_check_step(struct auth_check *check, const char *body, size_t len, struct buf *out);
void auth_check_work(struct auth_check *check);
enum auth_answer auth_check_resume(struct auth_check *check, struct buf *out);

/* After AUTH_REFUSED: what the client may know, PgBouncer's texts. Constants, valid for ever. */
void auth_check_refusal(const struct auth_check *check, const char **sqlstate, const char **text);
/*
 * After AUTH_GRANTED: keys for auth_login with which this client's SCRAM secret opens a node.
 * False, and nothing usable, when none were learned: no SCRAM secret, or TRUST.
 * The caller wipes them.
 */
bool auth_check_scram_keys(const struct auth_check *check, struct scram_keys *out);

/* ---- towards nodes ---- */
/* Borrowed by auth_login_new, but for the cache: that must outlive the login. */
struct auth_credentials {
    const char *secret;             /* any kind, or NULL */
    const struct scram_keys *keys;  /* or NULL; used when the secret is not plain */
    struct auth_scram_cache *cache; /* or NULL; spares a new backend the PBKDF2 of the one before */
};

struct auth_login;
struct auth_login *auth_login_new(const char *user, const struct auth_credentials *credentials);
void auth_login_free(struct auth_login *login); /* NULL is fine; wipes secrets. Not while auth_login_work() runs */
/*
 * @body  of the node's 'R' message, behind the length word: the code comes first
 * Answers whole 'p' messages in `out`. AUTH_GRANTED is AuthenticationOk at a moment when it may come:
 * before any request, behind a password, or behind a SCRAM exchange in which the node has proved itself.
 */
enum auth_answer auth_login_step(struct auth_login *login, const char *body, size_t len, struct buf *out);
void auth_login_work(struct auth_login *login);
enum auth_answer auth_login_resume(struct auth_login *login, struct buf *out);
/* After AUTH_REFUSED: for the log, behind "server login failed: ". Lent, holds nothing that the node sent. */
const char *auth_login_refusal(const struct auth_login *login);

#endif
