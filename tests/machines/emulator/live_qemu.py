"""A real QEMU that saves a stream, or says whether it loads one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

BINARY = "qemu-system-x86_64"
SECONDS = 120
POLL = 0.005


_Started = tuple[subprocess.Popen[bytes], socket.socket]


class Monitor:
    """QMP on a socket; :meth:`ask` raises ``EOFError`` once QEMU has gone."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(SECONDS)
        self._socket = end
        self._lines = end.makefile("r")
        self._read()  # the greeting
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._read()
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def until(self, command: str, wanted: Sequence[str]) -> str:
        deadline = time.monotonic() + SECONDS
        while (status := self.ask(command).get("status")) not in wanted:
            assert time.monotonic() < deadline, f"{command} still tells {status}"
            time.sleep(POLL)
        return str(status)


@contextmanager
def _started(machine: str, arguments: Sequence[str]) -> Iterator[_Started]:
    assert shutil.which(BINARY), "QEMU is missing: install Debian's package qemu-system-x86"
    ours, theirs = socket.socketpair()
    command = [BINARY, "-nodefaults", "-display", "none", "-M", machine, "-m", "16", "-S"]
    command += ["-accel", "tcg", "-chardev", f"socket,id=qmp,fd={theirs.fileno()}"]
    command += ["-mon", "chardev=qmp,mode=control", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()]
    ) as process:
        theirs.close()
        try:
            yield process, ours
        finally:
            process.kill()
            ours.close()


def save(folder: Path, machine: str, arguments: Sequence[str], seconds: float = 0) -> Path:
    """The stream of a machine that ran for so long."""
    path = folder / f"{time.monotonic_ns()}.mig"
    with _started(machine, arguments) as (_, end):
        monitor = Monitor(end)
        if seconds:
            monitor.ask("cont")
            time.sleep(seconds)
            monitor.ask("stop")
        monitor.ask("migrate", uri=f"exec:cat > {path}")
        assert monitor.until("query-migrate", ("completed", "failed")) == "completed"
    return path


def refusal(stream: Path, machine: str, arguments: Sequence[str]) -> str:
    """What QEMU printed where it did not load the stream, empty where it did."""
    incoming = ["-incoming", f"exec:cat {stream}"]
    with _started(machine, [*arguments, *incoming]) as (process, end):
        with suppress(EOFError, ConnectionError):
            Monitor(end).until("query-status", ("paused", "prelaunch"))
            return ""
        assert process.wait(SECONDS) == 1
        assert process.stderr is not None
        printed: bytes = process.stderr.read()
        return printed.decode(errors="replace")
