"""COPY in both directions and both protocols, its errors, and much of it."""

import hashlib

import pytest

from pgpooler_testlib import rawconn, scale, wait_until

MEGABYTE = 1 << 20
RESIDENT_GROWTH = 64 * MEGABYTE


@pytest.fixture
def table(primary):
    primary.psql("create table copied (n int, words text)")
    yield "copied"
    primary.psql("drop table copied")


@pytest.fixture
def narrow(make_pooler):
    """One backend for everybody."""
    return make_pooler(settings={"default_pool_size": 1})


def start(protocol, sql):
    """(the messages that start this COPY, the messages that end its batch)"""
    if protocol == "simple":
        return rawconn.query(sql), b""
    return rawconn.parse("", sql) + rawconn.bind() + rawconn.execute(), rawconn.sync()


def names(answers):
    return [answer[0] for answer in answers]


def code_of(answers):
    return next((answer[1]["C"] for answer in answers if answer[0] == "ErrorResponse"), None)


BOTH = pytest.mark.parametrize("protocol", ["simple", "extended"])


@pytest.mark.sanitize
@BOTH
def test_rows_go_in_and_come_out(narrow, table, protocol):
    rows = [f"{number}\tword {number}\n".encode() for number in range(100)]
    with narrow.connect() as conn:
        begin, end = start(protocol, f"copy {table} from stdin")
        conn.send(begin, *(rawconn.copy_data(row) for row in rows), rawconn.copy_done(), end)
        answers = conn.read_answers()
        assert ("CommandComplete", "COPY 100") in answers and code_of(answers) is None
        begin, end = start(protocol, f"copy {table} to stdout")
        answers = conn.ask(begin, end)
        assert b"".join(answer[1] for answer in answers if answer[0] == "CopyData") == b"".join(rows)
        assert names(answers)[-3:] == ["CopyDone", "CommandComplete", "ReadyForQuery"]
        assert conn.value("select 'goes on'") == "goes on"


@BOTH
def test_binary_copies_are_identical(narrow, table, protocol):
    with narrow.connect() as conn:
        conn.rows(f"insert into {table} select n, repeat(md5(n::text), n % 50) from generate_series(1, 500) n")
        begin, end = start(protocol, f"copy {table} to stdout (format binary)")
        data = [answer[1] for answer in conn.ask(begin, end) if answer[0] == "CopyData"]
        before = conn.value(f"select md5(string_agg(n || words, ',' order by n)) from {table}")
        conn.rows(f"truncate {table}")
        begin, end = start(protocol, f"copy {table} from stdin (format binary)")
        conn.send(begin, *(rawconn.copy_data(piece) for piece in data), rawconn.copy_done(), end)
        assert ("CommandComplete", "COPY 500") in conn.read_answers()
        assert conn.value(f"select md5(string_agg(n || words, ',' order by n)) from {table}") == before


# What goes wrong: the messages in the middle, and the SQLSTATE that comes of it.
ERRORS = {
    "a bad row at the start": (rawconn.copy_data(b"not a number\tx\n"), "22P02"),
    "a bad row, then thousands more": (
        rawconn.copy_data(b"1\tx\n") + rawconn.copy_data(b"bad\tx\n") + 5000 * rawconn.copy_data(b"2\tmore\n"),
        "22P02"),
    "the client fails it": (rawconn.copy_data(b"1\tx\n") + rawconn.copy_fail("changed my mind"), "57014"),
}


@pytest.mark.sanitize
@BOTH
@pytest.mark.parametrize("what", ERRORS)
def test_an_error_in_a_copy_in_leaves_the_connection_in_step(narrow, table, protocol, what):
    middle, code = ERRORS[what]
    ends_itself = "fails" in what
    begin, end = start(protocol, f"copy {table} from stdin")
    messages = begin + middle + (b"" if ends_itself else rawconn.copy_done()) + end
    with narrow.connect() as conn, narrow.connect() as other:
        answers = conn.ask(messages)
        assert code_of(answers) == code and answers[-1] == ("ReadyForQuery", "I")
        assert conn.value("select 'goes on'") == "goes on"
        assert other.value(f"select count(*) from {table}") == "0"
        # Inside of a block it fails the block.
        conn.rows("begin")
        assert conn.ask(messages)[-1] == ("ReadyForQuery", "E")
        conn.rows("rollback")
        assert other.value(f"select count(*) from {table}") == "0"


@BOTH
def test_an_error_in_a_copy_out_leaves_the_connection_in_step(narrow, protocol):
    """Rows come first, then the error: the division fails in the middle."""
    begin, end = start(protocol, "copy (select 1 / (2000 - n) from generate_series(1, 5000) n) to stdout")
    with narrow.connect() as conn:
        answers = conn.ask(begin, end)
        assert "CopyData" in names(answers) and code_of(answers) == "22012"
        assert answers[-1] == ("ReadyForQuery", "I")
        assert conn.value("select 'goes on'") == "goes on"


@pytest.mark.sanitize
@BOTH
def test_copy_answers_are_those_of_a_direct_connection(primary, narrow, table, protocol):
    begin, end = start(protocol, f"copy {table} from stdin")
    with rawconn.RawConn(primary.port) as direct, narrow.connect() as pooled:
        for middle, _code in ERRORS.values():
            # Whether CopyDone belongs to the COPY or comes behind its error, it is not answered.
            rawconn.same_answers(direct, pooled, begin, middle, rawconn.copy_done(), end)
            rawconn.same_answers(direct, pooled, rawconn.query("select 'in step'"))
        begin, end = start(protocol, f"copy {table} to stdout")
        rawconn.same_answers(direct, pooled, begin, end)


