"""Broken configurations: each mistake is told with its place, and a running pooler keeps what it has."""

import os
import re
import shlex
import signal
import subprocess

import pytest

from pgpooler_testlib import Pooler, ServerError, process, wait_until
from pgpooler_testlib.pooler import binary_path

GOOD = """[databases]
app = host=127.0.0.1 port=1

[pgbouncer]
auth_type = trust
"""

# (what, files: name -> text, patterns that stderr has in this order). A file's name stands for itself in a pattern.
MISTAKES = [
    ("an unknown key", {"main.ini": GOOD + "pool_mod = session\n"},
     [r'main\.ini:6: unknown key "pool_mod"; did you mean "pool_mode"\?']),
    ("a key that is like no other", {"main.ini": GOOD + "xyzzy = 1\n"}, [r'main\.ini:6: unknown key "xyzzy"$']),
    ("a value that is no number", {"main.ini": GOOD + "max_client_conn = many\n"},
     [r'main\.ini:6: max_client_conn must be an integer, not "many"']),
    ("a value out of its bounds", {"main.ini": GOOD + "listen_port = 65536\n"},
     [r"main\.ini:6: listen_port must be between 0 and 65535"]),
    ("a word that is none of the possible ones", {"main.ini": GOOD + "pool_mode = transactoin\n"},
     [r"main\.ini:6: .*pool_mode.*transactoin"]),
    ("a method that is not built in", {"main.ini": GOOD + "auth_type = pam\n"},
     [r"main\.ini:6: auth_type=pam is not supported by this build"]),
    ("TLS", {"main.ini": GOOD + "client_tls_sslmode = require\n"},
     [r"main\.ini:6: client_tls_sslmode=require: TLS is not available"]),
    ("an unknown section", {"main.ini": GOOD + "[database]\na = host=b\n"},
     [r'main\.ini:6: unknown section "database"; did you mean "databases"\?']),
    ("a line that is no assignment", {"main.ini": GOOD + "pool_mode\n"}, [r"main\.ini:6: syntax error"]),
    ("a key in front of all sections", {"main.ini": "verbose = 1\n" + GOOD},
     [r'main\.ini:1: value without section: "verbose"']),
    ("no main section", {"main.ini": "[databases]\napp = host=127.0.0.1\n"},
     [r"main\.ini: main section missing from config file"]),
    ("an empty file", {"main.ini": ""}, [r"main\.ini: main section missing from config file"]),
    ("an include of itself", {"main.ini": GOOD + "%include main.ini\n"}, [r"main\.ini:6: %include loop"]),
    ("an include loop of two", {"main.ini": GOOD + "%include part.ini\n", "part.ini": "\n%include main.ini\n"},
     [r"part\.ini:2: %include loop"]),
    ("an include that is not there", {"main.ini": GOOD + "%include nowhere.ini\n"},
     [r"main\.ini:6: could not load file .*nowhere\.ini.*No such file"]),
    ("a mistake in an included file", {"main.ini": GOOD + "%include part.ini\n", "part.ini": "\n\nverbose = x\n"},
     [r'part\.ini:3: verbose must be an integer, not "x"']),
    ("a connection string without =", {"main.ini": "[databases]\napp = localhost\n[pgbouncer]\n"},
     [r"main\.ini:2: syntax error in connection string"]),
    ("a connection string with an open quote", {"main.ini": "[databases]\napp = password='canary\n[pgbouncer]\n"},
     [r"main\.ini:2: syntax error in connection string: a quote is not closed"]),
    ("a connection string with an unknown key", {"main.ini": "[databases]\napp = hosts=a\n[pgbouncer]\n"},
     [r'main\.ini:2: unknown key "hosts"; did you mean "host"\?']),
    ("a port that is none", {"main.ini": "[databases]\napp = host=a port=0\n[pgbouncer]\n"},
     [r"main\.ini:2: invalid port"]),
    ("a reserved name", {"main.ini": "[databases]\npgbouncer = host=a\n[pgbouncer]\n"},
     [r'main\.ini:2: database name "pgbouncer" is reserved']),
    ("our own reserved name", {"main.ini": "[databases]\npgpooler = host=a\n[pgbouncer]\n"},
     [r'main\.ini:2: database name "pgpooler" is reserved']),
    ("a broken line in auth_file", {"main.ini": GOOD + "auth_file = users.txt\n",
                                    "users.txt": '"good" "one"\n"canary\n'},
     [r"users\.txt:2: broken auth file"]),
    ("a user's line with a key that is none of his", {"main.ini": GOOD + "[users]\nbob = host=a\n"},
     [r'main\.ini:7: unknown key "host"']),
    ("a peer without a host", {"main.ini": GOOD + "[peers]\n1 = port=1\n"}, [r"main\.ini:7: a peer needs a host"]),
    ("values that do not fit together", {"main.ini": GOOD + "max_replica_lag = 500ms\n"},
     [r"main\.ini:6: max_replica_lag is shorter than"]),
    ("several mistakes", {"main.ini": GOOD + "verbose = x\nnonsense\nlisten_port = -1\n"},
     [r"main\.ini:6: verbose", r"main\.ini:7: syntax error", r"main\.ini:8: listen_port"]),
]


def write(directory, files):
    """Relative names in the files mean this directory: the pooler runs in it."""
    for name, text in files.items():
        (directory / name).write_text(text)


