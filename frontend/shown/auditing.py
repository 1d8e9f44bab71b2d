"""What an audit entry changed, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policy.models import AuditEntry

MAX_LINES = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One value that an entry changed; None where it was not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """An entry's difference: in words where the edit of a draft recorded them, else by values.

    ``lines`` are the first :data:`MAX_LINES` of ``count``.
    """

    words: tuple[dict[str, str], ...]
    lines: tuple[Line, ...]
    count: int

    @property
    def left_out(self) -> int:
        return self.count - len(self.lines)


def told(entry: AuditEntry) -> Told:
    """What the entry changed."""
    after: Any = entry.after
    words: tuple[dict[str, str], ...] = ()
    # An edit of a draft is recorded in words: they say all that its values would.
    if isinstance(after, dict) and isinstance(after.get("changes"), list):
        words = tuple(item for item in after["changes"] if "label" in item)
        after = {key: value for key, value in after.items() if key != "changes"}
    lines = difference(entry.before, after)
    return Told(words, tuple(lines[:MAX_LINES]), len(lines))


def difference(before: Any, after: Any) -> list[Line]:
    """What changed between two JSON values, a line for each leaf that differs."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [
        Line(path, old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [
            leaf
            for key, item in value.items()
            for leaf in _leaves(item, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(value, list) and value:
        return [
            leaf for number, item in enumerate(value) for leaf in _leaves(item, f"{path}[{number}]")
        ]
    if value is None:
        return []
    return [(path, value if isinstance(value, str) else repr(value))]
