"""The same random conversations with PostgreSQL and with the pooler: what comes back must be the same.

Two databases, copies of one template, so that even the oids in their answers agree; one is used directly, the other
through the pooler. A pair is a client of both. Pairs run beside each other, each on its own table.

    prepare(cluster, clients)   makes the databases
    run(...)                    one process' share of the scripts; answers a report of the first difference, or None
"""

import os
import random
import re
import select
import struct
import time

from . import rawconn, scripts

DIRECT, POOLED = "diff_direct", "diff_pooled"
TIMEOUT = 10.0
SCRIPTS_PER_CONNECTION = 40
FROM_HERE = "from here"


def prepare(cluster, clients):
    for name in (DIRECT, POOLED, "diff_template"):
        cluster.psql(f"drop database if exists {name} with (force)")
    cluster.create_database("diff_template")
    for client in range(clients):
        cluster.psql(f"create table t{client} (id int primary key, v text) with (autovacuum_enabled = off)",
                     "diff_template")
    for name in (DIRECT, POOLED):
        cluster.psql(f"create database {name} template diff_template")
        # Whether planning folds a value of Bind depends on how often the statement ran, on this backend.
        cluster.psql(f"alter database {name} set plan_cache_mode = force_custom_plan")


def seed_from_environment():
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"SEED={seed}", flush=True)
    return seed


class Side:
    """One of the two connections: what it still has to write, and what it has read."""

    def __init__(self, port, dbname, parameters):
        self.conn = rawconn.RawConn(port, dbname=dbname, timeout=TIMEOUT, **parameters)
        self.socket = self.conn.socket
        self.socket.setblocking(False)
        self.data = bytearray(self.conn.buffer)
        self.closed = False
        self.begin_script()

    def begin_script(self):
        self.data.clear()
        self.at = 0
        self.ready = 0
        self.pieces = []
        self.flight_kinds = set()

    def begin_flight(self, pieces):
        self.pieces = pieces
        self.flight_kinds = set()
        self.write()

    def write(self):
        try:
            while self.pieces and not self.closed:
                sent = self.socket.send(self.pieces[0])
                if sent == len(self.pieces[0]):
                    self.pieces.pop(0)
                else:
                    self.pieces[0] = self.pieces[0][sent:]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.pieces = []  # what was said before is still to be read

    def read(self):
        try:
            more = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:
            more = b""
        if not more:
            self.closed = True
            return
        data, at = self.data, self.at
        data += more
        end = len(data)
        while end - at >= 5:
            length = int.from_bytes(data[at + 1:at + 5], "big") + 1
            if end - at < length:
                break
            kind = data[at]
            if kind == 0x5A:
                self.ready += 1
            self.flight_kinds.add(kind)
            at += length
        self.at = at

    def answers(self):
        """Decoded, and without what differs with the way an error came."""
        out, at, data = [], 0, bytes(self.data)
        while len(data) - at >= 5:
            length = struct.unpack_from("!I", data, at + 1)[0] + 1
            if len(data) - at < length:
                break
            answer = rawconn.decode(chr(data[at]), data[at + 5:at + length])
            if answer[0] in ("ErrorResponse", "NoticeResponse"):
                fields = {name: text for name, text in answer[1].items() if name not in "FLR"}
                if re.match("unexpected message type 0x.. during COPY", fields["M"]):
                    at += length  # in front of the FATAL: of a hidden message, or nobody asked the server
                    continue
                answer = (answer[0], fields)
            out.append(answer)
            at += length
        if self.closed:
            out.append(("closed",))
        return out


def units(answers):
    """The answers cut behind each ReadyForQuery."""
    out = [[]]
    for answer in answers:
        out[-1].append(answer)
        if answer[0] == "ReadyForQuery":
            out.append([])
    return out


def difference(direct, pooled):
    """
    The number of the first answer that should be another; None: all is well; FROM_HERE: what follows may differ.

    In a transaction that has failed a statement cannot be prepared where it is not yet, so a batch may end there with
    25P02 instead of going on to another error, or to a Describe without rows, which the server would still answer.
    What that batch would have closed or prepared behind it is then not done.
    """
    if direct[-1:] == pooled[-1:] == [("closed",)]:
        # Answers may be lost when the peer closes with bytes of ours unread.
        shorter = min(len(direct), len(pooled)) - 1
        direct, pooled = direct[:shorter], pooled[:shorter]
    failed, begin = False, 0
    for expected, seen in zip(units(direct), units(pooled)):
        if expected != seen:
            at = next((i for i, both in enumerate(zip(expected, seen)) if both[0] != both[1]),
                      min(len(expected), len(seen)))
            gives_up = seen[at:at + 1] and seen[at][0] == "ErrorResponse" and seen[at][1].get("C") == "25P02"
            if failed and gives_up and seen[at + 1:] == expected[-1:]:
                return FROM_HERE
            return begin + at
        failed = expected[-1:] == [("ReadyForQuery", "E")]
        begin += len(expected)
    return None if len(direct) == len(pooled) else begin


