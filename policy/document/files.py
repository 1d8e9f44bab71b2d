"""Reading a policy document from a file, YAML or JSON, so that a fault is told by line and path.

A plain word in YAML is a text here (``value: off``); only what JSON would read so is a whole
number, true, false or null. Anchors, aliases and tags are refused: nothing in a policy needs them.

    >>> read("release: {tree: rhel}").document
    {'release': {'tree': 'rhel'}}
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 30
MAX_NODES = 500_000
#: Characters of all paths together: each value below a long key has it in its own.
MAX_PATHS = 64 * 1024 * 1024

#: Policies hold whole numbers alone: a plain 12e4567 is the beginning of a commit's name.
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d*)")
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False, "": None}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FileError(ValueError):
    """A file is at fault at ``line`` (from 1; 0 where no line can be named)."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds, and the line of each path in it (``policy.machine_types[3].name``)."""

    document: Any
    lines: dict[str, int]

    def line_of(self, path: str) -> int:
        """The line of the nearest thing that is there: what is missing is missed at its parent."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)


def read(text: str) -> Read:
    """Read a file's text. Raises :class:`FileError`."""
    if len(text) > MAX_CHARACTERS:
        raise FileError(0, f"A policy file has at most {MAX_CHARACTERS // 1024**2} MiB.")
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{") and (found := _json(text)) is not None:
        return found
    try:
        return _Builder().build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise FileError(line, f"is no YAML: {error.problem or error}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise FileError(0, f"is no YAML: {error}") from error


def _json(text: str) -> Read | None:
    """The text as JSON, its lines found by reading it as the YAML that it is, too.

    None for what only begins like JSON: ``{release: {tree: rhel}}``. Raises FileError.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if '"' not in text[: error.pos + 1]:
            return None
        raise FileError(error.lineno, f"is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise FileError(0, f"nests deeper than {MAX_DEPTH} levels") from error
    builder = _Builder()
    # An escape that YAML does not know ends this early: the lines up to there have to do.
    with contextlib.suppress(yaml.YAMLError):
        # JSON may be indented by tabs, YAML may not; no JSON text holds one elsewhere.
        builder.build(text.replace("\t", " "))
    return Read(document, builder.lines)


@dataclass(slots=True)
class _Builder:
    """Builds a document from YAML's events, never deeper or larger than the limits."""

    lines: dict[str, int] = field(default_factory=dict)
    nodes: int = 0
    paths: int = 0

    def build(self, text: str) -> Read:
        events = self._events(text)
        first = next(events, None)
        if first is None:
            raise FileError(1, "is empty")
        document = self._value(first, events, "policy", 0)
        if (more := next(events, None)) is not None:
            raise FileError(_line(more), "holds a second document")
        return Read(document, self.lines)

    def _events(self, text: str) -> Iterator[yaml.Event]:
        frame = (
            yaml.StreamStartEvent,
            yaml.StreamEndEvent,
            yaml.DocumentStartEvent,
            yaml.DocumentEndEvent,
        )
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise FileError(_line(event), "anchors and aliases are not read")
            if getattr(event, "tag", None):
                raise FileError(_line(event), "tags are not read")
            if not isinstance(event, frame):
                yield event

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: str, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise FileError(_line(event), f"holds more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise FileError(_line(event), f"nests deeper than {MAX_DEPTH} levels")
        self.paths += len(path)
        if self.paths > MAX_PATHS:
            raise FileError(_line(event), "has keys that are too long")
        self.lines[path] = _line(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path, depth)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        raise FileError(_line(event), "is not understood")

    def _mapping(self, events: Iterator[yaml.Event], path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                raise FileError(_line(event), "a key has to be a word")
            key = event.value
            if key in found:
                raise FileError(_line(event), f"{path}.{key:.60} is there twice")
            found[key] = self._value(next(events), events, f"{path}.{key}", depth + 1)
            self.lines[f"{path}.{key}"] = _line(event)
        return found

    def _sequence(self, events: Iterator[yaml.Event], path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, events, f"{path}[{len(found)}]", depth + 1))
        return found


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _scalar(event: yaml.ScalarEvent) -> Any:
    """A quoted scalar is a text; a plain one is what JSON would read, else a text."""
    value = str(event.value)
    if not event.implicit[0]:
        return value
    if value in _WORDS:
        return _WORDS[value]
    if _WHOLE_NUMBER.fullmatch(value) and len(value) <= 20:
        return json.loads(value)
    return value
