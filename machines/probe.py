"""Ask a real QEMU binary what it is: its types, properties, machine types and VMState dump.

The binary is started without a machine (``-M none``) and asked over QMP on its standard input and
output; a second start writes ``-dump-vmstate``. The answers become the files of a catalogue and
take the way of an uploaded one through :mod:`machines.parsing`.

Some builds abort when asked for the properties of a driver whose module is not installed. Then
the binary is started again, that driver is skipped, and the result says so.

Errors, whose fault is what::

    CatalogueError
      ProbeError          the binary cannot be started or asked; the message has its last words
    QmpError              the binary refused one command (its class and description)
    Gone                  the binary ended, or stopped answering, in the middle of a command
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from machines import parsing
from machines.emulator.catalogue import Catalogue, CatalogueError

#: How long one command, and the start, may take, in seconds.
ANSWER_SECONDS = 30.0
DUMP_SECONDS = 120.0
MAX_LINE = 64 * 1024 * 1024
MAX_RESTARTS = 200

#: What to start with, the best first: a build may lack an accelerator or an option.
START_OPTIONS: tuple[tuple[str, ...], ...] = (
    ("-accel", "tcg", "-nodefaults"),
    ("-nodefaults",),
    (),
)
_NO_MACHINE = ("-M", "none", "-display", "none", "-S")


class ProbeError(CatalogueError):
    """The binary cannot be probed; ``place`` is its path."""


class QmpError(Exception):
    """The binary answered a command with an error."""


class Gone(Exception):
    """The binary ended or fell silent; the text says which, with its last words."""


class Progress(Protocol):
    """Called with how many drivers of how many were asked, and which is next."""

    def __call__(self, done: int, total: int, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """``skipped`` maps a driver to why its properties are not known."""

    catalogue: Catalogue
    skipped: dict[str, str]

    @property
    def version(self) -> str:
        """The release's version as people say it: ``10.0`` for 10.0.13."""
        return ".".join(self.catalogue.version.split(".")[:2])


def probe(
    binary: Path, progress: Progress | None = None, sources: Mapping[str, bytes] | None = None
) -> ProbeResult:
    """Everything that ``binary`` tells of itself. Raises :class:`CatalogueError`.

    ``sources`` are further files by name, C sources or ``compat.json``: before QEMU 9.1 a binary
    does not tell the compat properties of its machine types.
    """
    binary = binary.resolve()
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise ProbeError(str(binary), "is not a program that can be started")
    asker = _Asker(binary, progress or _silent)
    documents = asker.ask()
    documents["vmstate"] = _dump_vmstate(binary, asker.machine_names())
    answers = {
        f"{name}.json": json.dumps(document).encode() for name, document in documents.items()
    }
    catalogue = parsing.parse({**(sources or {}), **answers})
    return ProbeResult(catalogue, dict(catalogue.unreadable))


def _silent(done: int, total: int, text: str) -> None:
    """Nobody watches."""


