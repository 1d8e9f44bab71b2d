"""A stream taken apart: no byte without a name, and as much as can be read of a damaged one."""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.anatomy import take_apart
from machines.emulator.pieces import value_of
from machines.emulator.window import open_stream

STREAMS = Path(__file__).parents[2] / "data/streams"
FILES = sorted(STREAMS.rglob("*.mig.xz"))
SERIAL = lzma.decompress((STREAMS / "10.0/pc-q35-7.2/serial.mig.xz").read_bytes())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_byte_is_in_one_piece(path: Path) -> None:
    with open_stream(path) as file:
        found = take_apart(file)
    whole = lzma.decompress(path.read_bytes())
    at = 0
    for part in found.parts:
        assert part.offset == at
        assert whole.startswith(part.content, at)
        end = 0
        for piece in part.pieces:
            assert piece.offset == end, (part.name, piece)
            end += piece.size
        assert end == len(part.content)
        at += part.size
    assert at == found.length == len(whole)
    assert found.problem is None


def test_fields_have_their_values() -> None:
    found = take_apart(io.BytesIO(SERIAL))
    [serial] = [part for part in found.parts if part.name == "serial"]
    values = {piece.name: value_of(piece, serial.content) for piece in serial.pieces}
    assert (values["state.divider"], values["state.lsr"], values["version id"]) == (12, 96, 3)
    assert found.machine == "pc-q35-7.2"


@given(st.integers(0, len(SERIAL) - 1))
def test_a_stream_that_is_cut_off_gives_what_came_before(length: int) -> None:
    found = take_apart(io.BytesIO(SERIAL[:length]))
    # Only the vmdescription, which nothing needs, may be missing without being missed.
    ended = any(part.kind == "end" for part in found.parts)
    assert found.problem is not None or ended
    assert found.length <= length
    assert all(SERIAL.startswith(part.content, part.offset) for part in found.parts)


@given(st.integers(0, len(SERIAL) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_breaks_the_reader(at: int, flip: int) -> None:
    damaged = SERIAL[:at] + bytes((SERIAL[at] ^ flip,)) + SERIAL[at + 1 :]
    for part in take_apart(io.BytesIO(damaged)).parts:
        assert sum(piece.size for piece in part.pieces) <= len(part.content)
        for piece in part.pieces:
            value_of(piece, part.content)


def test_no_more_is_read_than_was_asked_for() -> None:
    problem = take_apart(io.BytesIO(SERIAL), limit=130_000).problem
    assert problem is not None
    assert "longer than 130000 bytes" in problem.problem
