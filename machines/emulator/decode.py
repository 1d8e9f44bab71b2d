"""A stream with its vmdescription as named sections, subsections, fields and values.

The result is plain JSON-able data. A field of an opaque or unknown type is carried as the hex of
its described bytes, never guessed; guest memory appears as a summary. :func:`encode_section` gives
a decoded section's bytes back, so that nothing is lost on the way.

    >>> device = {"fields": [{"name": "irq", "type": "uint8", "size": 1}]}
    >>> section = decode_section(device, b"\\x2a", "foo", 0)
    >>> section["fields"]
    [{'name': 'irq', 'type': 'uint8', 'size': 1, 'value': 42}]
    >>> encode_section(section)
    b'*'
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Command,
    Configuration,
    Event,
    Payload,
    RamBlockList,
    RamMark,
    RamPages,
    SectionBegin,
    VmDescription,
    encode_subsection_header,
)
from machines.emulator.stream import read_events
from machines.emulator.vmdescription import MAX_DESCRIPTION_DEPTH, parse_vmdescription
from machines.emulator.window import open_stream

#: Types whose value is a whole number on the wire: name → signed (migration/vmstate-types.c).
INTEGERS = {
    f"{sign}int{bits}{check}": not sign
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
    for check in ("", " equal", " le")  # compared when loading, stored as the plain ones
} | {"timer": True}
#: Size in bytes → the codes of the struct module, unsigned and signed.
_CODES = {1: "Bb", 2: "Hh", 4: "Ii", 8: "Qq"}
# Limits of a whole stream, as a few bytes of it may describe many values (or empty ones). A real
# machine with 27 devices has 7,000 fields, and arrays of 85,000 values.
MAX_FIELDS = 2**18
MAX_VALUES = 2**22


def integer_type(kind: str) -> bool | None:
    """Whether a whole-number type is signed, None for any other type."""
    return INTEGERS.get(kind)


# --- Sections -----------------------------------------------------------------------------------


class _Allowance:
    """How many more fields, and elements of plain arrays, a stream may have."""

    def __init__(self) -> None:
        self.fields = MAX_FIELDS
        self.values = MAX_VALUES


class _Cursor:
    """A place in a section's payload, with what an error needs to name it."""

    def __init__(self, payload: bytes, section: str, offset: int, allowance: _Allowance) -> None:
        self._payload = payload
        self._section = section
        self._offset = offset
        self._allowance = allowance
        self.position = 0

    def error(self, problem: str) -> StreamError:
        return StreamError(self._offset + self.position, self._section, problem)

    def take(self, size: int, what: str) -> bytes:
        if not 0 <= size <= len(self._payload) - self.position:
            raise self.error(f"{what} of {size} bytes exceeds the section")
        start = self.position
        self.position += size
        return self._payload[start : self.position]

    def left(self) -> int:
        return len(self._payload) - self.position

    def spend(self, fields: int, values: int = 0) -> None:
        """Count what is about to be decoded. Raises :class:`StreamError` beyond a limit."""
        allowance = self._allowance
        allowance.fields -= fields
        allowance.values -= values
        if allowance.fields < 0 or allowance.values < 0:
            raise self.error(f"more than {MAX_FIELDS} fields or {MAX_VALUES} values")


def decode_section(
    device: Mapping[str, Any],
    payload: bytes,
    section: str,
    offset: int,
    allowance: _Allowance | None = None,
) -> dict[str, Any]:
    """``{"fields": […], "subsections": […]}`` of a payload, by its entry in the vmdescription.

    ``section`` and ``offset`` (of the payload in the stream, in bytes) name the place of an
    error. ``allowance`` is what is left to the stream. Raises :class:`StreamError` where
    description and payload disagree.
    """
    cursor = _Cursor(payload, section, offset, allowance or _Allowance())
    try:
        decoded = _decode_description(device, cursor, 0)
    except (KeyError, TypeError, AttributeError, ValueError, struct.error) as error:
        if isinstance(error, StreamError):
            raise
        raise cursor.error(
            f"its vmdescription is malformed ({type(error).__name__}: {error})"
        ) from error
    if cursor.left():
        raise cursor.error(f"{cursor.left()} bytes are not described")
    return decoded


def _decode_description(
    description: Mapping[str, Any], cursor: _Cursor, depth: int
) -> dict[str, Any]:
    if depth > MAX_DESCRIPTION_DEPTH:
        raise cursor.error("the vmdescription nests too deeply")
    decoded: dict[str, Any] = {
        "fields": [_decode_field(field, cursor, depth) for field in description.get("fields", ())]
    }
    if description.get("subsections"):
        decoded["subsections"] = [
            _decode_subsection(subsection, cursor, depth)
            for subsection in description["subsections"]
        ]
    return decoded


