"""A damaged stream, whatever the damage, is decoded or refused by name, in bounded memory."""

import io
import json
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.emulator.decode import decode_stream
from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Command,
    Configuration,
    ConfigurationSubsection,
    EndOfSections,
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
    encode_subsection_header,
    write_events,
)

DESCRIBED = {
    "page_size": 4096,
    "devices": [
        {
            "name": "foo",
            "instance_id": 3,
            "vmsd_name": "foo",
            "version": 2,
            "fields": [
                {"name": "irq", "type": "uint8", "size": 1},
                {"name": "regs", "array_len": 4, "type": "uint16", "size": 2},
                {"name": "opaque", "type": "virtio", "size": 3},
                {
                    "name": "fifo",
                    "array_len": 2,
                    "type": "struct",
                    "size": 1,
                    "struct": {"fields": [{"name": "byte", "type": "int8", "size": 1}]},
                },
            ],
            "subsections": [
                {
                    "vmsd_name": "foo/timer",
                    "version": 1,
                    "fields": [{"name": "at", "type": "timer", "size": 8}],
                }
            ],
        }
    ],
}


def small_stream(described: dict = DESCRIBED, payload: bytes | None = None) -> bytes:
    """One of everything that a stream may hold, in less than a kilobyte."""
    ram = SectionBegin(0, SectionType.START, 2, "ram", 0, 4)
    end = SectionBegin(0, SectionType.END, 2, "ram", 0, 4)
    zero = struct.pack(">QB", RamFlag.ZERO, 6) + b"pc.ram\0"
    if payload is None:
        payload = bytes(range(14)) + encode_subsection_header("foo/timer", 1) + bytes(8)
    capabilities = ConfigurationSubsection("configuration/capabilities", 1, b"\0\0\0\1\3foo")
    text = json.dumps(described).encode()
    file = io.BytesIO()
    write_events(
        [
            FileHeader(0),
            Configuration(0, "pc-q35-1.0", (capabilities,)),
            Command(0, 2, b"\0\0\0\1"),
            *(ram, RamBlockList(0, 0x2000, (RamBlock("pc.ram", 0x2000),))),
            *(RamMark(0, RamFlag.EOS), SectionEnd(0, 2, True)),
            *(end, RamPages(0, "pc.ram", RamFlag.ZERO, 1, zero)),
            *(RamMark(0, RamFlag.EOS), SectionEnd(0, 2, True)),
            SectionBegin(0, SectionType.FULL, 7, "foo", 3, 2),
            *(Payload(0, payload), SectionEnd(0, 7, True)),
            *(EndOfSections(0), VmDescription(0, text)),
        ],
        file,
    )
    return file.getvalue()


SMALL = small_stream()
WHOLE = decode_stream(io.BytesIO(SMALL))
#: Without its vmdescription a stream is whole, too.
BEFORE_DESCRIPTION = SMALL.index(b"\6" + struct.pack(">I", len(json.dumps(DESCRIBED))))


def decoded_or_refused(data: bytes) -> dict | None:
    try:
        return decode_stream(io.BytesIO(data))
    except StreamError as error:
        assert 0 <= error.offset <= len(data)
        assert error.problem
        return None


def test_the_small_stream_is_whole() -> None:
    (section,) = WHOLE["sections"]
    values = [field.get("value", field.get("values")) for field in section["fields"][:3]]
    assert values == [0, [0x0102, 0x0304, 0x0506, 0x0708], "090a0b"]
    assert [item["name"] for item in section["subsections"]] == ["foo/timer"]


def test_every_cut_is_refused_at_its_place() -> None:
    for length in range(len(SMALL)):
        decoded = decoded_or_refused(SMALL[:length])
        assert (decoded is not None) == (length == BEFORE_DESCRIPTION), length


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_decoded_or_refused(change: int) -> None:
    changed = bytearray(SMALL)
    for at, byte in enumerate(SMALL):
        changed[at] = byte ^ change
        decoded_or_refused(bytes(changed))
        changed[at] = byte


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_bytes_lost_and_bytes_inserted_are_decoded_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(8, len(SMALL)))
    lost = data.draw(st.integers(0, 20))
    inserted = data.draw(st.binary(max_size=20))
    decoded_or_refused(SMALL[:at] + inserted + SMALL[at + lost :])


@given(st.sampled_from(["size", "array_len", "version", "instance_id"]), st.data())
@settings(max_examples=100, deadline=None)
def test_a_number_of_the_vmdescription_may_be_anything(key: str, data: st.DataObject) -> None:
    text = json.dumps(DESCRIBED)
    places = [at for at in range(len(text)) if text.startswith(f'"{key}": ', at)]
    begin = data.draw(st.sampled_from(places)) + len(key) + 4
    end = min(text.find(mark, begin) % len(text) for mark in ",}")
    value = data.draw(st.none() | st.integers() | st.floats() | st.text(max_size=3))
    described = json.loads(text[:begin] + json.dumps(value) + text[end:])
    decoded_or_refused(small_stream(described))


@pytest.mark.parametrize(
    "field",
    [
        {"name": "x", "type": "buffer", "size": 0, "array_len": 2**22},
        {"name": "x", "type": "struct", "size": 0, "array_len": 2**22, "struct": {"fields": []}},
        {"name": "x", "type": "buffer", "size": 2**40},
        {"name": "x", "type": "uint8", "size": 1, "array_len": 2**62},
    ],
    ids=["empty values", "empty structures", "a huge value", "many values"],
)
def test_a_description_cannot_ask_for_much_memory(field: dict) -> None:
    device = {"name": "foo", "instance_id": 3, "vmsd_name": "foo", "fields": [field] * 50}
    data = small_stream({"devices": [device]}, b"")
    tracemalloc.start()
    decoded_or_refused(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 * 2**20
