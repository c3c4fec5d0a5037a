"""Clients that send half of something, or go without a word."""

import socket

import pytest

from pgpooler_testlib import rawconn, wait_until

INSERT = "insert into vanished values (1)"


@pytest.fixture
def table(primary):
    primary.psql("create table vanished (n int)")
    yield "vanished"
    primary.psql("drop table vanished")


@pytest.fixture
def narrow(make_pooler):
    """One backend for everybody."""
    return make_pooler(settings={"default_pool_size": 1, "workers": 1})


def received(console):
    """Bytes that clients have sent so far, and that were looked at."""
    return sum(int(row["total_received"]) for row in console.dicts("SHOW STATS") if row["database"] == "postgres")


def pool_counts(console):
    row = next(row for row in console.dicts("SHOW POOLS") if row["database"] == "postgres")
    return {name: int(row[name]) for name in ("cl_waiting", "sv_active", "sv_idle")}


def go(conn, how):
    """reset: the kernel says so. end: the stream ends, as when a process is killed."""
    if how == "reset":
        conn.vanish()
    else:
        conn.socket.close()


@pytest.mark.sanitize
@pytest.mark.parametrize("message", [
    rawconn.query("select 'whole'"),
    rawconn.parse("", "select 'whole'") + rawconn.bind() + rawconn.execute() + rawconn.sync(),
], ids=["simple", "extended"])
def test_half_a_message_holds_no_backend(narrow, message):
    first_whole = 1 + int.from_bytes(message[1:5], "big")
    with narrow.connect() as client, narrow.console() as console:
        client.value("select 1")
        start = received(console)
        for sent in range(1, first_whole):
            client.send(message[sent - 1:sent])
            wait_until(lambda: received(console) == start + sent, 10, "the byte has arrived")
            assert pool_counts(console) == {"cl_waiting": 0, "sv_active": 0, "sv_idle": 1}, f"after {sent} bytes"
        client.send(message[first_whole - 1:])
        assert ("DataRow", ["whole"]) in client.read_answers()


@pytest.mark.sanitize
def test_slow_senders_do_not_keep_others_waiting(narrow):
    """Ten with half a message each, one backend, and somebody who has work for it."""
    with narrow.connect() as worker:
        slow = [narrow.connect() for _ in range(10)]
        for client in slow:
            client.send(rawconn.query("select 'at last'")[:-1])
        for number in range(50):
            assert worker.value(f"select {number}") == str(number)
        for client in slow:
            client.send(b"\0")
            assert ("DataRow", ["at last"]) in client.read_answers()
            client.close()


# What a client leaves behind: bytes it has sent, and whether their answers were read before it goes.
UNFINISHED = {
    "an open block": rawconn.query(f"begin; {INSERT}"),
    "an open block and half a message": rawconn.query(f"begin; {INSERT}") + rawconn.query(INSERT)[:-3],
    "an open block and a running query": rawconn.query(f"begin; {INSERT}") + rawconn.query("select pg_sleep(60)"),
    "a failed block": rawconn.query(f"begin; {INSERT}") + rawconn.query("select 1/0"),
    "half a batch": rawconn.parse("", INSERT) + rawconn.bind() + rawconn.execute(),
    "half a batch, flushed": rawconn.parse("", INSERT) + rawconn.bind() + rawconn.execute() + rawconn.flush(),
    "half a batch and half a message":
        rawconn.parse("", INSERT) + rawconn.bind() + rawconn.execute() + rawconn.sync()[:2],
    "a pipeline inside a block": rawconn.query("begin") + 20 * (
        rawconn.parse("", INSERT) + rawconn.bind() + rawconn.execute() + rawconn.sync()),
    "COPY in the middle": rawconn.query("copy vanished from stdin") + rawconn.copy_data(b"1\n2\n"),
    "COPY in the middle of a row": rawconn.query("copy vanished from stdin") + rawconn.copy_data(b"1\n2\n3"),
    "COPY in the middle of a message":
        rawconn.query("copy vanished from stdin") + rawconn.copy_data(b"1\n2\n") + rawconn.copy_data(b"3\n4\n")[:6],
    "COPY by the extended protocol":
        rawconn.parse("", "copy vanished from stdin") + rawconn.bind() + rawconn.execute() + rawconn.flush()
        + rawconn.copy_data(b"1\n2\n"),
    "a large result": rawconn.query(f"begin; {INSERT}; select repeat('x', 1000) from generate_series(1, 50000)"),
}


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("what", UNFINISHED)
def test_what_a_vanished_client_began_is_rolled_back(primary, narrow, table, what, how):
    with narrow.connect() as witness:
        backend = witness.value("select pg_backend_pid()")
        client = narrow.connect(application_name="the vanished one")
        with narrow.console() as console:
            start = received(console)
            client.send(UNFINISHED[what])
            wait_until(lambda: received(console) > start, 10, "the pooler works on it")
        go(client, how)
        # The witness is the next on the one backend there may be: its own answers and nothing else.
        answers = witness.ask(rawconn.query("select 'mine', pg_current_xact_id_if_assigned()"))
        assert [answer for answer in answers if answer[0] not in ("RowDescription", "ParameterStatus")] == [
            ("DataRow", ["mine", None]), ("CommandComplete", "SELECT 1"), ("ReadyForQuery", "I")]
        assert witness.value("select current_setting('application_name')") == ""
        assert witness.value(f"select count(*) from {table}") == "0"
    wait_until(lambda: not primary.backends(f"pid = {backend} and state <> 'idle'"), 10, "the backend rests or is gone")
    assert primary.psql(f"select count(*) from {table}") == "0"


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_vanished_clients_pipeline_is_whole_batches(narrow, table, how):
    """Batches that ended with a Sync may be there, the last one without it must not."""
    batch = rawconn.parse("", INSERT) + rawconn.bind() + rawconn.execute()
    with narrow.connect() as witness:
        for _ in range(10):
            client = narrow.connect()
            client.send(10 * (batch + rawconn.sync()), rawconn.parse("", "insert into vanished values (2)"),
                        rawconn.bind(), rawconn.execute())
            go(client, how)
            assert witness.ask(rawconn.query("select 'mine'"))[1] == ("DataRow", ["mine"])
        assert witness.value(f"select count(*) from {table} where n = 2") == "0"


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_vanished_clients_query_is_cancelled(primary, pooler, how):
    client = pooler.connect()
    client.send(rawconn.query("select pg_sleep(300), 'abandoned'"))
    abandoned = "state = 'active' and query like '%abandoned%'"
    wait_until(lambda: primary.backends(abandoned), 10, "the query runs")
    go(client, how)
    wait_until(lambda: not primary.backends(abandoned), 5, "the query is cancelled")


