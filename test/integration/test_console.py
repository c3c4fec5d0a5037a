"""The console as administrators, exporters and drivers use it."""

import asyncio
import re
import threading

import asyncpg
import psycopg
import psycopg2
import pytest

from pgpooler_testlib import Pooler, RawConn, ServerError, process, rawconn
from pgpooler_testlib.cluster import psql_path

OIDS = {"i": 23, "q": 20, "t": 25, "n": 1700}
ASYNCPG_TYPES = {"i": "int4", "q": "int8", "t": "text", "n": "numeric"}

# Names, types and order of PgBouncer 1.25.2; a type holds until the next one.
SOCKETS = """type t, user, database, replication, state, addr, port i, local_addr t, local_port i, connect_time t,
    request_time, wait i, wait_us, close_needed, ptr t, link, remote_pid i, tls t, application_name,
    prepared_statements i, id"""
BUFFERS = ", recv_pos, pkt_pos, pkt_remain, send_pos, send_remain, pkt_avail, send_avail"
COUNTERS = ("server_assignment_count, xact_count, query_count, {0}, {1}, xact_time, query_time, wait_time, "
            "{2}client_parse_count, {2}server_parse_count, {2}bind_count")
SHOWS = {
    "VERSION": "version t",
    "STATE": "key t, value",
    "CONFIG": "key t, value, default, changeable",
    "DATABASES": """name t, host, port i, database t, force_user, pool_size i, min_pool_size, reserve_pool_size,
        server_lifetime, pool_mode t, load_balance_hosts, max_connections i, current_connections,
        max_client_connections, current_client_connections, paused, disabled""",
    "POOLS": """database t, user, cl_active i, cl_waiting, cl_active_cancel_req, cl_waiting_cancel_req, sv_active,
        sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested, sv_login, maxwait, maxwait_us, pool_mode t,
        load_balance_hosts""",
    "CLIENTS": SOCKETS,
    "SERVERS": SOCKETS,
    "SOCKETS": SOCKETS + BUFFERS,
    "ACTIVE_SOCKETS": SOCKETS + BUFFERS,
    "STATS": "database t, total_server_assignment_count n, "
             + ", ".join(prefix + name.strip() for prefix, names in (
                 ("total_", COUNTERS.format("received", "sent", "")), ("avg_", COUNTERS.format("recv", "sent", "")))
                 for name in names.split(",") if prefix + name.strip() != "total_server_assignment_count"),
    "STATS_TOTALS": "database t, " + COUNTERS.format("bytes_received", "bytes_sent", "")
                    .replace("server_assignment_count", "server_assignment_count n"),
    "STATS_AVERAGES": "database t, " + COUNTERS.format("bytes_received", "bytes_sent", "avg_")
                      .replace("server_assignment_count", "server_assignment_count n"),
    "TOTALS": "name t, value n",
    "LISTS": "list t, items i",
    "USERS": """name t, pool_size, reserve_pool_size, pool_mode, max_user_connections i, current_connections,
        max_user_client_connections, current_client_connections""",
    "PEERS": "peer_id i, host t, port i, pool_size",
    "COUNTERS": "name t, value n",
}


def columns(show):
    """[(name, type letter)]"""
    found, letter = [], None
    for word in SHOWS[show].split(","):
        name, *kind = word.split()
        letter = kind[0] if kind else letter
        found.append((name, letter))
    return found


def names(show):
    return [name for name, _ in columns(show)]


@pytest.fixture(scope="module")
def busy(primary):
    """A pooler with clients, one of them in a transaction; tests here look and change nothing."""
    databases = {"*": primary.entry(), "app": primary.entry(dbname="app"),
                 "hosts": f"host={primary.host},{primary.host} port={primary.port} dbname=app pool_size=3"}
    with Pooler(databases, settings={"stats_users": "bob", "workers": 2}, users={'o"neil': "x"},
                more="[users]\nalice = pool_size=7 pool_mode=session\n[peers]\n2 = host=/tmp/none\n") as pooler:
        clients = [pooler.connect("app", "app"), pooler.connect("hosts", "alice"), pooler.connect("app", "bob")]
        clients[0].rows("begin")
        clients[1].rows("select 1")
        yield pooler
        for client in clients:
            client.close()


