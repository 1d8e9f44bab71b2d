"""A trial whose stream is kept: what was sent, and what became of each field."""

from __future__ import annotations

import io

from machines.emulator.anatomy import take_apart
from machines.emulator.machine import Side, trial
from machines.emulator.recording import Recording
from machines.emulator.scenario import downstream, upstream


def recorded(*sides: Side) -> Recording:
    recording = Recording()
    trial(sides, ["foo"], 7, None, recording)
    return recording


def fates(recording: Recording) -> dict[str, str]:
    """Field → what became of it, joined as pages join them: by the order of the wire."""
    [part] = [one for one in take_apart(io.BytesIO(recording.stream)).parts if one.name == "foo"]
    start, size = part.payload
    fields = [
        piece
        for piece in part.pieces
        if piece.kind != "subsection" and start <= piece.offset < start + size
    ]
    record = recording.sections["foo", 0]
    assert len(fields) == len(record.arrivals)
    return {
        piece.name: arrival.fate for piece, arrival in zip(fields, record.arrivals, strict=True)
    }


def test_what_arrives_is_the_same() -> None:
    side = upstream("linear", "3.0", "board-3.0")
    recording = recorded(side, side)
    assert set(fates(recording).values()) == {"same"}
    assert recording.sections["foo", 0].driver == "foo"


def test_a_field_that_is_read_as_another_is_lost() -> None:
    recording = recorded(upstream("linear", "2.0", "board-2.0"), downstream("linear", "board-2.0"))
    assert fates(recording)["d"] == "lost"
    assert {fate for name, fate in fates(recording).items() if name != "d"} == {"same"}


def test_a_refused_section_says_why() -> None:
    recording = recorded(upstream("linear", "3.0", "board-e"), downstream("linear", "board-e"))
    record = recording.sections["foo", 0]
    assert record.refused == ("savevm: unsupported version 3 for 'foo' v2",)
    assert set(fates(recording).values()) <= {"unread", "same"}


def test_it_finds_what_a_trial_finds() -> None:
    sides = upstream("linear", "2.0", "board-2.0"), downstream("linear", "board-2.0")
    recording = Recording()
    assert trial(sides, ["foo"], 7, None, recording) == trial(sides, ["foo"], 7)
    assert len(recording.stream) == trial(sides, ["foo"], 7).stream_bytes
