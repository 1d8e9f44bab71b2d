"""A machine from a catalogue: one side of a migration, its devices and their sections.

What a description alone does not tell is decided here: which section a driver has, which features
are enabled on it, which bitmap and which version apply to each section.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

from machines.emulator import bitmap, vmstate
from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.devices import MODELLED
from machines.emulator.devices.model import Model, Refused
from machines.emulator.devices.platform import Platform, Storage
from machines.emulator.errors import EmulatorError
from machines.emulator.features import Carrier, FeatureSpec
from machines.emulator.layout import Leaf, Section, described_sections, section_of
from machines.emulator.memo import remembered
from machines.emulator.qdev import (
    BLACKLIST_PROPERTY,
    Global,
    ancestors,
    compat_globals,
    effective_value,
    entries_by_property,
    has_property,
    properties_of,
    same_value,
    text_of,
)
from machines.emulator.reconciling import Decision, decide, names_field, reconcile

#: (device, section): a section's name, its path within the device, or None for the main one.
SectionKey = tuple[str, str | None]
MAX_NAMED = 6


class TrialError(EmulatorError):
    """The trial cannot be held as asked: the caller's input is at fault."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a migration.

    ``globals`` hold the policy's and the user's entries and the blacklist bitmaps as properties.
    Where none of them is of layer ``compat``, the catalogue's compat properties of
    ``machine_type`` apply first. ``savevm_versions`` is what the monitor's ``set-savevm-version``
    was told: (device, section or None for the main one) → (version, force); version 0 of a
    subsection leaves it out. ``device_globals`` are the user's entries for single devices, by
    their place among the board's (``-device DRIVER,PROPERTY=VALUE``).
    """

    label: str
    catalogue: Catalogue
    machine_type: str
    globals: tuple[Global, ...] = ()
    features: tuple[FeatureSpec, ...] = ()
    savevm_versions: Mapping[SectionKey, tuple[int, bool]] = field(default_factory=dict)
    device_globals: Mapping[int, tuple[Global, ...]] = field(default_factory=dict)

    def of_device(self, place: int) -> Side:
        """The side as one of its devices sees it: that one's entries hold for its whole type."""
        return replace(
            self,
            globals=self.all_globals() + self.device_globals.get(place, ()),
            device_globals={},
        )

    def all_globals(self) -> tuple[Global, ...]:
        """Every entry that applies, the machine type's compat properties first."""
        machine = self.catalogue.machine_types.get(self.machine_type)
        if machine is None or any(entry.layer == "compat" for entry in self.globals):
            return self.globals
        return compat_globals(machine.compat, self.machine_type) + self.globals


# --- Which section a device has -------------------------------------------------------------------

_PROXY_SUFFIXES = ("-non-transitional", "-transitional", "-pci", "-ccw")


def backend_of(catalogue: Catalogue, driver: str) -> str | None:
    """The device behind a bus proxy: ``virtio-rng-device`` of ``virtio-rng-pci``; else None."""
    family = driver
    for suffix in _PROXY_SUFFIXES:
        family = family.removesuffix(suffix)
    if family == driver:
        return None
    for candidate in (f"{family}-device", family):
        if candidate in catalogue.descriptions or candidate in catalogue.types:
            return candidate
    return None


def description_of(catalogue: Catalogue, driver: str) -> Description | None:
    """The description of a driver: its own, an ancestor's, or that of the device it proxies."""
    for name in ancestors(catalogue, driver):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    backend = backend_of(catalogue, driver)
    if backend is None:
        return None
    for name in ancestors(catalogue, backend):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    return None


