"""Decoding by the stream's own description: everything named, nothing lost."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_streams import real_bytes, stream_files

from machines.emulator.decode import (
    decode_file,
    decode_section,
    decode_stream,
    decode_value,
    differences,
    encode_section,
    encode_value,
)
from machines.emulator.errors import StreamError
from machines.emulator.events import Payload
from machines.emulator.stream import read_events
from machines.emulator.window import open_stream


@pytest.mark.parametrize("path", stream_files()[::3], ids=lambda path: "/".join(path.parts[-3:]))
def test_every_section_of_a_real_stream_is_decoded_and_encodes_to_its_bytes(path):
    decoded = decode_file(path)
    with open_stream(path) as file:
        payloads = [event.data for event in read_events(file) if isinstance(event, Payload)]
    assert [encode_section(section) for section in decoded["sections"]] == payloads
    json.dumps(decoded)


def test_names_values_and_memory_of_a_real_machine():
    decoded = decode_stream(io.BytesIO(real_bytes("serial")))
    assert decoded["machine"] == "pc-q35-7.2"
    serial = next(section for section in decoded["sections"] if section["name"] == "serial")
    assert serial["fields"][0]["vmsd_name"] == "serial"
    assert {"name": "divider", "type": "uint16", "size": 2, "value": 12} in serial["fields"][0][
        "fields"
    ]
    blocks = {block["name"]: block for block in decoded["ram"]["blocks"]}
    assert blocks["pc.ram"]["length"] == 16 * 2**20
    assert sum(blocks["pc.ram"]["pages"].values()) >= 4096


@given(
    st.sampled_from(["uint8", "int16", "uint32 equal", "int32 le", "timer", "buffer"]), st.data()
)
def test_a_value_comes_back_as_its_bytes(kind, data):
    raw = data.draw(
        st.sampled_from([1, 2, 4, 8]).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    )
    assert encode_value(kind, len(raw), decode_value(kind, raw)) == raw


def test_an_unknown_type_is_carried_as_bytes():
    assert decode_value("quantum state", b"\1\2") == "0102"
    assert decode_value("bool", b"\7") == "07"


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ({"fields": [{"name": "x", "type": "uint8", "size": 99}]}, "exceeds the section"),
        ({"fields": [{"name": "x", "type": "uint8", "size": 1}]}, "bytes are not described"),
        ({"fields": [{"type": "uint8", "size": 1}]}, "malformed"),
        ({"fields": 3}, "malformed"),
        ({"subsections": [{"vmsd_name": "foo/x", "version": 1}]}, "not where"),
    ],
)
def test_a_description_that_does_not_fit_is_an_error(device, problem):
    with pytest.raises(StreamError, match=problem) as caught:
        decode_section(device, b"0123" * 4, "foo", 100)
    assert caught.value.section == "foo"
    assert caught.value.offset >= 100


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_vmdescription_never_crashes(data):
    real = bytearray(real_bytes("bare"))
    at = data.draw(st.integers(len(real) - 40_000, len(real) - 1))
    real[at] = data.draw(st.sampled_from(b'0123456789{}[]",:a'))
    try:
        decode_stream(io.BytesIO(bytes(real)))
    except StreamError as error:
        assert error.problem


def test_differences_name_the_path_and_both_values():
    a = decode_stream(io.BytesIO(real_bytes("bare", "10.0")))
    b = decode_stream(io.BytesIO(real_bytes("bare", "11.1")))
    assert differences(a, a) == []
    found = {item["path"] for item in differences(a, b)}
    assert any(path.startswith("0000:00:1f.0/ICH9LPC:0/") for path in found)