# --- What to ask ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Asker:
    """Puts the questions, and starts the binary again where a question killed it."""

    binary: Path
    progress: Progress
    _documents: dict[str, Any] = field(default_factory=dict)
    _restarts: int = 0

    def ask(self) -> dict[str, Any]:
        """The catalogue documents that QMP gives: all but ``vmstate`` and ``compat``."""
        with _session(self.binary) as session:
            try:
                self._documents["version"] = session.execute("query-version")
                self._documents["machines"] = self._machines(session)
                self._documents["types"] = session.execute(
                    "qom-list-types", {"implements": "device", "abstract": True}
                )
            except (QmpError, Gone) as error:
                raise ProbeError(str(self.binary), str(error)) from error
        self._documents["properties"] = self._properties()
        return self._documents

    def machine_names(self) -> list[str]:
        """Its machine types, the default one first."""
        listed = [entry for entry in self._documents["machines"] if isinstance(entry, dict)]
        listed.sort(key=lambda entry: not entry.get("is-default"))
        return [str(entry.get("name")) for entry in listed]

    def _machines(self, session: Session) -> Any:
        try:
            return session.execute("query-machines", {"compat-props": True})
        except QmpError:  # QEMU before 9.1 knows no such argument
            return session.execute("query-machines")

    def _properties(self) -> dict[str, Any]:
        types = self._documents["types"]
        waiting = sorted(
            (
                str(entry.get("name"))
                for entry in types
                if isinstance(entry, dict) and not entry.get("abstract")
            ),
            reverse=True,
        )
        total = len(waiting)
        answers: dict[str, Any] = {}
        while waiting:
            with _session(self.binary) as session:
                while waiting:
                    driver = waiting.pop()
                    self.progress(len(answers), total, driver)
                    try:
                        answers[driver] = _properties_of(session, driver)
                    except Gone as error:
                        answers[driver] = {"error": str(error)}
                        self._count_restart(driver)
                        break
        self.progress(total, total, "")
        return answers

    def _count_restart(self, driver: str) -> None:
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            problem = f"ended on more than {MAX_RESTARTS} drivers, the last being {driver}"
            raise ProbeError(str(self.binary), problem)


def _properties_of(session: Session, driver: str) -> Any:
    try:
        return session.execute("device-list-properties", {"typename": driver})
    except QmpError as error:
        return {"error": str(error)}


def _dump_vmstate(binary: Path, machines: Sequence[str]) -> Any:
    """The document of ``-dump-vmstate``. What it says does not depend on the machine."""
    last = "wrote no dump"
    with tempfile.TemporaryDirectory(prefix="lockstep-probe-") as folder:
        target = Path(folder, "vmstate.json")
        for machine in (*machines[:3], "none"):
            for options in START_OPTIONS:
                command = [str(binary), "-M", machine, "-display", "none", "-S", *options]
                last = _run_dump([*command, "-dump-vmstate", str(target)], folder)
                if target.is_file() and target.stat().st_size and not last:
                    return _load_dump(binary, target)
    raise ProbeError(str(binary), f"-dump-vmstate: {last}")


def _run_dump(command: list[str], folder: str) -> str:
    """What went wrong, empty where nothing did."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=DUMP_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {DUMP_SECONDS:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
    if done.returncode:
        return _ended(done.returncode, done.stderr.decode(errors="replace"))
    return ""


def _load_dump(binary: Path, target: Path) -> Any:
    try:
        return json.loads(target.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ProbeError(str(binary), "-dump-vmstate wrote something that is no JSON") from error


def _ended(status: int, words: str) -> str:
    """How a process ended, with the last line that it wrote."""
    how = f"ended with status {status}"
    if status < 0:
        try:
            how = f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            how = f"was ended by signal {-status}"
    lines = words.strip().splitlines()
    return f"{how}: {lines[-1][:300]}" if lines else how


# --- QMP over standard input and output -----------------------------------------------------------


@contextlib.contextmanager
def _session(binary: Path) -> Iterator[Session]:
    """A started binary that answers. Raises :class:`ProbeError` where no way of starting works."""
    problem = "cannot be started"
    for options in START_OPTIONS:
        session = Session([str(binary), *_NO_MACHINE, *options, "-qmp", "stdio"])
        try:
            session.open()
        except (Gone, QmpError, OSError) as error:
            session.close()
            problem = str(error)
            continue
        try:
            yield session
        finally:
            session.close()
        return
    raise ProbeError(str(binary), problem)


class Session:
    """One run of the binary, in a process group and a folder of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._folder = tempfile.TemporaryDirectory(prefix="lockstep-probe-")
        self._process: subprocess.Popen[bytes] | None = None
        self._pending = bytearray()

    def open(self) -> None:
        """Start it, and shake hands. Raises :class:`Gone` or OSError."""
        with Path(self._folder.name, "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder.name,
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
        """The command's answer. Raises :class:`QmpError` or :class:`Gone`."""
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
                raise QmpError(f"{told.get('class', 'error')}: {told.get('desc', '')}"[:500])
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
        return Gone(_ended(status, words))
