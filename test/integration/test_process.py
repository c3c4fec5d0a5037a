"""The process as its administrator sees it: command line, files, signals, log."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from pgpooler_testlib import Pooler, ServerError, free_port, process, rawconn
from pgpooler_testlib.pooler import binary_path

NOBODY = {"app": "host=127.0.0.1 port=1"}  # for tests that need no server
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[(\d+)\] (FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) \S")


def run(*arguments, timeout=10, wrapper=()):
    """(exit status, standard output, standard error) of a process that ends by itself."""
    done = subprocess.run([*wrapper, binary_path(), *map(str, arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=timeout, env=process.own_environment())
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def directory():
    path = process.temp_dir("process")
    yield path
    process.remove_dir(path)


@pytest.fixture
def idle():
    """A pooler without a server behind it. The test may end it."""
    with Pooler(NOBODY) as running:
        yield running


def ini(directory, text=None, **settings):
    """A configuration in a file; only the Unix socket unless settings say otherwise."""
    path = directory / "test.ini"
    settings = {"listen_port": free_port(), "unix_socket_dir": directory, "auth_type": "trust", **settings}
    lines = [f"{name} = {value}" for name, value in settings.items() if value is not None]
    path.write_text(text if text is not None else "\n".join(["[databases]", "[pgbouncer]", *lines]) + "\n")
    return path


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- command line --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(option):
    status, out, err = run(option)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert re.match(r"PgBouncer 1\.25\.2( |$)", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["libuv", "adns:", "tls:"]


def test_the_console_tells_the_same_version(idle):
    assert idle.admin("SHOW VERSION") == [{"version": run("-V")[1].splitlines()[0]}]


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(option):
    status, out, err = run(option)
    assert (status, err) == (0, "")
    for known in ("-d, --daemon", "-q, --quiet", "-R, --reboot", "-u, --user", "-v, --verbose", "-V, --version",
                  "-h, --help"):
        assert known in out


@pytest.mark.parametrize("arguments, words", [
    ([], "no configuration file specified"),
    (["--nothing", "x.ini"], "--nothing"),
    (["-x", "x.ini"], "'x'"),
    (["-u"], "'u'"),
    (["a.ini", "b.ini"], "more than one configuration file"),
])
def test_a_wrong_command_line(arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    assert words in err and '--help" for more information.' in err


def test_options_are_found_behind_the_file(directory):
    assert run(directory / "none.ini", "-V")[0] == 0


def test_root_is_refused(directory):
    as_root = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
    status, _, err = run(ini(directory), wrapper=as_root)
    assert status == 1 and "should not run as root" in err


# ---- configuration files -------------------------------------------------------------------------------------------

BROKEN = [
    ("no file", None, r"none\.ini: .*"),
    ("a bad key", "[databases]\n[pgbouncer]\nno_such_key = 1\n", r"test\.ini:3: .*no_such_key"),
    ("a bad value", "[databases]\n[pgbouncer]\n\nlisten_port = x\n", r"test\.ini:4: .*listen_port"),
    ("a bad word", "[databases]\n[pgbouncer]\npool_mode = often\n", r"test\.ini:3: .*pool_mode"),
    ("a bad section", "[databases]\n[pgbouncer]\n[nothing]\nx = 1\n", r"test\.ini:3: .*nothing"),
    ("no main section", "[databases]\n", r"test\.ini: .*section"),
    ("a bad line", "[databases]\n[pgbouncer]\n???\n", r"test\.ini:3: "),
    ("a bad connection string", "[databases]\napp = host=\n[pgbouncer]\n", r"test\.ini:2: "),
    ("a reserved name", "[databases]\npgbouncer = host=x\n[pgbouncer]\n", r"test\.ini:2: .*reserved"),
    ("an include of nothing", "[databases]\n[pgbouncer]\n%include none.ini\n", r"test\.ini:3: .*none\.ini"),
    ("an include of itself", "[databases]\n[pgbouncer]\n%include {0}/test.ini\n", r"test\.ini:3: "),
]


@pytest.mark.parametrize("text, words", [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_configuration_is_refused_with_its_line(directory, text, words):
    path = directory / "none.ini" if text is None else ini(directory, text.replace("{0}", str(directory)))
    status, out, err = run(path)
    assert (status, out) == (1, "")
    assert re.search(words, err), err
    assert "FATAL cannot load config file" in err


def test_all_errors_are_told_at_once(directory):
    _, _, err = run(ini(directory, "[pgbouncer]\na_key = 1\nverbose = x\n[nothing]\n"))
    assert all(f"test.ini:{line}: " in err for line in (2, 3, 4)), err


@pytest.mark.parametrize("text", [case[1] for case in BROKEN if case[1]], ids=[case[0] for case in BROKEN if case[1]])
def test_a_broken_reload_changes_nothing(broken_pooler, text):
    pooler = broken_pooler
    before = pooler.config()
    good = pooler.ini.read_text()
    log_before = len(pooler.log())
    pooler.ini.write_text(text.replace("{0}/test.ini", str(pooler.ini))
                          .replace("[pgbouncer]\n", "[pgbouncer]\nmax_client_conn = 7\n"))
    try:
        with pytest.raises(ServerError) as failed:
            pooler.admin("RELOAD")
    finally:
        pooler.ini.write_text(good)
    assert (failed.value.code, failed.value.fields["M"]) == (
        "F0000", "RELOAD failed, see logs for additional details")
    assert pooler.config() == before
    assert " ERROR " in pooler.log()[log_before:]
    pooler.reload()


@pytest.fixture(scope="module")
def broken_pooler():
    with Pooler(NOBODY) as running:
        yield running


def test_a_log_file_that_cannot_be_opened_fails_a_reload(idle):
    idle.settings["logfile"] = idle.dir / "none" / "log"
    idle.settings["max_client_conn"] = 7
    idle.write_config()
    with pytest.raises(ServerError, match="F0000"):
        idle.reload()
    assert idle.config()["max_client_conn"] == "100"
    idle.wait_log("could not open log file")


def test_debians_pgbouncer_ini_loads(directory):
    """Its active lines, with files of our own."""
    shipped = pathlib.Path("/etc/pgbouncer/pgbouncer.ini")
    try:
        text = shipped.read_text()
    except OSError:
        text = ("[databases]\n[users]\n[pgbouncer]\nlogfile = /var/log/postgresql/pgbouncer.log\n"
                "pidfile = /var/run/postgresql/pgbouncer.pid\nlisten_addr = localhost\nlisten_port = 6432\n"
                "unix_socket_dir = /var/run/postgresql\nauth_type = md5\nauth_file = /etc/pgbouncer/userlist.txt\n")
    for system in ("/var/log/postgresql", "/var/run/postgresql", "/etc/pgbouncer"):
        text = text.replace(system, str(directory))
    port = free_port()
    text = text.replace("listen_port = 6432", f"listen_port = {port}")
    (directory / "userlist.txt").write_text('"postgres" "secret"\n')
    child = process.Process([binary_path(), ini(directory, text)], directory / "out")
    process.wait_until(lambda: (directory / "pgbouncer.pid").exists(), 10, "it runs")
    with pytest.raises(ServerError, match="no such database: none"):
        rawconn.RawConn(port, dbname="none", secret="secret")
    assert child.end() == 0
    assert "listening on" in (directory / "pgbouncer.log").read_text()


# ---- log -----------------------------------------------------------------------------------------------------------

def test_log_lines(idle):
    with pytest.raises(ServerError):
        idle.admin("SHOW NOTHING")
    idle.wait_log(r"closing because: client close request \(age=0s\)")
    lines = idle.log().splitlines()
    for line in lines:
        assert LINE.match(line) and int(LINE.match(line)[1]) == idle.process.pid, line
    text = "\n".join(lines)
    for words in (r"LOG process up: PgBouncer 1\.25\.2.*, libuv [\d.]+, adns: \S+.*, tls: \S+",
                  rf"LOG listening on 127\.0\.0\.1:{idle.port}$", rf"LOG listening on unix:{idle.dir}/\.s\.PGSQL\.",
                  r"LOG kernel file descriptor limit: \d+ \(hard: \d+\); max_client_conn: 100, "
                  r"max expected fd use: \d+$",
                  r"LOG C-0x[0-9a-f]+: \S+@127\.0\.0\.1:\d+ login attempt: db=pgbouncer user=admin tls=no",
                  r"WARNING C-0x[0-9a-f]+: pgbouncer/admin@127\.0\.0\.1:\d+ pooler error: invalid command"):
        assert re.search(words, text, re.MULTILINE), f"{words}\n{text}"


def test_descriptors_are_raised_to_the_hard_limit():
    with Pooler(NOBODY, wrapper=["prlimit", "--nofile=300:1000"]) as pooler:
        assert re.search(r"descriptor limit: 1000 \(hard: 1000\)", pooler.log())


def test_too_few_descriptors_are_told_and_survived():
    with Pooler(NOBODY, settings={"max_client_conn": 1000}, wrapper=["prlimit", "--nofile=64:64"]) as pooler:
        assert re.search(r"WARNING .*file descriptors", pooler.log())
        clients = [socket.create_connection((pooler.host, pooler.port)) for _ in range(60)]
        pooler.wait_log("accept_failed")
        for client in clients:
            client.close()
        process.wait_until(lambda: pooler.admin("SHOW VERSION"), 20, "it accepts again")


def test_quiet_and_the_log_file(directory):
    log = directory / "file.log"
    child = process.Process([binary_path(), "-q", ini(directory, logfile=log)], directory / "out")
    process.wait_until(lambda: log.exists() and "process up" in log.read_text(), 10, "it runs")
    assert child.end() == 0
    assert child.log() == ""


def test_a_rotated_log_file_is_opened_anew(directory):
    log = directory / "file.log"
    child = process.Process([binary_path(), ini(directory, logfile=log)], directory / "out")
    process.wait_until(lambda: log.exists() and "process up" in log.read_text(), 10, "it runs")
    log.rename(directory / "file.log.1")
    child.signal(signal.SIGHUP)
    process.wait_until(log.exists, 10, "a new log file")
    child.signal(signal.SIGQUIT)
    assert child.wait(10) == 0
    assert "got SIGHUP" in (directory / "file.log.1").read_text()
    assert "got SIGQUIT" in log.read_text()
    assert "got SIGQUIT" in child.log(), "not quiet: the same on standard error"



# ---- daemon, pid file, sockets -------------------------------------------------------------------------------------

def test_a_daemon(directory):
    pidfile, log = directory / "pid", directory / "file.log"
    status, out, err = run("-d", ini(directory, pidfile=pidfile, logfile=log))
    assert (status, out) == (0, "")
    process.wait_until(lambda: log.exists() and "process up" in log.read_text(), 10, "it runs")
    pid = int(pidfile.read_text())
    try:
        assert pidfile.read_text() == f"{pid}\n"
        assert pidfile.stat().st_mode & 0o777 == 0o644
        assert os.getsid(pid) != os.getsid(0)
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
        status, _, err = run(ini(directory, pidfile=pidfile))
        assert status == 1 and f"pidfile '{pidfile}' exists, another instance running?" in err
    finally:
        os.kill(pid, signal.SIGTERM)
    process.wait_until(lambda: not is_alive(pid), 10, "it is gone")
    assert not pidfile.exists()


@pytest.mark.parametrize("settings, words", [({"logfile": "x.log"}, "pidfile"), ({"pidfile": "x.pid"}, "logging")])
def test_a_daemon_needs_files(directory, settings, words):
    status, _, err = run("-d", ini(directory, **{key: directory / name for key, name in settings.items()}))
    assert status == 1 and words in err


@pytest.mark.parametrize("text", ["", "hello\n", f"{os.getpid()}\n"], ids=["empty", "garbage", "alive"])
def test_a_pid_file_in_the_way(directory, text):
    pidfile = directory / "pid"
    pidfile.write_text(text)
    status, _, err = run(ini(directory, pidfile=pidfile))
    assert status == 1 and "exists, another instance running?" in err
    assert pidfile.read_text() == text


def test_a_stale_pid_file_is_replaced(directory):
    gone = subprocess.Popen(["true"])
    gone.wait()
    pidfile = directory / "pid"
    pidfile.write_text(f"{gone.pid}\n")
    child = process.Process([binary_path(), ini(directory, pidfile=pidfile)], directory / "out")
    process.wait_until(lambda: "process up" in child.log(), 10, "it runs")
    assert "stale pidfile, removing" in child.log()
    assert pidfile.read_text() == f"{child.pid}\n"
    assert child.end() == 0


def test_a_unix_socket_in_use(idle, directory):
    status, _, err = run(ini(directory, unix_socket_dir=idle.dir, listen_port=idle.port))
    assert status == 1 and "unix socket is in use, cannot continue" in err
    assert idle.admin("SHOW VERSION"), "the first one keeps it"


def test_a_stale_unix_socket_is_replaced_and_the_own_removed(directory):
    path = ini(directory)
    port = re.search(r"listen_port = (\d+)", path.read_text())[1]
    name = directory / f".s.PGSQL.{port}"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(name))
    child = process.Process([binary_path(), path], directory / "out")
    process.wait_until(lambda: "process up" in child.log(), 10, "it runs")
    assert child.end() == 0
    assert not name.exists()


def test_a_lock_of_postgresql(directory):
    path = ini(directory, listen_port=5999)
    (directory / ".s.PGSQL.5999.lock").write_text("1\n")
    status, _, err = run(path)
    assert status == 1 and "unix port 5999 is in use" in err


def test_nowhere_to_listen(directory):
    status, _, err = run(ini(directory, unix_socket_dir=""))
    assert status == 1 and "nowhere to listen on" in err


def test_listen_addresses(directory, idle):
    taken = {"listen_addr": "127.0.0.1", "listen_port": idle.port}
    status, _, err = run(ini(directory, **taken))
    assert status == 1 and "failed to listen on any address in listen_addr list" in err
    child = process.Process([binary_path(), ini(directory, **dict(taken, listen_addr="127.0.0.1, 127.0.0.2"))],
                            directory / "out")
    process.wait_until(lambda: "process up" in child.log(), 10, "one address is enough")
    assert "WARNING" in child.log() and f"listening on 127.0.0.2:{idle.port}" in child.log()
    assert child.end() == 0


def test_taking_over_from_nobody_is_a_start(directory):
    child = process.Process([binary_path(), "-R", ini(directory)], directory / "out")
    process.wait_until(lambda: "process up" in child.log(), 10, "it runs")
    assert child.end() == 0


# ---- signals -------------------------------------------------------------------------------------------------------

def ends(pooler, timeout=5):
    """It ends by itself, in order."""
    status = pooler.process.wait(timeout)
    assert status == 0, f"ended with {status}:\n{pooler.log()[-6000:]}"
    pooler.check_log()
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_an_idle_process(number):
    with Pooler(NOBODY) as pooler:
        pooler.signal(number)
        assert ends(pooler)
        assert f"got {number.name}" in pooler.log()


def test_sigterm_waits_for_clients(primary):
    with Pooler(primary) as pooler:
        client = pooler.connect()
        pooler.signal(signal.SIGTERM)
        pooler.wait_log("got SIGTERM")
        process.wait_until(lambda: not process_listens(pooler), 5, "TCP is closed")
        assert client.value("select 1") == "1", "who is here is served"
        with rawconn.RawConn(pooler.port, user="admin", dbname="pgbouncer", host=str(pooler.dir)) as console:
            with pytest.raises(ServerError, match="pooler is shutting down"):
                console.rows("RESUME")
        with pytest.raises(ServerError, match="pooler is shutting down"):
            rawconn.RawConn(pooler.port, host=str(pooler.dir))
        client.close()
        assert ends(pooler)


def process_listens(pooler):
    try:
        socket.create_connection((pooler.host, pooler.port)).close()
    except OSError:
        return False
    return True


@pytest.mark.sanitize
def test_sigint_waits_for_servers_and_drops_who_waits(primary):
    with Pooler(primary, settings={"default_pool_size": 1}) as pooler:
        busy, queued, idle = pooler.connect(), pooler.connect(), pooler.connect()
        busy.rows("begin")
        queued.send(rawconn.query("select 1"))
        process.wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 5, "one waits")
        pooler.signal(signal.SIGINT)
        assert queued.read()[1]["M"] == "server shutting down"
        idle.send(rawconn.query("select 1"))
        assert idle.read()[1]["M"] == "server shutting down", "nor does anybody begin to wait"
        assert busy.value("select 1") == "1"
        assert pooler.process.is_running()
        busy.rows("commit")
        assert ends(pooler)


@pytest.mark.sanitize
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_signal_ends_it_at_once(primary, first, second):
    with Pooler(primary) as pooler, pooler.connect() as client:
        client.rows("begin")
        pooler.signal(first)
        pooler.wait_log(f"got {first.name}")
        pooler.signal(second)
        assert ends(pooler)


def test_drain_timeout_ends_the_wait(primary):
    with Pooler(primary, settings={"drain_timeout": "200ms"}) as pooler, pooler.connect() as client:
        client.rows("begin")
        began = time.monotonic()
        pooler.signal(signal.SIGTERM)
        assert ends(pooler)
        assert time.monotonic() - began >= 0.2
        assert "drain_timeout" in pooler.log()


def test_usr1_pauses_and_usr2_resumes(primary):
    with Pooler(primary) as pooler, pooler.connect() as client:
        assert client.value("select 1") == "1"
        pooler.signal(signal.SIGUSR1)
        process.wait_until(lambda: {"key": "paused", "value": "yes"} in pooler.admin("SHOW STATE"), 5, "it is paused")
        client.send(rawconn.query("select 2"))
        process.wait_until(lambda: pooler.pool("postgres")["cl_waiting"] == 1, 5, "the client waits")
        assert pooler.pool("postgres")["sv_idle"] == 0
        pooler.signal(signal.SIGUSR2)
        assert ("DataRow", ["2"]) in client.read_answers()
        assert {"key": "active", "value": "yes"} in pooler.admin("SHOW STATE")


@pytest.mark.sanitize
def test_hangups_in_quick_succession_all_count(idle):
    for limit in (50, 60, 70):
        fresh = idle.dir / "fresh.ini"  # a reload may be reading the old one
        fresh.write_text(idle.ini.read_text() + f"max_client_conn = {limit}\n")
        fresh.replace(idle.ini)
        idle.signal(signal.SIGHUP)
    process.wait_until(lambda: idle.config()["max_client_conn"] == "70", 5, "the last one is in force")


def test_a_service_manager_is_told(directory):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(directory / "notify"))
        manager.settimeout(5)
        with Pooler(NOBODY, environment={"NOTIFY_SOCKET": str(directory / "notify")}) as pooler:
            assert manager.recv(100) == b"READY=1"
            pooler.reload()
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(100))
            assert manager.recv(100) == b"READY=1"
            pooler.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert ends(pooler)
