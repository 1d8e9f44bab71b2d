"""A cache by identity: comparing whole descriptions would cost as much as the work saved."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MAX_CACHED = 8192

_T = TypeVar("_T")

_memory: dict[Hashable, tuple[tuple[object, ...], Any]] = {}


def remembered(key: Hashable, alive: tuple[object, ...], compute: Callable[[], _T]) -> _T:
    """What ``compute`` gave for this key, which may name objects by their ``id``.

    ``alive`` keeps the objects whose ids are in the key from being replaced by others.
    """
    found = _memory.get(key)
    if found is not None:
        value: _T = found[1]
        return value
    if len(_memory) >= MAX_CACHED:
        _memory.clear()
    computed = compute()
    _memory[key] = (alive, computed)
    return computed
