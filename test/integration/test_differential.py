"""Random conversations get the same answers through the pooler as from PostgreSQL itself."""

import concurrent.futures
import multiprocessing

import pytest

from pgpooler_testlib import differential, scale

CLIENTS = 4


def play(direct_port, pooler_port, seed, count, clients=CLIENTS):
    """Each client in a process of its own; fails with what the first of them found."""
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(clients, mp_context=context) as processes:
        shares = [processes.submit(differential.run, direct_port, pooler_port, client, seed, max(1, count // clients))
                  for client in range(clients)]
        reports = [share.result() for share in shares]
    found = [report for report in reports if report]
    assert not found, f"SEED={seed}: {len(found)} of {clients} clients found a difference\n" + found[0]


@pytest.fixture
def databases(primary):
    differential.prepare(primary, CLIENTS)
    yield primary
    for name in (differential.DIRECT, differential.POOLED, "diff_template"):
        primary.psql(f"drop database {name} with (force)")


def test_two_connections_to_postgresql_agree(databases):
    """Else the scripts, and not the pooler, would be to blame."""
    play(databases.port, databases.port, differential.seed_from_environment(), scale(400))


@pytest.mark.sanitize
@pytest.mark.parametrize("pool_size, workers, share", [(1, 1, 0.3), (2, 2, 0.4), (20, 2, 0.3)])
def test_the_pooler_agrees_with_postgresql(databases, make_pooler, pool_size, workers, share):
    quiet = dict.fromkeys(("log_connections", "log_disconnections", "log_pooler_errors", "query_wait_notify"), 0)
    pooler = make_pooler(databases, settings={"default_pool_size": pool_size, "workers": workers,
                                              "max_prepared_statements": 30, **quiet})
    play(databases.port, pooler.port, differential.seed_from_environment(), scale(10000 * share))
