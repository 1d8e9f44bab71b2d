"""The guest program: it writes state before a migration and reads it back afterwards.

It runs on the machine that migrates and on an imagined one that stays: what the two see must be
the same. Where releases name a field differently, :mod:`machines.emulator.pairing` finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from machines.emulator.board import Board, Device
from machines.emulator.devices import MODELLED
from machines.emulator.devices.model import Model
from machines.emulator.devices.platform import BusError, Platform
from machines.emulator.devices.processor import (
    MEMORY_BASE,
    PROGRAM_MEMORY,
    Exercise,
    Hardware,
    Processor,
)
from machines.emulator.layout import Leaf, Section
from machines.emulator.memo import remembered
from machines.emulator.notes import Notes
from machines.emulator.pairing import Pairing

#: Of a long field the program uses this much: a frame buffer's first page tells enough.
TOUCHED_BYTES = 1024
#: So many programs of modelled devices have guest memory of their own.
MAX_PROGRAMS = 128


@dataclass(frozen=True, slots=True)
class LocalHardware:
    """A modelled device of a machine in this process."""

    model: Model
    platform: Platform

    def read(self, offset: int, size: int) -> int:
        return self.model.read(offset, size)

    def write(self, offset: int, value: int, size: int) -> None:
        self.model.write(offset, value, size)

    def advance(self, duration: int) -> None:
        self.platform.advance(duration)

    def line(self, number: int) -> bool:
        return self.platform.lines.get(number, False)

    def fetch(self, address: int, length: int) -> bytes:
        return self.platform.ram.read(address, length)

    def store(self, address: int, data: bytes) -> None:
        self.platform.ram.write(address, data)


def local_hardware(board: Board, place: int) -> Hardware:
    """The modelled device at that place of a board that is in this process."""
    device = board.devices[place]
    if device is None or device.model is None:
        raise KeyError(place)
    return LocalHardware(device.model, board.platform)


class Run:
    """A modelled device's guest program, running on one machine."""

    def __init__(self, exercise: Exercise, hardware: Hardware, seed: str, index: int) -> None:
        # Beyond this many devices programs share their piece of memory, alike on every machine.
        base = MEMORY_BASE + index % MAX_PROGRAMS * PROGRAM_MEMORY
        self.processor = Processor(hardware, f"{seed}/{index}", base)
        self._steps = exercise(self.processor)
        self.hung = False

    def step(self) -> bytes:
        """Go on until the next point at which the machine may migrate: what was seen so far."""
        if not self.hung:
            try:
                next(self._steps, None)
            except BusError:  # the device came in a state from which the guest cannot go on
                self.hung = True
        return self.processor.seen() + bytes((self.hung,))


