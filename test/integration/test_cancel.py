"""Cancel requests: they reach the query they are meant for, and no other."""

import contextlib
import random

import pytest

from pgpooler_testlib import RawConn, ServerError, rawconn, scale, wait_until

CANCELED = "57014"


def cancel(pooler, pid, key):
    """Returns when the pooler has closed the cancel connection, which it does when all is done."""
    with RawConn(pooler.port, login=False) as conn:
        conn.send(rawconn.cancel_request(pid, key))
        assert conn.read_to_end() == [], "a cancel request is never answered"


def codes(answers):
    return [answer[1]["C"] for answer in answers if answer[0] == "ErrorResponse"]


def rows(answers):
    return [answer[1] for answer in answers if answer[0] == "DataRow"]


@contextlib.contextmanager
def running(primary, conn, sql="select pg_sleep(60)"):
    """The query has begun in PostgreSQL when the block begins; a short one may be over."""
    marked = f"{sql} /* {random.getrandbits(64):x} */"
    conn.send(rawconn.query(marked))
    mark = marked.split("/*")[1].split()[0]
    wait_until(lambda: primary.backends(f"query like '%{mark}%'"), 10, "the query runs")
    yield


@pytest.mark.sanitize
@pytest.mark.parametrize("version", [rawconn.PROTOCOL_3_0, rawconn.PROTOCOL_3_2], ids=["3.0", "3.2"])
def test_a_running_query_is_cancelled_and_its_client_goes_on(primary, pooler, version):
    with pooler.connect(version=version) as client:
        with running(primary, client):
            cancel(pooler, client.pid, client.key)
        answers = client.read_answers()
        assert codes(answers) == [CANCELED] and answers[-1] == ("ReadyForQuery", "I")
        assert client.value("select 7") == "7"


def test_a_cancelled_transaction_is_failed_and_can_be_rolled_back(primary, pooler):
    with pooler.connect() as client:
        client.rows("begin")
        with running(primary, client):
            cancel(pooler, client.pid, client.key)
        assert client.read_answers()[-1] == ("ReadyForQuery", "E")
        with pytest.raises(ServerError, match="25P02"):
            client.rows("select 1")
        client.rows("rollback")
        assert client.value("select 7") == "7"


def test_the_keys_are_the_poolers_own(pooler):
    """Two clients on one backend have keys of their own, and neither has PostgreSQL's."""
    pooler.set(default_pool_size=1)
    with pooler.connect() as one, pooler.connect() as other:
        assert one.value("select pg_backend_pid()") == other.value("select pg_backend_pid()")
        assert str(one.pid) != one.value("select pg_backend_pid()")
        assert (one.pid, one.key) != (other.pid, other.key) and one.key != other.key


@pytest.mark.sanitize
@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_key_does_nothing(primary, make_pooler, workers):
    pooler = make_pooler(settings={"workers": workers})
    with pooler.connect() as client, pooler.connect() as other:
        key = client.key
        wrong = [
            ("one bit", client.pid, bytes([key[0] ^ 1]) + key[1:]),
            ("the last bit", client.pid, key[:-1] + bytes([key[-1] ^ 0x80])),
            ("nothing but zeros", client.pid, bytes(len(key))),
            ("a longer key", client.pid, key + b"\0"),
            ("another client's key", client.pid, other.key),
            ("another client's number", other.pid, key),
            ("a number that nobody has", client.pid + 1000, key),
            ("a worker that is not there", client.pid | 0x7f000000, key),
            ("the number 0", 0, key),
            ("the largest number", 0xffffffff, key),
        ]
        with running(primary, client, "select pg_sleep(0.5), 'whole'"):
            for _what, pid, guess in wrong:
                cancel(pooler, pid, guess)
        assert rows(client.read_answers()) == [["", "whole"]], [what for what, _pid, _key in wrong]


def test_a_malformed_cancel_request_does_nothing(primary, pooler):
    with pooler.connect() as client:
        with running(primary, client, "select pg_sleep(0.3), 'whole'"):
            for body in (b"", b"\0\0", b"\0\0\0\1", b"\0\0\0\1\0\0", b"\0\0\0\1" + b"k" * 300, b"k" * 3000):
                with RawConn(pooler.port, login=False) as conn:
                    conn.send((len(body) + 8).to_bytes(4, "big"), (80877102).to_bytes(4, "big"), body)
                    assert [answer for answer in conn.read_to_end() if answer[0] != "ErrorResponse"] == []
        assert rows(client.read_answers()) == [["", "whole"]]


def test_an_idle_client_is_not_harmed_by_its_own_cancel(pooler):
    with pooler.connect() as client:
        for number in range(20):
            cancel(pooler, client.pid, client.key)
            assert client.value(f"select {number}") == str(number)
        client.rows("begin")
        cancel(pooler, client.pid, client.key)
        assert client.value("select 1") == "1"
        client.rows("commit")


@pytest.mark.sanitize
@pytest.mark.parametrize("workers", [1, 2])
def test_a_queued_query_is_cancelled_and_its_client_goes_on(make_pooler, workers):
    pooler = make_pooler(settings={"default_pool_size": 1, "workers": workers})
    with pooler.connect() as holder, pooler.connect() as client:
        assert client.value("select 1") == "1"
        holder.rows("begin")
        client.send(rawconn.parse("", "select 'first'"), rawconn.bind(), rawconn.execute(), rawconn.sync(),
                    rawconn.query("select 'second'"))
        wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 10, "the client queues")
        cancel(pooler, client.pid, client.key)
        answers = client.read_answers()
        assert codes(answers) == [CANCELED] and answers[-1] == ("ReadyForQuery", "I")
        # Only one request: the next one still waits.
        wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 10, "the client queues again")
        holder.rows("commit")
        assert rows(client.read_answers()) == [["second"]]
        assert client.value("select 7") == "7"


@pytest.mark.sanitize
@pytest.mark.parametrize("workers", [1, 2])
def test_a_late_cancel_hits_nobody_else(make_pooler, workers):
    """The cancel comes when the query is about over and another client is the next on the same backend."""
    quiet = dict.fromkeys(("log_connections", "log_disconnections", "log_pooler_errors"), 0)
    pooler = make_pooler(settings={"default_pool_size": 1, "workers": workers, **quiet})
    chance = random.Random(1)
    cancelled = unharmed = 0
    with pooler.connect() as target, pooler.connect() as bystander:
        for number in range(scale(400)):
            target.send(rawconn.query(f"select pg_sleep({chance.uniform(0, 0.003):.6f})"))
            bystander.send(rawconn.query(f"select pg_sleep(0.002), {number}"))
            cancel(pooler, target.pid, target.key)
            assert codes(target.read_answers()) in ([], [CANCELED])
            bystander_says = bystander.read_answers()
            assert codes(bystander_says) == [], f"round {number}: the cancel was for another client"
            assert rows(bystander_says) == [["", str(number)]]
            # And not the target's own next query either, which it never asked to cancel.
            answers = target.ask(rawconn.query("select 'next'"))
            cancelled += codes(answers) == [CANCELED]
            unharmed += rows(answers) == [["next"]]
        assert cancelled == 0 and unharmed == scale(400)
