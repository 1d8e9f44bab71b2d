"""Streams that are kept for a while: the only writer of :class:`~machines.models.Stream`.

A stream comes in as a file (:func:`received`, then :func:`read` in a worker) or out of a trial
(:func:`keep`). Guest memory is never kept: the file is gone once it was read, and what stays is one
row for each part, with its bytes and their names.

    waiting -- read --> read | cut | unreadable -- expiry or its owner --> gone
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from machines.dissection import dissect, pieces_document, pieces_from
from machines.emulator.anatomy import Anatomy, Part
from machines.emulator.errors import StreamError
from machines.emulator.events import RamBlock
from machines.emulator.pieces import Piece
from machines.emulator.recording import Arrival, Key, Record
from machines.emulator.snapshot import SentSection, Snapshot
from machines.models import Stream, StreamPart

#: How long an upload is kept, and a trial's stream, which can be made again.
KEPT_UPLOAD = timedelta(days=30)
KEPT_RECORD = timedelta(days=7)
#: What one person may keep: streams, and bytes of them (packed, without guest memory).
MAX_STREAMS = 40
MAX_KEPT_BYTES = 256 * 2**20
#: An upload that nobody has read after that long was given up with its job.
MAX_WAIT = timedelta(days=1)
_LONGEST = 255


# --- Files that wait to be read -------------------------------------------------------------------


def uploads() -> Path:
    """The folder of files that wait to be read; every process of the service has it."""
    folder = Path(settings.VAR_DIR, "uploads")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_of(stream: Stream) -> Path:
    """Where an upload waits to be read."""
    return uploads() / f"stream-{stream.pk}"


@transaction.atomic
def received(owner: Any, name: str, file: Path, size: int, digest: str) -> Stream:
    """An upload whose bytes are in ``file``, which becomes its own."""
    stream = Stream.objects.create(
        owner=owner,
        name=name[:_LONGEST] or "stream",
        size=size,
        digest=digest,
        expires_at=timezone.now() + KEPT_UPLOAD,
    )
    file.rename(file_of(stream))
    return stream


def read(stream: Stream) -> Stream:
    """Take an upload apart in a child process and keep its parts. The file is gone afterwards."""
    path = file_of(stream)
    if path.exists():
        found = dissect(path)
    else:
        problem = StreamError(0, "", "the upload is no longer there: upload it again")
        found = Anatomy((), None, None, 0, (), (), problem)
    keep(stream, found, {})
    path.unlink(missing_ok=True)
    return stream


# --- Parts ----------------------------------------------------------------------------------------


@transaction.atomic
def keep(stream: Stream, found: Anatomy, records: Mapping[Key, Record]) -> None:
    """Write what a stream consists of; ``records`` is what became of a trial's sections."""
    stream.parts.all().delete()
    rows = [_row(stream, number, part, records) for number, part in enumerate(found.parts)]
    StreamPart.objects.bulk_create(rows, batch_size=200)
    problem = found.problem
    if problem is None:
        stream.state = Stream.State.READ
    else:
        stream.state = Stream.State.CUT if rows else Stream.State.UNREADABLE
        stream.problem = {
            "offset": problem.offset,
            "section": problem.section,
            "problem": problem.problem,
        }
    stream.machine_type = found.machine or ""
    stream.length = found.length
    stream.memory = [
        {"name": block.name, "length": block.length, "pages": dict(block.pages)}
        for block in found.memory
    ]
    stream.commands = sorted(set(found.commands))
    stream.kept_bytes = sum(len(row.content) + len(row.detail) for row in rows)
    stream.save()


