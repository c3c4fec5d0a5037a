"""Descriptors run out: accept has a rest, those who are in go on, and newcomers get in when others leave."""

import socket

from pgpooler_testlib import rawconn, wait_until

DESCRIPTORS = 48


def test_accept_rests_and_recovers(make_pooler):
    pooler = make_pooler(settings={"workers": 1}, wrapper=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"])
    # Smaller than max_client_conn: said at the start.
    pooler.wait_log(r"WARNING.*descriptor")
    inside = pooler.connect()
    assert inside.value("select 1") == "1"
    crowd = []
    try:
        for _ in range(DESCRIPTORS + 20):
            crowd.append(socket.create_connection(("127.0.0.1", pooler.port), 5))
            # tcp_defer_accept: those who say nothing are not shown to the pooler at once.
            crowd[-1].sendall(b"\0\0")
        pooler.wait_log(r"WARNING.*accept_failed.*Too many open files")
        spent = pooler.process.cpu_seconds()
        for number in range(200):
            assert inside.value(f"select {number}") == str(number)
        assert len(pooler.log().split("accept_failed")) <= 4, "one line for each rest, not for each try"
        assert pooler.process.cpu_seconds() - spent < 0.5, "it does not spin meanwhile"
    finally:
        for conn in crowd:
            conn.close()

    def gets_in():
        try:
            with pooler.connect(timeout=2) as newcomer:
                return newcomer.value("select 'in'") == "in"
        except OSError:
            return False

    wait_until(gets_in, 20, "newcomers get in again")
    assert inside.value("select 'still here'") == "still here"
    inside.close()


def test_server_connections_without_descriptors_fail_cleanly(make_pooler):
    """All descriptors are with clients when a new backend is wanted; it is tried again when some are free."""
    pooler = make_pooler(settings={"workers": 1, "server_login_retry": 1, "query_wait_timeout": 60},
                         wrapper=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"])
    with pooler.connect() as first, pooler.connect() as second:
        first.rows("begin")
        crowd = []
        try:
            for _ in range(DESCRIPTORS):
                crowd.append(socket.create_connection(("127.0.0.1", pooler.port), 5))
                crowd[-1].sendall(b"\0\0")
            pooler.wait_log(r"accept_failed")
            second.send(rawconn.query("select 'x'"))
            pooler.wait_log(r"server login failed|connect failed")
            assert first.value("select 'unharmed'") == "unharmed"
        finally:
            for conn in crowd:
                conn.close()
        assert ("DataRow", ["x"]) in second.read_answers()
        first.rows("commit")
