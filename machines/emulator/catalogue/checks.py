"""What a text or a number of a catalogue may be, whoever wrote it: checks that name the place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from machines.emulator.errors import EmulatorError

MAX_DRIVERS = 20_000
MAX_NAME_LENGTH = 255
MAX_VALUE_LENGTH = 1000
MAX_INHERITANCE_DEPTH = 64
MAX_JSON_DEPTH = 8
MAX_COMPAT_ENTRIES = 500_000


class CatalogueError(EmulatorError):
    """The input is at fault: ``place`` names the file and the entry."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


def expect(condition: bool, place: str, problem: str) -> None:
    """Raise the problem of this place unless the condition holds."""
    if not condition:
        raise CatalogueError(place, problem)


def name_text(value: Any, place: str) -> str:
    """A name: of 1 to :data:`MAX_NAME_LENGTH` characters."""
    name = _text_up_to(MAX_NAME_LENGTH, value, place)
    if not name:
        raise CatalogueError(place, "has 0 characters")
    return name


def value_text(value: Any, place: str) -> str:
    """A property's value: of at most :data:`MAX_VALUE_LENGTH` characters."""
    return _text_up_to(MAX_VALUE_LENGTH, value, place)


def _text_up_to(length: int, value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise CatalogueError(place, f"should be a text, is {_shown(value)}")
    if len(value) > length:
        raise CatalogueError(place, f"has {len(value)} characters")
    if not value.isascii() or "\0" in value:
        storable(value, place)
    return value


def storable(text: str, place: str) -> None:
    """Refuse what neither UTF-8 nor a database holds: NUL, and half a surrogate pair."""
    if text.isascii():
        expect("\0" not in text, place, "holds a NUL character")
        return
    bad = next((char for char in text if char == "\0" or "\ud800" <= char <= "\udfff"), None)
    expect(bad is None, place, "holds a character that is none")


def shortened(value: Any, place: str, length: int = MAX_NAME_LENGTH) -> str:
    """A text that is only shown, so that a longer one loses its end."""
    text = str(value or "")[:length]
    storable(text, place)
    return text


def json_value(value: Any, place: str, depth: int = 0) -> Any:
    """A property's default: any JSON value of reasonable depth."""
    expect(depth <= MAX_JSON_DEPTH, place, f"nests deeper than {MAX_JSON_DEPTH}")
    if isinstance(value, str):
        storable(value, place)
    elif isinstance(value, list):
        for item in value:
            json_value(item, place, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            expect(isinstance(key, str), place, "should be a JSON value")
            json_value(key, place, depth + 1)
            json_value(item, place, depth + 1)
    elif isinstance(value, float):
        expect(math.isfinite(value), place, f"should be a JSON value, is {value}")
    else:
        expect(value is None or isinstance(value, int), place, "should be a JSON value")
        expect(value is None or abs(value) < 2**64, place, "is a number beyond 64 bits")
    return value


def integer(value: Any, place: str, *, low: int = 0, high: int = 2**32) -> int:
    """A whole number within both bounds."""
    if type(value) is int and low <= value <= high:  # a truth value is no number here
        return value
    problem = f"should be a whole number from {low} to {high}"
    raise CatalogueError(place, f"{problem}, is {_shown(value)}")


def _shown(value: Any) -> str:
    """A short form of any value for a message; a huge number has none."""
    try:
        return f"{value!r:.60}"
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def check_ancestry(types: Mapping[str, str | None]) -> None:
    """Every type must reach a root: no circle, no chain beyond :data:`MAX_INHERITANCE_DEPTH`."""
    rooted: set[str] = set()
    for name in types:
        chain: list[str] = []
        ancestor: str | None = name
        while ancestor is not None and ancestor not in rooted:
            chain.append(ancestor)
            expect(
                len(chain) <= MAX_INHERITANCE_DEPTH,
                f"types: {name}",
                f"is its own ancestor, or has more than {MAX_INHERITANCE_DEPTH}",
            )
            ancestor = types.get(ancestor)
        rooted.update(chain)
