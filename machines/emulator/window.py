"""Reading a stream's file: a window on what was read and is not yet consumed.

The window never holds more of a stream than somebody asked to see at once, so that guest memory
passes through.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
from typing import Any, BinaryIO

from machines.emulator.errors import StreamError

MAX_XZ_MEMORY = 128 * 2**20
XZ_MAGIC = b"\xfd7zXZ\0"
CHUNK = 2**18


class _Pipe(io.RawIOBase):
    """A file that cannot go back to its beginning, with the ``head`` that was read of it."""

    def __init__(self, raw: BinaryIO, head: bytes) -> None:
        self._raw = raw
        self._head = head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._raw.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _XzFile(_Pipe):
    """An .xz file that needs at most :data:`MAX_XZ_MEMORY` to unpack, ``head`` first.

    Several .xz streams one after the other, with or without padding between them, are one file.
    """

    def __init__(self, raw: BinaryIO, head: bytes) -> None:
        super().__init__(raw, head)
        self._unpacker = _unpacker()
        self._packed = self._head
        self._given = 0  # bytes unpacked so far

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._more(len(buffer))
        except lzma.LZMAError as error:
            raise StreamError(self._given, "", f"not a readable .xz file ({error})") from error
        buffer[: len(data)] = data
        self._given += len(data)
        return len(data)

    def _more(self, size: int) -> bytes:
        while True:
            if self._unpacker.eof and not self._begin_another():
                return b""
            if self._unpacker.needs_input and not self._packed:
                self._packed = self._raw.read(CHUNK)
                if not self._packed:
                    raise StreamError(self._given, "", "the .xz file is cut off")
            packed, self._packed = self._packed, b""
            if data := self._unpacker.decompress(packed, max_length=size):
                return data

    def _begin_another(self) -> bool:
        """Whether another .xz stream follows the one that ended; nothing else may follow."""
        rest = (self._unpacker.unused_data or self._raw.read(CHUNK)).lstrip(b"\0")
        while len(rest) < len(XZ_MAGIC) and (more := self._raw.read(CHUNK)):
            rest = (rest + more).lstrip(b"\0")
        if not rest:
            return False
        if not rest.startswith(XZ_MAGIC):
            raise StreamError(self._given, "", "something follows the end of the .xz file")
        self._unpacker, self._packed = _unpacker(), rest
        return True


def _unpacker() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for somebody to open a named pipe's other end."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def open_stream(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a stream's file for reading, plain or .xz (told by its content, not by its name).

    A pipe is read as it comes; one that nobody writes to is empty. Raises :class:`OSError`.
    """
    raw = io.FileIO(path, "rb", opener=_open_at_once)
    head = raw.read(len(XZ_MAGIC))
    while len(head) < len(XZ_MAGIC) and (more := raw.read(len(XZ_MAGIC) - len(head))):
        head += more
    if head == XZ_MAGIC:
        return _XzFile(raw, head)  # type: ignore[return-value]  # a RawIOBase reads bytes too
    if raw.seekable():
        raw.seek(0)
        return raw
    return _Pipe(raw, head)  # type: ignore[return-value]


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
        while self.filled - self.position < wanted and not self.ended:
            # Room grows with what comes in: a length that the stream tells may be any number.
            self._make_room(min(wanted, 2 * self.available() + CHUNK))
            with memoryview(self.buffer) as view:
                room = view[self.filled : self.filled + CHUNK]
                got = self._file.readinto(room)  # type: ignore[attr-defined]
                room.release()
            self.filled += got or 0
            self.ended = not got
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
        return self.available() if self.ended and self.available() <= limit else None
