"""Failed migrations explained: the devices, what differs, what would have prevented it. Pure.

:func:`explain` takes a failure that :func:`policy.questions.qemu_log.read_log` read, and the two
releases. A property is named where its value differs between them on that machine type and it
decides what was refused; where none is known to differ, those that decide such a thing are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from machines.emulator import compare
from machines.emulator.catalogue import CompatProperty
from machines.emulator.deciding import Mechanism
from machines.emulator.parties import Party
from machines.emulator.qdev import properties_of
from machines.emulator.refusals import Kind
from machines.emulator.release import Release
from machines.emulator.relevance import feature_properties, influences
from machines.emulator.suggest import Destination
from policy.findings.comparison import Comparison, PropertyDifference
from policy.findings.finding import Pair, Proposal, listed
from policy.findings.releases import Known, Migrations, Subject
from policy.questions.qemu_log import Failure

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
    differ. ``advice`` says what helps, whatever the cause.
    """

    failure: Failure
    text: str
    advice: str
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
            "advice": self.advice,
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
    advice = _advice(failure, causes, source, destination)
    return Explanation(failure, text, advice, devices, causes, differences, candidates)


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
        for driver in (*side.drivers(named), *_senders(subject, failure)):
            found.setdefault(driver)
        found |= dict.fromkeys(
            driver for driver in subject.catalogue.types if driver.lower() == named.lower()
        )
    return tuple(found)


def _senders(subject: Subject, failure: Failure) -> Iterator[str]:
    """The device types with a structure or a subsection of the name that QEMU said.

    A version and a subsection are told by the name of the description, however deep it is.
    """
    if failure.kind not in ("version-too-new", "version-too-old", "subsection"):
        return
    for driver, description in subject.catalogue.descriptions.items():
        if any(inner.name == failure.section for inner in description.walk()):
            yield driver


def _causes(
    failure: Failure,
    source: Subject,
    destination: Subject,
    machine_type: str,
    devices: Sequence[str],
) -> Iterator[Cause]:
    mechanisms = _MECHANISMS.get(failure.kind, frozenset())
    known = (destination, source)
    comparison = Comparison(destination, source, Migrations(known), Known(known))
    features = _missing_features(failure, destination, devices)
    for item in comparison.differences(machine_type):
        if features and item.name not in features:
            continue
        places = [it for it in comparison.influences(item) if it.mechanism in mechanisms]
        concerned = [it for it in places if not devices or set(it.devices) & set(devices)]
        stream_wide = [it for it in places if it.mechanism == "stream"]
        if concerned or stream_wide:
            place = (concerned or stream_wide)[0].place
            yield _cause_of(item, place, source, destination, machine_type)


def _missing_features(
    failure: Failure, destination: Subject, devices: Sequence[str]
) -> frozenset[str]:
    """The properties behind the virtio feature bits that the guest has and the device lacks."""
    told = dict(failure.details)
    if failure.kind != "virtio" or not told.get("own", "").startswith("0x"):
        return frozenset()  # sizes and numbers of queues are decimal
    missing = int(told["sent"], 16) & ~int(told["own"], 16)
    catalogue = destination.catalogue
    return frozenset(
        name for device in devices for name in feature_properties(catalogue, device, missing)
    )


def _cause_of(
    item: PropertyDifference, place: str, source: Subject, destination: Subject, machine_type: str
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
    features = _missing_features(failure, destination, devices)
    found = [
        f"{device}.{name}"
        for device in devices
        for name in sorted(properties_of(destination.catalogue, device))
        if (not features or name in features)
        and any(
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
        "virtio": _virtio(failure, what),
        "unmigratable": f"{what} cannot be migrated at all.",
        "machine-type": f"The guest has machine type {sent}, the destination is {own}.",
        "subsection": f"{destination.label} has no subsection {failure.field} of {what}.",
        "capability": (
            f"The migration capability {failure.field} is {sent} in {source.label} and {own} in "
            f"{destination.label}."
        ),
        "stream": "The stream's framing differs.",
    }
    named = f" Device types: {listed(tuple(devices))}." if devices else ""
    return sentences[failure.kind] + named


def _virtio(failure: Failure, what: str) -> str:
    told = dict(failure.details)
    device = f"The virtio device {what}" if what else "A virtio device"
    if "needed" in told:
        return f"{device} needs {told['needed']} of its network backend, which is not there."
    if "queue" in told and "own" in told:
        return (
            f"{device} was sent with {told['sent']} entries in queue {told['queue']}, and has at "
            f"most {told['own']} there."
        )
    if "queue" in told:
        return f"Queue {told['queue']} of {what or 'a virtio device'} does not fit guest memory."
    if "own" in told and told["own"].startswith("0x"):
        bits = int(told["sent"], 16) & ~int(told["own"], 16)
        listed_bits = [str(bit) for bit in range(bits.bit_length()) if bits >> bit & 1]
        named = ("bit " if len(listed_bits) == 1 else "bits ") + ", ".join(listed_bits)
        return f"{device} lacks features that the guest has negotiated: {named}."
    return f"{device} has features or queues that the other side lacks."


def _advice(
    failure: Failure, causes: Sequence[Cause], source: Subject, destination: Subject
) -> str:
    """What helps against such a failure: where a property is the cause, the entry named with it."""
    if causes:
        return "An entry makes the two alike; for guests that run already it takes a mitigation."
    what = failure.section or failure.field
    sent = dict(failure.details).get("sent", "?")
    refused = f"declare {source.label} → {destination.label} refused"
    advice: dict[Kind, str] = {
        "unknown-section": (
            f"Start both sides with the same devices and buses. Where {destination.label} has no "
            f"such device, {refused} or take the device's state into it as a backport."
        ),
        "version-too-new": (
            f"No property makes {destination.label} read it: {refused}, or take the feature that "
            "raised the version as a backport."
        ),
        "version-too-old": (
            f"{destination.label} no longer reads version {sent}: go by a release that reads it "
            f"and writes a newer one, or {refused}."
        ),
        "layout": "Compare the fields of the section in both releases, and set a gate alike.",
        "equal": f"Give the device of {what} the same properties on both sides.",
        "ramblock": "Give the device the same memory on both sides: names follow its address.",
        "pci-config": "Give the device the same properties on both sides.",
        "virtio": "Give the device the same features, queues and backend on both sides.",
        "unmigratable": f"Unplug {what} before the migration.",
        "machine-type": f"Start the destination with -M {sent}.",
        "subsection": (
            f"Switch the feature off that sends {failure.field or what}, or take it into "
            f"{destination.label} as a backport."
        ),
        "capability": f"Set the migration capability {failure.field} alike on both sides.",
        "stream": "Look whether the whole stream has arrived, and both sides have the framing.",
    }
    return advice[failure.kind]
