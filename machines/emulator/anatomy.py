"""A stream taken apart: each of its bytes has a place in a part, and a name.

What people look at when they want to see a stream itself. The parts are those of the wire format
(header, configuration, sections, end, vmdescription); the pieces of a section are its header, the
fields and subsections that the vmdescription tells, and its footer. Guest memory is counted and not
kept: only the block list is there to be seen.

    >>> import io
    >>> from machines.emulator.events import EndOfSections, FileHeader, write_events
    >>> file = io.BytesIO()
    >>> write_events([FileHeader(0), EndOfSections(0)], file)
    >>> found = take_apart(io.BytesIO(file.getvalue()))
    >>> [(part.kind, part.offset, part.size) for part in found.parts]
    [('header', 0, 8), ('end', 8, 1)]
    >>> [piece.name for piece in found.parts[0].pieces]
    ['magic', 'version']

A stream that cannot be read to its end gives the parts before the place where reading stopped, and
the :class:`StreamError` that says where that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Command,
    Configuration,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    RamBlockList,
    RamPages,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
)
from machines.emulator.pieces import (
    FRAMES,
    Piece,
    block_list,
    bytes_of,
    described_pieces,
    frame,
    section_head,
)
from machines.emulator.snapshot import SentLayout
from machines.emulator.stream import read_events
from machines.emulator.vmdescription import parse_vmdescription

#: Parts of one stream. A real machine with 27 devices has 90.
MAX_PARTS = 5_000
#: Pieces of all parts together; what comes after them is shown as bytes alone.
MAX_PIECES = 2**18
#: Of a vmdescription, which may be as large as all device state, so much is kept to be looked at.
KEPT_TEXT = 64 * 2**10

Kind = Literal["header", "configuration", "command", "memory", "section", "end", "vmdescription"]
_NAMES: Mapping[str, str] = {
    "header": "file header",
    "configuration": "configuration",
    "command": "command",
    "end": "end of sections",
    "vmdescription": "vmdescription",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the stream at ``offset``, ``size`` bytes long.

    ``content`` is what is kept of it: all but guest memory and the rest of a long vmdescription,
    ``payload`` where in it a section's own content stands (offset, size). ``device``
    is a section's entry in the vmdescription, None where nothing describes it.
    """

    kind: Kind
    name: str
    offset: int
    size: int
    content: bytes
    pieces: tuple[Piece, ...]
    instance_id: int = 0
    section_id: int = 0
    version_id: int = 0
    payload: tuple[int, int] = (0, 0)
    device: Mapping[str, Any] | None = None

    @property
    def description(self) -> str:
        """The name of a section's description, which ``-dump-vmstate`` lists; else empty."""
        return str(self.device.get("vmsd_name", "")) if self.device else ""


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A block of guest memory: its length in bytes, and how many pages of which kind were sent."""

    name: str
    length: int
    pages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A stream's parts in order. ``length`` is in bytes, unpacked, as far as it was read.

    ``problem`` is why it was not read to its end, None where it was.
    """

    parts: tuple[Part, ...]
    machine: str | None
    page_size: int | None
    length: int
    memory: tuple[MemoryBlock, ...]
    commands: tuple[int, ...]
    problem: StreamError | None = None


def take_apart(file: BinaryIO, limit: int | None = None) -> Anatomy:
    """Read a stream (plain bytes, see :func:`machines.emulator.window.open_stream`) as parts.

    ``limit`` is the most bytes of it that are read. Never raises for what is in the stream.
    """
    reading = _Reading(limit)
    problem = None
    try:
        for event in read_events(file):
            reading.take(event)
    except StreamError as error:
        problem = error
    return reading.anatomy(problem)


# --- Reading --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A section that is being read."""

    begin: SectionBegin
    payload: bytes = b""
    footer: bool = False
    end: int = 0


@dataclass(slots=True)
class _Memory:
    """The ``ram`` section from its START to its END, as one part."""

    begin: SectionBegin
    blocks: RamBlockList | None = None
    pages: dict[str, dict[str, int]] = field(default_factory=dict)
    end: int = 0


