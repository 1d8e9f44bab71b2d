"""A cache by identity: comparing whole descriptions would cost as much as the work saved."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

MAX_CACHED = 8192

_T = TypeVar("_T")
_Object = TypeVar("_Object")


class Same(Generic[_Object]):
    """An object as the key of a cache: by identity, since hashing its content is slow.

    Whoever keeps the key keeps the object, so that no other takes its ``id``.
    """

    __slots__ = ("object",)

    def __init__(self, object: _Object) -> None:
        self.object = object

    def __hash__(self) -> int:
        return id(self.object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.object is self.object


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
