"""Logins: every method towards clients with every kind of stored secret and every method of the server."""

import base64
import hashlib
import hmac
import re

import pytest

from pgpooler_testlib import Cluster, Pooler, RawConn, ServerError, rawconn, wait_until

SECRET = "opensesame-canary"
METHODS = ("trust", "plain", "md5", "scram-sha-256")
STORED = ("plain", "md5", "scram")
SERVER_METHODS = ("trust", "password", "md5", "scram-sha-256")

REFUSED = "the pooler refuses the client"
NO_SERVER = "the server refuses the pooler"


def expected(method, stored, server):
    """PgBouncer's rules: what each side can prove with what it has."""
    if method == "scram-sha-256" and stored == "md5":
        return REFUSED
    if stored == "plain" or server == "trust":
        return "welcome"
    if stored == "md5":
        return "welcome" if server == "md5" else NO_SERVER
    # A SCRAM secret opens a server only with the keys that a client's login has shown.
    return "welcome" if server == "scram-sha-256" and method != "trust" else NO_SERVER


def md5_secret(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


def scram_secret(password, salt=b"salt of 16 bytes", iterations=4096):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt, stored_key, server_key = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt}${stored_key}:{server_key}"


def role_of(stored, server):
    return f"{stored}_at_{server.replace('-', '_')}"


@pytest.fixture(scope="module")
def strict():
    """PostgreSQL with a role for every pair of a stored secret and a method of the server."""
    roles = {role_of(stored, server): server for stored in STORED for server in SERVER_METHODS}
    with Cluster("strict") as cluster:
        for role, server in roles.items():
            # A method md5 would ask for SCRAM if the role's secret were SCRAM, so the role has what the method needs.
            cluster.create_role(role, SECRET, encryption="md5" if server == "md5" else "scram-sha-256")
        cluster.set_auth("reject", [f"host all {role} 127.0.0.1/32 {server}" for role, server in roles.items()])
        yield cluster


def secrets(cluster):
    """auth_file for these roles: name -> secret. SCRAM secrets are the server's own, else there is no pass-through."""
    held = {row["rolname"]: row["rolpassword"] for row in cluster.rows("select rolname, rolpassword from pg_authid")}
    users = {}
    for server in SERVER_METHODS:
        users[role_of("plain", server)] = SECRET
        users[role_of("md5", server)] = md5_secret(role_of("md5", server), SECRET)
        role = role_of("scram", server)
        users[role] = held[role] if held[role].startswith("SCRAM") else scram_secret(SECRET)
    return users


@pytest.fixture(scope="module")
def poolers(strict):
    """A pooler for each method towards clients, started when it is first needed."""
    started = {}

    def get(method):
        if method not in started:
            started[method] = Pooler(strict, settings={"auth_type": method, "server_login_retry": 1},
                                     users=secrets(strict))
            started[method].start()
        return started[method]

    yield get
    for pooler in started.values():
        pooler.stop()
        pooler.drop()


def outcome(pooler, role):
    try:
        with pooler.connect(user=role, secret=SECRET) as conn:
            assert conn.value("select current_user") == role
            return "welcome"
    except ServerError as error:
        if error.code == "28P01":
            return REFUSED
        return NO_SERVER if re.search("wrong password type|no password|server login", str(error)) else str(error)


@pytest.mark.sanitize
@pytest.mark.parametrize("server", SERVER_METHODS)
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("method", METHODS)
def test_every_combination_ends_as_it_should(poolers, method, stored, server):
    assert outcome(poolers(method), role_of(stored, server)) == expected(method, stored, server)


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("stored", STORED)
def test_a_wrong_password_is_refused(poolers, method, stored):
    role = role_of(stored, "trust")
    for wrong in ("", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper()):
        with pytest.raises(ServerError, match="28P01"):
            poolers(method).connect(user=role, secret=wrong)


def test_a_stored_hash_is_not_a_password(poolers, strict):
    """Whoever has read auth_file cannot log in with what it says."""
    users = secrets(strict)
    for method in ("plain", "md5", "scram-sha-256"):
        for stored in ("md5", "scram"):
            role = role_of(stored, "trust")
            with pytest.raises(ServerError, match="28P01"):
                poolers(method).connect(user=role, secret=users[role])


@pytest.mark.sanitize
def test_scram_passes_through_to_new_server_connections(strict, make_pooler):
    """auth_file has only the verifier: keys from the clients' logins open every later server connection."""
    role = role_of("scram", "scram-sha-256")
    users = secrets(strict)
    assert users[role].startswith("SCRAM-SHA-256$")
    pooler = make_pooler(strict, settings={"auth_type": "scram-sha-256", "workers": 2, "default_pool_size": 4},
                         users=users)
    clients = [pooler.connect(user=role, secret=SECRET) for _ in range(4)]
    for _ in range(3):
        for client in clients:
            client.rows("begin")
        backends = {client.value("select pg_backend_pid()") for client in clients}
        assert len(backends) == len(clients), "each client in a block has a backend of its own"
        for client in clients:
            client.rows("commit")
        strict.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
        wait_until(lambda: not pooler.show("SERVERS", user=role), 10, "the pooler knows that they are gone")
    clients.append(pooler.connect(user=role, secret=SECRET))
    for client in clients:
        assert client.value("select current_user") == role
        client.close()


