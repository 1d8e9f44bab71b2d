"""What changed between two policies, in the words of a maintainer. Pure.

A difference names the thing (``virtio-rng-pci.vectors on pc-q35-rhel9.0.0``), what it was and what
it is: never JSON. Nothing that the digest covers may differ without a difference here, as it is
what a reviewer approves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from machines.emulator.catalogue import CompatProperty
from policy.document import (
    Backport,
    CatalogueRef,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
    Waiver,
    digest,
)

Kind = Literal["added", "removed", "changed", "moved"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a change: ``before`` is empty where something was added, ``after`` where it went.

    ``group`` is the part of the policy, ``note`` says why or where from, where it is known.
    """

    group: str
    label: str
    kind: Kind
    before: str = ""
    after: str = ""
    note: str = ""


def compare(before: Policy | None, after: Policy) -> tuple[Difference, ...]:
    """Everything that differs, in the order of the document. ``before`` None: all is new."""
    old = before or Policy(after.tree, after.version, CatalogueRef("", ""))
    return (
        *_base(old.base, after.base),
        *_keyed("Backports", old.backports, after.backports, backport_label, backport_lines),
        *_machine_types(old, after),
        *_keyed("Blacklist bitmaps", old.overrides, after.overrides, override_label, _override),
        *_keyed("Mitigations", old.mitigations, after.mitigations, mitigation_label, _mitigated),
        *_keyed("Migrations", old.migrations, after.migrations, migration_label, _migration),
        *_devices(old, after),
        *_keyed("Waivers", old.waivers, after.waivers, waiver_label, _waived),
    )


def _base(old: CatalogueRef, new: CatalogueRef) -> Iterator[Difference]:
    if old == new:
        return
    kind: Kind = "changed" if old.release else "added"
    yield Difference("Catalogue", "Base catalogue", kind, _ref(old), _ref(new))


def _ref(ref: CatalogueRef) -> str:
    if not ref.release:
        return ""
    stands = f", stands in for {ref.stand_in_for}" if ref.stand_in_for else ""
    return f"{ref.release} (snapshot {ref.digest[:12]}{stands})"


# --- Things that a key names ----------------------------------------------------------------------

#: An item's lines: what -> (value, note). A line that differs is a difference of its own.
Lines = dict[str, tuple[str, str]]


def _keyed(
    group: str,
    old: Iterable[_T],
    new: Iterable[_T],
    key: Callable[[_T], str],
    lines: Callable[[_T], Lines],
) -> Iterator[Difference]:
    """Added, removed and changed items."""
    before, after = numbered(old, key), numbered(new, key)
    for name, item in before.items():
        if name not in after:
            value, note = next(iter(lines(item).values()))
            yield Difference(group, name, "removed", value, "", note)
    for name, item in after.items():
        if name not in before:
            for what, (value, note) in lines(item).items():
                if value or not what:
                    yield Difference(group, _labelled(name, what), "added", "", value, note)
        elif before[name] != item:
            yield from _changed(group, name, lines(before[name]), lines(item))
    shared_before = [name for name in before if name in after]
    shared_after = [name for name in after if name in before]
    yield from _moved(group, shared_before, shared_after)


def numbered(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, _T]:
    """Items by their labels; the same label again is told apart by its number."""
    seen: Counter[str] = Counter()
    numbered = {}
    for item in items:
        name = key(item)
        seen[name] += 1
        numbered[name if seen[name] == 1 else f"{name} (no. {seen[name]})"] = item
    return numbered


def _labelled(name: str, what: str) -> str:
    return f"{name}: {what}" if what else name


def _changed(group: str, name: str, old: Lines, new: Lines) -> Iterator[Difference]:
    for what in dict.fromkeys([*old, *new]):
        before, after = old.get(what, ("", "")), new.get(what, ("", ""))
        if before != after:
            note = after[1] if after[1] == before[1] else f"was: {before[1]}; now: {after[1]}"
            yield Difference(group, _labelled(name, what), "changed", before[0], after[0], note)


def _moved(group: str, old: list[str], new: list[str]) -> Iterator[Difference]:
    """The fewest items whose moving turns one order into the other."""
    rank = {name: number for number, name in enumerate(old)}
    kept = _longest_rising([rank[name] for name in new])
    for number, name in enumerate(new):
        if rank[name] not in kept:
            before, after = f"position {rank[name] + 1}", f"position {number + 1}"
            yield Difference(group, name, "moved", before, after, "the later entry wins")


def _longest_rising(numbers: list[int]) -> frozenset[int]:
    """A longest rising subsequence of distinct numbers (patience sorting)."""
    tops: list[int] = []
    below: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(tops, number)
        below[number] = tops[place - 1] if place else None
        tops[place : place + 1] = [number]
    rising = set()
    current = tops[-1] if tops else None
    while current is not None:
        rising.add(current)
        current = below[current]
    return frozenset(rising)


def override_label(item: Override) -> str:
    """Which bit an override is about."""
    where = f" on {item.machine_type}" if item.machine_type else ""
    return f"{item.section} version {item.version} of {item.device}{where}"