def _decode_subsection(
    subsection: Mapping[str, Any], cursor: _Cursor, depth: int
) -> dict[str, Any]:
    name, version = subsection["vmsd_name"], subsection["version"]
    header = encode_subsection_header(name, version)
    if cursor.take(len(header), f"the header of subsection {name}") != header:
        cursor.position -= len(header)
        raise cursor.error(f"the subsection {name!r} is not where the vmdescription has it")
    return {
        "name": name,
        "version_id": version,
        **_decode_description(subsection, cursor, depth + 1),
    }


def _decode_field(field: Mapping[str, Any], cursor: _Cursor, depth: int) -> dict[str, Any]:
    name, kind = field["name"], field["type"]
    decoded: dict[str, Any] = {"name": name, "type": kind, "size": field["size"]}
    if "index" in field:
        decoded["index"] = field["index"]
    length = field.get("array_len")
    if length is not None and (type(length) is not int or length < 0):
        raise cursor.error(f"array {name!r} of {length!r:.40} elements")
    structure = field.get("struct")
    if structure is not None:
        cursor.spend(1 if length is None else length + 1)
        if length is None:
            decoded.update(_decode_structure(structure, cursor, depth))
        else:
            decoded["elements"] = [
                _decode_structure(structure, cursor, depth) for _ in range(length)
            ]
        return decoded
    size = decoded["size"]
    if length is None:
        cursor.spend(1)
        decoded["value"] = decode_value(kind, cursor.take(size, name))
    elif code := _code(kind, size):  # all at once, as some arrays have 32768 elements
        cursor.spend(1, length)
        decoded["values"] = list(
            struct.unpack(f">{length}{code}", cursor.take(size * length, name))
        )
    else:
        cursor.spend(1 + length)
        raw = cursor.take(size * length, name)
        decoded["values"] = [
            decode_value(kind, raw[at * size : (at + 1) * size]) for at in range(length)
        ]
    return decoded


def _decode_structure(structure: Mapping[str, Any], cursor: _Cursor, depth: int) -> dict[str, Any]:
    return {
        "vmsd_name": structure.get("vmsd_name", ""),
        **_decode_description(structure, cursor, depth + 1),
    }


def _code(kind: str, size: int) -> str | None:
    """The struct module's code of a whole number, None where the type is no such number."""
    signed = integer_type(kind)
    return _CODES[size][signed] if signed is not None and size in _CODES else None


def decode_value(kind: str, raw: bytes) -> int | bool | str:
    """A whole number or truth value where the type is one, else the bytes in hex."""
    signed = integer_type(kind)
    if signed is not None and len(raw) in (1, 2, 4, 8):
        return int.from_bytes(raw, "big", signed=signed)
    if kind == "bool" and raw in (b"\0", b"\1"):
        return raw == b"\1"
    return raw.hex()


