"""Failed migrations explained: the devices, what differs, what would have prevented it. Pure.

:func:`explain` takes a failure that :func:`policy.qemu_log.read_log` read, and the two releases. A
property is named where its value differs between them on that machine type and it decides what
was refused; where none is known to differ, those that decide such a thing are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from machines.emulator import compare
from machines.emulator.catalogue import CompatProperty
from machines.emulator.parties import Party
from machines.emulator.qdev import properties_of
from machines.emulator.release import Release
from machines.emulator.relevance import Mechanism, influences
from machines.emulator.suggest import Destination
from policy.findings.comparison import Comparison, Difference
from policy.findings.finding import Pair, Proposal, listed
from policy.findings.releases import Migrations, Subject
from policy.qemu_log import Failure, Kind

#: What was refused → the mechanisms by which a property can be the reason.
_MECHANISMS: dict[Kind, frozenset[Mechanism]] = {
    "layout": frozenset({"fields", "subsection", "stream"}),
    "equal": frozenset({"equal", "fields"}),
    "pci-config": frozenset({"pci-config"}),
    "ramblock": frozenset({"ram-block"}),
    "virtio": frozenset({"virtio", "pci-config"}),
    "unknown-section": frozenset({"section", "subsection", "fields"}),
    "subsection": frozenset({"subsection"}),
    "stream": frozenset({"stream"}),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """A property that differs and decides what was refused, and what would have prevented it."""

    driver: str
    property: str
    source: str
    destination: str
    text: str
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A failure in words: the device types, properties that differ, fields that differ.

    ``candidates`` are ``driver.property`` known to decide such a thing, where none is known to
    differ.
    """

    failure: Failure
    text: str
    devices: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    differences: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "kind": failure.kind,
            "section": failure.section,
            "field": failure.field,
            "lines": [{"number": number, "text": text} for number, text in failure.lines],
            "text": self.text,
            "devices": list(self.devices),
            "causes": [
                {
                    "property": f"{cause.driver}.{cause.property}",
                    "source": cause.source,
                    "destination": cause.destination,
                    "text": cause.text,
                    "proposals": [proposal.text for proposal in cause.proposals],
                }
                for cause in self.causes
            ],
            "differences": list(self.differences),
            "candidates": list(self.candidates),
        }


def explain(
    failure: Failure, source: Subject, destination: Subject, machine_type: str
) -> Explanation:
    """What differs between the two releases where the migration failed."""
    devices = _devices(failure, source, destination, machine_type)
    causes = tuple(_causes(failure, source, destination, machine_type, devices))
    differences = _differences(failure, source, destination, machine_type, devices)
    candidates = () if causes else _candidates(failure, destination, machine_type, devices)
    text = _sentence(failure, devices, source, destination)
    return Explanation(failure, text, devices, causes, differences, candidates)


def _devices(
    failure: Failure, source: Subject, destination: Subject, machine_type: str
) -> tuple[str, ...]:
    """The device types that may have sent the section, or own the RAM block."""
    found: dict[str, None] = {}
    for subject in (destination, source):
        side = Destination(Release.of(subject.catalogue), machine_type)
        named = failure.description
        if failure.kind == "ramblock":
            named = failure.field.rpartition("/")[2].partition(".")[0]
        for driver in side.drivers(named):
            found.setdefault(driver)
        found |= dict.fromkeys(
            driver for driver in subject.catalogue.types if driver.lower() == named.lower()
        )
    return tuple(found)


def _causes(
    failure: Failure,
    source: Subject,
    destination: Subject,
    machine_type: str,
    devices: Sequence[str],
) -> Iterator[Cause]:
    mechanisms = _MECHANISMS.get(failure.kind, frozenset())
    known = (destination, source)
    comparison = Comparison(destination, source, Migrations(known), known)
    for item in comparison.differences(machine_type):
        places = [it for it in comparison.influences(item) if it.mechanism in mechanisms]
        concerned = [it for it in places if not devices or set(it.devices) & set(devices)]
        stream_wide = [it for it in places if it.mechanism == "stream"]
        if concerned or stream_wide:
            place = (concerned or stream_wide)[0].place
            yield _cause_of(item, place, source, destination, machine_type)


