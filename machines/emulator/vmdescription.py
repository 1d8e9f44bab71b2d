"""The vmdescription: the JSON at a stream's end that describes every section as it was sent.

It is written by migration/savevm.c and migration/vmstate.c, and tells where each section's
payload ends, which nothing else in a stream does.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from machines.emulator.errors import StreamError
from machines.emulator.events import SectionBegin, encode_subsection_header

MAX_DESCRIPTION_DEPTH = 32
MAX_DESCRIBED_BYTES = 2**40


@lru_cache(maxsize=16)
def parse_vmdescription(text: bytes, offset: int) -> Mapping[str, Any]:
    """The vmdescription's JSON. Raises :class:`StreamError` unless it has the expected form.

    The last ones are kept, as it is asked for twice (where sections end, what is in them) and is
    often the same for many streams: nobody may change what this returns.
    """
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise StreamError(offset, "vmdescription", "nests too deeply") from error
    except ValueError as error:
        raise StreamError(offset, "vmdescription", f"is not JSON: {error}") from error
    devices = document.get("devices") if isinstance(document, dict) else None
    if not isinstance(devices, list):
        raise StreamError(offset, "vmdescription", "has no list of devices")
    for number, device in enumerate(devices):
        if not (
            isinstance(device, dict)
            and isinstance(device.get("name"), str)
            and isinstance(device.get("instance_id"), int)
        ):
            raise StreamError(offset, "vmdescription", f"device {number} has no name or instance")
    return document  # type: ignore[no-any-return]  # checked above


class PayloadSizes:
    """Payload sizes by section, taken in the order in which the description lists them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._devices: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for device in document["devices"]:
            self._devices.setdefault((device["name"], device["instance_id"]), []).append(device)

    def take(self, begin: SectionBegin) -> int | None:
        listed = self._devices.get((begin.idstr, begin.instance_id))
        if not listed:
            return None
        return described_size(listed.pop(0), begin.idstr, begin.offset)


def described_size(device: Mapping[str, Any], section: str, offset: int = 0) -> int:
    """How many bytes a described section, subsection or structure takes on the wire.

    ``section`` and ``offset`` only name the place of a malformed description in the
    :class:`StreamError` that it raises.
    """
    try:
        size = _described_size(device, 0)
    except (KeyError, TypeError, AttributeError, ValueError, struct.error) as error:
        raise StreamError(
            offset, section, f"its vmdescription is malformed ({type(error).__name__}: {error})"
        ) from error
    if not 0 <= size < MAX_DESCRIBED_BYTES:
        raise StreamError(offset, section, f"its vmdescription gives it {size} bytes")
    return size


def _described_size(description: Mapping[str, Any], depth: int) -> int:
    if depth > MAX_DESCRIPTION_DEPTH:
        raise TypeError("it nests too deeply")
    size = 0
    for field in description.get("fields", ()):
        nested = field.get("struct")
        each = field["size"] if nested is None else _described_size(nested, depth + 1)
        length = field.get("array_len", 1)
        if type(each) is not int or type(length) is not int or each < 0 or length < 0:
            raise TypeError(f"field {field.get('name')!r:.60} has no size")
        if type(field["name"]) is not str or type(field["type"]) is not str:
            raise TypeError("a field's name or type is not a text")
        size += each * length
    for subsection in description.get("subsections", ()):
        header = encode_subsection_header(subsection["vmsd_name"], subsection["version"])
        size += len(header) + _described_size(subsection, depth + 1)
    return size