class _Reading:
    """Events become parts; sections wait for their descriptions, which stand at the very end."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.found: list[_Open | _Memory | Part] = []
        self.machine: str | None = None
        self.document: Mapping[str, Any] = {}
        self.memory: dict[int, _Memory] = {}
        self.commands: list[int] = []
        self.current: _Open | _Memory | None = None
        self.position = 0
        self.pieces = MAX_PIECES

    def take(self, event: Event) -> None:
        """Raises :class:`StreamError` beyond a limit."""
        self.position = event.offset
        if self.limit is not None and event.offset > self.limit:
            raise StreamError(event.offset, "", f"it is longer than {self.limit} bytes")
        if len(self.found) >= MAX_PARTS:
            raise StreamError(event.offset, "", f"it has more than {MAX_PARTS} parts")
        if isinstance(event, SectionBegin):
            self._begin(event)
        elif isinstance(event, Payload):
            if isinstance(self.current, _Open):
                self.current.payload = event.data
            self.position += len(event.data)
        elif isinstance(event, RamBlockList | RamPages):
            self._memory(event)
        elif isinstance(event, SectionEnd):
            self.position += 5 if event.footer else 0
            if self.current is not None:
                self.current.end = self.position
            if isinstance(self.current, _Open):
                self.current.footer = event.footer
            self.current = None
        else:
            self._whole(event)

    def _begin(self, begin: SectionBegin) -> None:
        self.position += len(bytes_of(begin))
        known = self.memory.get(begin.section_id)
        if known is not None and begin.type in (SectionType.PART, SectionType.END):
            self.current = known
        elif begin.type == SectionType.START and begin.idstr == "ram":
            self.current = self.memory[begin.section_id] = _Memory(begin)
            self.found.append(self.current)
        else:
            self.current = _Open(begin)
            self.found.append(self.current)

    def _memory(self, event: RamBlockList | RamPages) -> None:
        if isinstance(event, RamPages):
            self.position += len(event.data)
        if not isinstance(self.current, _Memory):
            return
        if isinstance(event, RamBlockList):
            self.position += len(bytes_of(event))
            self.current.blocks = event
            return
        pages = self.current.pages.setdefault(event.block, {})
        kind = event.kind.name.lower()
        pages[kind] = pages.get(kind, 0) + event.pages

    def _whole(self, event: Event) -> None:
        """A part that is one event."""
        kind: Kind | None = None
        if isinstance(event, FileHeader):
            kind = "header"
        elif isinstance(event, Configuration):
            kind, self.machine = "configuration", event.machine
        elif isinstance(event, Command):
            kind = "command"
            self.commands.append(event.number)
        elif isinstance(event, EndOfSections):
            kind = "end"
        elif isinstance(event, VmDescription):
            kind = "vmdescription"
            self.document = parse_vmdescription(event.text, event.offset)
        if kind is None:
            return
        content = bytes_of(event)
        self.position += len(content)
        kept = content[:KEPT_TEXT] if kind == "vmdescription" else content
        pieces = tuple(frame(FRAMES[kind](event), len(kept)))
        self.pieces -= len(pieces)
        name = _NAMES[kind]
        if isinstance(event, Command):
            name = f"command 0x{event.number:02x}"
        self.found.append(Part(kind, name, event.offset, len(content), kept, pieces))

    # What was read ------------------------------------------------------------------------------

    def anatomy(self, problem: StreamError | None) -> Anatomy:
        described = _Described(self.document)
        parts = []
        for item in self.found:
            if isinstance(item, Part):
                parts.append(item)
            elif isinstance(item, _Memory):
                parts.append(self._memory_part(item))
            else:
                parts.append(self._section(item, described))
        page_size = self.document.get("page_size")
        return Anatomy(
            parts=tuple(parts),
            machine=self.machine,
            page_size=page_size if isinstance(page_size, int) else None,
            length=max(self.position, problem.offset if problem else 0),
            memory=tuple(_blocks(self.memory.values())),
            commands=tuple(self.commands),
            problem=problem,
        )

    def _memory_part(self, item: _Memory) -> Part:
        head = bytes_of(item.begin)
        content = head + (bytes_of(item.blocks) if item.blocks is not None else b"")
        pieces = (*section_head(item.begin), *block_list(item.blocks, len(head)))
        size = max(item.end - item.begin.offset, len(content))
        return _part("memory", item.begin, size, content, pieces, None, (len(head), 0))

    def _section(self, item: _Open, described: _Described) -> Part:
        begin = item.begin
        device = described.take(begin)
        head = bytes_of(begin)
        footer = bytes_of(SectionEnd(0, begin.section_id, item.footer))
        content = head + item.payload + footer
        pieces = list(section_head(begin))
        pieces += self._fields(device, item, len(head))
        if footer:
            at = len(head) + len(item.payload)
            pieces += [
                Piece("footer", "frame", at, 1),
                Piece("section id", "uint32", at + 1, 4),
            ]
        span = (len(head), len(item.payload))
        return _part("section", begin, len(content), content, tuple(pieces), device, span)

    def _fields(self, device: Mapping[str, Any] | None, item: _Open, start: int) -> list[Piece]:
        size = len(item.payload)
        whole = [Piece("payload", "buffer", start, size)] if size else []
        if device is None or self.pieces <= 0:
            return whole
        try:
            layout = SentLayout(device, item.begin.idstr)
        except StreamError:
            return whole
        pieces = list(described_pieces(layout, item.payload, start))
        self.pieces -= len(pieces)
        return pieces if self.pieces > 0 else whole


class _Described:
    """The vmdescription's entries, taken in the order of the stream's sections."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._waiting: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for device in document.get("devices", ()):
            key = (device["name"], device["instance_id"])
            self._waiting.setdefault(key, []).append(device)

    def take(self, begin: SectionBegin) -> Mapping[str, Any] | None:
        if begin.type != SectionType.FULL:
            return None
        listed = self._waiting.get((begin.idstr, begin.instance_id))
        return listed.pop(0) if listed else None


def _part(
    kind: Kind,
    begin: SectionBegin,
    size: int,
    content: bytes,
    pieces: tuple[Piece, ...],
    device: Mapping[str, Any] | None,
    payload: tuple[int, int],
) -> Part:
    return Part(
        kind=kind,
        name=begin.idstr,
        offset=begin.offset,
        size=size,
        content=content,
        pieces=pieces,
        instance_id=begin.instance_id,
        section_id=begin.section_id,
        version_id=begin.version_id,
        payload=payload,
        device=device,
    )


def _blocks(memories: Any) -> Iterator[MemoryBlock]:
    for item in memories:
        for block in item.blocks.blocks if item.blocks is not None else ():
            yield MemoryBlock(block.name, block.length, item.pages.get(block.name, {}))
