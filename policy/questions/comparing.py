"""Two releases as they are left by their policies, compared without a stream or a trial. Pure.

What each sends and the other reads is told by :mod:`machines.emulator.compare` from descriptions,
machine types and properties; added here is what policies decide on top: backports (they are in the
catalogue), machine types of their own, mitigations, and blacklist bitmaps. A release without a
policy is its catalogue alone, with the bitmaps that are the default, as in a trial.

It takes about 15 ms for all devices of two releases, so nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from machines.emulator import compare
from machines.emulator.catalogue import Catalogue
from machines.emulator.compare import Grade
from machines.emulator.drivers import backend_of, description_of
from machines.emulator.parties import Party
from policy import rules
from policy.errors import Invalid
from policy.rules import StateLike
from policy.rules.bitmaps import Cell, SectionBitmap

#: The worst first: the order in which people look at them.
GRADES: tuple[Grade, ...] = ("corrupts", "refuses", "harmless")
MAX_DEVICES = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. ``device`` is the type whose section it is; see ``compare.Finding``."""

    device: str
    section: str
    subsection: str | None
    field: str | None
    grade: Grade
    message: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared, and every difference. ``stateless``: named devices without a section."""

    machine_type: str
    devices: tuple[str, ...]
    stateless: tuple[str, ...]
    differences: tuple[Difference, ...]

    def counts(self) -> dict[Grade, int]:
        """How many differences of each grade, the worst first."""
        grades = [item.grade for item in self.differences]
        return {grade: grades.count(grade) for grade in GRADES}


class End(StateLike, Protocol):
    """A release with its label: :class:`policy.state.State`."""

    @property
    def label(self) -> str: ...


def shared_machine_types(source: StateLike, destination: StateLike) -> tuple[str, ...]:
    """The machine types that both releases have, in the source's order."""
    there = set(rules.machine_types(destination))
    return tuple(name for name in rules.machine_types(source) if name in there)


def demand_machine_type(ends: Iterable[End], machine_type: str) -> None:
    """Raise :class:`policy.errors.Invalid` where one of the releases lacks the machine type."""
    for end in ends:
        if machine_type not in rules.machine_types(end):
            text = f"{end.label} has no machine type '{machine_type[:80]}'."
            raise Invalid(text, field="machine_type")


def differences(
    source: End, destination: End, machine_type: str, devices: Iterable[str] = ()
) -> Compared:
    """All differences of these device types (default: all of the source's that have state).

    A transport (``virtio-net-pci``)
    stands for the device behind it. Raises :class:`policy.errors.Invalid` for a machine type that
    one of the two lacks, and for a device type that the source does not have.
    """
    demand_machine_type((source, destination), machine_type)
    wanted, stateless = _chosen(source.catalogue, tuple(dict.fromkeys(devices)))
    parties = (
        Party.of(source.catalogue, machine_type),
        Party.of(_mitigated(destination, source.label, machine_type), machine_type),
    )
    found: list[Difference] = []
    for device in wanted:
        found += (
            Difference(device, item.section, item.subsection, item.field, item.grade, item.message)
            for item in compare.check(*parties, [device])
        )
        found += _blacklisted(source, destination, machine_type, device)
    found.sort(key=lambda item: (item.section, GRADES.index(item.grade), item.device))
    return Compared(machine_type, wanted, stateless, tuple(found))


def _chosen(
    catalogue: Catalogue, named: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The types whose sections are compared, and the named ones that have none."""
    if not named:
        return tuple(sorted(catalogue.descriptions)), ()
    if len(named) > MAX_DEVICES:
        raise Invalid(f"{len(named)} devices are more than {MAX_DEVICES}.", field="devices")
    wanted: dict[str, None] = {}
    stateless = []
    for name in named:
        if name not in catalogue.types and name not in catalogue.descriptions:
            raise Invalid(f"The source has no device type '{name[:80]}'.", field="devices")
        owner = _owner(catalogue, name)
        if owner is None:
            stateless.append(name)
        else:
            wanted[owner] = None
    return tuple(sorted(wanted)), tuple(stateless)


def _owner(catalogue: Catalogue, name: str) -> str | None:
    """The type that has the section: the device itself, an ancestor, or the one behind it."""
    if name in catalogue.descriptions:
        return name
    description = description_of(catalogue, name)
    if description is None:
        return None
    backend = backend_of(catalogue, name)
    if backend in catalogue.descriptions:
        return backend
    return next(key for key, found in catalogue.descriptions.items() if found is description)


def _mitigated(destination: End, started_on: str, machine_type: str) -> Catalogue:
    """The destination's catalogue, its machine type with what guests of that release get more."""
    catalogue: Catalogue = destination.catalogue
    extra = rules.mitigations_for(destination.policy, started_on, machine_type)
    if not extra:
        return catalogue
    own = catalogue.machine_types[machine_type]
    changed = replace(own, compat=(*own.compat, *extra))
    machine_types = {**catalogue.machine_types, machine_type: changed}
    return replace(catalogue, machine_types=machine_types)


# --- Blacklist bitmaps ----------------------------------------------------------------------------


def _blacklisted(
    source: End, destination: End, machine_type: str, device: str
) -> Iterator[Difference]:
    """Versions that a bitmap forbids to send or to load, and forbidden absences."""
    sent = _bitmaps(source, machine_type, device)
    for item in sent.values():
        if _forbidden(item, item.current):
            text = f"{source.label} blacklists version {item.current} of '{item.name}', its own"
            yield _refusal(item, text)
    if not sent:
        return
    for path, item in _bitmaps(destination, machine_type, device).items():
        version = sent[path].current if path in sent else 0
        if cell := _forbidden(item, version):
            what = f"version {version}" if path in sent else "the absence"
            text = f"{destination.label} blacklists {what} of '{item.name}'"
            yield _refusal(item, text + _because(cell))


def _bitmaps(end: End, machine_type: str, device: str) -> dict[str, SectionBitmap]:
    listed = rules.device_bitmaps(end.policy, end.catalogue, machine_type, device)
    return {item.path: item for item in listed}


def _forbidden(item: SectionBitmap, version: int) -> Cell | None:
    """The cell that forbids the version, or the absence (0)."""
    if version == 0 and not item.optional:
        return None
    found = (cell for cell in item.cells if _holds(cell, version) and cell.effective)
    return next(found, None)


def _because(cell: Cell) -> str:
    """Why the bit is set by default; empty where the policy has set it."""
    return f": {'; '.join(cell.reasons)}" if cell.default and cell.reasons else ""


def _holds(cell: Cell, version: int) -> bool:
    return cell.version <= version <= cell.last


def _refusal(item: SectionBitmap, message: str) -> Difference:
    main = item.path.partition("/")[0]
    subsection = item.name if item.path != main else None
    return Difference(item.device, main, subsection, None, "refuses", message)
