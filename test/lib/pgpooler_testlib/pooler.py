"""The pooler under test, or PgBouncer in its place: the same command line, configuration and console."""

import os
import pathlib
import re
import shlex
import signal
import socket

from . import process
from .rawconn import RawConn

ADMIN = "admin"

# Users that every pooler here knows; tests create the same roles in PostgreSQL when they need them.
USERS = {"postgres": "postgres-secret", "app": "app-secret", "alice": "alice-secret", "bob": "bob-secret",
         ADMIN: "admin-secret"}

# A line that no orderly run writes: the level FATAL, a failed assertion, a sanitizer's report, a backend out of step.
ALARM = re.compile(r"\] FATAL |Assertion `|\bdesync\b|"
                   r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|: runtime error: ")


def binary_path():
    path = pathlib.Path(os.environ.get("PGPOOLER_BIN", "build/pgpooler"))
    return path if path.is_absolute() else process.TOP / path


class Pooler:
    """A running pooler. Use as a context manager: leaving it asserts that it ended well.

    databases   [databases]: name -> value of the line; or a Cluster, which serves every name
    settings    [pgbouncer], over the defaults below; None takes a key out
    users       auth_file: name -> secret; over USERS
    more        text behind the sections: [users], [peers]
    binary      another program than $PGPOOLER_BIN
    wrapper     words in front of the command, such as valgrind; $PGPOOLER_WRAPPER by default
    """

    def __init__(self, databases, settings=None, users=None, more="", binary=None, arguments=(), environment=None,
                 wrapper=None):
        self.dir = process.temp_dir("pooler")
        self.host = "127.0.0.1"
        self.users = dict(USERS, **(users or {}))
        self.databases = databases if isinstance(databases, dict) else {"*": databases.entry()}
        self.settings = {
            "listen_addr": self.host,
            "listen_port": process.free_port(),
            "unix_socket_dir": self.dir,
            "auth_type": "trust",
            "auth_file": self.dir / "userlist.txt",
            "admin_users": ADMIN,
            "pool_mode": "transaction",
        }
        self.settings.update(settings or {})
        self.port = int(self.settings["listen_port"])
        self.more = more
        self.binary = pathlib.Path(binary) if binary else binary_path()
        self.arguments = list(arguments)
        self.environment = environment
        self.wrapper = shlex.split(os.environ.get("PGPOOLER_WRAPPER", "")) if wrapper is None else list(wrapper)
        self.ini = self.dir / "pgpooler.ini"
        self.process = None
        self.allowed = None
        self.last_words = None
        self.write_config()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, _error, _trace):
        # A test that failed already shall show its own failure.
        if kind is None:
            self.stop()
        self.drop()

    # ---- configuration

    def write_config(self):
        """Writes the files anew from the attributes; reload() makes a running pooler read them."""
        lines = ["[databases]", *(f"{name} = {value}" for name, value in self.databases.items()), "", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in self.settings.items() if value is not None]
        self.ini.write_text("\n".join(lines) + "\n" + self.more + "\n")
        quoted = ['"%s" "%s"' % (name.replace('"', '""'), secret.replace('"', '""'))
                  for name, secret in self.users.items()]
        (self.dir / "userlist.txt").write_text("\n".join(quoted) + "\n")

    def set(self, **settings):
        """Changes settings in the file and reloads."""
        self.settings.update(settings)
        self.write_config()
        self.reload()

    def reload(self):
        self.admin("RELOAD")

    # ---- life

    def start(self):
        environment = process.own_environment(**(self.environment or {}))
        # Reports go to the log, and leaks count; a preset wins.
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        environment.setdefault("TSAN_OPTIONS", "halt_on_error=0:second_deadlock_stack=1")
        self.process = process.Process([*self.wrapper, self.binary, *self.arguments, self.ini], self.dir / "log",
                                       environment)
        process.wait_until(self._accepts, 20, "the pooler accepts connections")

    def _accepts(self):
        if not self.process.is_running():
            raise RuntimeError(f"{self.binary} ended with {self.process.wait(1)}:\n{self.log()}")
        local = not self.settings.get("listen_addr")
        with socket.socket(socket.AF_UNIX if local else socket.AF_INET) as probe:
            try:
                probe.connect(f"{self.dir}/.s.PGSQL.{self.port}" if local else (self.host, self.port))
            except OSError:
                return False
        return True

    def stop(self, timeout=30):
        """Ends it through the console and asserts that all was well: exit status 0, no alarm in the log, no desync."""
        if self.process.is_running():
            desync = self.desync()
            try:
                self.admin("SHUTDOWN")
            except (EOFError, ConnectionError):
                pass
            assert desync == 0, f"{desync} backends lost step with their ledger:\n{self.log()[-4000:]}"
        try:
            status = self.process.wait(timeout)
        except Exception as error:
            self.kill()
            raise AssertionError(f"the pooler did not end after SHUTDOWN:\n{self.log()[-4000:]}") from error
        self.check_log()
        assert status == 0, f"the pooler ended with {status}:\n{self.log()[-4000:]}"

    def check_log(self):
        alarms = [line for line in self.log().splitlines() if ALARM.search(line)]
        if self.allowed:
            alarms = [line for line in alarms if not self.allowed.search(line)]
        assert not alarms, "alarms in the pooler's log:\n" + "\n".join(alarms[:5]) + "\n...\n" + self.log()[-8000:]

    def allow_in_log(self, pattern):
        """For tests that provoke what would be an alarm."""
        self.allowed = re.compile(pattern)

    def kill(self):
        self.process.end(5, signal.SIGKILL)

    def drop(self):
        """Whatever its state: nothing of it is left behind."""
        if self.process is not None and self.process.is_running():
            self.kill()
        self.last_words = self.log()
        process.remove_dir(self.dir)

    def signal(self, number):
        self.process.signal(number)

    # ---- console and log

    def console(self, user=ADMIN):
        """A connection to the console."""
        host = self.host if self.settings.get("listen_addr") else str(self.dir)
        return RawConn(self.port, user=user, dbname="pgbouncer", host=host, secret=self.users.get(user), timeout=30)

    def admin(self, command, user=ADMIN):
        """Runs a console command; rows as dicts of text."""
        with self.console(user) as console:
            return console.dicts(command)

    def show(self, what, **where):
        """Rows of SHOW that have these values."""
        return [row for row in self.admin(f"SHOW {what}") if all(row[name] == str(v) for name, v in where.items())]

    def pool(self, database, user=None):
        """The one row of SHOW POOLS, numbers as numbers; all 0 when there is no such pool yet."""
        rows = [row for row in self.admin("SHOW POOLS") if row["database"] == database and user in (None, row["user"])]
        if not rows:
            rows = [{"cl_active": "0", "cl_waiting": "0", "sv_active": "0", "sv_idle": "0", "sv_used": "0",
                     "sv_tested": "0", "sv_login": "0", "maxwait": "0"}]
        assert len(rows) == 1, f"several pools: {rows}"
        return {name: int(value) if (value or "").isdigit() else value for name, value in rows[0].items()}

    def config(self):
        return {row["key"]: row["value"] for row in self.admin("SHOW CONFIG")}

    def desync(self):
        """How often a backend's answers did not match its ledger. PgBouncer does not count that."""
        if "pgpooler" not in self.show("VERSION")[0]["version"]:
            return 0
        return int(self.show("COUNTERS", name="desync")[0]["value"])

    def log(self):
        """What is in it; after drop(), what was."""
        if self.last_words is not None:
            return self.last_words
        return self.process.log() if self.process else ""

    def wait_log(self, pattern, timeout=10, after=0):
        """The first match behind this offset of the log."""
        return process.wait_until(lambda: re.search(pattern, self.log()[after:]), timeout, f"log line {pattern!r}")

    # ---- clients

    def connect(self, dbname="postgres", user="postgres", **more):
        """A RawConn, with the user's secret if one is asked for."""
        more.setdefault("secret", self.users.get(user))
        return RawConn(self.port, user=user, dbname=dbname, host=self.host, **more)

    def dsn(self, dbname="postgres", user="postgres", **more):
        words = dict(host=self.host, port=self.port, dbname=dbname, user=user, **more)
        if user in self.users:
            words.setdefault("password", self.users[user])
        return " ".join(f"{name}={value}" for name, value in words.items())
