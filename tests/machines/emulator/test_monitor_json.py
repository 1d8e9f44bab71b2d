"""JSON in a stream of bytes: values, errors in QEMU's words, and never anything else."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.monitor.json_stream import (
    MAX_NESTING,
    MAX_TOKENS,
    JsonError,
    JsonReader,
    encode,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(data: bytes, *cuts: int) -> list[Any]:
    """What a reader gives for ``data`` that arrives in pieces."""
    reader, ends = JsonReader(), sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    pieces = [data[a:b] for a, b in pairwise(ends)] or [data]
    return [value for piece in pieces for value in reader.feed(piece)]


@given(st.lists(st.lists(VALUES) | st.dictionaries(st.text(), VALUES)), st.lists(st.integers(0)))
def test_values_arrive_however_their_bytes_are_cut(values: list[Any], cuts: list[int]) -> None:
    data = b"".join(encode(value) for value in values)
    assert json.dumps(read(data, *cuts)) == json.dumps(values)


@given(st.binary(), st.lists(st.integers(0)))
def test_any_bytes_give_values_or_errors_alike_in_one_piece_and_in_many(
    data: bytes, cuts: list[int]
) -> None:
    assert repr(read(data, *cuts)) == repr(read(data))


@given(st.text("{}[]:,\"'\\ \n0-1.e+tnul\x7f\ud7ff", max_size=40))
def test_what_looks_like_json_is_an_error_or_what_python_reads(text: str) -> None:
    for value in read(f"[{text}]\n".encode()):
        assert isinstance(value, JsonError) or json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"hello\n", "JSON parse error, invalid keyword 'hello'"),
        (b"\xff", "JSON parse error, stray '\ufffd'"),
        (b"}", "JSON parse error, expecting value"),
        (b"{'a': 1, 'a': 2}", "JSON parse error, duplicate key"),
        (b"{'a' 1}", "JSON parse error, missing : in object pair"),
        (b"{'a': 1 'b'}", "JSON parse error, expected separator in dict"),
        (b"{1: 2}", "JSON parse error, key is not a string in object"),
        (b"[1 2]", "JSON parse error, expected separator in list"),
        (b"[1e999]", "JSON parse error, number out of range"),
        (b"['\\q']", "JSON parse error, invalid escape sequence '\\q'"),
        (b"['\xc3(']", "JSON parse error, invalid UTF-8 sequence in string"),
        (b"[" * (MAX_NESTING + 1), "JSON nesting depth limit exceeded"),
        (b"[" + b"1," * MAX_TOKENS, "JSON token count limit exceeded"),
    ],
)
def test_faults_are_named_in_qemus_words(data: bytes, problem: str) -> None:
    first = read(data)[0]
    assert isinstance(first, JsonError)
    assert str(first) == problem


def test_strings_may_stand_in_apostrophes_and_half_a_surrogate_pair_is_no_character() -> None:
    assert read(b'[\'a"b\', "\\ud83d\\ude00"]') == [['a"b', "\U0001f600"]]
    assert isinstance(read(b'["\\ud83d"]')[0], JsonError)


def test_after_a_fault_what_follows_is_read() -> None:
    assert read(b'ABC {"a": 1} {"b": \x01} {"c": 2}')[-1] == {"c": 2}