# ---- shapes, as each kind of driver sees them ----------------------------------------------------------------------

def dsn(pooler, **more):
    return pooler.dsn("pgbouncer", "admin", **more)


@pytest.mark.parametrize("show", SHOWS)
def test_shapes_by_psycopg2(busy, show):
    conn = psycopg2.connect(dsn(busy))
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(f"SHOW {show};")
        assert [(column.name, column.type_code) for column in cursor.description] == [
            (name, OIDS[letter]) for name, letter in columns(show)]
        assert cursor.statusmessage == "SHOW"
        for row in cursor.fetchall():
            assert len(row) == len(columns(show))
    conn.close()


@pytest.mark.parametrize("how", [{}, {"prepare": True}, {"binary": True}, {"prepare": True, "binary": True}],
                         ids=["simple", "prepared", "binary", "prepared binary"])
def test_shapes_by_psycopg(busy, how):
    with psycopg.connect(dsn(busy), autocommit=True) as conn:
        for show in SHOWS:
            cursor = conn.execute(f"SHOW {show}", **how)
            assert [(column.name, column.type_code) for column in cursor.description] == [
                (name, OIDS[letter]) for name, letter in columns(show)], show
            for row in cursor.fetchall():
                for value, (name, letter) in zip(row, columns(show)):
                    assert value is None or isinstance(value, str) == (letter == "t"), f"{show}.{name}"


def test_text_and_binary_say_the_same(busy):
    with psycopg.connect(dsn(busy), autocommit=True) as conn:
        for show in ("DATABASES", "USERS", "PEERS", "VERSION", "COUNTERS"):
            assert (conn.execute(f"SHOW {show}").fetchall()
                    == conn.execute(f"SHOW {show}", binary=True).fetchall())


@pytest.mark.sanitize
def test_shapes_by_asyncpg(busy):
    async def ask():
        conn = await asyncpg.connect(host=busy.host, port=busy.port, user="admin", database="pgbouncer",
                                     password=busy.users["admin"])
        for show in SHOWS:
            stmt = await conn.prepare(f"SHOW {show}")
            assert [(column.name, column.type.name) for column in stmt.get_attributes()] == [
                (name, ASYNCPG_TYPES[letter]) for name, letter in columns(show)], show
            for rows in (await stmt.fetch(), await conn.fetch(f"SHOW {show}")):
                assert all(list(row.keys()) == names(show) for row in rows), show
        await conn.close()

    asyncio.run(ask())


def psql(pooler, *arguments):
    return process.run([psql_path(), "-X", "-d", dsn(pooler), *arguments])


def test_shapes_by_psql(busy):
    for show in SHOWS:
        assert psql(busy, "--csv", "-c", f"show {show.lower()}").splitlines()[0].split(",") == names(show)
    assert psql(busy, "-At", "-c", "show version").startswith("PgBouncer 1.25.2")


# ---- contents ------------------------------------------------------------------------------------------------------

def test_databases(busy):
    rows = {row["name"]: row for row in busy.admin("SHOW DATABASES")}
    assert list(rows) == sorted(rows) and set(rows) == {"app", "hosts", "pgbouncer"}
    own, app, hosts = rows["pgbouncer"], rows["app"], rows["hosts"]
    assert (own["host"], own["port"], own["force_user"], own["pool_mode"]) == (None, str(busy.port), "pgbouncer",
                                                                              "statement")
    assert (app["database"], app["pool_size"], app["pool_mode"], app["load_balance_hosts"]) == ("app", "20", None, None)
    assert (app["current_connections"], app["current_client_connections"], app["paused"]) == ("2", "2", "0")
    assert (hosts["pool_size"], hosts["load_balance_hosts"]) == ("3", "round-robin")


def test_pools(busy):
    rows = busy.admin("SHOW POOLS")
    assert [(row["database"], row["user"]) for row in rows] == [
        ("app", "app"), ("app", "bob"), ("hosts", "alice"), ("pgbouncer", "pgbouncer")]
    assert busy.pool("app", "app")["sv_active"] == 1
    assert busy.pool("hosts", "alice")["pool_mode"] == "session"
    assert busy.pool("pgbouncer")["pool_mode"] == "statement"


