"""Random conversations of a client, for the differential test: what they are made of, and how they look in a report.

A script is a list of flights. A flight is written at once; then the client waits as its last word says:

    "ready"   until every Query, FunctionCall and Sync so far has its ReadyForQuery
    "copy"    until CopyInResponse or an error
    "go on"   not at all

An item is a tuple: the name of a builder, then its arguments. So a script prints as it is and builds itself again.

Each client has tables of its own, told apart by its number, because clients run beside each other. What is left out,
because a pooler in transaction mode is not expected to agree on it:

    session state outside prepared statements and tracked parameters: temporary tables, LISTEN, cursors WITH HOLD,
        session advisory locks, currval, parameters that the server does not report, PREPARE and DEALLOCATE of one
        name in SQL. It belongs to the backend
    DDL on tables that prepared statements use: a statement that this backend has already is not analysed again when
        another client parses it
    what differs between any two backends: process ids, transaction ids, clocks, random numbers
    Sync between rows of a COPY: whether it is answered depends on a row in front of it, which is the server's secret
    Describe and Execute of an unnamed portal that a failed Query left behind: PostgreSQL 15 may crash over it
    SERIALIZABLE: who fails depends on who else runs
    RESET and DISCARD ALL of a client with startup parameters of its own: they lead back to the backend's values
"""

import struct

from . import rawconn

READY, COPY, GO_ON = "ready", "copy", "go on"
HAS_READY = {"query", "function_call", "sync"}