class Pair:
    """A client of both. A script that gets different answers is a Difference."""

    def __init__(self, direct_port, pooler_port, parameters, splits):
        self.direct = Side(direct_port, DIRECT, parameters)
        try:
            self.pooled = Side(pooler_port, POOLED, parameters)
        except BaseException:
            self.direct.socket.close()
            raise
        self.splits = splits
        self.poll = select.poll()
        self.ends = 0
        self.late = []
        self.diverged = False
        self.patience = TIMEOUT

    def close(self):
        for side in (self.direct, self.pooled):
            side.socket.setblocking(True)
            side.conn.close()

    def is_usable(self):
        return not self.direct.closed and not self.diverged

    def play(self, script):
        """Answers whether both sides said the same; the sides keep what they said."""
        sides = (self.direct, self.pooled)
        for side in sides:
            side.begin_script()
        expected = 0
        for items, wait in script:
            expected += sum(item[0] in scripts.HAS_READY for item in items)
            if not self.exchange(b"".join(scripts.build(item) for item in items), wait, expected):
                return False
            if sides[0].closed or sides[1].closed:
                break
        else:
            self.ends += 1
            word = f"end {self.ends}"
            last = rawconn.message("D", struct.pack("!Hi", 1, len(word)) + word.encode())
            self.end = last + rawconn.message("C", b"SELECT 1\0") + rawconn.message("Z", b"I")
            if not self.exchange(rawconn.copy_fail("end") + rawconn.sync() + rawconn.query("rollback")
                                 + rawconn.query(f"select '{word}'"), "end", 0):
                return False
        if sides[0].data == sides[1].data and sides[0].closed == sides[1].closed:
            return True
        at = difference(sides[0].answers(), sides[1].answers())
        self.diverged = at == FROM_HERE
        return at in (None, FROM_HERE)

    def exchange(self, data, wait, expected):
        """False when it does not come to its end."""
        self.direct.begin_flight([data])
        self.pooled.begin_flight(self.split(data))
        deadline = time.monotonic() + self.patience
        while True:
            flags = []
            for side in (self.direct, self.pooled):
                want = 0
                if side.pieces and not side.closed:
                    want |= select.POLLOUT
                if not side.closed and not self.is_satisfied(side, wait, expected):
                    want |= select.POLLIN
                flags.append((side, want))
            if not any(want for _, want in flags):
                return True
            for side, want in flags:
                if want:
                    # While a write is stuck the answers must be taken, or both ends would wait for ever.
                    self.poll.register(side.socket, want | select.POLLIN)
            ready = dict(self.poll.poll(1000))
            for side, want in flags:
                if want:
                    self.poll.unregister(side.socket)
                got = ready.get(side.socket.fileno(), 0)
                if got & select.POLLOUT:
                    side.write()
                if got & ~select.POLLOUT:
                    side.read()
            if time.monotonic() > deadline:
                self.late = [side for side in (self.direct, self.pooled)
                             if not side.closed and not self.is_satisfied(side, wait, expected)]
                return False

    def is_satisfied(self, side, wait, expected):
        if wait == scripts.READY:
            return side.ready >= expected
        if wait == scripts.COPY:
            return not side.flight_kinds.isdisjoint(b"GE") or side.ready >= expected > 0
        if wait == "end":
            return side.data.endswith(self.end)
        return True

    def split(self, data):
        """Sometimes in pieces: a pooler sees every message in halves."""
        if self.splits.random() < 0.8 or len(data) < 2:
            return [data]
        cuts = sorted(self.splits.randrange(1, len(data)) for _ in range(self.splits.randint(1, 4)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if b > a]


class Client:
    """One process' pair over time: connections come and go, and a difference is looked into."""

    def __init__(self, direct_port, pooler_port, number, seed):
        self.ports = direct_port, pooler_port
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.generator = scripts.Generator(self.random, number)
        self.pair, self.history, self.parameters = None, [], {}
        self.keepers = [rawconn.RawConn(direct_port, dbname=name, timeout=TIMEOUT) for name in (DIRECT, POOLED)]

    def close(self):
        if self.pair:
            self.pair.close()
        for keeper in self.keepers:
            keeper.close()

    def refill(self):
        """The same rows on both sides."""
        for keeper in self.keepers:
            keeper.rows(f"truncate t{self.number}; insert into t{self.number} select n, 'row ' || n "
                        "from generate_series(1, 6) n")

    def new_pair(self):
        self.refill()
        return Pair(*self.ports, self.parameters, random.Random(self.random.random()))

    def step(self):
        """Plays one more script. A report when the answers differ, else None."""
        if self.pair is None or not self.pair.is_usable() or len(self.history) == SCRIPTS_PER_CONNECTION:
            if self.pair:
                self.pair.close()
            self.history, self.parameters = [], self.generator.startup()
            self.pair = self.new_pair()
        script = self.generator.script()
        self.history.append(script)
        if self.pair.play(script):
            return None
        report = self.report(self.history[-1:], self.pair, "as it happened")
        self.pair.close()
        self.pair = None
        return report + "\n" + self.shrink()

    # ---- making it small

    def differs(self, history):
        """Plays this on a new connection; the pair when answers differ. A script may lack now what it waits for."""
        pair = self.new_pair()
        pair.patience = 2
        try:
            for script in history:
                if not pair.play(script):
                    return None if pair.direct in pair.late else pair
                if not pair.is_usable():
                    break
        finally:
            pair.close()
        return None

    def shrink(self, seconds=30):
        end = time.monotonic() + seconds
        history = next((tried for tried in (self.history[-1:], self.history, self.history, self.history)
                        if self.differs(tried)), None)
        if history is None:
            return "It did not happen again, alone and with all that this connection had said before."
        size = len(history)
        while size and time.monotonic() < end:
            for at in range(0, len(history), size):
                less = history[:at] + history[at + size:]
                if less and self.differs(less):
                    history = less
                    break
            else:
                size //= 2
        progress = True
        while progress and time.monotonic() < end:
            progress = False
            for less in self.smaller(history):
                if time.monotonic() > end:
                    break
                if self.differs(less):
                    history, progress = less, True
                    break
        for _ in range(20):
            pair = self.differs(history)
            if pair:
                return self.report(history, pair, "made small")
        return self.report(history, None, "made small; it does not happen every time")

    @staticmethod
    def smaller(history):
        """Everything that is one flight or one item less."""
        for s, script in enumerate(history):
            for f, (items, wait) in enumerate(script):
                yield history[:s] + [script[:f] + script[f + 1:]] + history[s + 1:]
                for i in range(len(items)):
                    flight = (items[:i] + items[i + 1:], wait)
                    yield history[:s] + [script[:f] + [flight] + script[f + 1:]] + history[s + 1:]

    def report(self, history, pair, how):
        lines = [f"---- client {self.number}, startup {self.parameters}, {how}:"]
        for script in history:
            lines += ["script:", scripts.show(script)]
        if pair:
            direct, pooled = pair.direct.answers(), pair.pooled.answers()
            at = difference(direct, pooled)
            at = min(len(direct), len(pooled)) if at in (None, FROM_HERE) else at
            waited = " and ".join("PostgreSQL" if side is pair.direct else "the pooler" for side in pair.late)
            lines.append(f"the answers differ from number {at} on{waited and '; kept waiting by ' + waited}:")
            for name, answers in (("PostgreSQL", direct), ("the pooler", pooled)):
                lines.append(f"  {name}:")
                first = max(0, at - 6)
                lines += [f"    {first + i} {repr(answer)[:400]}" for i, answer in enumerate(answers[first:at + 6])]
        return "\n".join(lines)


def run(direct_port, pooler_port, client, seed, count):
    """Plays so many scripts as this client."""
    player = Client(direct_port, pooler_port, client, seed)
    try:
        for played in range(count):
            try:
                report = player.step()
            except (OSError, EOFError, rawconn.ServerError) as error:
                return f"client {client}, script {played}: {error!r}"
            if report:
                return f"after {played} scripts\n{report}"
    finally:
        try:
            player.close()
        except OSError:
            pass
    return None