def _cause_of(
    item: Difference, place: str, source: Subject, destination: Subject, machine_type: str
) -> Cause:
    named = f"{item.driver}.{item.name}"
    there = item.theirs or "not there"
    entry = (CompatProperty(item.driver, item.name, item.wanted),)
    return Cause(
        driver=item.driver,
        property=item.name,
        source=there,
        destination=item.ours,
        text=(
            f"{named} is {there} in {source.label} and {item.ours} in {destination.label} on "
            f"{machine_type}; it decides {place}."
        ),
        proposals=(
            Proposal(
                "add-entries",
                f"{named}={item.wanted} on {machine_type} in {destination.label} would have "
                "prevented it.",
                (machine_type,),
                entry,
            ),
            Proposal(
                "add-mitigation",
                f"For guests that run on {source.label} already: a mitigation in "
                f"{destination.label} that sets {named}={item.wanted}.",
                (machine_type,),
                entry,
                Pair(source.label, destination.label),
            ),
        ),
    )


def _differences(
    failure: Failure,
    source: Subject,
    destination: Subject,
    machine_type: str,
    devices: Sequence[str],
) -> tuple[str, ...]:
    """What the descriptions of the two releases say of these devices, unless it is harmless."""
    if failure.kind in ("pci-config", "ramblock", "machine-type", "stream"):
        return ()
    described = [item for item in devices if item in source.catalogue.descriptions]
    if not described:
        return ()
    parties = [Party.of(side.catalogue, machine_type) for side in (source, destination)]
    found = compare.check(parties[0], parties[1], described)
    return tuple(dict.fromkeys(item.message for item in found if item.grade != "harmless"))


def _candidates(
    failure: Failure, destination: Subject, machine_type: str, devices: Sequence[str]
) -> tuple[str, ...]:
    """Properties that are known to decide such a thing on such a device."""
    mechanisms = _MECHANISMS.get(failure.kind, frozenset())
    found = [
        f"{device}.{name}"
        for device in devices
        for name in sorted(properties_of(destination.catalogue, device))
        if any(
            item.mechanism in mechanisms for item in influences(destination.catalogue, device, name)
        )
    ]
    return tuple(found)


def _sentence(
    failure: Failure, devices: Sequence[str], source: Subject, destination: Subject
) -> str:
    """What QEMU said, in words."""
    told = dict(failure.details)
    what = failure.section or failure.field
    sent, own = told.get("sent", "?"), told.get("own", "?")
    sentences: dict[Kind, str] = {
        "unknown-section": f"{destination.label} has no device that reads the section {what}.",
        "version-too-new": (
            f"{source.label} sends version {sent} of {what}, newer than {destination.label} reads."
        ),
        "version-too-old": (
            f"{source.label} sends version {sent} of {what}, older than {destination.label} reads."
        ),
        "layout": (
            f"The two sides disagree about the fields of {what}: {destination.label} read more or "
            f"less than {source.label} sent."
        ),
        "equal": f"A value of {what} ({failure.field}) must be the same on both sides and is not.",
        "ramblock": f"The RAM block {failure.field} has another name or size in the two releases.",
        "pci-config": (
            f"The hardware of {what} differs: byte {told.get('offset', '?')} of PCI configuration "
            f"space was sent as 0x{sent} and is 0x{own} there."
        ),
        "virtio": f"The virtio device {what} has features or queues that the other side lacks.",
        "unmigratable": f"{what} cannot be migrated at all.",
        "machine-type": f"The guest has machine type {sent}, the destination is {own}.",
        "subsection": f"{destination.label} has no subsection {failure.field} of {what}.",
        "stream": "The stream's framing differs.",
    }
    named = f" Device types: {listed(tuple(devices))}." if devices else ""
    return sentences[failure.kind] + named
