"""A trial by model whose stream is kept, with what became of each field on the destination.

A trial leaves a verdict and no stream. As it is made of its inputs alone, it can be held again when
somebody wants to look at what was sent:

    recording = Recording()
    machine.trial(sides, devices, seed, relaxed, recording)
    recording.stream, recording.sections["serial", 0].arrivals
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from machines.emulator.board import Board, Device
from machines.emulator.layout import Block, Leaf, Section
from machines.emulator.loading import Loading
from machines.emulator.migration import Carried, InProcess
from machines.emulator.notes import Notes, Problem
from machines.emulator.pairing import Pairing
from machines.emulator.saving import Saving

#: What became of a field: the destination has its value; under another name; keeps its gap only;
#: has it in reset, or nowhere; has another value; or did not read so far.
Fate = Literal["same", "renamed", "dropped", "lost", "altered", "unread"]
#: (id string, instance) of a section.
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A field that was sent, and what the destination has of it after loading.

    ``found`` are its bytes there, None where it has none; ``target`` its name there.
    """

    fate: Fate
    found: bytes | None
    target: str


@dataclass(frozen=True, slots=True)
class Record:
    """A section on its way: who sent it, its fields in the order of the wire, its refusals."""

    driver: str
    arrivals: tuple[Arrival, ...]
    refused: tuple[str, ...]


@dataclass(slots=True)
class Recording(InProcess):
    """Carries a machine from hand to hand, and remembers the last hop."""

    stream: bytes = b""
    sections: dict[Key, Record] = field(default_factory=dict)

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        saving = Saving(source, notes)
        saving.run()
        self.stream = saving.stream
        problems = saving.problems
        if not problems:
            loading = Loading(destination)
            loading.run(saving.stream)
            problems = loading.problems
        self.sections = dict(_records(source, destination, problems))
        return Carried(problems, saving.sent, saving.sections, len(saving.stream))


def _records(
    source: Board, destination: Board, problems: list[Problem]
) -> Iterator[tuple[Key, Record]]:
    for sent, read in zip(source.devices, destination.devices, strict=True):
        if sent is None or sent.stateless:
            continue
        own = [item for item in problems if _concerns(item, sent)]
        arrivals = tuple(_arrivals(sent, read, refused=bool(own)))
        reasons = tuple(dict.fromkeys(item.reason for item in own))
        yield (sent.section.name, sent.instance), Record(sent.driver, arrivals, reasons)


def _concerns(problem: Problem, device: Device) -> bool:
    names = {part.name for part in device.section.walk()}
    return problem.device == device.driver or (not problem.device and problem.section in names)


def _arrivals(sent: Device, read: Device | None, *, refused: bool) -> Iterator[Arrival]:
    pairing = None if read is None else Pairing(sent, read)
    for leaf in _leaves(sent.section.at(sent.main_version()), sent.state, sent.sends):
        if read is None or pairing is None:
            yield Arrival("unread", None, leaf.field)
            continue
        yield _arrival(leaf, sent, read, pairing, refused=refused)


def _arrival(leaf: Leaf, sent: Device, read: Device, pairing: Pairing, *, refused: bool) -> Arrival:
    value = sent.state.get(leaf.path) or bytes(leaf.size)
    target = pairing.target(leaf.path)
    found = read.state.get(target)
    fate: Fate = "renamed" if leaf.path in pairing.renamed else "same"
    if leaf.unused:
        found = None
    elif leaf.path in pairing.dropped:
        fate = "dropped"
    elif found is None and refused:
        fate = "unread"
    elif found is None or not found.strip(b"\0"):
        fate = fate if not value.strip(b"\0") else "lost"
    elif found != value:
        fate = "altered"
    return Arrival(fate, found, target.rpartition(":")[2])


def _leaves(
    block: Block, state: Mapping[str, bytes], sends: Callable[[Section], int | None]
) -> Iterator[Leaf]:
    """The leaves that take bytes, as :func:`machines.emulator.vmstate.save` writes them."""
    for step in block.steps:
        if isinstance(step, Block):
            yield from _leaves(step, state, sends)
        elif state.get(step.path) or step.size:
            yield step
    for section in block.subsections:
        version = sends(section)
        if version is not None:
            yield from _leaves(section.at(version), state, sends)
