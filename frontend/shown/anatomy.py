"""A kept stream as a page shows it: its parts, and one part's pieces beside their bytes.

An address names a part (``?part=12``), a byte of the stream (``?at=0x1f3a2``) or a field
(``?section=serial&instance=0&field=state.ier``; of a trial ``?device=isa-serial&field=state.ier``).
What is shown is the window around it, so that a stream of any size is a page of the same size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, QueryDict
from django.utils.http import urlencode

from frontend.numbers import number_of
from machines import kept_streams
from machines.emulator.events import SectionType
from machines.emulator.pieces import Piece, value_of
from machines.emulator.recording import Arrival
from machines.kept_streams import Opened
from machines.models import Stream, StreamPart

#: One window: parts in the tree, pieces of the open part, and their bytes.
PARTS = 150
PIECES = 90
BYTES = 1024
ROW = 16
#: Of an array so many elements are told, and of a value in hex so many bytes.
ELEMENTS = 8
SHOWN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of the open part. ``at`` is its offset in the stream; ``arrival`` what became of it
    on the destination of a trial, with ``found``, its value there. ``frames``: it is of the wire
    format, not of a device.
    """

    number: int
    piece: Piece
    at: int
    value: str
    found: str
    arrival: Arrival | None
    frames: bool
    current: bool

    @property
    def depth(self) -> int:
        return len(self.piece.inside)

    @property
    def differs(self) -> bool:
        return self.arrival is not None and self.arrival.fate in ("lost", "altered")


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of one piece within a row of the hex view."""

    number: int
    at: int
    text: str
    kind: str
    current: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Sixteen bytes, or the last ones: offset in the stream, runs, and the same as text."""

    at: int
    before: int
    runs: list[Run]
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown of a stream.

    ``parts`` are those of the tree around ``part``; ``pieces`` and ``rows`` those of the window;
    ``previous`` and ``next`` lead to the bytes before and after, ``parts_before`` and
    ``parts_after`` to further parts: offsets in the stream, None where there is nothing more.
    """

    stream: Stream
    parts: Sequence[StreamPart]
    part_count: int
    part: StreamPart
    pieces: list[Shown]
    rows: list[Row]
    selected: Shown | None
    piece_count: int
    left_out: int
    previous: int | None
    next: int | None
    parts_before: int | None
    parts_after: int | None


def window_of(stream: Stream, query: QueryDict) -> Window | None:
    """What the address asks to see; None where nothing of the stream could be read.

    Raises Http404 for a place that the stream does not have.
    """
    listed = _listed(stream, query.get("q", "").strip())
    parts = stream.parts.all()
    if not parts.exists():
        return None
    part, at = _place(parts, query)
    opened = kept_streams.opened(part)
    start, end = _span(opened, max(0, at - part.offset))
    chosen = _piece_at(opened, at - part.offset) if _asks(query) else None
    pieces = list(_pieces(part, opened, start, end, chosen))
    rows = list(_rows(part, opened, start, end, chosen))
    around, before, after = _around(listed, part)
    return Window(
        stream=stream,
        parts=around,
        part_count=len(listed),
        part=part,
        pieces=pieces,
        rows=rows,
        selected=next((item for item in pieces if item.current), None),
        piece_count=len(opened.pieces),
        left_out=part.size - len(opened.content),
        previous=part.offset + _before(opened, start) if start else None,
        next=part.offset + end if end < len(opened.content) else None,
        parts_before=before,
        parts_after=after,
    )


def part_asked(request: HttpRequest) -> str:
    """The template of the part that a page's script asks for; empty where it wants the page."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request and htmx.target in ("piece", "anatomy"):
        return f"partials/stream_{htmx.target}.html"
    return ""


def address_of(section: str, instance: int = 0, field: str = "") -> str:
    """The query that shows a section, or a field of it."""
    asked: dict[str, Any] = {"section": section, "instance": instance}
    return "?" + urlencode(asked | ({"field": field} if field else {}))