def test_clients_and_servers(busy):
    clients = busy.show("CLIENTS")
    by_user = {row["user"]: row for row in clients}
    assert set(by_user) == {"app", "alice", "bob", "admin"}
    assert (by_user["app"]["state"], by_user["bob"]["state"]) == ("active", "idle")
    assert by_user["admin"]["database"] == "pgbouncer"
    servers = {row["ptr"]: row for row in busy.show("SERVERS")}
    assert servers[by_user["app"]["link"]]["link"] == by_user["app"]["ptr"]
    assert by_user["bob"]["link"] == ""
    for row in [*clients, *servers.values()]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", row["connect_time"])
        assert (row["addr"], row["replication"], row["tls"]) == ("127.0.0.1", "none", "")
    ids = [row["id"] for row in [*clients, *servers.values()]]
    assert len(set(ids)) == len(ids)
    assert {row["state"] for row in busy.show("SOCKETS")} >= {"cl_active", "cl_idle", "sv_active"}
    assert not [row for row in busy.show("ACTIVE_SOCKETS") if row["state"].endswith("idle")]


def test_a_console_is_a_client_with_a_name(busy):
    with RawConn(busy.port, user="admin", dbname="pgbouncer", host=str(busy.dir), application_name="look") as console:
        row = next(row for row in console.dicts("SHOW CLIENTS") if row["application_name"] == "look")
        assert (row["addr"], row["port"], row["state"], row["user"]) == ("unix", str(busy.port), "active", "admin")


def test_lists_totals_users_peers_config(busy):
    assert [row["list"] for row in busy.show("LISTS")] == (
        "databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers "
        "dns_names dns_zones dns_queries dns_pending").split()
    lists = {row["list"]: int(row["items"]) for row in busy.show("LISTS")}
    assert (lists["databases"], lists["pools"], lists["peers"], lists["used_clients"]) == (3, 4, 1, 4)
    counters = ("server_assignment_count xact_count query_count client_bytes server_bytes xact_time query_time "
                "wait_time ps_client_parse_count ps_server_parse_count ps_bind_count").split()
    assert [row["name"] for row in busy.show("TOTALS")] == [
        prefix + name for prefix in ("total_", "avg_") for name in counters]
    alice = busy.show("USERS", name="alice")[0]
    assert (alice["pool_size"], alice["reserve_pool_size"], alice["pool_mode"]) == ("        7", "", "session")
    assert busy.show("PEERS") == [{"peer_id": "2", "host": "/tmp/none", "port": "6432", "pool_size": "20"}]
    rows = {row["key"]: row for row in busy.show("CONFIG")}
    assert rows["pool_mode"] == {"key": "pool_mode", "value": "transaction", "default": "session", "changeable": "yes"}
    assert rows["listen_port"]["changeable"] == "no"
    assert rows["conffile"]["value"] == str(busy.ini)


def test_stats_count(busy):
    before = busy.show("STATS", database="app")[0]
    with busy.connect("app", "app") as client:
        for _ in range(5):
            client.rows("select 1")
    after = busy.show("STATS", database="app")[0]
    assert int(after["total_query_count"]) == int(before["total_query_count"]) + 5
    assert busy.show("STATS_TOTALS", database="app")[0]["query_count"] == after["total_query_count"]
    assert [row["database"] for row in busy.show("STATS")] == ["app", "hosts", "pgbouncer"]
    counters = {row["name"]: int(row["value"]) for row in busy.show("COUNTERS")}
    assert counters["desync"] == 0 and counters["backends_opened"] >= 2


def test_welcome(busy):
    with busy.console() as console:
        assert console.parameters == {
            "server_version": "1.25.2/bouncer", "client_encoding": "UTF8", "server_encoding": "UTF8",
            "DateStyle": "ISO", "TimeZone": "GMT", "standard_conforming_strings": "on", "is_superuser": "on"}


