"""The text form of blacklist bitmaps, and the names of their properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.bitmap import MAX_VERSION, BitmapError, format, parse, property_name

versions = st.frozensets(st.integers(0, MAX_VERSION), max_size=40)
small = st.frozensets(st.integers(0, 63))


@given(versions | small)
def test_reading_gives_back_what_was_written(bits: frozenset[int]) -> None:
    assert parse(format(bits)) == bits


@given(small)
def test_versions_up_to_63_are_written_in_hex(bits: frozenset[int]) -> None:
    assert int(format(bits), 16) == sum(2**bit for bit in bits)


@given(versions)
def test_the_text_form_is_canonical(bits: frozenset[int]) -> None:
    text = format(bits)
    assert format(parse(text)) == text


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    try:
        bits = parse(text)
    except BitmapError as error:
        assert str(error)
    else:
        assert all(0 <= bit <= MAX_VERSION for bit in bits)


def test_versions_that_are_named_again_count_again() -> None:
    with pytest.raises(BitmapError, match="more than"):
        parse(",".join(["0-30000"] * 3))


def test_ranges_and_lists() -> None:
    assert parse(" 1-3, 9999 ") == {1, 2, 3, 9999}
    assert format({9999, 1, 2, 3}) == "1-3,9999"
    assert parse("") == frozenset()
    assert format([]) == "0x0"


@pytest.mark.parametrize(
    "text",
    ["0x", "0xg", "0x1" + "0" * 16, "3-1", "1,,2", "-1", "4294967296", "0-4294967295", "1 2", "²"],
)
def test_malformed_bitmaps_are_refused(text: str) -> None:
    with pytest.raises(BitmapError):
        parse(text)


@pytest.mark.parametrize("text", ["0x" + "f" * 90_000, "1," * 60_000])
def test_an_enormous_text_is_refused_quickly(text: str) -> None:
    with pytest.raises(BitmapError) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


def test_versions_that_no_stream_can_hold_are_not_written() -> None:
    with pytest.raises(BitmapError):
        format({MAX_VERSION + 1})


@pytest.mark.parametrize(
    ("device_section", "section", "name"),
    [
        ("serial", "serial", "vmstate-blacklist"),
        ("foo", "foo.d", "vmstate-blacklist-d"),
        ("foo", "foo/foo.d", "vmstate-blacklist-d"),
        ("serial", "serial/recv_fifo", "vmstate-blacklist-recv_fifo"),
        ("serial", "serial/serial/recv_fifo", "vmstate-blacklist-recv_fifo"),
        ("ICH9LPC/ich9_pm", "ICH9LPC/ich9_pm", "vmstate-blacklist"),
        ("pckbd", "pckbd_outport", "vmstate-blacklist-outport"),
        ("ICH9LPC", "ich9_pm/pcihp", "vmstate-blacklist-ich9_pm-pcihp"),
    ],
)
def test_property_names(device_section: str, section: str, name: str) -> None:
    assert property_name(device_section, section) == name
