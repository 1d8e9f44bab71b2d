"""Streams that are kept: read in a child process, without guest memory, and gone after a while."""

from __future__ import annotations

import lzma
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from machines import kept_streams
from machines.emulator.pieces import value_of
from machines.emulator.snapshot import read_snapshot
from machines.models import Stream

SERIAL = Path(__file__).parents[1] / "data/streams/10.0/pc-q35-7.2/serial.mig.xz"


@pytest.fixture
def owner(db: None, settings: Any, tmp_path: Path) -> User:
    settings.VAR_DIR = tmp_path
    return User.objects.create_user("ann")


def upload(owner: User, content: bytes, name: str = "serial.mig.xz") -> Stream:
    file = kept_streams.uploads() / "incoming"
    file.write_bytes(content)
    stream = kept_streams.received(owner, name, file, len(content), "d" * 64)
    return kept_streams.read(stream)


def test_a_stream_is_read_and_its_file_is_gone(owner: User) -> None:
    stream = upload(owner, SERIAL.read_bytes())
    assert (stream.state, stream.machine_type) == ("read", "pc-q35-7.2")
    assert not kept_streams.file_of(stream).exists()
    part = stream.parts.get(name="serial")
    found = kept_streams.opened(part)
    names = {piece.name: value_of(piece, found.content) for piece in found.pieces}
    assert (names["version id"], names["state.divider"]) == (3, 12)


def test_guest_memory_is_not_kept(owner: User) -> None:
    stream = upload(owner, SERIAL.read_bytes())
    memory = stream.parts.get(kind="memory")
    assert memory.size > 4096
    assert len(kept_streams.opened(memory).content) < 200
    assert sum(block["length"] for block in stream.memory) > 16 * 2**20


def test_a_trial_reads_what_is_kept_as_it_reads_the_file(owner: User) -> None:
    kept = kept_streams.snapshot_of(upload(owner, SERIAL.read_bytes()))
    real = read_snapshot(SERIAL)
    assert kept.sections == real.sections
    assert (kept.machine, kept.blocks, kept.commands) == (real.machine, real.blocks, real.commands)


def test_what_is_readable_of_a_damaged_stream_is_kept(owner: User) -> None:
    whole = lzma.decompress(SERIAL.read_bytes())
    stream = upload(owner, whole[: len(whole) // 2], "half")
    assert stream.state == "cut"
    assert stream.problem["offset"] <= len(whole) // 2
    assert stream.parts.exists()


def test_what_is_no_stream_is_told(owner: User) -> None:
    stream = upload(owner, b"not a stream at all", "notes.txt")
    assert stream.state == "unreadable"
    assert "not a migration stream" in stream.problem["problem"]


def test_what_has_expired_is_swept(owner: User) -> None:
    stream, kept = upload(owner, SERIAL.read_bytes()), upload(owner, b"x")
    Stream.objects.filter(pk=stream.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    noted: list[int] = []
    assert kept_streams.sweep(lambda item: noted.append(item.pk)) == 1
    assert noted == [stream.pk]
    assert list(Stream.objects.all()) == [kept]
