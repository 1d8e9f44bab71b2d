"""A catalogue as one JSON document: how it is kept, and restored without loss."""

from __future__ import annotations

from typing import Any

from machines.emulator.catalogue.checks import (
    MAX_COMPAT_ENTRIES,
    MAX_DRIVERS,
    check_ancestry,
    expect,
    name_text,
    shortened,
    value_text,
)
from machines.emulator.catalogue.descriptions import description_to_json, parse_descriptions
from machines.emulator.catalogue.properties import parse_property_list, property_to_json
from machines.emulator.catalogue.values import Catalogue, CompatProperty, MachineType

#: Raised when the stored form changes; :func:`load` reads this one.
FORMAT = 1


def dump(catalogue: Catalogue) -> dict[str, Any]:
    """The catalogue as one JSON document, from which :func:`load` restores an equal one.

    Descriptions and property lists keep the form in which QEMU prints them, the latter at the
    type that declares them; a compat entry is ``[driver, property, value]`` or, where it came
    from an array that is not its container, ``[driver, property, value, array]``. Two equal
    catalogues give equal documents, and with sorted keys the same text.
    """
    return {
        "format": FORMAT,
        "version": catalogue.version,
        "package": catalogue.package,
        "types": dict(catalogue.types),
        "descriptions": {
            driver: description_to_json(description)
            for driver, description in catalogue.descriptions.items()
        },
        "properties": {
            name: [property_to_json(infos[key]) for key in sorted(infos)]
            for name, infos in catalogue.properties.items()
        },
        "unreadable": dict(catalogue.unreadable),
        "machine_types": {
            name: _dump_machine_type(machine_type)
            for name, machine_type in catalogue.machine_types.items()
        },
        "arrays": {
            name: [_dump_entry(entry, name) for entry in entries]
            for name, entries in catalogue.arrays.items()
        },
    }


def _dump_machine_type(machine_type: MachineType) -> dict[str, Any]:
    return {
        "alias": machine_type.alias,
        "deprecated": machine_type.deprecated,
        "is_default": machine_type.is_default,
        "default_cpu_type": machine_type.default_cpu_type,
        "compat_source": machine_type.compat_source,
        "compat": [_dump_entry(entry, "") for entry in machine_type.compat],
    }


def _dump_entry(entry: CompatProperty, container: str) -> list[str]:
    short = [entry.driver, entry.property, entry.value]
    return short if entry.array == container else [*short, entry.array]


def load(document: Any) -> Catalogue:
    """The catalogue that :func:`dump` wrote. Raises :class:`CatalogueError`."""
    expect(isinstance(document, dict), "catalogue", "should be an object")
    expect(document.get("format") == FORMAT, "format", f"should be {FORMAT}")
    types = _load_types(_mapping(document, "types"))
    return Catalogue(
        version=shortened(document.get("version"), "version"),
        package=shortened(document.get("package"), "package"),
        types=types,
        descriptions=parse_descriptions(_mapping(document, "descriptions"), "descriptions"),
        properties={
            driver: parse_property_list(listed, f"properties.{driver}")
            for driver, listed in _mapping(document, "properties").items()
        },
        unreadable={
            driver: value_text(error, f"unreadable.{driver}")
            for driver, error in _mapping(document, "unreadable").items()
        },
        machine_types=_load_machine_types(_mapping(document, "machine_types")),
        arrays={
            name: _load_entries(entries, f"arrays.{name}", name)
            for name, entries in _mapping(document, "arrays").items()
        },
    )


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    expect(isinstance(value, dict), key, "should be an object")
    expect(len(value) <= MAX_DRIVERS, key, f"has more than {MAX_DRIVERS} entries")
    for name in value:
        name_text(name, key)
    return dict(value)


def _load_types(document: dict[str, Any]) -> dict[str, str | None]:
    types = {
        name: None if parent is None else name_text(parent, f"types.{name}")
        for name, parent in document.items()
    }
    check_ancestry(types)
    return types


def _load_machine_types(document: dict[str, Any]) -> dict[str, MachineType]:
    machine_types = {}
    entries = 0
    for name, entry in document.items():
        place = f"machine_types.{name}"
        expect(isinstance(entry, dict), place, "should be an object")
        compat = _load_entries(entry.get("compat", []), f"{place}.compat", "")
        entries += len(compat)
        expect(entries <= MAX_COMPAT_ENTRIES, place, "the machine types have too many entries")
        machine_types[name] = MachineType(
            name=name,
            alias=shortened(entry.get("alias"), place),
            deprecated=entry.get("deprecated") is True,
            is_default=entry.get("is_default") is True,
            default_cpu_type=shortened(entry.get("default_cpu_type"), place),
            compat=compat,
            compat_source=shortened(entry.get("compat_source"), place, 40),
        )
    return machine_types


def _load_entries(entries: Any, place: str, container: str) -> tuple[CompatProperty, ...]:
    expect(isinstance(entries, list), place, "should be a list of entries")
    expect(len(entries) <= MAX_COMPAT_ENTRIES, place, "has too many entries")
    loaded = []
    for entry in entries:
        expect(isinstance(entry, list) and len(entry) in {3, 4}, place, "has a malformed entry")
        array = value_text(entry[3], place) if len(entry) == 4 else container
        loaded.append(
            CompatProperty(
                name_text(entry[0], place),
                name_text(entry[1], place),
                value_text(entry[2], place),
                array,
            )
        )
    return tuple(loaded)
