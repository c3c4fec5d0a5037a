"""Temporary directories, ports, waiting, and child processes that never outlive us."""

import atexit
import ctypes
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1

_directories = []
_processes = []
_ports_given = set()


def scale(count):
    """A test's count, made larger by `make check-long SCALE=n`."""
    return max(1, int(count * float(os.environ.get("PGPOOLER_SCALE", "1"))))


def temp_dir(prefix):
    """A directory that is removed when this process ends. Its path is short: sockets live in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"pgp-{prefix}-"))
    _directories.append(path)
    return path


def remove_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    if path in _directories:
        _directories.remove(path)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """A port below the range that the kernel hands out to outgoing connections, never twice from here."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        if port not in _ports_given and port_is_free(port):
            _ports_given.add(port)
            return port


def wait_until(condition, timeout=10.0, message="condition"):
    """Asks again and again; answers what condition() answered when that is true."""
    end = time.monotonic() + timeout
    pause = 0.002
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout:g} s still not: {message}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def own_environment(**more):
    """Ours without the PG* variables, which would change what libpq programs do."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG") or "POOLER" in name}
    environment.update(more)
    return environment


def run(command, **options):
    """subprocess.run with text, captured, and a failure that shows what the program said."""
    options.setdefault("env", own_environment())
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(str(word) for word in command)}: exit status {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done.stdout


class Process:
    """A child in a session of its own, its output in a file. The kernel ends it should we die without a word."""

    def __init__(self, command, log, environment=None, end_with=signal.SIGTERM):
        self.command = [str(word) for word in command]
        self.end_with = end_with
        self.log_path = pathlib.Path(log)
        libc = ctypes.CDLL(None)
        # The kernel means the thread that forked, so a helper thread's end must not count.
        dies_with_us = threading.current_thread() is threading.main_thread()

        def in_child():
            if dies_with_us:
                libc.prctl(PR_SET_PDEATHSIG, end_with)

        with open(self.log_path, "ab") as output:
            self.child = subprocess.Popen(self.command, env=environment or own_environment(),
                                          stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          start_new_session=True, preexec_fn=in_child)
        self.pid = self.child.pid
        _processes.append(self)

    def is_running(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, timeout):
        """Exit status; negative is the signal that ended it."""
        status = self.child.wait(timeout)
        if self in _processes:
            _processes.remove(self)
        return status

    def end(self, timeout=30, with_signal=None):
        """Asks it to go, and kills it when it does not."""
        if self.is_running():
            self.signal(with_signal or self.end_with)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.wait(timeout)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def cpu_seconds(self):
        """User and system time so far, of all its threads."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def interrupt_on_signals():
    """SIGTERM and SIGHUP end us as Ctrl-C does: with everything cleaned up."""

    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


@atexit.register
def _clean_up():
    # A second Ctrl-C shall not leave half of it behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for process in reversed(_processes[:]):
        process.end(timeout=10)
    for path in _directories[:]:
        remove_dir(path)
