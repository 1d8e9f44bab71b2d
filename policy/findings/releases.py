"""A release as the rules see it: what its machine types set, and what a device gets from it. Pure.

Not everything is known of a release. A release whose catalogue is another's (a stand-in) has its
own entries and machine types, but its defaults are the other's; a list that was composed of C
arrays is as complete as the arrays are. The rules ask here, and get an answer or "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from machines.emulator import qdev
from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.catalogue.composition import (
    Version,
    array_version,
    compose,
    lost_entries,
    machine_name,
    run_over,
)
from machines.emulator.memo import remembered
from machines.emulator.qdev import Global
from machines.emulator.relevance import migrating
from policy import rules
from policy.document import Policy
from policy.findings.finding import Pair

#: Drivers of compat entries that are no device types, but that every release knows.
PSEUDO_DRIVERS = frozenset({"migration", "memory-backend-file", "memory-backend-memfd"})

Source = Literal["entry", "default", "unknown", "absent"]


@dataclass(frozen=True, slots=True)
class Value:
    """A property's value on a device: from an entry, a default, unknown, or no such property.

    An unknown one has the text that a stand-in tells, where there is one.
    """

    text: str | None
    source: Source

    @property
    def is_known(self) -> bool:
        return self.text is not None and self.source in ("entry", "default")


UNKNOWN = Value(None, "unknown")
ABSENT = Value(None, "absent")

#: The entries of one property on a machine type, in order: (driver, value).
Entries = tuple[tuple[str, str], ...]


class Subject:
    """A release: its label, its policy (None: the catalogue says all), its effective catalogue.

    ``base`` is the label of the release that the device types come from; ``stand_in_for`` the true
    base, in whose place that one only serves.
    """

    def __init__(
        self,
        label: str,
        policy: Policy | None,
        catalogue: Catalogue,
        base: str = "",
        stand_in_for: str = "",
    ) -> None:
        self.label = label
        self.policy = policy
        self.catalogue = catalogue
        self.base = base
        self.stand_in_for = stand_in_for
        self._lists: dict[str, dict[str, Entries]] = {}
        self._alike: dict[Entries, Entries] = {}
        self._defaults: dict[tuple[str, str], Value] = {}
        self._composed: dict[str, dict[str, Entries]] = {}
        self._is_composed: dict[str, bool] = {}

    @property
    def tree(self) -> str:
        return self.label.partition(" ")[0]

    @property
    def order(self) -> tuple[int, ...]:
        """Sorts the releases of a tree, the oldest first."""
        return _numbers(self.label.partition(" ")[2])

    @cached_property
    def machine_types(self) -> tuple[str, ...]:
        """Those that it tells the entries of, and of each line its newest, which has none yet."""
        if self.policy is not None and self.policy.machine_types:
            return rules.machine_types(self)
        known = self.catalogue.machine_types
        told = [name for name, item in known.items() if item.compat or item.compat_source]
        untold = [name for name in known if name not in told]
        return (*told, *(name for name in untold if self._is_newest(name, told)))

    def _is_newest(self, name: str, told: Iterable[str]) -> bool:
        """Is the list of a machine type empty because none of its line is newer?

        Lists that are composed of arrays do not tell an empty one from one that is not told.
        """
        read = machine_name(name)
        if read is None or self.stand_in_for:
            return False
        line = [other for one in told if (other := machine_name(one)) and other.line == read.line]
        return bool(line) and all(other.version < read.version for other in line)

    def lists(self, machine_type: str) -> dict[str, Entries]:
        """Property → its entries on a machine type, in order of application."""
        if machine_type not in self._lists:
            told = rules.globals_of(self.policy, self.catalogue, machine_type)
            # Neighbouring machine types set most properties alike: kept once for all of them.
            self._lists[machine_type] = {
                name: self._alike.setdefault(entries, entries)
                for name, entries in _by_property(told).items()
            }
        return self._lists[machine_type]

    def lineage(self, driver: str) -> frozenset[str]:
        if driver not in self._lineages:
            self._lineages[driver] = frozenset(qdev.ancestors(self.catalogue, driver))
        return self._lineages[driver]

    @cached_property
    def _lineages(self) -> dict[str, frozenset[str]]:
        types = self.catalogue.types
        found: dict[str, frozenset[str]] = remembered(("lineages", id(types)), (types,), dict)
        return found

    def knows(self, driver: str) -> bool:
        return driver in self.catalogue.types or driver in PSEUDO_DRIVERS

    def value(self, driver: str, name: str, entries: Entries) -> Value:
        """What ``driver`` gets for a property of which ``entries`` are all there are."""
        lineage = self.lineage(driver)
        for owner, text in reversed(entries):
            if owner in lineage:
                return Value(text, "entry")
        return self.default(driver, name)

    def default(self, driver: str, name: str) -> Value:
        """The default, unknown where only a stand-in tells it."""
        key = driver, name
        if key not in self._defaults:
            self._defaults[key] = self._default(driver, name)
        return self._defaults[key]

    def _default(self, driver: str, name: str) -> Value:
        info = qdev.property_of(self.catalogue, driver, name)
        if info is None and name.startswith("legacy-"):
            return UNKNOWN  # qmp_device_list_properties passes these over
        if info is None:
            return ABSENT if self._tells_properties(driver) else UNKNOWN
        text = qdev.text_of(info.default)
        is_own = not self.stand_in_for or (driver, name) in self.gates
        return Value(text, "default" if is_own and text is not None else "unknown")

    @cached_property
    def gates(self) -> frozenset[tuple[str, str]]:
        """Properties that a backport of this release brought along: their defaults are its own."""
        backports = self.policy.backports if self.policy is not None else ()
        gates = (item.feature.gate for item in backports)
        return frozenset((gate.driver, gate.property) for gate in gates if gate is not None)

    def _tells_properties(self, driver: str) -> bool:
        if driver in PSEUDO_DRIVERS or not self.catalogue.properties:
            return False
        if self.stand_in_for and _numbers(self.base) < _numbers(self.stand_in_for):
            return False  # an older release stands in: the true base may have gained it since
        unreadable = self.catalogue.unreadable
        return not any(name in unreadable for name in self.lineage(driver))

    def descendants(self, driver: str) -> tuple[str, ...]:
        """Every type below, the nearest first."""
        children: dict[str, list[str]] = remembered(
            ("children", id(self.catalogue.types)), (self.catalogue.types,), self._children
        )
        found = list(children.get(driver, ()))
        for name in found:
            found += children.get(name, ())
        return tuple(found)

    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for name, parent in self.catalogue.types.items():
            children.setdefault(parent or "", []).append(name)
        return children

    def migrating(self, driver: str) -> tuple[str, ...]:
        """The device types that migrate among a driver and its descendants."""
        return migrating(self.catalogue, driver)

    @cached_property
    def settled(self) -> dict[tuple[str, str], str]:
        """(driver, property) → a value that some machine type or array of this release sets.

        A property that is set anywhere is one that machine types of some age need set.
        """
        found: dict[tuple[str, str], str] = {}
        for entry in self._entries():
            found.setdefault((entry[0], entry[1]), entry[2])
        return found

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        for name in self.machine_types:
            for key, several in self.lists(name).items():
                for driver, value in several:
                    yield driver, key, value
        lines = {read.line for name in self.machine_types if (read := machine_name(name))}
        for array, entries in self.catalogue.arrays.items():
            # Arrays of a stand-in tell of another release.
            if not self.stand_in_for or any(line and line in array for line in lines):
                for entry in entries:
                    yield entry.driver, entry.property, entry.value

    # Lists that were composed of arrays -------------------------------------------------------

    def is_composed(self, machine_type: str) -> bool:
        """Was the list of one of upstream's machine types put together from C arrays?"""
        if machine_type not in self._is_composed:
            self._is_composed[machine_type] = self._was_composed(machine_type)
        return self._is_composed[machine_type]

    def _was_composed(self, machine_type: str) -> bool:
        read, known = machine_name(machine_type), self.catalogue.machine_types.get(machine_type)
        if read is None or read.line or known is None:
            return False
        return known.compat_source == "arrays" or any(entry.array for entry in known.compat)

    @cached_property
    def lost_in_reading(self) -> frozenset[str]:
        """Properties of which this release's arrays lack entries that its machine types have.

        It tells the lists itself, so they were lost in reading the sources: entries that are
        written by a macro, or with further members. So were those of releases read in that way.
        """
        known = self.catalogue.machine_types.items()
        told = {name: item.compat for name, item in known if not self.is_composed(name)}
        lost = lost_entries(told, self.catalogue.arrays)
        return frozenset(entry.property for entry in lost)

    def composed(self, machine_type: str) -> dict[str, Entries]:
        """Property → its entries, as the release's own arrays compose the machine type."""
        if machine_type not in self._composed:
            composed = compose(machine_type, self.catalogue.arrays)
            self._composed[machine_type] = _by_property(composed)
        return self._composed[machine_type]

    def is_misread(self, machine_type: str, name: str) -> bool:
        """May entries of this property be those of an older machine type?

        An array that was run over, with none of its kind after it, may hold those of any version
        that it has no array for (:func:`~machines.emulator.catalogue.composition.run_over`).
        """
        read = machine_name(machine_type)
        if read is None or not self.is_composed(machine_type):
            return False
        listed = self.catalogue.machine_types[machine_type].compat
        arrays = {entry.array for entry in listed if entry.property == name}
        return any(read.version in self._doubtful.get(array, ()) for array in arrays)

    @cached_property
    def _doubtful(self) -> dict[str, frozenset[Version]]:
        """Array → the versions of which it is not known whether its entries apply to them."""
        found = {}
        for name, item in run_over("", self.catalogue.arrays).items():
            if item.holds is None:
                held = [read for array in (name, *item.missing) if (read := array_version(array))]
                found[name] = frozenset(held[:-1])  # those of the oldest apply to it in any case
        return found


