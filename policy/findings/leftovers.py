"""Decisions that nothing needs any more. Pure.

expired-mitigation  its day is over, its guests cannot come, or it changes nothing
unused-relaxation   a relaxed bit that no allowed migration uses
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from machines.emulator.qdev import same_value
from policy.document import Mitigation, Override
from policy.findings.finding import Finding, Place, Proposal
from policy.findings.releases import Migrations, Subject
from policy.rules.bitmaps import section_at


def mitigation_findings(subject: Subject, migrations: Migrations, today: date) -> Iterator[Finding]:
    for position, item in enumerate(subject.policy.mitigations if subject.policy else ()):
        reason = _expired(subject, migrations, item, today)
        if not reason:
            continue
        named = tuple(f"{e.driver}.{e.property}={e.value}" for e in item.entries)
        yield Finding(
            code="expired-mitigation",
            severity="warning",
            place=Place(item.machine_type, item.entries[0].driver if item.entries else ""),
            text=(
                f"The mitigation for guests started on {item.started_on} with "
                f"{item.machine_type} ({', '.join(named)}) is no longer needed: {reason}."
            ),
            proposals=(
                Proposal(
                    "remove-mitigation",
                    "Remove the mitigation.",
                    (item.machine_type,),
                    item.entries,
                    positions=(position,),
                ),
            ),
            partner=item.started_on,
            machine_types=(item.machine_type,),
            facts=(reason, *named),
        )


def _expired(subject: Subject, migrations: Migrations, item: Mitigation, today: date) -> str:
    """Why the mitigation does nothing any more; empty where it does."""
    if item.machine_type not in subject.machine_types:
        return f"{subject.label} has no machine type {item.machine_type}"
    try:
        is_over = date.fromisoformat(item.until) < today
    except ValueError:
        is_over = False  # an event in words, which only people can see happen
    if is_over:
        return f"it was to hold until {item.until}"
    arriving = migrations.arriving(subject.label, item.machine_type)
    if item.started_on not in arriving:
        return f"no allowed migration brings guests from {item.started_on} here"
    lists = subject.lists(item.machine_type)
    values = [
        (e.value, subject.value(e.driver, e.property, lists.get(e.property, ())))
        for e in item.entries
    ]
    if all(value.is_known and same_value(text, value.text) for text, value in values):
        return "the machine type has these values itself"
    return ""


def relaxation_findings(
    subject: Subject, others: Sequence[Subject], migrations: Migrations
) -> Iterator[Finding]:
    for position, item in enumerate(subject.policy.overrides if subject.policy else ()):
        if item.action != "relax" or _is_used(subject, others, migrations, item):
            continue
        what = "its absence" if item.version == 0 else f"version {item.version}"
        yield Finding(
            code="unused-relaxation",
            severity="warning",
            place=Place(item.machine_type, item.device, "", item.section, item.version),
            text=(
                f"{what.capitalize()} is allowed for {item.section} ({item.device}), but no "
                "allowed migration brings or needs it."
            ),
            proposals=(
                Proposal(
                    "remove-override",
                    "Take the relaxation back.",
                    (item.machine_type,) if item.machine_type else (),
                    positions=(position,),
                    device=item.device,
                    section=item.section,
                ),
            ),
            machine_types=(item.machine_type,) if item.machine_type else (),
            devices=(item.device,),
            facts=(item.justification,),
        )


def _is_used(
    subject: Subject, others: Sequence[Subject], migrations: Migrations, item: Override
) -> bool:
    names = [item.machine_type] if item.machine_type else list(subject.machine_types)
    for other in others:
        for name in names:
            pairs = migrations.allowed(subject, other, name)
            leaves = any(pair.source == subject.label for pair in pairs)
            if pairs and (
                _arrives(subject, other, name, item)
                or (leaves and _is_needed(subject, other, item))
            ):
                return True
    return False


def _arrives(subject: Subject, other: Subject, machine_type: str, item: Override) -> bool:
    """Do the two exchange the section at that version, or lack it?"""
    section = section_at(other.catalogue, item.device, item.section)
    if item.version == 0:
        return section is None or _is_switched_off(subject, other, machine_type, item)
    return section is not None and section.description.version_id == item.version


def _is_needed(subject: Subject, other: Subject, item: Override) -> bool:
    """Must this release write the version, as the other reads nothing newer?"""
    own = section_at(subject.catalogue, item.device, item.section)
    section = section_at(other.catalogue, item.device, item.section)
    if own is None or section is None:
        return False
    there = section.description
    newer_here = own.description.version_id > there.version_id
    return newer_here and there.minimum_version_id <= item.version <= there.version_id


def _is_switched_off(subject: Subject, other: Subject, machine_type: str, item: Override) -> bool:
    """Is the feature that lives in the section off on the other side's machine type?"""
    lists = other.lists(machine_type)
    for backport in subject.policy.backports if subject.policy else ():
        gate = backport.feature.gate
        carried = any(carrier.section == item.section for carrier in backport.feature.carriers)
        if gate is not None and carried:
            value = other.value(gate.driver, gate.property, lists.get(gate.property, ()))
            if value.text is None or not same_value(value.text, gate.on):
                return True
    return False
