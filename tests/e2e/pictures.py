"""Makes a browser's picture small: a page has few colours, so a palette of 256 holds them.

Reads and writes the PNG that a screenshot is (8 bits a channel, not interlaced; specification:
W3C PNG, chunks in section 11, filters in section 9). The same pixels give the same file.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
#: How many of them are the commonest; the others are those that would be missed most.
COMMON = 160
#: PNG's colour types, and the bytes of a pixel
CHANNELS = {2: 3, 6: 4}
Colour = bytes


def shrink(png: bytes) -> bytes:
    """The same picture with at most 256 colours, every other one by its nearest of them."""
    width, height, rows = _read(png)
    counted: Counter[Colour] = Counter()
    pictured = [[row[i : i + 3] for i in range(0, 3 * width, 3)] for row in rows]
    for row in pictured:
        counted.update(row)
    palette = _palette(counted)
    places = {colour: _nearest(colour, palette) for colour in counted}
    pixels = b"".join(b"\0" + bytes(places[colour] for colour in row) for row in pictured)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return SIGNATURE + b"".join(
        _chunk(name, body)
        for name, body in (
            (b"IHDR", header),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(pixels, 9)),
            (b"IEND", b""),
        )
    )


def _palette(counted: Counter[Colour]) -> list[Colour]:
    """The commonest colours, then each time the one that is missed most: often, and far away."""
    # Sorted, so that colours of the same count keep the same places.
    ranked = sorted(counted, key=lambda colour: (-counted[colour], colour))
    palette, others = ranked[:COMMON], ranked[COMMON:]
    missed = {colour: _distance(colour, palette[_nearest(colour, palette)]) for colour in others}
    while missed and len(palette) < COLOURS:
        chosen = max(missed, key=lambda colour: missed[colour] * counted[colour])
        palette.append(chosen)
        missed = {
            colour: min(far, _distance(colour, chosen))
            for colour, far in missed.items()
            if colour != chosen
        }
    return palette


def _distance(one: Colour, other: Colour) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(colour, palette[place]))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE)
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        start = position + 8
        yield png[position + 4 : start], png[start : start + length]
        position = start + length + 4


def _read(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height, and each row's bytes, three a pixel."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack_from(">IIBB", chunks[0][1])
    assert depth == 8
    channels = CHANNELS[kind]
    packed = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    size = channels * width
    rows, above = [], bytearray(size)
    for start in range(0, height * (size + 1), size + 1):
        line = bytearray(packed[start + 1 : start + 1 + size])
        _UNFILTERED[packed[start]](line, above, channels)
        rows.append(bytes(line) if channels == 3 else _opaque(bytearray(line)))
        above = line
    return width, height, rows


def _opaque(line: bytearray) -> bytes:
    del line[3::4]
    return bytes(line)


def _none(line: bytearray, above: bytearray, step: int) -> None:
    pass


def _sub(line: bytearray, above: bytearray, step: int) -> None:
    for i in range(step, len(line)):
        line[i] = (line[i] + line[i - step]) & 255


def _up(line: bytearray, above: bytearray, step: int) -> None:
    for i, over in enumerate(above):
        line[i] = (line[i] + over) & 255


def _average(line: bytearray, above: bytearray, step: int) -> None:
    for i, over in enumerate(above):
        left = line[i - step] if i >= step else 0
        line[i] = (line[i] + (left + over) // 2) & 255


def _paeth(line: bytearray, above: bytearray, step: int) -> None:
    for i, over in enumerate(above):
        left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
        guess = left + over - corner
        by_left, by_over, by_corner = abs(guess - left), abs(guess - over), abs(guess - corner)
        if by_left <= by_over and by_left <= by_corner:
            nearest = left
        else:
            nearest = over if by_over <= by_corner else corner
        line[i] = (line[i] + nearest) & 255


_UNFILTERED = (_none, _sub, _up, _average, _paeth)
