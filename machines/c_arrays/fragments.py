"""Which lines of a file to read: a whole C source, or the new side of a patch's hunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from machines.emulator.catalogue import CatalogueError

#: How the names of C sources end; of a patch only their hunks are read.
SOURCES = (".c", ".h", ".inc")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Lines that stand together: ``numbers[i]`` is the place of ``lines[i]`` in the file read.

    ``changed`` are the numbers of added lines and of those before which one was removed.
    ``heading`` is what a hunk's header says of the code above it. A whole source has none.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    changed: frozenset[int] = frozenset()
    heading: str = ""
    whole: bool = False


_HUNK = re.compile(r"^@@ -\d{1,9}(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")


def fragments(text: str, filename: str) -> list[Fragment]:
    lines = text.replace("\r\n", "\n").split("\n")  # splitlines would count a form feed too
    if not any(_HUNK.match(line) for line in lines):
        numbers = tuple(range(1, len(lines) + 1))
        return [Fragment(tuple(lines), numbers, whole=True)]
    return [hunk.fragment() for hunk in _joined(_hunks(lines, filename))]


@dataclass(slots=True)
class _Hunk:
    """The new side of one hunk; ``file`` counts the patched files, ``begin`` is its first line."""

    file: int
    begin: int
    heading: str
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)

    def fragment(self) -> Fragment:
        return Fragment(
            tuple(self.lines), tuple(self.numbers), frozenset(self.changed), self.heading
        )


def _hunks(lines: Sequence[str], filename: str) -> Iterator[_Hunk]:
    file = 0
    position = 0
    is_source = True
    while position < len(lines):
        if lines[position].startswith(("diff ", "--- ")):
            file += 1
        elif lines[position].startswith("+++ "):
            target = lines[position].split()[1:2] or [""]
            is_source = target[0].endswith(SOURCES)
        header = _HUNK.match(lines[position])
        position += 1
        if header is None:
            continue
        hunk = _Hunk(file, int(header[2]), header[4])
        old, new = int(header[1] or 1), int(header[3] or 1)
        while old > 0 or new > 0:
            if position >= len(lines):
                raise CatalogueError(f"{filename}:{position}", "the patch ends within a hunk")
            line, number = lines[position], position + 1
            position += 1
            mark = line[:1]
            if mark == "\\":  # "\ No newline at end of file"
                continue
            if mark not in {"+", "-", " ", ""}:
                raise CatalogueError(f"{filename}:{number}", "is no line of a unified diff")
            old -= mark != "+"
            new -= mark != "-"
            if mark == "-":
                hunk.changed.add(number)
                continue
            hunk.lines.append(line[1:])
            hunk.numbers.append(number)
            if mark == "+":
                hunk.changed.add(number)
        if is_source:
            yield hunk


def _joined(hunks: Iterator[_Hunk]) -> Iterator[_Hunk]:
    """Hunks of one file that follow each other without a gap, as one."""
    last: _Hunk | None = None
    for hunk in hunks:
        if last is None:
            last = hunk
        elif hunk.file == last.file and hunk.begin == last.begin + len(last.lines):
            last.lines += hunk.lines
            last.numbers += hunk.numbers
            last.changed |= hunk.changed
        else:
            yield last
            last = hunk
    if last is not None:
        yield last
