"""A release that is compared with another: its descriptions, and what its properties decide.

Of a folder no more is read than a comparison asks for: most device types are described alike in
both releases, and few fields depend on a property.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machines.emulator.catalogue import Catalogue, CatalogueError, Description
from machines.emulator.catalogue.descriptions import parse_description
from machines.emulator.catalogue.files import has_key, parse_json
from machines.emulator.names import is_negated, words
from machines.emulator.release import Release

if TYPE_CHECKING:
    from machines.emulator.qdev import Global


class Dump(Mapping[str, Description]):
    """A dump whose descriptions are read one by one: most of them nobody asks for."""

    def __init__(self, text: str) -> None:
        document = parse_json("vmstate", text)
        if not isinstance(document, dict):
            raise CatalogueError("vmstate", "should be an object with an entry per device")
        self._entries = {
            driver: entry["Description"]
            for driver, entry in document.items()
            if isinstance(entry, dict) and "Description" in entry
        }
        self._parsed: dict[str, Description] = {}
        self._text = text

    def __getitem__(self, driver: str) -> Description:
        if driver not in self._parsed:
            self._parsed[driver] = parse_description(self._entries[driver], f"vmstate.{driver}")
        return self._parsed[driver]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, driver: object) -> bool:
        return driver in self._entries

    def same(self, other: Dump, driver: str) -> bool:
        """Whether both dumps say the same of a device that can be migrated, as far as they tell."""
        entry = self._entries.get(driver)
        return (
            isinstance(entry, dict)
            and "Fields" in entry
            and _alike(entry, other._entries.get(driver))
        )

    @cached_property
    def drivers_by_name(self) -> Mapping[str, list[str]]:
        """Section name → the device types that have such a section."""
        named: dict[str, list[str]] = {}
        for driver, entry in self._entries.items():
            if isinstance(entry, dict):
                named.setdefault(str(entry.get("name", "")), []).append(driver)
        return named

    @cached_property
    def tells_counts(self) -> bool:
        """Whether any field tells its number of elements."""
        return has_key(self._text, "num")


def _alike(ours: Any, theirs: Any) -> bool:
    """Equal, but for what a dump says in vain.

    That is a structure's own size, and a number of elements that only one of two dumps tells.
    """
    if ours == theirs:
        return True
    if isinstance(ours, dict) and isinstance(theirs, dict):
        vain = "size" if "Description" in ours else None
        for key in ours.keys() | theirs.keys():
            if key not in ours or key not in theirs:
                if key != "num":
                    return False
            elif key != vain and not _alike(ours[key], theirs[key]):
                return False
        return True
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    return False


def drivers_named(descriptions: Mapping[str, Description], name: str) -> Sequence[str]:
    """The device types whose section has this name."""
    if isinstance(descriptions, Dump):
        return descriptions.drivers_by_name.get(name, ())
    return [driver for driver, listed in descriptions.items() if listed.name == name]


class Party:
    """One of two releases, with a machine type: its descriptions, what its properties decide.

    Of a folder only the dump is read at once; properties only where a field is conditional.
    """

    def __init__(
        self, descriptions: Mapping[str, Description], machine: str, release: Release
    ) -> None:
        self.descriptions = descriptions
        self.machine = machine
        self.release = release

    @classmethod
    def of(cls, catalogue: Catalogue, machine: str) -> Party:
        """A party whose catalogue is in memory."""
        return cls(catalogue.descriptions, machine, Release.of(catalogue))

    @classmethod
    def read(cls, directory: Path, machine: str) -> Party:
        """A party from a folder of catalogue files. Raises :class:`CatalogueError`."""
        release = Release(directory)
        text = release.text("vmstate")
        if not text:
            raise CatalogueError(str(directory), "has no vmstate.json (or .xz)")
        return cls(Dump(text), machine, release)

    def read_as(self, driver: str, sent: Description) -> Description | None:
        """What reads a device's section: the type of that name, else one with such a section.

        A type may be renamed or split, while its section stays; of several the likest is taken.
        """
        if driver in self.descriptions:
            return self.descriptions[driver]
        alike = [self.descriptions[other] for other in drivers_named(self.descriptions, sent.name)]
        names = {item.name for item in sent.fields}
        return max(
            alike,
            key=lambda item: len(names & {inner.name for inner in item.fields}),
            default=None,
        )

    @cached_property
    def tells_counts(self) -> bool:
        """Whether the dump has numbers of elements: then a field without one has one."""
        if isinstance(self.descriptions, Dump):
            return self.descriptions.tells_counts
        return any(
            item.count is not None
            for description in self.descriptions.values()
            for inner in description.walk()
            for item in inner.fields
        )

    def switched_on(self, driver: str, name: str) -> str | None:
        """The property that sends a conditional field or subsection, if it is one and is on.

        It is known by the words that it shares with ``name``: ``migrate-timadj``, ``timadj``.
        """
        from machines.emulator.qdev import FALSE_WORDS, ancestors, effective_value

        wanted = words(name) - words(driver)
        if not wanted:
            return None
        catalogue = self.release.catalogue_of([driver])
        for owner in ancestors(catalogue, driver):
            for prop in catalogue.properties.get(owner, {}):
                if wanted <= words(prop):
                    value = effective_value(catalogue, driver, prop, self._compat)
                    inverted = is_negated(prop)
                    if value is not None and (value.lower() in FALSE_WORDS) == inverted:
                        return f"{owner}.{prop}"
        return None

    @cached_property
    def _compat(self) -> Sequence[Global]:
        from machines.emulator.qdev import compat_globals

        machine = self.release.machine_type(self.machine)
        return compat_globals(machine.compat, machine.name) if machine else ()
