"""Blacklist bitmaps: which versions of a section may neither be loaded nor saved.

Bit *n* stands for version *n*, bit 0 of an optional section for "absent". The text form is what
the qdev property ``vmstate-blacklist`` takes: hexadecimal while every version fits in 64 bits,
else a list of versions and ranges, as a real device has a section at version 10000.

    >>> sorted(parse("0x6"))
    [1, 2]
    >>> format(frozenset({1, 2, 3, 9999}))
    '1-3,9999'
    >>> property_name("serial", "serial/recv_fifo")
    'vmstate-blacklist-recv_fifo'
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from machines.emulator.errors import EmulatorError

HEX_BITS = 64
MAX_VERSION = 2**32 - 1  # a section's version is be32 in the stream
MAX_VERSIONS = 65_536
MAX_TEXT = 100_000

PROPERTY = "vmstate-blacklist"
_HEX = re.compile(r"0[xX][0-9a-fA-F]+", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", re.ASCII)


class BitmapError(EmulatorError):
    """The text is no bitmap; the message quotes the part at fault."""


def parse(text: str) -> frozenset[int]:
    """The versions that are blacklisted. An empty text is an empty bitmap.

    Raises :class:`BitmapError` for anything but hexadecimal of at most 64 bits, or versions and
    ranges separated by commas.
    """
    if len(text) > MAX_TEXT:
        raise BitmapError(f"a bitmap of {len(text)} characters is too long")
    word = text.strip()
    if not word:
        return frozenset()
    if word[:2] in ("0x", "0X"):
        return _parse_hex(word)
    versions: set[int] = set()
    named = 0  # one that is named again takes as long
    for part in word.split(","):
        first, last = _parse_range(part.strip())
        named += last - first + 1
        if named > MAX_VERSIONS:
            raise BitmapError(f"more than {MAX_VERSIONS} versions")
        versions.update(range(first, last + 1))
    return frozenset(versions)


def format(versions: Iterable[int]) -> str:
    """The text form: hexadecimal where the newest version is at most 63, else ranges."""
    ordered = sorted(set(versions))
    if ordered and (ordered[0] < 0 or ordered[-1] > MAX_VERSION):
        raise BitmapError(f"a version lies from 0 to {MAX_VERSION}")
    if not ordered or ordered[-1] < HEX_BITS:
        return hex(sum(1 << version for version in ordered))
    runs: list[tuple[int, int]] = []
    for version in ordered:
        if runs and runs[-1][1] == version - 1:
            runs[-1] = (runs[-1][0], version)
        else:
            runs.append((version, version))
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in runs)


def property_name(device_section: str, section: str) -> str:
    """The qdev property that holds the bitmap of ``section`` of a device.

    ``device_section`` is the device's main section. ``section`` is the main section itself, a
    further one (``foo.d``), a subsection (``serial/fifo``), or a path of them within the device
    (``foo/foo.d``).
    """
    rest = section
    while rest != device_section and rest.startswith((f"{device_section}.", f"{device_section}/")):
        rest = rest[len(device_section) + 1 :]
    if rest == device_section or not rest:
        return PROPERTY
    suffix = rest.removeprefix(device_section).lstrip("._-/") or rest
    return f"{PROPERTY}-" + re.sub(r"[./ ]", "-", suffix)


def _parse_hex(word: str) -> frozenset[int]:
    if not _HEX.fullmatch(word):
        raise BitmapError(f"{word[:40]!r} is not hexadecimal")
    bits = int(word[:MAX_TEXT], 16) if len(word) <= 2 + HEX_BITS else 1 << HEX_BITS
    if bits >> HEX_BITS:
        raise BitmapError(f"{word[:40]} has more than {HEX_BITS} bits: list the versions instead")
    return frozenset(version for version in range(HEX_BITS) if bits >> version & 1)


def _parse_range(part: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if not match:
        raise BitmapError(f"{part[:40]!r} is neither a version, a range, nor hexadecimal with 0x")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise BitmapError(f"the range {part} runs backward")
    if last > MAX_VERSION:
        raise BitmapError(f"{last} is larger than any version")
    return first, last