def _row(stream: Stream, number: int, part: Part, records: Mapping[Key, Record]) -> StreamPart:
    record = records.get((part.name, part.instance_id)) if part.kind == "section" else None
    detail: dict[str, Any] = {
        "pieces": pieces_document(part.pieces),
        "payload": part.payload,
        "device": part.device,
    }
    if record is not None:
        detail["arrivals"] = [
            [item.fate, None if item.found is None else item.found.hex(), item.target]
            for item in record.arrivals
        ]
    return StreamPart(
        stream=stream,
        number=number,
        kind=part.kind,
        name=_printable(part.name),
        description=_printable(part.description),
        instance_id=part.instance_id,
        section_id=part.section_id,
        version_id=part.version_id,
        offset=part.offset,
        size=part.size,
        driver=record.driver if record else "",
        refused="\n".join(record.refused) if record else "",
        lost=sum(item.fate in ("lost", "altered") for item in record.arrivals) if record else 0,
        content=zlib.compress(part.content),
        detail=zlib.compress(json.dumps(detail, separators=(",", ":")).encode()),
    )


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text)[:_LONGEST]


@dataclass(frozen=True, slots=True)
class Opened:
    """A part with its bytes unpacked. ``payload``: where its own content stands (offset, size).

    ``arrivals``: piece's number → what the destination has of it (a trial's stream only).
    """

    content: bytes
    pieces: tuple[Piece, ...]
    payload: tuple[int, int]
    device: Mapping[str, Any] | None
    arrivals: Mapping[int, Arrival]


def opened(part: StreamPart) -> Opened:
    """What is kept of a part."""
    detail = json.loads(zlib.decompress(part.detail))
    pieces = pieces_from(detail["pieces"])
    start, size = detail["payload"]
    return Opened(
        content=zlib.decompress(part.content),
        pieces=pieces,
        payload=(start, size),
        device=detail["device"],
        arrivals=dict(_arrivals(pieces, (start, size), detail.get("arrivals", ()))),
    )


def _arrivals(
    pieces: tuple[Piece, ...], payload: tuple[int, int], listed: Any
) -> Iterator[tuple[int, Arrival]]:
    """The fields among the pieces are in the order in which the trial told of them."""
    start, size = payload
    fields = [
        number
        for number, item in enumerate(pieces)
        if item.kind != "subsection" and start <= item.offset < start + size
    ]
    if len(fields) != len(listed):
        return
    for number, (fate, found, target) in zip(fields, listed, strict=True):
        yield number, Arrival(fate, None if found is None else bytes.fromhex(found), target)


def snapshot_of(stream: Stream) -> Snapshot:
    """The stream as a trial on a real stream reads it (:mod:`machines.emulator.replay`)."""
    sections = []
    for part in stream.parts.filter(kind="section"):
        found = opened(part)
        start, size = found.payload
        payload = found.content[start : start + size]
        sections.append(
            SentSection(part.name, part.instance_id, part.version_id, payload, found.device)
        )
    return Snapshot(
        machine=stream.machine_type or None,
        blocks=tuple(RamBlock(item["name"], item["length"]) for item in stream.memory),
        sections=tuple(sections),
        by_key={(item.idstr, item.instance_id): item for item in sections},
        commands=frozenset(stream.commands),
    )


# --- Going away -----------------------------------------------------------------------------------


def used_by(owner: Any) -> tuple[int, int]:
    """How many streams a person keeps, and how many bytes of them."""
    rows = Stream.objects.filter(owner=owner).values_list("kept_bytes", flat=True)
    return len(rows), sum(rows)


def renew(stream: Stream) -> None:
    """A trial's stream that is looked at is kept longer."""
    until = timezone.now() + KEPT_RECORD
    if stream.key and stream.expires_at < until - timedelta(days=1):
        Stream.objects.filter(pk=stream.pk).update(expires_at=until)


def remove(stream: Stream) -> None:
    """Take a stream away with all that is kept of it."""
    path = file_of(stream)
    stream.delete()
    path.unlink(missing_ok=True)


def sweep(note: Callable[[Stream], None]) -> int:
    """Remove what has expired, and files that nobody will read. ``note`` is told of each stream."""
    expired = list(Stream.objects.filter(expires_at__lt=timezone.now()))
    for stream in expired:
        with transaction.atomic():
            note(stream)
            remove(stream)
    _remove_files()
    return len(expired)


def _remove_files() -> None:
    oldest = (timezone.now() - MAX_WAIT).timestamp()
    for path in uploads().iterdir():
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
