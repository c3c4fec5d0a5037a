"""What a transaction costs in the pooler, counted by valgrind: less than in PgBouncer."""

import pathlib
import re
import sys

import pytest

from pgpooler_testlib import TOP, process

PROGRAMS = ("/usr/bin/valgrind", "/usr/sbin/pgbouncer")
FIGURE = re.compile(r"^(simple|extended|prepared), \d+ clients: instructions/tx +([\d,]+) +([\d,]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def figures():
    """{protocol: (PgBouncer's, ours)}, in user instructions per transaction."""
    missing = [path for path in PROGRAMS if not pathlib.Path(path).exists()]
    assert not missing, f"{missing} not installed: run make deps"
    output = process.run([sys.executable, TOP / "test/bench/run", "--instructions"])
    return {protocol: tuple(int(figure.replace(",", "")) for figure in pair)
            for protocol, *pair in FIGURE.findall(output)}


@pytest.mark.parametrize("protocol, beside", [("simple", "simple"), ("extended", "extended"),
                                              # PgBouncer 1.18 cannot pool prepared statements: its next best way
                                              ("prepared", "extended")])
def test_a_transaction_costs_fewer_instructions_than_in_pgbouncer(figures, protocol, beside):
    ours, theirs = figures[protocol][1], figures[beside][0]
    assert 0 < ours < theirs, f"{ours} instructions for {protocol}, PgBouncer's {theirs} for {beside}"
