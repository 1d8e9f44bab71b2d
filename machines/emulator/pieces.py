"""The bytes of a stream's parts, each run of them named: what the wire format and the fields write.

What is whose byte follows from the event that was read, and for a section from its entry in the
vmdescription. :mod:`machines.emulator.anatomy` puts the pieces into parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from machines.emulator.decode import decode_value
from machines.emulator.events import (
    Command,
    Configuration,
    EndOfSections,
    Event,
    FileHeader,
    RamBlockList,
    SectionBegin,
    SectionType,
    VmDescription,
    encode,
    encode_subsection_header,
)
from machines.emulator.snapshot import SentLayout


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of bytes with a meaning. ``offset`` and ``size`` are in bytes, from the part's start.

    ``kind`` is the vmdescription's type, or ``frame`` for what the wire format itself writes.
    ``count`` is the number of elements; ``inside`` are the subsections it stands in.
    """

    name: str
    kind: str
    offset: int
    size: int
    count: int = 1
    inside: tuple[str, ...] = ()


def value_of(piece: Piece, content: bytes) -> int | bool | str | list[int | bool | str]:
    """What a piece says: a number or truth value, the bytes in hex, or one of these an element."""
    raw = content[piece.offset : piece.offset + piece.size]
    if piece.kind == "frame":
        return raw.hex()
    if piece.count == 1:
        return decode_value(piece.kind, raw)
    each = piece.size // piece.count if piece.count else 0
    return [decode_value(piece.kind, raw[at * each : (at + 1) * each]) for at in range(piece.count)]


#: (name, kind, size in bytes), one after the other.
_Sized = tuple[str, str, int]


def bytes_of(event: Event) -> bytes:
    return b"".join(encode(event))


def frame(sized: Iterator[_Sized], size: int) -> Iterator[Piece]:
    """Pieces in a row, as far as there are bytes for them."""
    at = 0
    for name, kind, length in sized:
        kept = min(length, size - at)
        if kept > 0:
            yield Piece(name, kind, at, kept)
        at += length


def _header(event: FileHeader) -> Iterator[_Sized]:
    yield "magic", "frame", 4
    yield "version", "uint32", 4


def _configuration(event: Configuration) -> Iterator[_Sized]:
    yield "type", "frame", 1
    yield "length", "uint32", 4
    yield "machine type", "text", len(event.machine)
    for item in event.subsections:
        yield item.name, "subsection", len(encode_subsection_header(item.name, item.version_id))
        if item.payload:
            yield f"{item.name} (content)", "buffer", len(item.payload)


def _command(event: Command) -> Iterator[_Sized]:
    yield "type", "frame", 1
    yield "command", "uint16", 2
    yield "length", "uint16", 2
    if event.data:
        yield "data", "buffer", len(event.data)
    if event.package:
        yield "package", "buffer", len(event.package)


def _end(event: EndOfSections) -> Iterator[_Sized]:
    yield "type", "frame", 1


def _vmdescription(event: VmDescription) -> Iterator[_Sized]:
    yield "type", "frame", 1
    yield "length", "uint32", 4
    yield "JSON", "text", len(event.text)


FRAMES: Mapping[str, Any] = {
    "header": _header,
    "configuration": _configuration,
    "command": _command,
    "end": _end,
    "vmdescription": _vmdescription,
}


def section_head(begin: SectionBegin) -> tuple[Piece, ...]:
    name = len(begin.idstr)
    sizes: tuple[_Sized, ...] = (
        ("type", "frame", 1),
        ("section id", "uint32", 4),
    )
    if begin.type in (SectionType.START, SectionType.FULL):
        sizes += (
            ("name length", "uint8", 1),
            ("name", "text", name),
            ("instance id", "uint32", 4),
            ("version id", "uint32", 4),
        )
    return tuple(frame(iter(sizes), sum(size for _, _, size in sizes)))


def block_list(blocks: RamBlockList | None, start: int) -> Iterator[Piece]:
    if blocks is None:
        return
    yield Piece("total length, flags", "uint64", start, 8)
    at = start + 8
    for block in blocks.blocks:
        name = 1 + len(block.name)
        yield Piece(f"{block.name} (name)", "frame", at, name)
        yield Piece(f"{block.name} (length)", "uint64", at + name, 8)
        at += name + 8
        if block.address is not None:
            yield Piece(f"{block.name} (address)", "uint64", at, 8)
            at += 8


def described_pieces(layout: SentLayout, payload: bytes, start: int) -> Iterator[Piece]:
    """The fields in the order of the wire; what lies between two of them begins subsections."""
    at = 0
    for leaf in layout.leaves:
        yield from _subsection_heads(payload[at : leaf.offset], start + at, leaf.subsections)
        at = leaf.offset + leaf.size
        if leaf.size:
            place = start + leaf.offset
            yield Piece(leaf.path, leaf.kind, place, leaf.size, leaf.count, leaf.subsections)
    yield from _subsection_heads(payload[at:], start + at, ())


def _subsection_heads(raw: bytes, start: int, inside: tuple[str, ...]) -> Iterator[Piece]:
    """Headers that follow each other: a byte 5, the name with its length, the version."""
    at = 0
    while at < len(raw):
        length = raw[at + 1] if at + 1 < len(raw) else 0
        size = min(6 + length, len(raw) - at)
        name = raw[at + 2 : at + 2 + length].decode("ascii", "replace")
        yield Piece(name, "subsection", start + at, size, inside=inside or (name,))
        at += size
