"""Session, transaction and statement mode: how long a client keeps its backend, and in what state the next finds it."""

import pytest

from pgpooler_testlib import ServerError, wait_until
from pgpooler_testlib.rawconn import bind, execute, parse, query, sync


def pid(conn):
    return conn.value("select pg_backend_pid()")


@pytest.fixture
def one(make_pooler):
    """make_pooler with a single backend."""
    def make(mode, **settings):
        return make_pooler(settings={"pool_mode": mode, "default_pool_size": 1, **settings})

    return make


# ---- session

@pytest.mark.sanitize
def test_a_session_keeps_its_backend_until_it_leaves(one):
    pooler = one("session")
    first = pooler.connect()
    first.rows("create temp table mine (n int)")
    first.rows("set work_mem to '7MB'")
    with pooler.connect() as second:
        second.send(query("show work_mem"))
        wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 10, "the second client waits")
        assert first.value("show work_mem") == "7MB"
        first.close()
        assert [answer[1] for answer in second.read_answers() if answer[0] == "DataRow"] == [["4MB"]]
        with pytest.raises(ServerError, match="42P01"):
            second.rows("select * from mine")


def test_a_reset_query_of_ones_own(one):
    pooler = one("session", server_reset_query="set work_mem to '3MB'")
    with pooler.connect() as conn:
        assert conn.value("show work_mem") == "4MB"
    with pooler.connect() as conn:
        assert conn.value("show work_mem") == "3MB"


def test_without_a_reset_query_state_stays(one):
    pooler = one("session", server_reset_query="")
    with pooler.connect() as conn:
        conn.rows("set work_mem to '9MB'")
    with pooler.connect() as conn:
        assert conn.value("show work_mem") == "9MB"


def test_a_reset_query_that_fails_costs_the_backend(one):
    pooler = one("session", server_reset_query="no such statement")
    with pooler.connect() as conn:
        before = pid(conn)
    with pooler.connect() as conn:
        assert pid(conn) != before


def test_a_session_left_in_a_transaction_is_rolled_back(primary, one):
    pooler = one("session")
    primary.psql("create table if not exists left_open (n int)")
    try:
        conn = pooler.connect()
        conn.ask(query("begin"))
        conn.ask(query("insert into left_open values (1)"))
        conn.close()
        with pooler.connect() as conn:
            assert conn.ask(query("select count(*) from left_open"))[-1] == ("ReadyForQuery", "I")
            assert conn.value("select count(*) from left_open") == "0"
    finally:
        primary.psql("drop table left_open")


def test_prepared_names_are_the_backends_own_in_session_mode(one):
    pooler = one("session")
    with pooler.connect() as conn:
        conn.ask(parse("mine", "select 1"), sync())
        assert conn.value("select name from pg_prepared_statements") == "mine"
    with pooler.connect() as conn:
        assert conn.value("select count(*) from pg_prepared_statements") == "0"


# ---- transaction

@pytest.mark.sanitize
def test_clients_take_turns_between_transactions(one):
    pooler = one("transaction")
    with pooler.connect() as first, pooler.connect() as second:
        assert pid(first) == pid(second) == pid(first)
        first.ask(query("begin"))
        second.send(query("select 2"))
        assert second.is_silent(0.2)
        first.ask(query("commit"))
        assert ("DataRow", ["2"]) in second.read_answers()


def test_a_failed_transaction_keeps_its_backend_until_its_end(one):
    pooler = one("transaction")
    with pooler.connect() as first, pooler.connect() as second:
        first.ask(query("begin"))
        first.ask(query("select 1/0"))
        second.send(query("select 2"))
        assert second.is_silent(0.2)
        assert first.ask(query("rollback"))[-1] == ("ReadyForQuery", "I")
        assert ("DataRow", ["2"]) in second.read_answers()


@pytest.mark.sanitize
def test_each_client_has_its_own_parameters(one):
    """On a single backend, all asking at once: each is served in its turn, under its own values."""
    pooler = one("transaction", workers=2)
    zones = ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Africa/Cairo"]
    clients = [pooler.connect(timezone=zone, application_name=f"app {number}") for number, zone in enumerate(zones)]
    try:
        for _ in range(30):
            for conn in clients:
                conn.send(query("select current_setting('timezone'), current_setting('application_name')"))
            for number, conn in enumerate(clients):
                assert ("DataRow", [zones[number], f"app {number}"]) in conn.read_answers()
        for number, conn in enumerate(clients):
            conn.rows(f"set timezone to '{zones[-1 - number]}'")
        for number, conn in enumerate(clients):
            assert conn.value("show timezone") == zones[-1 - number]
    finally:
        for conn in clients:
            conn.close()


def test_a_parameter_set_in_a_rolled_back_transaction_is_as_before(one):
    pooler = one("transaction")
    with pooler.connect(timezone="Asia/Tokyo") as first, pooler.connect() as second:
        first.ask(query("begin"))
        first.ask(query("set timezone to 'Europe/Berlin'"))
        first.ask(query("rollback"))
        assert second.value("show timezone") != "Asia/Tokyo"
        assert first.value("show timezone") == "Asia/Tokyo"


def test_an_encoding_is_the_clients_own(one):
    pooler = one("transaction")
    with pooler.connect() as utf8, pooler.connect(client_encoding="LATIN1") as latin1:
        for _ in range(3):
            assert utf8.value("select chr(233)") == "é"
            assert latin1.value("select chr(233)") == b"\xe9"


def test_the_reset_query_is_for_session_mode_unless_always(one):
    pooler = one("transaction", server_reset_query_always=1)
    with pooler.connect() as conn:
        conn.rows("set work_mem to '9MB'")
        assert conn.value("show work_mem") == "4MB"


# ---- statement

@pytest.mark.sanitize
def test_statement_mode_has_no_transaction_blocks(one):
    pooler = one("statement")
    with pooler.connect() as conn:
        assert conn.value("select 1") == "1"
        conn.send(query("begin"))
        last = conn.read_to_end()[-1]
        assert last[0] == "ErrorResponse" and last[1]["S"] == "FATAL" and "statement pooling" in last[1]["M"]
    with pooler.connect() as conn:
        assert conn.value("select 1") == "1", "the transaction is not the next one's"


def test_a_batch_is_one_statement_of_statement_mode(one):
    pooler = one("statement")
    with pooler.connect() as conn:
        answers = conn.ask(parse("s", "select $1::int"), bind("", "s", ["1"]), execute(), bind("", "s", ["2"]),
                           execute(), sync())
        assert [answer[1] for answer in answers if answer[0] == "DataRow"] == [["1"], ["2"]]


# ---- modes beside each other

def test_modes_of_entries_and_users(primary, make_pooler):
    pooler = make_pooler({"lasting": primary.entry(dbname="postgres", pool_mode="session"), "*": primary.entry()},
                         settings={"default_pool_size": 2}, more="[users]\nalice = pool_mode=session\n")
    for database, user, stays in (("lasting", "app", True), ("postgres", "app", False), ("postgres", "alice", True)):
        with pooler.connect(database, user) as conn:
            assert conn.value("select 1") == "1"
            assert pooler.pool(database, user)["sv_active"] == int(stays), (database, user)
