"""Many clients that do nothing: what each costs, and that those who work do not notice."""

import pathlib
import statistics
import time

from pgpooler_testlib import scale

BYTES_PER_CLIENT = 600
SLOWER = 5
# Two descriptors of ours and two of the pooler's for each; the hard limit of small machines is 20,000 and 1 M elsewhere.
CLIENTS = min(scale(2000), 10000)


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("smaps_rollup without Rss")


def latency(conn, rounds=20, count=25):
    """Of a round trip, in seconds: the median of the quietest round, since others use the machine too."""
    medians = []
    for _ in range(rounds):
        took = []
        for _ in range(count):
            start = time.monotonic()
            conn.value("select 1")
            took.append(time.monotonic() - start)
        medians.append(statistics.median(took))
    return min(medians)


def test_an_idle_client_costs_little(make_pooler):
    quiet = dict.fromkeys(("log_connections", "log_disconnections"), 0)
    pooler = make_pooler(settings={"workers": 1, "max_client_conn": CLIENTS + 200, "listen_backlog": 1024, **quiet})
    idle = []
    with pooler.connect() as busy:
        try:
            # The first ones pay for what the process needs once, and for tables that double.
            for _ in range(100):
                idle.append(pooler.connect())
            latency(busy)
            alone = latency(busy)
            before = resident_bytes(pooler.process.pid)
            for _ in range(CLIENTS):
                idle.append(pooler.connect(timeout=30))
            each = (resident_bytes(pooler.process.pid) - before) / CLIENTS
            among_them = latency(busy)
            # They are served still, and going back to idleness leaves no buffer behind.
            for client in idle[::10]:
                assert client.value("select 7") == "7"
            later = (resident_bytes(pooler.process.pid) - before) / CLIENTS
        finally:
            for client in idle:
                client.close()
    assert each <= BYTES_PER_CLIENT, f"{each:.0f} bytes for each of {CLIENTS} idle clients"
    assert later <= BYTES_PER_CLIENT, f"{later:.0f} bytes after each tenth has run a query"
    assert among_them <= alone * SLOWER, f"{alone * 1e6:.0f} us a query alone, {among_them * 1e6:.0f} us among the idle"