def in_order(patterns, text):
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(text, at)
        assert found, f"no {pattern!r} in:\n{text[at:]}"
        at = found.end()


def run_until_it_fails(directory, *arguments):
    wrapper = shlex.split(os.environ.get("PGPOOLER_WRAPPER", ""))
    return subprocess.run([*wrapper, str(binary_path()), *arguments], cwd=directory, env=process.own_environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30)


@pytest.mark.sanitize
@pytest.mark.parametrize("what, files, patterns", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_broken_configuration_does_not_start(tmp_path, what, files, patterns):
    write(tmp_path, files)
    ended = run_until_it_fails(tmp_path, "main.ini")
    assert ended.returncode == 1, f"{what}: exit status {ended.returncode}\n{ended.stderr}"
    in_order(patterns, ended.stderr)
    assert "canary" not in ended.stderr + ended.stdout, "a secret is shown"


def test_a_file_that_is_not_there(tmp_path):
    ended = run_until_it_fails(tmp_path, "nowhere.ini")
    assert ended.returncode == 1 and re.search(r"nowhere\.ini.*No such file", ended.stderr), ended.stderr


def test_a_directory_is_no_configuration(tmp_path):
    ended = run_until_it_fails(tmp_path, ".")
    assert ended.returncode == 1 and ended.stderr, ended.stderr


def test_a_file_without_permission(tmp_path):
    (tmp_path / "main.ini").write_text(GOOD)
    os.chmod(tmp_path / "main.ini", 0)
    ended = run_until_it_fails(tmp_path, "main.ini")
    assert ended.returncode == 1 and re.search(r"main\.ini.*Permission denied", ended.stderr), ended.stderr


# ---- the same with RELOAD

class Running:
    """A pooler with a client in a transaction, whose files are broken and mended by turns."""

    def __init__(self, pooler):
        self.pooler = pooler
        self.client = pooler.connect()
        self.client.rows("begin")
        self.good = {path: path.read_text() for path in pooler.dir.iterdir()
                     if path.suffix in (".ini", ".txt")}
        self.state = self.look()

    def look(self):
        with self.pooler.console() as console:
            return {what: [{name: value for name, value in row.items() if not name.startswith("current_")}
                           for row in console.dicts(f"SHOW {what}")] for what in ("CONFIG", "DATABASES", "USERS")}

    def break_files(self, files):
        """As in the table, but where this pooler reads: its own main file, and the others beside it, by full name."""
        directory = self.pooler.dir
        for name, text in files.items():
            for other in ("part.ini", "users.txt", "nowhere.ini"):
                text = re.sub(rf"\b{re.escape(other)}\b", str(directory / other), text)
            text = re.sub(r"%include main\.ini", f"%include {self.pooler.ini}", text)
            (self.pooler.ini if name == "main.ini" else directory / name).write_text(text)

    def mend(self):
        for path, text in self.good.items():
            path.write_text(text)

    def check(self, what):
        assert self.look() == self.state, f"{what}: the running configuration has changed"
        assert self.client.value("select 'goes on'") == "goes on"
        with self.pooler.connect() as another:
            assert another.value("select 'and others'") == "and others"


@pytest.fixture(scope="module")
def running(primary):
    with Pooler(primary, settings={"default_pool_size": 7, "query_wait_timeout": 33}) as pooler:
        pooler.databases["app"] = primary.entry(dbname="postgres", pool_size=3)
        pooler.write_config()
        pooler.reload()
        state = Running(pooler)
        yield state
        state.client.close()


@pytest.mark.sanitize
@pytest.mark.parametrize("what, files, patterns", MISTAKES, ids=[row[0] for row in MISTAKES])
def test_a_broken_reload_changes_nothing(running, what, files, patterns):
    running.break_files(files)
    # The main file has another name here, and only a file beside it keeps its own.
    patterns = [pattern.replace(r"main\.ini", re.escape(running.pooler.ini.name)) for pattern in patterns]
    try:
        before = len(running.pooler.log())
        with pytest.raises(ServerError, match="RELOAD failed"):
            running.pooler.reload()
        in_order(patterns, running.pooler.log()[before:])
        assert "canary" not in running.pooler.log()
        running.check(what)
        before = len(running.pooler.log())
        running.pooler.signal(signal.SIGHUP)
        running.pooler.wait_log("the running one stays as it is", after=before)
        in_order(patterns, running.pooler.log()[before:])
        running.check(what)
    finally:
        running.mend()
    running.pooler.reload()
    running.check("the mended files")


def test_a_file_that_vanished_changes_nothing(running):
    try:
        running.pooler.ini.unlink()
        with pytest.raises(ServerError, match="RELOAD failed"):
            running.pooler.reload()
        running.check("no file")
    finally:
        running.mend()


def test_a_good_reload_after_broken_ones_counts(running):
    pooler = running.pooler
    try:
        pooler.ini.write_text("nonsense")
        pooler.signal(signal.SIGHUP)
        running.mend()
        pooler.ini.write_text(pooler.ini.read_text().replace("default_pool_size = 7", "default_pool_size = 8"))
        pooler.signal(signal.SIGHUP)
        wait_until(lambda: pooler.config()["default_pool_size"] == "8", 10, "the new value counts")
    finally:
        running.mend()
        pooler.reload()
    running.check("the old value again")
