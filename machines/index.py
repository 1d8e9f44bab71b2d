"""The rows below a snapshot: the index that pages search and filter. They are never edited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import models

from machines.emulator.catalogue import Catalogue, CatalogueError, Description
from machines.emulator.catalogue import values as catalogue_values
from machines.emulator.layout import described_sections
from machines.emulator.qdev import ancestors
from machines.models import (
    CompatProperty,
    DeviceType,
    MachineType,
    Property,
    Section,
    Snapshot,
)

MAX_PATH_LENGTH = 500
BATCH = 500


class Rows:
    """The index rows of a catalogue, made before the transaction that writes them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.device_types = _device_types(catalogue)
        self.properties = [
            Property(
                device_type=self.device_types[driver],
                name=info.name,
                type=info.type,
                default=info.default,
                description=info.description,
            )
            for driver, infos in catalogue.properties.items()
            for info in infos.values()
        ]
        self.sections = self._section_levels()
        self.machine_types = {
            name: _machine_type(found) for name, found in catalogue.machine_types.items()
        }
        self.compat = [
            CompatProperty(
                machine_type=self.machine_types[name],
                position=position,
                driver=entry.driver,
                property=entry.property,
                value=entry.value,
                array=entry.array,
            )
            for name, found in catalogue.machine_types.items()
            for position, entry in enumerate(found.compat)
        ]

    def _section_levels(self) -> list[list[Section]]:
        """Sections by depth: a level is written when the one above it has its ids."""
        levels: list[list[Section]] = []
        for driver, description in self._catalogue.descriptions.items():
            device_type = self.device_types[driver]
            for section, depth in _device_sections(driver, description):
                section.device_type = device_type
                device_type.section_count += 1
                while len(levels) <= depth:
                    levels.append([])
                levels[depth].append(section)
        return levels

    def counts(self) -> dict[str, int]:
        """How many of each kind, for the report."""
        return {
            "types": len(self.device_types),
            "types_with_properties": sum(
                1 for row in self.device_types.values() if row.property_count
            ),
            "properties": len(self.properties),
            "sections": sum(map(len, self.sections)),
            "machine_types": len(self.machine_types),
            "compat": len(self.compat),
            "arrays": len(self._catalogue.arrays),
            "array_entries": sum(map(len, self._catalogue.arrays.values())),
            "unreadable": len(self._catalogue.unreadable),
        }

    def write(self, snapshot: Snapshot) -> None:
        """Insert everything below ``snapshot``, in a number of queries that batches bound."""
        for device_type in self.device_types.values():
            device_type.snapshot = snapshot
        for machine_type in self.machine_types.values():
            machine_type.snapshot = snapshot
        _insert(DeviceType, self.device_types.values(), ())
        _insert(Property, self.properties, ("device_type",))
        for level in self.sections:
            _insert(Section, level, ("device_type", "parent"))
        _insert(MachineType, self.machine_types.values(), ())
        _insert(CompatProperty, self.compat, ("machine_type",))


def _device_types(catalogue: Catalogue) -> dict[str, DeviceType]:
    counts = _property_counts(catalogue)
    told = (catalogue.types, catalogue.descriptions, catalogue.properties, catalogue.unreadable)
    return {
        name: DeviceType(
            name=name,
            parent=catalogue.types.get(name) or "",
            unreadable=catalogue.unreadable.get(name, ""),
            property_count=counts[name],
        )
        for name in sorted(set().union(*told))
    }


def _machine_type(found: catalogue_values.MachineType) -> MachineType:
    return MachineType(
        name=found.name,
        alias=found.alias,
        deprecated=found.deprecated,
        is_default=found.is_default,
        default_cpu_type=found.default_cpu_type,
        compat_source=found.compat_source,
        compat_count=len(found.compat),
    )


def _insert(model: type[models.Model], rows: Iterable[Any], links: tuple[str, ...]) -> None:
    listed = list(rows)
    for row in listed:
        for link in links:
            # The linked row got its id after this one was made.
            setattr(row, link, getattr(row, link))
    model._default_manager.bulk_create(listed, batch_size=BATCH)


def _device_sections(driver: str, description: Description) -> Iterable[tuple[Section, int]]:
    made: dict[str, tuple[Section, int]] = {}
    for item in described_sections(description):
        path, part = item.path, item.description
        if len(path) > MAX_PATH_LENGTH:
            raise CatalogueError(
                f"vmstate.{driver}", f"the path {path:.80}… has more than {MAX_PATH_LENGTH} letters"
            )
        parent, depth = made[item.parent] if item.optional else (None, -1)
        section = Section(
            path=path,
            name=part.name,
            parent=parent,
            version_id=part.version_id,
            minimum_version_id=part.minimum_version_id,
            field_count=len(part.fields),
        )
        made[path] = section, depth + 1
        yield section, depth + 1


def _property_counts(catalogue: Catalogue) -> Counter[str]:
    """Driver → how many properties it offers, its own and inherited ones."""
    counts: Counter[str] = Counter()
    # Parents first; a type's list is not copied to each descendant, only its length is.
    lineages = (ancestors(catalogue, name) for name in {*catalogue.types, *catalogue.properties})
    for name, *above in sorted(lineages, key=len):
        own = catalogue.properties.get(name, {})
        lists = [catalogue.properties.get(ancestor, {}) for ancestor in above]
        new = sum(1 for key in own if not any(key in inherited for inherited in lists))
        counts[name] = new + (counts[above[0]] if above else 0)
    return counts