NAMES = ["", "", "a", "b", "c", "d"]
PORTALS = ["", "", "", "p", "q"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
DATE_STYLES = ["ISO, MDY", "German, DMY", "SQL, DMY", "Postgres, MDY"]
OID_INT4PL, OID_UPPER, OID_INT4DIV = 177, 871, 154


def function_call(oid, *values):
    body = struct.pack("!IHHH", oid, 1, 0, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value.encode()
    return rawconn.message("F", body + struct.pack("!H", 0))


def build(item):
    if item[0] == "function_call":
        return function_call(*item[1:])
    return getattr(rawconn, item[0])(*item[1:])


def show(script):
    lines = []
    for items, wait in script:
        lines += ["    " + item[0] + "(" + ", ".join(repr(argument) for argument in item[1:]) + ")" for item in items]
        lines.append(f"  {wait}")
    return "\n".join(lines)


class Generator:
    """Scripts of one client. Knows nothing of answers: what the script meets is PostgreSQL's to say."""

    def __init__(self, random, client):
        self.random = random
        self.table = f"t{client}"
        self.resets = True
        self.parts = [
            (20, self.simple), (8, self.simple_burst), (30, self.batch), (14, self.pipeline), (8, self.prepared_use),
            (8, self.transaction), (4, self.cursor), (4, self.copy_in), (3, self.copy_in_extended), (3, self.copy_out),
            (5, self.settings), (3, self.calls), (3, self.malformed), (2, self.large), (2, self.forget),
        ]

    def startup(self):
        """Parameters of the next connection, whose scripts come next."""
        own = {"timezone": self.random.choice(ZONES), "application_name": "started"} if self.chance(0.3) else {}
        self.resets = not own
        return own

    def script(self):
        flights = []
        for _ in range(self.random.randint(1, 6)):
            flights += self.pick(self.parts)()
        if self.chance(0.03):
            flights += self.last_words()
        return self.join(flights)

    # ---- helpers

    def pick(self, weighted):
        return self.random.choices([part for _, part in weighted], [weight for weight, _ in weighted])[0]

    def chance(self, probability):
        return self.random.random() < probability

    def join(self, flights):
        """Some flights leave together with the next."""
        out = []
        for items, wait in flights:
            if out and out[-1][1] == GO_ON and self.chance(0.8):
                out[-1] = (out[-1][0] + items, wait)
            else:
                out.append((items, wait))
        return out

    def wait(self):
        return READY if self.chance(0.7) else GO_ON

    def number(self):
        return self.random.randint(1, 12)

    # ---- texts

    def read(self):
        n, table = self.number(), self.table
        return self.random.choice([
            "select 1", f"select {n}", f"select * from {table} order by id", "select 'é', E'\\\\'",
            f"select count(*), sum(id) from {table}", f"select generate_series(1, {n})",
            "select timestamptz '2026-03-01 12:00:00+00', date '2026-02-03', interval '1 day 02:03:04'",
            "select current_setting('timezone'), current_setting('application_name'), current_setting('datestyle')",
            "show timezone", "show application_name", "table pg_catalog.pg_am order by oid limit 2",
            f"select v from {table} where id = {n}", "values (1, null), (2, 'x')", "select", "show client_encoding"])

    def write(self):
        n, table = self.number(), self.table
        return self.random.choice([
            f"insert into {table} values ({n}, 'x')", f"update {table} set v = v || '.' where id < {n}",
            f"delete from {table} where id = {n}", f"insert into {table} values ({n}, 'y') on conflict do nothing",
            f"insert into {table} values ({n}, 'z') on conflict (id) do update set v = '{n}' returning *",
            f"update {table} set v = left(v, 3)", f"with d as (delete from {table} where id > 8 returning id) "
            "select count(*) from d"])

    def wrong(self):
        return self.random.choice([
            "select 1/0", "selec 1", "select nothing", "select * from nowhere", f"insert into {self.table} values "
            "(1, 'x'), (1, 'y')", "select 'a'::int", "select no_such_function(1)", "select (", "fetch from nothing",
            "rollback to nothing", "close nothing", "set timezone to 'Nowhere/Never'", "vacuum; select 1",
            "do $$ begin raise exception 'on purpose' using errcode = 'P0042', hint = 'none'; end $$",
            "execute nothing", "deallocate nothing"])

    def noise(self):
        return self.random.choice([
            "", ";", "-- nothing", " /* nothing */ ", "do $$ begin raise notice 'noted'; end $$",
            "drop table if exists no_such_table", "select 1;", ";;select 2;;"])

    def control(self):
        return self.random.choice([
            "begin", "begin", "begin", "commit", "commit", "rollback", "savepoint s", "savepoint s", "rollback to s",
            "release s", "begin read only", "commit and chain", "rollback and chain",
            "start transaction", "end", "abort"])

    def several(self):
        write, read = self.write(), self.read()
        return self.random.choice([
            f"{read}; {self.read()}", f"{write}; {self.wrong()}; {read}", f"begin; {write}; commit",
            f"begin; {write}; {self.wrong()}; commit", f"{read}; begin; {write}", f"{write}; commit; {write}",
            f"begin; {write}; rollback; {read}", f"begin; savepoint s; {self.wrong()}; rollback to s; commit",
            f"{read}; {self.noise()}", f"{write}; {read}; {self.setting()}", f"begin; {self.setting()}; rollback"])

    def setting(self):
        choice = self.random.choice
        zone, style = choice(ZONES), choice(DATE_STYLES)
        if self.resets and self.chance(0.2):
            return choice(["reset timezone", "reset datestyle", "reset client_encoding", "reset application_name",
                           "set intervalstyle to default", "set local timezone to default", "reset all"])
        return choice([
            f"set timezone to '{zone}'", f"set timezone to '{zone}'", f"set datestyle to '{style}'",
            f"set local timezone to '{zone}'", f"set time zone '{zone}'",
            "set application_name to 'it''s'", "set application_name to ''", "set intervalstyle to 'iso_8601'",
            "set client_encoding to 'LATIN1'", "set client_encoding to 'UTF8'",
            "set standard_conforming_strings to off", "set standard_conforming_strings to on",
            f"select set_config('timezone', '{zone}', false)",
            f"select set_config('datestyle', '{style}', true)"])

    def any_text(self):
        return self.pick([(30, self.read), (25, self.write), (8, self.wrong), (4, self.noise), (12, self.control),
                          (8, self.several), (5, self.setting)])()

    def statement(self):
        """(text, parameter types, values for Bind)."""
        n, table = str(self.number()), self.table
        return self.random.choice([
            ("select $1::int", (), [n]), ("select $1::int", (23,), [n]), ("select $1", (25,), [n]),
            ("select $1", (), ["text"]), ("select $1::int + $2::int", (), [n, n]), ("select 10 / $1::int", (), ["0"]),
            ("select 10 / $1::int", (), [n]), ("select generate_series(1, $1::int)", (), [n]),
            (f"select * from {table} where id = $1", (), [n]), (f"select * from {table} where id = $1", (20,), [n]),
            (f"insert into {table} values ($1, $2)", (), [n, "bound"]), (f"select * from {table} order by id", (), []),
            (f"insert into {table} values ($1, $2) on conflict (id) do update set v = $2", (), [n, None]),
            (f"delete from {table} where id = $1 returning *", (), [n]), ("select 1", (), []),
            ("select timestamptz '2026-03-01 12:00:00+00', $1::interval", (), ["1 day"]),
            ("select '03/04/2026'::date, $1::date", (), ["2026-01-02"]), ("select E'a\\\\b'", (), []),
            (self.any_text(), (), []), (self.read(), (), []), (self.write(), (), []), (self.control(), (), []),
            (self.wrong(), (), []), (self.setting(), (), []), (self.noise(), (), [])])

    # ---- messages of the extended protocol

    def parse(self, name, statement):
        return ("parse", name, statement[0], statement[1])

    def bind(self, portal, name, values):
        if self.chance(0.03):
            values = values + ["1"]
        if self.chance(0.03):
            values = ["not a number"] * len(values)
        results = (1,) if self.chance(0.1) else ()
        return ("bind", portal, name, values, (), results)

    def run(self, name=None, portal=None):
        """Parse to Execute, as drivers do it, more or less complete."""
        choice = self.random.choice
        name, portal = choice(NAMES) if name is None else name, choice(PORTALS) if portal is None else portal
        statement = self.statement()
        items = []
        if name and self.chance(0.4):
            items.append(("close", "S", name))
        items.append(self.parse(name, statement))
        if self.chance(0.3):
            items.append(("describe", "S", name))
        if self.chance(0.9):
            items.append(self.bind(portal, name, statement[2]))
            if self.chance(0.4):
                items.append(("describe", "P", portal))
            items.append(("execute", portal, choice([0, 0, 0, 1, 2, 5])))
            if self.chance(0.15):
                items.append(("execute", portal, choice([0, 1, 3])))
        if self.chance(0.1):
            items.append(("close", choice("SP"), choice([name, portal])))
        return items

    def reuse(self):
        """Names that may or may not be there."""
        choice = self.random.choice
        name, portal, n = choice(NAMES), choice(PORTALS), str(self.number())
        return choice([
            [("bind", portal, name, choice([[], [n], [n], [n, n]]), (), ()), ("execute", portal, 0)],
            [("describe", "S", name)], [("describe", "P", choice("pq"))], [("execute", choice("pq"), choice([0, 1]))],
            [("close", "S", name)], [("close", "P", portal)], [("flush",)],
            [self.parse(name, self.statement())]])

    # ---- parts of a script

    def simple(self):
        if self.chance(0.02):  # where backslashes escape, the parser warns: with a prepared statement once per backend
            return [([("query", "select 'a\\\\b'")], self.wait())]
        return [([("query", self.any_text())], self.wait())]

    def simple_burst(self):
        return [([("query", self.any_text()) for _ in range(self.random.randint(2, 6))], self.wait())]

    def batch(self):
        items = []
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            items += self.run() if self.chance(0.75) else self.reuse()
        if self.chance(0.15):
            return [(items + [("flush",)], GO_ON), ([("sync",)], self.wait())]
        return [(items + [("sync",)], self.wait())]

    def pipeline(self):
        items = []
        for _ in range(self.random.randint(2, 5)):
            for (batch, _wait) in self.batch():
                items += batch
        return [(items, self.wait())]

    def prepared_use(self):
        name, statement = self.random.choice("abcd"), self.statement()
        flights = [([("close", "S", name), self.parse(name, statement), ("describe", "S", name), ("sync",)], READY)]
        for _ in range(self.random.randint(1, 4)):
            portal = self.random.choice(PORTALS)
            flights.append(([self.bind(portal, name, statement[2]), ("describe", "P", portal), ("execute", portal, 0),
                             ("sync",)], self.wait()))
        return flights

    def transaction(self):
        # Not inside a batch: a Parse in front of it takes a snapshot, unless the pooler knows its answer.
        begin = self.random.choice(["begin", "begin", "begin", "begin isolation level repeatable read"])
        flights = [([("query", begin)], self.wait())]
        for _ in range(self.random.randint(1, 4)):
            flights += self.pick([(4, self.simple), (4, self.batch), (1, self.copy_out), (1, self.copy_in),
                                  (1, self.settings)])()
        flights.append(([("query", self.random.choice(["commit", "commit", "rollback", "end"]))], self.wait()))
        return flights

    def cursor(self):
        """A portal that is read in pieces, inside and outside of a block, and one made in SQL."""
        choice = self.random.choice
        if self.chance(0.3):
            return [([("query", f"begin; declare p cursor for select * from {self.table} order by id")], self.wait()),
                    ([("describe", "P", "p"), ("execute", "p", 2), ("sync",), ("query", "fetch 1 from p")],
                     self.wait()), ([("query", choice(["commit", "close p; commit", "rollback"]))], READY)]
        flights = [([("query", choice(["begin", "begin", "select 1"]))], GO_ON),
                   ([("parse", "", "select generate_series(1, 7)", ()), ("bind", "p", ""), ("execute", "p", 2),
                     ("sync",)], self.wait())]
        for _ in range(self.random.randint(1, 4)):
            flights.append(([("execute", "p", choice([1, 2, 0])), choice([("sync",), ("flush",)])], GO_ON))
        return flights + [([("sync",), ("query", choice(["commit", "rollback"]))], READY)]

    def copy_rows(self):
        rows = [("copy_data", f"{self.random.randint(20, 60)}\tcopied\n".encode())
                for _ in range(self.random.randint(0, 5))]
        if self.chance(0.15):
            rows.insert(self.random.randint(0, len(rows)), ("copy_data", b"not a row\n"))
        if self.chance(0.1):
            rows.insert(self.random.randint(0, len(rows)), ("copy_data", b"7"))
        if self.chance(0.1):
            rows.insert(self.random.randint(0, len(rows)), ("flush",))
        return rows

    def copy_end(self):
        return ("copy_done",) if self.chance(0.8) else ("copy_fail", "changed my mind")

    def copy_batch(self, sql=None):
        """A name of its own, bound once: others would have to feed it."""
        return [("close", "S", "copy"), ("parse", "copy", sql or f"copy {self.table} from stdin", ()),
                ("bind", "", "copy"), ("execute",)]

    def copy_in(self):
        sql = f"copy {self.table} from stdin"
        if self.chance(0.2):
            sql = f"delete from {self.table} where id >= 20; {sql}; select count(*) from {self.table}"
        rows = self.copy_rows()
        wait = COPY if self.chance(0.5) else GO_ON
        return [([("query", f"delete from {self.table} where id >= 20"), ("query", sql)], wait),
                (rows + [self.copy_end()], READY)]

    def copy_in_extended(self):
        rows = self.copy_rows()
        return [(self.copy_batch() + [("flush",)], COPY if self.chance(0.5) else GO_ON),
                (rows + [self.copy_end(), ("sync",)], READY)]

    def copy_out(self):
        sql = self.random.choice([f"copy (select * from {self.table} order by id) to stdout",
                                  f"copy (select id, 1/(id-3) from {self.table} order by id) to stdout",
                                  "copy (select generate_series(1, 300)) to stdout"])
        if self.chance(0.5):
            return [([("query", sql)], self.wait())]
        return [(self.copy_batch(sql) + [("sync",)], self.wait())]

    def settings(self):
        if self.chance(0.5):
            return [([("query", self.setting())], self.wait()), ([("query", self.read())], self.wait())]
        return [([("parse", "", self.setting(), ()), ("bind",), ("execute",), ("parse", "", self.read(), ()),
                  ("bind",), ("execute",), ("sync",)], self.wait())]

    def calls(self):
        choice = self.random.choice
        item = choice([("function_call", OID_INT4PL, "2", "3"), ("function_call", OID_INT4PL, "2"),
                       ("function_call", OID_UPPER, "text"), ("function_call", OID_UPPER, None),
                       ("function_call", OID_INT4DIV, "1", "0"), ("function_call", 1)])
        return [([item], self.wait())]

    def malformed(self):
        """Well framed, but not well formed: the server answers with an error and goes on behind the next Sync."""
        item = self.random.choice([
            ("message", "P", b"a\0select 1"), ("message", "P", b""), ("message", "B", b"\0a\0\0"),
            ("message", "B", b"\0\0\0\0\0\5\0\0"), ("message", "D", b"Xa\0"), ("message", "C", b"Xa\0"),
            ("message", "E", b"\0"), ("message", "D", b"S"), ("message", "P", b"a\0select 2\0\0\2\0\0\0\27"),
            ("message", "C", b"Sa\0more"), ("message", "E", b"\0\0\0\0\0\0"), ("copy_data", b"stray"), ("copy_done",),
            ("copy_fail", "stray")])
        items = (self.run() if self.chance(0.5) else []) + [item] + (self.run() if self.chance(0.5) else [])
        return [(items + [("sync",)], self.wait())]

    def large(self):
        sql = self.random.choice(["select repeat('large ', 20000)", "select generate_series(1, 900), 'row'",
                                  f"select length('{'x' * 70000}')", "select repeat('r', 9000) from "
                                  "generate_series(1, 20)"])
        if self.chance(0.5):
            return [([("query", sql)], self.wait())]
        name = self.random.choice(NAMES)
        return [([("close", "S", name), ("parse", name, sql, ()), ("bind", "", name), ("describe",), ("execute",),
                  ("sync",), ("parse", "", "select length($1)", ()), ("bind", "", "", ["b" * 40000]), ("execute",),
                  ("sync",)], self.wait())]

    def forget(self):
        sql = self.random.choice(["deallocate all", "discard all" if self.resets else "select 1", "discard plans"])
        if self.chance(0.6):
            return [([("query", sql)], self.wait())]
        return [([("parse", "", sql, ()), ("bind",), ("execute",), ("sync",)], self.wait())]

    def last_words(self):
        """How many ReadyForQuery these get depends on what went before, so only the end of a script may follow."""
        copy = self.copy_batch()
        return [self.random.choice([
            (copy + [("sync",)] + self.copy_rows() + [self.copy_end(), ("sync",)], GO_ON),
            (copy + [("flush",), ("sync",), ("sync",)] + self.copy_rows() + [("flush",)], GO_ON),
            ([("query", f"copy {self.table} from stdin")] + [("sync",)] + self.copy_rows() + [self.copy_end()], GO_ON),
            (self.run() + [("query", self.any_text())] + self.run() + [("sync",)], GO_ON),
            (self.run() + [("function_call", OID_INT4PL, "2", "3")] + self.run() + [("sync",)], GO_ON),
            (copy + [("query", "select 1")], GO_ON), (copy + [("parse", "a", "select 1", ()), ("sync",)], GO_ON),
            ([("query", f"copy {self.table} from stdin"), ("query", "select 1")], GO_ON),
            (self.run() + [("sync",), ("terminate",)] + self.run() + [("sync",)], GO_ON), (self.run(), GO_ON)])]
