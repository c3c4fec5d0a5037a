"""A throw-away PostgreSQL in a temporary directory, and streaming replicas of it."""

import csv
import io
import pathlib
import re
import shutil
import signal

from . import process

SUPERUSER = "postgres"

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "'127.0.0.1'",
    "max_connections": "200",
    "superuser_reserved_connections": "5",
    "shared_buffers": "'64MB'",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "wal_keep_size": "'128MB'",
    "hot_standby": "on",
    "jit": "off",
    "log_line_prefix": "'%m [%p] %q%u@%d/%a '",
    "logging_collector": "off",
}


def bin_dir():
    """Programs of the newest PostgreSQL that is installed."""
    found = [path for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if not found:
        raise RuntimeError("no PostgreSQL under /usr/lib/postgresql: run make deps")
    return max(found, key=lambda path: float(path.parent.name))


def program(name):
    return bin_dir() / name


class Cluster:
    """One PostgreSQL instance. Use as a context manager, or start() and stop().

    settings   postgresql.conf: name -> value as written there
    auth       method for TCP logins; the Unix socket always trusts, and the helpers here use it
    """

    host = "127.0.0.1"

    def __init__(self, name="primary", settings=None, auth="trust"):
        self.name = name
        self.port = process.free_port()
        self.dir = process.temp_dir(name)
        self.data = self.dir / "data"
        self.socket_dir = self.dir
        self.settings = dict(SETTINGS, **(settings or {}))
        self.auth = auth
        self.process = None

    def __enter__(self):
        if self.process is None:
            self.init()
            self.start()
        return self

    def __exit__(self, *_error):
        self.drop()

    # ---- life

    def init(self):
        process.run([program("initdb"), "--no-sync", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
                     "--locale=C.UTF-8"])
        self._write_settings()
        self._write_hba()

    def start(self, wait=True):
        self.process = process.Process([program("postgres"), "-D", self.data], self.dir / "log",
                                       end_with=signal.SIGINT)
        if wait:
            process.wait_until(self._answers, 60, f"{self.name} accepts connections")

    def _answers(self):
        if not self.process.is_running():
            raise RuntimeError(f"{self.name} did not start:\n{self.log()[-4000:]}")
        try:
            return self.psql("select 1") == "1"
        except RuntimeError:
            return False

    def stop(self, mode="fast"):
        """mode: fast, immediate (a crash) or smart, as pg_ctl says it."""
        if self.process is not None:
            number = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "smart": signal.SIGTERM}[mode]
            self.process.end(60, number)
            self.process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def drop(self):
        if self.process is not None:
            self.stop("immediate")
        process.remove_dir(self.dir)

    def reload(self):
        """New logins see the changed files when this returns."""
        before = self.psql("select pg_conf_load_time()")
        self.process.signal(signal.SIGHUP)
        process.wait_until(lambda: self.psql(f"select pg_conf_load_time() > '{before}'") == "t", 10, "a reload")

    def freeze(self):
        """The postmaster stops where it is: logins hang, and what is connected goes on."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def log(self):
        return self.process.log() if self.process else (self.dir / "log").read_text(errors="replace")

    # ---- configuration

    def _write_settings(self):
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        lines += [f"port = {self.port}", f"unix_socket_directories = '{self.socket_dir}'"]
        (self.data / "pgpooler.conf").write_text("\n".join(lines) + "\n")
        main = self.data / "postgresql.conf"
        if "pgpooler.conf" not in main.read_text():
            with open(main, "a", encoding="utf-8") as output:
                output.write("include 'pgpooler.conf'\n")

    def _write_hba(self, lines=()):
        rules = [*lines, "local all all trust", "local replication all trust",
                 f"host all all 127.0.0.1/32 {self.auth}", "host replication all 127.0.0.1/32 trust"]
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def set_auth(self, auth, lines=()):
        """Another method for TCP logins, with pg_hba lines to go in front, in force when this returns."""
        self.auth = auth
        self._write_hba(lines)
        self.reload()

    def create_role(self, name, password=None, options="login", encryption="scram-sha-256"):
        """Existing roles get the new password and options."""
        secret = f"password '{password}'" if password is not None else ""
        exists = self.psql(f"select count(*) from pg_roles where rolname = '{name}'") == "1"
        self.psql(f"set password_encryption = '{encryption}'; "
                  f'{"alter" if exists else "create"} role "{name}" {options} {secret}')

    def create_database(self, name, owner=SUPERUSER):
        self.psql(f'create database "{name}" owner "{owner}"')

    # ---- replicas

    def replica(self, name, settings=None):
        """A new streaming replica of this one, started."""
        copy = Cluster(name, dict(self.settings, **(settings or {})), self.auth)
        process.run([program("pg_basebackup"), "-D", copy.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                     "-d", f"host={self.socket_dir} port={self.port} user={SUPERUSER} application_name={name}"])
        copy._write_settings()
        copy.start()
        return copy

    def promote(self):
        self.psql("select pg_promote()")
        process.wait_until(lambda: self.psql("select pg_is_in_recovery()") == "f", 30, f"{self.name} is promoted")

    def wait_replayed(self, replica, timeout=30):
        """Until the replica shows everything that was written here so far."""
        lsn = self.psql("select pg_current_wal_insert_lsn()")
        process.wait_until(lambda: replica.psql(f"select pg_last_wal_replay_lsn() >= '{lsn}'") == "t", timeout,
                           f"{replica.name} has replayed {lsn}")

    # ---- programs against it

    def dsn(self, dbname="postgres", user=SUPERUSER, **more):
        words = dict(host=self.host, port=self.port, dbname=dbname, user=user, **more)
        return " ".join(f"{name}={value}" for name, value in words.items())

    def entry(self, **more):
        """The value of a [databases] line that leads here."""
        return " ".join([f"host={self.host} port={self.port}", *(f"{name}={value}" for name, value in more.items())])

    def psql(self, sql, dbname="postgres", user=SUPERUSER):
        """What psql -At prints, over the Unix socket."""
        return process.run([program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir, "-p", self.port,
                            "-U", user, "-d", dbname, "-c", sql]).rstrip("\n")

    def rows(self, sql, dbname="postgres", user=SUPERUSER):
        """A list of dicts of text."""
        text = process.run([program("psql"), "-Xq", "--csv", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir,
                            "-p", self.port, "-U", user, "-d", dbname, "-c", sql])
        return list(csv.DictReader(io.StringIO(text)))

    def backends(self, where="true"):
        """Client connections to this instance, but not the one that asks."""
        return self.rows("select * from pg_stat_activity where backend_type = 'client backend' "
                         f"and pid <> pg_backend_pid() and {where}")

    def pgbench_init(self, scale=1, dbname="postgres", user=SUPERUSER):
        process.run([program("pgbench"), "-i", "-q", "-s", scale, "-h", self.socket_dir, "-p", self.port, "-U", user,
                     dbname])


def pgbench(*arguments, host, port, user, dbname, password=None):
    """Runs pgbench; answers {transactions, tps, failed, latency_ms, output}."""
    environment = process.own_environment(**({"PGPASSWORD": password} if password else {}))
    output = process.run([program("pgbench"), "-n", *arguments, "-h", host, "-p", port, "-U", user, dbname],
                         env=environment)

    def figure(pattern):
        match = re.search(pattern, output)
        return float(match[1]) if match else 0.0

    return {
        "transactions": int(figure(r"number of transactions actually processed: (\d+)")),
        "failed": int(figure(r"number of failed transactions: (\d+)")),
        "tps": figure(r"tps = ([\d.]+)"),
        "latency_ms": figure(r"latency average = ([\d.]+)"),
        "output": output,
    }


def psql_path():
    """For messages to people: psql as they would call it."""
    return shutil.which("psql") or str(program("psql"))
