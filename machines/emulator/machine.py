"""Trials by model: a machine of catalogues alone migrates, and the verdict on it.

A machine is built from a release's catalogue, a machine type and globals; no stream is needed.
Each device has the sections of its description. A seeded guest program writes the state of the
enabled features, the machine migrates along the given sides, the program goes on, and what it
sees is compared with a run that never migrated. The outcome is one of

``correct``
    accepted, all state identical, the program sees what it would have seen
``degraded``
    accepted; what is lost is what a relaxed bit or force allows, and is named
``corrupt``
    accepted, but state differs in a way that nothing allows
``refused``
    the source or the destination said no; section, field and reason are named

What the model decides where a description alone does not tell:

* A section that carries a recorded feature travels while the feature is enabled. Any other
  subsection travels when its state is not the reset state (QEMU's ``needed``); the guest program
  touches it only if every side has it, and then by the seed.
* State that no recorded feature claims belongs to the device itself: the program uses it.
* A field whose name only gained or lost words (``ti_cmd``, ``mig_ti_cmd``) at the same place with
  the same size was renamed. A place that became ``unused`` was given up deliberately, which is
  said in ``assumptions``. Neither applies to a field that a recorded feature claims.
* An id string is the section's name without a bus path; devices with the same one are numbered.

The parts: :mod:`machines.emulator.assembly` builds a board for each side,
:mod:`machines.emulator.guest` is the program, :mod:`machines.emulator.migration` one hop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from machines.emulator.assembly import build
from machines.emulator.guest import Program
from machines.emulator.losses import Difference
from machines.emulator.migration import Hop, InProcess, Migration, Outcome, Transfer
from machines.emulator.notes import Notes, Problem
from machines.emulator.saving import Saving, StateTooLarge
from machines.emulator.side import SectionKey, Side, TrialError
from machines.emulator.stream import MAX_MACHINE_NAME

__all__ = [
    "Difference",
    "Hop",
    "Outcome",
    "Problem",
    "SectionKey",
    "Side",
    "TrialError",
    "TrialResult",
    "saved_stream",
    "trial",
]

MAX_SIDES = 16
MAX_DEVICES = 4096
MAX_DIFFERENCES = 500


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The verdict. ``section``, ``field`` and ``kind`` place it, empty where it is correct.

    ``trace`` is the digest of what the guest program saw, ``reference`` that of the run without
    migration. ``sections`` and ``stream_bytes`` are sums over the hops.
    """

    outcome: Outcome
    reason: str
    section: str
    field: str
    kind: str
    hops: tuple[Hop, ...]
    lost: tuple[Difference, ...]
    forced: tuple[str, ...]
    assumptions: tuple[str, ...]
    sections: int
    stream_bytes: int
    seed: int
    trace: str
    reference: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; tuples become lists."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return document


def trial(
    sides: Sequence[Side],
    devices: Sequence[str],
    seed: int,
    relaxed: Mapping[SectionKey, frozenset[int]] | None = None,
    transfer: Transfer | None = None,
) -> TrialResult:
    """Migrate a machine with ``devices`` along ``sides`` and judge what the guest sees.

    ``devices`` are driver names, in the board's order; a name may occur more than once.
    ``relaxed`` are the versions that a downstream allows against the computed default: (device,
    section or None) → versions, 0 for absence. The same input gives the same result, however the
    machines are reached: in this process, or by a ``transfer`` of another kind
    (:mod:`machines.emulator.processes`).
    Raises :class:`TrialError` for input that no trial can be held on, and
    :class:`machines.emulator.layout.DescriptionError` for a description beyond the limits.
    """
    if not 2 <= len(sides) <= MAX_SIDES:
        raise TrialError(f"a trial has 2 to {MAX_SIDES} sides, not {len(sides)}")
    way = transfer or InProcess()
    program = _start(sides, devices, seed, way)
    hops: list[Hop] = []
    differences: list[Difference] = []
    for number, (source, destination) in enumerate(pairwise(program.boards)):
        migration = Migration(source, destination, program, relaxed or {}, number, way)
        try:
            hops.append(migration.run())
        except StateTooLarge as error:
            raise TrialError(f"{source.side.label}: {error}") from error
        differences += migration.differences
        if hops[-1].outcome == "refused":
            break
        hops[-1] = _judged(hops[-1], program.go_on(number + 1))
    return _verdict(hops, differences, program)


def _judged(hop: Hop, differing: Sequence[str]) -> Hop:
    """The hop, corrupt where all state came over and yet a device does something else."""
    if hop.outcome != "correct" or not differing:
        return hop
    reason = f"after the migration the guest sees something else of {', '.join(differing)}"
    return replace(hop, outcome="corrupt", reason=reason, kind="trace")


def saved_stream(side: Side, devices: Sequence[str], seed: int) -> bytes:
    """The stream that a machine saves after its guest program wrote its state.

    Raises :class:`TrialError` also where the machine refuses to be saved.
    """
    program = _start((side,), devices, seed, InProcess())
    saving = Saving(program.boards[0], program.notes)
    try:
        saving.run()
    except StateTooLarge as error:
        raise TrialError(f"{side.label}: {error}") from error
    if saving.problems:
        raise TrialError(saving.problems[0].reason)
    return saving.stream


def _start(sides: Sequence[Side], devices: Sequence[str], seed: int, transfer: Transfer) -> Program:
    """The program on the first side's board, after it wrote its state."""
    if len(devices) > MAX_DEVICES:
        raise TrialError(f"a machine has at most {MAX_DEVICES} devices, not {len(devices)}")
    for side in sides:
        name = side.machine_type
        if not name.isascii() or not name.isprintable() or len(name) > MAX_MACHINE_NAME:
            raise TrialError(f"{side.label}: {name[:80]!r} is not a machine type's name")
    notes = Notes()
    boards = build(sides, devices, notes)
    transfer.begin(boards)
    program = Program(boards, seed, notes, transfer.hardware)
    program.write(0)
    return program


def _verdict(hops: list[Hop], differences: list[Difference], program: Program) -> TrialResult:
    ranks = ("correct", "degraded", "corrupt", "refused")
    worst = max(hops, key=lambda hop: ranks.index(hop.outcome))
    return TrialResult(
        outcome=worst.outcome,
        reason=worst.reason,
        section=worst.section,
        field=worst.field,
        kind=worst.kind,
        hops=tuple(hops),
        lost=tuple(differences[:MAX_DIFFERENCES]),
        forced=tuple(program.notes.forced),
        assumptions=program.notes.assumptions(),
        sections=sum(hop.sections for hop in hops),
        stream_bytes=sum(hop.stream_bytes for hop in hops),
        seed=program.seed,
        trace=program.trace.hexdigest(),
        reference=program.reference.hexdigest(),
    )
