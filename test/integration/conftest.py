"""Fixtures for all integration tests; the helpers are in test/lib/pgpooler_testlib."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from pgpooler_testlib import Cluster, Pooler, process  # noqa: E402 - found through the line above


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run against the ASan/UBSan and TSan builds")
    process.interrupt_on_signals()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its pooler's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Pooler):
                report.sections.append(("pooler log", value.log()[-6000:]))


@pytest.fixture(scope="session")
def primary():
    """PostgreSQL with the roles app, alice and bob and the database app, which is app's."""
    with Cluster("primary") as cluster:
        for role in ("app", "alice", "bob"):
            cluster.create_role(role, f"{role}-secret")
        cluster.create_database("app", owner="app")
        yield cluster


@pytest.fixture(scope="session")
def replicas(primary):
    """Two streaming replicas of the primary."""
    both = [primary.replica(name) for name in ("replica1", "replica2")]
    yield both
    for replica in both:
        replica.drop()


@pytest.fixture
def pooler(primary):
    """A pooler in transaction mode with its defaults, in front of the primary."""
    with Pooler(primary) as running:
        yield running


@pytest.fixture
def make_pooler(primary):
    """make_pooler(settings={...}, ...): started, and ended with all of Pooler's assertions."""
    made = []

    def make(databases=None, **options):
        running = Pooler(databases if databases is not None else primary, **options)
        made.append(running)
        running.start()
        return running

    yield make
    try:
        for running in made:
            if running.process is not None:
                running.stop()
    finally:
        for running in made:
            running.drop()
