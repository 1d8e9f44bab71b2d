"""A stream without its guest memory: what a trial on real streams looks at.

A section's fields are laid out by its entry in the vmdescription, once for all streams that
describe it alike.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Command,
    Configuration,
    Payload,
    RamBlock,
    RamBlockList,
    SectionBegin,
    VmDescription,
    encode_subsection_header,
)
from machines.emulator.stream import read_events
from machines.emulator.vmdescription import MAX_DESCRIPTION_DEPTH, parse_vmdescription
from machines.emulator.window import open_stream

MAX_LEAVES = 2**18  # fields of one section, array elements that are structures counted singly
MAX_INTERNED = 4096  # descriptions kept to be told alike

#: The number of an array's element in a field's name.
ELEMENT = re.compile(r"\[\d+\]")

#: Types whose value QEMU looks at when loading, beside the ``… equal`` ones.
CHECKED_TYPES = frozenset({"int32 le", "pci config", "virtio"})
#: Structures whose fields a ``post_load`` compares with the device's own properties, all fields or
#: those named (hw/virtio/virtio-mem.c, hw/net/e1000e.c).
PROPERTY_FIELDS = {
    "virtio-mem-device/sanity-checks": None,
    "e1000e": frozenset({"subsys", "subsys_ven"}),
}


@dataclass(frozen=True, slots=True)
class SentSection:
    """A device section as sent: ``device`` is its entry in the vmdescription, None without."""

    idstr: str
    instance_id: int
    version_id: int
    payload: bytes
    device: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """The description's name, which ``-dump-vmstate`` lists."""
        return str(self.device.get("vmsd_name", "")) if self.device else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stream without its guest memory; ``commands`` are the numbers of those it holds."""

    machine: str | None
    blocks: tuple[RamBlock, ...]
    sections: tuple[SentSection, ...]
    by_key: Mapping[tuple[str, int], SentSection] = field(default_factory=dict)
    commands: frozenset[int] = frozenset()


@lru_cache(maxsize=48)
def _devices(text: bytes, offset: int) -> dict[tuple[str, int], Mapping[str, Any]]:
    document = parse_vmdescription(text, offset)
    return {
        (device["name"], device["instance_id"]): _interned(device) for device in document["devices"]
    }


_known_devices: dict[tuple[Any, int, int], list[Mapping[str, Any]]] = {}


def _interned(device: Mapping[str, Any]) -> Mapping[str, Any]:
    """One object for all equal descriptions: most sections look the same in most streams."""
    fields = device.get("fields")
    subsections = device.get("subsections")
    key = (
        device["name"],
        len(fields) if isinstance(fields, list) else -1,
        len(subsections) if isinstance(subsections, list) else -1,
    )
    alike = _known_devices.setdefault(key, [])
    for known in alike:
        if known == device:
            return known
    if len(_known_devices) + len(alike) > MAX_INTERNED:
        _known_devices.clear()
    alike.append(device)
    return device


def read_snapshot(path: Path) -> Snapshot:
    """What a trial needs of a stream's file, plain or .xz. Raises :class:`StreamError`."""
    machine: str | None = None
    blocks: tuple[RamBlock, ...] = ()
    found: list[tuple[SectionBegin, bytes]] = []
    devices: Mapping[tuple[str, int], Mapping[str, Any]] = {}
    commands: set[int] = set()
    begin: SectionBegin | None = None
    with open_stream(path) as file:
        for event in read_events(file):
            if isinstance(event, SectionBegin):
                begin = event
            elif isinstance(event, Payload) and begin is not None:
                found.append((begin, event.data))
            elif isinstance(event, RamBlockList):
                blocks = event.blocks
            elif isinstance(event, Configuration):
                machine = event.machine
            elif isinstance(event, Command):
                commands.add(event.number)
            elif isinstance(event, VmDescription):
                devices = _devices(event.text, event.offset)
    sections = tuple(
        SentSection(
            head.idstr,
            head.instance_id,
            head.version_id,
            payload,
            devices.get((head.idstr, head.instance_id)),
        )
        for head, payload in found
    )
    by_key = {(section.idstr, section.instance_id): section for section in sections}
    return Snapshot(machine, blocks, sections, by_key, frozenset(commands))


# --- Fields -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentField:
    """A field on the wire: ``path`` in the section, offset and size in bytes.

    ``place`` is the path without the numbers of array elements, counted instead: releases differ
    in which elements they describe one by one. ``structure`` is the description it belongs to;
    ``subsections`` those it is inside of. ``count`` is the number of elements of an array of plain
    values.
    """

    path: str
    place: str
    kind: str
    offset: int
    size: int
    count: int
    structure: str
    subsections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubsectionHeader:
    """Where a subsection begins: ``path`` tells which, ``name`` is what the stream says."""

    path: tuple[str, ...]
    name: str
    version_id: int


