"""A program that speaks QMP on its standard input and output, started and asked.

QEMU does (``-qmp stdio``), and so does a running machine of this project.

Errors, whose fault is what::

    CommandRefused        the program refused one command
    Gone                  the program ended, or stopped answering, in the middle of a command
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machines.emulator.errors import EmulatorError

#: How long one command, and the start, may take, in seconds.
ANSWER_SECONDS = 30.0
MAX_LINE = 64 * 1024 * 1024


class CommandRefused(EmulatorError):
    """The program answered a command with an error; ``kind`` is its class."""

    def __init__(self, kind: str, description: str) -> None:
        super().__init__(f"{kind}: {description}"[:500])
        self.kind = kind
        self.description = description


class Gone(EmulatorError):
    """The program ended or fell silent; the text says which, with its last words."""


class Session:
    """One run of the program, in a process group and a folder of its own.

    ``environment`` are variables that it has beside this process's.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._folder = tempfile.TemporaryDirectory(prefix="lockstep-qmp-")
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = bytearray()

    def open(self) -> None:
        """Start it, and shake hands. Raises :class:`Gone` or OSError."""
        with Path(self._folder.name, "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder.name,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,
            )
        deadline = time.monotonic() + ANSWER_SECONDS
        while "QMP" not in self._message(deadline):
            pass
        self.execute("qmp_capabilities")

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """The command's answer. Raises :class:`CommandRefused` or :class:`Gone`."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._send(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            message = self._message(deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                told = message["error"] if isinstance(message["error"], dict) else {}
                raise CommandRefused(str(told.get("class", "error")), str(told.get("desc", "")))
            # An event: nobody asked.

    def close(self) -> None:
        """End the process and whatever it started."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def _send(self, data: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(data)
        except BrokenPipeError as error:
            raise self._gone() from error

    def _message(self, deadline: float) -> dict[str, Any]:
        """The next JSON object; a line that is none (a warning of the build) is passed over."""
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                with contextlib.suppress(ValueError, RecursionError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        return message
            else:
                self._receive(deadline)

    def _receive(self, deadline: float) -> None:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101
        stdout = self._process.stdout
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stdout], [], [], left)[0]:
            raise Gone(f"did not answer within {ANSWER_SECONDS:.0f} s")
        data = os.read(stdout.fileno(), 1 << 20)
        if not data:
            raise self._gone()
        self._pending += data
        if len(self._pending) > MAX_LINE:
            raise Gone(f"answered with more than {MAX_LINE // 2**20} MiB")

    def _gone(self) -> Gone:
        assert self._process is not None  # noqa: S101
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return Gone("closed its monitor")
        words = Path(self._folder.name, "errors").read_text(errors="replace")
        return Gone(ended(status, words))


def ended(status: int, words: str) -> str:
    """How a process ended, with the last line that it wrote."""
    how = f"ended with status {status}"
    if status < 0:
        try:
            how = f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            how = f"was ended by signal {-status}"
    lines = words.strip().splitlines()
    return f"{how}: {lines[-1][:300]}" if lines else how
