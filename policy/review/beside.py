"""What a reviewer needs beside a line of a difference to judge it. Asks no database.

An entry of a machine type by itself says little: what the property is by default, what it was on
this machine type until now and by whose word, where in its array the entry stands, whether the
device's siblings are treated alike, and which machine types go on from this one. A bitmap's bit
stands in a value of the whole section, and has a default with reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from machines.emulator import qdev
from machines.emulator.catalogue import CompatProperty
from policy import rules
from policy.document import MachineType, Policy
from policy.document.differences import Difference, entry_label, entry_place, numbered
from policy.document.objects import Bit, bit_of
from policy.rules.bitmaps import Cell, SectionBitmap
from policy.state import State

#: Types with more children than this are no family: `pci-device` has a hundred.
MAX_SIBLINGS = 8


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another device type of the same family, and the property's value on it."""

    driver: str
    value: str
    is_alike: bool


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """Beside an entry. Values are what the machine type really gives the device, "" where unknown.

    ``origin`` says whose word ``before`` is, ``place`` where the entry stands (in ``array[n]``, or
    among the machine type's own), ``heirs`` which machine types go on from this one.
    """

    driver: str
    property: str
    default: str
    before: str
    origin: str
    after: str
    place: str
    siblings: tuple[Sibling, ...]
    heirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BitFacts:
    """Beside a bit: the section's property before and after (effective values), and its default.

    ``reasons`` say why the bit is set by default; ``on`` is the machine type that it is told for.
    """

    bit: Bit
    on: str
    property: str
    default: str
    before: str
    after: str
    is_default: bool
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Beside:
    """Two states of a release; tells of the lines between them."""

    before: State
    after: State
    _globals: dict[tuple[str, str], tuple[qdev.Global, ...]] = field(default_factory=dict)
    #: Asked of every line: worked out anew for each, long chains of machine types took minutes.
    _heirs: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)

    def of(self, line: Difference) -> EntryFacts | BitFacts | None:
        """What stands beside the line; None where it says all itself."""
        if line.group == "Compat properties":
            return self._entry(line)
        if line.group == "Blacklist bitmaps":
            bit = bit_of(line.label)
            return self._bit(bit) if bit is not None else None
        return None

    # --- Entries ----------------------------------------------------------------------------------

    def _entry(self, line: Difference) -> EntryFacts | None:
        name = entry_place(line.label).machine_type
        there = self.before if line.kind == "removed" else self.after
        own = _machine_type(there, name)
        found = numbered(own.entries, lambda item: entry_label(item, name)).get(line.label)
        if found is None:
            return None
        info = qdev.property_of(there.catalogue, found.driver, found.property)
        before, origin = self._effective(self.before, name, found)
        after, _ = self._effective(self.after, name, found)
        return EntryFacts(
            driver=found.driver,
            property=found.property,
            default=(qdev.text_of(info.default) or "") if info is not None else "",
            before=before,
            origin=origin,
            after=after,
            place=_place(own.entries, found),
            siblings=self._siblings(there, name, found),
            heirs=tuple(self._heirs_in(there).get(name, ())),
        )

    def _effective(
        self, state: State, machine_type: str, entry: CompatProperty, driver: str = ""
    ) -> tuple[str, str]:
        """The property's value on the device, and whose word it is."""
        driver = driver or entry.driver
        lineage = qdev.ancestors(state.catalogue, driver)
        listed = self._globals_of(state, machine_type)
        same = [item for item in listed if item.property == entry.property]
        if winners := qdev.entries_by_property(lineage, same).get(entry.property):
            return winners[-1].value, winners[-1].origin
        value = qdev.effective_value(state.catalogue, driver, entry.property, ())
        return value or "", ""

    def _globals_of(self, state: State, machine_type: str) -> tuple[qdev.Global, ...]:
        key = ("before" if state is self.before else "after", machine_type)
        if key not in self._globals:
            self._globals[key] = rules.globals_of(state.policy, state.catalogue, machine_type)
        return self._globals[key]

    def _heirs_in(self, state: State) -> Mapping[str, list[str]]:
        key = "before" if state is self.before else "after"
        if key not in self._heirs:
            self._heirs[key] = _heirs(state.policy)
        return self._heirs[key]

    def _siblings(
        self, state: State, machine_type: str, entry: CompatProperty
    ) -> tuple[Sibling, ...]:
        found = []
        for driver in family(state, entry.driver):
            if qdev.has_property(state.catalogue, driver, entry.property):
                value, _ = self._effective(state, machine_type, entry, driver)
                own, _ = self._effective(state, machine_type, entry)
                found.append(Sibling(driver, value, qdev.same_value(value, own)))
        return tuple(found)

    # --- Bits -------------------------------------------------------------------------------------

    def _bit(self, bit: Bit) -> BitFacts | None:
        names = rules.machine_types(self.after)
        on = bit.machine_type or next(iter(names), "")
        before, after = (_section(state, on, bit) for state in (self.before, self.after))
        cell = _cell(after, bit.version) if after is not None else None
        if after is None or cell is None:
            return None
        return BitFacts(
            bit=bit,
            on=on,
            property=after.property,
            default=after.default_value,
            before=before.effective_value if before is not None else "",
            after=after.effective_value,
            is_default=cell.default,
            reasons=cell.reasons,
        )


def family(state: State, driver: str) -> tuple[str, ...]:
    """The other device types below the same parent, where those are few."""
    types = state.catalogue.types
    parent = types.get(driver)
    if parent is None:
        return ()
    found = tuple(name for name, above in types.items() if above == parent and name != driver)
    return tuple(sorted(found)) if len(found) < MAX_SIBLINGS else ()


def _machine_type(state: State, name: str) -> MachineType:
    found = state.policy.machine_type(name) if state.policy is not None else None
    return found or MachineType(name)


def _place(entries: Sequence[CompatProperty], entry: CompatProperty) -> str:
    """``hw_compat_9_2[3]``, counted as C does, or ``4 of 12`` as people do."""
    position = next(number for number, item in enumerate(entries) if item is entry)
    if not entry.array:
        return f"{position + 1} of {len(entries)}"
    return f"{entry.array}[{sum(item.array == entry.array for item in entries[:position])}]"


def _heirs(policy: Policy | None) -> Mapping[str, list[str]]:
    """Machine type → those that go on from it, near or far, in the document's order."""
    found: dict[str, list[str]] = {}
    if policy is None:
        return found
    for item in policy.machine_types:
        for above in policy.lineage(item.name)[:-1]:
            found.setdefault(above.name, []).append(item.name)
    return found


def _section(state: State, machine_type: str, bit: Bit) -> SectionBitmap | None:
    found = rules.device_bitmaps(state.policy, state.catalogue, machine_type, bit.device)
    return next((item for item in found if item.path == bit.section), None)


def _cell(section: SectionBitmap, version: int) -> Cell | None:
    return next((item for item in section.cells if item.version <= version <= item.last), None)
