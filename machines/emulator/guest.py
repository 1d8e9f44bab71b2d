"""The guest program, and how its view of a device's state goes from one release to another.

The program writes state before a migration and reads it back afterwards, on the machine that
migrates and on an imagined one that stays. For that a leaf of the source's layout must be found
in the destination's: by its path, or by its place on the wire where it was renamed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from machines.emulator.board import Board, Device, Notes
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
from machines.emulator.layout import UNUSED, Block, Leaf, Section
from machines.emulator.memo import remembered

#: Of a long field the program uses this much: a frame buffer's first page tells enough.
TOUCHED_BYTES = 1024
#: So many programs of modelled devices have guest memory of their own.
MAX_PROGRAMS = 128

# --- Which leaf of one side is which of the other -------------------------------------------------

Relation = Literal["renamed", "dropped", "conflict"]


def _compare(first: Block, second: Block) -> tuple[tuple[Leaf, Leaf, Relation], ...]:
    """Leaves that share bytes of the wire but not the name, where both read the same stream."""
    return remembered(
        ("compare", id(first), id(second)),
        (first, second),
        lambda: tuple(_sweep(first.leaves, second.leaves)),
    )


def _sweep(first: Sequence[Leaf], second: Sequence[Leaf]) -> Iterator[tuple[Leaf, Leaf, Relation]]:
    names = {leaf.field for leaf in first}, {leaf.field for leaf in second}
    i = j = start_i = start_j = 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        end_i, end_j = start_i + a.size, start_j + b.size
        same_place = start_i == start_j and a.size == b.size
        relation = _relation(a, b, names) if same_place else None if a.unused else _overlap(b)
        if relation is not None:
            yield a, b, relation
        if end_i <= end_j:
            i, start_i = i + 1, end_i
        if end_j <= end_i:
            j, start_j = j + 1, end_j


def _overlap(other: Leaf) -> Relation:
    return "dropped" if other.unused else "conflict"


def _relation(a: Leaf, b: Leaf, names: tuple[set[str], set[str]]) -> Relation | None:
    """How two leaves at the same place with the same size relate; None where they are the same."""
    if a.unused:
        return None
    if b.unused:
        return "dropped"
    if a.field == b.field:
        same = len(a.members) == len(b.members) and all(
            one == other or UNUSED in (one, other) or _same_words(one, other)
            for one, other in zip(a.members, b.members, strict=True)
        )
        return None if same else "conflict"
    gone = a.field not in names[1] and b.field not in names[0]
    return "renamed" if gone and _same_words(a.field, b.field) else "conflict"


@lru_cache(maxsize=4096)
def _same_words(first: str, second: str) -> bool:
    """Do two field names differ only by words that one of them has more?"""
    one, other = _words(first), _words(second)
    return one <= other or other <= one


def _words(name: str) -> frozenset[str]:
    last = name.rpartition(".")[2].lower().replace("-", "_")
    return frozenset(word.rstrip("s") for word in last.split("_") if word)


class Pairing:
    """How a device's leaves on the source become those on the destination."""

    def __init__(self, source: Device, destination: Device) -> None:
        self.source = source
        self.destination = destination
        self.renamed: dict[str, str] = {}
        self.dropped: dict[str, Leaf] = {}
        self.conflicts: list[tuple[Leaf, Leaf]] = []
        parts = destination.section.walk()
        by_place = {part.place: part for part in parts}
        # A structure that was renamed moves its subsections: they are known by a path of their own.
        paths = Counter(part.path for part in parts)
        by_path = {part.path: part for part in parts if paths[part.path] == 1}
        for ours in source.section.walk():
            theirs = (
                destination.section
                if ours is source.section
                else by_place.get(self._path(ours.place)) or by_path.get(self._path(ours.path))
            )
            if theirs is not None:
                self._pair(ours, theirs)

    def _path(self, path: str) -> str:
        """A section's path on the destination, whose main section may have another name."""
        return self.destination.section.name + path[len(self.source.section.name) :]

    def _pair(self, ours: Section, theirs: Section) -> None:
        version = self.source.version_of(ours)
        if not theirs.minimum_version_id <= version <= theirs.version_id:
            return
        for a, b, relation in _compare(ours.at(version), theirs.at(version)):
            claimed = self.source.feature_of(a, ours) or self.destination.feature_of(b, theirs)
            if relation == "renamed" and not claimed:
                self.renamed[a.path] = b.path
            elif relation == "dropped" and not claimed:
                self.dropped[a.path] = a
            else:
                self.conflicts.append((a, b))

    def target(self, path: str) -> str:
        """The path on the destination of the leaf at ``path`` on the source."""
        if path in self.renamed:
            return self.renamed[path]
        return self._path(path)


# --- The guest ------------------------------------------------------------------------------------


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