def _override(item: Override) -> Lines:
    words = {"relax": "relaxed: allowed", "tighten": "tightened: blacklisted"}
    return {"": (words[item.action], item.justification)}


def mitigation_label(item: Mitigation) -> str:
    """Which guests a mitigation is for."""
    return f"guests started on {item.started_on} as {item.machine_type}"


def _mitigated(item: Mitigation) -> Lines:
    value = ", ".join(written(entry) for entry in item.entries)
    return {"": (f"{value} until {item.until}" if item.until else value, item.reason)}


def migration_label(item: Migration) -> str:
    """Which migration a policy declares."""
    where = f" as {item.machine_type}" if item.machine_type else ""
    return f"{item.source} → {item.destination}{where}"


def _migration(item: Migration) -> Lines:
    return {"": (item.expected, item.note)}


def waiver_label(item: Waiver) -> str:
    """What is waived, and where."""
    what = f"{item.about} ({item.finding})".strip() if item.finding else "the trial's outcome"
    where = f" as {item.machine_type}" if item.machine_type else ""
    return f"{what}, {item.source} → {item.destination}{where}"


def _waived(item: Waiver) -> Lines:
    return {"": (f"waived until {item.expires}, for the content {item.bound[:12]}", item.reason)}


def backport_label(item: Backport) -> str:
    """Which feature is backported."""
    return f"{item.feature.title} ({item.feature.slug})"


def backport_lines(item: Backport) -> Lines:
    """A backport's parts. A long one (a description) is named by its versions and its digest."""
    feature = item.feature
    gate = feature.gate
    carriers = [
        f"{carrier.section} {_carried(carrier.version, carrier.subsection)}"
        + (f" ({', '.join(carrier.fields)})" if carrier.fields else "")
        for carrier in feature.carriers
    ]
    lines = {
        "": (f"for {feature.device}", item.justification),
        "carried by": ("; ".join(carriers) or "no state", ""),
        "gate": (f"{gate.driver}.{gate.property}={gate.on}" if gate else "", ""),
        "introduced": (item.introduced, ""),
        "commit": (item.commit, ""),
        "tracker": (item.tracker, ""),
    }
    for graft in item.grafts:
        lines[f"layout of {graft.section}"] = (_layout(graft.description), "")
    return lines


def _carried(version: int | None, subsection: bool) -> str:
    parts = ["a subsection of its own"] if subsection else []
    return " ".join([*parts, *([f"version {version}"] if version is not None else [])])


def _layout(description: dict[str, Any]) -> str:
    fields = len(description.get("Fields", []))
    return (
        f"version {description.get('version_id', 0)}, {fields} fields, "
        f"layout {digest(description)[:12]}"
    )


# --- Machine types and their entries --------------------------------------------------------------


def _machine_types(old: Policy, new: Policy) -> Iterator[Difference]:
    yield from _keyed(
        "Machine types", old.machine_types, new.machine_types, lambda item: item.name, _machine_type
    )
    nothing = MachineType("")
    for item in new.machine_types:
        previous = old.machine_type(item.name) or nothing
        if previous.entries != item.entries:
            yield from _entries(item.name, previous.entries, item.entries)


def _machine_type(item: MachineType) -> Lines:
    parent = f"goes on from {item.parent}" if item.parent else "stands on its own"
    return {"": (parent, item.note)}


def _entries(
    machine_type: str, old: tuple[CompatProperty, ...], new: tuple[CompatProperty, ...]
) -> Iterator[Difference]:
    def lines(entry: CompatProperty) -> Lines:
        return {"": (entry.value, f"from {entry.array}" if entry.array else "")}

    label = partial(entry_label, machine_type=machine_type)
    yield from _keyed("Compat properties", old, new, label, lines)


def entry_label(entry: CompatProperty, machine_type: str) -> str:
    """Which property an entry of a machine type sets."""
    return f"{entry.driver}.{entry.property} on {machine_type}"


@dataclass(frozen=True, slots=True)
class EntryPlace:
    """What an entry's label names; ``again`` counts further entries of the same property."""

    property: str
    machine_type: str
    again: str


def entry_place(label: str) -> EntryPlace:
    """What a label of :func:`entry_label` names.

    >>> entry_place("foo.speed on pc-1.2 (no. 2)")
    EntryPlace(property='foo.speed', machine_type='pc-1.2', again=' (no. 2)')
    """
    name, _, rest = label.rpartition(" on ")
    machine_type, number, again = rest.partition(" (no. ")
    return EntryPlace(name, machine_type, f"{number}{again}")


def written(entry: CompatProperty) -> str:
    """A compat entry as ``-global`` takes it."""
    return f"{entry.driver}.{entry.property}={entry.value}"


def _devices(old: Policy, new: Policy) -> Iterator[Difference]:
    if old.devices != new.devices:
        every = "all that can migrate"
        yield Difference(
            "Trials",
            "Devices that trials exercise",
            "changed",
            ", ".join(old.devices) or every,
            ", ".join(new.devices) or every,
        )