def lineage_of(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """The driver's ancestors, then those of the device it proxies."""
    lineage = ancestors(catalogue, driver)
    backend = backend_of(catalogue, driver)
    if backend is not None:
        lineage += tuple(name for name in ancestors(catalogue, backend) if name not in lineage)
    return lineage


def migratable_devices(*catalogues: Catalogue) -> tuple[str, ...]:
    """The drivers that every one of the releases describes and can migrate, sorted.

    Without abstract types, as far as a catalogue tells them: no parent of a driver that has the
    same section.
    """
    if not catalogues:
        return ()
    common = set.intersection(*(_migratable(catalogue) for catalogue in catalogues))
    return tuple(sorted(common))


def _migratable(catalogue: Catalogue) -> set[str]:
    descriptions = catalogue.descriptions
    inherited = {
        parent
        for driver, description in descriptions.items()
        for parent in ancestors(catalogue, driver)[1:]
        if parent in descriptions and descriptions[parent].name == description.name
    }
    return {
        driver
        for driver, description in descriptions.items()
        if driver not in inherited and not description.unmigratable
    }


# --- Features on a side ---------------------------------------------------------------------------


def is_enabled(
    spec: FeatureSpec, catalogue: Catalogue, driver: str, globals: Sequence[Global]
) -> bool:
    """Is the feature enabled on ``driver``? Its carriers exist and its gate's value is ``on``.

    A gate that the release does not list and that nothing sets is no obstacle: nothing can have
    switched the feature off. ``globals`` are all that apply, compat properties included.
    """
    lineage = lineage_of(catalogue, driver)
    if spec.device not in lineage:
        return False
    description = description_of(catalogue, driver)
    if not all(_carrier_exists(carrier, description) for carrier in spec.carriers):
        return False
    if spec.gate is None:
        return True
    for candidate in (driver, backend_of(catalogue, driver), spec.gate.driver):
        if candidate and spec.gate.driver in ancestors(catalogue, candidate):
            value = effective_value(catalogue, candidate, spec.gate.property, globals)
            known = has_property(catalogue, candidate, spec.gate.property)
            return same_value(value, spec.gate.on) or (value is None and not known)
    return True


def _carrier_exists(carrier: Carrier, description: Description | None) -> bool:
    if description is None:
        return False
    for found in described_sections(description):
        section = found.description
        if carrier.section not in (found.path, section.name):
            continue
        old = carrier.version is not None and section.version_id < carrier.version
        labels = list(_labels(section)) if carrier.fields else []
        return not old and all(
            any(names_field(wanted, label) for label in labels) for wanted in carrier.fields
        )
    return False


def _labels(description: Description, prefix: str = "") -> Iterator[str]:
    for item in description.fields:
        yield prefix + item.name
        if item.struct is not None:
            yield from _labels(item.struct, f"{prefix}{item.name}.")


def carries(carrier: Carrier, leaf: Leaf, section: Section) -> bool:
    """Does the leaf hold state of the carrier's feature?"""
    if carrier.section not in (section.name, section.path):
        return False
    if carrier.fields:
        return any(
            names_field(wanted, label)
            for wanted in carrier.fields
            for label in (leaf.field, *(f"{leaf.field}.{name}" for name in leaf.members))
        )
    if carrier.subsection or carrier.version is None:
        return True
    return leaf.version_id == carrier.version


# --- A device on a board --------------------------------------------------------------------------


@dataclass(slots=True)
class Device:
    """One device of one side: its section, state, and what the policy says of them.

    ``model`` is the working device where there is one; ``state`` is then what was last taken from
    it or loaded into it.
    """

    driver: str
    label: str
    lineage: tuple[str, ...]
    section: Section
    stateless: bool
    migratable: bool
    instance: int
    recorded: tuple[FeatureSpec, ...]
    enabled: frozenset[str]
    blacklists: dict[str, frozenset[int]]
    versions: dict[str, tuple[int, bool]]
    model: Model | None = None
    state: dict[str, bytes] = field(default_factory=dict)

    def key_of(self, section: Section, keys: Mapping[str, Any]) -> str | None:
        """The key under which ``keys`` has the section: its path, its name, or "" for main."""
        names = [section.path, section.name] + ([""] if section is self.section else [])
        return next((name for name in names if name in keys), None)

    def blacklist(self, section: Section) -> frozenset[int]:
        """The section's effective bitmap."""
        if not self.blacklists:
            return frozenset()
        for name in (section.path, section.name):
            found = self.blacklists.get(bitmap.property_name(self.section.name, name))
            if found is not None:
                return found
        return frozenset()

    def forbids(self, section: Section, version: int | None) -> bool:
        """Is this version blacklisted, or, with None, the section's absence?

        Bit 0 of an optional section means "absent", also where the section's own version is 0.
        """
        if version == 0 and section is not self.section:
            return False
        return (version or 0) in self.blacklist(section)

    def objection(self, section: Section, version: int | None) -> tuple[str, str] | None:
        """Why the section may not be written in this version, or with None not be left out.

        A kind of problem and the reason, None where nothing is said against it.
        """
        name = section.name
        if self.forbids(section, version):
            what = "absence" if version is None else f"version {version}"
            return "blacklisted", f"savevm: {what} of '{name}' is blacklisted"
        low, high = section.minimum_version_id, section.version_id
        if version is not None and not low <= version <= high:
            reason = f"savevm: version {version} of '{name}' is out of range {low} to {high}"
            return "version-out-of-range", reason
        return None

    def told(self, section: Section) -> tuple[int, bool] | None:
        """What ``set-savevm-version`` was told for the section."""
        key = self.key_of(section, self.versions)
        return None if key is None else self.versions[key]

    def features_in(self, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features whose state the section carries."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carrier.section in (section.name, section.path) for carrier in spec.carriers)
        )

    def feature_of(self, leaf: Leaf, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features that claim the leaf."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carries(carrier, leaf, section) for carrier in spec.carriers)
        )

    def main_version(self) -> int:
        """The version in which the main section is written."""
        return self.version_of(self.section)

    def version_of(self, section: Section) -> int:
        """The version in which a section is written where it is: the one told, else the newest."""
        told = self.told(section)
        return section.version_id if told is None or self.left_out(section) else told[0]

    def carries_enabled(self, section: Section) -> bool:
        """Does an enabled feature live in the section?"""
        return any(spec.slug in self.enabled for spec in self.features_in(section))

    def left_out(self, section: Section) -> bool:
        """Was the monitor told to leave the subsection out?"""
        told = self.told(section)
        return told is not None and told[0] == 0 and section is not self.section

    def is_forced(self, section: Section) -> bool:
        """Was the monitor told to force the section's version?"""
        told = self.told(section)
        return told is not None and told[1]

    def sends(self, section: Section) -> int | None:
        """The version in which a subsection is written now, None where it is not needed."""
        if self.left_out(section) or not self._needed(section):
            return None
        return self.version_of(section)

    def capture(self) -> None:
        """Take the state out of the working device: of every section that it needs."""
        if self.model is None:
            return
        self.model.pre_save()
        self.state = {}
        for section in self.section.walk():
            if section is self.section or self._needed(section):
                self.state |= self.model.capture(section)

    def restore(self, places: Collection[str]) -> None:
        """Put what was loaded into the working device; ``places`` are those of the sections that
        came. Raises :class:`machines.emulator.vmstate.LoadError`."""
        if self.model is None:
            return
        arrived = [section for section in self.section.walk() if section.place in places]
        for section in arrived:
            self.model.restore(section, self.state)
        try:
            self.model.post_load({section.name for section in arrived})
        except Refused as refused:
            name = self.section.name
            raise vmstate.LoadError(refused.kind, refused.reason, name) from refused

    def shape(self, leaf: Leaf) -> tuple[str, int] | None:
        """A leaf's type and size on the wire, where the model knows them."""
        codec = None if self.model is None else self.model.codec(leaf)
        if codec is None or not codec.wire_type:
            return None
        return codec.wire_type, len(self.state.get(leaf.path, b"")) or leaf.size

    def _needed(self, section: Section) -> bool:
        if self.features_in(section):
            if self.carries_enabled(section):
                return True
        elif self.model is not None:
            if self.model.needs(section.name):
                return True
        elif any(path.startswith(section.place) and any(v) for path, v in self.state.items()):
            return True
        return any(self.sends(child) is not None for child in section.current().all_subsections())


@dataclass(slots=True)
class Board:
    """One side of the trial with its devices, in the same order on every side."""

    side: Side
    devices: list[Device | None]
    platform: Platform = field(default_factory=Platform)

    @property
    def works(self) -> bool:
        """Is there a modelled device? Then time and guest memory migrate too."""
        return bool(self.platform.devices)


@dataclass(slots=True)
class Notes:
    """What is to be said beside the verdict, each thing once and in order."""

    forced: dict[str, None] = field(default_factory=dict)
    _assumed: dict[str, None] = field(default_factory=dict)
    _alike: dict[str, dict[str, None]] = field(default_factory=dict)

    def assume(self, text: str) -> None:
        """Note an assumption that the verdict rests on."""
        self._assumed[text] = None

    def assume_of(self, driver: str, text: str) -> None:
        """Note one that holds for several drivers alike: they are named together."""
        self._alike.setdefault(text, {})[driver] = None

    def assumptions(self) -> tuple[str, ...]:
        """All of them as texts."""
        grouped = []
        for text, drivers in self._alike.items():
            names = list(drivers)
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            grouped.append(f"{text}: {', '.join(names[:MAX_NAMED])}{more}")
        return (*self._assumed, *grouped)


# --- Building the boards --------------------------------------------------------------------------


def build(sides: Sequence[Side], drivers: Sequence[str], notes: Notes) -> list[Board]:
    shared = [_SideContext(side, notes) for side in sides]
    storage = Storage()
    boards = [Board(side, [], Platform(storage)) for side in sides]
    numbers: dict[str, int] = {}
    seen: dict[str, int] = {}
    for place, driver in enumerate(drivers):
        contexts = [context.of_device(place) for context in shared]
        seen[driver] = seen.get(driver, 0) + 1
        label = driver if seen[driver] == 1 else f"{driver}#{seen[driver]}"
        descriptions = _reconciled([context.description(driver) for context in contexts])
        # One number on every side, as a device's place on its bus is the same on every side.
        names = {description.name for description in descriptions if description is not None}
        instance = max((numbers.get(name, 0) for name in names), default=0)
        numbers |= dict.fromkeys(names, instance + 1)
        for board, context, description in zip(boards, contexts, descriptions, strict=True):
            device = context.device(driver, label, description, instance)
            board.devices.append(device)
            if device is not None:
                device.model = context.model(device, seen[driver] - 1, board.platform)
    return boards


def _reconciled(descriptions: list[Description | None]) -> list[Description | None]:
    """Each description with its gaps filled along the chain, first forward, then backward."""
    result = list(descriptions)
    order = list(pairwise(range(len(result))))
    for i, j in (*order, *reversed(order[:-1])):
        first, second = result[i], result[j]
        if first is not None and second is not None:
            result[i], result[j] = reconcile(first, second)
    return result


def _defaults(catalogue: Catalogue, driver: str) -> dict[str, str | None]:
    """What the release tells of every property of a driver, as texts."""
    listed = properties_of(catalogue, driver)
    return {name: text_of(info.default) for name, info in listed.items()}


class _SideContext:
    """What is worked out once per side: its globals, and which features concern which driver."""

    def __init__(self, side: Side, notes: Notes) -> None:
        self.side = side
        self.notes = notes
        self.globals = side.all_globals()
        self.blacklists = [
            entry for entry in self.globals if entry.property.startswith(BLACKLIST_PROPERTY)
        ]

    def of_device(self, place: int) -> _SideContext:
        """This context, or one of its own for a device that has entries of its own."""
        if place not in self.side.device_globals:
            return self
        return _SideContext(self.side.of_device(place), self.notes)

    def recorded(self, driver: str) -> tuple[FeatureSpec, ...]:
        if not self.side.features:
            return ()
        lineage = lineage_of(self.side.catalogue, driver)
        return tuple(spec for spec in self.side.features if spec.device in lineage)

    def description(self, driver: str) -> Description | None:
        """The driver's description, with the conditional fields of recorded features decided."""
        description = description_of(self.side.catalogue, driver)
        if description is None:
            return None
        names = {item.path: item.description.name for item in described_sections(description)}
        decisions = {
            Decision(
                names.get(carrier.section, carrier.section),
                name,
                is_enabled(spec, self.side.catalogue, driver, self.globals),
            )
            for spec in self.recorded(driver)
            if spec.gate is not None
            for carrier in spec.carriers
            for name in carrier.fields
        }
        decided = decide(description, frozenset(decisions))
        known = MODELLED.get(driver)
        return decided if known is None else known.model.settled(decided)

    def properties(self, driver: str) -> dict[str, str | None]:
        """The effective properties of a driver and of the device that it proxies.

        A proxy lists the other's properties as aliases, with defaults of their own that mean
        nothing: only an entry on the proxy itself outdoes what holds for the device behind it.
        """
        catalogue = self.side.catalogue
        backend = backend_of(catalogue, driver)
        behind = () if backend is None else (backend,)
        values: dict[str, str | None] = {}
        for of in (driver, *behind):
            key = ("defaults", id(catalogue), of)
            values |= remembered(key, (catalogue,), partial(_defaults, catalogue, of))
        for of in (*behind, driver):
            entries = entries_by_property(ancestors(catalogue, of), self.globals)
            values |= {name: listed[-1].value for name, listed in entries.items()}
        return values

    def model(self, device: Device, instance: int, platform: Platform) -> Model | None:
        """The working device, where there is a model of it."""
        driver = device.driver
        known = MODELLED.get(driver)
        if known is None:
            return None
        sections = frozenset(section.name for section in device.section.walk())
        try:
            properties, catalogue = self.properties(driver), self.side.catalogue
            model = known.model(platform, properties, instance, sections, driver, catalogue)
        except Refused as refused:
            raise TrialError(f"{self.side.label}: {driver}: {refused.reason}") from refused
        platform.devices.append(model)
        return model

    def device(
        self,
        driver: str,
        label: str,
        description: Description | None,
        instance: int,
    ) -> Device | None:
        """The device on this side, None where the release has no such driver."""
        catalogue = self.side.catalogue
        if driver not in catalogue.types and description is None:
            return None
        if description is None:
            self.notes.assume_of(
                driver, f"{self.side.label} describes no state, so none is modelled"
            )
            section = Section(Description(driver, 0, 0))
        else:
            section = section_of(description)
            self._note_left_out(driver, section)
        recorded = self.recorded(driver)
        return Device(
            driver=driver,
            label=label,
            lineage=lineage_of(catalogue, driver),
            section=section,
            stateless=description is None,
            migratable=description is None or not description.unmigratable,
            instance=instance,
            recorded=recorded,
            enabled=frozenset(
                spec.slug for spec in recorded if is_enabled(spec, catalogue, driver, self.globals)
            ),
            blacklists=self._bitmaps(driver),
            versions=self._told(driver),
        )

    def _note_left_out(self, driver: str, section: Section) -> None:
        for part in section.walk():
            if names := part.left_out():
                self.notes.assume_of(
                    driver, f"left out, as only a predicate in C knows: {', '.join(names)}"
                )

    def _bitmaps(self, driver: str) -> dict[str, frozenset[int]]:
        if not self.blacklists:
            return {}
        lineage = lineage_of(self.side.catalogue, driver)
        bitmaps = {}
        for name, entries in entries_by_property(lineage, self.blacklists).items():
            try:
                bitmaps[name] = bitmap.parse(entries[-1].value)
            except bitmap.BitmapError as error:
                raise TrialError(f"{self.side.label}: {driver}.{name}: {error}") from error
        return bitmaps

    def _told(self, driver: str) -> dict[str, tuple[int, bool]]:
        if not self.side.savevm_versions:
            return {}
        lineage = lineage_of(self.side.catalogue, driver)
        return {
            section or "": told
            for (device, section), told in self.side.savevm_versions.items()
            if device in lineage
        }
