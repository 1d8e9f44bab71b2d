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
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Limits. The largest real file (QEMU 11.1's properties) is 11 MB of JSON; a description of the
# deepest real device nests 9 structures.
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DESCRIPTION_DEPTH = 24
MAX_FIELDS = 200_000
MAX_DRIVERS = 20_000
MAX_NAME_LENGTH = 255

#: The files of a catalogue folder, each ``<name>.json`` or ``<name>.json.xz``.
FILE_NAMES = ("vmstate", "machines", "types", "properties", "version", "compat")


class CatalogueError(ValueError):
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


def load_json(place: str, content: bytes) -> Any:
    """JSON from bytes, unpacked first where ``place`` ends in ``.xz``.

    Never unpacks more than :data:`MAX_FILE_BYTES`. Raises :class:`CatalogueError`.
    """
    if place.endswith(".xz"):
        try:
            content = lzma.LZMADecompressor(memlimit=256 * 1024 * 1024).decompress(
                content, max_length=MAX_FILE_BYTES + 1
            )
        except lzma.LZMAError as error:
            raise CatalogueError(place, f"is not a readable .xz file ({error})") from error
    if len(content) > MAX_FILE_BYTES:
        raise CatalogueError(place, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
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
    _expect(isinstance(value, str), place, f"should be a text, is {value!r:.60}")
    _expect(0 < len(value) <= MAX_NAME_LENGTH, place, f"has {len(value)} characters")
    return str(value)


def _integer(value: Any, place: str, *, low: int = 0, high: int = 2**32) -> int:
    valid = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _expect(valid, place, f"should be a whole number from {low} to {high}, is {value!r:.60}")
    return int(value)


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
    return ".".join(map(str, numbers)), str(document.get("package", ""))[:MAX_NAME_LENGTH]


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
    return types


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
            unreadable[driver] = str(listed["error"])[:1000]
            continue
        _expect(isinstance(listed, list), place, "should be a list of properties")
        declared[driver] = {}
        for number, entry in enumerate(listed):
            _expect(isinstance(entry, dict), f"{place}[{number}]", "should be an object")
            info = PropertyInfo(
                name=_text(entry.get("name"), f"{place}[{number}].name"),
                type=_text(entry.get("type"), f"{place}[{number}].type"),
                default=entry.get("default-value"),
                description=str(entry.get("description") or "")[:1000],
            )
            declared[driver][info.name] = info
    return declared, unreadable


def hoist_properties(
    types: Mapping[str, str | None], declared: Mapping[str, Mapping[str, PropertyInfo]]
) -> dict[str, dict[str, PropertyInfo]]:
    """Move each property to the highest type where all listed descendants have it alike.

    ``device-list-properties`` repeats what a driver inherits: 90 CPU models list the same 400
    properties. Looking a driver's properties up along its ancestors gives back exactly its list.
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
        own[root] = {**own.get(root, {}), **(settle(root, frozenset()) or {})}
    return {name: infos for name, infos in own.items() if infos}


def _parse_dump(document: Any) -> dict[str, Description]:
    _expect(isinstance(document, dict), "vmstate", "should be an object with an entry per device")
    _expect(len(document) <= MAX_DRIVERS, "vmstate", f"has more than {MAX_DRIVERS} devices")
    budget = [MAX_FIELDS]
    descriptions = {}
    for driver, entry in document.items():
        if driver == "vmschkmachine":  # names the machine that dumped, says nothing of devices
            continue
        place = f"vmstate.{driver}"
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
    version = _integer(document.get("version_id", 0), f"{place}.version_id")
    return Description(
        name=_text(document.get("name"), f"{place}.name"),
        version_id=version,
        minimum_version_id=_integer(
            document.get("minimum_version_id", 0), f"{place}.minimum_version_id"
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
        version_id=_integer(document.get("version_id", 0), f"{place}.version_id"),
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
        machines[name] = MachineType(
            name=name,
            alias=str(entry.get("alias", ""))[:MAX_NAME_LENGTH],
            deprecated=entry.get("deprecated") is True,
            is_default=entry.get("is-default") is True,
            default_cpu_type=str(entry.get("default-cpu-type", ""))[:MAX_NAME_LENGTH],
            compat=compat,
            compat_source=source,
        )
    return machines


def _parse_compat_prop(entry: Any, place: str) -> CompatProperty:
    _expect(isinstance(entry, dict), place, "should be an object")
    return CompatProperty(
        driver=_text(entry.get("qom-type"), f"{place}.qom-type"),
        property=_text(entry.get("property"), f"{place}.property"),
        value=str(entry.get("value", "")),
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
            CompatProperty(driver_name(driver, types), prop, value, name)
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


# --- Composition of machine types from the arrays of the C sources -------------------------------

_VERSION = r"(\d+)[._](\d+)(?:[._](\d+))?"
_MACHINE_NAME = re.compile(rf"^(?P<board>pc(?:-q35|-i440fx)?)-(?P<line>[a-z]*){_VERSION}$")


def compose(
    machine: str, arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> tuple[CompatProperty, ...]:
    """The compat list of an x86 machine type, from the arrays as hw/i386/pc_*.c chain them.

    A machine type of version *v* applies the arrays of every version ≥ *v*, the newest first; of
    one version first the board-independent ``hw_compat_*``, then ``pc_compat_*``. A downstream's
    line (``pc-q35-rhel9.2.0``) begins with its ``pc_<line>_compat`` and has the arrays
    ``hw_compat_<line>_*`` and ``pc_<line>_*_compat``. Empty where the name follows no such scheme.
    """
    match = _MACHINE_NAME.match(machine)
    if match is None:
        return ()
    version = _version(match)
    common = f"pc_{match['line']}_compat" if match["line"] else ""
    entries = list(arrays.get(common, ()))
    entries += arrays.get(f"{match['board'].replace('-', '_')}_compat_defaults", ())
    dated = [
        (dated_as, order, name)
        for name in arrays
        for order, pattern in enumerate(_array_patterns(match["line"]))
        if (found := re.match(pattern, name)) and (dated_as := _version(found)) >= version
    ]
    for _, _, name in sorted(dated, key=lambda item: ([-part for part in item[0]], item[1])):
        entries += arrays[name]
    return tuple(entries)


def _array_patterns(line: str) -> tuple[str, str]:
    if not line:
        return rf"^hw_compat_{_VERSION}$", rf"^pc_compat_{_VERSION}$"
    return rf"^hw_compat_{line}_{_VERSION}$", rf"^pc_{line}_{_VERSION}_compat$"


def _version(match: re.Match[str]) -> tuple[int, int]:
    # Arrays are named by major and minor; a third number of a machine type (4.0.1) has none.
    numbers = [int(group) for group in match.groups()[-3:] if group is not None]
    return numbers[0], numbers[1]
