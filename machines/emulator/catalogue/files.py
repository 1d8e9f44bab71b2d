"""The files of a catalogue folder: found, unpacked and read as JSON, within limits."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from machines.emulator.catalogue.checks import CatalogueError

#: The largest real file (QEMU 11.1's properties) is 11 MB of JSON.
MAX_FILE_BYTES = 64 * 1024 * 1024

#: The files of a catalogue folder, each ``<name>.json`` or ``<name>.json.xz``.
FILE_NAMES = ("vmstate", "machines", "types", "properties", "version", "compat")

_COLON = re.compile(r"\s*:\s*")


def read_document(directory: Path, name: str) -> Any:
    """One of :data:`FILE_NAMES` as JSON, None where the folder has none of that name.

    Raises :class:`CatalogueError`.
    """
    path = _find(directory, name)
    return None if path is None else load_json(path.name, path.read_bytes())


def read_text(directory: Path, name: str) -> str:
    """One of :data:`FILE_NAMES` unparsed, empty where there is none.

    Raises :class:`CatalogueError`.
    """
    path = _find(directory, name)
    return "" if path is None else _decoded(path.name, unpack(path.name, path.read_bytes()))


def _find(directory: Path, name: str) -> Path | None:
    for path in (directory / f"{name}.json", directory / f"{name}.json.xz"):
        if path.is_file():
            return path
    return None


def member(place: str, text: str, key: str) -> Any:
    """The value of a JSON object's member that is a list or an object; None where it has none.

    Nothing else of ``text`` is parsed, which matters where it has megabytes. That no object deeper
    down has such a key too is for the caller to know. Raises :class:`CatalogueError`.
    """
    for begin in _values(text, key):
        if text[begin : begin + 1] in {"[", "{"}:
            return _parsed(place, json.JSONDecoder().raw_decode, text, begin)[0]
    return None


def has_key(text: str, key: str) -> bool:
    """Whether any object of a JSON text has such a key."""
    return any(True for _ in _values(text, key))


def _values(text: str, key: str) -> Iterator[int]:
    """Where the values of a key begin. What an unescaped quote and a colon frame is a key."""
    quoted = json.dumps(key)
    at = text.find(quoted)
    while at >= 0:
        colon = _COLON.match(text, at + len(quoted))
        if colon is not None and text[at - 1 : at] != "\\":
            yield colon.end()
        at = text.find(quoted, at + 1)


def unpack(place: str, content: bytes) -> bytes:
    """The content, unpacked where ``place`` ends in ``.xz``.

    Never unpacks more than :data:`MAX_FILE_BYTES`. Raises :class:`CatalogueError`.
    """
    if place.endswith(".xz"):
        unpacker = lzma.LZMADecompressor(memlimit=256 * 1024 * 1024)
        try:
            content = unpacker.decompress(content, max_length=MAX_FILE_BYTES + 1)
        except lzma.LZMAError as error:
            raise CatalogueError(place, f"is not a readable .xz file ({error})") from error
        if not unpacker.eof and len(content) <= MAX_FILE_BYTES:
            raise CatalogueError(place, "is cut short: the .xz file has no end")
        if unpacker.unused_data.strip(b"\0"):
            raise CatalogueError(place, "has something after the end of the .xz file")
    if len(content) > MAX_FILE_BYTES:
        raise CatalogueError(place, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
    return content


def load_json(place: str, content: bytes) -> Any:
    """JSON from bytes, unpacked first as :func:`unpack` does. Raises :class:`CatalogueError`."""
    return parse_json(place, _decoded(place, unpack(place, content)))


def parse_json(place: str, text: str) -> Any:
    """JSON from a text. Raises :class:`CatalogueError`."""
    return _parsed(place, json.loads, text)


def _decoded(place: str, content: bytes) -> str:
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError as error:
        raise CatalogueError(place, f"is not UTF-8 text (byte {error.start})") from error


def _parsed(place: str, parser: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return parser(*arguments)
    except RecursionError as error:
        raise CatalogueError(place, "nests too deeply") from error
    except json.JSONDecodeError as error:
        raise CatalogueError(
            f"{place}:{error.lineno}:{error.colno}", f"is not JSON: {error.msg}"
        ) from error
    except ValueError as error:  # a number of more digits than Python converts
        raise CatalogueError(place, "holds a number of too many digits") from error
