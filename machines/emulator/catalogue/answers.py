"""A catalogue from what a release's own commands print.

``-dump-vmstate``, QMP's ``query-machines``, ``qom-list-types``, ``device-list-properties`` and
``query-version``, and the ``GlobalProperty`` arrays of the C sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machines.emulator.catalogue.checks import (
    MAX_COMPAT_ENTRIES,
    MAX_DRIVERS,
    MAX_VALUE_LENGTH,
    CatalogueError,
    check_ancestry,
    expect,
    integer,
    name_text,
    shortened,
    value_text,
)
from machines.emulator.catalogue.composition import compose, driver_name
from machines.emulator.catalogue.descriptions import parse_dump
from machines.emulator.catalogue.files import FILE_NAMES, read_document
from machines.emulator.catalogue.properties import hoist_properties, parse_property_list
from machines.emulator.catalogue.values import (
    TOLD,
    Catalogue,
    CompatProperty,
    MachineType,
    PropertyInfo,
)


def read_directory(directory: Path) -> Catalogue:
    """Read a folder of :data:`FILE_NAMES`, plain or ``.xz``; every file but one may be missing.

    Raises :class:`CatalogueError` for a folder without any, or a file that is not what it says.
    """
    if not directory.is_dir():
        raise CatalogueError(str(directory), "is not a folder of catalogue files")
    read = {name: read_document(directory, name) for name in FILE_NAMES}
    documents = {name: document for name, document in read.items() if document is not None}
    if not documents:
        expected = ", ".join(f"{name}.json" for name in FILE_NAMES)
        raise CatalogueError(str(directory), f"none of {expected} (or .xz) is here")
    return parse(documents)


def parse(documents: Mapping[str, Any]) -> Catalogue:
    """A catalogue from the parsed files, keyed by :data:`FILE_NAMES`."""
    version, package = _parse_version(documents.get("version"))
    types = _parse_types(documents.get("types", []))
    declared, unreadable = _parse_properties(documents.get("properties", {}))
    arrays = parse_arrays(documents.get("compat", {}), types)
    return Catalogue(
        version=version,
        package=package,
        types=types,
        descriptions=parse_dump(documents.get("vmstate", {})),
        properties=hoist_properties(types, declared),
        unreadable=unreadable,
        machine_types=parse_machines(documents.get("machines", []), arrays),
        arrays=arrays,
    )


def _parse_version(document: Any) -> tuple[str, str]:
    if document is None:
        return "", ""
    place = "version"
    expect(
        isinstance(document, dict) and isinstance(document.get("qemu"), dict),
        place,
        "should be the answer to QMP's query-version",
    )
    numbers = [
        integer(document["qemu"].get(key), f"{place}: qemu.{key}")
        for key in ("major", "minor", "micro")
    ]
    return ".".join(map(str, numbers)), shortened(document.get("package"), f"{place}: package")


def _parse_types(document: Any) -> dict[str, str | None]:
    expect(isinstance(document, list), "types", "should be a list of device types")
    expect(len(document) <= MAX_DRIVERS, "types", f"has more than {MAX_DRIVERS} entries")
    types: dict[str, str | None] = {}
    for number, entry in enumerate(document):
        place = f"types[{number}]"
        expect(isinstance(entry, dict), place, "should be an object with name and parent")
        parent = entry.get("parent")
        types[name_text(entry.get("name"), f"{place}.name")] = (
            None if parent is None else name_text(parent, f"{place}.parent")
        )
    check_ancestry(types)
    return types


def _parse_properties(
    document: Any,
) -> tuple[dict[str, dict[str, PropertyInfo]], dict[str, str]]:
    expect(isinstance(document, dict), "properties", "should map drivers to their properties")
    expect(len(document) <= MAX_DRIVERS, "properties", f"has more than {MAX_DRIVERS} drivers")
    declared: dict[str, dict[str, PropertyInfo]] = {}
    unreadable: dict[str, str] = {}
    for driver, listed in document.items():
        place = f"properties.{driver}"
        name_text(driver, place)
        if isinstance(listed, dict) and "error" in listed:
            unreadable[driver] = shortened(listed["error"], place, MAX_VALUE_LENGTH) or "unknown"
            continue
        declared[driver] = parse_property_list(listed, place)
    return declared, unreadable


def parse_machines(
    document: Any, arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> dict[str, MachineType]:
    """Name → machine type, from the answer to ``query-machines``. Raises CatalogueError."""
    expect(isinstance(document, list), "machines", "should be the answer to query-machines")
    expect(len(document) <= MAX_DRIVERS, "machines", f"has more than {MAX_DRIVERS} entries")
    machines = {}
    entries = 0
    for number, entry in enumerate(document):
        place = f"machines[{number}]"
        expect(isinstance(entry, dict), place, "should be an object")
        name = name_text(entry.get("name"), f"{place}.name")
        if "compat-props" in entry:
            listed = entry["compat-props"]
            expect(isinstance(listed, list), f"{place}.compat-props", "should be a list")
            compat = tuple(
                _parse_compat_prop(item, f"{place}.compat-props[{position}]")
                for position, item in enumerate(listed)
            )
            source = TOLD
        else:
            compat = compose(name, arrays)
            source = "arrays" if compat else ""
        entries += len(compat)
        expect(entries <= MAX_COMPAT_ENTRIES, place, "the machine types have too many entries")
        machines[name] = MachineType(
            name=name,
            alias=shortened(entry.get("alias"), f"{place}.alias"),
            deprecated=entry.get("deprecated") is True,
            is_default=entry.get("is-default") is True,
            default_cpu_type=shortened(entry.get("default-cpu-type"), f"{place}.default-cpu-type"),
            compat=compat,
            compat_source=source,
        )
    return machines


def _parse_compat_prop(entry: Any, place: str) -> CompatProperty:
    expect(isinstance(entry, dict), place, "should be an object")
    return CompatProperty(
        driver=name_text(entry.get("qom-type"), f"{place}.qom-type"),
        property=name_text(entry.get("property"), f"{place}.property"),
        value=value_text(entry.get("value", ""), f"{place}.value"),
    )


def parse_arrays(
    document: Any, types: Mapping[str, str | None]
) -> dict[str, tuple[CompatProperty, ...]]:
    """Name → entries of the C arrays. Raises CatalogueError."""
    expect(isinstance(document, dict), "compat", "should map array names to entries")
    arrays = {}
    for name, entries in document.items():
        place = f"compat.{name_text(name, 'compat')}"
        expect(isinstance(entries, list), place, "should be a list of entries")
        for number, entry in enumerate(entries):
            valid = isinstance(entry, list) and len(entry) == 3
            expect(
                valid and all(isinstance(item, str) for item in entry),
                f"{place}[{number}]",
                "should be [driver, property, value]",
            )
        arrays[name] = tuple(
            CompatProperty(
                name_text(driver_name(name_text(driver, place), types), place),
                name_text(prop, place),
                value_text(value, place),
                name,
            )
            for driver, prop, value in entries
        )
    return arrays
