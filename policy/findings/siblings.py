"""Entries that stop short: of a type's siblings, or of the newest machine type. Pure.

sibling-left-out   an entry covers a driver, but not its -transitional and -non-transitional
newest-incomplete  what every machine type of a release sets is missing on the newest
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from machines.emulator.catalogue import CompatProperty
from machines.emulator.catalogue.composition import common_arrays, machine_name
from machines.emulator.qdev import has_property, same_value
from machines.emulator.relevance import influences
from policy.findings.finding import Finding, Place, Proposal, listed
from policy.findings.releases import Subject, is_versioned, newest_first

_SUFFIXES = ("-transitional", "-non-transitional")
#: The release in which upstream split its virtio devices: an older machine type never had them.
_SPLIT = (4, 0)


def siblings_of(subject: Subject, driver: str) -> tuple[str, ...]:
    """The other variants of a virtio device on PCI that the release has."""
    stem = next((driver.removesuffix(end) for end in _SUFFIXES[::-1] if driver.endswith(end)), "")
    stem = stem or driver
    known = subject.catalogue.types
    found = (stem, *(stem + suffix for suffix in _SUFFIXES))
    return tuple(name for name in found if name in known and name != driver)


def sibling_findings(subject: Subject) -> Iterator[Finding]:
    """Entries of a variant that its siblings lack. Where it matters to a migration: an error."""
    found: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for machine_type in newest_first(subject.machine_types):
        if not _is_younger_than_split(machine_type):
            continue
        for name, entries in subject.lists(machine_type).items():
            for driver in dict.fromkeys(owner for owner, _ in entries):
                value = subject.value(driver, name, entries)
                left = tuple(
                    sibling
                    for sibling in siblings_of(subject, driver)
                    if has_property(subject.catalogue, sibling, name)
                    and subject.value(sibling, name, entries).source != "entry"
                    and not same_value(subject.value(sibling, name, entries).text, value.text)
                )
                if left:
                    key = driver, name, value.text or "", left
                    found.setdefault(key, []).append(machine_type)
    for (driver, name, text, left), machine_types in found.items():
        yield _left_out(subject, driver, name, text, left, tuple(machine_types))


def _is_younger_than_split(machine_type: str) -> bool:
    read = machine_name(machine_type)
    if read is None or read.line:
        return is_versioned(machine_type)
    return read.version >= _SPLIT


def _left_out(
    subject: Subject,
    driver: str,
    name: str,
    value: str,
    left: tuple[str, ...],
    machine_types: tuple[str, ...],
) -> Finding:
    matters = any(influences(subject.catalogue, sibling, name) for sibling in left)
    where = listed(machine_types, 2)
    return Finding(
        code="sibling-left-out",
        severity="error" if matters else "warning",
        place=Place(machine_types[0], driver, name),
        text=(
            f"{driver}.{name}={value} on {where} leaves out {listed(left)}: a guest may have the "
            "same device in that variant."
        ),
        proposals=(
            Proposal(
                "add-entries",
                f"Set it to {value} on {listed(left)} as well.",
                machine_types,
                tuple(CompatProperty(sibling, name, value) for sibling in left),
            ),
        ),
        machine_types=machine_types,
        devices=left,
        facts=(value, *left),
    )


def newest_findings(subject: Subject, others: Sequence[Subject]) -> Iterator[Finding]:
    """A board's newest machine type without what all machine types of its line have."""
    boards: dict[tuple[str, str], list[str]] = {}
    for name in newest_first(subject.machine_types):
        if (read := machine_name(name)) is not None:
            boards.setdefault((read.board, read.line), []).append(name)
    for members in boards.values():
        newest = members[0]
        missing = tuple(
            entry
            for entry in _common(subject, others, newest)
            if subject.knows(entry.driver) and not _has(subject, newest, entry)
        )
        if missing:
            yield _incomplete(newest, missing)


def _has(subject: Subject, machine_type: str, entry: CompatProperty) -> bool:
    entries = subject.lists(machine_type).get(entry.property, ())
    return subject.value(entry.driver, entry.property, entries).source == "entry"


def _common(subject: Subject, others: Sequence[Subject], newest: str) -> tuple[CompatProperty, ...]:
    """What the C arrays of the line, or those of an older release of the tree, call common."""
    read = machine_name(newest)
    if read is None:
        return ()
    older = (it for it in others if it.tree == subject.tree and it.order <= subject.order)
    for told in (subject, *older):
        arrays = told.catalogue.arrays
        names = common_arrays(read, arrays)
        # A downstream's arrays stand over its base's, whose boards are not its own.
        own = [name for name in names if not read.line or read.line in name]
        if own:
            return tuple(entry for name in own for entry in arrays[name])
    return ()


def _incomplete(newest: str, missing: tuple[CompatProperty, ...]) -> Finding:
    named = tuple(f"{entry.driver}.{entry.property}={entry.value}" for entry in missing)
    return Finding(
        code="newest-incomplete",
        severity="error",
        place=Place(newest),
        text=f"{newest} lacks what every machine type of its line sets: {listed(named, 5)}.",
        proposals=(
            Proposal("add-entries", f"Add {listed(named)} to {newest}.", (newest,), missing),
        ),
        machine_types=(newest,),
        facts=named,
    )
