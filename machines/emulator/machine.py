"""A board with its devices, a guest program on it, and the verdict on its migrations.

A machine is built from a release's catalogue, a machine type and globals; no stream is needed.
Each device has the sections of its description. A seeded guest program writes the state of the
enabled features, the machine migrates along the given sides, the program goes on, and what it
sees is compared with a run that never migrated. Verdicts are those of docs/architecture.md's
"outcome of a trial": ``correct``, ``degraded``, ``corrupt``, ``refused``.

What the model decides where a description alone does not tell:

* A section that carries a recorded feature travels while the feature is enabled. Any other
  subsection travels when its state is not the reset state (QEMU's ``needed``); the guest program
  touches it only if every side has it, and then by the seed.
* State that no recorded feature claims belongs to the device itself: the program uses it.
* A field whose name only gained or lost words (``ti_cmd``, ``mig_ti_cmd``) at the same place with
  the same size was renamed. A place that became ``unused`` was given up deliberately. Both are
  said in ``assumptions``; neither applies to a field that a recorded feature claims.
* An id string is the section's name without a bus path; devices with the same one are numbered.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from machines.emulator import bitmap, vmstate
from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.features import Carrier, FeatureSpec
from machines.emulator.qdev import (
    BLACKLIST_PROPERTY,
    Global,
    ancestors,
    compat_globals,
    effective_value,
    entries_by_property,
    has_property,
    same_value,
)
from machines.emulator.stream import (
    MAX_DEVICE_STATE,
    MAX_MACHINE_NAME,
    Configuration,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
    read_events,
    write_events,
)
from machines.emulator.vmstate import Block, Decision, Leaf, LoadError, Section

MAX_SIDES = 16
MAX_DEVICES = 4096
#: Of a long field the guest program uses this much: a frame buffer's first page tells enough.
TOUCHED_BYTES = 1024
SHOWN_BYTES = 16
MAX_DIFFERENCES = 500

Outcome = Literal["correct", "degraded", "corrupt", "refused"]
SectionKey = tuple[str, str | None]


class TrialError(ValueError):
    """The trial cannot be held as asked: the caller's input is at fault."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a migration.

    ``globals`` hold the policy's and the user's entries and the blacklist bitmaps as properties.
    Where none of them is of layer ``compat``, the catalogue's compat properties of
    ``machine_type`` apply first. ``savevm_versions`` is what the monitor's ``set-savevm-version``
    was told: (device, section or None for the main one) → (version, force); version 0 of a
    subsection leaves it out.
    """

    label: str
    catalogue: Catalogue
    machine_type: str
    globals: tuple[Global, ...] = ()
    features: tuple[FeatureSpec, ...] = ()
    savevm_versions: Mapping[SectionKey, tuple[int, bool]] = field(default_factory=dict)

    def all_globals(self) -> tuple[Global, ...]:
        """Every entry that applies, the machine type's compat properties first."""
        machine = self.catalogue.machine_types.get(self.machine_type)
        if machine is None or any(entry.layer == "compat" for entry in self.globals):
            return self.globals
        return compat_globals(machine.compat, self.machine_type) + self.globals


@dataclass(frozen=True, slots=True)
class Difference:
    """State that is not what it was before the migration.

    ``kind``: ``lost`` (the destination has it in reset or not at all) or ``altered``. ``feature``
    is the slug of the feature it belongs to, where one is recorded. ``allowed_by`` names the
    relaxed bit or the force that allows the loss, empty where nothing does. ``expected`` and
    ``found`` are the first bytes in hex.
    """

    device: str
    section: str
    field: str
    kind: str
    feature: str
    expected: str
    found: str
    allowed_by: str
    hop: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One section's refusal. ``side`` is the label of the side that refuses."""

    kind: str
    reason: str
    section: str
    field: str
    device: str
    side: str


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


# --- Which section a device has -------------------------------------------------------------------

_PROXY_SUFFIXES = ("-non-transitional", "-transitional", "-pci", "-ccw")


def backend_of(catalogue: Catalogue, driver: str) -> str | None:
    """The device behind a bus proxy: ``virtio-rng-device`` of ``virtio-rng-pci``; else None."""
    family = driver
    for suffix in _PROXY_SUFFIXES:
        family = family.removesuffix(suffix)
    if family == driver:
        return None
    for candidate in (f"{family}-device", family):
        if candidate in catalogue.descriptions or candidate in catalogue.types:
            return candidate
    return None


def description_of(catalogue: Catalogue, driver: str) -> Description | None:
    """The description of a driver: its own, an ancestor's, or that of the device it proxies."""
    for name in ancestors(catalogue, driver):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    backend = backend_of(catalogue, driver)
    if backend is None:
        return None
    for name in ancestors(catalogue, backend):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    return None


