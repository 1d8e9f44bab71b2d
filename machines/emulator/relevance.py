"""Which properties decide what a stream holds and what a destination compares, in one release.

What is known of a property by its name stands in the tables of :mod:`machines.emulator.deciding`;
what the release's own descriptions show by theirs, a field or a subsection that is named like a
property, is found here.

    >>> from machines.emulator.catalogue import Field
    >>> catalogue = Catalogue("1.0", types={"pci-device": None, "rng": "pci-device"},
    ...     descriptions={"rng": Description("rng", 1, 1, (Field("a", 4),))})
    >>> [item.mechanism for item in influences(catalogue, "rng", "vectors")]
    ['pci-config']
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.deciding import (
    DECIDED,
    FEATURE_BITS,
    FIELD_CLUES,
    QUEUE_SIZES,
    TYPE_CLUES,
    Mechanism,
)
from machines.emulator.memo import remembered
from machines.emulator.names import words
from machines.emulator.qdev import ancestors, property_of
from machines.emulator.release import Release


@dataclass(frozen=True, slots=True)
class Influence:
    """What a property decides on some device types that migrate.

    ``place`` is what a person looks for: a field, a capability, a RAM block, a subsection's name.
    """

    mechanism: Mechanism
    place: str
    devices: tuple[str, ...]

    def matters_to(self, destination: Catalogue) -> bool:
        """Can a difference in this property refuse or corrupt a stream that ``destination`` loads?

        A subsection that is not sent does no harm, nor does one that the destination knows: it is
        found by its name, whatever the property says there (``vmstate_subsection_load``).
        """
        if self.mechanism == "subsection":
            there = destination.descriptions
            return any(
                device in there and self.place not in _subsections(there[device])
                for device in self.devices
            )
        if self.place == QUEUE_SIZES:
            return Release.of(destination).checks_queue_sizes
        return True


def feature_properties(catalogue: Catalogue, driver: str, bits: int) -> tuple[str, ...]:
    """The properties that decide these feature bits on a device type, from the lowest bit on."""
    lineage = set(ancestors(catalogue, driver))
    return tuple(
        name
        for bit in range(bits.bit_length())
        if bits >> bit & 1
        for families, named in FEATURE_BITS
        if lineage & set(families) and (name := named.get(bit, ""))
    )


#: A property that is not named like the subsection which it sends → the end of that one's name.
_SUBSECTIONS = {
    "extra_mac_registers": "full_mac_state",
    "memory-hotplug-support": "memhp",
    "migrate_tso_props": "tx_tso_state",
    "mitigation": "mit_state",
    "x-mach-use-reliable-get-clock": "clock_is_reliable",
    "x-smi-broadcast": "smi_feat",
}
#: What a property's name may say besides the name of its subsection.
_SWITCHING = frozenset(
    {"addr", "allow", "cap", "enable", "enabled", "has", "migration", "restore", "saved"}
)
#: Of objects that a dump does not describe, but whose memory or section migrates.
_UNDESCRIBED = frozenset({"legacy-instance-id", "x-use-canonical-path-for-ramblock-id"})
#: ``migration`` is no device, but takes compat properties; these change the framing.
_FRAMING = frozenset({"send-configuration", "send-section-footer"})


def influences(catalogue: Catalogue, driver: str, name: str) -> tuple[Influence, ...]:
    """What property ``name``, set on ``driver``, decides of a migration in this release.

    Empty where nothing is known to depend on it, or no device type that migrates inherits it.
    """
    if driver == "migration":
        return (Influence("stream", "the framing", ("migration",)),) if name in _FRAMING else ()
    index = _index(catalogue)
    key = driver, name
    if key not in index.influences:
        index.influences[key] = tuple(_influences(index, driver, name))
    return index.influences[key]


def migrating(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """The device types that migrate among a type and its descendants, sorted.

    A virtio proxy has no description: its state is in the section of the device behind it.
    """
    return _index(catalogue).migrating(driver)


@dataclass(slots=True)
class _Index:
    """What is asked again and again of one catalogue."""

    catalogue: Catalogue
    children: dict[str, list[str]]
    influences: dict[tuple[str, str], tuple[Influence, ...]] = field(default_factory=dict)
    _migrating: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _lineages: dict[str, frozenset[str]] = field(default_factory=dict)

    def lineage(self, driver: str) -> frozenset[str]:
        if driver not in self._lineages:
            self._lineages[driver] = frozenset(ancestors(self.catalogue, driver))
        return self._lineages[driver]

    def migrating(self, driver: str) -> tuple[str, ...]:
        if driver not in self._migrating:
            found, waiting = set(), [driver]
            while waiting:
                one = waiting.pop()
                waiting += self.children.get(one, ())
                if self._migrates(one):
                    found.add(one)
            self._migrating[driver] = tuple(sorted(found))
        return self._migrating[driver]

    def _migrates(self, driver: str) -> bool:
        description = self.catalogue.descriptions.get(driver)
        if description is not None:
            return not description.unmigratable
        return driver not in self.children and "virtio-pci" in self.lineage(driver)

    def is_switch(self, driver: str, name: str) -> bool:
        info = property_of(self.catalogue, driver, name)
        return info is not None and info.type == "bool"


def _index(catalogue: Catalogue) -> _Index:
    # By its parts: a policy's catalogue is put together anew, of the same parts, for each request.
    parts = catalogue.types, catalogue.descriptions, catalogue.properties

    def build() -> _Index:
        children: dict[str, list[str]] = {}
        for name, parent in catalogue.types.items():
            if parent is not None:
                children.setdefault(parent, []).append(name)
        return _Index(catalogue, children)

    return remembered(("relevance", *map(id, parts)), parts, build)


def _influences(index: _Index, driver: str, name: str) -> Iterator[Influence]:
    devices = (driver,) if name in _UNDESCRIBED else index.migrating(driver)
    for decided in DECIDED.get(name, ()):
        concerned = tuple(
            device
            for device in devices
            if not decided.families or index.lineage(device) & set(decided.families)
        )
        if concerned:
            yield Influence(decided.mechanism, decided.place, concerned)
    yield from _described(index, driver, name, devices)


def _described(
    index: _Index, driver: str, name: str, devices: tuple[str, ...]
) -> Iterator[Influence]:
    """What the descriptions themselves show: fields and subsections named like the property."""
    fields: dict[str, list[str]] = {}
    subsections: dict[str, list[str]] = {}
    for device in devices:
        description = index.catalogue.descriptions.get(device)
        if description is None:
            continue
        for place in _clued_fields(description, name):
            fields.setdefault(place, []).append(device)
        if not index.is_switch(device, name):
            continue
        for place in _named_fields(description, name, device):
            fields.setdefault(place, []).append(device)
        for place in _subsections(description):
            if _sends(name, place, device):
                subsections.setdefault(place, []).append(device)
    for place, concerned in fields.items():
        yield Influence("fields", place, tuple(concerned))
    for place, concerned in subsections.items():
        yield Influence("subsection", place, tuple(concerned))


def _named_fields(description: Description, name: str, device: str) -> Iterator[str]:
    """Conditional fields that are named after the property."""
    wanted = words(name)
    for inner in description.walk():
        for item in inner.fields:
            own = words(item.name.rpartition(".")[2]) - words(device)
            if item.conditional and own and own <= wanted <= own | words(item.name):
                yield item.name


def _clued_fields(description: Description, name: str) -> Iterator[str]:
    """Fields that the tables name the property for."""
    parts = [part for part, names in FIELD_CLUES if name in names and name not in DECIDED]
    for inner in description.walk():
        for item in inner.fields:
            clued = any(part in item.name for part in parts)
            if clued or name in TYPE_CLUES.get(item.name, ()):
                yield item.name


def _sends(name: str, subsection: str, device: str) -> bool:
    """Is the property the one that switches the subsection, by what both are called?"""
    section, _, last = subsection.rpartition("/")
    if name in _SUBSECTIONS:
        return last == _SUBSECTIONS[name]
    own = words(last) - words(device)
    return bool(own) and own <= words(name) <= own | words(section) | words(device) | _SWITCHING


def _subsections(description: Description) -> frozenset[str]:
    def build() -> frozenset[str]:
        return frozenset(item.name for inner in description.walk() for item in inner.subsections)

    return remembered(("subsections", id(description)), (description,), build)
