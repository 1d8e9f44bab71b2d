"""One hop of a trial: a machine is taken from one board to the next, and what arrived is judged.

How it gets there is a :class:`Transfer`: in this process from hand to hand (:class:`InProcess`),
or over a socket between two (:mod:`machines.emulator.processes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from machines.emulator.board import Board, Device
from machines.emulator.devices.processor import Hardware
from machines.emulator.guest import Program, local_hardware
from machines.emulator.layout import Leaf
from machines.emulator.loading import Loading
from machines.emulator.losses import Comparison, Difference
from machines.emulator.notes import Notes, Problem
from machines.emulator.pairing import Pairing
from machines.emulator.refusals import is_missing_footer
from machines.emulator.saving import Saving
from machines.emulator.side import SectionKey

#: Of the fields that were lost so many are named in a reason.
NAMED_FIELDS = 8

Outcome = Literal["correct", "degraded", "corrupt", "refused"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One migration of a chain. ``problems`` are all refusals, the first one decided.

    ``section``, ``field`` and ``kind`` place the outcome, empty where it is correct.
    """

    source: str
    destination: str
    outcome: Outcome
    reason: str
    section: str
    field: str
    kind: str
    sections: int
    stream_bytes: int
    problems: tuple[Problem, ...] = ()


# --- From one side to the other -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a machine on its way: every refusal, and what was sent.

    ``sent``: by a device's place on the board, its sections' places → version that was sent.
    """

    problems: Sequence[Problem]
    sent: Sequence[Mapping[str, int]]
    sections: int = 0
    stream_bytes: int = 0


class Transfer(Protocol):
    """How machines are reached and get from one side to the other."""

    def begin(self, boards: Sequence[Board]) -> None:
        """The boards of all sides are built; the guest begins on the first."""
        ...

    def hardware(self, board: Board, place: int) -> Hardware:
        """The modelled device at a board's place, as its guest reaches it."""
        ...

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        """Take the machine over: afterwards both boards' devices hold their state, as it was
        saved and as it was loaded. Raises :class:`StateTooLarge`."""
        ...


class InProcess:
    """Both machines are boards of this process; the stream goes from hand to hand."""

    def begin(self, boards: Sequence[Board]) -> None:
        """Nothing is to be done."""

    def hardware(self, board: Board, place: int) -> Hardware:
        return local_hardware(board, place)

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        saving = Saving(source, notes)
        saving.run()
        problems = saving.problems
        if not problems:
            loading = Loading(destination)
            loading.run(saving.stream)
            problems = loading.problems
        return Carried(problems, saving.sent, saving.sections, len(saving.stream))


# --- The whole of it ------------------------------------------------------------------------------


