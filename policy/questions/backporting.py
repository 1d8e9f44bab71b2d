"""What taking a feature into a release brings about, told before it is taken. Pure.

Older machine types need an entry that keeps the feature off, as they keep their hardware; bitmaps
change, as versions that were correct can no longer carry everything; and a section may get a layout
that another release knows under the same version as something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from machines.emulator.carriers import is_enabled
from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.catalogue.composition import machine_name
from machines.emulator.qdev import FALSE_WORDS, TRUE_WORDS
from policy import rules
from policy.document import Backport, Policy
from policy.findings.releases import Subject, newest_first
from policy.rules.bitmaps import section_at


@dataclass(frozen=True, slots=True)
class RequiredEntry:
    """An entry that keeps the feature off; older machine types inherit it from this one."""

    machine_type: str
    entry: CompatProperty


@dataclass(frozen=True, slots=True)
class BitmapChange:
    """A section's effective bitmap without and with the backport, where it differs."""

    device: str
    section: str
    before: str
    after: str
    machine_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OtherLayout:
    """A section that another release has at the same version with other fields.

    ``machine_type`` is the newest that both releases have; empty where they have none in common.
    """

    release: str
    machine_type: str
    section: str
    version: int
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effects:
    entries: tuple[RequiredEntry, ...]
    bitmaps: tuple[BitmapChange, ...]
    layouts: tuple[OtherLayout, ...]


def effects(
    policy: Policy, base: Catalogue, backport: Backport, others: Sequence[Subject]
) -> Effects:
    """What ``policy`` with one more backport means. ``base`` is the catalogue that it stands on."""
    without = tuple(item for item in policy.backports if item.feature.slug != backport.feature.slug)
    before = replace(policy, backports=without)
    after = replace(policy, backports=(*without, backport))
    catalogues = [rules.policy_catalogue(base, item) for item in (before, after)]
    return Effects(
        tuple(_entries(after, catalogues[1], backport, others)),
        tuple(_bitmaps(before, after, catalogues, backport)),
        tuple(_layouts(after, catalogues[1], backport, others)),
    )


def _entries(
    policy: Policy, catalogue: Catalogue, backport: Backport, others: Sequence[Subject]
) -> Iterator[RequiredEntry]:
    """For each machine type that other releases of the tree have, unless one above it has it."""
    gate = backport.feature.gate
    off = _opposite(gate.on) if gate is not None else ""
    if gate is None or not off:
        return
    siblings = [other for other in others if other.tree == policy.tree]
    there = {name for other in siblings for name in _dated(other)}
    told: set[str] = set()
    for name in newest_first(item.name for item in policy.machine_types):
        globals_ = rules.globals_of(policy, catalogue, name)
        above = {item.name for item in policy.lineage(name)}
        enabled = is_enabled(backport.feature, catalogue, backport.feature.device, globals_)
        if name in there and enabled and not above & told:
            told.add(name)
            yield RequiredEntry(name, CompatProperty(gate.driver, gate.property, off))


def _dated(other: Subject) -> Iterator[str]:
    """Machine types that promise guests of a release the hardware that they had.

    That are those whose entries it tells; and, by its name, its newest, which sets nothing yet.
    """
    yield from other.machine_types
    yield from (name for name in rules.machine_types(other) if machine_name(name) is not None)


def _opposite(on: str) -> str:
    word = on.lower()
    if word in TRUE_WORDS:
        return "off"
    return "on" if word in FALSE_WORDS else ""


def _bitmaps(
    before: Policy, after: Policy, catalogues: Sequence[Catalogue], backport: Backport
) -> Iterator[BitmapChange]:
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    device = backport.feature.device
    for machine_type in (item.name for item in after.machine_types):
        values = [
            {
                item.path: item.effective_value
                for item in rules.device_bitmaps(policy, catalogue, machine_type, device)
            }
            for policy, catalogue in zip((before, after), catalogues, strict=True)
        ]
        for path, value in values[1].items():
            old = values[0].get(path, "")
            if old != value:
                alike.setdefault((device, path, old, value), []).append(machine_type)
    for key, machine_types in alike.items():
        yield BitmapChange(*key, tuple(machine_types))


def _layouts(
    policy: Policy, catalogue: Catalogue, backport: Backport, others: Sequence[Subject]
) -> Iterator[OtherLayout]:
    device = backport.feature.device
    names = newest_first(item.name for item in policy.machine_types)
    for section in dict.fromkeys(carrier.section for carrier in backport.feature.carriers):
        own = section_at(catalogue, device, section)
        for other in others if own is not None else ():
            there = section_at(other.catalogue, device, section)
            if own is None or there is None:
                continue
            if there.description.version_id != own.description.version_id:
                continue
            ours, theirs = (
                tuple(item.name for item in side.description.fields) for side in (own, there)
            )
            if ours != theirs:
                version = own.description.version_id
                shared = next((name for name in names if name in other.machine_types), "")
                yield OtherLayout(other.label, shared, section, version, ours, theirs)