def test_a_changed_verifier_is_used_after_reload(strict, make_pooler):
    role = role_of("scram", "scram-sha-256")
    pooler = make_pooler(strict, settings={"auth_type": "scram-sha-256"}, users=secrets(strict))
    pooler.connect(user=role, secret=SECRET).close()
    try:
        strict.create_role(role, "another")
        strict.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
        pooler.users.update(secrets(strict))
        pooler.write_config()
        pooler.reload()
        with pytest.raises(ServerError, match="28P01"):
            pooler.connect(user=role, secret=SECRET)
        with pooler.connect(user=role, secret="another") as client:
            assert client.value("select current_user") == role
    finally:
        strict.create_role(role, SECRET)


def test_any_logs_everybody_in_as_the_entrys_user(strict, make_pooler):
    role = role_of("plain", "scram-sha-256")
    pooler = make_pooler({"app": strict.entry(user=role, password=SECRET, dbname="postgres")},
                         settings={"auth_type": "any"})
    with pooler.connect("app", "whoever", secret=None) as client:
        assert client.value("select current_user") == role


def conversation(pooler, user, secret):
    """What a client sees of a failing login, without what is random in it."""
    conn = RawConn(pooler.port, login=False)
    with pytest.raises(ServerError):
        conn.login(user, "postgres", secret)
    seen = []
    for answer in conn.greeting:
        if answer[0] == "Authentication" and answer[1] == 5:
            seen.append(("md5", len(answer[2])))
        elif answer[0] == "Authentication" and answer[1] == 11:
            words = dict(part.split("=", 1) for part in answer[2].decode().split(","))
            seen.append(("scram", len(words["r"]), len(words["s"]), words["i"]))
        else:
            seen.append(answer)
    return seen


@pytest.mark.sanitize
@pytest.mark.parametrize("method", METHODS[1:])
def test_a_wrong_password_and_an_unknown_user_look_alike(poolers, method):
    pooler = poolers(method)
    wrong = conversation(pooler, role_of("plain", "trust"), "wrong")
    unknown = conversation(pooler, "nobody-at-all", "wrong")
    assert wrong == unknown and wrong[-1][0] == "ErrorResponse"


def salt_of(pooler, user):
    conn = RawConn(pooler.port, login=False)
    with pytest.raises(ServerError):
        conn.login(user, "postgres", "wrong")
    return next(re.search("s=([^,]+)", answer[2].decode())[1] for answer in conn.greeting
                if answer[0] == "Authentication" and answer[1] == 11)


def test_the_salt_of_an_unknown_user_does_not_give_him_away(poolers):
    """Each has one salt, always the same, as a user who is there."""
    pooler = poolers("scram-sha-256")
    salts = {user: {salt_of(pooler, user) for _ in range(3)}
             for user in ("nobody", "nobody-else", role_of("scram", "trust"))}
    assert all(len(seen) == 1 for seen in salts.values()), salts
    assert len(set.union(*salts.values())) == 3, salts


def test_no_secret_is_in_the_log_or_in_any_table(strict, make_pooler):
    typed, in_entry = "typed-by-a-client-canary", SECRET
    role = role_of("plain", "scram-sha-256")
    users = secrets(strict)
    pooler = make_pooler({"app": strict.entry(user=role, password=in_entry, dbname="postgres"), "*": strict.entry()},
                         settings={"auth_type": "plain", "verbose": 3}, users=users)
    for name in users:
        with pytest.raises(ServerError):
            pooler.connect(user=name, secret=typed)
        outcome(pooler, name)
    conn = pooler.connect("app", role, secret=SECRET)
    conn.value("select 1")

    def texts():
        with pooler.console() as console:
            notice = next(answer for answer in console.ask(rawconn.query("SHOW HELP")) if answer[0] == "NoticeResponse")
            shown = 0
            for word in sorted(set(re.findall(r"[A-Z_]{3,}", notice[1]["D"]))):
                try:
                    rows = console.rows(f"SHOW {word}")
                except ServerError:
                    continue
                shown += 1
                yield f"SHOW {word}", str(rows)
            assert shown >= 15, notice
        pooler.reload()
        yield "the log", pooler.log()

    hidden = [typed, in_entry, *users.values()]
    # Verifiers in parts too: a cut one is still a secret.
    verifiers = [secret for secret in users.values() if secret.startswith("SCRAM")]
    hidden += [part for verifier in verifiers for part in verifier.split("$")[2].split(":")]
    for where, text in texts():
        found = [secret for secret in hidden if secret in text]
        assert not found, f"{where} has {found}"
    conn.close()
