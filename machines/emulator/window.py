"""Reading a stream's file: a window on what was read and is not yet consumed.

The window never holds more of a stream than somebody asked to see at once, so that guest memory
passes through.
"""

from __future__ import annotations

import io
import lzma
import struct
from pathlib import Path
from typing import Any, BinaryIO

from machines.emulator.errors import StreamError

MAX_XZ_MEMORY = 128 * 2**20
CHUNK = 2**18


class _XzFile(io.RawIOBase):
    """An .xz file that needs at most :data:`MAX_XZ_MEMORY` to unpack."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        self._raw = raw
        self._name = name
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._more(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        try:
            while not self._decoder.eof:
                packed = self._raw.read(CHUNK) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not packed:
                    raise StreamError(0, "", f"{self._name}: the .xz file is cut off")
                data = self._decoder.decompress(packed, max_length=size)
                if data:
                    return data
        except lzma.LZMAError as error:
            raise StreamError(0, "", f"{self._name}: not a readable .xz file ({error})") from error
        return b""

    def close(self) -> None:
        self._raw.close()
        super().close()


def open_stream(path: Path) -> BinaryIO:
    """Open a stream's file for reading, plain or .xz (told by its content, not by its name)."""
    raw = path.open("rb", buffering=0)
    magic = raw.read(6)
    raw.seek(0)
    if magic == b"\xfd7zXZ\x00":
        return _XzFile(raw, path.name)  # type: ignore[return-value]  # a RawIOBase reads bytes too
    return raw


class Window:
    """A window on the input: ``buffer[position:filled]`` is read but not yet consumed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.buffer = bytearray(CHUNK)
        self.position = 0
        self.filled = 0
        self._base = 0  # the stream's offset of buffer[0]
        self.ended = False
        self.section = ""

    @property
    def offset(self) -> int:
        return self._base + self.position

    def error(self, problem: str) -> StreamError:
        return StreamError(self.offset, self.section, problem)

    def available(self) -> int:
        return self.filled - self.position

    def fill(self, wanted: int) -> int:
        """Have ``wanted`` bytes in the window if the input has them; tells how many there are."""
        if self.available() >= wanted:
            return self.available()
        self._make_room(wanted)
        with memoryview(self.buffer) as view:
            while self.available() < wanted and not self.ended:
                got = self._file.readinto(view[self.filled :])  # type: ignore[attr-defined]
                if not got:
                    self.ended = True
                self.filled += got or 0
        return self.available()

    def _make_room(self, wanted: int) -> None:
        """Move what is unread to the front of a buffer that is large enough (never shrinking)."""
        rest = self.available()
        if self.position + wanted > len(self.buffer):
            size = max(len(self.buffer), 2 * wanted if wanted > CHUNK else CHUNK)
            fresh = self.buffer if size == len(self.buffer) else bytearray(size)
            fresh[:rest] = self.buffer[self.position : self.filled]
            self.buffer = fresh
            self._base += self.position
            self.position, self.filled = 0, rest

    def need(self, count: int) -> int:
        """The window's position of the next ``count`` bytes, which are then consumed."""
        if self.filled - self.position < count and self.fill(count) < count:
            raise StreamError(
                self._base + self.filled, self.section, f"cut off: {count} more bytes are needed"
            )
        start = self.position
        self.position += count
        return start

    def u8(self) -> int:
        return self.buffer[self.need(1)]

    def be16(self) -> int:
        return int(struct.unpack_from(">H", self.buffer, self.need(2))[0])

    def be32(self) -> int:
        return int(struct.unpack_from(">I", self.buffer, self.need(4))[0])

    def be64(self) -> int:
        return int(struct.unpack_from(">Q", self.buffer, self.need(8))[0])

    def take(self, count: int) -> bytes:
        start = self.need(count)
        return bytes(self.buffer[start : start + count])

    def name(self, what: str) -> str:
        """A name with a length byte before it, in printable ASCII as QEMU's are."""
        return self.text(self.u8(), what)

    def text(self, length: int, what: str) -> str:
        at = self.offset
        raw = self.take(length)
        if not raw.isascii() or not raw.decode("ascii", "replace").isprintable():
            raise StreamError(at, self.section, f"{what} is not a name: {raw[:32]!r}")
        return raw.decode("ascii")

    def peek(self) -> int | None:
        """The next byte, None at the end."""
        if self.position < self.filled or self.fill(1):
            return self.buffer[self.position]
        return None

    def rest(self, limit: int) -> int | None:
        """How many bytes remain; None when they are more than ``limit``."""
        size = CHUNK
        while not self.ended and self.available() < limit:
            self.fill(min(limit, size))
            size = max(2 * size, self.available() + 1)
        if not self.ended:
            self.fill(self.available() + 1)
        return self.available() if self.ended else None