def encode_value(kind: str, size: int, value: int | bool | str) -> bytes:
    """The bytes of what :func:`decode_value` gave."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    return value.to_bytes(size, "big", signed=bool(integer_type(kind)))


def encode_section(section: Mapping[str, Any]) -> bytes:
    """The payload of a section, structure or subsection that :func:`decode_section` gave."""
    return b"".join(_encode(section))


def _encode(description: Mapping[str, Any]) -> Iterator[bytes]:
    for field in description["fields"]:
        if "value" in field:
            yield encode_value(field["type"], field["size"], field["value"])
        elif "values" in field:
            for value in field["values"]:
                yield encode_value(field["type"], field["size"], value)
        else:
            for element in field.get("elements", (field,) if "fields" in field else ()):
                yield from _encode(element)
    for subsection in description.get("subsections", ()):
        yield encode_subsection_header(subsection["name"], subsection["version_id"])
        yield from _encode(subsection)


# --- Whole streams ------------------------------------------------------------------------------


class _Summary:
    """What is told of guest memory: its blocks, and how many pages of which kind were sent."""

    def __init__(self) -> None:
        self.total = 0
        self.blocks: dict[str, dict[str, Any]] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, RamBlockList):
            self.total = event.total
            for block in event.blocks:
                self.blocks[block.name] = {"name": block.name, "length": block.length, "pages": {}}
        elif isinstance(event, RamPages):
            pages = self.blocks[event.block]["pages"]
            kind = event.kind.name.lower()
            pages[kind] = pages.get(kind, 0) + event.pages

    def as_json(self) -> dict[str, Any]:
        return {"total": self.total, "blocks": list(self.blocks.values())}


def decode_stream(file: BinaryIO) -> dict[str, Any]:
    """Everything in a stream, its guest memory as a summary. Raises :class:`StreamError`.

    Keys: ``machine``, ``page_size``, ``configuration``, ``ram``, ``commands``, ``sections``; a
    section has ``name``, ``instance_id``, ``section_id``, ``version_id``, ``vmsd_name``,
    ``offset``, ``size``, ``footer`` and ``fields``/``subsections`` (or ``data`` in hex where the
    stream does not describe it).
    """
    result: dict[str, Any] = {"machine": None, "page_size": None, "configuration": []}
    commands: list[dict[str, Any]] = []
    sections: list[tuple[dict[str, Any], bytes]] = []
    memory = _Summary()
    described: list[Mapping[str, Any]] = []
    current: SectionBegin | None = None
    for event in read_events(file):
        if isinstance(event, Configuration):
            result["machine"] = event.machine
            result["configuration"] = [
                {"name": item.name, "version_id": item.version_id, "data": item.payload.hex()}
                for item in event.subsections
            ]
        elif isinstance(event, Command):
            commands.append(
                {"number": event.number, "data": event.data.hex(), "package": len(event.package)}
            )
        elif isinstance(event, SectionBegin):
            current = event
        elif isinstance(event, Payload) and current is not None:
            sections.append((_section_head(current, event), event.data))
        elif isinstance(event, VmDescription):
            document = parse_vmdescription(event.text, event.offset)
            described = document["devices"]
            result["page_size"] = document.get("page_size")
        elif not isinstance(event, RamMark):
            memory.add(event)
    result["ram"] = memory.as_json()
    result["commands"] = commands
    result["sections"] = _decode_sections(sections, described)
    return result


def _section_head(begin: SectionBegin, payload: Payload) -> dict[str, Any]:
    return {
        "name": begin.idstr,
        "instance_id": begin.instance_id,
        "section_id": begin.section_id,
        "version_id": begin.version_id,
        "type": begin.type.name.lower(),
        "offset": payload.offset,
        "size": len(payload.data),
    }


def _decode_sections(
    sections: list[tuple[dict[str, Any], bytes]], described: list[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Join sections and their descriptions, both in the order of the stream."""
    waiting: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for device in described:
        waiting.setdefault((device["name"], device["instance_id"]), []).append(device)
    decoded = []
    allowance = _Allowance()
    for head, payload in sections:
        listed = waiting.get((head["name"], head["instance_id"])) if head["type"] == "full" else ()
        if listed:
            device = listed.pop(0)
            head["vmsd_name"] = device.get("vmsd_name", "")
            name, offset = head["name"], head["offset"]
            head.update(decode_section(device, payload, name, offset, allowance))
        else:
            head["data"] = payload.hex()
        decoded.append(head)
    return decoded


def decode_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """:func:`decode_stream` of a file, plain or .xz."""
    with open_stream(path) as file:
        return decode_stream(file)


# --- Comparing ----------------------------------------------------------------------------------


def flatten(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """Each value of a decoded stream under its path, such as ``serial:0/state.ier``."""
    values: dict[str, Any] = {"machine": decoded["machine"]}
    for block in decoded["ram"]["blocks"]:
        values[f"ram:{block['name']}"] = block["length"]
    for section in decoded["sections"]:
        path = f"{section['name']}:{section['instance_id']}"
        values[f"{path}/version_id"] = section["version_id"]
        if "data" in section:
            values[f"{path}/data"] = section["data"]
        else:
            values.update(_flatten(section, f"{path}/"))
    return values


def _flatten(description: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for field in description["fields"]:
        name = path + field["name"] + (f"[{field['index']}]" if "index" in field else "")
        if "value" in field:
            yield name, field["value"]
        elif "values" in field:
            for index, value in enumerate(field["values"]):
                yield f"{name}[{index}]", value
        elif "elements" in field:
            for index, element in enumerate(field["elements"]):
                yield from _flatten(element, f"{name}[{index}].")
        elif "fields" in field:
            yield from _flatten(field, f"{name}.")
    for subsection in description.get("subsections", ()):
        yield f"{path}{subsection['name']}/version_id", subsection["version_id"]
        yield from _flatten(subsection, f"{path}{subsection['name']}/")


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two decoded streams: ``path``, ``a`` and ``b`` (absent: no key)."""
    left, right = flatten(a), flatten(b)
    found = []
    for path in [*left, *(path for path in right if path not in left)]:
        if path not in left:
            found.append({"path": path, "b": right[path]})
        elif path not in right:
            found.append({"path": path, "a": left[path]})
        elif left[path] != right[path]:
            found.append({"path": path, "a": left[path], "b": right[path]})
    return found