# --- Which part -----------------------------------------------------------------------------------


def _asks(query: QueryDict) -> bool:
    return bool(query.get("at") or query.get("field"))


def _listed(stream: Stream, search: str) -> list[StreamPart]:
    rows = stream.parts.defer("content", "detail")
    if search:
        rows = rows.filter(name__icontains=search) | rows.filter(driver__icontains=search)
    return list(rows)


def _place(parts: Any, query: QueryDict) -> tuple[StreamPart, int]:
    """The part and the byte that the address names; the first part without one."""
    if text := query.get("at", ""):
        at = _offset(text)
        part = None if at is None else parts.filter(offset__lte=at).last()
        if part is None or at is None:
            raise Http404
        return part, at
    name, device = query.get("section", ""), query.get("device", "")
    number = number_of(query.get("part", ""))
    if number is not None:
        if (part := parts.filter(number=number).first()) is None:
            raise Http404
        return part, part.offset
    if not (name or device):
        part = parts.filter(kind="section").first() or parts.first()
        return part, part.offset
    found = parts.filter(name=name) if name else parts.filter(driver=device)
    instance = number_of(query.get("instance", ""))
    if instance is not None:
        found = found.filter(instance_id=instance)
    part = found.first()
    if part is None:
        raise Http404
    return part, part.offset + _field(kept_streams.opened(part), query.get("field", ""))


def _offset(text: str) -> int | None:
    if text.lower().startswith("0x"):
        try:
            return int(text[2:18], 16)
        except ValueError:
            return None
    return number_of(text)


def _field(opened: Opened, name: str) -> int:
    """Where a field stands that somebody names: by its whole path, else by its end."""
    if name:
        for matches in (
            lambda path: path == name,
            lambda path: path.endswith((f".{name}", f"/{name}")),
            lambda path: name.startswith(f"{path}."),
        ):
            for piece in opened.pieces:
                if piece.kind != "frame" and matches(piece.name):
                    return piece.offset
    return 0


def _around(
    listed: list[StreamPart], part: StreamPart
) -> tuple[list[StreamPart], int | None, int | None]:
    """The window of parts that holds this one, and offsets of the windows beside it."""
    place = sum(item.number < part.number for item in listed)
    first = place // PARTS * PARTS
    shown = listed[first : first + PARTS]
    before = listed[first - PARTS].offset if first else None
    after = listed[first + PARTS].offset if first + PARTS < len(listed) else None
    return shown, before, after


# --- Which bytes ----------------------------------------------------------------------------------


def _windows(opened: Opened) -> Iterator[tuple[int, int]]:
    """Bytes from and to, one window after the other; a large piece goes on in the next one."""
    start, count = 0, 0
    for piece in opened.pieces:
        while piece.offset + piece.size - start > BYTES:
            yield start, start + BYTES
            start, count = start + BYTES, 0
        if count == PIECES:
            yield start, piece.offset
            start, count = piece.offset, 0
        count += 1
    if start < len(opened.content):
        yield start, len(opened.content)


def _span(opened: Opened, at: int) -> tuple[int, int]:
    for start, end in _windows(opened):
        if at < end:
            return start, end
    # A place behind what is kept: the last window.
    return list(_windows(opened))[-1] if opened.content else (0, 0)


def _before(opened: Opened, start: int) -> int:
    return next(first for first, end in _windows(opened) if end == start)


def _piece_at(opened: Opened, at: int) -> int | None:
    for number, piece in enumerate(opened.pieces):
        if piece.offset <= at < piece.offset + piece.size:
            return number
    return None


def _pieces(
    part: StreamPart, opened: Opened, start: int, end: int, chosen: int | None
) -> Iterator[Shown]:
    for number, piece in enumerate(opened.pieces):
        if piece.offset + piece.size <= start or piece.offset >= end:
            continue
        arrival = opened.arrivals.get(number)
        yield Shown(
            number=number,
            piece=piece,
            at=part.offset + piece.offset,
            value=shown_value(piece, opened.content),
            found="" if arrival is None else _found(piece, arrival),
            arrival=arrival,
            frames=_frames(opened, piece),
            current=number == chosen,
        )