def test_a_vanished_clients_query_runs_on_when_told_so(primary, make_pooler):
    pooler = make_pooler(settings={"cancel_on_disconnect": 0})
    client = pooler.connect()
    client.send(rawconn.query("select pg_sleep(2), 'left alone'"))
    running = "state = 'active' and query like '%left alone%'"
    wait_until(lambda: primary.backends(running), 10, "the query runs")
    client.vanish()
    wait_until(lambda: not pooler.show("CLIENTS", database="postgres"), 5, "the client is gone")
    assert primary.backends(running), "nobody cancelled it"
    wait_until(lambda: not primary.backends(running), 10, "it ends by itself")


@pytest.mark.sanitize
def test_a_vanished_client_leaves_the_queue(narrow):
    with narrow.connect() as holder:
        holder.rows("begin")
        for how in ("reset", "end"):
            client = narrow.connect()
            client.send(rawconn.query("select 1"))
            wait_until(lambda: narrow.pool("postgres")["cl_waiting"] == 1, 10, "the client queues")
            go(client, how)
            wait_until(lambda: narrow.pool("postgres")["cl_waiting"] == 0, 10, "the client has left the queue")
        holder.rows("commit")


@pytest.mark.sanitize
@pytest.mark.parametrize("how", ["one write", "one by one"])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_a_half_closed_client_gets_all_its_answers(narrow, protocol, how):
    def request(number):
        sql = f"select {number}, repeat('x', 3000)"
        if protocol == "simple":
            return rawconn.query(sql)
        return rawconn.parse("", sql) + rawconn.bind() + rawconn.execute() + rawconn.sync()

    client = narrow.connect()
    requests = [request(number) for number in range(10)]
    for piece in ([b"".join(requests)] if how == "one write" else requests):
        client.send(piece)
    client.socket.shutdown(socket.SHUT_WR)
    answers = client.read_to_end()
    assert [answer[1][0] for answer in answers if answer[0] == "DataRow"] == [str(number) for number in range(10)]
    assert answers[-1] == ("ReadyForQuery", "I")
    client.socket.close()


def test_a_half_closed_login_is_served_or_ended(narrow):
    """Startup, query and the end in one go: all answers or an end, but never a hanging connection."""
    narrow.connect().close()
    client = rawconn.RawConn(narrow.port, login=False)
    client.send(rawconn.startup(user="postgres", database="postgres"), rawconn.query("select 'hello'"))
    client.socket.shutdown(socket.SHUT_WR)
    answers = client.read_to_end()
    assert answers[0] == ("Authentication", 0, b"")
    client.socket.close()
    wait_until(lambda: not narrow.show("CLIENTS", database="postgres"), 5, "the client is gone")


@pytest.mark.sanitize
def test_half_a_login_goes_away_with_its_client(narrow):
    startup = rawconn.startup(user="postgres", database="postgres")
    for count in (0, 1, 4, 8, len(startup) - 1):
        for how in ("reset", "end"):
            conn = rawconn.RawConn(narrow.port, login=False)
            conn.send(startup[:count])
            go(conn, how)
    wait_until(lambda: not [row for row in narrow.show("CLIENTS") if row["database"] != "pgbouncer"], 5,
               "they are gone")
    with narrow.connect() as client:
        assert client.value("select 1") == "1"
