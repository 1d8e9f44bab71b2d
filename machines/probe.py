"""Ask a real QEMU binary what it is: its types, properties, machine types and VMState dump.

The binary is started without a machine (``-M none``) and asked over QMP on its standard input and
output; a second start writes ``-dump-vmstate``. The answers become the files of a catalogue and
take the way of an uploaded one through :mod:`machines.parsing`.

Some builds abort when asked for the properties of a driver whose module is not installed. Then
the binary is started again, that driver is skipped, and the result says so.

Errors, whose fault is what::

    CatalogueError
      ProbeError          the binary cannot be started or asked; the message has its last words
    CommandRefused        session: the binary refused one command
    Gone                  session: the binary ended, or stopped answering, within a command
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machines import parsing
from machines.emulator.catalogue import Catalogue, CatalogueError
from machines.emulator.session import CommandRefused, Gone, Session, ended
from machines.progress import Progress, silent

DUMP_SECONDS = 120.0
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
    answers = answers_of(binary, progress)
    catalogue = parsing.parse({**(sources or {}), **answers})
    return ProbeResult(catalogue, dict(catalogue.unreadable))


def answers_of(binary: Path, progress: Progress | None = None) -> dict[str, bytes]:
    """What ``binary`` answered, as the files of a catalogue by name. Raises :class:`ProbeError`."""
    binary = binary.resolve()
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise ProbeError(str(binary), "is not a program that can be started")
    asker = _Asker(binary, progress or silent)
    documents = asker.ask()
    documents["vmstate"] = _dump_vmstate(binary, asker.machine_names())
    return {f"{name}.json": json.dumps(document).encode() for name, document in documents.items()}


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
            except (CommandRefused, Gone) as error:
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
        except CommandRefused:  # QEMU before 9.1 knows no such argument
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
    except CommandRefused as error:
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
        return ended(done.returncode, done.stderr.decode(errors="replace"))
    return ""


def _load_dump(binary: Path, target: Path) -> Any:
    try:
        return json.loads(target.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ProbeError(str(binary), "-dump-vmstate wrote something that is no JSON") from error


# --- QMP over standard input and output -----------------------------------------------------------


@contextlib.contextmanager
def _session(binary: Path) -> Iterator[Session]:
    """A started binary that answers. Raises :class:`ProbeError` where no way of starting works."""
    problem = "cannot be started"
    for options in START_OPTIONS:
        session = Session([str(binary), *_NO_MACHINE, *options, "-qmp", "stdio"])
        try:
            session.open()
        except (Gone, CommandRefused, OSError) as error:
            session.close()
            problem = str(error)
            continue
        try:
            yield session
        finally:
            session.close()
        return
    raise ProbeError(str(binary), problem)