class Known:
    """All releases that are looked at: what their lists together tell of older machine types."""

    def __init__(self, releases: Iterable[Subject]) -> None:
        self.releases = tuple(releases)
        self._later: dict[Subject, frozenset[tuple[str, str]]] = {}

    @cached_property
    def settled(self) -> dict[tuple[str, str], str]:
        """(driver, property) → what older machine types need, as the first of them shows it."""
        found: dict[tuple[str, str], str] = {}
        for release in reversed(self.releases):
            found.update(release.settled)
        return found

    def settled_later(self, own: Subject) -> frozenset[tuple[str, str]]:
        """Of these what only newer releases of its tree show: this one was shipped without."""
        if own not in self._later:
            newer = [s for s in self.releases if s.tree == own.tree and s.order > own.order]
            in_time = (release.settled for release in self.releases if release not in newer)
            self._later[own] = frozenset(self.settled).difference(*in_time)
        return self._later[own]

    @cached_property
    def lost_in_reading(self) -> frozenset[str]:
        """Properties of which some release's arrays lack entries that its machine types have."""
        return frozenset().union(*(release.lost_in_reading for release in self.releases))


def _by_property(listed: Iterable[Global | CompatProperty]) -> dict[str, Entries]:
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in listed:
        found.setdefault(entry.property, []).append((entry.driver, entry.value))
    return {name: tuple(several) for name, several in found.items()}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", text))