class Program:
    """The guest program: writes the state it may use, reads it back after each migration.

    Beside the machine that migrates it keeps what a machine that stays would hold: of a device
    with a model a second one, on which the same program runs. ``hardware`` reaches the modelled
    device at a board's place, wherever that machine is.
    """

    def __init__(
        self,
        boards: Sequence[Board],
        seed: int,
        notes: Notes,
        hardware: Callable[[Board, int], Hardware] = local_hardware,
    ) -> None:
        self.seed = seed
        self.hardware = hardware
        self.notes = notes
        self.boards = boards
        self.trace = hashlib.sha256()
        self.reference = hashlib.sha256()
        self.board = boards[0]
        self.pairings = [
            [
                Pairing(a, b) if a is not None and b is not None else None
                for a, b in zip(source.devices, destination.devices, strict=True)
            ]
            for source, destination in pairwise(boards)
        ]
        self.fields: list[list[tuple[str, int]]] = []
        self.places: list[dict[str, str]] = []
        self.values: list[dict[str, bytes]] = []
        self.runs: dict[int, tuple[Run, Run]] = {}
        staying = Platform()
        for index, device in enumerate(boards[0].devices):
            everywhere = [board.devices[index] for board in boards]
            used: list[Leaf] = []
            if device is not None and device.model is not None:
                self.runs[index] = self._run_twice(index, device.driver, device.model, staying)
            elif device is not None:
                used = list(self._uses(device, everywhere))
            kept = self._kept(index, used, boards)
            self.fields.append([(leaf.path, leaf.size) for leaf in kept])
            self.places.append({leaf.path: leaf.path for leaf in kept})
            self.values.append({})

    def _run_twice(
        self, index: int, driver: str, model: Model, staying: Platform
    ) -> tuple[Run, Run]:
        """The program on the device that migrates, and on one that stays."""
        twin = model.twin(staying)
        staying.devices.append(twin)
        here = self.hardware(self.board, index)
        there = LocalHardware(twin, staying)
        exercise, seed = MODELLED[driver].exercise, str(self.seed)
        return Run(exercise, here, seed, index), Run(exercise, there, seed, index)

    def _uses(self, device: Device, everywhere: Sequence[Device | None]) -> Iterator[Leaf]:
        for section in device.section.walk():
            shared = section is device.section or self._touches(device, section, everywhere)
            for leaf in section.current().leaves:
                if leaf.unused or not leaf.size:
                    continue
                claims = device.feature_of(leaf, section)
                if any(spec.slug in device.enabled for spec in claims) or (shared and not claims):
                    yield leaf

    def _touches(
        self, device: Device, section: Section, everywhere: Sequence[Device | None]
    ) -> bool:
        """Does the program use a subsection's unclaimed state? Only one that every side has."""
        if device.features_in(section):
            return device.carries_enabled(section)
        for other in everywhere:
            if other is None:
                return False
            tail = section.place.partition("/")[2]
            if not any(part.place.partition("/")[2] == tail for part in other.section.walk()):
                return False
            if other.features_in(section):
                return False
        digest = hashlib.sha256(f"{self.seed}/{device.label}/{section.path}".encode()).digest()
        return bool(digest[0] & 1)

    def _kept(self, index: int, leaves: list[Leaf], boards: Sequence[Board]) -> list[Leaf]:
        """Without the leaves that some later side gave up on purpose."""
        kept = []
        for leaf in leaves:
            path, lost_at = leaf.path, ""
            for pairings, board in zip(self.pairings, boards[1:], strict=True):
                pairing = pairings[index]
                if pairing is None:
                    break
                if path in pairing.dropped:
                    lost_at = board.side.label
                    break
                path = pairing.target(path)
            if lost_at:
                self.notes.assume(f"{leaf.section}: {lost_at} gave up {leaf.field} on purpose")
            else:
                kept.append(leaf)
        return kept

    def write(self, step: int) -> None:
        """Write new values, the same on the machine that stays."""
        for index, fields in enumerate(self.fields):
            device = self.board.devices[index]
            total = sum(min(size, TOUCHED_BYTES) for _, size in fields)
            stream = hashlib.shake_128(f"{self.seed}/{step}/{index}".encode()).digest(total)
            position = 0
            places, values = self.places[index], self.values[index]
            for path, size in fields:
                used = min(size, TOUCHED_BYTES)
                value = stream[position : position + used]
                position += used
                if not value.strip(b"\0"):
                    value = b"\1" * used
                if used < size:
                    value += bytes(size - used)
                values[path] = value
                if device is not None and path in places:
                    device.state[places[path]] = value
        if step == 0:
            self._step_runs()

    def _step_runs(self) -> list[str]:
        """Let the programs of modelled devices go on: which of them see something else."""
        differing = []
        for index, (migrating, staying) in self.runs.items():
            seen, expected = migrating.step(), staying.step()
            self.trace.update(seen)
            self.reference.update(expected)
            device = self.board.devices[index]
            if seen != expected:
                differing.append(f"device {index}" if device is None else device.label)
        return differing

    def arrive(self, board: Board, hop: int) -> None:
        """The program goes on at the destination, where fields may have other names."""
        self.board = board
        for index, (migrating, _) in self.runs.items():
            device = board.devices[index]
            if device is not None and device.model is not None:
                migrating.processor.hardware = self.hardware(board, index)
        for index, pairing in enumerate(self.pairings[hop]):
            if pairing is None:
                self.places[index] = {}
                continue
            sizes = _sizes_of(pairing.destination.section)
            moved = {path: pairing.target(place) for path, place in self.places[index].items()}
            self.places[index] = {
                path: moved[path]
                for path, size in self.fields[index]
                if path in moved and sizes.get(moved[path]) == size
            }

    def go_on(self, step: int) -> list[str]:
        """Read everything, write anew, and add what was seen to the traces.

        Labels of the modelled devices that do something else than on the machine that stays.
        """
        for index, fields in enumerate(self.fields):
            device = self.board.devices[index]
            state = {} if device is None else device.state
            places, values = self.places[index], self.values[index]
            for path, size in fields:
                place = places.get(path)
                seen = b"absent" if place is None else state.get(place) or bytes(size)
                self.trace.update(seen)
                self.reference.update(values[path])
        self.write(step)
        return self._step_runs()


def _sizes_of(section: Section) -> Mapping[str, int]:
    """Leaf path → size in bytes, of the section and its subsections."""
    return remembered(
        ("sizes", id(section)),
        (section,),
        lambda: {leaf.path: leaf.size for part in section.walk() for leaf in part.current().leaves},
    )
