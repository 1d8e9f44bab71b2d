"""What one QEMU release is, as plain data: its types, properties, sections and machine types.

A catalogue is read from the files that a release's own commands print (``-dump-vmstate``, QMP
``query-machines``, ``qom-list-types``, ``device-list-properties``, ``query-version``) and from the
``GlobalProperty`` arrays of its C sources. Nothing here knows a database: a package build or a
CI job reads a folder of files and works with it.

    >>> catalogue = read_directory(Path("catalogues/qemu/10.0"))     # doctest: +SKIP
    >>> catalogue.types["virtio-rng-pci"]                              # doctest: +SKIP
    'virtio-rng-pci-base-type'

Every error is a :class:`CatalogueError` that names the file and the place in it.
"""

from __future__ import annotations

import json
import lzma
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machines.emulator.errors import EmulatorError

# Limits. The largest real file (QEMU 11.1's properties) is 11 MB of JSON; a description of the
# deepest real device nests 9 structures.
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DESCRIPTION_DEPTH = 24
MAX_FIELDS = 200_000
MAX_DRIVERS = 20_000
MAX_NAME_LENGTH = 255
MAX_VALUE_LENGTH = 1000
MAX_INHERITANCE_DEPTH = 64
MAX_DEFAULT_DEPTH = 8
MAX_COMPAT_ENTRIES = 500_000
MAX_VERSION = 2**31 - 1  # a C int

#: The files of a catalogue folder, each ``<name>.json`` or ``<name>.json.xz``.
FILE_NAMES = ("vmstate", "machines", "types", "properties", "version", "compat")


class CatalogueError(EmulatorError):
    """The input is at fault: ``place`` names the file and the entry."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a description, as ``-dump-vmstate`` shows it (migration/vmstate-types.c).

    ``size`` is in bytes and is the size of one element in C memory, which for an opaque type is
    not the size on the wire. ``count`` is the number of elements; ``None`` where the dump does not
    tell (QEMU before 8.0 never prints it). ``version_id`` *n* means that the field exists only in
    stream versions ≥ n. ``conditional`` (``field_exists`` in the dump) means that a C predicate
    decides instead.
    """

    name: str
    size: int
    version_id: int = 0
    count: int | None = None
    conditional: bool = False
    struct: Description | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """A VMState description: a section, a subsection or a nested structure."""

    name: str
    version_id: int
    minimum_version_id: int
    fields: tuple[Field, ...] = ()
    subsections: tuple[Description, ...] = ()

    @property
    def unmigratable(self) -> bool:
        """QEMU lets only a non-migratable device have a description without fields (savevm.c)."""
        return not self.fields

    def walk(self) -> Iterator[Description]:
        """This description, then every nested structure's and subsection's, depth first."""
        yield self
        for item in self.fields:
            if item.struct is not None:
                yield from item.struct.walk()
        for subsection in self.subsections:
            yield from subsection.walk()


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A qdev property of a type: QAPI ``ObjectPropertyInfo``. ``default`` is None where unknown."""

    name: str
    type: str
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class CompatProperty:
    """One entry (driver, property, value). ``array`` is the C array it came from, where known."""

    driver: str
    property: str
    value: str
    array: str = ""


@dataclass(frozen=True, slots=True)
class MachineType:
    """A board. ``compat`` is the resolved list in order of application, the later entry wins.

    ``compat_source`` tells where it came from: ``query-machines`` (QEMU ≥ 9.1), ``arrays``
    (composed from the C arrays) or ``""`` when the release tells nothing.
    """

    name: str
    alias: str = ""
    deprecated: bool = False
    is_default: bool = False
    default_cpu_type: str = ""
    compat: tuple[CompatProperty, ...] = ()
    compat_source: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything known of one release.

    ``properties`` holds each property at the highest type where all known descendants agree on it
    (as QEMU declares them), so look one up with :func:`machines.emulator.qdev.properties_of`.
    ``unreadable`` maps a driver to the error that QEMU gave instead of its properties.
    """

    version: str
    package: str = ""
    types: Mapping[str, str | None] = field(default_factory=dict)
    descriptions: Mapping[str, Description] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, PropertyInfo]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    machine_types: Mapping[str, MachineType] = field(default_factory=dict)
    arrays: Mapping[str, tuple[CompatProperty, ...]] = field(default_factory=dict)


