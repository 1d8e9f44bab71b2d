"""The files of a catalogue folder: found, unpacked and read as JSON, within limits."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

from machines.emulator.catalogue.checks import CatalogueError

#: The largest real file (QEMU 11.1's properties) is 11 MB of JSON.
MAX_FILE_BYTES = 64 * 1024 * 1024

#: The files of a catalogue folder, each ``<name>.json`` or ``<name>.json.xz``.
FILE_NAMES = ("vmstate", "machines", "types", "properties", "version", "compat")


def read_document(directory: Path, name: str) -> Any:
    """One of :data:`FILE_NAMES` as JSON, None where the folder has none of that name.

    Raises :class:`CatalogueError`.
    """
    for path in (directory / f"{name}.json", directory / f"{name}.json.xz"):
        if path.is_file():
            return load_json(path.name, path.read_bytes())
    return None


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
    if len(content) > MAX_FILE_BYTES:
        raise CatalogueError(place, f"is larger than {MAX_FILE_BYTES // 2**20} MiB")
    return content


def load_json(place: str, content: bytes) -> Any:
    """JSON from bytes, unpacked first as :func:`unpack` does. Raises :class:`CatalogueError`."""
    content = unpack(place, content)
    try:
        return json.loads(content)
    except RecursionError as error:
        raise CatalogueError(place, "nests too deeply") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(place, f"is not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise CatalogueError(
            f"{place}:{error.lineno}:{error.colno}", f"is not JSON: {error.msg}"
        ) from error
    except ValueError as error:  # a number of more digits than Python converts
        raise CatalogueError(place, "holds a number of too many digits") from error