def _rows(
    part: StreamPart, opened: Opened, start: int, end: int, chosen: int | None
) -> Iterator[Row]:
    """Rows stand where the stream's own offsets are multiples of sixteen."""
    pieces = [
        (number, piece)
        for number, piece in enumerate(opened.pieces)
        if piece.offset + piece.size > start and piece.offset < end
    ]
    first = part.offset + start
    for row in range(first - first % ROW, part.offset + end, ROW):
        low = max(row, first) - part.offset
        high = min(row + ROW, part.offset + end) - part.offset
        runs = [
            _run(part, opened, number, piece, low, high, chosen)
            for number, piece in pieces
            if piece.offset < high and piece.offset + piece.size > low
        ]
        raw = opened.content[low:high]
        before = part.offset + low - row
        yield Row(row, before, runs, " " * before + _readable(raw))


def _run(
    part: StreamPart,
    opened: Opened,
    number: int,
    piece: Piece,
    low: int,
    high: int,
    chosen: int | None,
) -> Run:
    begin, end = max(low, piece.offset), min(high, piece.offset + piece.size)
    kind = "frame" if _frames(opened, piece) else "field"
    if piece.kind == "subsection":
        kind = piece.kind
    text = opened.content[begin:end].hex(" ")
    return Run(number, part.offset + piece.offset, text, kind, number == chosen)


def _frames(opened: Opened, piece: Piece) -> bool:
    start, size = opened.payload
    return piece.kind == "frame" or (size > 0 and not start <= piece.offset < start + size)


def _readable(raw: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in raw)


# --- Values ---------------------------------------------------------------------------------------


def shown_value(piece: Piece, content: bytes) -> str:
    """A piece's value for people: a number, a truth, text, hex; of an array the first elements."""
    raw = content[piece.offset : piece.offset + piece.size]
    if piece.kind in ("text", "subsection"):
        return _text(piece, raw)
    if piece.kind == "frame" and piece.name == "type":
        return f"{raw[0]} {SectionType(raw[0]).name}"
    if piece.count > 1 and len(raw) > SHOWN_BYTES and not raw.strip(b"\0"):
        return f"{piece.count} × 0"
    short = piece
    if piece.count > ELEMENTS:
        each = piece.size // piece.count
        short = Piece(piece.name, piece.kind, piece.offset, each * ELEMENTS, ELEMENTS)
    found = value_of(short, content)
    if isinstance(found, list):
        more = ", …" if piece.count > ELEMENTS else ""
        return "[" + ", ".join(map(_one, found)) + more + "]"
    return _one(found)


def _text(piece: Piece, raw: bytes) -> str:
    if piece.kind == "subsection":
        return f"version {int.from_bytes(raw[-4:], 'big')}"
    return raw[: 4 * SHOWN_BYTES].decode("ascii", "replace") + (
        "…" if len(raw) > 4 * SHOWN_BYTES else ""
    )


def _one(value: int | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if len(value) > 2 * SHOWN_BYTES and not value.strip("0"):
        return f"{len(value) // 2} × 00"
    shown = value[: 2 * SHOWN_BYTES]
    pairs = " ".join(shown[at : at + 2] for at in range(0, len(shown), 2))
    return pairs + (" …" if len(value) > 2 * SHOWN_BYTES else "")


def _found(piece: Piece, arrival: Arrival) -> str:
    """The destination's value, written as the one that was sent."""
    if arrival.found is None:
        return ""
    if len(arrival.found) != piece.size:
        return _one(arrival.found.hex())
    there = Piece(piece.name, piece.kind, 0, piece.size, piece.count)
    return shown_value(there, arrival.found)
