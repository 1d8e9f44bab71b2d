"""The interpreter that saves and loads a device's state by its description.

Descriptions are data; nothing here knows a device. The walk is the one of QEMU's
migration/vmstate.c: the fields that exist in the stream's version, nested structures at their own
current version, then the subsections, each optional and announced by its name. How a description
is laid out is :mod:`machines.emulator.layout`.

State is a mapping from a leaf's ``path`` to its bytes; a path that is missing is in reset (zero).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from machines.emulator import refusals
from machines.emulator.errors import EmulatorError
from machines.emulator.events import SectionType, encode_subsection_header
from machines.emulator.layout import Block, Leaf, Section


class LoadError(EmulatorError):
    """The destination refuses a stream, in QEMU's words.

    ``kind`` is one of ``version-too-new``, ``version-too-old``, ``unknown-section``, ``layout``,
    ``blacklisted``; ``section`` and ``field`` name the place (``field`` may be empty).
    """

    def __init__(self, kind: str, reason: str, section: str, field: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.section = section
        self.field = field


def check_version(section: Section, version: int) -> None:
    """Can a stream of that version be read? Raises :class:`LoadError` (vmstate.c's words)."""
    if version > section.version_id:
        raise LoadError(
            "version-too-new",
            refusals.version_too_new(section.name, version, section.version_id),
            section.name,
        )
    if version < section.minimum_version_id:
        raise LoadError(
            "version-too-old",
            refusals.version_too_old(section.name, version, section.minimum_version_id),
            section.name,
        )


class ByteReader:
    """A cursor over a section's payload. Reading past the end raises :class:`EndOfStream`."""

    __slots__ = ("_end", "data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self._end = len(data)

    def take(self, size: int) -> bytes:
        start = self.position
        stop = start + size
        if stop > self._end:
            raise EndOfStream(start, size, self._end - start)
        self.position = stop
        return self.data[start:stop]

    def peek(self, size: int, skip: int = 0) -> bytes:
        """At most ``size`` bytes, ``skip`` bytes ahead, without moving."""
        start = self.position + skip
        return self.data[start : start + size]

    def left(self) -> int:
        """How many bytes remain."""
        return self._end - self.position

    def be32(self) -> int:
        return int.from_bytes(self.take(4), "big")


#: How many bytes of the stream a leaf takes, looking ahead without moving.
Measure = Callable[["Leaf", ByteReader], int]


class EndOfStream(EmulatorError):
    """The payload is shorter than its reader expects; ``offset`` is in bytes within it."""

    def __init__(self, offset: int, wanted: int, left: int) -> None:
        super().__init__(f"payload ends at offset {offset}: {wanted} bytes wanted, {left} left")
        self.offset = offset


def save(
    block: Block,
    state: Mapping[str, bytes],
    sends: Callable[[Section], int | None],
    out: bytearray,
) -> None:
    """Append the payload of ``block`` to ``out`` (vmstate.c, ``vmstate_save_state_v``).

    ``sends`` tells a subsection's version, None where it is not needed.
    """
    for step in block.steps:
        if isinstance(step, Leaf):
            out += state.get(step.path) or bytes(step.size)
        else:
            save(step, state, sends, out)
    for section in block.subsections:
        version = sends(section)
        if version is None:
            continue
        out += encode_subsection_header(section.name, version)
        save(section.at(version), state, sends, out)


def load(
    block: Block,
    reader: ByteReader,
    state: MutableMapping[str, bytes],
    accepts: Callable[[Section, int], None],
    measure: Measure | None = None,
) -> None:
    """Read the payload of ``block`` into ``state`` (vmstate.c, ``vmstate_load_state``).

    ``accepts`` is asked for each subsection with its version, and raises :class:`LoadError` to
    refuse it. ``measure`` tells a leaf's length where the device knows it better than the
    description. Raises :class:`LoadError` and :class:`EndOfStream`.
    """
    for step in block.steps:
        if not isinstance(step, Leaf):
            load(step, reader, state, accepts, measure)
        elif step.unused:
            reader.take(step.size)
        else:
            size = step.size if measure is None else measure(step, reader)
            state[step.path] = reader.take(size)
    while section := _next_subsection(block, reader):
        version = reader.be32()
        check_version(section, version)
        accepts(section, version)
        load(section.at(version), reader, state, accepts, measure)


def _next_subsection(block: Block, reader: ByteReader) -> Section | None:
    """The subsection that begins at the cursor, which then stands behind its name.

    Of two with one name it is the first, whichever was sent (``vmstate_get_subsection``). None
    where none begins here, or one that belongs to an enclosing structure: its name does not begin
    with ours. Raises :class:`LoadError` for one of ours that is unknown.
    """
    head = reader.peek(2)
    if len(head) < 2 or head[0] != SectionType.SUBSECTION or head[1] <= len(block.name.encode()):
        return None
    raw = reader.peek(head[1], skip=2)
    if len(raw) != head[1] or not raw.startswith(block.name.encode()):
        return None
    name = raw.decode("utf-8", "replace")
    for section in block.subsections:
        if section.name == name:
            reader.take(2 + len(raw))
            return section
    raise LoadError(
        "unknown-section",
        f"error while loading state of '{block.name}': unknown subsection '{name}'",
        name,
    )


# --- The stream's own description -----------------------------------------------------------------

_INTEGER_TYPES = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


#: A leaf → its type's name and its size in bytes, where the device knows them.
Shape = Callable[[Leaf], tuple[str, int] | None]


def describe(
    block: Block, sends: Callable[[Section], int | None], shape: Shape | None = None
) -> dict[str, Any]:
    """The block's part of the VMDESCRIPTION: ``vmsd_name``, ``version``, ``fields``, …"""
    document: dict[str, Any] = {
        "vmsd_name": block.name,
        "version": block.version,
        "fields": [
            _describe_leaf(step, shape)
            if isinstance(step, Leaf)
            else _describe_struct(step, sends, shape)
            for step in block.steps
        ],
    }
    sent = [
        describe(section.at(version), sends, shape)
        for section in block.subsections
        if (version := sends(section)) is not None
    ]
    if sent:
        document["subsections"] = sent
    return document


_ELEMENT = re.compile(r"^(.*)\[(\d+)\]$")


def _describe_struct(
    block: Block, sends: Callable[[Section], int | None], shape: Shape | None
) -> dict[str, Any]:
    document = {
        "name": block.field,
        "type": "struct",
        "struct": describe(block, sends, shape),
        "size": block.size,
    }
    if match := _ELEMENT.match(block.field):
        document |= {"name": match[1], "index": int(match[2])}
    return document


def _describe_leaf(leaf: Leaf, shape: Shape | None) -> dict[str, Any]:
    name = leaf.field.rpartition(".")[2]
    if shape is not None and (known := shape(leaf)):
        return {"name": name, "type": known[0], "size": known[1]}
    if leaf.unused:
        return {"name": name, "type": "unused_buffer", "size": leaf.size}
    element = leaf.size // leaf.count if leaf.count else leaf.size
    if leaf.members or element not in _INTEGER_TYPES:
        return {"name": name, "type": "buffer", "size": leaf.size}
    entry: dict[str, Any] = {"name": name, "type": _INTEGER_TYPES[element], "size": element}
    if leaf.count != 1:
        entry["array_len"] = leaf.count
    return entry