# ---- the language --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", ["", ";", " ;; ", "-- ping", "/* ping */", "/* a */ ; -- b"])
def test_empty_queries(busy, text):
    with busy.console() as console:
        assert console.ask(rawconn.query(text)) == [("EmptyQueryResponse",), ("ReadyForQuery", "I")]
        answers = console.ask(rawconn.parse("", text), rawconn.bind(), rawconn.describe(), rawconn.execute(),
                              rawconn.sync())
        assert [answer[0] for answer in answers] == ["ParseComplete", "BindComplete", "NoData", "EmptyQueryResponse",
                                                     "ReadyForQuery"]


def test_several_commands_in_one_string(busy):
    with busy.console() as console:
        kinds = [answer[0] for answer in console.ask(rawconn.query("SHOW VERSION; /* and */ SHOW STATE;"))]
        assert kinds == ["RowDescription", "DataRow", "CommandComplete", "RowDescription", *["DataRow"] * 3,
                         "CommandComplete", "ReadyForQuery"]
        kinds = [answer[0] for answer in console.ask(rawconn.query("SHOW VERSION; NOTHING; SHOW STATE"))]
        assert kinds == ["RowDescription", "DataRow", "CommandComplete", "ErrorResponse", "ReadyForQuery"]


@pytest.mark.parametrize("text", ["SHOW NOTHING", "SHOW", "BEGIN", "select 1", "SHOW POOLS POOLS", "'", "ALTER"])
def test_what_is_no_command(busy, text):
    with busy.console() as console:
        error, ready = console.ask(rawconn.query(text))
        assert error == ("ErrorResponse", {"S": "ERROR", "C": "08P01", "M": f"invalid command '{text}', use SHOW HELP;"})
        assert ready == ("ReadyForQuery", "I")
        assert console.value("SHOW VERSION"), "the connection stays"


def test_help(busy):
    with busy.console() as console:
        notice, done, _ = console.ask(rawconn.query("SHOW HELP"))
        assert (notice[0], notice[1]["S"], notice[1]["C"], notice[1]["M"]) == (
            "NoticeResponse", "NOTICE", "00000", "Console usage")
        assert done == ("CommandComplete", "SHOW")
        for word in [*SHOWS, "RELOAD", "PAUSE", "RESUME", "SET", "SHUTDOWN"]:
            assert word in notice[1]["D"]


@pytest.mark.parametrize("name, value", [("client_encoding", "UTF-8"), ("datestyle", "ISO"), ("TimeZone", "GMT"),
                                         ("standard_conforming_strings", "on"),
                                         ("default_transaction_isolation", "read committed")])
def test_what_drivers_ask_for(busy, name, value):
    with busy.console("bob") as console:
        assert console.value(f"SHOW {name}") == value
        answers = console.ask(rawconn.query(f"SET {name} = 'x'"))
        assert [answer[0] for answer in answers] == ["NoticeResponse", "CommandComplete", "ReadyForQuery"]
        assert answers[0][1]["M"] == "SET ignored"


def test_pgpooler_is_the_same_database(busy):
    with RawConn(busy.port, user="admin", dbname="pgpooler") as console:
        assert console.value("SHOW VERSION").startswith("PgBouncer")


# ---- who may what --------------------------------------------------------------------------------------------------

def test_stats_users_look_and_touch_nothing(busy):
    with busy.console("bob") as console:
        for show in SHOWS:
            assert console.ask(rawconn.query(f"SHOW {show}"))[-2] == ("CommandComplete", "SHOW")
        for command in ("RELOAD", "PAUSE", "RESUME", "SET verbose = 1", "SHUTDOWN", "PAUSE app"):
            error, _ = console.ask(rawconn.query(command))
            assert (error[1]["S"], error[1]["C"], error[1]["M"]) == ("ERROR", "08P01", "admin access needed")


def test_others_are_not_allowed(busy):
    with pytest.raises(ServerError, match="FATAL 08P01: not allowed"):
        busy.console("alice")
    with pytest.raises(ServerError, match='FATAL .*"trust" authentication failed'):
        busy.console("nobody")


