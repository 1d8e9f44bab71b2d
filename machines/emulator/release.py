"""A folder of catalogue files, each read when a trial or a check first asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from machines.emulator.catalogue import Catalogue, CatalogueError, Description, MachineType
from machines.emulator.catalogue.answers import parse, parse_arrays, parse_machines
from machines.emulator.catalogue.files import member, read_document, read_text

#: The property by which a release keeps the old limit of the one transport that never allocated
#: what a guest asked for. A release that has it compares queue sizes when loading.
QUEUE_SIZE_CHECK = ("virtio-mmio", "x-override-queue-size")


class Release:
    """A destination's catalogue, read no further than a trial needs.

    Descriptions decide nearly every trial; properties, which are most of a catalogue, are read
    only when a refusal asks for them.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise CatalogueError(str(directory), "is not a folder of catalogue files")
        self._directory = directory
        self._whole: Catalogue | None = None
        self._documents: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._parts: dict[tuple[str, ...], Catalogue] = {}
        self._machines: dict[str, MachineType | None] = {}

    @classmethod
    def of(cls, catalogue: Catalogue) -> Release:
        """A release whose catalogue is in memory already."""
        release = cls(Path())
        release._whole = catalogue
        return release

    def catalogue_of(self, drivers: Sequence[str]) -> Catalogue:
        """The catalogue's types, with the properties of these device types alone."""
        if self._whole is not None:
            return self._whole
        wanted = tuple(sorted(drivers))
        if wanted not in self._parts:
            # No entry of such a list has a key that is the name of a device type.
            text = self.text("properties")
            found = {name: member("properties", text, name) for name in wanted}
            chosen = {name: listed for name, listed in found.items() if listed is not None}
            self._parts[wanted] = replace(
                self._types, properties=parse({"properties": chosen}).properties
            )
        return self._parts[wanted]

    @cached_property
    def _types(self) -> Catalogue:
        """Version and types alone."""
        return self._parse("version", "types")

    def _parse(self, *names: str) -> Catalogue:
        documents = {name: self.document(name) for name in names}
        return parse({name: found for name, found in documents.items() if found is not None})

    @property
    def in_memory(self) -> bool:
        """Whether the whole catalogue was given, not a folder."""
        return self._whole is not None

    @cached_property
    def machine_types(self) -> Mapping[str, MachineType]:
        if self._whole is not None:
            return self._whole.machine_types
        return self._parse("types", "machines", "compat").machine_types

    def machine_type(self, name: str) -> MachineType | None:
        """One machine type, without reading the entries of the others; None where there is none."""
        if self._whole is not None:
            return self._whole.machine_types.get(name)
        if name not in self._machines:
            arrays = parse_arrays(self.document("compat") or {}, self.types)
            listed = self.document("machines") or ()
            own = [item for item in listed if isinstance(item, dict) and item.get("name") == name]
            self._machines[name] = parse_machines(own, arrays).get(name)
        return self._machines[name]

    @property
    def types(self) -> Mapping[str, str | None]:
        return (self._whole or self._types).types

    def document(self, name: str) -> Any:
        """One file of the catalogue, read once, None where it is missing."""
        if name not in self._documents:
            self._documents[name] = read_document(self._directory, name)
        return self._documents[name]

    def text(self, name: str) -> str:
        """One file of the catalogue unparsed, read once, empty where it is missing."""
        if name not in self._texts:
            self._texts[name] = read_text(self._directory, name)
        return self._texts[name]

    @cached_property
    def all_descriptions(self) -> Mapping[str, Description]:
        """Driver → description."""
        if self._whole is not None:
            return self._whole.descriptions
        document = self.document("vmstate")
        if document is None:
            raise CatalogueError(str(self._directory), "has no vmstate.json (or .xz)")
        return parse({"vmstate": document}).descriptions

    @cached_property
    def descriptions(self) -> Mapping[str, tuple[Description, ...]]:
        """Description name → all descriptions of that name (drivers may share or reuse one)."""
        named: dict[str, list[Description]] = {}
        for description in self.all_descriptions.values():
            named.setdefault(description.name, []).append(description)
        return {name: tuple(found) for name, found in named.items()}

    @cached_property
    def checks_queue_sizes(self) -> bool:
        """Whether loading compares a virtqueue's size with what the device allocated."""
        driver, name = QUEUE_SIZE_CHECK
        return name in self.catalogue_of([driver]).properties.get(driver, {}) or any(
            entry.driver == driver and entry.property == name
            for machine in self.machine_types.values()
            for entry in machine.compat
        )