class Migration:
    """Takes the machine from the source to the destination, compares, and judges."""

    def __init__(
        self,
        source: Board,
        destination: Board,
        program: Program,
        relaxed: Mapping[SectionKey, frozenset[int]],
        number: int,
        transfer: Transfer,
    ) -> None:
        self.source = source
        self.destination = destination
        self.program = program
        self.relaxed = relaxed
        self.number = number
        self.pairings = program.pairings[number]
        self.transfer = transfer
        self.carried = Carried((), ())
        self.differences: list[Difference] = []

    def run(self) -> Hop:
        """Migrate. Where it is accepted, the program stands on the destination afterwards."""
        problems = self._missing_devices() or self._transfer()
        if problems:
            first = problems[0]
            return self._hop(
                "refused", first.reason, first.section, first.field, first.kind, problems
            )
        self.program.arrive(self.destination, self.number)
        for pairing, sent in zip(self.pairings, self.carried.sent, strict=True):
            if pairing is not None:
                compared = Comparison(pairing, sent, self.relaxed, self.number)
                self.differences += compared.differences()
        corrupt = [item for item in self.differences if not item.allowed_by]
        if corrupt:
            return self._corrupt(corrupt[0])
        if self.differences:
            return self._degraded()
        self._note_conflicts()
        return self._hop("correct")

    def _missing_devices(self) -> list[Problem]:
        problems = []
        for first, second in zip(self.source.devices, self.destination.devices, strict=True):
            present = first or second
            if first is not None and second is not None:
                continue
            side = self.source.side if first is None else self.destination.side
            driver = "" if present is None else present.driver
            reason = f"'{driver}' is not a valid device model name"
            problems.append(Problem("unknown-device", reason, "", "", driver, side.label))
        return problems

    def _transfer(self) -> list[Problem]:
        self.carried = self.transfer.carry(self.source, self.destination, self.program.notes)
        return [self._placed(problem) for problem in self.carried.problems]

    def _placed(self, problem: Problem) -> Problem:
        """The problem, with the field about which both sides' descriptions disagree."""
        if problem.field or not is_missing_footer(problem.reason):
            return problem
        places = (
            _first_difference(pairing)
            for pairing in self.pairings
            if pairing is not None and pairing.destination.driver == problem.device
        )
        return replace(problem, field=next(places, ""))

    def _hop(
        self,
        outcome: Outcome,
        reason: str = "",
        section: str = "",
        place: str = "",
        kind: str = "",
        problems: Sequence[Problem] = (),
    ) -> Hop:
        return Hop(
            source=self.source.side.label,
            destination=self.destination.side.label,
            outcome=outcome,
            reason=reason,
            section=section,
            field=place,
            kind=kind,
            sections=self.carried.sections,
            stream_bytes=self.carried.stream_bytes,
            problems=tuple(problems),
        )

    def _degraded(self) -> Hop:
        first, count = self.differences[0], len(self.differences)
        names = [f"{item.section}:{item.field}" for item in self.differences[:NAMED_FIELDS]]
        more = f" and {count - NAMED_FIELDS} more" if count > NAMED_FIELDS else ""
        reason = f"state lost as allowed: {', '.join(names)}{more}"
        return self._hop("degraded", reason, first.section, first.field, first.kind)

    def _corrupt(self, first: Difference) -> Hop:
        """Explain the first difference: by a layout that differs, where that is its cause."""
        for pairing in self.pairings:
            if pairing is None or pairing.source.driver != first.device:
                continue
            for ours, theirs in pairing.conflicts:
                if ours.section == first.section and first.field in (ours.field, theirs.field):
                    reason = _conflict(ours, theirs)
                    return self._hop("corrupt", reason, first.section, ours.field, "layout")
        owner = f" of feature {first.feature}" if first.feature else ""
        reason = f"{first.section}: field {first.field}{owner} is {first.kind}, no policy allows it"
        return self._hop("corrupt", reason, first.section, first.field, first.kind)

    def _note_conflicts(self) -> None:
        """Two layouts under one version did no harm: what they disagree about was in reset."""
        for pairing in self.pairings:
            for ours, theirs in () if pairing is None else pairing.conflicts:
                self.program.notes.assume(f"{_conflict(ours, theirs)}; neither was in use")


def _conflict(ours: Leaf, theirs: Leaf) -> str:
    return f"{ours.section}: same version, different layout: {ours.field} is read as {theirs.field}"


def _first_difference(pairing: Pairing) -> str:
    """The first field about which two descriptions of a section disagree."""
    if pairing.conflicts:
        return pairing.conflicts[0][0].field
    version = pairing.source.main_version()
    ours = pairing.source.section.at(version).leaves
    theirs = pairing.destination.section.at(version).leaves
    longer = ours if len(ours) > len(theirs) else theirs
    known = {leaf.field for leaf in (theirs if longer is ours else ours)}
    fields = (leaf.field for leaf in longer if not leaf.unused)
    return next((name for name in fields if name not in known), _hidden_subsection(pairing.source))


def _hidden_subsection(device: Device) -> str:
    """A subsection that was sent, but is read as an earlier one of the same name.

    A release may describe two (``sd-card`` of QEMU 11.1 does); loading finds the first.
    """
    sent = (part for part in device.section.walk() if device.sends(part) is not None)
    return next((part.path for part in sent if part.is_hidden), "")
