"""Building the boards of a trial from catalogues: every side's devices, in the same order.

Works out what holds for a device on its side: its description with the gaps filled that another
side's tells of, the features enabled on it, its bitmaps, and its model with its properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from machines.emulator import bitmap
from machines.emulator.board import Board, Device
from machines.emulator.carriers import is_enabled
from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.devices import MODELLED
from machines.emulator.devices.model import Model, Refused
from machines.emulator.devices.platform import Platform, Storage
from machines.emulator.drivers import backend_of, description_of, lineage_of
from machines.emulator.features import FeatureSpec
from machines.emulator.layout import Section, described_sections, section_of
from machines.emulator.memo import remembered
from machines.emulator.notes import Notes
from machines.emulator.qdev import (
    BLACKLIST_PROPERTY,
    ancestors,
    entries_by_property,
    properties_of,
    text_of,
)
from machines.emulator.reconciling import Decision, decide, reconcile
from machines.emulator.side import Side, TrialError


def build(sides: Sequence[Side], drivers: Sequence[str], notes: Notes) -> list[Board]:
    """A board for each side, all with these devices, None where a release has no such driver.

    Devices of one driver are numbered, and keep their number on every side. Raises
    :class:`TrialError` for a bitmap that is none and for a property that no device would realize
    with, :class:`machines.emulator.layout.DescriptionError` for a description beyond the limits.
    """
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