def test_our_own_system_user_needs_no_password():
    with Pooler({}, settings={"auth_type": "scram-sha-256"}) as pooler:
        with RawConn(pooler.port, user="pgbouncer", dbname="pgbouncer", host=str(pooler.dir)) as console:
            console.rows("RELOAD")
        for host, dbname in ((pooler.host, "pgbouncer"), (str(pooler.dir), "app")):
            with pytest.raises(ServerError, match="SASL authentication failed"):
                RawConn(pooler.port, user="pgbouncer", dbname=dbname, host=host, secret="wrong")
        with pytest.raises(ServerError, match="SASL authentication failed"):
            RawConn(pooler.port, user="admin", dbname="pgbouncer", host=str(pooler.dir), secret="wrong")


def test_with_any_everybody_looks():
    with Pooler({}, settings={"auth_type": "any"}) as pooler, pooler.console("whoever") as console:
        assert console.value("SHOW VERSION")
        with pytest.raises(ServerError, match="admin access needed"):
            console.rows("RELOAD")
        pooler.admin("RELOAD")


# ---- SET and RELOAD ------------------------------------------------------------------------------------------------

def test_set(pooler):
    with pooler.console() as console:
        assert console.ask(rawconn.query("SET query_wait_timeout = 7"))[0] == ("CommandComplete",
                                                                              "SET query_wait_timeout=7")
        assert pooler.config()["query_wait_timeout"] == "7"
        assert console.ask(rawconn.query("SET server_reset_query TO 'DISCARD ALL; select 1'"))[0][0] == (
            "CommandComplete")
        assert pooler.config()["server_reset_query"] == "DISCARD ALL; select 1"
        for command in ("SET nothing = 1", "SET query_wait_timeout = x", "SET pool_mode = often"):
            error, ready = console.ask(rawconn.query(command))
            assert (error[1]["C"], error[1]["M"], ready[0]) == ("08P01", "SET failed", "ReadyForQuery")
        assert "WARNING SET query_wait_timeout failed: " in pooler.log()
        before = pooler.config()["listen_port"]
        assert console.ask(rawconn.query("SET listen_port = 1"))[0] == ("CommandComplete", "SET listen_port=1")
        assert pooler.config()["listen_port"] == before
        console.rows("RELOAD")
        assert pooler.config()["query_wait_timeout"] == "120", "what SET changed is gone"


def test_set_takes_effect(pooler):
    first, second = pooler.connect(), pooler.connect()
    pooler.admin("SET default_pool_size = 1")
    first.rows("begin")
    second.send(rawconn.query("select 1"))
    process.wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 5, "the second one waits")
    pooler.admin("SET default_pool_size = 2")
    assert ("DataRow", ["1"]) in second.read_answers()
    first.close()
    second.close()


@pytest.mark.sanitize
def test_changes_at_the_same_time_all_count(pooler):
    """One after the other, whatever the number of consoles."""
    keys = ["max_client_conn", "query_wait_timeout", "reserve_pool_size", "min_pool_size", "max_db_connections"]
    consoles = [pooler.console() for _ in keys]
    for value in range(150, 160):
        for console, key in zip(consoles, keys):
            console.send(rawconn.query(f"SET {key} = {value}"))
        for console, key in zip(consoles, keys):
            assert console.read_answers()[0] == ("CommandComplete", f"SET {key}={value}")
        assert [pooler.config()[key] for key in keys] == [str(value)] * len(keys)
    for console in consoles:
        console.close()


def test_reload_brings_and_removes_databases(make_pooler, primary):
    pooler = make_pooler({"one": primary.entry(dbname="app")})
    with pytest.raises(ServerError, match="no such database: two"):
        pooler.connect("two", "app")
    pooler.databases = {"two": primary.entry(dbname="app")}
    pooler.write_config()
    with pooler.console() as console:
        assert console.ask(rawconn.query("RELOAD"))[0] == ("CommandComplete", "RELOAD")
    with pooler.connect("two", "app") as client:
        assert client.value("select 1") == "1"
    with pytest.raises(ServerError, match="no such database: one"):
        pooler.connect("one", "app")
    assert "RELOAD command issued" in pooler.log()


# ---- PAUSE and RESUME ----------------------------------------------------------------------------------------------

