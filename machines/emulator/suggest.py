"""Which property's value explains a refusal, and what a destination's properties decide.

A refusal says where two devices differ: a capability in configuration space, a field that only
one side has, a RAM block's name. Each place has properties known to decide it (the *clues*: from
the PCI and virtio specifications and from the words that a field and a property share). The one
suggested is the first that the release's compat properties set for such a device, as those exist
to keep exactly such differences out; else the first that the device has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial

from machines.emulator import bitmap
from machines.emulator.clues import block_clues, config_clues, field_clues
from machines.emulator.implied import contradictions, number, shows, telling, truth
from machines.emulator.names import is_negated, words
from machines.emulator.qdev import (
    Global,
    ancestors,
    compat_globals,
    effective_value,
    has_property,
    same_value,
)
from machines.emulator.release import Release
from machines.emulator.snapshot import SentSection, Snapshot, layout_of
from machines.emulator.verdict import Refusal
from machines.emulator.virtio import (
    FEATURE_PROPERTIES,
    LEAST_QUEUE_SIZES,
    Queue,
    decides_queue,
    queue_sizes,
)

#: Properties that keep a device's section from being sent (``needed`` of hw/pci/pci_host.c,
#: hw/audio/pcspk.c and hw/display/ramfb-standalone.c); one that was sent is read all the same.
SECTION_SWITCHES = frozenset({"migrate", "x-config-reg-migration-enabled", "x-migrate"})

#: Properties of every virtio device that speak of queues and not of their number.
INHERITED_QUEUES = frozenset({"queue_reset", "page-per-vq"})
#: Words of fields that say nothing of a property.
_IN_MANY_NAMES = frozenset({"id", "version", "data", "size"})


class Destination:
    """A release with a machine type and the user's own properties."""

    def __init__(
        self, release: Release, machine: str | None, user: tuple[tuple[str, str, str], ...] = ()
    ) -> None:
        self.release = release
        self.machine = machine
        self.user = user
        self._drivers: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _globals(self) -> tuple[Global, ...]:
        machine = self.release.machine_types.get(self.machine or "")
        return compat_globals(machine.compat, machine.name) if machine else ()

    @cached_property
    def _compat(self) -> frozenset[tuple[str, str]]:
        return frozenset((entry.driver, entry.property) for entry in self._globals)

    def drivers(self, description: str) -> tuple[str, ...]:
        """The device types that may have sent a section, transports of virtio devices included."""
        if description not in self._drivers:
            self._drivers[description] = self._find_drivers(description)
        return self._drivers[description]

    def _find_drivers(self, description: str) -> tuple[str, ...]:
        found = [
            driver
            for driver, listed in self.release.all_descriptions.items()
            if listed.name == description
        ]
        for driver in list(found):
            if driver.startswith("virtio-") and driver.endswith("-device"):
                stem = driver.removesuffix("-device") + "-pci"
                found += [name for name in self.release.types if name.startswith(stem)]
        if not found and description in self.release.types:
            found = [description]  # a driver that makes its description as it starts
        return tuple(sorted(found, key=lambda name: (len(name), name)))

    # A difference and the properties behind it ------------------------------------------------

    def suggestion(self, refusal: Refusal) -> str | None:
        """``driver.property``, None where no property is known to explain the refusal."""
        clues = self._clues(refusal)
        if not clues:
            return None
        drivers = self.drivers(refusal.description)
        lineage = self._lineage(drivers)
        for clue in clues:
            for entry in self._globals:
                if entry.property == clue and (
                    entry.driver in lineage or (refusal.kind == "ramblock" and not drivers)
                ):
                    return f"{self._nearest(clue, entry.driver, drivers)}.{clue}"
        catalogue = self.release.catalogue_of(drivers)
        for clue in clues:
            for driver in drivers:
                if has_property(catalogue, driver, clue):
                    return f"{driver}.{clue}"
        return None

    def _nearest(self, clue: str, found: str, drivers: tuple[str, ...]) -> str:
        """Of entries for the same property, the one on the plainest of the device's types."""
        for driver in drivers:
            if (driver, clue) in self._compat:
                return driver
        return found

    def explains(self, refusal: Refusal) -> bool:
        """Whether a property that the user changed decides what differs.

        What one makes of virtqueues was looked at already (:meth:`queues`), as its value tells it.
        """
        if not self.user:
            return False
        clues = [name for name in self._clues(refusal) if name not in LEAST_QUEUE_SIZES]
        lineage = self._lineage(self.drivers(refusal.description))
        return any(
            name in clues
            and (driver in lineage or (refusal.kind == "ramblock" and not lineage))
            and not same_value(value, self._effective(driver, name))
            for driver, name, value in self.user
        )

    def contradictions(
        self, stream: Snapshot, mended: frozenset[str]
    ) -> Iterator[tuple[Refusal, str]]:
        """Where a property of the user's makes the destination's device unlike what was sent.

        ``mended`` are the sections that a property has already made alike. Only what a property
        is known to decide is judged.
        """
        for driver, name, value in self.user:
            for section in stream.sections:
                drivers = self.drivers(section.name) if section.name else ()
                if section.idstr in mended or not self._is_of(driver, drivers):
                    continue
                for refusal in self._implied(section, stream, name, value):
                    yield refusal, f"{driver}.{name}"

    def unjudged(self, stream: Snapshot) -> Iterator[str]:
        """The user's properties of which nothing is known that a stream shows."""
        names = {section.name for section in stream.sections}
        described = [item for name in names for item in self.release.descriptions.get(name, ())]
        for driver, name, _ in self.user:
            if not name.startswith(bitmap.PROPERTY) and not shows(name, described):
                yield f"{driver}.{name}"

    def _is_of(self, driver: str, drivers: tuple[str, ...]) -> bool:
        """Whether what is set on ``driver`` applies to a device that is one of ``drivers``.

        Of types that send the same section, the one with the plainest name is taken for it.
        """
        types = self.release.types
        siblings = [name for name in drivers if types.get(name) == types.get(driver)]
        return driver in self._lineage(drivers) and driver in (siblings or [driver])[:1]

    def expectations(self, stream: Snapshot) -> Iterator[tuple[Refusal, str]]:
        """Where the machine type's own properties make its devices unlike what was sent.

        Only properties are asked that nobody but a machine type sets, and the size of an MSI-X
        table that it sets for a device whose number of queues is not to be chosen. That a field is
        missing says nothing: another property may withhold it.
        """
        for section in stream.sections:
            drivers = self.drivers(section.name) if section.name else ()
            for name in self._telling(section.name) if drivers else ():
                value = self._usual(drivers, name)
                if value is not None:
                    withheld = truth(value) == is_negated(name)
                    for refusal in self._implied(section, stream, name, value):
                        if refusal.kind != "layout" or withheld:
                            yield refusal, f"{self._nearest(name, drivers[0], drivers)}.{name}"

    def _telling(self, description: str) -> tuple[str, ...]:
        drivers = self.drivers(description)
        properties = self.release.catalogue_of(drivers).properties
        listed = {name for driver in self._lineage(drivers) for name in properties.get(driver, {})}
        found = list(telling(sorted(listed), self.release.descriptions.get(description, ())))
        queues = any("queue" in name or name == "mq" for name in listed - INHERITED_QUEUES)
        if not queues and any((driver, "vectors") in self._compat for driver in drivers):
            found.append("vectors")
        return tuple(found)

    def _implied(
        self, section: SentSection, stream: Snapshot, name: str, value: str
    ) -> Iterator[Refusal]:
        return contradictions(
            section,
            stream.blocks,
            self.release.descriptions.get(section.name, ()),
            (name, value),
            partial(self._usual, self.drivers(section.name)),
        )

    def _usual(self, drivers: tuple[str, ...], name: str) -> str | None:
        """The value that the machine type gives to all these drivers, None where they differ."""
        catalogue = self.release.catalogue_of(drivers)
        values = {
            self._effective(driver, name)
            for driver in drivers
            if has_property(catalogue, driver, name)
        }
        return values.pop() if len(values) == 1 else None

    @cached_property
    def may_blacklist(self) -> bool:
        """Whether there can be a bitmap at all; looked at before each section of each stream.

        A machine type of QEMU's own has none, so its properties are read only where the
        catalogue is in memory, which a downstream's is.
        """
        given = any(name.startswith(bitmap.PROPERTY) for _, name, _ in self.user)
        return given or (self.release.in_memory and bool(self._blacklists))

    def blacklisted(self, section: SentSection) -> Iterator[Refusal]:
        """Versions, and the absence of subsections, that a blacklist bitmap forbids to load.

        The later entry wins, the user's over the machine type's. Raises ``BitmapError`` for a
        value that is none.
        """
        lists = self._blacklists
        if not lists or not section.name:
            return
        lineage = self._lineage(self.drivers(section.name))
        values = {name: value for driver, name, value in lists if driver in lineage}
        if not values:
            return
        headers = layout_of(section).subsections.values()
        sent = {header.name: header.version_id for header in headers}
        # Bit 0 of a subsection means "absent", also where one that is present is of version 0.
        versions = {section.name: section.version_id, **{n: v for n, v in sent.items() if v}}
        for description in self.release.descriptions.get(section.name, ()):
            for inner in description.walk():
                for subsection in inner.subsections:
                    if subsection.name not in sent:
                        versions.setdefault(subsection.name, 0)
        for name, version in versions.items():
            forbidden = values.get(bitmap.property_name(section.name, name))
            if forbidden is not None and version in bitmap.parse(forbidden):
                absent = not version and name != section.name
                what = "the absence of" if absent else f"version {version} of"
                yield Refusal(
                    section.idstr,
                    None if name == section.name else name,
                    "blacklisted",
                    f"{what} '{name}' is blacklisted",
                    section.name,
                )

    @cached_property
    def _blacklists(self) -> tuple[tuple[str, str, str], ...]:
        entries = [(entry.driver, entry.property, entry.value) for entry in self._globals]
        return tuple(
            entry for entry in (*entries, *self.user) if entry[1].startswith(bitmap.PROPERTY)
        )

    def _effective(self, driver: str, name: str) -> str | None:
        return effective_value(self.release.catalogue_of([driver]), driver, name, self._globals)

    def _lineage(self, drivers: tuple[str, ...]) -> frozenset[str]:
        catalogue = self.release.catalogue_of(drivers)
        return frozenset(name for driver in drivers for name in ancestors(catalogue, driver))

    def offers(self, description: str, bit: int) -> bool:
        """Whether a virtio device offers a feature; bits that no property decides are offered."""
        name, refusing = FEATURE_PROPERTIES.get(bit), "off"
        if bit == 32:
            name, refusing = "disable-modern", "on"
        if name is None:
            return True
        drivers = self.drivers(description)
        catalogue = self.release.catalogue_of(drivers)
        return not any(
            same_value(self._with_user(driver, name), refusing)
            for driver in drivers
            if has_property(catalogue, driver, name)
        )

    def queues(self, description: str, own: tuple[Queue, ...]) -> tuple[Queue, ...]:
        """A virtio device's queues as the user makes them; a size that it does not take is none."""
        sizes = {
            name: size
            for driver, name, value in self.user
            if (size := number(value)) in queue_sizes(name)
            and self._is_of(driver, self.drivers(description))
        }
        if not sizes:
            return own
        return tuple(
            next(
                (
                    replace(queue, size=size)
                    for name, size in sizes.items()
                    if decides_queue(name, place, len(own))
                ),
                queue,
            )
            for place, queue in enumerate(own)
        )

    def _with_user(self, driver: str, name: str) -> str | None:
        lineage = ancestors(self.release.catalogue_of([driver]), driver)
        for owner, key, value in reversed(self.user):
            if key == name and owner in lineage:
                return value
        return self._effective(driver, name)

    def withholds(self, description: str) -> bool:
        """Whether a property keeps such a device's section from being sent."""
        drivers = self.drivers(description)
        properties = self.release.catalogue_of(drivers).properties
        return any(
            truth(self._with_user(driver, name) or "") is False
            for driver in drivers
            for name in properties.get(driver, {})
            if name in SECTION_SWITCHES
        )

    # Clues ------------------------------------------------------------------------------------

    def _clues(self, refusal: Refusal) -> tuple[str, ...]:
        if refusal.kind == "pci-config":
            return tuple(dict.fromkeys(config_clues(refusal)))
        if refusal.kind == "ramblock":
            return block_clues(refusal)
        if refusal.kind in ("layout", "equal", "virtio"):
            return tuple(dict.fromkeys(self._field_clues(refusal)))
        return ()

    def _field_clues(self, refusal: Refusal) -> Iterator[str]:
        yield from field_clues(refusal)
        if refusal.kind == "virtio":
            return
        wanted = words((refusal.field or "").rsplit(".", 1)[-1]) - _IN_MANY_NAMES
        drivers = self.drivers(refusal.description)
        properties = self.release.catalogue_of(drivers).properties
        names = {
            name
            for driver in self._lineage(drivers)
            for name, info in properties.get(driver, {}).items()
            if not info.type.startswith(("child<", "link<"))
        }
        ranked = sorted(
            (-len(wanted & words(name)), name) for name in names if wanted & words(name)
        )
        yield from (name for _, name in ranked)
