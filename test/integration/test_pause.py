"""What operators do to a pooler under load, and what servers do to it: nothing is lost, and what fails is told."""

import concurrent.futures
import contextlib
import signal
import threading

import pytest

from pgpooler_testlib import Cluster, Pooler, ServerError, rawconn, scale, wait_until
from pgpooler_testlib.cluster import pgbench

CLIENTS = 8
TRANSACTIONS = scale(400)


@contextlib.contextmanager
def load(pooler, dbname, *options):
    """pgbench works while the block runs, and every transaction of it must succeed."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        start = totals(pooler, dbname)
        result = thread.submit(pgbench, "-S", "-c", CLIENTS, "-j", 2, "-t", TRANSACTIONS, *options, host=pooler.host,
                               port=pooler.port, user="app", dbname=dbname)
        try:
            wait_until(lambda: result.done() or totals(pooler, dbname) > start + 50, 20, "pgbench is at work")
            yield lambda: not result.done()
        finally:
            figures = result.result(120)
    assert figures["transactions"] == CLIENTS * TRANSACTIONS and figures["failed"] == 0, figures["output"]


def totals(pooler, dbname):
    return sum(int(row["total_xact_count"]) for row in pooler.show("STATS", database=dbname))


def backends_of(pooler, dbname):
    return {row["remote_pid"] for row in pooler.show("SERVERS", database=dbname)}


@pytest.fixture(scope="module")
def benched(primary):
    primary.pgbench_init(1, "app", "app")
    return primary


@pytest.fixture(params=[1, 2], ids=["1 worker", "2 workers"])
def pooler(benched, make_pooler, request):
    entry = benched.entry(dbname="app")
    return make_pooler({"app": entry, "postgres": benched.entry()},
                       settings={"default_pool_size": 4, "workers": request.param})


@pytest.mark.sanitize
def test_pause_and_resume_lose_nothing(pooler, benched):
    rounds = 0
    with load(pooler, "app") as goes_on:
        while goes_on() and rounds < 8:
            pooler.admin("PAUSE app" if rounds % 2 else "PAUSE")
            assert backends_of(pooler, "app") == set(), "PAUSE has closed what was free, and waited for the rest"
            done = totals(pooler, "app")
            assert backends_of(pooler, "app") == set() and totals(pooler, "app") == done
            pooler.admin("RESUME app" if rounds % 2 else "RESUME")
            resumed_from = done
            wait_until(lambda: not goes_on() or totals(pooler, "app") > resumed_from, 10, "the load goes on")
            rounds += 1
    assert rounds > 2, "the load was over too soon"


@pytest.mark.sanitize
def test_pause_waits_for_transactions(pooler):
    with pooler.connect("app", "app") as client, pooler.console() as console:
        client.rows("begin")
        console.send(rawconn.query("PAUSE"))
        assert console.is_silent(0.2), "a client is in a transaction"
        assert client.value("select 'goes on'") == "goes on"
        client.rows("commit")
        assert ("CommandComplete", "PAUSE") in console.read_answers()
        client.send(rawconn.query("select 'after the pause'"))
        assert client.is_silent(0.2)
        pooler.admin("RESUME")
        assert ("DataRow", ["after the pause"]) in client.read_answers()


@pytest.mark.sanitize
def test_reloads_lose_nothing(pooler, benched):
    """Pool sizes up and down, and an entry that changes so that its connections are replaced."""
    changes = [{"default_pool_size": 1}, {"default_pool_size": 6}, {"max_db_connections": 2},
               {"max_db_connections": 0}, {"server_lifetime": 1, "query_wait_timeout": 60},
               {"server_lifetime": 3600, "min_pool_size": 3}]

    def renamed(name):
        return benched.entry(dbname="app", connect_query=f"'set pooler.name = ''{name}'''")

    rounds = 0
    with load(pooler, "app") as goes_on:
        while goes_on() and rounds < 30 or rounds < len(changes):
            pooler.settings.update(changes[rounds % len(changes)])
            if rounds % 2:
                pooler.databases["app"] = renamed(f"round {rounds}")
            pooler.write_config()
            pooler.reload()
            done = totals(pooler, "app")
            wait_until(lambda: not goes_on() or totals(pooler, "app") > done + 20, 10, "the load goes on")
            rounds += 1
    before = backends_of(pooler, "app")
    pooler.databases["app"] = renamed("the last one")
    pooler.write_config()
    pooler.reload()
    with pooler.connect("app", "app") as client:
        assert client.value("select current_setting('pooler.name')") == "the last one"
    wait_until(lambda: not before & backends_of(pooler, "app"), 10, "connections from before are gone")


@pytest.mark.sanitize
def test_newcomers_are_welcomed_by_the_new_server(pooler, benched):
    """An entry that leads elsewhere since a reload: what was learned from the old server is not said any more."""
    benched.create_database("elsewhere")
    benched.psql("alter database elsewhere set timezone = 'Asia/Tokyo'")
    before = pooler.connect("app", timezone="Europe/Paris")
    assert before.value("show timezone") == "Europe/Paris"
    pooler.databases["app"] = benched.entry(dbname="elsewhere")
    pooler.write_config()
    pooler.reload()
    for _ in range(4):
        with pooler.connect("app") as newcomer:
            assert newcomer.value("select current_database()") == "elsewhere"
            assert newcomer.value("show timezone") == "Asia/Tokyo" == newcomer.parameters["TimeZone"]
    assert before.value("show timezone") == "Europe/Paris", "its own wish"
    before.close()
    pooler.admin("PAUSE")
    benched.psql("drop database elsewhere")


@pytest.mark.sanitize
def test_a_removed_entry_is_told_and_others_go_on(pooler, benched):
    with load(pooler, "app"):
        with pooler.connect("postgres") as doomed:
            doomed.value("select 1")
            entry = pooler.databases.pop("postgres")
            pooler.write_config()
            pooler.reload()
            doomed.send(rawconn.query("select 1"))
            errors = [answer[1] for answer in doomed.read_to_end() if answer[0] == "ErrorResponse"]
            assert [error["S"] for error in errors] == ["FATAL"], errors
        with pytest.raises(ServerError, match="no such database: postgres"):
            pooler.connect("postgres")
    pooler.databases["postgres"] = entry
    pooler.write_config()
    pooler.reload()
    with pooler.connect("postgres") as client:
        assert client.value("select 'back'") == "back"


@pytest.mark.sanitize
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_waits_for_clients(benched, workers):
    pooler = Pooler({"app": benched.entry(dbname="app")}, settings={"workers": workers})
    with contextlib.ExitStack() as at_end:
        at_end.callback(pooler.drop)
        pooler.start()
        first, second = (pooler.connect("app", "app") for _ in range(2))
        second.rows("begin")
        pooler.signal(signal.SIGTERM)
        pooler.wait_log("got SIGTERM")
        for number in range(20):
            assert first.value(f"select {number}") == str(number)
        with pytest.raises((ServerError, OSError, EOFError)):
            pooler.connect("app", "app")
        first.close()
        second.rows("commit")
        assert pooler.process.is_running(), "a client is there still"
        second.close()
        assert pooler.process.wait(10) == 0
        pooler.check_log()


@pytest.mark.sanitize
def test_a_terminated_backend_is_the_servers_own_word(pooler, benched):
    """Linked to a client: the client hears what the server said. Idle: nobody hears of it."""
    with pooler.connect("app", "app") as client:
        client.rows("begin")
        pid = client.value("select pg_backend_pid()")
        benched.psql(f"select pg_terminate_backend({pid})")
        answers = client.read_to_end()
        assert [answer[1]["C"] for answer in answers if answer[0] == "ErrorResponse"] == ["57P01"], answers
    with pooler.connect("app", "app") as client:
        for _ in range(3):
            pid = client.value("select pg_backend_pid()")
            benched.psql(f"select pg_terminate_backend({pid})")
            wait_until(lambda: pid not in backends_of(pooler, "app"), 10, "the pooler knows")
            assert client.value("select 'unharmed'") == "unharmed"


def test_a_terminated_query_is_the_servers_own_word(pooler, benched):
    with pooler.connect("app", "app") as client:
        client.send(rawconn.query("select pg_sleep(60), 'terminate me'"))
        running = "state = 'active' and query like '%terminate me%'"
        wait_until(lambda: benched.backends(running), 10, "the query runs")
        benched.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where {running} "
                     "and pid <> pg_backend_pid()")
        answers = client.read_to_end()
        assert [answer[1]["C"] for answer in answers if answer[0] == "ErrorResponse"] == ["57P01"], answers


@pytest.mark.sanitize
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_restart_is_told_and_survived(mode):
    """Clients in a transaction get a FATAL error with a reason; all can work again when the server is back."""
    # One backend: a second one that was about to log in would make the pool known as down, and newcomers fail fast.
    settings = {"server_login_retry": 1, "default_pool_size": 1}
    with Cluster("restarted") as cluster, Pooler(cluster, settings=settings) as pooler:
        linked, idle = pooler.connect(), pooler.connect()
        idle.value("select 1")
        linked.rows("begin")
        linked.value("select 1")
        cluster.stop(mode)
        errors = [answer[1] for answer in linked.read_to_end() if answer[0] == "ErrorResponse"]
        assert [(error["S"], error["C"]) for error in errors] in (
            [("FATAL", "57P01")], [("WARNING", "57P02")], [("FATAL", "57P02")], [("FATAL", "08006")]), errors
        linked.close()
        idle.send(rawconn.query("select 'patient'"))
        cluster.start()
        # One that queued already is served when the server is back.
        answers = idle.read_answers()
        assert ("DataRow", ["patient"]) in answers

        def works():
            try:
                with pooler.connect() as client:
                    return client.value("select 'again'") == "again"
            except (ServerError, OSError, EOFError):
                return False

        wait_until(works, 20, "new clients are served")
        idle.close()


@pytest.mark.sanitize
def test_newcomers_hear_at_once_that_the_server_is_down():
    with Cluster("down") as cluster, Pooler(cluster, settings={"server_login_retry": 30}) as pooler:
        pooler.connect().close()
        cluster.stop()
        wait_until(lambda: not pooler.show("SERVERS", database="postgres"), 10, "the pooler knows")
        waiting = pooler.connect()
        waiting.send(rawconn.query("select 1"))
        pooler.wait_log("connect failed")
        with pooler.connect() as newcomer:
            newcomer.send(rawconn.query("select 1"))
            (_name, error), = newcomer.read_to_end()
            assert error["S"] == "FATAL" and "server login has been failing" in error["M"]
        waiting.vanish()
        wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 0, 10, "it has left the queue")
        cluster.start()


def test_a_busy_console_does_not_hold_up_the_load(pooler):
    """Every SHOW while it works, from four consoles."""
    with load(pooler, "app") as goes_on:
        def look(_number):
            while goes_on():
                for what in ("POOLS", "CLIENTS", "SERVERS", "STATS", "LISTS"):
                    pooler.show(what)

        threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
