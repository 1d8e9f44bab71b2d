"""QEMU's wire format: a migration stream as a sequence of events, and events as bytes again.

The format is that of migration/savevm.c, migration/vmstate.c and migration/ram.c (big endian).
:func:`read_events` never collects guest memory: pages pass through as :class:`RamPages` whose
bytes are valid only until the next event is asked for. Where a device section ends is not in the
stream itself; it follows from the vmdescription at the stream's end, so the part after the guest
memory is looked at as a whole (it is small, and limited by :data:`MAX_DEVICE_STATE`).

    >>> import io
    >>> begin = SectionBegin(0, SectionType.FULL, 7, "foo", 0, 1)
    >>> section = [begin, Payload(0, b"abc"), SectionEnd(0, 7, True)]
    >>> target = io.BytesIO()
    >>> write_events([FileHeader(0), *section, EndOfSections(0)], target)
    >>> [type(event).__name__ for event in read_events(io.BytesIO(target.getvalue()))]
    ['FileHeader', 'SectionBegin', 'Payload', 'SectionEnd', 'EndOfSections']

Every malformed input raises :class:`StreamError` with offset, section and problem.
"""

from __future__ import annotations

import io
import json
import lzma
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = 0x5145564D
FILE_VERSION = 3
FOOTER = 0x7E
TARGET_PAGE_SIZE = 4096

# Limits. A real machine with 27 devices has 100 kB of device state and 110 kB of vmdescription.
MAX_DEVICE_STATE = 40 * 2**20
MAX_SECTIONS = 100_000
MAX_RAM_BLOCKS = 10_000
MAX_MACHINE_NAME = 256
MAX_CAPABILITIES = 256
MAX_PACKAGE = 2**24  # migration/savevm.h, MAX_VM_CMD_PACKAGED_SIZE
MAX_DESCRIPTION_DEPTH = 32
MAX_DESCRIBED_BYTES = 2**40
MAX_XZ_MEMORY = 128 * 2**20
CHUNK = 2**18


class StreamError(ValueError):
    """The stream is at fault: ``offset`` in bytes, ``section`` its id string or ``""``."""

    def __init__(self, offset: int, section: str, problem: str) -> None:
        where = f"offset {offset}" + (f", section {section!r}" if section else "")
        super().__init__(f"{where}: {problem}")
        self.offset = offset
        self.section = section
        self.problem = problem


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


_PAGE_ALIGNED = bytes(range(0, 256, 16))  # a page address's second lowest byte
COMMAND_PACKAGED = 7  # migration/savevm.h, MIG_CMD_PACKAGED


# --- Events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileHeader:
    """Magic and version at the very beginning."""

    offset: int
    version: int = FILE_VERSION


@dataclass(frozen=True, slots=True)
class ConfigurationSubsection:
    """``configuration/capabilities`` and the like; ``payload`` are the bytes after the version."""

    name: str
    version_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Configuration:
    """The machine type's name, sent by machine types since 2.4."""

    offset: int
    machine: str
    subsections: tuple[ConfigurationSubsection, ...] = ()


@dataclass(frozen=True, slots=True)
class SectionBegin:
    """START, PART, END or FULL. For PART and END the names are those that START gave."""

    offset: int
    type: SectionType
    section_id: int
    idstr: str
    instance_id: int
    version_id: int


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of a section that is not guest memory."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RamBlock:
    """A block of guest memory; ``length`` in bytes, ``address`` only with x-ignore-shared."""

    name: str
    length: int
    address: int | None = None


@dataclass(frozen=True, slots=True)
class RamBlockList:
    """The block list that opens the ``ram`` section; ``total`` in bytes."""

    offset: int
    total: int
    blocks: tuple[RamBlock, ...]


@dataclass(frozen=True, slots=True)
class RamPages:
    """Page records of one block, as sent. ``data`` is valid until the next event is read.

    ``kind`` is the flag that all of them share, ``data`` the records including addresses.
    """

    offset: int
    block: str
    kind: RamFlag
    count: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class RamMark:
    """A record without a page: end of a round (EOS), multifd flush, RDMA hook."""

    offset: int
    flags: int