@pytest.mark.sanitize
def test_a_query_in_the_middle_of_a_copy_ends_the_connection(primary, narrow, table):
    """PostgreSQL has lost its place in the stream then: the client hears so, and others go on."""
    def codes(conn):
        conn.send(rawconn.query(f"copy {table} from stdin"), rawconn.copy_data(b"1\tx\n"), rawconn.query("select 1"))
        return [(answer[1]["S"], answer[1]["C"]) for answer in conn.read_to_end() if answer[0] == "ErrorResponse"]

    with narrow.connect() as other:
        expected = codes(rawconn.RawConn(primary.port))
        assert expected[-1] == ("FATAL", "08P01")
        assert codes(narrow.connect()) == expected
        assert other.value(f"select count(*) from {table}") == "0"


def test_a_copy_between_statements_of_one_query(narrow, table):
    with narrow.connect() as conn:
        conn.send(rawconn.query(f"select 1; copy {table} from stdin; copy {table} to stdout; select 2"),
                  rawconn.copy_data(b"7\tseven\n"), rawconn.copy_done())
        answers = conn.read_answers()
        assert [answer[1] for answer in answers if answer[0] == "CommandComplete"] == [
            "SELECT 1", "COPY 1", "COPY 1", "SELECT 1"]
        assert ("CopyData", b"7\tseven\n") in answers


@pytest.fixture
def measured(narrow):
    """The growth of the pooler's memory over the test."""
    with narrow.connect() as conn:
        conn.value("select 1")
    before = narrow.process.resident_bytes()
    peak = [before]
    yield lambda: peak.append(narrow.process.resident_bytes())
    assert max(peak) - before < RESIDENT_GROWTH, f"the pooler grew by {(max(peak) - before) / MEGABYTE:.0f} MB"


def bulk_bytes():
    return min(scale(96), 1024) * MEGABYTE


def test_bulk_comes_out_whole_and_in_bounded_memory(primary, narrow, measured):
    """A slow reader too: what PostgreSQL sends may not pile up in the pooler."""
    row = 1000
    sql = f"select rpad(n::text, {row}, md5(n::text)) from generate_series(1, {bulk_bytes() // row}) n"
    expected = hashlib.sha256()
    for number in range(1, bulk_bytes() // row + 1):
        word = hashlib.md5(str(number).encode()).hexdigest()
        expected.update((str(number) + word * (row // 32 + 1))[:row].encode() + b"\n")
    seen, received, measure_at = hashlib.sha256(), 0, 0
    with narrow.connect(timeout=60) as conn:
        conn.send(rawconn.query(f"copy ({sql}) to stdout"))
        # Time for whatever would pile up: the server works at its own speed until it is held back.
        waiting = "query like 'copy (select rpad%' and wait_event = 'ClientWrite'"
        wait_until(lambda: primary.backends(waiting), 30, "the server waits for its reader")
        measured()
        kind, body = conn.read_raw()
        assert kind == "H"
        while True:
            kind, body = conn.read_raw()
            if kind != "d":
                break
            seen.update(body)
            received += len(body)
            if received >= measure_at:
                measured()
                measure_at = received + 8 * MEGABYTE
        assert kind == "c" and seen.hexdigest() == expected.hexdigest()
        assert conn.read_answers()[-1] == ("ReadyForQuery", "I")
        assert conn.value("select 'goes on'") == "goes on"


def test_bulk_goes_in_whole_and_in_bounded_memory(primary, narrow, measured):
    """The server is held up by a lock for a while: what the client sends may not pile up in the pooler."""
    primary.psql("create unlogged table bulky (words text)")
    piece = ("x" * 999 + "\n").encode() * 64
    message = rawconn.copy_data(piece)
    count = bulk_bytes() // len(piece)
    try:
        with narrow.connect(timeout=60) as conn, rawconn.RawConn(primary.port) as holder:
            holder.rows("begin; lock table bulky")
            conn.send(rawconn.query("copy bulky from stdin"))
            conn.socket.setblocking(False)
            sent, total = 0, count * len(message)

            def push():
                """Sends what the pooler takes; true when it takes no more, or all is sent."""
                nonlocal sent
                try:
                    while sent < total:
                        at = sent % len(message)
                        sent += conn.socket.send(message[at:])
                except BlockingIOError:
                    return True
                return True

            push()
            measured()
            assert sent < total, "somebody holds back"
            holder.rows("commit")
            conn.socket.settimeout(60)
            conn.send(message[sent % len(message):] if sent % len(message) else b"")
            done = -(-sent // len(message))
            for number in range(done, count):
                conn.send(message)
                if number % 128 == 0:
                    measured()
            conn.send(rawconn.copy_done())
            assert ("CommandComplete", f"COPY {count * 64}") in conn.read_answers()
            assert conn.value("select 'goes on'") == "goes on"
        assert primary.psql("select count(*), sum(length(words)), count(distinct words) from bulky") == (
            f"{count * 64}|{count * 64 * 999}|1")
    finally:
        primary.psql("drop table bulky")