# --- Reading ------------------------------------------------------------------------------------


def read_directory(directory: Path) -> Catalogue:
    """Read a folder of :data:`FILE_NAMES`, plain or ``.xz``; every file but one may be missing.

    Raises :class:`CatalogueError` for a folder without any, or a file that is not what it says.
    """
    if not directory.is_dir():
        raise CatalogueError(str(directory), "is not a folder of catalogue files")
    documents = {}
    for name in FILE_NAMES:
        for path in (directory / f"{name}.json", directory / f"{name}.json.xz"):
            if path.is_file():
                documents[name] = load_json(path.name, path.read_bytes())
                break
    if not documents:
        expected = ", ".join(f"{name}.json" for name in FILE_NAMES)
        raise CatalogueError(str(directory), f"none of {expected} (or .xz) is here")
    return parse(documents)


def unpack(place: str, content: bytes) -> bytes:
    """The content, unpacked where ``place`` ends in ``.xz``.

    Never unpacks more than :data:`MAX_FILE_BYTES`. Raises :class:`CatalogueError`.
    """
    if place.endswith(".xz"):
        unpacker = lzma.LZMADecompressor(memlimit=256 * 1024 * 1024)
        try:
            content = unpacker.decompress(content, max_length=MAX_FILE_BYTES + 1)
        except lzma.LZMAError as error:
            raise CatalogueError(place, f"is not a readable .xz file ({error})") from error
        if not unpacker.eof and len(content) <= MAX_FILE_BYTES:
            raise CatalogueError(place, "is cut short: the .xz file has no end")
    if len(content) > MAX_FILE_BYTES:
        raise CatalogueError(place, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
    return content


def load_json(place: str, content: bytes) -> Any:
    """JSON from bytes, unpacked first as :func:`unpack` does. Raises :class:`CatalogueError`."""
    content = unpack(place, content)
    try:
        return json.loads(content)
    except RecursionError as error:
        raise CatalogueError(place, "nests too deeply") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(place, f"is not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise CatalogueError(
            f"{place}:{error.lineno}:{error.colno}", f"is not JSON: {error.msg}"
        ) from error
    except ValueError as error:  # a number of more digits than Python converts
        raise CatalogueError(place, "holds a number of too many digits") from error


def parse(documents: Mapping[str, Any]) -> Catalogue:
    """A catalogue from the parsed files, keyed by :data:`FILE_NAMES`."""
    version, package = _parse_version(documents.get("version"))
    types = _parse_types(documents.get("types", []))
    declared, unreadable = _parse_properties(documents.get("properties", {}))
    arrays = _parse_arrays(documents.get("compat", {}), types)
    return Catalogue(
        version=version,
        package=package,
        types=types,
        descriptions=_parse_dump(documents.get("vmstate", {})),
        properties=hoist_properties(types, declared),
        unreadable=unreadable,
        machine_types=_parse_machines(documents.get("machines", []), arrays),
        arrays=arrays,
    )


def _expect(condition: bool, place: str, problem: str) -> None:
    if not condition:
        raise CatalogueError(place, problem)


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise CatalogueError(place, f"should be a text, is {_shown(value)}")
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise CatalogueError(place, f"has {len(value)} characters")
    _storable(value, place)
    return value


def _value(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise CatalogueError(place, f"should be a text, is {_shown(value)}")
    if len(value) > MAX_VALUE_LENGTH:
        raise CatalogueError(place, f"has {len(value)} characters")
    _storable(value, place)
    return value


def _storable(text: str, place: str) -> None:
    """Refuse what neither UTF-8 nor a database holds: NUL, and half a surrogate pair."""
    if text.isascii():
        _expect("\0" not in text, place, "holds a NUL character")
        return
    bad = next((char for char in text if char == "\0" or "\ud800" <= char <= "\udfff"), None)
    _expect(bad is None, place, "holds a character that is none")


def _shortened(value: Any, place: str, length: int = MAX_NAME_LENGTH) -> str:
    """A text that is only shown, so that a longer one loses its end."""
    text = str(value or "")[:length]
    _storable(text, place)
    return text


def _default(value: Any, place: str, depth: int = 0) -> Any:
    """A property's default: any JSON value of reasonable depth."""
    _expect(depth <= MAX_DEFAULT_DEPTH, place, f"nests deeper than {MAX_DEFAULT_DEPTH}")
    if isinstance(value, str):
        _storable(value, place)
    elif isinstance(value, list):
        for item in value:
            _default(item, place, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _expect(isinstance(key, str), place, "should be a JSON value")
            _default(key, place, depth + 1)
            _default(item, place, depth + 1)
    elif isinstance(value, float):
        _expect(math.isfinite(value), place, f"should be a JSON value, is {value}")
    else:
        _expect(value is None or isinstance(value, int), place, "should be a JSON value")
        _expect(value is None or abs(value) < 2**64, place, "is a number beyond 64 bits")
    return value


def _integer(value: Any, place: str, *, low: int = 0, high: int = 2**32) -> int:
    valid = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not valid:
        problem = f"should be a whole number from {low} to {high}"
        raise CatalogueError(place, f"{problem}, is {_shown(value)}")
    return int(value)


def _shown(value: Any) -> str:
    """A short form of any value for a message; a huge number has none."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _parse_version(document: Any) -> tuple[str, str]:
    if document is None:
        return "", ""
    place = "version"
    _expect(
        isinstance(document, dict) and isinstance(document.get("qemu"), dict),
        place,
        "should be the answer to QMP's query-version",
    )
    numbers = [
        _integer(document["qemu"].get(key), f"{place}: qemu.{key}")
        for key in ("major", "minor", "micro")
    ]
    return ".".join(map(str, numbers)), _shortened(document.get("package"), f"{place}: package")


def _parse_types(document: Any) -> dict[str, str | None]:
    _expect(isinstance(document, list), "types", "should be a list of device types")
    _expect(len(document) <= MAX_DRIVERS, "types", f"has more than {MAX_DRIVERS} entries")
    types: dict[str, str | None] = {}
    for number, entry in enumerate(document):
        place = f"types[{number}]"
        _expect(isinstance(entry, dict), place, "should be an object with name and parent")
        parent = entry.get("parent")
        types[_text(entry.get("name"), f"{place}.name")] = (
            None if parent is None else _text(parent, f"{place}.parent")
        )
    _check_ancestry(types)
    return types


def _check_ancestry(types: Mapping[str, str | None]) -> None:
    """Every type must reach a root: no circle, no chain beyond :data:`MAX_INHERITANCE_DEPTH`."""
    rooted: set[str] = set()
    for name in types:
        chain: list[str] = []
        ancestor: str | None = name
        while ancestor is not None and ancestor not in rooted:
            chain.append(ancestor)
            _expect(
                len(chain) <= MAX_INHERITANCE_DEPTH,
                f"types: {name}",
                f"is its own ancestor, or has more than {MAX_INHERITANCE_DEPTH}",
            )
            ancestor = types.get(ancestor)
        rooted.update(chain)


def _parse_properties(
    document: Any,
) -> tuple[dict[str, dict[str, PropertyInfo]], dict[str, str]]:
    _expect(isinstance(document, dict), "properties", "should map drivers to their properties")
    _expect(len(document) <= MAX_DRIVERS, "properties", f"has more than {MAX_DRIVERS} drivers")
    declared: dict[str, dict[str, PropertyInfo]] = {}
    unreadable: dict[str, str] = {}
    for driver, listed in document.items():
        place = f"properties.{driver}"
        _text(driver, place)
        if isinstance(listed, dict) and "error" in listed:
            unreadable[driver] = _shortened(listed["error"], place, MAX_VALUE_LENGTH) or "unknown"
            continue
        declared[driver] = _parse_property_list(listed, place)
    return declared, unreadable


def _parse_property_list(listed: Any, place: str) -> dict[str, PropertyInfo]:
    _expect(isinstance(listed, list), place, "should be a list of properties")
    infos = {}
    for number, entry in enumerate(listed):
        here = f"{place}[{number}]"
        _expect(isinstance(entry, dict), here, "should be an object")
        info = PropertyInfo(
            name=_text(entry.get("name"), here),
            type=_text(entry.get("type"), here),
            default=_default(entry.get("default-value"), here),
            description=_shortened(entry.get("description"), here, MAX_VALUE_LENGTH),
        )
        infos[info.name] = info
    return infos


def hoist_properties(
    types: Mapping[str, str | None], declared: Mapping[str, Mapping[str, PropertyInfo]]
) -> dict[str, dict[str, PropertyInfo]]:
    """Move each property to the highest type where all listed descendants have it alike.

    ``device-list-properties`` repeats what a driver inherits: 90 CPU models list the same 400
    properties. Looking a driver's properties up along its ancestors gives back exactly its list,
    for a type lists whatever its ancestors list (QOM class properties are inherited).
    """
    children: dict[str, list[str]] = {}
    for name, parent in types.items():
        if parent is not None:
            children.setdefault(parent, []).append(name)
    own: dict[str, dict[str, PropertyInfo]] = {}

    def settle(name: str, below: frozenset[str]) -> dict[str, PropertyInfo] | None:
        """What all listed types from ``name`` downwards share; None where none was listed."""
        _expect(name not in below, f"types: {name}", "is its own ancestor")
        offers = [(name, dict(declared[name]))] if name in declared else []
        for child in children.get(name, ()):
            offer = settle(child, below | {name})
            if offer is not None:
                offers.append((child, offer))
        if not offers:
            return None
        shared = {
            key: info
            for key, info in offers[0][1].items()
            if all(offer.get(key) == info for _, offer in offers[1:])
        }
        for owner, offer in offers:
            rest = {key: info for key, info in offer.items() if key not in shared}
            own[owner] = {**own.get(owner, {}), **rest}
        return shared

    roots = {name for name in {*types, *declared} if types.get(name) not in types}
    for root in sorted(roots):
        shared = settle(root, frozenset()) or {}  # fills ``own``, the root's entry too
        own[root] = {**own.get(root, {}), **shared}
    return {name: infos for name, infos in own.items() if infos}


def _parse_dump(document: Any) -> dict[str, Description]:
    _expect(isinstance(document, dict), "vmstate", "should be an object with an entry per device")
    _expect(len(document) <= MAX_DRIVERS, "vmstate", f"has more than {MAX_DRIVERS} devices")
    budget = [MAX_FIELDS]
    descriptions = {}
    for driver, entry in document.items():
        if driver == "vmschkmachine":  # names the machine that dumped, says nothing of devices
            continue
        place = f"vmstate.{_text(driver, 'vmstate')}"
        _expect(isinstance(entry, dict), place, "should be an object")
        if "Description" in entry:
            descriptions[driver] = _parse_description(entry["Description"], place, 0, budget)
    return descriptions


def _parse_description(document: Any, place: str, depth: int, budget: list[int]) -> Description:
    _expect(depth <= MAX_DESCRIPTION_DEPTH, place, f"nests deeper than {MAX_DESCRIPTION_DEPTH}")
    _expect(isinstance(document, dict), place, "should be a description object")
    fields = document.get("Fields", [])
    subsections = document.get("Subsections", [])
    _expect(isinstance(fields, list), f"{place}.Fields", "should be a list")
    _expect(isinstance(subsections, list), f"{place}.Subsections", "should be a list")
    budget[0] -= len(fields) + len(subsections)
    _expect(budget[0] >= 0, place, f"the dump has more than {MAX_FIELDS} fields")
    version = _integer(document.get("version_id", 0), f"{place}.version_id", high=MAX_VERSION)
    return Description(
        name=_text(document.get("name"), f"{place}.name"),
        version_id=version,
        minimum_version_id=_integer(
            document.get("minimum_version_id", 0), f"{place}.minimum_version_id", high=MAX_VERSION
        ),
        fields=tuple(
            _parse_field(entry, f"{place}.Fields[{number}]", depth, budget)
            for number, entry in enumerate(fields)
        ),
        subsections=tuple(
            _parse_description(entry, f"{place}.Subsections[{number}]", depth + 1, budget)
            for number, entry in enumerate(subsections)
        ),
    )


def _parse_field(document: Any, place: str, depth: int, budget: list[int]) -> Field:
    _expect(isinstance(document, dict), place, "should be an object")
    conditional = document.get("field_exists", False)
    _expect(isinstance(conditional, bool), f"{place}.field_exists", "should be true or false")
    count = document.get("num")
    struct = document.get("Description")
    return Field(
        name=_text(document.get("field"), f"{place}.field"),
        size=_integer(document.get("size", 0), f"{place}.size"),
        version_id=_integer(document.get("version_id", 0), f"{place}.version_id", high=MAX_VERSION),
        count=None if count is None else _integer(count, f"{place}.num"),
        conditional=conditional,
        struct=None
        if struct is None
        else _parse_description(struct, f"{place}.Description", depth + 1, budget),
    )


def parse_description(document: Any, place: str) -> Description:
    """One description from its form in a dump. Raises :class:`CatalogueError`."""
    return _parse_description(document, place, 0, [MAX_FIELDS])


def _parse_machines(
    document: Any, arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> dict[str, MachineType]:
    _expect(isinstance(document, list), "machines", "should be the answer to query-machines")
    _expect(len(document) <= MAX_DRIVERS, "machines", f"has more than {MAX_DRIVERS} entries")
    machines = {}
    entries = 0
    for number, entry in enumerate(document):
        place = f"machines[{number}]"
        _expect(isinstance(entry, dict), place, "should be an object")
        name = _text(entry.get("name"), f"{place}.name")
        if "compat-props" in entry:
            listed = entry["compat-props"]
            _expect(isinstance(listed, list), f"{place}.compat-props", "should be a list")
            compat = tuple(
                _parse_compat_prop(item, f"{place}.compat-props[{position}]")
                for position, item in enumerate(listed)
            )
            source = "query-machines"
        else:
            compat = compose(name, arrays)
            source = "arrays" if compat else ""
        entries += len(compat)
        _expect(entries <= MAX_COMPAT_ENTRIES, place, "the machine types have too many entries")
        machines[name] = MachineType(
            name=name,
            alias=_shortened(entry.get("alias"), f"{place}.alias"),
            deprecated=entry.get("deprecated") is True,
            is_default=entry.get("is-default") is True,
            default_cpu_type=_shortened(entry.get("default-cpu-type"), f"{place}.default-cpu-type"),
            compat=compat,
            compat_source=source,
        )
    return machines


def _parse_compat_prop(entry: Any, place: str) -> CompatProperty:
    _expect(isinstance(entry, dict), place, "should be an object")
    return CompatProperty(
        driver=_text(entry.get("qom-type"), f"{place}.qom-type"),
        property=_text(entry.get("property"), f"{place}.property"),
        value=_value(entry.get("value", ""), f"{place}.value"),
    )


def _parse_arrays(
    document: Any, types: Mapping[str, str | None]
) -> dict[str, tuple[CompatProperty, ...]]:
    _expect(isinstance(document, dict), "compat", "should map array names to entries")
    arrays = {}
    for name, entries in document.items():
        place = f"compat.{_text(name, 'compat')}"
        _expect(isinstance(entries, list), place, "should be a list of entries")
        for number, entry in enumerate(entries):
            valid = isinstance(entry, list) and len(entry) == 3
            _expect(
                valid and all(isinstance(item, str) for item in entry),
                f"{place}[{number}]",
                "should be [driver, property, value]",
            )
        arrays[name] = tuple(
            CompatProperty(
                _text(driver_name(_text(driver, place), types), place),
                _text(prop, place),
                _value(value, place),
                name,
            )
            for driver, prop, value in entries
        )
    return arrays


#: Type names that no rule derives from their C macro's name (include/hw/… of QEMU).
_MACRO_TYPES = {
    "TYPE_X86_CPU": "x86_64-cpu",
    "TYPE_INTEL_IOMMU_DEVICE": "intel-iommu",
    "TYPE_VIRTIO_NET": "virtio-net-device",
    "TYPE_VIRTIO_BLK": "virtio-blk-device",
    "TYPE_VIRTIO_SCSI": "virtio-scsi-device",
    "TYPE_PCI_BRIDGE": "base-pci-bridge",
    "TYPE_ARM_CPU": "arm-cpu",
}


def driver_name(written: str, types: Mapping[str, str | None]) -> str:
    """The device type that a C source's driver expression names.

    A literal stands for itself, ``TYPE_FOO_BAR`` for the type ``foo-bar`` (or ``foo-bar-device``
    where only that exists), and ``"Model" "-" TYPE_X86_CPU`` for a CPU model's type. What no rule
    explains is kept as written, so that nothing is lost.
    """
    if '"' in written:
        pieces = [piece.strip() for piece in written.replace('"', " ").split()]
        return "".join(_macro_type(piece, types) for piece in pieces)
    return _macro_type(written, types)


def _macro_type(word: str, types: Mapping[str, str | None]) -> str:
    if not word.startswith("TYPE_"):
        return word
    if word in _MACRO_TYPES:
        return _MACRO_TYPES[word]
    guess = word.removeprefix("TYPE_").lower().replace("_", "-")
    for candidate in (guess, f"{guess}-device"):
        if candidate in types:
            return candidate
    return guess if not types else word


# --- The stored form ------------------------------------------------------------------------------

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
            name: [_dump_property(infos[key]) for key in sorted(infos)]
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


def description_to_json(description: Description) -> dict[str, Any]:
    """A description in the form of ``-dump-vmstate``: the opposite of :func:`parse_description`."""
    document: dict[str, Any] = {
        "name": description.name,
        "version_id": description.version_id,
        "minimum_version_id": description.minimum_version_id,
    }
    if description.fields:
        document["Fields"] = [_dump_field(item) for item in description.fields]
    if description.subsections:
        document["Subsections"] = [description_to_json(item) for item in description.subsections]
    return document


def _dump_field(item: Field) -> dict[str, Any]:
    document: dict[str, Any] = {"field": item.name, "size": item.size}
    if item.version_id:
        document["version_id"] = item.version_id
    if item.count is not None:
        document["num"] = item.count
    if item.conditional:
        document["field_exists"] = True
    if item.struct is not None:
        document["Description"] = description_to_json(item.struct)
    return document


def _dump_property(info: PropertyInfo) -> dict[str, Any]:
    document: dict[str, Any] = {"name": info.name, "type": info.type}
    if info.default is not None:
        document["default-value"] = info.default
    if info.description:
        document["description"] = info.description
    return document


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
    _expect(isinstance(document, dict), "catalogue", "should be an object")
    _expect(document.get("format") == FORMAT, "format", f"should be {FORMAT}")
    types = _load_types(_mapping(document, "types"))
    budget = [MAX_FIELDS]
    return Catalogue(
        version=_shortened(document.get("version"), "version"),
        package=_shortened(document.get("package"), "package"),
        types=types,
        descriptions={
            driver: _parse_description(entry, f"descriptions.{driver}", 0, budget)
            for driver, entry in _mapping(document, "descriptions").items()
        },
        properties={
            driver: _parse_property_list(listed, f"properties.{driver}")
            for driver, listed in _mapping(document, "properties").items()
        },
        unreadable={
            driver: _value(error, f"unreadable.{driver}")
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
    _expect(isinstance(value, dict), key, "should be an object")
    _expect(len(value) <= MAX_DRIVERS, key, f"has more than {MAX_DRIVERS} entries")
    for name in value:
        _text(name, key)
    return dict(value)


def _load_types(document: dict[str, Any]) -> dict[str, str | None]:
    types = {
        name: None if parent is None else _text(parent, f"types.{name}")
        for name, parent in document.items()
    }
    _check_ancestry(types)
    return types


def _load_machine_types(document: dict[str, Any]) -> dict[str, MachineType]:
    machine_types = {}
    entries = 0
    for name, entry in document.items():
        place = f"machine_types.{name}"
        _expect(isinstance(entry, dict), place, "should be an object")
        compat = _load_entries(entry.get("compat", []), f"{place}.compat", "")
        entries += len(compat)
        _expect(entries <= MAX_COMPAT_ENTRIES, place, "the machine types have too many entries")
        machine_types[name] = MachineType(
            name=name,
            alias=_shortened(entry.get("alias"), place),
            deprecated=entry.get("deprecated") is True,
            is_default=entry.get("is_default") is True,
            default_cpu_type=_shortened(entry.get("default_cpu_type"), place),
            compat=compat,
            compat_source=_shortened(entry.get("compat_source"), place, 40),
        )
    return machine_types


def _load_entries(entries: Any, place: str, container: str) -> tuple[CompatProperty, ...]:
    _expect(isinstance(entries, list), place, "should be a list of entries")
    _expect(len(entries) <= MAX_COMPAT_ENTRIES, place, "has too many entries")
    loaded = []
    for entry in entries:
        _expect(isinstance(entry, list) and len(entry) in {3, 4}, place, "has a malformed entry")
        array = _value(entry[3], place) if len(entry) == 4 else container
        loaded.append(
            CompatProperty(
                _text(entry[0], place), _text(entry[1], place), _value(entry[2], place), array
            )
        )
    return tuple(loaded)


# --- A downstream on its base ---------------------------------------------------------------------


def overlay(base: Catalogue, own: Catalogue) -> Catalogue:
    """A downstream's effective catalogue: what it tells of itself, and its base for the rest.

    A downstream that ships only its compat arrays has its base's device types, properties and
    sections, but none of its base's machine types: these follow from its own names and arrays.
    """
    tells_machine_types = bool(own.machine_types or own.arrays)
    tells_properties = bool(own.properties or own.unreadable)
    return Catalogue(
        version=own.version or base.version,
        package=own.package or base.package,
        types=own.types or base.types,
        descriptions=own.descriptions or base.descriptions,
        properties=own.properties if tells_properties else base.properties,
        unreadable=own.unreadable if tells_properties else base.unreadable,
        machine_types=own.machine_types if tells_machine_types else base.machine_types,
        arrays={**base.arrays, **own.arrays},
    )


# --- Composition of machine types from the arrays of the C sources -------------------------------

_VERSION = r"(\d+)[._](\d+)(?:[._](\d+))?"
_MACHINE_NAME = re.compile(rf"^(?P<board>pc(?:-q35|-i440fx)?)-(?P<line>[a-z]*){_VERSION}$")


Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MachineName:
    """What an x86 machine type's name tells: ``pc-q35-rhel9.2.0`` is board, line and version."""

    name: str
    board: str
    line: str
    version: Version


def machine_name(name: str) -> MachineName | None:
    """Read a machine type's name; None where it follows no scheme."""
    match = _MACHINE_NAME.match(name)
    return MachineName(name, match["board"], match["line"], _version(match)) if match else None


def common_arrays(machine: MachineName, arrays: Mapping[str, object]) -> tuple[str, ...]:
    """The arrays that every machine type of this board and line applies, in order."""
    names = [f"pc_{machine.line}_compat"] if machine.line else []
    names.append(f"{machine.board.replace('-', '_')}_compat_defaults")
    return tuple(name for name in names if name in arrays)


def dated_arrays(line: str, arrays: Mapping[str, object]) -> list[tuple[Version, tuple[str, ...]]]:
    """The arrays of a line per version, the newest version first, each in order of application.

    A machine type of version *v* applies those of every version ≥ *v*.
    """
    dated: dict[Version, list[str]] = {}
    for pattern in _array_patterns(line):  # the board-independent ones come first
        for name in arrays:
            if found := re.match(pattern, name):
                dated.setdefault(_version(found), []).append(name)
    return [(version, tuple(dated[version])) for version in sorted(dated, reverse=True)]


def compose(
    machine: str, arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> tuple[CompatProperty, ...]:
    """The compat list of an x86 machine type, from the arrays as hw/i386/pc_*.c chain them.

    A machine type of version *v* applies the arrays of every version ≥ *v*, the newest first; of
    one version first the board-independent ``hw_compat_*``, then ``pc_compat_*``. A downstream's
    line (``pc-q35-rhel9.2.0``) begins with its ``pc_<line>_compat`` and has the arrays
    ``hw_compat_<line>_*`` and ``pc_<line>_*_compat``. Empty where the name follows no such scheme.
    """
    named = machine_name(machine)
    if named is None:
        return ()
    applied = list(common_arrays(named, arrays))
    for version, names in dated_arrays(named.line, arrays):
        if version >= named.version:
            applied += names
    return tuple(entry for name in applied for entry in arrays[name])


def _array_patterns(line: str) -> tuple[str, str]:
    if not line:
        return rf"^hw_compat_{_VERSION}$", rf"^pc_compat_{_VERSION}$"
    return rf"^hw_compat_{line}_{_VERSION}$", rf"^pc_{line}_{_VERSION}_compat$"


def _version(match: re.Match[str]) -> Version:
    # Arrays are named by major and minor; a third number of a machine type (4.0.1) has none.
    numbers = [int(group) for group in match.groups()[-3:] if group is not None]
    return numbers[0], numbers[1]
