"""A folder of files as ``.tar.gz``, byte for byte a function of the files and one time.

ustar: one top folder, files only, sorted by path, uid and gid 0 without names, mode 0644, no
links, no folders' own entries. gzip: no file name and no time; one extra field (RFC 1952, 2.3.1.1)
of id ``LS`` holds the SHA-256 of everything that follows the header, because deflate can write the
same content in many ways: a flipped bit there need not change the content, and is still found.

The tar is the same on every machine; the compressed bytes also depend on its zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# A release of 90 machine types with 500 properties each makes about 30 MB.
MAX_PACKED = 64 * 1024 * 1024
MAX_UNPACKED = 512 * 1024 * 1024
MAX_FILES = 20_000

# ID1 ID2, method deflate, flag FEXTRA, no time, no hint, unknown system; 36 bytes of extra field.
_HEADER = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff" + b"\x24\x00LS\x20\x00"
_DIGEST_SIZE = 32
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+,-]*(/[A-Za-z0-9_][A-Za-z0-9._+,-]*)*")
_BLOCK = 512
_OCTAL = re.compile(rb"[0-7]{11}\0")


class ArchiveError(ValueError):
    """The bytes are no archive that :func:`pack` wrote; the text says where."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What an archive holds: its top folder, its files by path below that, its time (Unix)."""

    top: str
    files: Mapping[str, bytes]
    time: int


def pack(archive: Archive) -> bytes:
    """The ``.tar.gz``. Raises :class:`ArchiveError` for a path that would be unsafe to unpack."""
    return compress(_tar(archive))


def compress(tar: bytes) -> bytes:
    """The gzip form of an archive: the head with the digest, then what it is the digest of."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    body = compressor.compress(tar) + compressor.flush()
    body += zlib.crc32(tar).to_bytes(4, "little") + (len(tar) % 2**32).to_bytes(4, "little")
    return _HEADER + hashlib.sha256(body).digest() + body


def _tar(archive: Archive) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(archive.files):
            if not _PATH.fullmatch(f"{archive.top}/{path}"):
                raise ArchiveError(f"{path!r}: no safe path")
            member = tarfile.TarInfo(f"{archive.top}/{path}")
            member.size = len(archive.files[path])
            member.mtime, member.mode = archive.time, 0o644
            try:
                tar.addfile(member, io.BytesIO(archive.files[path]))
            except ValueError as error:
                raise ArchiveError(f"{path!r}: {error}") from error
    return written.getvalue()


def unpack(content: bytes) -> Archive:
    """Read an archive that :func:`pack` wrote, and nothing else.

    Raises :class:`ArchiveError` for any other: a damaged one, a link, a path that leads out, a
    member with another owner or mode, and one that would unpack to more than the limits.
    """
    tar = _decompress(content)
    archive = _read(tar)
    # Order, owners, modes, padding, further members: whatever pack would have written otherwise.
    if _tar(archive) != tar:
        raise ArchiveError("the tar archive is not in the one form that a bundle has")
    return archive


def _decompress(content: bytes) -> bytes:
    start = len(_HEADER) + _DIGEST_SIZE
    if len(content) > MAX_PACKED:
        raise ArchiveError(f"is larger than {MAX_PACKED // 2**20} MiB")
    if not content.startswith(_HEADER) or len(content) < start:
        raise ArchiveError("does not begin as a bundle does (gzip with the digest of its content)")
    if hashlib.sha256(content[start:]).digest() != content[len(_HEADER) : start]:
        raise ArchiveError("the compressed content is damaged: its SHA-256 is not that of the head")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            tar = file.read(MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"cannot be unpacked: {error}") from error
    if len(tar) > MAX_UNPACKED:
        raise ArchiveError(f"unpacks to more than {MAX_UNPACKED // 2**20} MiB")
    return tar


def _read(tar: bytes) -> Archive:
    tops: set[str] = set()
    files: dict[str, bytes] = {}
    time = 0
    for name, written, content in _members(tar):
        top, _, path = name.partition("/")
        if not path or path in files or len(files) >= MAX_FILES:
            raise ArchiveError(f"{name!r:.200}: outside the folder, or there twice")
        tops.add(top)
        files[path], time = content, written
    if len(tops) != 1:
        raise ArchiveError("should hold exactly one top folder with files")
    return Archive(tops.pop(), files, time)


def _members(tar: bytes) -> Iterator[tuple[str, int, bytes]]:
    """(name, time, content) of each file: ustar's header (POSIX.1-1988) and no extension of it.

    A reader of every kind of tar would follow holes of any size, numbers below zero and times
    without an end, all of which whoever made the archive may have written.
    """
    at = 0
    while any(head := tar[at : at + _BLOCK]):
        at += len(head)
        name, prefix = (field.partition(b"\0")[0] for field in (head[:100], head[345:500]))
        path = b"/".join(part for part in (prefix, name) if part).decode("ascii", "replace")
        if head[156:157] != tarfile.REGTYPE or not _PATH.fullmatch(path):
            raise ArchiveError(f"{path!r:.200}: no ordinary file with a safe path")
        size, time = _number(head[124:136]), _number(head[136:148])
        if size > len(tar) - at:
            raise ArchiveError(f"{path!r:.200}: is cut off")
        yield path, time, tar[at : at + size]
        at += -(-size // _BLOCK) * _BLOCK


def _number(field: bytes) -> int:
    if not _OCTAL.fullmatch(field):
        raise ArchiveError(f"{field!r:.60}: no size or time as a bundle has it")
    return int(field[:-1], 8)
