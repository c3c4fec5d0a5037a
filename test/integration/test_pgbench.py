"""pgbench with many more clients than backends: nothing fails, the books balance, the limit holds."""

import threading

import pytest

from pgpooler_testlib import process
from pgpooler_testlib.cluster import pgbench
from pgpooler_testlib.process import scale

CLIENTS, BACKENDS = 200, 10
BALANCES = """select (select sum(abalance) from pgbench_accounts) as accounts, (select sum(bbalance) from pgbench_branches) as branches,
       (select sum(tbalance) from pgbench_tellers) as tellers, (select coalesce(sum(delta), 0) from pgbench_history) as history"""


@pytest.fixture(scope="module")
def bank(primary):
    """A database of pgbench's own."""
    primary.create_database("bank", owner="app")
    primary.pgbench_init(scale=1, dbname="bank", user="app")
    yield "bank"
    primary.psql("drop database bank with (force)")


class BackendWatch:
    """The most backends of a database that were ever seen at once, looked at all the time."""

    def __init__(self, primary, dbname):
        self.primary, self.dbname, self.most = primary, dbname, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.over.wait(0.1):
            self.most = max(self.most, self.count())

    def count(self):
        return len(self.primary.backends(f"datname = '{self.dbname}' and backend_type = 'client backend'"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        self.thread.join()


def run_pgbench(pooler, script, protocol, seconds):
    """As many clients as there are tests for, on two threads; pgbench itself fails when a client does."""
    arguments = ["-n", "-b", script, "-M", protocol, "-c", CLIENTS, "-j", 2, "-T", seconds]
    return pgbench(*arguments, host=pooler.host, port=pooler.port, user="app", dbname="bank")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("script", ["select-only", "tpcb-like"])
def test_many_clients_on_few_backends(primary, bank, make_pooler, script, protocol, workers):
    pooler = make_pooler(settings={"default_pool_size": BACKENDS, "max_client_conn": CLIENTS + 10,
                                   "workers": workers, "log_connections": 0, "log_disconnections": 0})
    with BackendWatch(primary, bank) as watch:
        result = run_pgbench(pooler, script, protocol, scale(2))
    assert result["transactions"] > CLIENTS
    assert result["failed"] == 0
    assert 0 < watch.most <= BACKENDS
    books = primary.rows(BALANCES, dbname=bank)[0]
    assert len(set(books.values())) == 1, books


@pytest.mark.sanitize
@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_clients_come_and_go_with_every_transaction(primary, bank, make_pooler, protocol):
    pooler = make_pooler(settings={"default_pool_size": 3, "workers": 2})
    result = pgbench("-n", "-S", "-C", "-M", protocol, "-c", 10, "-j", 2, "-t", scale(20), host=pooler.host,
                     port=pooler.port, user="app", dbname=bank)
    assert result["transactions"] == scale(20) * 10
    assert result["failed"] == 0
    assert process.wait_until(lambda: len(primary.backends(f"datname = '{bank}'")) <= 3, 5, "no backend too many")
