"""Trials between processes: every side is a machine of its own that is asked over QMP.

:func:`trial` judges as :func:`machines.emulator.machine.trial` does, by the same code. What differs
is where the machines are: each runs as ``python -m machines.emulator run`` with what its side has
of catalogue, properties and features, the guest program reaches its registers and memory through
the monitor, and the stream travels over a socket from one process to the next.

A board of this process mirrors each machine. What only both sides together tell, as how many
elements an array has of which one release's dump is silent, is settled here and told to both.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from machines.emulator import machine
from machines.emulator.board import Board, Device
from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.descriptions import description_to_json
from machines.emulator.catalogue.properties import property_to_json
from machines.emulator.devices.platform import BusError
from machines.emulator.devices.processor import Hardware
from machines.emulator.drivers import lineage_of
from machines.emulator.machine import TrialResult
from machines.emulator.migration import Carried
from machines.emulator.monitor.options import SideFile
from machines.emulator.monitor.protocol import GENERIC
from machines.emulator.notes import Notes, Problem
from machines.emulator.qdev import LAYERS, properties_of
from machines.emulator.saving import StateTooLarge
from machines.emulator.session import CommandRefused, Gone, Session
from machines.emulator.side import SectionKey, Side, TrialError

Socket = Literal["unix", "tcp"]

_ROOT = Path(__file__).resolve().parents[2]
MIGRATION_SECONDS = 120.0
_ENDED = frozenset({"completed", "failed", "cancelled"})


def trial(
    sides: Sequence[Side],
    devices: Sequence[str],
    seed: int,
    relaxed: Mapping[SectionKey, frozenset[int]] | None = None,
    socket: Socket = "unix",
) -> TrialResult:
    """As :func:`machines.emulator.machine.trial`, with a process for each side.

    Raises :class:`TrialError` also where a process cannot be started or breaks off.
    """
    with Processes(socket) as processes:
        return machine.trial(sides, devices, seed, relaxed, processes)


class Processes:
    """Machines in processes of their own, which end with the ``with`` block.

    A :class:`machines.emulator.migration.Transfer`. A machine's process starts when its board's
    turn comes, and ends when the machine has left it.
    """

    def __init__(self, socket: Socket = "unix") -> None:
        self._socket = socket
        self._machines: dict[int, _Machine] = {}
        self._stack = ExitStack()
        self._folder = Path()

    def __enter__(self) -> Processes:
        folder = tempfile.TemporaryDirectory(prefix="lockstep-trial-")
        self._folder = Path(self._stack.enter_context(folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def begin(self, boards: Sequence[Board]) -> None:
        self._machine(boards[0]).start(())

    def hardware(self, board: Board, place: int) -> Hardware:
        return RemoteHardware(self._machine(board), _id(place))

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        sender, receiver = self._machine(source), self._machine(destination)
        receiver.start(("-incoming", "defer"))
        sender.push()
        carried = self._migrate(sender, receiver)
        for text in carried.forced:
            notes.forced[text] = None
        sender.pull()
        if not carried.refused_by_source:
            receiver.pull()
        sender.end()
        return carried.carried

    def _machine(self, board: Board) -> _Machine:
        if id(board) not in self._machines:
            folder = self._folder / f"side-{len(self._machines)}"
            self._machines[id(board)] = _Machine(board, folder, self._stack)
        return self._machines[id(board)]

    def _migrate(self, sender: _Machine, receiver: _Machine) -> _Transferred:
        uri = receiver.listen(self._socket)
        sent = sender.send(uri)
        found = sender.execute("x-lockstep-query-transfer", direction="outgoing")
        problems = _problems(found)
        refused = bool(problems)
        if not refused and sent["status"] != "completed":
            raise StateTooLarge(sent.get("error-desc", "the migration was broken off"))
        if not refused:
            taken = receiver.wait()
            problems = _problems(
                receiver.execute("x-lockstep-query-transfer", direction="incoming")
            )
            if taken["status"] != "completed" and not problems:
                raise TrialError(f"{receiver.label}: {taken.get('error-desc', 'not loaded')}")
        versions = [found["sent"].get(_path(place), {}) for place in range(sender.places)]
        carried = Carried(problems, versions, found["sections"], found["bytes"])
        return _Transferred(carried, found["forced"], refused)


@dataclass(frozen=True, slots=True)
class _Transferred:
    carried: Carried
    forced: Sequence[str]
    refused_by_source: bool


def _problems(found: Mapping[str, Any]) -> list[Problem]:
    return [Problem(**item) for item in found["problems"]]


def _id(place: int) -> str:
    return f"d{place}"


def _path(place: int) -> str:
    return f"/machine/peripheral/{_id(place)}"


# --- One side's process ---------------------------------------------------------------------------


class _Machine:
    """One side's machine in its process, and the board that mirrors it."""

    def __init__(self, board: Board, folder: Path, stack: ExitStack) -> None:
        self.board = board
        self.label = board.side.label
        self.places = len(board.devices)
        self._folder = folder
        self._stack = stack
        self._session: Session | None = None

    def start(self, options: Sequence[str]) -> None:
        """Start the process. Raises :class:`TrialError`."""
        self._folder.mkdir()
        write_catalogue(self._folder, self.board)
        (self._folder / "side.json").write_text(json.dumps(_side_file(self.board).to_json()))
        side = self.board.side
        command = [sys.executable, "-m", "machines.emulator", "run", "-qmp", "stdio"]
        command += [
            "-M",
            side.machine_type,
            f"-name={side.label}",
            "--catalogue",
            str(self._folder),
        ]
        command += ["--side", str(self._folder / "side.json"), *options]
        for place, device in enumerate(self.board.devices):
            if device is not None:
                command += ["-device", json.dumps({"driver": device.driver, "id": _id(place)})]
        self._session = Session(command, {"PYTHONPATH": str(_ROOT)})
        self._stack.callback(self._session.close)
        self._guarded(self._session.open)

    def end(self) -> None:
        """End the process: its machine has gone."""
        if self._session is not None:
            self._session.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """The answer to a command. Raises :class:`TrialError` where there is none."""
        return self._guarded(lambda: self.ask(command, **arguments))

    def ask(self, command: str, **arguments: Any) -> Any:
        """The answer to a command. Raises :class:`CommandRefused` and :class:`Gone`."""
        if self._session is None:
            raise Gone("was never started")
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self._session.execute(command, named)

    def _guarded(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except (CommandRefused, Gone, OSError) as error:
            raise TrialError(f"{self.label}: the process of this side: {error}") from error

    # Migrating.

    def listen(self, socket: Socket) -> str:
        """Wait for a source: the address to send to."""
        uri = f"unix:{self._folder}/in" if socket == "unix" else "tcp:127.0.0.1:0"
        self.execute("migrate-incoming", uri=uri, exit_on_error=False)
        if socket == "unix":
            return uri
        (told,) = self.execute("query-migrate")["socket-address"]
        return f"tcp:{told['host']}:{told['port']}"

    def send(self, uri: str) -> Mapping[str, Any]:
        """Migrate there: how it ended. What may not be saved has ended before it began."""
        try:
            self.ask("migrate", uri=uri)
        except CommandRefused as refused:
            return {"status": "failed", "error-desc": refused.description}
        except Gone as error:
            raise TrialError(f"{self.label}: the process of this side: {error}") from error
        return self.wait()

    def wait(self) -> Mapping[str, Any]:
        """How the migration ended. Raises :class:`TrialError` where it does not end."""
        deadline, pause = time.monotonic() + MIGRATION_SECONDS, 0.001
        while time.monotonic() < deadline:
            told: Mapping[str, Any] = self.execute("query-migrate")
            if told.get("status") in _ENDED:
                return told
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        raise TrialError(f"{self.label}: the migration did not end in {MIGRATION_SECONDS:.0f} s")

    # The mirror.

    def push(self) -> None:
        """Give the machine what the guest program wrote into devices that have no registers."""
        for place, device in self._stateful():
            if device.model is None and device.state:
                state = {path: _encoded(value) for path, value in device.state.items()}
                self.execute("x-lockstep-set-state", device=_id(place), state=state)

    def pull(self) -> None:
        """Take over the state with which the machine's devices were saved or loaded."""
        for place, device in self._stateful():
            state = self.execute("x-lockstep-get-state", device=_id(place))
            device.state = {path: base64.b64decode(value) for path, value in state.items()}

    def _stateful(self) -> Iterable[tuple[int, Device]]:
        for place, device in enumerate(self.board.devices):
            if device is not None and not device.stateless:
                yield place, device


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


class RemoteHardware:
    """A modelled device of a machine in another process."""

    def __init__(self, machine: _Machine, device: str) -> None:
        self._machine = machine
        self._device = device

    def read(self, offset: int, size: int) -> int:
        return int(self._ask("x-lockstep-read", device=self._device, offset=offset, size=size))

    def write(self, offset: int, value: int, size: int) -> None:
        self._ask("x-lockstep-write", device=self._device, offset=offset, value=value, size=size)

    def advance(self, duration: int) -> None:
        self._ask("x-lockstep-advance", duration=duration)

    def line(self, number: int) -> bool:
        return bool(self._ask("x-lockstep-line", number=number))

    def fetch(self, address: int, length: int) -> bytes:
        return base64.b64decode(self._ask("x-lockstep-fetch", address=address, length=length))

    def store(self, address: int, data: bytes) -> None:
        self._ask("x-lockstep-store", address=address, data=_encoded(data))

    def _ask(self, command: str, **arguments: Any) -> Any:
        """Raises :class:`BusError` for what the machine's own bus refuses to its guest."""
        try:
            return self._machine.ask(command, **arguments)
        except CommandRefused as refused:
            if refused.kind == GENERIC:
                raise BusError(refused.description) from refused
            raise TrialError(f"{self._machine.label}: {refused}") from refused
        except Gone as error:
            raise TrialError(f"{self._machine.label}: {error}") from error


# --- What a process is told of its side -----------------------------------------------------------


def write_catalogue(folder: Path, board: Board) -> None:
    """The part of a side's catalogue that its devices need, as a folder that ``run`` reads.

    Every entry that applies to the side is a compat property of its machine type, in the order in
    which they win, and descriptions are as both sides together settled them.
    """
    side = board.side
    catalogue = side.catalogue
    drivers = {device.driver for device in board.devices if device is not None}
    named = drivers | {item.gate.driver for item in side.features if item.gate is not None}
    types = {name for driver in named for name in lineage_of(catalogue, driver)}
    documents = {
        "version": _version(catalogue),
        "types": [
            {"name": name}
            if (parent := catalogue.types.get(name)) is None
            else {"name": name, "parent": parent}
            for name in sorted(types & set(catalogue.types))
        ],
        "vmstate": {
            device.driver: {"Description": description_to_json(device.section.description)}
            for device in board.devices
            if device is not None and not device.stateless
        },
        "machines": [{"name": side.machine_type, "compat-props": _entries(side)}],
        "properties": {
            name: [property_to_json(info) for info in properties_of(catalogue, name).values()]
            for name in sorted(types)
        },
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def _version(catalogue: Catalogue) -> dict[str, Any]:
    numbers = [int(part) for part in catalogue.version.split(".") if part.isdecimal()]
    major, minor, micro = (*numbers, 0, 0, 0)[:3]
    return {
        "qemu": {"major": major, "minor": minor, "micro": micro},
        "package": catalogue.package,
    }


def _entries(side: Side) -> list[dict[str, str]]:
    ordered = sorted(side.all_globals(), key=lambda entry: LAYERS.index(entry.layer))
    return [
        {"qom-type": entry.driver, "property": entry.property, "value": entry.value}
        for entry in ordered
    ]


def _side_file(board: Board) -> SideFile:
    instances = {
        _id(place): device.instance
        for place, device in enumerate(board.devices)
        if device is not None
    }
    return SideFile(board.side.features, board.side.savevm_versions, instances)
