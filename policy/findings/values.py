"""Compat properties compared with other releases: what is missing, differs, or was fixed too late.

    missing-entry       the other release's machine type sets it, or predates it, and ours does not
    other-value         both set it, and differently
    other-default       nothing sets it, and the defaults differ
    breaks-shipped      the newer release sets what the one that has shipped does not
    shipped-without     an entry that only newer releases of the tree show to be needed
    unset-new-property  new here, and sends state that the other release cannot read
    abi-changed         everything that makes a machine type another machine in the two releases

Whether a difference matters is told by :mod:`machines.emulator.relevance`, a mechanism each. One
that matters to a migration which is allowed, or to an upgrade within a tree where nothing is
declared, is an error; any other is a note. A guess is a warning at most; so is what harms only a
guest that an error has stopped, and what this release was shipped without, which cannot be mended
here, unless a migration that is allowed meets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from machines.emulator.catalogue import CompatProperty
from machines.emulator.relevance import Influence
from policy.findings.comparison import Comparison, PropertyDifference
from policy.findings.finding import Finding, Pair, Place, Proposal, Severity, listed
from policy.findings.releases import newest_first

#: What a guest cannot see of its machine.
_STREAM_ALONE = frozenset({"fields", "subsection", "section", "requests", "stream"})
#: Drivers of entries that are no hardware of a guest.
_NO_HARDWARE = ("migration", "memory-backend", "chardev-")


@dataclass(slots=True)
class _Matter:
    """One difference on the machine types of a board that have it alike."""

    item: PropertyDifference
    pairs: tuple[Pair, ...]
    severity: Severity
    machine_types: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Promise:
    """What is declared of a machine type between the two: the directions in which guests go, and
    whether it is that they are refused.
    """

    allowed: tuple[Pair, ...]
    refused: bool


def _promise(comparison: Comparison, machine_type: str) -> _Promise:
    own, other = comparison.own, comparison.other
    refused = comparison.migrations.all_refused(own, other, machine_type)
    return _Promise(comparison.pairs(machine_type), refused)


def value_findings(comparison: Comparison) -> Iterator[Finding]:
    """What the properties of both releases' machine types show, a finding for each matter."""
    matters: dict[tuple[PropertyDifference, tuple[Pair, ...], Severity], _Matter] = {}
    judged: dict[tuple[PropertyDifference, _Promise, bool], _Matter] = {}
    broken: dict[tuple[str, ...], list[str]] = {}
    for machine_type in newest_first(comparison.machine_types):
        changed = []
        promise = _promise(comparison, machine_type)
        for item in comparison.differences(machine_type):
            carried = comparison.is_carried(item, machine_type)
            if not carried and _breaks_abi(item, comparison.influences(item)):
                changed.append(_entry_text(item))
            case = item, promise, carried
            if case not in judged:
                matter = _matter(comparison, *case)
                judged[case] = matters.setdefault((item, matter.pairs, matter.severity), matter)
            judged[case].machine_types.append(machine_type)
        if changed:
            broken.setdefault(tuple(changed), []).append(machine_type)
    yield from (_finding(comparison, matter) for matter in matters.values() if _is_told(matter))
    if comparison.own.tree == comparison.other.tree:
        yield from (_abi(comparison, *item) for item in broken.items())


def _is_told(matter: _Matter) -> bool:
    """A default that changed, or a guess, is told where a migration depends on it."""
    item = matter.item
    return matter.severity != "note" or (not item.guessed and item.kind not in _BY_DEFAULT)


#: Differences that no list of entries shows.
_BY_DEFAULT = ("other-default", "unset-new-property")


def _breaks_abi(item: PropertyDifference, decided: Sequence[Influence]) -> bool:
    """Does it make the machine another one? What decides the stream alone does not."""
    if item.guessed or item.kind in _BY_DEFAULT or item.driver.startswith(_NO_HARDWARE):
        return False
    return not decided or any(influence.mechanism not in _STREAM_ALONE for influence in decided)


def _entry_text(item: PropertyDifference) -> str:
    there = item.theirs if item.theirs else "(no such property)"
    return f"{item.driver}.{item.name}: {there} → {item.ours}"


def _matter(
    comparison: Comparison, item: PropertyDifference, promise: _Promise, carried: bool
) -> _Matter:
    """Which directions the difference harms, and so how grave it is."""
    allowed = promise.allowed
    # A machine type is promised to go on in newer releases, declared or not.
    possible = allowed or (comparison.upgrade,)
    arriving = Pair(comparison.other.label, comparison.own.label)
    harmed = tuple(
        pair
        for pair in possible
        if not (carried and pair == arriving) and comparison.harms(item, pair)
    )
    is_error = bool(harmed) and not (promise.refused and not comparison.same_release)
    doubtful = (
        bool(item.guessed),
        item.kind == "other-default",
        comparison.is_past(item) and not allowed,
        comparison.is_rare(item),
    )
    grave: Severity = "warning" if any(doubtful) else "error"
    if not is_error:
        # Nobody is refused, but a machine type that was there before has got something new.
        grave = "warning" if item.kind == "unset-new-property" else "note"
    return _Matter(item, harmed if allowed else (), grave)