def state(pooler):
    return [row["key"] for row in pooler.show("STATE") if row["value"] == "yes"]


def test_pause_and_resume(pooler):
    with pooler.connect() as client, pooler.console() as console:
        client.rows("select 1")
        assert console.ask(rawconn.query("PAUSE"))[0] == ("CommandComplete", "PAUSE")
        assert state(pooler) == ["paused"]
        assert pooler.pool("postgres")["sv_idle"] == 0, "connections are closed"
        with pytest.raises(ServerError, match="already suspended/paused"):
            console.rows("PAUSE")
        client.send(rawconn.query("select 2"))
        process.wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 5, "the client waits")
        assert console.ask(rawconn.query("RESUME"))[0] == ("CommandComplete", "RESUME")
        assert ("DataRow", ["2"]) in client.read_answers()
        assert state(pooler) == ["active"]
        with pytest.raises(ServerError, match="pooler is not paused/suspended"):
            console.rows("RESUME")


def test_pause_of_one_database(make_pooler, primary):
    pooler = make_pooler({"app": primary.entry(dbname="app"), "other": primary.entry(dbname="app")})
    with pooler.connect("app", "app") as client, pooler.connect("other", "app") as other:
        pooler.admin('PAUSE "app"')
        assert [row["paused"] for row in pooler.show("DATABASES")] == ["1", "0", "0"]
        assert other.value("select 1") == "1"
        client.send(rawconn.query("select 2"))
        assert client.is_silent(0.1)
        assert "PAUSE 'app' command issued" in pooler.log()
        for command, message in (("PAUSE none", "no such database: none"), ("RESUME none", "no such database: none"),
                                 ("PAUSE pgbouncer", "cannot pause admin db: pgbouncer"),
                                 ("RESUME other", "database other is not paused")):
            with pytest.raises(ServerError, match=f"^ERROR 08P01: {message}$"):
                pooler.admin(command)
        pooler.admin("RESUME app")
        assert ("DataRow", ["2"]) in client.read_answers()


def test_a_pause_of_all_and_one_of_a_database_do_not_mix(make_pooler, primary):
    pooler = make_pooler({"app": primary.entry(dbname="app"), "other": primary.entry(dbname="app")})
    with pooler.connect("app", "app") as client, pooler.connect("other", "app") as other:
        client.rows("begin")
        console = pooler.console()
        console.send(rawconn.query("PAUSE app"))
        pooler.wait_log("PAUSE 'app' command issued")
        with pooler.console() as second:
            second.send(rawconn.query("PAUSE"))
            process.wait_until(lambda: state(pooler) == ["paused"], 5, "all are paused")
            client.rows("commit")
            second.read_answers()
            console.read_answers()
            second.rows("RESUME")
        assert other.value("select 1") == "1"
        client.send(rawconn.query("select 2"))
        assert client.is_silent(0.1), "its own pause holds"
        pooler.admin("PAUSE")
        pooler.admin("RESUME app")
        assert client.is_silent(0.1), "now that of all"
        console.rows("RESUME")
        assert ("DataRow", ["2"]) in client.read_answers()
        console.close()


@pytest.fixture
def waiting(pooler):
    """A client in a transaction, and a console whose PAUSE waits for it."""
    client, console = pooler.connect(), pooler.console()
    client.rows("begin")
    console.send(rawconn.query("PAUSE"))
    process.wait_until(lambda: state(pooler) == ["paused"], 5, "it is paused")
    assert console.is_silent(0.1)
    yield client, console
    client.close()
    console.close()


def test_pause_waits_for_transactions(pooler, waiting):
    client, console = waiting
    assert client.value("select 1") == "1", "a transaction goes on"
    client.rows("commit")
    assert console.read_answers()[0] == ("CommandComplete", "PAUSE")
    assert pooler.show("SERVERS") == []
    pooler.admin("RESUME")


