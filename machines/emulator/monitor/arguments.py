"""What a command's arguments have to be, and QEMU's words where they are not.

A form is written as in QEMU's schema: ``{"path": text, "*abstract": switch}``, the star marking
what may be missing. Checks follow qapi/qobject-input-visitor.c; ``name`` is an argument's path in
the request (``capabilities[0].state``).

    >>> check({"path": text, "*depth": whole}, {"path": "/machine"})
    {'path': '/machine'}
    >>> check({"path": text}, {"path": 5})
    Traceback (most recent call last):
    machines.emulator.monitor.protocol.QmpError: Invalid parameter type for 'path', expected: string
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from machines.emulator.monitor.protocol import QmpError

#: Takes an argument's name and value, gives the value, or raises :class:`QmpError`.
Check = Callable[[str, Any], Any]
Form = Mapping[str, Check]


def check(form: Form, given: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """The arguments that were given, each checked. Raises :class:`QmpError`."""
    taken = {}
    for key, checked in form.items():
        name = key.removeprefix("*")
        if name in given:
            taken[name] = checked(place + name, given[name])
        elif name == key:
            raise QmpError(f"Parameter '{place}{name}' is missing")
    for name in given:
        if name not in taken:
            raise QmpError(f"Parameter '{place}{name}' is unexpected")
    return taken


def _wrong_type(name: str, expected: str) -> QmpError:
    return QmpError(f"Invalid parameter type for '{name}', expected: {expected}")


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "string")
    return value


def switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, "boolean")
    return value


def whole(name: str, value: Any) -> int:
    """An integer that fits in 64 bits and is not negative."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(name, "integer")
    if value < 0:
        raise QmpError(f"Parameter '{name}' expects an integer that is not negative")
    return value


def anything(name: str, value: Any) -> Any:
    return value


def word(known: Collection[str]) -> Check:
    """One of an enumeration's words."""

    def checked(name: str, value: Any) -> str:
        if text(name, value) not in known:
            raise QmpError(f"Parameter '{name}' does not accept value '{value}'")
        return str(value)

    return checked


def each(checked: Check) -> Check:
    """A list of what ``checked`` takes."""

    def listed(name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type(name, "array")
        return [checked(f"{name}[{number}]", item) for number, item in enumerate(value)]

    return listed


def record(form: Form) -> Check:
    """An object with these members."""

    def checked(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type(name, "object")
        return check(form, value, f"{name}.")

    return checked


def table(checked: Check) -> Check:
    """An object whose member names are free, its values what ``checked`` takes."""

    def mapped(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type(name, "object")
        return {key: checked(f"{name}.{key}", item) for key, item in value.items()}

    return mapped
