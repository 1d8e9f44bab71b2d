"""Mitigations searched for: extra properties by which a destination takes guests that it refuses.

A candidate is a property by which the two machines differ, or that is known to decide what was
refused. Each is tried in the emulator, and only what makes the trial pass is offered: on a model of
both machines, or on a stream that a real source saved. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from machines.emulator import machine, qdev, replay
from machines.emulator.catalogue import CompatProperty
from machines.emulator.pci import msix_vectors
from machines.emulator.release import Release
from machines.emulator.relevance import influences
from machines.emulator.snapshot import Snapshot
from machines.emulator.verdict import Verdict
from machines.emulator.virtio import Malformed
from machines.emulator.virtio import parse as parse_virtio
from policy import rules
from policy.findings.comparison import Comparison
from policy.findings.finding import Pair
from policy.findings.releases import Migrations, Subject

#: Candidates that are tried, the likeliest first; each is a trial.
MAX_CANDIDATES = 48
#: Refusals of one stream that are mended one after the other.
MAX_STEPS = 16

Entries = tuple[CompatProperty, ...]
#: Called with (trials held, at most to be held).
Watch = Callable[[int, int], None]


def _unwatched(held: int, most: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Entries that, set on the destination, make the trial pass; the trial's outcome with them."""

    entries: Entries
    outcome: str

    @property
    def text(self) -> str:
        return ", ".join(f"{e.driver}.{e.property}={e.value}" for e in self.entries)


# --- By model -------------------------------------------------------------------------------------


def suggest_mitigations(
    source: Subject,
    destination: Subject,
    machine_type: str,
    devices: Sequence[str],
    *,
    expected: str = "correct",
    seed: int = 1,
    watch: Watch = _unwatched,
) -> tuple[Suggestion, ...]:
    """What would let guests of ``source`` in, tried on models of both machines.

    Empty where the trial passes as it is, and where nothing that was tried helps. ``watch`` is told
    of each trial before it is held. Raises ``machine.TrialError`` for input that no trial can be
    held on.
    """
    sent = rules.side(source.policy, source.catalogue, machine_type, source.label)
    present = rules.mitigations_for(destination.policy, source.label, machine_type)
    relaxed = {
        **rules.relaxed_versions(source.policy, source.catalogue, machine_type),
        **rules.relaxed_versions(destination.policy, destination.catalogue, machine_type),
    }

    def outcome(extra: Entries) -> str:
        read = rules.side(
            destination.policy,
            destination.catalogue,
            machine_type,
            destination.label,
            (*present, *extra),
        )
        return machine.trial((sent, read), devices, seed, relaxed).outcome  # type: ignore[arg-type]

    if outcome(()) == expected:
        return ()
    candidates = _candidates(source, destination, machine_type, devices)
    held = count()

    def passes(extra: Entries) -> bool:
        # Each alone; where none suffices, all together, and then without each.
        watch(next(held), 2 * len(candidates) + 1)
        return outcome(extra) == expected

    return _search(candidates, passes, expected)


def _search(
    candidates: Sequence[CompatProperty], passes: Callable[[Entries], bool], outcome: str
) -> tuple[Suggestion, ...]:
    """Each candidate that suffices alone; else the fewest of them all together that do."""
    alone = [(entry,) for entry in candidates if passes((entry,))]
    if alone:
        return tuple(Suggestion(entries, outcome) for entries in alone)
    needed = tuple(candidates)
    if len(needed) < 2 or not passes(needed):
        return ()
    for entry in candidates:
        fewer = tuple(item for item in needed if item != entry)
        if passes(fewer):
            needed = fewer
    return (Suggestion(needed, outcome),)


def _candidates(
    source: Subject, destination: Subject, machine_type: str, devices: Sequence[str]
) -> list[CompatProperty]:
    """What the two machines differ by, then switches of the devices that decide their state."""
    known = (destination, source)
    comparison = Comparison(destination, source, Migrations(known), known)
    arriving = Pair(source.label, destination.label)
    found = [
        CompatProperty(item.driver, item.name, item.wanted)
        for item in comparison.differences(machine_type)
        if comparison.harms(item, arriving)
    ]
    found += _gates(destination)
    found += _switches(destination, machine_type, devices)
    return list(dict.fromkeys(found))[:MAX_CANDIDATES]