def _finding(comparison: Comparison, matter: _Matter) -> Finding:
    item = matter.item
    names = tuple(newest_first(matter.machine_types))
    return Finding(
        code=item.kind,
        severity=matter.severity,
        place=Place(names[0], item.driver, item.name),
        text=_text(comparison, matter, names),
        proposals=tuple(_proposals(comparison, matter, names)),
        partner=comparison.other.label,
        pairs=matter.pairs,
        machine_types=names,
        devices=item.devices,
        facts=(item.ours, item.theirs, item.wanted),
    )


def _text(comparison: Comparison, matter: _Matter, names: tuple[str, ...]) -> str:
    item, sides = matter.item, (comparison.own, comparison.other)
    stand_ins = dict.fromkeys(
        f" That is the default of {side.base}, which stands in for {side.stand_in_for}."
        for side in sides
        if side.label in item.guessed
    )
    said = _said(comparison, item, listed(names, 2))
    return f"{said}{''.join(stand_ins)} {_why(comparison, matter)}"


def _said(comparison: Comparison, item: PropertyDifference, where: str) -> str:
    """What the two releases do with the property on the machine types ``where``."""
    named, other = f"{item.driver}.{item.name}", comparison.other.label
    if comparison.same_release:
        what = "was imported" if comparison.as_imported else "is published"
        other = f"what {what} of {other}"
    if item.kind == "breaks-shipped" and not comparison.is_set_here(item):
        return (
            f"{other} sets {named} to {item.theirs} on {where}, but it is {item.ours} for guests "
            "that were started here: right as it may be for new guests, the entry changes theirs."
        )
    if item.kind == "breaks-shipped":
        return (
            f"{named} is {item.ours} on {where}, but {item.theirs} for guests that were started "
            f"on {other}: right as it may be for new guests, the entry changes theirs."
        )
    if item.kind == "shipped-without":
        return (
            f"{named} is {item.ours} on {where}, which {other} has without that property. Newer "
            f"releases set it to {item.wanted}; {comparison.own.label} was shipped without that "
            "entry, and one that is added now changes the machine of guests that run."
        )
    if item.kind == "unset-new-property":
        return (
            f"{named} is new, and on by default; {other} has {where} without it and cannot read "
            "the state that it sends."
        )
    if item.kind == "missing-entry" and not item.theirs:
        return (
            f"{named} is {item.ours} on {where}, which {other} has without that property: older "
            f"machine types need it set to {item.wanted}."
        )
    if item.kind == "other-default":
        return (
            f"The default of {named} is {item.ours} here and {item.theirs} in {other}, and "
            f"nothing sets it on {where}."
        )
    if item.kind == "missing-entry":
        return f"{other} sets {named} to {item.theirs} on {where}; here it is {item.ours}."
    return f"{named} is {item.ours} on {where}, and {item.theirs} in {other}."


def _why(comparison: Comparison, matter: _Matter) -> str:
    found = comparison.influences(matter.item)
    if not found:
        return "No migration is known to depend on it."
    what = "; ".join(dict.fromkeys(_decides(item) for item in found))
    devices = listed(matter.item.devices)
    concerned = f" Devices: {devices}." if devices else ""
    if matter.severity != "note":
        return f"It decides {what}.{concerned}"
    return f"It decides {what}, which no allowed migration depends on here.{concerned}"


def _decides(item: Influence) -> str:
    words = {
        "fields": f"which fields are sent ({item.place}), so where the section ends",
        "subsection": f"whether the subsection {item.place} is sent",
        "section": f"{item.place}, by which it is found",
        "pci-config": f"{item.place}, which the destination compares",
        "ram-block": f"the name or the size of {item.place}",
        "virtio": f"{item.place}, which the destination checks",
        "requests": f"how {item.place} are sent, of which other guests have none",
        "equal": f"{item.place}, which must be the same",
        "stream": f"{item.place} of the stream",
    }
    return words[item.mechanism]


def _proposals(
    comparison: Comparison, matter: _Matter, names: tuple[str, ...]
) -> Iterator[Proposal]:
    item, other = matter.item, comparison.other.label
    wanted = CompatProperty(item.driver, item.name, item.wanted)
    where = listed(names, 2)
    arriving = Pair(other, comparison.own.label)
    if item.kind in ("breaks-shipped", "shipped-without"):
        yield Proposal(
            "add-mitigation",
            f"Set {item.driver}.{item.name}={item.wanted} for guests started on {other} with "
            f"{where}, until they are powered off.",
            names,
            (wanted,),
            arriving,
        )
    yield Proposal(
        "add-entries",
        f"Set {item.driver}.{item.name}={item.wanted} on {where}.",
        names,
        (wanted,),
    )
    for pair in matter.pairs:
        if not comparison.same_release:
            text = f"Declare {pair} refused on {where}."
            yield Proposal("declare-refused", text, names, pair=pair)


def _abi(comparison: Comparison, entries: tuple[str, ...], machine_types: list[str]) -> Finding:
    names = tuple(newest_first(machine_types))
    other = comparison.other.label
    promise = "promises" if len(names) == 1 else "promise"
    count = "a property differs" if len(entries) == 1 else f"{len(entries)} properties differ"
    return Finding(
        code="abi-changed",
        severity="error",
        place=Place(names[0]),
        text=(
            f"{listed(names, 2)} {promise} the same hardware wherever they run, but {count} from "
            f"{other}: {'; '.join(entries)}."
        ),
        partner=other,
        machine_types=names,
        facts=entries,
    )