# --- Machine types and migrations -----------------------------------------------------------------


def newest_first(names: Iterable[str]) -> list[str]:
    """Machine types of one board, the newest first; a name outside the scheme keeps its place."""

    def version(name: str) -> tuple[int, ...]:
        read = machine_name(name)
        if read is None:
            return ()
        numbers: tuple[int, ...] = read.version
        return (*numbers, len(name))

    return sorted(names, key=version, reverse=True)


def is_versioned(name: str) -> bool:
    """Does the machine type promise to stay what it is? One without a version does not."""
    return any(letter.isdigit() for letter in name.removeprefix("pc-i440fx").removeprefix("pc-q35"))


class Migrations:
    """The migrations that the policies of some releases declare between them."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._machine_types = {item.label: item.machine_types for item in subjects}
        self._expected: dict[tuple[str, str, str], str] = {}
        for subject in subjects:
            if subject.policy is not None:
                for item in rules.required_trials(subject.policy, self._machine_types):
                    key = item.source, item.destination, item.machine_type
                    self._expected.setdefault(key, item.expected)

    def allowed(self, one: Subject, other: Subject, machine_type: str) -> tuple[Pair, ...]:
        """The directions in which guests may go between the two."""
        pairs = (Pair(one.label, other.label), Pair(other.label, one.label))
        return tuple(pair for pair in pairs if self._expects(pair, machine_type) != "refused")

    def _expects(self, pair: Pair, machine_type: str) -> str:
        return self._expected.get((pair.source, pair.destination, machine_type), "refused")

    def all_refused(self, one: Subject, other: Subject, machine_type: str) -> bool:
        """Do the policies say refused of every direction that they declare at all?"""
        pairs = (Pair(one.label, other.label), Pair(other.label, one.label))
        declared = [
            self._expected[pair.source, pair.destination, machine_type]
            for pair in pairs
            if (pair.source, pair.destination, machine_type) in self._expected
        ]
        return bool(declared) and set(declared) == {"refused"}

    def arriving(self, label: str, machine_type: str) -> frozenset[str]:
        """The releases whose guests can come here, by one migration or by a chain of them."""
        found, waiting = set(), [label]
        while waiting:
            here = waiting.pop()
            for (source, destination, name), expected in self._expected.items():
                if (destination, name) != (here, machine_type) or expected == "refused":
                    continue
                if source not in found:
                    found.add(source)
                    waiting.append(source)
        return frozenset(found | {label})

    def partners(self, subject: Subject) -> frozenset[str]:
        """The labels of the releases with which guests are exchanged on some machine type."""
        return frozenset(
            label
            for (source, destination, _), expected in self._expected.items()
            for label in (source, destination)
            if expected != "refused" and subject.label in (source, destination)
        ) - {subject.label}
