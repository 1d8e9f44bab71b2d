"""How answers are told: tables and bars on a terminal, plain columns in a pipe, JSON on demand.

Whatever is told passes here, and commands no terminal: servers and people wrote it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from machines.emulator.terminal import harmless, harmless_json


class Told(Protocol):
    """How far something is: how many of how many, and what it does in words."""

    def __call__(self, done: int, total: int, text: str) -> None: ...


#: An outcome's or a standing's symbol and colour, the same as on the pages.
_MARKS: Mapping[str, tuple[str, str]] = {
    "correct": ("✓", "blue"),
    "passed": ("✓", "blue"),
    "degraded": ("◐", "yellow"),
    "corrupt": ("!", "red"),
    "differs": ("✕", "red"),
    "could-not-run": ("✕", "red"),
    "error": ("✕", "red"),
    "refused": ("✕", "dim"),
    "note": ("i", "blue"),
    "warning": ("!", "yellow"),
}


def as_json(document: Any) -> None:
    """A document as indented JSON."""
    sys.stdout.write(harmless_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")


def line(text: str = "") -> None:
    """A line of the answer."""
    sys.stdout.write(f"{harmless(text)}\n")


def file(text: str) -> None:
    """A file's text: as it is in a pipe, which may keep it; as a line on a terminal."""
    if sys.stdout.isatty():
        line(text)
    else:
        sys.stdout.write(f"{text}\n")


def aside(text: str) -> None:
    """A line that is no part of the answer: it goes to standard error."""
    sys.stderr.write(f"{harmless(text)}\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "Nothing.") -> None:
    """Rows under their columns' names; between tabs and without names where nobody looks."""
    listed = [["" if cell is None else harmless(str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in listed:
            line("\t".join(cell.replace("\n", " ") for cell in row))
        return
    if not listed:
        line(empty)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name, overflow="fold")
    for row in listed:
        shown.add_row(*(_marked(cell) for cell in row))
    Console().print(shown)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line; what has no value is left out."""
    listed = [(name, str(value)) for name, value in pairs if value not in (None, "", [])]
    width = max((len(name) for name, _value in listed), default=0)
    for name, value in listed:
        line(f"{name:<{width}}  {value}")


@contextmanager
def bar(title: str) -> Iterator[Told]:
    """A bar while something takes long: call it with done, total, words. Silent in a pipe."""
    if not sys.stderr.isatty():
        yield _silent
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=None)

        def told(done: int, total: int, text: str) -> None:
            words = harmless(text or title)
            shown.update(task, completed=done, total=total or None, description=words)

        yield told


def _marked(cell: str) -> Text:
    symbol, style = _MARKS.get(cell, ("", ""))
    return Text(f"{symbol} {cell}" if symbol else cell, style=style)


def _silent(done: int, total: int, text: str) -> None:
    pass
