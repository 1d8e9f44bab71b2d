"""Sections whose layout differs under one version, and features that bump a version. Pure.

    layout-differs  the same section and version, another layout, between releases that exchange
                    guests: nobody refuses, and one side reads the other's bytes as something else
    linear-bump     a backport's state begins at a section version that another release lacks

The comparison is that of :mod:`machines.emulator.compare`. A version that a bitmap forbids on
either side is not exchanged, so it may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from machines.emulator import compare
from machines.emulator.catalogue import Description
from machines.emulator.features import Carrier
from machines.emulator.layout import described_sections
from machines.emulator.parties import Party
from policy import rules
from policy.document import Backport
from policy.findings.finding import Finding, Pair, Place, Proposal, listed
from policy.findings.releases import Migrations, Subject, newest_first
from policy.rules.bitmaps import section_at


def layout_findings(
    subject: Subject, others: Sequence[Subject], migrations: Migrations
) -> Iterator[Finding]:
    """Every direction in which guests go between the release and another."""
    for other in others:
        if other.label == subject.label:
            continue
        allowed: dict[Pair, list[str]] = {}
        for name in newest_first(set(subject.machine_types) & set(other.machine_types)):
            for pair in migrations.allowed(subject, other, name):
                allowed.setdefault(pair, []).append(name)
        found: dict[str, Finding] = {}
        for pair, machine_types in sorted(allowed.items()):
            for finding in _direction(subject, other, pair, tuple(machine_types)):
                same = found.get(finding.identity)
                found[finding.identity] = _both_ways(same, finding) if same else finding
        yield from found.values()


def _both_ways(one: Finding, other: Finding) -> Finding:
    """The same matter in the other direction: one finding about both."""
    return replace(
        one,
        pairs=tuple(sorted({*one.pairs, *other.pairs})),
        proposals=tuple(dict.fromkeys((*one.proposals, *other.proposals))),
        facts=tuple(dict.fromkeys((*one.facts, *other.facts))),
    )


def _direction(
    subject: Subject, other: Subject, pair: Pair, machine_types: tuple[str, ...]
) -> Iterator[Finding]:
    source, destination = (subject, other) if pair.source == subject.label else (other, subject)
    parties = [Party.of(side.catalogue, machine_types[0]) for side in (source, destination)]
    chosen = subject.policy.devices if subject.policy is not None else ()
    for device in chosen or sorted(subject.catalogue.descriptions):
        sent = source.catalogue.descriptions.get(device)
        read = destination.catalogue.descriptions.get(device)
        if sent is None or read is None or sent == read:
            continue
        if sent.unmigratable or read.unmigratable:
            continue
        differing: dict[str, list[compare.Finding]] = {}
        for item in compare.check(parties[0], parties[1], [device]):
            if item.grade != "harmless":
                differing.setdefault(item.subsection or sent.name, []).append(item)
        for name, items in differing.items():
            path, version = _same_version(sent, read, name)
            if version is None or _is_forbidden(
                (source, destination), machine_types[0], device, path, version
            ):
                continue
            yield _differing(
                subject, other, pair, machine_types, Place("", device, "", path, version), items
            )


def _same_version(sent: Description, read: Description, name: str) -> tuple[str, int | None]:
    """The section's path and the version that both sides call it by, None where they do not."""
    ours = {item.path: item.description for item in described_sections(sent)}
    theirs = {item.path: item.description for item in described_sections(read)}
    for path, description in ours.items():
        if description.name == name and path in theirs:
            same = description.version_id == theirs[path].version_id
            return path, description.version_id if same else None
    return "", None


def _is_forbidden(
    sides: Sequence[Subject], machine_type: str, device: str, path: str, version: int
) -> bool:
    return any(
        cell.effective and cell.version <= version <= cell.last
        for side in sides
        for item in rules.device_bitmaps(side.policy, side.catalogue, machine_type, device)
        if item.path == path
        for cell in item.cells
    )


def _differing(
    subject: Subject,
    other: Subject,
    pair: Pair,
    machine_types: tuple[str, ...],
    place: Place,
    items: Sequence[compare.Finding],
) -> Finding:
    corrupts = any(item.grade == "corrupts" for item in items)
    what = "reads it as something else" if corrupts else "reads on at the wrong place"
    messages = tuple(dict.fromkeys(item.message for item in items))
    stand_in = next((side for side in (subject, other) if side.stand_in_for), None)
    doubt = (
        f" {stand_in.base} stands in for {stand_in.stand_in_for} here."
        if stand_in is not None
        else ""
    )
    return Finding(
        code="layout-differs",
        severity="warning" if stand_in is not None else "error",
        place=Place(machine_types[0], place.device, "", place.section, place.version),
        text=(
            f"Version {place.version} of {place.section} ({place.device}) has another layout in "
            f"{pair.source} than in {pair.destination}, which {what}: "
            f"{listed(messages)}.{doubt}"
        ),
        proposals=tuple(_ways_out(subject, pair, machine_types, place)),
        partner=other.label,
        pairs=(pair,),
        machine_types=machine_types,
        devices=(place.device,),
        facts=messages,
    )


def _ways_out(
    subject: Subject, pair: Pair, machine_types: tuple[str, ...], place: Place
) -> Iterator[Proposal]:
    for backport in subject.policy.backports if subject.policy is not None else ():
        for carrier in backport.feature.carriers:
            if carrier.section == place.section and carrier.version is not None:
                yield _own_section(backport, carrier)
    yield Proposal(
        "declare-refused",
        f"Declare {pair} refused on {listed(machine_types, 2)}.",
        machine_types,
        pair=pair,
    )


def _own_section(backport: Backport, carrier: Carrier) -> Proposal:
    return Proposal(
        "own-section",
        f"Give {backport.feature.title} a section of its own instead of version {carrier.version} "
        f"of {carrier.section}: whoever lacks the feature then refuses it by name, and exchanges "
        "everything else.",
        device=backport.feature.slug,
        section=carrier.section,
    )


# --- Linear bumps ---------------------------------------------------------------------------------


def bump_findings(subject: Subject, others: Sequence[Subject]) -> Iterator[Finding]:
    """Backports whose state begins at a version of a section that other releases lack."""
    for backport in subject.policy.backports if subject.policy is not None else ():
        for carrier in backport.feature.carriers:
            if carrier.version is None:
                continue
            lacking = tuple(
                other.label
                for other in others
                if other.label != subject.label and _lacks(other, backport, carrier)
            )
            if lacking:
                yield _bump(backport, carrier, lacking)


def _lacks(other: Subject, backport: Backport, carrier: Carrier) -> bool:
    """Does the release read that version otherwise, or not at all?"""
    section = section_at(other.catalogue, backport.feature.device, carrier.section)
    if section is None or carrier.version is None:
        return False  # it has no such section: its guests have none of it
    if section.description.version_id < carrier.version:
        return True
    names = {item.name for item in section.description.fields if item.version_id <= carrier.version}
    return not set(carrier.fields) <= names


def _bump(backport: Backport, carrier: Carrier, lacking: tuple[str, ...]) -> Finding:
    feature = backport.feature
    return Finding(
        code="linear-bump",
        severity="warning",
        place=Place("", feature.device, "", carrier.section, carrier.version),
        text=(
            f"{feature.title} raises {carrier.section} to version {carrier.version}, which "
            f"{listed(lacking)} cannot read: no guest with that device goes there, whether it "
            "uses the feature or not."
        ),
        proposals=(_own_section(backport, carrier),),
        devices=(feature.device,),
        facts=lacking,
    )
