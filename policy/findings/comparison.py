"""Two releases' machine types compared by what a device gets from them. Pure.

A difference is what a device gets for one property in each: from the last entry that applies to it,
else the default, as far as both are known (:mod:`policy.findings.releases`). A property that only
one release has differs where some list shows that older machine types need it set, or where it
sends state that the other cannot read. What a difference does to a migration is told by
:mod:`machines.emulator.relevance`, a mechanism each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from machines.emulator.catalogue import Catalogue
from machines.emulator.deciding import FEATURE
from machines.emulator.features import Carrier
from machines.emulator.memo import remembered
from machines.emulator.qdev import FALSE_WORDS, properties_of, same_value, text_of
from machines.emulator.relevance import Influence, influences
from policy.findings.finding import Pair
from policy.findings.releases import (
    Entries,
    Known,
    Migrations,
    Subject,
    Value,
    is_versioned,
)
from policy.rules.bitmaps import section_at

Kind = Literal[
    "missing-entry",
    "other-value",
    "other-default",
    "breaks-shipped",
    "shipped-without",
    "unset-new-property",
]

#: Defaults that leave the choice to QEMU: one that came instead of a value changes nothing yet.
_CHOOSE = frozenset({"-1", "auto"})


@dataclass(frozen=True, slots=True)
class PropertyDifference:
    """One property of one type, on which two releases differ; ``wanted`` would make them alike.

    ``guessed`` are the labels of releases whose value is the default of one that only stands in.
    """

    kind: Kind
    guessed: tuple[str, ...]
    driver: str
    name: str
    ours: str
    theirs: str
    wanted: str
    devices: tuple[str, ...]


class Comparison:
    """One release against another, machine type by machine type.

    ``known`` are all releases that are looked at, ``shipped`` what is published of the own one, or
    what its sources say.
    """

    def __init__(
        self,
        own: Subject,
        other: Subject,
        migrations: Migrations,
        known: Known,
        shipped: Subject | None = None,
    ) -> None:
        self.own = own
        self.other = other
        self.migrations = migrations
        self._known = known
        self._shipped = shipped
        self._found: dict[tuple[str, Entries, Entries], tuple[PropertyDifference, ...]] = {}
        self._harms: dict[tuple[PropertyDifference, Pair], bool] = {}
        self._influences: dict[tuple[str, str], tuple[Influence, ...]] = {}

    @cached_property
    def machine_types(self) -> tuple[str, ...]:
        """Those that both releases have, and that promise anything."""
        there = set(self.other.machine_types)
        return tuple(
            name
            for name in self.own.machine_types
            if name in there and (is_versioned(name) or self.pairs(name))
        )

    @property
    def same_release(self) -> bool:
        """Is the other one what is published of the very release?"""
        return self.own.label == self.other.label

    @property
    def as_imported(self) -> bool:
        """Is the other one what the release's own sources said, before any policy of it?"""
        return self.same_release and self.other.policy is None

    def pairs(self, machine_type: str) -> tuple[Pair, ...]:
        """The directions in which guests go between the two."""
        if self.same_release:
            return (Pair(self.other.label, self.own.label),)
        return self.migrations.allowed(self.own, self.other, machine_type)

    @property
    def upgrade(self) -> Pair:
        """The direction in which guests go when hosts are upgraded."""
        labels = self.other.label, self.own.label
        return Pair(*labels) if self._is_newer else Pair(*labels[::-1])

    def differences(self, machine_type: str) -> Iterator[PropertyDifference]:
        """On what they differ for a machine type, by property."""
        ours, theirs = self.own.lists(machine_type), self.other.lists(machine_type)
        composed = any(side.is_composed(machine_type) for side in (self.own, self.other))
        for name in sorted({*ours, *theirs, *self._bare}):
            found = self._alike_set(name, ours.get(name, ()), theirs.get(name, ()))
            if found and not (composed and self._is_misread(machine_type, name)):
                yield from (self._as_shipped(machine_type, item) for item in found)

    def _as_shipped(self, machine_type: str, item: PropertyDifference) -> PropertyDifference:
        """An entry that a newer release tells is missing only where this one knew better.

        It was shipped without where its own sources lack the entry too or, where they tell nothing
        of the machine type, where no list but those of newer releases shows that it is needed.
        """
        if item.kind != "missing-entry" or self.same_release or (self._is_newer and item.theirs):
            return item
        past: Kind = "breaks-shipped" if item.theirs else "shipped-without"
        return replace(item, kind=past) if self._was_so(machine_type, item) else item

    def _was_so(self, machine_type: str, item: PropertyDifference) -> bool:
        key, shipped = (item.driver, item.name), self._shipped
        if key in self.own.gates:
            return False  # a backport brings it, which nobody has yet
        if shipped is not None and machine_type in shipped.machine_types:
            value = self._there(shipped, machine_type, item)
        elif item.name in self._known.lost_in_reading or not self.own.composed(machine_type):
            return key in self._known.settled_later(self.own) or self._others_lack_it(
                machine_type, item
            )
        else:
            value = self.own.value(*key, self.own.composed(machine_type).get(item.name, ()))
        return value.text is not None and same_value(value.text, item.ours)

    def _others_lack_it(self, machine_type: str, item: PropertyDifference) -> bool:
        """Does an older release of the tree that has the property leave it there as it is here?"""
        own, known = self.own, self._known.releases
        older = (side for side in known if side.tree == own.tree and side.order < own.order)
        return any(
            same_value(value.text, item.ours)
            for side in older
            if machine_type in side.machine_types
            and (value := self._there(side, machine_type, item)).is_known
        )

    @staticmethod
    def _there(side: Subject, machine_type: str, item: PropertyDifference) -> Value:
        entries = side.lists(machine_type).get(item.name, ())
        return side.value(item.driver, item.name, entries)

    def _alike_set(
        self, name: str, ours: Entries, theirs: Entries
    ) -> tuple[PropertyDifference, ...]:
        """What follows from these entries, worked out once for all machine types that have them."""
        key = name, ours, theirs
        if key not in self._found:
            self._found[key] = tuple(self._of_property(*key))
        return self._found[key]

    @cached_property
    def _bare(self) -> tuple[str, ...]:
        """The properties on which the releases differ where nothing sets them."""
        return tuple(name for name in self._candidates if self._alike_set(name, (), ()))

    def _is_misread(self, machine_type: str, name: str) -> bool:
        """Does the difference come of how arrays were read, and not of the releases?"""
        sides = (self.own, self.other), (self.other, self.own)
        return any(
            one.is_misread(machine_type, name) or self._is_lost(one, other, machine_type, name)
            for one, other in sides
        )

    def _is_lost(self, one: Subject, other: Subject, machine_type: str, name: str) -> bool:
        """Does one lack entries that the other has, of a property that reading arrays loses?"""
        if not one.is_composed(machine_type) or name not in self._known.lost_in_reading:
            return False
        return set(one.lists(machine_type).get(name, ())) < set(
            other.lists(machine_type).get(name, ())
        )

    @cached_property
    def _candidates(self) -> dict[str, set[str]]:
        """Property → drivers, of what may differ without an entry in either list."""
        found: dict[str, set[str]] = {}
        for driver, name in self._known.settled:
            found.setdefault(name, set()).add(driver)
        for driver, name in _changed(self.own.catalogue, self.other.catalogue):
            found.setdefault(name, set()).add(driver)
        return found

    def _of_property(
        self, name: str, ours: Entries, theirs: Entries
    ) -> Iterator[PropertyDifference]:
        if self.as_imported and not set(ours) < set(theirs):
            return  # what a policy adds to its sources, or sets otherwise, is its business
        named = {driver for driver, _ in (*ours, *theirs)} | self._candidates.get(name, set())
        drivers = [item for item in named if self.own.knows(item) and self.other.knows(item)]
        for driver in sorted(drivers):
            below = [o for o in drivers if o != driver and driver in self.own.lineage(o)]
            values: dict[tuple[Value, Value], list[str]] = {}
            for target in self._targets(driver, name, below):
                pair = self.own.value(target, name, ours), self.other.value(target, name, theirs)
                values.setdefault(pair, []).append(target)
            for (own, other), targets in values.items():
                item = self._judged(driver, name, own, other)
                if item is None:
                    continue
                if len(values) == 1:
                    yield self._placed(item, driver, below)
                else:
                    yield from (self._placed(item, target, below) for target in targets)

    def _targets(self, driver: str, name: str, below: Sequence[str]) -> Sequence[str]:
        """The types to ask: the driver itself, where it answers for all of its descendants."""
        sides = (self.own, self.other)
        if not below and any(side.default(driver, name).text is not None for side in sides):
            return (driver,)
        found = [
            device
            for device in self.own.migrating(driver)
            if self.other.knows(device) and not self.own.lineage(device) & set(below)
        ]
        return found or (() if below else (driver,))

    def _judged(
        self, driver: str, name: str, own: Value, other: Value
    ) -> PropertyDifference | None:
        if own.source == "absent":
            return None
        ours, theirs = own.text or "", other.text or ""
        if other.source == "absent":
            return self._new(driver, name, own)
        if own.source == "unknown" and own.text is None and other.source == "entry":
            own, ours = Value("", "unknown"), "its default"
        if own.text is None or other.text is None or same_value(ours, theirs):
            return None
        kind = self._kind(own, other)
        sides = (self.own.label, own), (self.other.label, other)
        guessed = tuple(label for label, value in sides if value.source == "unknown")
        if kind == "other-default" and (guessed or {ours, theirs} & _CHOOSE):
            return None
        if kind == "missing-entry" and (self._is_newer or self.same_release):
            guessed = ()  # an older release of the tree has it, whatever the default is here
        return PropertyDifference(kind, guessed, driver, name, ours, theirs, theirs, ())

    def _kind(self, own: Value, other: Value) -> Kind:
        """Whoever is the newer: an entry that it lost, or one that it set over what has shipped."""
        if self.same_release:
            return "missing-entry" if self.as_imported else "breaks-shipped"
        if own.source == other.source == "entry":
            return "other-value"
        if other.source == "entry":
            return "missing-entry"
        if own.source == "entry":
            return "breaks-shipped" if self._is_newer else "other-value"
        return "other-default"

    @cached_property
    def _is_newer(self) -> bool:
        """Is this release the newer one? What another tree has is taken as given."""
        return self.own.tree != self.other.tree or self.other.order < self.own.order

    def _new(self, driver: str, name: str, own: Value) -> PropertyDifference | None:
        """A property that the other release lacks, on a machine type that it has: so an older one.

        Whoever sets it on any machine type says that old machine types need it; and a default
        that sends state which the other release cannot read says so itself.
        """
        if own.source not in ("default", "unknown") or own.text is None or not self._is_newer:
            return None
        wanted = self._known.settled.get((driver, name))
        if own.source == "unknown" and (driver, name) not in self.own.settled:
            return None  # only a stand-in says that this release has the property at all
        if wanted is not None and not same_value(wanted, own.text):
            return PropertyDifference("missing-entry", (), driver, name, own.text, "", wanted, ())
        if wanted is None and self._sends_more(driver, name, own.text):
            return PropertyDifference(
                "unset-new-property", (), driver, name, own.text, "", "off", ()
            )
        return None

    def _sends_more(self, driver: str, name: str, value: str) -> bool:
        return not _is_off(value) and any(
            _is_unread(item, self.other.catalogue) for item in self._decided(driver, name)
        )

    def _placed(
        self, item: PropertyDifference, driver: str, below: Sequence[str]
    ) -> PropertyDifference:
        own = self.own
        apart = {d for b in below if b != driver for d in own.migrating(b)}
        devices = tuple(
            device
            for device in own.migrating(driver)
            if device not in apart and self._migrates_there(device)
        )
        return replace(item, driver=driver, devices=devices)

    def _migrates_there(self, device: str) -> bool:
        return not self.other.knows(device) or bool(self.other.migrating(device))

    # What a difference does ------------------------------------------------------------------

    def influences(self, item: PropertyDifference) -> tuple[Influence, ...]:
        """What the property decides, as either release's catalogue shows it."""
        key = item.driver, item.name
        if key not in self._influences:
            found = self._decided(*key)
            self._influences[key] = found or influences(self.other.catalogue, *key)
        return self._influences[key]

    def _decided(self, driver: str, name: str) -> tuple[Influence, ...]:
        """By mechanism, and by what is recorded of a backport whose gate the property is."""
        return influences(self.own.catalogue, driver, name) or tuple(
            self._carried(backport.feature.device, carrier)
            for backport in (self.own.policy.backports if self.own.policy is not None else ())
            if (gate := backport.feature.gate) is not None
            and (gate.driver, gate.property) == (driver, name)
            for carrier in backport.feature.carriers
        )

    def _carried(self, device: str, carrier: Carrier) -> Influence:
        devices = self.own.migrating(device)
        section = section_at(self.own.catalogue, device, carrier.section)
        if carrier.subsection and section is not None:
            return Influence("subsection", section.description.name, devices)
        return Influence("fields", f"version {carrier.version} of {carrier.section}", devices)

    def is_set_here(self, item: PropertyDifference) -> bool:
        """Of an entry that only one release has: is it ours?"""
        return self.same_release or self._is_newer

    def is_past(self, item: PropertyDifference) -> bool:
        """Is it this release that was shipped without the entry? Then no edit makes it undone."""
        if item.kind == "shipped-without":
            return True
        return item.kind == "breaks-shipped" and not self.is_set_here(item)

    def harms(self, item: PropertyDifference, pair: Pair) -> bool:
        """Can a stream of this direction be refused or misread because of the difference?"""
        if (item, pair) not in self._harms:
            self._harms[item, pair] = self._does_harm(item, pair)
        return self._harms[item, pair]

    def _does_harm(self, item: PropertyDifference, pair: Pair) -> bool:
        forth = pair.source == self.own.label and not self.same_release
        sent, destination = (item.ours, self.other) if forth else (item.theirs, self.own)
        return any(
            _harms(influence, sent, destination.catalogue)
            for influence in self.influences(item)
            if not all(self._is_blocked(device) for device in influence.devices)
        )

    def is_rare(self, item: PropertyDifference) -> bool:
        """Does it harm only a guest that an error has stopped?"""
        return all(influence.mechanism == "requests" for influence in self.influences(item))

    def _is_blocked(self, device: str) -> bool:
        """Can the device not be migrated in one of the two releases?"""
        told = (side.catalogue.descriptions.get(device) for side in (self.own, self.other))
        return any(item is not None and item.unmigratable for item in told)

    def is_carried(self, item: PropertyDifference, machine_type: str) -> bool:
        """Does a mitigation give guests from the other release what they had there?"""
        entries = self._carried_on.get(machine_type, {}).get(item.name)
        if entries is None:
            return False
        lineage = self.own.lineage(item.driver)
        found = [value for driver, value in entries if driver in lineage]
        return bool(found) and same_value(found[-1], item.wanted)

    @cached_property
    def _carried_on(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """Machine type → property → what mitigations set for guests from the other release."""
        found: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for mitigation in self.own.policy.mitigations if self.own.policy is not None else ():
            if mitigation.started_on == self.other.label:
                entries = found.setdefault(mitigation.machine_type, {})
                for entry in mitigation.entries:
                    entries.setdefault(entry.property, []).append((entry.driver, entry.value))
        return found


def _is_off(value: str) -> bool:
    return value.strip().lower() in FALSE_WORDS


def _harms(influence: Influence, sent: str, destination: Catalogue) -> bool:
    only_where_on = influence.mechanism == "subsection" or influence.place == FEATURE
    if only_where_on and (not sent or _is_off(sent)):
        return False  # a sender without the property has nothing that it switches
    return influence.matters_to(destination)


def _is_unread(influence: Influence, destination: Catalogue) -> bool:
    """Does the destination lack the conditional field or the subsection?"""
    if influence.mechanism == "subsection":
        return influence.matters_to(destination)
    if influence.mechanism != "fields":
        return False
    there = destination.descriptions
    return any(
        device in there
        and not any(
            item.name == influence.place for inner in there[device].walk() for item in inner.fields
        )
        for device in influence.devices
    )


def _changed(own: Catalogue, other: Catalogue) -> frozenset[tuple[str, str]]:
    """(type, property) whose default is another, or that the other release lacks."""
    parts = own.properties, other.properties

    def build() -> frozenset[tuple[str, str]]:
        found = set()
        for driver, infos in own.properties.items():
            there = properties_of(other, driver) if driver in other.types else None
            for name, info in infos.items() if there is not None else ():
                known = there.get(name) if there else None
                if known is None or not same_value(text_of(known.default), text_of(info.default)):
                    found.add((driver, name))
        return frozenset(found)

    return remembered(("changed", *map(id, parts)), parts, build)
