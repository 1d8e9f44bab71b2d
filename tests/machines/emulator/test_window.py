"""A stream's file: plain or .xz, a file or a pipe, and what is wrong with it said."""

import io
import lzma
import os
import threading
from pathlib import Path

import pytest
from real_streams import real_bytes

from machines.emulator.decode import decode_file
from machines.emulator.errors import StreamError
from machines.emulator.window import CHUNK, Window, open_stream

BARE = real_bytes("bare")
PACKED = lzma.compress(BARE, preset=1)


def read(path: Path) -> bytes:
    with open_stream(path) as file:
        return b"".join(iter(lambda: file.read(CHUNK), b""))


@pytest.mark.parametrize(
    "content",
    [
        PACKED,
        lzma.compress(BARE[:5000]) + lzma.compress(BARE[5000:]),
        lzma.compress(BARE[:5000]) + bytes(8) + lzma.compress(BARE[5000:]) + bytes(4),
        BARE,
    ],
    ids=["packed", "two parts", "padded parts", "plain"],
)
def test_a_file_is_read_by_its_content(tmp_path, content):
    path = tmp_path / "stream"
    path.write_bytes(content)
    assert read(path) == BARE


@pytest.mark.parametrize("content", [PACKED, BARE, b"", b"QEVM"])
def test_a_pipe_is_read_as_it_comes(content):
    reading, writing = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(writing, content), os.close(writing)))
    writer.start()
    given = read(Path(f"/dev/fd/{reading}"))
    writer.join()
    os.close(reading)
    assert given == (BARE if content == PACKED else content)


def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StreamError, match="cut off"):
        decode_file(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cut off"),
        (PACKED[:-20], "the .xz file is cut off"),
        (PACKED[:200], "the .xz file is cut off"),
        (PACKED[:400] + b"\xff" * 40 + PACKED[440:], "not a readable .xz file"),
        (PACKED + b"more", "something follows the end of the .xz file"),
        (PACKED + PACKED, "unexpected bytes after the vmdescription"),
        (BARE + b"more", "unexpected bytes after the vmdescription"),
        (lzma.compress(bytes(1000)), "not a migration stream"),
    ],
    ids=["empty", "end", "middle", "damage", "garbage", "twice", "plain garbage", "zeros"],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, problem):
    path = tmp_path / "stream"
    path.write_bytes(content)
    with pytest.raises(StreamError, match=problem):
        decode_file(path)


def test_what_unpacks_to_very_much_is_refused_early(tmp_path):
    """Device state that never ends: 60 MiB of zeros in a few KB."""
    begin = BARE[:8] + b"\4\0\0\0\7\3foo" + bytes(8)
    path = tmp_path / "bomb"
    packer = lzma.LZMACompressor(preset=0)
    with path.open("wb") as file:
        file.write(packer.compress(begin))
        for _ in range(60):
            file.write(packer.compress(bytes(2**20)))
        file.write(packer.flush())
    with pytest.raises(StreamError, match="no footer within"):
        decode_file(path)


def test_a_wish_for_more_than_there_is_takes_no_memory():
    window = Window(io.BytesIO(b"abc"))
    assert window.fill(2**50) == 3
    assert len(window.buffer) <= 4 * CHUNK