def test_ctrl_c_on_a_waiting_pause_resumes(pooler, waiting):
    client, console = waiting
    with RawConn(pooler.port, login=False) as cancel:
        cancel.send(rawconn.cancel_request(console.pid, console.key))
        assert cancel.read_to_end() == []
    error, _ = console.read_answers()
    assert error[1]["C"] == "57014"
    process.wait_until(lambda: state(pooler) == ["active"], 5, "it is resumed")
    client.rows("commit")
    assert client.value("select 1") == "1"
    assert console.ask(rawconn.query("PAUSE"))[0] == ("CommandComplete", "PAUSE"), "the console goes on"
    console.rows("RESUME")


def test_a_wrong_key_cancels_nothing(pooler, waiting):
    client, console = waiting
    with RawConn(pooler.port, login=False) as cancel:
        cancel.send(rawconn.cancel_request(console.pid, bytes(byte ^ 1 for byte in console.key)))
        cancel.read_to_end()
    assert console.is_silent(0.2) and state(pooler) == ["paused"]
    client.rows("rollback")
    console.read_answers()
    console.rows("RESUME")


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["close", "vanish"])
def test_a_console_that_goes_while_it_waits_resumes(pooler, waiting, how):
    client, console = waiting
    getattr(console, how)()
    process.wait_until(lambda: state(pooler) == ["active"], 5, "it is resumed")
    client.rows("commit")
    assert client.value("select 1") == "1"


def test_resume_ends_a_waiting_pause(pooler, waiting):
    client, console = waiting
    pooler.admin("RESUME")
    assert console.read_answers()[0][0] == "ErrorResponse"
    assert client.value("select 1") == "1"


@pytest.mark.sanitize
def test_shutdown_ends_a_waiting_pause(pooler, waiting):
    _, console = waiting
    with pytest.raises(EOFError):
        pooler.admin("SHUTDOWN")
    assert console.read_to_end() == []
    assert pooler.process.wait(5) == 0


# ---- SHUTDOWN ------------------------------------------------------------------------------------------------------

def test_shutdown_for_clients(pooler):
    client = pooler.connect()
    with pooler.console() as console:
        assert console.ask(rawconn.query("SHUTDOWN WAIT_FOR_CLIENTS"))[0] == ("CommandComplete", "SHUTDOWN")
        with pytest.raises(ServerError, match="pooler is shutting down"):
            console.rows("SHUTDOWN WAIT_FOR_SERVERS")
        assert client.value("select 1") == "1"
        client.close()
        assert console.read_to_end() == []
    assert pooler.process.wait(5) == 0


def test_shutdown_for_servers(pooler):
    client = pooler.connect()
    client.rows("begin")
    pooler.admin("SHUTDOWN WAIT_FOR_SERVERS")
    assert client.value("select 1") == "1"
    client.send(rawconn.query("commit"))
    assert client.read()[0] == "CommandComplete"
    assert pooler.process.wait(5) == 0


# ---- many at a time ------------------------------------------------------------------------------------------------

def test_answers_nobody_reads_are_not_piled_up(busy):
    """16 MB are asked for at once, and read later."""
    with busy.console() as console:
        before = busy.process.resident_bytes()
        console.send(*[rawconn.query("SHOW CONFIG")] * 1500)
        assert not console.is_silent(5)
        assert busy.admin("SHOW VERSION")
        assert busy.process.resident_bytes() - before < 6 << 20
        assert len([answer for answer in console.read_answers(1500) if answer[0] == "CommandComplete"]) == 1500


@pytest.mark.sanitize
def test_consoles_that_come_and_go_while_all_is_busy(pooler):
    """Half of them without a word; some behind a pipeline."""
    failures = []

    def visit(number):
        try:
            for visit_number in range(25):
                console = pooler.console()
                console.send(*[rawconn.query(f"SHOW {show}") for show in SHOWS])
                if visit_number % 2:
                    console.read_answers(len(SHOWS))
                    console.close()
                else:
                    console.vanish()
        except Exception as error:  # told by the main thread
            failures.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    with pooler.connect() as client:
        while any(thread.is_alive() for thread in threads):
            assert client.value("select 1") == "1"
            pooler.admin("RELOAD")
    for thread in threads:
        thread.join()
    assert failures == []
    process.wait_until(lambda: len(pooler.show("CLIENTS")) == 1, 5, "only the console that asks is left")
