"""The wire format: identical bytes again, and a clear error for every malformed input."""

import io
import lzma
import struct
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_streams import real_bytes, stream_files

from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Command,
    Configuration,
    ConfigurationSubsection,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    RamBlock,
    RamBlockList,
    RamFlag,
    RamMark,
    RamPages,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
    write_events,
)
from machines.emulator.stream import read_events
from machines.emulator.window import open_stream

BARE = real_bytes("bare")
LAST_RAM = next(  # where the guest memory's last part begins
    event.offset
    for event in read_events(io.BytesIO(BARE))
    if isinstance(event, SectionBegin) and event.type == SectionType.END
)


def rewrite(data: bytes) -> bytes:
    target = io.BytesIO()
    write_events(read_events(io.BytesIO(data)), target)
    return target.getvalue()


def written(*events: Event) -> bytes:
    target = io.BytesIO()
    write_events([FileHeader(0), *events, EndOfSections(0)], target)
    return target.getvalue()


def section(payload: bytes, number: int = 7, footer: bool = True) -> list[Event]:
    return [
        SectionBegin(0, SectionType.FULL, number, "foo", 0, 1),
        Payload(0, payload),
        SectionEnd(0, number, footer),
    ]


@pytest.mark.parametrize("path", stream_files(), ids=lambda path: "/".join(path.parts[-3:]))
def test_a_real_stream_is_written_as_it_was_read(path):
    target = io.BytesIO()
    with open_stream(path) as file:
        write_events(read_events(file), target)
    assert target.getvalue() == lzma.decompress(path.read_bytes())


def test_a_plain_file_is_read_like_a_packed_one(tmp_path):
    plain = tmp_path / "bare.mig"
    plain.write_bytes(BARE)
    with open_stream(plain) as file:
        assert sum(isinstance(event, Payload) for event in read_events(file)) > 20


@given(st.integers(0, len(BARE) - 1))
@settings(max_examples=60, deadline=None)
def test_a_stream_cut_off_anywhere_is_an_error_that_names_the_place(length):
    with pytest.raises(StreamError) as caught:
        rewrite(BARE[:length])
    assert 0 <= caught.value.offset <= length
    assert caught.value.problem


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_changed_byte_is_an_error_or_comes_out_again(data):
    start = data.draw(st.sampled_from([0, LAST_RAM, len(BARE) - 45_000]))
    at = data.draw(st.integers(start, min(start + 60_000, len(BARE) - 1)))
    changed = bytearray(BARE)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        assert rewrite(bytes(changed)) == changed
    except StreamError as error:
        assert error.problem


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_nonsense_after_the_header_is_an_error_or_comes_out_again(tail):
    data = BARE[:8] + tail
    try:
        assert rewrite(data) == data
    except StreamError as error:
        assert error.offset <= len(data)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
@settings(deadline=None)
def test_sections_without_a_vmdescription_end_at_their_footers(payloads):
    events = [item for number, data in enumerate(payloads) for item in section(data, number + 256)]
    data = written(*events)
    assert rewrite(data) == data


def test_every_kind_of_event_comes_out_again():
    ram = SectionBegin(0, SectionType.START, 2, "ram", 0, 4)
    more = SectionBegin(0, SectionType.END, 2, "ram", 0, 4)
    page = struct.pack(">Q", 0x1000 | RamFlag.PAGE | RamFlag.CONTINUE) + bytes(4096)
    packed = struct.pack(">QB", RamFlag.XBZRLE, 6) + b"pc.ram" + b"\1\0\3abc"
    data = written(
        Configuration(
            0,
            "pc-1.0",
            (
                ConfigurationSubsection(
                    "configuration/capabilities",
                    1,
                    b"\0\0\0\1\3foo",
                ),
                ConfigurationSubsection("configuration/target-page-bits", 1, b"\0\0\0\x0c"),
                ConfigurationSubsection("configuration/uuid", 1, bytes(range(16))),
            ),
        ),
        Command(0, 2, b"\0\0\0\1"),
        Command(0, 7, b"\0\0\0\3", b"abc"),
        ram,
        RamBlockList(0, 0x4000, (RamBlock("pc.ram", 0x4000),)),
        RamMark(0, RamFlag.EOS),
        SectionEnd(0, 2, True),
        more,
        RamPages(0, "pc.ram", RamFlag.XBZRLE, 1, packed),
        RamPages(0, "pc.ram", RamFlag.PAGE, 1, page),
        RamMark(0, RamFlag.MULTIFD_FLUSH),
        RamMark(0, RamFlag.EOS),
        SectionEnd(0, 2, True),
        *section(b"state"),
    )
    text = (
        b'{"devices": [{"name": "foo", "instance_id": 0, "fields": '
        b'[{"name": "x", "type": "buffer", "size": 5}]}]}'
    )
    data += struct.pack(">BI", 6, len(text)) + text
    assert rewrite(data) == data
    kinds = {type(event) for event in read_events(io.BytesIO(data))}
    assert {Command, Configuration, RamPages, RamMark, VmDescription} <= kinds


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"QEVN\0\0\0\3", "not a migration stream"),
        (b"QEVM\0\0\0\2", "unsupported stream version 2"),
        (b"QEVM\0\0\0\3\x2a", "unknown section type 0x2a"),
        (b"QEVM\0\0\0\3\x02\0\0\0\x09", "unknown section 9"),
        (b"QEVM\0\0\0\3\x07\xff\xff\xff\xff", "the machine type's name"),
        (written() + b"x", "where a vmdescription should be"),
        (written() + b"\x06\0\0\0\0y", "unexpected bytes"),
        (written(*section(b"abc", footer=False)), "tells where it ends"),
    ],
)
def test_what_is_wrong_is_said(data, problem):
    with pytest.raises(StreamError, match=problem):
        rewrite(data)


def test_a_page_outside_its_block_is_refused():
    begin = SectionBegin(0, SectionType.START, 2, "ram", 0, 4)
    blocks = RamBlockList(0, 0x1000, (RamBlock("pc.ram", 0x1000),))
    record = struct.pack(">QB", 0x1000 | RamFlag.ZERO, 6) + b"pc.ram\0"
    data = written(begin, blocks, RamPages(0, "pc.ram", RamFlag.ZERO, 1, record))
    with pytest.raises(StreamError, match="Illegal RAM offset"):
        rewrite(data)


class GuestMemory(io.RawIOBase):
    """A stream of a large guest that is made while it is read."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self._pieces = self._make(pages)
        self._rest = b""

    def _make(self, pages: int) -> Iterator[bytes]:
        begin = SectionBegin(0, SectionType.START, 2, "ram", 0, 4)
        blocks = RamBlockList(0, pages * 4096, (RamBlock("pc.ram", pages * 4096),))
        first = struct.pack(">QB", RamFlag.PAGE, 6) + b"pc.ram" + bytes(4096)
        yield written(begin, blocks)[:-1] + first
        page = b"\xa5" * 4096
        for number in range(1, pages):
            yield struct.pack(">Q", number << 12 | RamFlag.PAGE | RamFlag.CONTINUE) + page
        yield struct.pack(">QBIB", RamFlag.EOS, 0x7E, 2, 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def test_guest_memory_passes_through_without_being_collected():
    tracemalloc.start()
    pages = sum(
        event.pages for event in read_events(GuestMemory(16_384)) if isinstance(event, RamPages)
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pages == 16_384  # 64 MiB
    assert peak < 4 * 2**20
