"""An uploaded stream taken apart in a child process (:mod:`machines.confined`).

The child reads the file (plain or .xz) with :mod:`machines.emulator.anatomy` and prints a line of
JSON for each part; the parent makes the same values of them again, whatever the file did to the
child.

    found = dissect(Path("upload"))
    found.machine, len(found.parts), found.problem

Neither side imports Django.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machines import confined
from machines.confined import Limits, limit_self
from machines.emulator.anatomy import Anatomy, MemoryBlock, Part, take_apart
from machines.emulator.errors import StreamError
from machines.emulator.pieces import Piece
from machines.emulator.window import open_stream

#: What a stream may be, unpacked, in bytes.
MAX_LENGTH = 8 * 2**30
#: A GiB of guest memory passes in seconds; device state has limits of its own.
LIMITS = Limits(memory=1024 * 2**20, output=192 * 2**20, cpu_seconds=300, wall_seconds=600)


def dissect(path: Path, limits: Limits = LIMITS) -> Anatomy:
    """The parts of a stream's file. What cannot be read is the anatomy's ``problem``."""
    with tempfile.TemporaryDirectory(prefix="lockstep-stream-") as folder:
        answer = Path(folder, "answer")
        with answer.open("wb") as output, Path(folder, "errors").open("wb") as errors:
            try:
                status = confined.run("machines.dissection", path, limits, output, errors)
            except subprocess.TimeoutExpired:
                return _nothing(f"takes longer than {limits.wall_seconds:.0f} s to read")
        if status:
            return _nothing("takes more memory or time to read than a stream may")
        with answer.open("rb") as lines:
            return from_lines(lines)


def _nothing(problem: str) -> Anatomy:
    return Anatomy((), None, None, 0, (), (), StreamError(0, "", problem))


# --- What goes from the child to the parent -------------------------------------------------------


def to_lines(found: Anatomy) -> Iterator[str]:
    """A line for each part, then one for the whole."""
    for part in found.parts:
        yield json.dumps(_part_document(part))
    problem = found.problem
    yield json.dumps(
        {
            "machine": found.machine,
            "page_size": found.page_size,
            "length": found.length,
            "memory": [asdict(block) for block in found.memory],
            "commands": found.commands,
            "problem": problem and [problem.offset, problem.section, problem.problem],
        }
    )


def _part_document(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "name": part.name,
        "offset": part.offset,
        "size": part.size,
        "content": base64.b64encode(part.content).decode(),
        "pieces": pieces_document(part.pieces),
        "instance_id": part.instance_id,
        "section_id": part.section_id,
        "version_id": part.version_id,
        "payload": part.payload,
        "device": part.device,
    }


def pieces_document(pieces: tuple[Piece, ...]) -> list[list[Any]]:
    """Pieces as JSON: the fields of :class:`Piece` in order."""
    return [
        [item.name, item.kind, item.offset, item.size, item.count, item.inside] for item in pieces
    ]


def pieces_from(document: list[list[Any]]) -> tuple[Piece, ...]:
    """What :func:`pieces_document` gave."""
    return tuple(
        Piece(name, kind, offset, size, count, tuple(inside))
        for name, kind, offset, size, count, inside in document
    )


def from_lines(lines: Any) -> Anatomy:
    """The anatomy that :func:`to_lines` gave."""
    parts: list[Part] = []
    for line in lines:
        document = json.loads(line)
        if "kind" not in document:
            return _whole(document, tuple(parts))
        document["content"] = base64.b64decode(document["content"])
        document["pieces"] = pieces_from(document["pieces"])
        document["payload"] = tuple(document["payload"])
        parts.append(Part(**document))
    return _nothing("cannot be read")


def _whole(document: dict[str, Any], parts: tuple[Part, ...]) -> Anatomy:
    problem = document["problem"]
    return Anatomy(
        parts=parts,
        machine=document["machine"],
        page_size=document["page_size"],
        length=document["length"],
        memory=tuple(MemoryBlock(**block) for block in document["memory"]),
        commands=tuple(document["commands"]),
        problem=StreamError(*problem) if problem else None,
    )


# --- Child ----------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """The child: ``FILE MEMORY OUTPUT CPU_SECONDS``."""
    path = limit_self(arguments)
    try:
        with open_stream(path) as file:
            found = take_apart(file, MAX_LENGTH)
    except StreamError as error:
        found = Anatomy((), None, None, 0, (), (), error)
    for line in to_lines(found):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