@dataclass(frozen=True, slots=True)
class SectionEnd:
    """The end of a section; ``footer`` tells whether a footer was there."""

    offset: int
    section_id: int
    footer: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command to the destination; ``package`` is the enclosed stream of PACKAGED."""

    offset: int
    number: int
    data: bytes
    package: bytes = b""


@dataclass(frozen=True, slots=True)
class EndOfSections:
    """The EOF byte: only a vmdescription may follow."""

    offset: int


@dataclass(frozen=True, slots=True)
class VmDescription:
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


# --- Files --------------------------------------------------------------------------------------


class _XzFile(io.RawIOBase):
    """An .xz file that needs at most :data:`MAX_XZ_MEMORY` to unpack."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        self._raw = raw
        self._name = name
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._more(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        try:
            while not self._decoder.eof:
                packed = self._raw.read(CHUNK) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not packed:
                    raise StreamError(0, "", f"{self._name}: the .xz file is cut off")
                data = self._decoder.decompress(packed, max_length=size)
                if data:
                    return data
        except lzma.LZMAError as error:
            raise StreamError(0, "", f"{self._name}: not a readable .xz file ({error})") from error
        return b""

    def close(self) -> None:
        self._raw.close()
        super().close()


def open_stream(path: Path) -> BinaryIO:
    """Open a stream's file for reading, plain or .xz (told by its content, not by its name)."""
    raw = path.open("rb", buffering=0)
    magic = raw.read(6)
    raw.seek(0)
    if magic == b"\xfd7zXZ\x00":
        return _XzFile(raw, path.name)  # type: ignore[return-value]  # a RawIOBase reads bytes too
    return raw


# --- Reading ------------------------------------------------------------------------------------


class _Source:
    """A window on the input: ``buffer[position:filled]`` is read but not yet consumed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.buffer = bytearray(CHUNK)
        self.position = 0
        self.filled = 0
        self._base = 0  # the stream's offset of buffer[0]
        self.ended = False
        self.section = ""

    @property
    def offset(self) -> int:
        return self._base + self.position

    def error(self, problem: str) -> StreamError:
        return StreamError(self.offset, self.section, problem)

    def available(self) -> int:
        return self.filled - self.position

    def fill(self, wanted: int) -> int:
        """Have ``wanted`` bytes in the window if the input has them; tells how many there are."""
        if self.available() >= wanted:
            return self.available()
        self._make_room(wanted)
        with memoryview(self.buffer) as view:
            while self.available() < wanted and not self.ended:
                got = self._file.readinto(view[self.filled :])  # type: ignore[attr-defined]
                if not got:
                    self.ended = True
                self.filled += got or 0
        return self.available()

    def _make_room(self, wanted: int) -> None:
        """Move what is unread to the front of a buffer that is large enough (never shrinking)."""
        rest = self.available()
        if self.position + wanted > len(self.buffer):
            size = max(len(self.buffer), 2 * wanted if wanted > CHUNK else CHUNK)
            fresh = self.buffer if size == len(self.buffer) else bytearray(size)
            fresh[:rest] = self.buffer[self.position : self.filled]
            self.buffer = fresh
            self._base += self.position
            self.position, self.filled = 0, rest

    def need(self, count: int) -> int:
        """The window's position of the next ``count`` bytes, which are then consumed."""
        if self.filled - self.position < count and self.fill(count) < count:
            raise StreamError(
                self._base + self.filled, self.section, f"cut off: {count} more bytes are needed"
            )
        start = self.position
        self.position += count
        return start

    def u8(self) -> int:
        return self.buffer[self.need(1)]

    def be16(self) -> int:
        return int(struct.unpack_from(">H", self.buffer, self.need(2))[0])

    def be32(self) -> int:
        return int(struct.unpack_from(">I", self.buffer, self.need(4))[0])

    def be64(self) -> int:
        return int(struct.unpack_from(">Q", self.buffer, self.need(8))[0])

    def take(self, count: int) -> bytes:
        start = self.need(count)
        return bytes(self.buffer[start : start + count])

    def name(self, what: str) -> str:
        """A name with a length byte before it, in printable ASCII as QEMU's are."""
        return self.text(self.u8(), what)

    def text(self, length: int, what: str) -> str:
        at = self.offset
        raw = self.take(length)
        if not raw.isascii() or not raw.decode("ascii", "replace").isprintable():
            raise StreamError(at, self.section, f"{what} is not a name: {raw[:32]!r}")
        return raw.decode("ascii")

    def peek(self) -> int | None:
        """The next byte, None at the end."""
        if self.position < self.filled or self.fill(1):
            return self.buffer[self.position]
        return None

    def rest(self, limit: int) -> int | None:
        """How many bytes remain; None when they are more than ``limit``."""
        size = CHUNK
        while not self.ended and self.available() < limit:
            self.fill(min(limit, size))
            size = max(2 * size, self.available() + 1)
        if not self.ended:
            self.fill(self.available() + 1)
        return self.available() if self.ended else None


@dataclass(slots=True)
class _Open:
    """A section that START announced."""

    begin: SectionBegin
    blocks: dict[str, RamBlock]
    last_block: str = ""


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.source = _Source(file)
        self.open: dict[int, _Open] = {}
        self.ended: set[int] = set()
        self.count = 0
        self.footers: bool | None = None
        self.page_size = TARGET_PAGE_SIZE
        self.ignore_shared = False
        self.sizes: _Sizes | None = None
        self.looked_ahead = False

    def events(self) -> Iterator[Event]:
        source = self.source
        yield self._header()
        while True:
            source.section = ""
            offset = source.offset
            kind = source.u8()
            if kind == SectionType.EOF:
                yield EndOfSections(offset)
                break
            if kind == SectionType.CONFIGURATION:
                yield self._configuration(offset)
            elif kind == SectionType.COMMAND:
                yield self._command(offset)
            elif kind in (SectionType.START, SectionType.FULL):
                yield from self._section(self._begin(offset, SectionType(kind)))
            elif kind in (SectionType.PART, SectionType.END):
                yield from self._section(self._resume(offset, SectionType(kind)))
            else:
                raise StreamError(offset, "", f"unknown section type 0x{kind:02x}")
        if source.peek() is not None:
            yield self._vmdescription()
        if source.peek() is not None:
            raise source.error("unexpected bytes after the vmdescription")

    def _header(self) -> FileHeader:
        source = self.source
        magic = source.be32()
        if magic != MAGIC:
            raise StreamError(0, "", f"not a migration stream (magic 0x{magic:08x})")
        version = source.be32()
        if version != FILE_VERSION:
            raise StreamError(4, "", f"unsupported stream version {version}")
        return FileHeader(0, version)

    def _configuration(self, offset: int) -> Configuration:
        source = self.source
        source.section = "configuration"
        length = source.be32()
        if length > MAX_MACHINE_NAME:
            raise source.error(f"the machine type's name has {length} characters")
        machine = source.text(length, "the machine type")
        subsections = []
        while source.peek() == SectionType.SUBSECTION:
            source.u8()
            subsections.append(self._configuration_subsection())
        return Configuration(offset, machine, tuple(subsections))

    def _configuration_subsection(self) -> ConfigurationSubsection:
        """Their layouts are those of migration/savevm.c (no size is in the stream)."""
        source = self.source
        name = source.name("the subsection")
        version = source.be32()
        start = source.offset
        if name == "configuration/target-page-bits":
            bits = source.be32()
            if not 10 <= bits <= 20:
                raise StreamError(start, "configuration", f"target page bits {bits} out of range")
            self.page_size = 1 << bits
            payload = struct.pack(">I", bits)
        elif name == "configuration/capabilities":
            payload = self._capabilities()
        elif name == "configuration/uuid":
            payload = source.take(16)
        else:
            raise StreamError(start, "configuration", f"unknown subsection {name!r}")
        return ConfigurationSubsection(name, version, payload)

    def _capabilities(self) -> bytes:
        source = self.source
        count = source.be32()
        if count > MAX_CAPABILITIES:
            raise source.error(f"{count} capabilities are more than {MAX_CAPABILITIES}")
        payload = [struct.pack(">I", count)]
        for _ in range(count):
            capability = source.name("the capability")
            if capability == "mapped-ram":
                raise source.error("guest memory is sent as mapped-ram, which is not supported")
            self.ignore_shared |= capability == "x-ignore-shared"
            payload.append(_name_bytes(capability))
        return b"".join(payload)

    def _command(self, offset: int) -> Command:
        source = self.source
        source.section = "command"
        number = source.be16()
        data = source.take(source.be16())
        package = b""
        if number == COMMAND_PACKAGED:
            if len(data) != 4:
                raise source.error(f"a package's length has {len(data)} bytes, not 4")
            length = int.from_bytes(data, "big")
            if length > MAX_PACKAGE:
                raise source.error(f"a package of {length} bytes is larger than {MAX_PACKAGE}")
            package = source.take(length)
        return Command(offset, number, data, package)

    def _begin(self, offset: int, kind: SectionType) -> SectionBegin:
        source = self.source
        self.count += 1
        if self.count > MAX_SECTIONS:
            raise source.error(f"more than {MAX_SECTIONS} sections")
        section_id = source.be32()
        idstr = source.name("the section")
        source.section = idstr
        begin = SectionBegin(offset, kind, section_id, idstr, source.be32(), source.be32())
        if kind == SectionType.START:
            if section_id in self.open:
                raise source.error(f"section {section_id} is started twice")
            self.open[section_id] = _Open(begin, {})
        return begin

    def _resume(self, offset: int, kind: SectionType) -> SectionBegin:
        section_id = self.source.be32()
        known = self.open.get(section_id)
        if known is None or section_id in self.ended:
            raise StreamError(offset, "", f"unknown section {section_id}")
        started = known.begin
        self.source.section = started.idstr
        if kind == SectionType.END:
            self.ended.add(section_id)
            self.looked_ahead = False
        return SectionBegin(
            offset, kind, section_id, started.idstr, started.instance_id, started.version_id
        )

    def _section(self, begin: SectionBegin) -> Iterator[Event]:
        yield begin
        if begin.idstr == "ram" and begin.section_id in self.open:
            yield from self._ram(self.open[begin.section_id])
        else:
            yield self._payload(begin)
        yield self._end(begin)

    # Where a payload ends --------------------------------------------------------------------

    def _payload(self, begin: SectionBegin) -> Payload:
        source = self.source
        offset = source.offset
        if not self.looked_ahead:
            # Once per device part: what follows the last START's END is device state.
            self.looked_ahead = True
            if set(self.open) <= self.ended:
                self.sizes = self._described_sizes()
        size = None
        if self.sizes is not None and begin.type == SectionType.FULL:
            size = self.sizes.take(begin)
            if size is None:
                raise source.error("the vmdescription does not describe this section")
        elif self.footers is not False:
            size = self._search_footer(begin)
        if size is None:
            raise source.error("neither a vmdescription nor a footer tells where it ends")
        return Payload(offset, source.take(size))

    def _described_sizes(self) -> _Sizes | None:
        """The sizes from the vmdescription at the end, when the rest is small and has one.

        The vmdescription is JSON, which has no control characters: its header is found from the
        end, as the last byte 6 that is followed by exactly the length of what remains.
        """
        source = self.source
        if source.rest(MAX_DEVICE_STATE) is None:
            return None
        at = source.filled
        for _ in range(6):  # the length's four bytes may be 6 too
            at = source.buffer.rfind(b"\x06", source.position, at)
            if at < 0 or at + 5 > source.filled:
                continue
            length = int.from_bytes(source.buffer[at + 1 : at + 5], "big")
            if length == source.filled - at - 5:
                text = bytes(source.buffer[at + 5 : source.filled])
                return _Sizes(parse_vmdescription(text, source.offset + at - source.position))
        return None

    def _search_footer(self, begin: SectionBegin) -> int | None:
        """The distance to this section's footer, where a plausible section header follows."""
        source = self.source
        footer = struct.pack(">BI", FOOTER, begin.section_id)
        start, window = 0, CHUNK
        while True:
            source.fill(window)
            found = source.buffer.find(footer, source.position + start, source.filled)
            while found >= 0:
                end = found - source.position
                if self._plausible(end + 5):
                    return end
                found = source.buffer.find(footer, found + 1, source.filled)
            if source.ended:
                return None
            if source.available() > MAX_DEVICE_STATE:
                raise source.error(f"no footer within {MAX_DEVICE_STATE} bytes")
            start, window = max(0, source.available() - 4), 2 * source.available()

    def _plausible(self, ahead: int) -> bool:
        """Whether a section could begin ``ahead`` bytes from here."""
        source = self.source
        available = source.fill(ahead + 10) - ahead
        if available <= 0:
            return source.ended and available == 0
        at = source.position + ahead
        kind = source.buffer[at]
        if kind in (SectionType.START, SectionType.FULL):
            length = source.buffer[at + 5] if available > 5 else 0
            source.fill(ahead + 6 + length)
            at = source.position + ahead
            name = bytes(source.buffer[at + 6 : at + 6 + length])
            return length > 0 and name.isascii() and name.decode().isprintable()
        return kind in (
            SectionType.EOF,
            SectionType.PART,
            SectionType.END,
            SectionType.COMMAND,
        )

    def _end(self, begin: SectionBegin) -> SectionEnd:
        source = self.source
        offset = source.offset
        if source.peek() == FOOTER:
            source.u8()
            section_id = source.be32()
            if section_id != begin.section_id:
                raise StreamError(
                    offset,
                    begin.idstr,
                    f"the footer is of section {section_id}, not {begin.section_id}",
                )
            self.footers = True
            return SectionEnd(offset, section_id, True)
        if self.footers:
            raise StreamError(offset, begin.idstr, "Missing section footer")
        self.footers = False
        return SectionEnd(offset, begin.section_id, False)

    # Guest memory ----------------------------------------------------------------------------

    def _ram(self, section: _Open) -> Iterator[Event]:
        source = self.source
        while True:
            offset = source.offset
            word = source.be64()
            flags = word & (self.page_size - 1)
            if flags & RamFlag.MEM_SIZE:
                yield self._ram_blocks(offset, word & ~(self.page_size - 1), section)
            elif flags & (RamFlag.ZERO | RamFlag.PAGE | RamFlag.XBZRLE | RamFlag.COMPRESS_PAGE):
                source.position -= 8
                yield self._ram_record(offset, section)
                yield from self._ram_runs(section)
            elif flags in (RamFlag.EOS, RamFlag.MULTIFD_FLUSH, RamFlag.HOOK):
                if word != flags:
                    raise StreamError(offset, source.section, f"address in record 0x{word:x}")
                yield RamMark(offset, flags)
                if flags == RamFlag.EOS:
                    return
            else:
                raise StreamError(offset, source.section, f"unknown page flags 0x{flags:x}")

    def _ram_blocks(self, offset: int, total: int, section: _Open) -> RamBlockList:
        source = self.source
        blocks: list[RamBlock] = []
        announced = 0
        while announced < total:
            if len(blocks) >= MAX_RAM_BLOCKS:
                raise source.error(f"more than {MAX_RAM_BLOCKS} RAM blocks")
            name = source.name("the RAM block")
            length = source.be64()
            address = source.be64() if self.ignore_shared else None
            if length == 0 or length > total - announced:
                raise source.error(f"RAM block {name!r} of {length} bytes exceeds the total")
            announced += length
            blocks.append(RamBlock(name, length, address))
        section.blocks = {block.name: block for block in blocks}
        return RamBlockList(offset, total, tuple(blocks))

    def _ram_record(self, offset: int, section: _Open) -> RamPages:
        """One record with any of the flags of migration/ram.c, block name included."""
        source = self.source
        start = source.offset
        word = source.be64()
        address, flags = word & ~(self.page_size - 1), word & (self.page_size - 1)
        head = struct.pack(">Q", word)
        if not flags & RamFlag.CONTINUE:
            section.last_block = source.name("the RAM block")
            head += _name_bytes(section.last_block)
        block = section.blocks.get(section.last_block)
        if block is None:
            raise StreamError(start, source.section, f"Unknown ramblock {section.last_block!r}")
        if address + self.page_size > block.length:
            raise StreamError(
                start, source.section, f"Illegal RAM offset 0x{address:x} in {block.name!r}"
            )
        kind, body = self._ram_body(flags & ~RamFlag.CONTINUE)
        return RamPages(offset, block.name, kind, 1, head + body)

    def _ram_body(self, flags: int) -> tuple[RamFlag, bytes]:
        source = self.source
        if flags == RamFlag.ZERO:
            return RamFlag.ZERO, source.take(1)
        if flags == RamFlag.PAGE:
            return RamFlag.PAGE, source.take(self.page_size)
        if flags == RamFlag.XBZRLE:
            encoding, length = source.take(1), source.be16()
            if length > self.page_size:
                raise source.error(f"an XBZRLE page of {length} bytes")
            return RamFlag.XBZRLE, encoding + struct.pack(">H", length) + source.take(length)
        if flags == RamFlag.COMPRESS_PAGE:
            length = source.be32()
            if length > 2 * self.page_size:
                raise source.error(f"a compressed page of {length} bytes")
            return RamFlag.COMPRESS_PAGE, struct.pack(">I", length) + source.take(length)
        raise source.error(f"unknown page flags 0x{flags:x}")

    def _ram_runs(self, section: _Open) -> Iterator[RamPages]:
        """Pages of the same block and kind, as many as the window holds at a time.

        Nearly all of a stream is such runs, so they are checked many at a time.
        """
        source = self.source
        length = section.blocks[section.last_block].length
        for kind, body in ((RamFlag.ZERO, 1), (RamFlag.PAGE, self.page_size)):
            while True:
                stride = 8 + body
                if source.available() < stride:
                    source.fill(stride)
                offset, start = source.offset, source.position
                count = self._run(kind | RamFlag.CONTINUE, stride, length)
                if not count:
                    break
                source.position += count * stride
                with memoryview(source.buffer) as view:
                    data = view[start : source.position]
                    yield RamPages(offset, section.last_block, kind, count, data)
                    data.release()

    def _run(self, flags: int, stride: int, length: int) -> int:
        """How many whole records with exactly these flags begin the window."""
        source = self.source
        most = source.available() // stride
        start = source.position
        if not most or source.buffer[start + 7] != flags & 0xFF:
            return 0
        low = source.buffer[start + 7 : start + most * stride : stride]
        count = len(low) - len(low.lstrip(bytes((flags & 0xFF,))))
        if self._all_inside(start, start + count * stride, stride, length):
            return count
        with memoryview(source.buffer) as view, view[start : start + count * stride] as run:
            for index, (word,) in enumerate(struct.iter_unpack(f">Q{stride - 8}x", run)):
                if word & (self.page_size - 1) != flags:
                    return index
                if word - flags + self.page_size > length:
                    raise StreamError(
                        source.offset + index * stride,
                        source.section,
                        f"Illegal RAM offset 0x{word - flags:x}",
                    )
        return count

    def _all_inside(self, start: int, end: int, stride: int, length: int) -> bool:
        """Whether all these addresses are pages of a block of 16 MiB or a multiple of it.

        One column of bytes at a time, so without looking at each record; False where that cannot
        tell.
        """
        last = (length >> 24) - 1
        if length & 0xFFFFFF or not 0 <= last <= 0xFF or self.page_size != TARGET_PAGE_SIZE:
            return False
        buffer = self.source.buffer
        return not (
            any(buffer[start + column : end : stride].strip(b"\0") for column in range(4))
            or buffer[start + 4 : end : stride].translate(None, bytes(range(last + 1)))
            or buffer[start + 6 : end : stride].translate(None, _PAGE_ALIGNED)
        )

    def _vmdescription(self) -> VmDescription:
        source = self.source
        source.section = "vmdescription"
        offset = source.offset
        kind = source.u8()
        if kind != SectionType.VMDESCRIPTION:
            raise StreamError(offset, "", f"byte 0x{kind:02x} where a vmdescription should be")
        length = source.be32()
        if length > MAX_DEVICE_STATE:
            raise source.error(f"a vmdescription of {length} bytes is larger than allowed")
        return VmDescription(offset, source.take(length))


def read_events(file: BinaryIO) -> Iterator[Event]:
    """The events of a stream, in order. Raises :class:`StreamError`.

    ``file`` needs ``readinto``; what :func:`open_stream` returns, a socket's file and
    :class:`io.BytesIO` have it.
    """
    return _Reader(file).events()


# --- The vmdescription --------------------------------------------------------------------------


@lru_cache(maxsize=16)
def parse_vmdescription(text: bytes, offset: int) -> Mapping[str, Any]:
    """The vmdescription's JSON. Raises :class:`StreamError` unless it has the expected form.

    The last ones are kept, as it is asked for twice (where sections end, what is in them) and is
    often the same for many streams: nobody may change what this returns.
    """
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise StreamError(offset, "vmdescription", "nests too deeply") from error
    except ValueError as error:
        raise StreamError(offset, "vmdescription", f"is not JSON: {error}") from error
    devices = document.get("devices") if isinstance(document, dict) else None
    if not isinstance(devices, list):
        raise StreamError(offset, "vmdescription", "has no list of devices")
    for number, device in enumerate(devices):
        if not (
            isinstance(device, dict)
            and isinstance(device.get("name"), str)
            and isinstance(device.get("instance_id"), int)
        ):
            raise StreamError(offset, "vmdescription", f"device {number} has no name or instance")
    return document  # type: ignore[no-any-return]  # checked above


class _Sizes:
    """Payload sizes by section, taken in the order in which the description lists them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._devices: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for device in document["devices"]:
            self._devices.setdefault((device["name"], device["instance_id"]), []).append(device)

    def take(self, begin: SectionBegin) -> int | None:
        listed = self._devices.get((begin.idstr, begin.instance_id))
        if not listed:
            return None
        return described_size(listed.pop(0), begin.idstr, begin.offset)


def described_size(device: Mapping[str, Any], section: str, offset: int = 0) -> int:
    """How many bytes a described section, subsection or structure takes on the wire.

    ``section`` and ``offset`` only name the place of a malformed description in the
    :class:`StreamError` that it raises.
    """
    try:
        size = _described_size(device, 0)
    except (KeyError, TypeError, AttributeError, ValueError, struct.error) as error:
        raise StreamError(
            offset, section, f"its vmdescription is malformed ({type(error).__name__}: {error})"
        ) from error
    if not 0 <= size < MAX_DESCRIBED_BYTES:
        raise StreamError(offset, section, f"its vmdescription gives it {size} bytes")
    return size


def _described_size(description: Mapping[str, Any], depth: int) -> int:
    if depth > MAX_DESCRIPTION_DEPTH:
        raise TypeError("it nests too deeply")
    size = 0
    for field in description.get("fields", ()):
        nested = field.get("struct")
        each = field["size"] if nested is None else _described_size(nested, depth + 1)
        length = field.get("array_len", 1)
        if type(each) is not int or type(length) is not int or each < 0 or length < 0:
            raise TypeError(f"field {field.get('name')!r:.60} has no size")
        if type(field["name"]) is not str or type(field["type"]) is not str:
            raise TypeError("a field's name or type is not a text")
        size += each * length
    for subsection in description.get("subsections", ()):
        header = encode_subsection_header(subsection["vmsd_name"], subsection["version"])
        size += len(header) + _described_size(subsection, depth + 1)
    return size


# --- Writing ------------------------------------------------------------------------------------


def _name_bytes(name: str) -> bytes:
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
            yield _name_bytes(event.idstr) + struct.pack(">II", event.instance_id, event.version_id)
    elif isinstance(event, Payload | RamPages):
        yield event.data
    elif isinstance(event, RamBlockList):
        yield struct.pack(">Q", event.total | RamFlag.MEM_SIZE)
        for block in event.blocks:
            yield _name_bytes(block.name) + struct.pack(">Q", block.length)
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
    return bytes((SectionType.SUBSECTION,)) + _name_bytes(name) + struct.pack(">I", version_id)


def write_events(events: Iterable[Event], file: BinaryIO) -> None:
    """Write events to a file; reading a stream and writing its events gives identical bytes."""
    for event in events:
        for piece in encode(event):
            file.write(piece)
