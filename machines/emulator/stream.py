"""Reading QEMU's wire format: a migration stream as a sequence of events.

The format is that of migration/savevm.c; :mod:`machines.emulator.events` writes events again.
:func:`read_events` never collects guest memory: pages pass through as :class:`RamPages` whose
bytes are valid only until the next event is asked for. Where a device section ends is not in the
stream itself; it follows from the vmdescription at the stream's end, so the part after the guest
memory is looked at as a whole (it is small, and limited by :data:`MAX_DEVICE_STATE`).

    >>> import io
    >>> from machines.emulator.events import write_events
    >>> begin = SectionBegin(0, SectionType.FULL, 7, "foo", 0, 1)
    >>> section = [begin, Payload(0, b"abc"), SectionEnd(0, 7, True)]
    >>> target = io.BytesIO()
    >>> write_events([FileHeader(0), *section, EndOfSections(0)], target)
    >>> [type(event).__name__ for event in read_events(io.BytesIO(target.getvalue()))]
    ['FileHeader', 'SectionBegin', 'Payload', 'SectionEnd', 'EndOfSections']

Every malformed input raises :class:`StreamError` with offset, section and problem.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from machines.emulator import refusals
from machines.emulator.errors import StreamError
from machines.emulator.events import (
    COMMAND_PACKAGED,
    FILE_VERSION,
    FOOTER,
    MAGIC,
    Command,
    Configuration,
    ConfigurationSubsection,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
    name_bytes,
)
from machines.emulator.memory import TARGET_PAGE_SIZE, GuestMemory
from machines.emulator.vmdescription import PayloadSizes, parse_vmdescription
from machines.emulator.window import CHUNK, Window

# Limits. A real machine with 27 devices has 100 kB of device state and 110 kB of vmdescription.
MAX_DEVICE_STATE = 40 * 2**20
MAX_SECTIONS = 100_000
MAX_MACHINE_NAME = 256
MAX_CAPABILITIES = 256
MAX_PACKAGE = 2**24  # migration/savevm.h, MAX_VM_CMD_PACKAGED_SIZE

#: What a section's header looks like where nothing else tells where one begins.
MAX_SECTION_ID = 2**16
SECTION_NAME = re.compile(rb"[A-Za-z0-9][\w./:,@ -]+")


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.source = Window(file)
        self.started: dict[int, SectionBegin] = {}
        self.memory: dict[int, GuestMemory] = {}
        self.ended: set[int] = set()
        self.count = 0
        self.footers: bool | None = None
        self.page_size = TARGET_PAGE_SIZE
        self.ignore_shared = False
        self.sizes: PayloadSizes | None = None
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
            payload.append(name_bytes(capability))
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
            if section_id in self.started:
                raise source.error(f"section {section_id} is started twice")
            self.started[section_id] = begin
            if idstr == "ram":
                self.memory[section_id] = GuestMemory(source, self.page_size, self.ignore_shared)
        return begin

    def _resume(self, offset: int, kind: SectionType) -> SectionBegin:
        section_id = self.source.be32()
        started = self.started.get(section_id)
        if started is None or section_id in self.ended:
            raise StreamError(offset, "", f"unknown section {section_id}")
        self.source.section = started.idstr
        if kind == SectionType.END:
            self.ended.add(section_id)
            self.looked_ahead = False
        return SectionBegin(
            offset, kind, section_id, started.idstr, started.instance_id, started.version_id
        )

    def _section(self, begin: SectionBegin) -> Iterator[Event]:
        yield begin
        memory = None if begin.type == SectionType.FULL else self.memory.get(begin.section_id)
        if memory is not None:
            yield from memory.records()
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
            if self.started.keys() <= self.ended:
                self.sizes = self._described_sizes()
        size = None
        if self.sizes is not None and begin.type == SectionType.FULL:
            size = self.sizes.take(begin)
            if size is None:
                raise source.error("the vmdescription does not describe this section")
        elif self.footers is not False:
            size = self._search_footer(begin)
        else:
            size = self._search_header()
        if size is None:
            raise source.error("neither a vmdescription nor a footer tells where it ends")
        return Payload(offset, source.take(size))

    def _described_sizes(self) -> PayloadSizes | None:
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
                return PayloadSizes(parse_vmdescription(text, source.offset + at - source.position))
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
            if source.available() > MAX_DEVICE_STATE:
                raise source.error(f"no footer within {MAX_DEVICE_STATE} bytes")
            if source.ended:
                return None
            start = max(0, source.available() - 4)
            window = min(2 * source.available(), MAX_DEVICE_STATE + CHUNK)

    def _search_header(self) -> int | None:
        """The distance to the next section, or to the end of all, where nothing else tells it.

        Machine types before 2.3 send neither footers nor a vmdescription. Their sections begin
        with an id that was not there before and a name, which no state looks like.
        """
        source = self.source
        if source.rest(MAX_DEVICE_STATE) is None:
            return None
        at = source.position
        while (at := source.buffer.find(SectionType.FULL, at, source.filled)) >= 0:
            if self._begins_at(at):
                return at - source.position
            at += 1
        last = source.filled - 1
        return last - source.position if source.buffer[last] == SectionType.EOF else None

    def _begins_at(self, at: int) -> bool:
        buffer = self.source.buffer
        section_id = int.from_bytes(buffer[at + 1 : at + 5], "big")
        length = buffer[at + 5] if at + 5 < self.source.filled else 0
        end = at + 6 + length
        name = bytes(buffer[at + 6 : end])
        instance, version = (
            int.from_bytes(buffer[here : here + 4], "big") for here in (end, end + 4)
        )
        return (
            section_id < MAX_SECTION_ID
            and section_id not in self.started
            and SECTION_NAME.fullmatch(name) is not None
            and end + 8 < self.source.filled
            and max(instance, version) < MAX_SECTION_ID
        )

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
            raise StreamError(offset, begin.idstr, refusals.missing_footer(begin.idstr))
        self.footers = False
        return SectionEnd(offset, begin.section_id, False)

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

    ``file`` needs ``readinto``; what ``window.open_stream`` returns, a socket's file and
    :class:`io.BytesIO` have it.
    """
    return _Reader(file).events()
