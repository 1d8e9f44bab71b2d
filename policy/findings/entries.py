"""Entries that do not fit the release, or do nothing. Pure.

unknown-driver    the release has no such type: the entry does nothing
unknown-property  the type has no such property: QEMU stops when the device is made
wrong-type        the value is none of the property's type
shadowed-entry    a later entry of the same machine type wins on every device
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from machines.emulator import qdev
from machines.emulator.bitmap import PROPERTY as BITMAP
from machines.emulator.catalogue import CompatProperty, PropertyInfo
from machines.precedence import standings
from policy.document import MachineType, Policy
from policy.findings.finding import Code, Finding, Place, Proposal, Severity
from policy.findings.releases import PSEUDO_DRIVERS, Subject


def entry_findings(subject: Subject) -> Iterator[Finding]:
    """What is to say of the entries that the policy holds, each where it stands."""
    found: dict[str, Finding] = {}
    for item in _each(subject, subject.policy) if subject.policy is not None else ():
        same = found.get(item.identity)
        found[item.identity] = _together(same, item) if same else item
    yield from found.values()


def _together(one: Finding, other: Finding) -> Finding:
    """The same of several entries at one place: one finding, settled by one change."""
    first, second = one.proposals[0], other.proposals[0]
    proposal = replace(
        first,
        entries=first.entries + second.entries,
        positions=first.positions + second.positions,
    )
    return replace(
        one, text=f"{one.text} {other.text}", proposals=(proposal,), facts=one.facts + other.facts
    )


def _each(subject: Subject, policy: Policy) -> Iterator[Finding]:
    for machine_type in policy.machine_types:
        for position, entry in enumerate(machine_type.entries):
            yield from _entry(subject, machine_type.name, position, entry)
        yield from _shadowed(subject, machine_type)
    for number, mitigation in enumerate(policy.mitigations):
        for entry in mitigation.entries:
            for problem in _entry(subject, mitigation.machine_type, -1, entry):
                yield _of_mitigation(problem, number)


def _entry(
    subject: Subject, machine_type: str, position: int, entry: CompatProperty
) -> Iterator[Finding]:
    info: PropertyInfo | None = PropertyInfo(entry.property, qdev.BITMAP_TYPE)
    if not entry.property.startswith(BITMAP):
        if not subject.knows(entry.driver):
            yield _unknown_driver(subject, machine_type, position, entry)
            return
        info = _info(subject, entry)
    if info is None:
        if not _may_have(subject, entry):
            yield _unknown_property(subject, machine_type, position, entry)
        return
    problem = qdev.check_value(info, entry.value)
    if problem is not None:
        text = f"{entry.driver}.{entry.property} ({info.type}): {problem}."
        yield _finding("error", "wrong-type", machine_type, position, entry, text)


def _info(subject: Subject, entry: CompatProperty) -> PropertyInfo | None:
    """The property's declaration on the type or, for an abstract one, on a descendant."""
    for driver in (entry.driver, *subject.descendants(entry.driver)):
        if info := qdev.property_of(subject.catalogue, driver, entry.property):
            return info
    return None


def _may_have(subject: Subject, entry: CompatProperty) -> bool:
    """Is it a property that the release does not list, or not of that type?"""
    catalogue = subject.catalogue
    return (
        entry.driver in PSEUDO_DRIVERS
        or entry.property.startswith("legacy-")
        or not catalogue.properties
        or any(name in catalogue.unreadable for name in subject.lineage(entry.driver))
        or any(name in catalogue.unreadable for name in subject.descendants(entry.driver))
    )


def _unknown_driver(
    subject: Subject, machine_type: str, position: int, entry: CompatProperty
) -> Finding:
    text = (
        f"{subject.base or subject.label} has no type {entry.driver}: "
        f"{entry.driver}.{entry.property}={entry.value} does nothing."
    )
    return _finding("note", "unknown-driver", machine_type, position, entry, text)


def _unknown_property(
    subject: Subject, machine_type: str, position: int, entry: CompatProperty
) -> Finding:
    named = f"{entry.driver}.{entry.property}"
    if subject.stand_in_for:
        text = (
            f"{subject.base}, which stands in for {subject.stand_in_for}, has no property {named}: "
            "it cannot be checked."
        )
        return _finding("note", "unknown-property", machine_type, position, entry, text)
    if subject.base and subject.base != subject.label:
        text = (
            f"Neither {subject.base} nor a backport has the property {named}. Where "
            f"{subject.label} does not add it, QEMU stops when it makes the device."
        )
        return _finding("warning", "unknown-property", machine_type, position, entry, text)
    text = f"There is no property {named} in {subject.label}: QEMU stops when it makes the device."
    return _finding("error", "unknown-property", machine_type, position, entry, text)


def _finding(
    severity: Severity,
    code: Code,
    machine_type: str,
    position: int,
    entry: CompatProperty,
    text: str,
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        place=Place(machine_type, entry.driver, entry.property),
        text=text,
        proposals=(
            Proposal(
                "remove-entry",
                f"Remove {entry.driver}.{entry.property} from {machine_type}.",
                (machine_type,),
                (entry,),
                positions=(position,),
            ),
        ),
        machine_types=(machine_type,),
        facts=(entry.value,),
    )


def _of_mitigation(problem: Finding, number: int) -> Finding:
    """The same of a mitigation's entry: the mitigation is what can be taken away."""
    where = problem.place.machine_type
    text = f"Remove the mitigation on {where} that sets it."
    proposal = Proposal("remove-mitigation", text, (where,), positions=(number,))
    return replace(problem, proposals=(proposal,))


def _shadowed(subject: Subject, machine_type: MachineType) -> Iterator[Finding]:
    """Of the machine type's own entries: what a child sets over its parent is meant to win."""
    entries = machine_type.entries
    for position, standing in enumerate(standings(subject.catalogue, entries)):
        if standing.overridden_by is None:
            continue
        entry, winner = entries[position], entries[standing.overridden_by]
        if entry.array != winner.array:
            continue  # arrays of several versions follow each other, the older one to win
        text = (
            f"{entry.driver}.{entry.property}={entry.value} is number {position + 1} of "
            f"{machine_type.name}, and number {standing.overridden_by + 1} sets "
            f"{winner.driver}.{winner.property}={winner.value}: the later wins."
        )
        yield _finding("warning", "shadowed-entry", machine_type.name, position, entry, text)