class SentLayout:
    """The fields of a described section in the order of the wire."""

    def __init__(self, device: Mapping[str, Any], section: str) -> None:
        self.leaves: list[SentField] = []
        self.subsections: dict[tuple[str, ...], SubsectionHeader] = {}
        self._paths_seen: dict[str, int] = {}
        self._places_seen: dict[str, int] = {}
        self._offset = 0
        self._section = section
        try:
            self._description(device, "", str(device.get("vmsd_name", "")), (), 0)
        except (KeyError, TypeError, AttributeError, struct.error) as error:
            raise StreamError(
                0, section, f"its vmdescription is malformed ({type(error).__name__}: {error})"
            ) from error

    @cached_property
    def shape(self) -> tuple[tuple[str, int], ...]:
        """What two sides must have alike for every field to be read as it was sent."""
        return tuple((leaf.place, leaf.size) for leaf in self.leaves)

    @cached_property
    def places(self) -> Mapping[str, SentField]:
        """The fields by their places."""
        return {leaf.place: leaf for leaf in self.leaves}

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The fields' numbers by their places."""
        return {leaf.place: number for number, leaf in enumerate(self.leaves)}

    @cached_property
    def checked(self) -> tuple[int, ...]:
        """The leaves whose values QEMU looks at when loading, by their numbers."""
        return tuple(number for number, leaf in enumerate(self.leaves) if is_checked(leaf))

    def _description(
        self,
        description: Mapping[str, Any],
        path: str,
        structure: str,
        inside: tuple[str, ...],
        depth: int,
    ) -> None:
        if depth > MAX_DESCRIPTION_DEPTH:
            raise StreamError(0, self._section, "its vmdescription nests too deeply")
        for item in description.get("fields", ()):
            name = path + item["name"]
            if "index" in item:
                name += f"[{item['index']}]"
            structured = item.get("struct")
            if structured is None:
                self._leaf(item, name, structure, inside)
                continue
            length = item.get("array_len")
            inner = str(structured.get("vmsd_name", ""))
            for index in range(1 if length is None else length):
                element = f"{name}." if length is None else f"{name}[{index}]."
                self._description(structured, element, inner, inside, depth + 1)
        for item in description.get("subsections", ()):
            name = item["vmsd_name"]
            deeper = (*inside, name)
            self.subsections[deeper] = SubsectionHeader(deeper, name, item["version"])
            self._offset += len(encode_subsection_header(name, item["version"]))
            self._description(item, f"{name}/", name, deeper, depth + 1)

    def _leaf(
        self, item: Mapping[str, Any], name: str, structure: str, inside: tuple[str, ...]
    ) -> None:
        if len(self.leaves) >= MAX_LEAVES:
            raise StreamError(0, self._section, f"more than {MAX_LEAVES} fields")
        for subsection in item.get("subsections", ()):  # of a queue's elements
            deeper = (*inside, name, subsection["vmsd_name"])
            self.subsections[deeper] = SubsectionHeader(
                deeper, subsection["vmsd_name"], subsection["version"]
            )
        count = item.get("array_len", 1)
        size = item["size"] * count
        self.leaves.append(
            SentField(
                _counted(name, self._paths_seen),
                _counted(ELEMENT.sub("", name), self._places_seen),
                str(item["type"]),
                self._offset,
                size,
                count,
                structure,
                inside,
            )
        )
        self._offset += size


def _counted(name: str, seen: dict[str, int]) -> str:
    """``name``, told from those seen before by its number."""
    again = seen.get(name, 0)
    seen[name] = again + 1
    return f"{name}#{again}" if again else name


_layouts: dict[int, tuple[Mapping[str, Any], SentLayout]] = {}


def layout_of(section: SentSection) -> SentLayout:
    """Flattening a description is done once for all streams that share it."""
    device: Mapping[str, Any] = section.device or {
        "fields": [{"name": "data", "type": "buffer", "size": len(section.payload)}]
    }
    known = _layouts.get(id(device))
    if known is not None and known[0] is device:
        return known[1]
    flat = SentLayout(device, section.idstr)
    if len(_layouts) > 4096:
        _layouts.clear()
    _layouts[id(device)] = (device, flat)
    return flat


def is_checked(leaf: SentField) -> bool:
    """Whether loading compares the field's value with the device's own."""
    return leaf.kind in CHECKED_TYPES or leaf.kind.endswith(" equal") or shows_property(leaf)


def shows_property(leaf: SentField) -> bool:
    """Whether the field is there only to be compared with the destination's properties."""
    if leaf.structure not in PROPERTY_FIELDS:
        return False
    names = PROPERTY_FIELDS[leaf.structure]
    return names is None or leaf.path.rsplit(".", 1)[-1] in names
