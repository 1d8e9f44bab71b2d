"""Mitigations searched for: extra properties by which a destination takes guests that it refuses.

A candidate is a property by which the two machines differ, or that is known to decide what was
refused. Each is tried in the emulator, and only what makes the trial pass is offered: on a model of
both machines, or on a stream that a real source saved. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from machines.emulator import machine, qdev, refusals, replay
from machines.emulator.catalogue import CompatProperty
from machines.emulator.pci import msix_vectors
from machines.emulator.release import Release
from machines.emulator.relevance import influences
from machines.emulator.snapshot import Snapshot
from machines.emulator.suggest import Destination
from machines.emulator.verdict import Verdict
from machines.emulator.virtio import Malformed, queue_sizes
from machines.emulator.virtio import parse as parse_virtio
from policy import rules
from policy.findings.comparison import Comparison
from policy.findings.finding import Pair
from policy.findings.releases import Known, Migrations, Subject

#: Candidates that are tried, the likeliest first; each is a trial.
MAX_CANDIDATES = 48
#: Refusals of one stream that are mended one after the other.
MAX_STEPS = 16
#: Trials held with one stream, and sets of properties that are offered for it.
MAX_TRIALS = 96
MAX_SUGGESTIONS = 3

Entries = tuple[CompatProperty, ...]
#: Called with (trials held, at most to be held) before each trial; raises to end the search.
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
    comparison = Comparison(destination, source, Migrations(known), Known(known))
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
    *,
    machine_type: str = "",
    given: Sequence[CompatProperty] = (),
    watch: Watch = _unwatched,
) -> tuple[Suggestion, ...]:
    """What would let this very stream in, the likeliest first: each a set of further properties.

    Empty where it is accepted, and where nothing that was tried helps. Of each set all entries are
    needed. ``profile`` is a stream that the destination saved in the same configuration; ``source``
    tells the values that its machine type has. ``machine_type`` reads the stream as if it named
    that one; ``given`` are properties that the destination has in any case. ``watch`` is told of
    each trial before it is held, of at most :data:`MAX_TRIALS`; what it raises ends the search.
    A trial of a stream of 30 devices takes about 5 ms.
    """
    if machine_type:
        stream = replace(stream, machine=machine_type)
    search = _StreamSearch(stream, destination, profile, source, tuple(given), watch)
    return tuple(islice(search.suggestions(), MAX_SUGGESTIONS))


class _StreamSearch:
    """Refusals of one stream mended one after the other, each in every way that gets past it."""

    def __init__(
        self,
        stream: Snapshot,
        destination: Subject,
        profile: Snapshot | None,
        source: Subject | None,
        given: Entries,
        watch: Watch,
    ) -> None:
        self._stream = stream
        self._destination = destination
        self._profile = profile
        self._source = source
        self._given = given
        self._watch = watch
        self._into = Release.of(destination.catalogue)
        self._side = Destination(self._into, stream.machine)
        self._verdicts: dict[Entries, Verdict] = {}

    def suggestions(self) -> Iterator[Suggestion]:
        seen = set()
        first = self._verdict(())
        if first is None or first.outcome == "accepted":
            return
        for entries in self._mended((), first):
            needed = self._needed(entries)
            if needed not in seen:
                seen.add(needed)
                yield Suggestion(needed, "accepted")

    def _verdict(self, entries: Entries) -> Verdict | None:
        """The trial's with these entries; None where enough trials were held."""
        if entries not in self._verdicts:
            held = len(self._verdicts)
            if held == MAX_TRIALS:
                return None
            self._watch(held, MAX_TRIALS)
            told = [(e.driver, e.property, e.value) for e in (*self._given, *entries)]
            self._verdicts[entries] = replay.trial(self._stream, self._into, self._profile, told)
        return self._verdicts[entries]

    def _mended(self, entries: Entries, refused: Verdict) -> Iterator[Entries]:
        """Every set that begins with ``entries``, with which the stream is refused there."""
        if len(entries) == MAX_STEPS:
            return
        for entry in self._ways(refused):
            more = (*entries, entry)
            verdict = self._verdict(more)
            if verdict is None:
                return
            if verdict.outcome == "accepted":
                yield more
            elif _place(verdict) != _place(refused):
                yield from self._mended(more, verdict)

    def _ways(self, refused: Verdict) -> Iterator[CompatProperty]:
        """The property that explains the refusal, with each value that it may have.

        First on the type that the release sets it on, then on the refused device alone.
        """
        driver, _, name = (refused.suggestion or "").partition(".")
        values = _values(self._stream, refused, self._destination, self._source) if name else []
        named = {item.name for item in self._stream.sections if item.idstr == refused.section}
        alone = [own for item in named if item for own in self._side.drivers(item)]
        for owner in dict.fromkeys((driver, *alone)):
            if owner == driver or qdev.has_property(self._destination.catalogue, owner, name):
                yield from (CompatProperty(owner, name, value) for value in values)

    def _needed(self, entries: Entries) -> Entries:
        """Without what a later entry made superfluous."""
        for entry in entries[:-1]:
            fewer = tuple(item for item in entries if item != entry)
            verdict = self._verdict(fewer)
            if verdict is not None and verdict.outcome == "accepted":
                entries = fewer
        return entries


def _place(refused: Verdict) -> tuple[str | None, ...]:
    """Where a stream was refused; of virtqueues, which one it was."""
    queue = refusals.large_queue(refused.reason or "")
    return refused.section, refused.field, str(queue and queue.number)


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
    if (queue := refusals.large_queue(refused.reason or "")) is not None:
        return [str(size) for size in queue_sizes(name) if size >= queue.size]
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