def lineage_of(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """The driver's ancestors, then those of the device it proxies."""
    lineage = ancestors(catalogue, driver)
    backend = backend_of(catalogue, driver)
    if backend is not None:
        lineage += tuple(name for name in ancestors(catalogue, backend) if name not in lineage)
    return lineage


def unmigratable(description: Description) -> bool:
    """QEMU lets only a non-migratable device have a description without fields (savevm.c)."""
    return not description.fields


def migratable_devices(*catalogues: Catalogue) -> tuple[str, ...]:
    """The drivers that every one of the releases describes and can migrate, sorted.

    Without abstract types, as far as a catalogue tells them: no parent of a driver that has the
    same section.
    """
    if not catalogues:
        return ()
    common = set.intersection(*(_migratable(catalogue) for catalogue in catalogues))
    return tuple(sorted(common))


def _migratable(catalogue: Catalogue) -> set[str]:
    descriptions = catalogue.descriptions
    inherited = {
        parent
        for driver, description in descriptions.items()
        for parent in ancestors(catalogue, driver)[1:]
        if parent in descriptions and descriptions[parent].name == description.name
    }
    return {
        driver
        for driver, description in descriptions.items()
        if driver not in inherited and not unmigratable(description)
    }


# --- Features on a side ---------------------------------------------------------------------------


def is_enabled(
    spec: FeatureSpec, catalogue: Catalogue, driver: str, globals: Sequence[Global]
) -> bool:
    """Is the feature enabled on ``driver``? Its carriers exist and its gate's value is ``on``.

    A gate that the release does not list and that nothing sets is no obstacle: nothing can have
    switched the feature off. ``globals`` are all that apply, compat properties included.
    """
    lineage = lineage_of(catalogue, driver)
    if spec.device not in lineage:
        return False
    description = description_of(catalogue, driver)
    if not all(_carrier_exists(carrier, description) for carrier in spec.carriers):
        return False
    if spec.gate is None:
        return True
    for candidate in (driver, backend_of(catalogue, driver), spec.gate.driver):
        if candidate and spec.gate.driver in ancestors(catalogue, candidate):
            value = effective_value(catalogue, candidate, spec.gate.property, globals)
            known = has_property(catalogue, candidate, spec.gate.property)
            return same_value(value, spec.gate.on) or (value is None and not known)
    return True


def _carrier_exists(carrier: Carrier, description: Description | None) -> bool:
    if description is None:
        return False
    for path, name, section in _described_sections(description):
        if carrier.section not in (path, name):
            continue
        old = carrier.version is not None and section.version_id < carrier.version
        labels = list(_labels(section)) if carrier.fields else []
        return not old and all(
            any(vmstate.names_field(wanted, label) for label in labels) for wanted in carrier.fields
        )
    return False


def _described_sections(
    description: Description, parent: str = ""
) -> Iterator[tuple[str, str, Description]]:
    """(path, name, description) of a section and the subsections below it."""
    path = f"{parent}/{description.name}" if parent else description.name
    yield path, description.name, description
    for subsection in _subsections(description):
        yield from _described_sections(subsection, path)


def _subsections(description: Description) -> Iterator[Description]:
    yield from description.subsections
    for item in description.fields:
        if item.struct is not None:
            yield from _subsections(item.struct)


def _labels(description: Description, prefix: str = "") -> Iterator[str]:
    for item in description.fields:
        yield prefix + item.name
        if item.struct is not None:
            yield from _labels(item.struct, f"{prefix}{item.name}.")


def carries(carrier: Carrier, leaf: Leaf, section: Section) -> bool:
    """Does the leaf hold state of the carrier's feature?"""
    if carrier.section not in (section.name, section.path):
        return False
    if carrier.fields:
        return any(
            vmstate.names_field(wanted, label)
            for wanted in carrier.fields
            for label in (leaf.field, *(f"{leaf.field}.{name}" for name in leaf.members))
        )
    if carrier.subsection or carrier.version is None:
        return True
    return leaf.version_id == carrier.version


# --- A device on a board --------------------------------------------------------------------------


@dataclass(slots=True)
class _Device:
    """One device of one side: its section, state, and what the policy says of them."""

    driver: str
    label: str
    lineage: tuple[str, ...]
    section: Section
    stateless: bool
    migratable: bool
    instance: int
    recorded: tuple[FeatureSpec, ...]
    enabled: frozenset[str]
    blacklists: dict[str, frozenset[int]]
    versions: dict[str, tuple[int, bool]]
    state: dict[str, bytes] = field(default_factory=dict)

    def key_of(self, section: Section, keys: Mapping[str, Any]) -> str | None:
        """The key under which ``keys`` has the section: its path, its name, or "" for main."""
        names = [section.path, section.name] + ([""] if section is self.section else [])
        return next((name for name in names if name in keys), None)

    def blacklist(self, section: Section) -> frozenset[int]:
        """The section's effective bitmap."""
        if not self.blacklists:
            return frozenset()
        for name in (section.path, section.name):
            found = self.blacklists.get(bitmap.property_name(self.section.name, name))
            if found is not None:
                return found
        return frozenset()

    def told(self, section: Section) -> tuple[int, bool] | None:
        """What ``set-savevm-version`` was told for the section."""
        key = self.key_of(section, self.versions)
        return None if key is None else self.versions[key]

    def features_in(self, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features whose state the section carries."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carrier.section in (section.name, section.path) for carrier in spec.carriers)
        )

    def feature_of(self, leaf: Leaf, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features that claim the leaf."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carries(carrier, leaf, section) for carrier in spec.carriers)
        )

    def main_version(self) -> int:
        """The version in which the main section is written."""
        told = self.told(self.section)
        return self.section.version_id if told is None else told[0]

    def sends(self, section: Section) -> int | None:
        """The version in which a subsection is written now, None where it is not needed."""
        told = self.told(section)
        if told is not None and told[0] == 0:
            return None
        if not self._needed(section):
            return None
        return section.version_id if told is None else told[0]

    def _needed(self, section: Section) -> bool:
        if specs := self.features_in(section):
            if any(spec.slug in self.enabled for spec in specs):
                return True
        else:
            start = f"{section.path}:"
            if any(path.startswith(start) and any(v) for path, v in self.state.items()):
                return True
        return any(self.sends(child) is not None for child in section.current().all_subsections())


@dataclass(slots=True)
class _Board:
    """One side of the trial with its devices, in the same order on every side."""

    side: Side
    devices: list[_Device | None]


@dataclass(slots=True)
class _Trial:
    """What a running trial gathers."""

    seed: int
    relaxed: Mapping[SectionKey, frozenset[int]]
    assumptions: dict[str, None] = field(default_factory=dict)
    forced: dict[str, None] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def assume(self, text: str) -> None:
        self.assumptions[text] = None


def trial(
    sides: Sequence[Side],
    devices: Sequence[str],
    seed: int,
    relaxed: Mapping[SectionKey, frozenset[int]] | None = None,
) -> TrialResult:
    """Migrate a machine with ``devices`` along ``sides`` and judge what the guest sees.

    ``devices`` are driver names, in the board's order; a name may occur more than once.
    ``relaxed`` are the versions that a downstream allows against the computed default: (device,
    section or None) → versions, 0 for absence. The same input gives the same result.
    Raises :class:`TrialError` for input that no trial can be held on, and
    :class:`machines.emulator.vmstate.DescriptionError` for a description beyond the limits.
    """
    _check_input(sides, devices)
    running = _Trial(seed, relaxed or {})
    boards = _build(sides, devices, running)
    program = _Program(boards, running)
    program.write(0)
    hops: list[Hop] = []
    for number, (source, destination) in enumerate(pairwise(boards)):
        hop = _Migration(source, destination, running, program, number).run()
        hops.append(hop)
        if hop.outcome == "refused":
            break
        program.go_on(number + 1)
    return _verdict(hops, running, program)


def saved_stream(side: Side, devices: Sequence[str], seed: int) -> bytes:
    """The stream that a machine saves after its guest program wrote its state.

    Raises :class:`TrialError` also where the machine refuses to be saved.
    """
    _check_input((side, side), devices)
    running = _Trial(seed, {})
    (board,) = boards = _build((side,), devices, running)
    program = _Program(boards, running)
    program.write(0)
    migration = _Migration(board, board, running, program, 0)
    migration.save()
    if migration.problems:
        raise TrialError(migration.problems[0].reason)
    return migration.stream


def _check_input(sides: Sequence[Side], devices: Sequence[str]) -> None:
    if not 2 <= len(sides) <= MAX_SIDES:
        raise TrialError(f"a trial has 2 to {MAX_SIDES} sides, not {len(sides)}")
    if len(devices) > MAX_DEVICES:
        raise TrialError(f"a machine has at most {MAX_DEVICES} devices, not {len(devices)}")
    for side in sides:
        name = side.machine_type
        if not name.isascii() or not name.isprintable() or len(name) > MAX_MACHINE_NAME:
            raise TrialError(f"{side.label}: {name[:80]!r} is not a machine type's name")


def _verdict(hops: list[Hop], running: _Trial, program: _Program) -> TrialResult:
    worst = _worst(hops)
    return TrialResult(
        outcome=worst.outcome,
        reason=worst.reason,
        section=worst.section,
        field=worst.field,
        kind=worst.kind,
        hops=tuple(hops),
        lost=tuple(running.differences[:MAX_DIFFERENCES]),
        forced=tuple(running.forced),
        assumptions=tuple(running.assumptions),
        sections=sum(hop.sections for hop in hops),
        stream_bytes=sum(hop.stream_bytes for hop in hops),
        seed=running.seed,
        trace=program.trace.hexdigest(),
        reference=program.reference.hexdigest(),
    )


def _worst(hops: list[Hop]) -> Hop:
    ranks = ("correct", "degraded", "corrupt", "refused")
    return max(hops, key=lambda hop: ranks.index(hop.outcome))


# --- Building the boards --------------------------------------------------------------------------


def _build(sides: Sequence[Side], drivers: Sequence[str], running: _Trial) -> list[_Board]:
    contexts = [_SideContext(side, running) for side in sides]
    boards = [_Board(side, []) for side in sides]
    numbers: dict[str, int] = {}
    seen: dict[str, int] = {}
    for driver in drivers:
        seen[driver] = seen.get(driver, 0) + 1
        label = driver if seen[driver] == 1 else f"{driver}#{seen[driver]}"
        descriptions = _reconciled([context.description(driver) for context in contexts])
        # One number on every side, as a device's place on its bus is the same on every side.
        names = {description.name for description in descriptions if description is not None}
        instance = max((numbers.get(name, 0) for name in names), default=0)
        numbers |= dict.fromkeys(names, instance + 1)
        for board, context, description in zip(boards, contexts, descriptions, strict=True):
            board.devices.append(context.device(driver, label, description, instance))
    return boards


def _reconciled(descriptions: list[Description | None]) -> list[Description | None]:
    """Each description with its gaps filled along the chain, first forward, then backward."""
    result = list(descriptions)
    order = list(pairwise(range(len(result))))
    for i, j in (*order, *reversed(order[:-1])):
        first, second = result[i], result[j]
        if first is not None and second is not None:
            result[i], result[j] = vmstate.reconcile(first, second)
    return result


class _SideContext:
    """What is worked out once per side: its globals, and which features concern which driver."""

    def __init__(self, side: Side, running: _Trial) -> None:
        self.side = side
        self.running = running
        self.globals = side.all_globals()
        self.blacklists = [
            entry for entry in self.globals if entry.property.startswith(BLACKLIST_PROPERTY)
        ]

    def recorded(self, driver: str) -> tuple[FeatureSpec, ...]:
        if not self.side.features:
            return ()
        lineage = lineage_of(self.side.catalogue, driver)
        return tuple(spec for spec in self.side.features if spec.device in lineage)

    def description(self, driver: str) -> Description | None:
        """The driver's description, with the conditional fields of recorded features decided."""
        description = description_of(self.side.catalogue, driver)
        if description is None:
            return None
        decisions = {
            Decision(
                carrier.section.rpartition("/")[2]
                if carrier.section not in _names(description)
                else carrier.section,
                name,
                is_enabled(spec, self.side.catalogue, driver, self.globals),
            )
            for spec in self.recorded(driver)
            if spec.gate is not None
            for carrier in spec.carriers
            for name in carrier.fields
        }
        return vmstate.decide(description, frozenset(decisions))

    def device(
        self,
        driver: str,
        label: str,
        description: Description | None,
        instance: int,
    ) -> _Device | None:
        """The device on this side, None where the release has no such driver."""
        catalogue = self.side.catalogue
        if driver not in catalogue.types and description is None:
            return None
        if description is None:
            self.running.assume(
                f"{driver}: {self.side.label} describes no state, so it has none here"
            )
            section = Section(Description(driver, 0, 0))
        else:
            section = vmstate.section_of(description)
            self._note_left_out(driver, section)
        recorded = self.recorded(driver)
        return _Device(
            driver=driver,
            label=label,
            lineage=lineage_of(catalogue, driver),
            section=section,
            stateless=description is None,
            migratable=description is None or not unmigratable(description),
            instance=instance,
            recorded=recorded,
            enabled=frozenset(
                spec.slug for spec in recorded if is_enabled(spec, catalogue, driver, self.globals)
            ),
            blacklists=self._bitmaps(driver),
            versions=self._told(driver),
        )

    def _note_left_out(self, driver: str, section: Section) -> None:
        for part in section.walk():
            if names := part.left_out():
                self.running.assume(
                    f"{driver}: conditional fields of {part.name} left out: {', '.join(names)}"
                )

    def _bitmaps(self, driver: str) -> dict[str, frozenset[int]]:
        if not self.blacklists:
            return {}
        lineage = lineage_of(self.side.catalogue, driver)
        bitmaps = {}
        for name, entries in entries_by_property(lineage, self.blacklists).items():
            try:
                bitmaps[name] = bitmap.parse(entries[-1].value)
            except bitmap.BitmapError as error:
                raise TrialError(f"{self.side.label}: {driver}.{name}: {error}") from error
        return bitmaps

    def _told(self, driver: str) -> dict[str, tuple[int, bool]]:
        if not self.side.savevm_versions:
            return {}
        lineage = lineage_of(self.side.catalogue, driver)
        return {
            section or "": told
            for (device, section), told in self.side.savevm_versions.items()
            if device in lineage
        }


def _names(description: Description) -> frozenset[str]:
    return frozenset(name for _, name, _ in _described_sections(description))


# --- Which leaf of one side is which of the other -------------------------------------------------

Relation = Literal["renamed", "dropped", "conflict"]


def _compare(first: Block, second: Block) -> tuple[tuple[Leaf, Leaf, Relation], ...]:
    """Leaves that share bytes of the wire but not the name, where both read the same stream."""
    return vmstate.remembered(
        ("compare", id(first), id(second)),
        (first, second),
        lambda: tuple(_sweep(list(first.leaves()), list(second.leaves()))),
    )


def _sweep(first: list[Leaf], second: list[Leaf]) -> Iterator[tuple[Leaf, Leaf, Relation]]:
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
            one == other or vmstate.UNUSED in (one, other) or _same_words(one, other)
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


class _Pairing:
    """How a device's leaves on the source become those on the destination."""

    def __init__(self, source: _Device, destination: _Device) -> None:
        self.source = source
        self.destination = destination
        self.renamed: dict[str, str] = {}
        self.dropped: dict[str, Leaf] = {}
        self.conflicts: list[tuple[Leaf, Leaf]] = []
        self.theirs: dict[str, Section] = {}
        self.theirs = {part.path: part for part in destination.section.walk()}
        for ours in source.section.walk():
            theirs = (
                destination.section
                if ours is source.section
                else self.theirs.get(self._path(ours.path))
            )
            if theirs is not None:
                self._pair(ours, theirs)

    def _path(self, path: str) -> str:
        """A section's path on the destination, whose main section may have another name."""
        return self.destination.section.name + path[len(self.source.section.name) :]

    def _pair(self, ours: Section, theirs: Section) -> None:
        told = self.source.told(ours)
        version = told[0] if told is not None and told[0] else ours.version_id
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


class _Program:
    """The guest program: writes the state it may use, reads it back after each migration.

    Beside the machine that migrates it keeps what a machine that stays would hold.
    """

    def __init__(self, boards: Sequence[_Board], running: _Trial) -> None:
        self.seed = running.seed
        self.running = running
        self.trace = hashlib.sha256()
        self.reference = hashlib.sha256()
        self.board = boards[0]
        self.pairings = [
            [
                _Pairing(a, b) if a is not None and b is not None else None
                for a, b in zip(source.devices, destination.devices, strict=True)
            ]
            for source, destination in pairwise(boards)
        ]
        self.fields: list[list[tuple[str, int]]] = []
        self.places: list[dict[str, str]] = []
        self.values: list[dict[str, bytes]] = []
        for index, device in enumerate(boards[0].devices):
            everywhere = [board.devices[index] for board in boards]
            used = [] if device is None else list(self._uses(device, everywhere))
            kept = self._kept(index, used, boards)
            self.fields.append([(leaf.path, leaf.size) for leaf in kept])
            self.places.append({leaf.path: leaf.path for leaf in kept})
            self.values.append({})

    def _uses(self, device: _Device, everywhere: Sequence[_Device | None]) -> Iterator[Leaf]:
        for section in device.section.walk():
            shared = section is device.section or self._touches(device, section, everywhere)
            for leaf in section.current().leaves():
                if leaf.unused:
                    continue
                claims = device.feature_of(leaf, section)
                if any(spec.slug in device.enabled for spec in claims) or (shared and not claims):
                    yield leaf

    def _touches(
        self, device: _Device, section: Section, everywhere: Sequence[_Device | None]
    ) -> bool:
        """Does the program use a subsection's unclaimed state? Only one that every side has."""
        if specs := device.features_in(section):
            return any(spec.slug in device.enabled for spec in specs)
        for other in everywhere:
            if other is None:
                return False
            tail = section.path.partition("/")[2]
            if not any(part.path.partition("/")[2] == tail for part in other.section.walk()):
                return False
            if other.features_in(section):
                return False
        digest = hashlib.sha256(f"{self.seed}/{device.label}/{section.path}".encode()).digest()
        return bool(digest[0] & 1)

    def _kept(self, index: int, leaves: list[Leaf], boards: Sequence[_Board]) -> list[Leaf]:
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
                self.running.assume(f"{leaf.section}: {lost_at} gave up {leaf.field} on purpose")
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

    def arrive(self, board: _Board, hop: int) -> None:
        """The program goes on at the destination, where fields may have other names."""
        self.board = board
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

    def go_on(self, step: int) -> None:
        """Read everything, write anew, and add what was seen to the traces."""
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


def _sizes_of(section: Section) -> Mapping[str, int]:
    """Leaf path → size in bytes, of the section and its subsections."""
    return vmstate.remembered(
        ("sizes", id(section)),
        (section,),
        lambda: {
            leaf.path: leaf.size for part in section.walk() for leaf in part.current().leaves()
        },
    )


# --- One migration --------------------------------------------------------------------------------


class _Migration:
    """Saves the source, loads the destination, and compares."""

    def __init__(
        self, source: _Board, destination: _Board, running: _Trial, program: _Program, number: int
    ) -> None:
        self.source = source
        self.destination = destination
        self.running = running
        self.program = program
        self.number = number
        self.problems: list[Problem] = []
        self.stream = b""
        self.sections = 0
        #: device index → section path → version that was sent
        self.sent: list[dict[str, int]] = [{} for _ in source.devices]

    def run(self) -> Hop:
        self._check_devices()
        if not self.problems:
            self.save()
        if not self.problems:
            self._load()
        if self.problems:
            first = self.problems[0]
            return self._hop("refused", first.reason, first.section, first.field, first.kind)
        self.program.arrive(self.destination, self.number)
        differences = self._differences()
        self.running.differences += differences
        if not differences:
            self._note_conflicts()
            return self._hop("correct")
        corrupt = [item for item in differences if not item.allowed_by]
        if corrupt:
            return self._corrupt(corrupt[0])
        names = ", ".join(f"{item.section}:{item.field}" for item in differences[:8])
        more = f" and {len(differences) - 8} more" if len(differences) > 8 else ""
        first_lost = differences[0]
        return self._hop(
            "degraded",
            f"state lost as allowed: {names}{more}",
            first_lost.section,
            first_lost.field,
            first_lost.kind,
        )

    def _hop(
        self, outcome: Outcome, reason: str = "", section: str = "", place: str = "", kind: str = ""
    ) -> Hop:
        return Hop(
            source=self.source.side.label,
            destination=self.destination.side.label,
            outcome=outcome,
            reason=reason,
            section=section,
            field=place,
            kind=kind,
            sections=self.sections,
            stream_bytes=len(self.stream),
            problems=tuple(self.problems),
        )

    def _refuse(
        self, side: Side, device: str, kind: str, reason: str, section: str, place: str = ""
    ) -> None:
        self.problems.append(Problem(kind, reason, section, place, device, side.label))

    def _check_devices(self) -> None:
        for first, second in zip(self.source.devices, self.destination.devices, strict=True):
            if first is not None and second is not None:
                continue
            side = self.source.side if first is None else self.destination.side
            driver = (
                first.driver if first is not None else second.driver if second is not None else ""
            )
            reason = f"'{driver}' is not a valid device model name"
            self._refuse(side, driver, "unknown-device", reason, "")

    # Saving

    def save(self) -> None:
        """Write the source's stream, as migration/savevm.c does for a paused machine."""
        events: list[Event] = [FileHeader(0), Configuration(0, self.source.side.machine_type)]
        described: list[str] = []
        for index, device in enumerate(self.source.devices):
            if device is None or device.stateless:
                continue
            if not device.migratable:
                name = device.section.name
                reason = f"State blocked by non-migratable device '{name}'"
                self._refuse(self.source.side, device.driver, "unmigratable", reason, name)
            elif self._may_save(device):
                payload, description = self._save_device(device, index)
                self.sections += 1
                name, version = device.section.name, device.main_version()
                events += [
                    SectionBegin(
                        0, SectionType.FULL, self.sections, name, device.instance, version
                    ),
                    Payload(0, payload),
                    SectionEnd(0, self.sections, True),
                ]
                described.append(description)
        text = f'{{"page_size": 4096, "devices": [{", ".join(described)}]}}'
        events += [EndOfSections(0), VmDescription(0, text.encode())]
        target = io.BytesIO()
        write_events(events, target)
        self.stream = target.getvalue()
        if len(self.stream) > MAX_DEVICE_STATE:
            raise TrialError(
                f"the machine's state of {len(self.stream)} bytes is more than {MAX_DEVICE_STATE}"
            )

    def _may_save(self, device: _Device) -> bool:
        """Check every version that the device would write. Notes what force overrides."""
        before = len(self.problems)
        self._check_saved(device, device.section, device.main_version())
        for section in device.section.walk():
            if section is device.section:
                continue
            told = device.told(section)
            version = device.sends(section)
            if version is not None:
                self._check_saved(device, section, version)
            elif told is not None and told[0] == 0 and self._carries_enabled(device, section):
                self._check_saved(device, section, 0)
        return len(self.problems) == before

    def _check_saved(self, device: _Device, section: Section, version: int) -> None:
        optional_absence = version == 0 and section is not device.section
        objection = ""
        if version in device.blacklist(section):
            kind = "blacklisted"
            what = "absence" if optional_absence else f"version {version}"
            objection = f"savevm: {what} of '{section.name}' is blacklisted"
        elif not optional_absence and not (
            section.minimum_version_id <= version <= section.version_id
        ):
            kind = "version-out-of-range"
            objection = (
                f"savevm: version {version} of '{section.name}' is out of range "
                f"{section.minimum_version_id} to {section.version_id}"
            )
        if not objection:
            return
        told = device.told(section)
        if told is not None and told[1]:
            label = self.source.side.label
            self.running.forced[f"{label}: {device.driver}: forced although {objection}"] = None
        else:
            self._refuse(self.source.side, device.driver, kind, objection, section.name)

    def _carries_enabled(self, device: _Device, section: Section) -> bool:
        return any(spec.slug in device.enabled for spec in device.features_in(section))

    def _save_device(self, device: _Device, index: int) -> tuple[bytes, str]:
        """The payload of the device's section, and its entry in the vmdescription."""
        section, sent = device.section, self.sent[index]
        version = device.main_version()
        sent[section.path] = version
        decided: dict[str, int | None] = {}

        def sends(part: Section) -> int | None:
            if part.path not in decided:
                decided[part.path] = device.sends(part)
            chosen = decided[part.path]
            if chosen is not None:
                sent[part.path] = chosen
            return chosen

        block = section.at(version)
        payload = bytearray()
        vmstate.save(block, device.state, sends, payload)
        entries = vmstate.remembered(
            ("describe", id(block), tuple(sorted(sent.items()))),
            (block,),
            lambda: json.dumps(vmstate.describe(block, sends))[1:],
        )
        head = json.dumps({"name": section.name, "instance_id": device.instance})
        return bytes(payload), f"{head[:-1]}, {entries}"

    # Loading

    def _load(self) -> None:
        """Read the stream into the destination. A refused section does not hide a later one."""
        receivers = {
            (device.section.name, device.instance): device
            for device in self.destination.devices
            if device is not None and not device.stateless
        }
        for device in self.destination.devices:
            if device is not None:
                device.state = {}
        arrived: dict[str, set[str]] = {}
        begin: SectionBegin | None = None
        for event in read_events(io.BytesIO(self.stream)):
            if isinstance(event, Configuration) and not self._accept_machine(event.machine):
                return
            if isinstance(event, SectionBegin):
                begin = event
            elif isinstance(event, Payload) and begin is not None:
                self._load_section(begin, event.data, receivers, arrived)
        self._check_absences(arrived)

    def _accept_machine(self, incoming: str) -> bool:
        local = self.destination.side.machine_type
        if incoming == local:
            return True
        reason = f"Machine type received is '{incoming}' and local is '{local}'"
        self._refuse(self.destination.side, "", "machine-type", reason, "configuration")
        return False

    def _load_section(
        self,
        begin: SectionBegin,
        payload: bytes,
        receivers: Mapping[tuple[str, int], _Device],
        arrived: dict[str, set[str]],
    ) -> None:
        side, name, version = self.destination.side, begin.idstr, begin.version_id
        device = receivers.get((name, begin.instance_id))
        if device is None:
            reason = f"Unknown savevm section or instance '{name}' {begin.instance_id}"
            self._refuse(side, "", "unknown-section", reason, name)
            return
        paths = arrived.setdefault(device.label, {device.section.path})

        def accepts(section: Section, incoming: int) -> None:
            paths.add(section.path)
            if incoming in device.blacklist(section):
                reason = f"{section.name}: incoming version_id {incoming} is blacklisted"
                raise LoadError("blacklisted", reason, section.name)

        try:
            if version > device.section.version_id:
                known = device.section.version_id
                reason = f"savevm: unsupported version {version} for '{name}' v{known}"
                raise LoadError("version-too-new", reason, name)
            device.section.check_version(version)
            accepts(device.section, version)
            reader = vmstate.ByteReader(payload)
            vmstate.load(device.section.at(version), reader, device.state, accepts)
            if reader.left():
                raise self._missing_footer(device)
        except vmstate.EndOfStream:
            error = self._missing_footer(device)
            self._refuse(side, device.driver, error.kind, error.reason, name, error.field)
        except LoadError as error:
            self._refuse(side, device.driver, error.kind, error.reason, error.section, error.field)

    def _missing_footer(self, device: _Device) -> LoadError:
        """The two sides disagree about the fields; names the first one that differs."""
        name = device.section.name
        place = ""
        for pairing in self.program.pairings[self.number]:
            if pairing is not None and pairing.destination is device:
                place = _first_difference(pairing)
        return LoadError("layout", f"Missing section footer for {name}", name, place)

    def _check_absences(self, arrived: Mapping[str, set[str]]) -> None:
        """Refuse a destination whose enabled feature got no state, where bit 0 forbids it."""
        for device in self.destination.devices:
            if device is None or not device.enabled:
                continue
            paths = arrived.get(device.label, set())
            for section in device.section.walk():
                if section.path in paths or 0 not in device.blacklist(section):
                    continue
                if self._carries_enabled(device, section):
                    reason = f"{section.name}: absent, and its absence is blacklisted"
                    self._refuse(
                        self.destination.side, device.driver, "blacklisted", reason, section.name
                    )

    # Comparing

    def _differences(self) -> list[Difference]:
        found: list[Difference] = []
        for index, pairing in enumerate(self.program.pairings[self.number]):
            if pairing is not None:
                found += self._compare_device(pairing, self.sent[index])
        return found

    def _compare_device(self, pairing: _Pairing, sent: Mapping[str, int]) -> Iterator[Difference]:
        source, destination = pairing.source, pairing.destination
        image = set()
        for path, value in source.state.items():
            target = pairing.target(path)
            image.add(target)
            got = destination.state.get(target)
            if got == value or path in pairing.dropped:
                continue
            if got is None and not value.strip(b"\0"):
                continue  # both are in reset
            yield self._difference(source, path, value, got, self._allowed(source, path, sent))
        for path, got in destination.state.items():
            if path not in image and got.strip(b"\0"):
                yield self._difference(destination, path, bytes(len(got)), got, "")

    def _note_conflicts(self) -> None:
        """Two layouts under one version did no harm: what they disagree about was in reset."""
        for pairing in self.program.pairings[self.number]:
            for ours, theirs in () if pairing is None else pairing.conflicts:
                self.running.assume(
                    f"{ours.section}: same version, different layout: {ours.field} is read as "
                    f"{theirs.field}; neither was in use"
                )

    def _difference(
        self, device: _Device, path: str, expected: bytes, got: bytes | None, allowed_by: str
    ) -> Difference:
        leaf, section = _find(device, path)
        lost = got is None or not got.strip(b"\0")
        claims = device.feature_of(leaf, section)
        return Difference(
            device=device.driver,
            section=section.name,
            field=leaf.field,
            kind="lost" if lost else "altered",
            feature=claims[0].slug if claims else "",
            expected=expected[:SHOWN_BYTES].hex(),
            found="" if got is None else got[:SHOWN_BYTES].hex(),
            allowed_by=allowed_by if lost else "",
            hop=self.number,
        )

    def _allowed(self, device: _Device, path: str, sent: Mapping[str, int]) -> str:
        """The relaxed bit or the force that allows the loss of the leaf; empty where none does."""
        leaf, section = _find(device, path)
        for part in device.section.walk():
            if part is not section and not section.path.startswith(f"{part.path}/"):
                continue
            version = sent.get(part.path, 0)
            carried = version and (part is not section or leaf.version_id <= version)
            if carried:
                continue
            told = device.told(part)
            if told is not None and told == (version, True):
                return f"forced version {version} of {part.name}"
            if version in self._relaxed(device, part):
                return f"relaxed bit {version} of {part.name}"
        return ""

    def _relaxed(self, device: _Device, section: Section) -> frozenset[int]:
        names = {section.path, section.name} | ({None} if section is device.section else set())
        allowed: frozenset[int] = frozenset()
        for (driver, name), versions in self.running.relaxed.items():
            if driver in device.lineage and name in names:
                allowed |= versions
        return allowed

    def _corrupt(self, first: Difference) -> Hop:
        """Explain the first difference: by a layout that differs, where that is its cause."""
        for pairing in self.program.pairings[self.number]:
            if pairing is None or pairing.source.driver != first.device:
                continue
            for ours, theirs in pairing.conflicts:
                if ours.section == first.section and first.field in (ours.field, theirs.field):
                    reason = (
                        f"{ours.section}: same version, different layout: "
                        f"{ours.field} is read as {theirs.field}"
                    )
                    return self._hop("corrupt", reason, first.section, ours.field, "layout")
        owner = f" of feature {first.feature}" if first.feature else ""
        reason = f"{first.section}: field {first.field}{owner} is {first.kind}, no policy allows it"
        return self._hop("corrupt", reason, first.section, first.field, first.kind)


def _find(device: _Device, path: str) -> tuple[Leaf, Section]:
    for section in device.section.walk():
        for version in (section.version_id, device.main_version()):
            for leaf in section.at(version).leaves():
                if leaf.path == path:
                    return leaf, section
    raise KeyError(path)


def _first_difference(pairing: _Pairing) -> str:
    """The first field about which two descriptions of a section disagree."""
    if pairing.conflicts:
        return pairing.conflicts[0][0].field
    version = pairing.source.main_version()
    ours = list(pairing.source.section.at(version).leaves())
    theirs = list(pairing.destination.section.at(version).leaves())
    longer = ours if len(ours) > len(theirs) else theirs
    known = {leaf.field for leaf in (theirs if longer is ours else ours)}
    fields = (leaf.field for leaf in longer if not leaf.unused)
    return next((name for name in fields if name not in known), "")
