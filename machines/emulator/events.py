"""What a migration stream consists of: its events, and the bytes of each.

The layouts are those of migration/savevm.c, migration/vmstate.c and migration/ram.c (big endian).
Events are named tuples, as making as many data classes takes a tenth of a short decode's time; one
is told from another by its class, never by comparing values.

    >>> b"".join(encode(EndOfSections(0)))
    b'\\x00'
    >>> encode_subsection_header("foo/bar", 1)
    b'\\x05\\x07foo/bar\\x00\\x00\\x00\\x01'
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import BinaryIO, NamedTuple

MAGIC = 0x5145564D
FILE_VERSION = 3
FOOTER = 0x7E
COMMAND_PACKAGED = 7  # migration/savevm.h, MIG_CMD_PACKAGED


class SectionType(IntEnum):
    """The byte that begins each part of a stream (migration/savevm.h)."""

    EOF = 0
    START = 1
    PART = 2
    END = 3
    FULL = 4
    SUBSECTION = 5
    VMDESCRIPTION = 6
    CONFIGURATION = 7
    COMMAND = 8


class RamFlag(IntEnum):
    """The low bits of a RAM record's address (migration/ram.c)."""

    ZERO = 0x02
    MEM_SIZE = 0x04
    PAGE = 0x08
    EOS = 0x10
    CONTINUE = 0x20
    XBZRLE = 0x40
    HOOK = 0x80
    COMPRESS_PAGE = 0x100
    MULTIFD_FLUSH = 0x200


class FileHeader(NamedTuple):
    """Magic and version at the very beginning."""

    offset: int
    version: int = FILE_VERSION


class ConfigurationSubsection(NamedTuple):
    """``configuration/capabilities`` and the like; ``payload`` are the bytes after the version."""

    name: str
    version_id: int
    payload: bytes


class Configuration(NamedTuple):
    """The machine type's name, sent by machine types since 2.4."""

    offset: int
    machine: str
    subsections: tuple[ConfigurationSubsection, ...] = ()


class SectionBegin(NamedTuple):
    """START, PART, END or FULL. For PART and END the names are those that START gave."""

    offset: int
    type: SectionType
    section_id: int
    idstr: str
    instance_id: int
    version_id: int


class Payload(NamedTuple):
    """The content of a section that is not guest memory."""

    offset: int
    data: bytes


class RamBlock(NamedTuple):
    """A block of guest memory; ``length`` in bytes, ``address`` only with x-ignore-shared."""

    name: str
    length: int
    address: int | None = None


class RamBlockList(NamedTuple):
    """The block list that opens the ``ram`` section; ``total`` in bytes."""

    offset: int
    total: int
    blocks: tuple[RamBlock, ...]


class RamPages(NamedTuple):
    """Page records of one block, as sent. ``data`` is valid until the next event is read.

    ``kind`` is the flag that all of them share, ``data`` the records including addresses.
    """

    offset: int
    block: str
    kind: RamFlag
    pages: int
    data: bytes | memoryview


class RamMark(NamedTuple):
    """A record without a page: end of a round (EOS), multifd flush, RDMA hook."""

    offset: int
    flags: int


class SectionEnd(NamedTuple):
    """The end of a section; ``footer`` tells whether a footer was there."""

    offset: int
    section_id: int
    footer: bool


class Command(NamedTuple):
    """A command to the destination; ``package`` is the enclosed stream of PACKAGED."""

    offset: int
    number: int
    data: bytes
    package: bytes = b""


class EndOfSections(NamedTuple):
    """The EOF byte: only a vmdescription may follow."""

    offset: int


class VmDescription(NamedTuple):
    """The JSON text that describes what was sent."""

    offset: int
    text: bytes


Event = (
    FileHeader
    | Configuration
    | SectionBegin
    | Payload
    | RamBlockList
    | RamPages
    | RamMark
    | SectionEnd
    | Command
    | EndOfSections
    | VmDescription
)


# --- Writing ------------------------------------------------------------------------------------


def name_bytes(name: str) -> bytes:
    """A name with the length byte before it."""
    raw = name.encode("ascii")
    return struct.pack(">B", len(raw)) + raw


def encode(event: Event) -> Iterator[bytes | memoryview]:
    """The bytes of one event, in pieces."""
    if isinstance(event, FileHeader):
        yield struct.pack(">II", MAGIC, event.version)
    elif isinstance(event, Configuration):
        machine = event.machine.encode("ascii")
        yield struct.pack(">BI", SectionType.CONFIGURATION, len(machine)) + machine
        for subsection in event.subsections:
            yield encode_subsection_header(subsection.name, subsection.version_id)
            yield subsection.payload
    elif isinstance(event, SectionBegin):
        yield struct.pack(">BI", event.type, event.section_id)
        if event.type in (SectionType.START, SectionType.FULL):
            yield name_bytes(event.idstr) + struct.pack(">II", event.instance_id, event.version_id)
    elif isinstance(event, Payload | RamPages):
        yield event.data
    elif isinstance(event, RamBlockList):
        yield struct.pack(">Q", event.total | RamFlag.MEM_SIZE)
        for block in event.blocks:
            yield name_bytes(block.name) + struct.pack(">Q", block.length)
            yield b"" if block.address is None else struct.pack(">Q", block.address)
    elif isinstance(event, RamMark):
        yield struct.pack(">Q", event.flags)
    elif isinstance(event, SectionEnd):
        yield struct.pack(">BI", FOOTER, event.section_id) if event.footer else b""
    elif isinstance(event, Command):
        yield struct.pack(">BHH", SectionType.COMMAND, event.number, len(event.data))
        yield event.data + event.package
    elif isinstance(event, EndOfSections):
        yield struct.pack(">B", SectionType.EOF)
    else:
        yield struct.pack(">BI", SectionType.VMDESCRIPTION, len(event.text)) + event.text


def encode_subsection_header(name: str, version_id: int) -> bytes:
    """What begins a subsection inside a payload (migration/vmstate.c)."""
    return bytes((SectionType.SUBSECTION,)) + name_bytes(name) + struct.pack(">I", version_id)


def write_events(events: Iterable[Event], file: BinaryIO) -> None:
    """Write events to a file; reading a stream and writing its events gives identical bytes."""
    for event in events:
        for piece in encode(event):
            file.write(piece)