def _gates(destination: Subject) -> Iterator[CompatProperty]:
    """What switches a recorded feature off that the source may lack."""
    for feature in rules.features_of(destination.policy, destination.catalogue):
        gate = feature.gate
        if gate is not None and qdev.same_value(gate.on, "on"):
            yield CompatProperty(gate.driver, gate.property, "off")


def _switches(
    destination: Subject, machine_type: str, devices: Sequence[str]
) -> Iterator[CompatProperty]:
    lists = destination.lists(machine_type)
    for device in dict.fromkeys(devices):
        for name, info in sorted(qdev.properties_of(destination.catalogue, device).items()):
            if info.type != "bool":
                continue
            decided = influences(destination.catalogue, device, name)
            if any(item.mechanism in ("fields", "subsection") for item in decided):
                value = destination.value(device, name, lists.get(name, ())).text
                flipped = "off" if qdev.same_value(value, "on") else "on"
                yield CompatProperty(device, name, flipped)


# --- On a stream ----------------------------------------------------------------------------------


def suggest_for_stream(
    stream: Snapshot,
    destination: Subject,
    profile: Snapshot | None = None,
    source: Subject | None = None,
) -> Suggestion | None:
    """What would let this very stream in. None where it is accepted, or where nothing helps.

    ``profile`` is a stream that the destination saved in the same configuration; ``source`` tells
    the values that its machine type has. Refusals are mended one after the other.
    """
    into = Release.of(destination.catalogue)
    entries: list[CompatProperty] = []
    verdict = _tried(stream, into, profile, entries)
    for _ in range(MAX_STEPS):
        if verdict.outcome == "accepted" or verdict.suggestion is None:
            break
        values = _values(stream, verdict, destination, source)
        step = _mending(stream, into, profile, entries, verdict, values)
        if step is None:
            break
        entry, verdict = step
        entries.append(entry)
    if not entries or verdict.outcome != "accepted":
        return None
    return Suggestion(tuple(entries), verdict.outcome)


def _tried(
    stream: Snapshot, into: Release, profile: Snapshot | None, entries: Sequence[CompatProperty]
) -> Verdict:
    globals_ = [(entry.driver, entry.property, entry.value) for entry in entries]
    return replay.trial(stream, into, profile, globals_)


def _mending(
    stream: Snapshot,
    into: Release,
    profile: Snapshot | None,
    entries: Sequence[CompatProperty],
    refused: Verdict,
    values: Sequence[str],
) -> tuple[CompatProperty, Verdict] | None:
    """The first value with which the stream is no longer refused at that place."""
    driver, _, name = (refused.suggestion or "").partition(".")
    for value in values:
        entry = CompatProperty(driver, name, value)
        verdict = _tried(stream, into, profile, [*entries, entry])
        if (verdict.section, verdict.field) != (refused.section, refused.field):
            return entry, verdict
    return None


def _values(
    stream: Snapshot, refused: Verdict, destination: Subject, source: Subject | None
) -> list[str]:
    """What the property may be where the stream comes from, the likeliest first."""
    driver, _, name = (refused.suggestion or "").partition(".")
    machine_type = stream.machine or ""
    found: list[str | None] = []
    if source is not None:
        found.append(source.value(driver, name, source.lists(machine_type).get(name, ())).text)
    if name == "vectors":
        found += _sent_vectors(stream, refused)
    present = destination.value(driver, name, destination.lists(machine_type).get(name, ())).text
    info = qdev.properties_of(destination.catalogue, driver).get(name)
    found += [destination.default(driver, name).text, destination.settled.get((driver, name))]
    found += ["off", "on"] if info is None or info.type == "bool" else ["0", "1", "2"]
    return [
        value
        for value in dict.fromkeys(found)
        if value is not None
        and not qdev.same_value(value, present)
        and (info is None or qdev.check_value(info, value) is None)
    ]


def _sent_vectors(stream: Snapshot, refused: Verdict) -> list[str]:
    for section in stream.sections:
        if section.idstr == refused.section:
            try:
                return [str(msix_vectors(parse_virtio(section.payload).config))]
            except Malformed:
                return []
    return []
