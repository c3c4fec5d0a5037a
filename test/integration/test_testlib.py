"""The helpers themselves: what they promise to every other test."""

import os
import signal

import pytest

from pgpooler_testlib import Pooler, RawConn, ServerError, process, rawconn


def test_a_cluster_answers_and_its_replicas_follow(primary, replicas):
    primary.psql("create table if not exists followed (n int); insert into followed values (7)")
    for replica in replicas:
        primary.wait_replayed(replica)
        assert replica.rows("select n from followed") == [{"n": "7"}]
    primary.psql("drop table followed")


@pytest.mark.parametrize("method, encryption", [
    ("password", "scram-sha-256"), ("md5", "md5"), ("scram-sha-256", "scram-sha-256")])
def test_a_raw_connection_logs_in(primary, method, encryption):
    primary.create_role("bob", "bob-secret", encryption=encryption)
    primary.set_auth(method)
    try:
        with RawConn(primary.port, user="bob", secret="bob-secret") as conn:
            assert conn.value("select current_user") == "bob"
        with pytest.raises(ServerError, match="28P01"):
            RawConn(primary.port, user="bob", secret="wrong")
    finally:
        primary.set_auth("trust")
        primary.create_role("bob", "bob-secret")


def test_a_raw_connection_reads_messages(primary):
    with RawConn(primary.port) as conn:
        conn.send(rawconn.parse("s", "select $1::int"), rawconn.bind("", "s", ["42"]), rawconn.describe(),
                  rawconn.execute(), rawconn.sync(), rawconn.query("select 1/0"))
        assert conn.read_answers() == [
            ("ParseComplete",), ("BindComplete",), ("RowDescription", ["int4"]), ("DataRow", ["42"]),
            ("CommandComplete", "SELECT 1"), ("ReadyForQuery", "I")]
        error, ready = conn.read_answers()
        assert (error[0], error[1]["C"], ready) == ("ErrorResponse", "22012", ("ReadyForQuery", "I"))


@pytest.mark.sanitize
def test_a_pooler_serves_and_ends_well(pooler):
    with pooler.connect() as conn:
        assert conn.value("select 6 * 7") == "42"
    assert pooler.config()["pool_mode"] == "transaction"
    pooler.set(default_pool_size=3)
    assert pooler.config()["default_pool_size"] == "3"


def test_a_killed_pooler_is_noticed(primary):
    pooler = Pooler(primary)
    pooler.start()
    try:
        os.kill(pooler.process.pid, signal.SIGKILL)
        process.wait_until(lambda: not pooler.process.is_running(), 10, "it is gone")
        with pytest.raises(AssertionError, match="ended with -9"):
            pooler.stop()
    finally:
        pooler.drop()


def test_answers_through_the_pooler_are_compared(primary, pooler):
    with RawConn(primary.port) as direct, pooler.connect() as pooled:
        rawconn.same_answers(direct, pooled, rawconn.query("select 1; select 1/0"))
        with pytest.raises(AssertionError, match="the pooler says"):
            rawconn.same_answers(direct, pooled, rawconn.query("select pg_backend_pid()"))
