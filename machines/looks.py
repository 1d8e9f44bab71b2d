"""One look at the data: while a page is made, what was asked of the database is not asked again.

Nothing is written while a page is only shown, so the same question has the same answer from its
beginning to its end; pages ask through many hands, and each would ask for itself. Outside a look,
where something may be written between two questions, each is asked anew.

    >>> asked = []
    >>> @once_a_look
    ... def count(what):
    ...     asked.append(what)
    ...     return len(asked)
    >>> with look():
    ...     count("trees"), count("trees")
    (1, 1)
    >>> count("trees")
    2
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_answers: ContextVar[dict[Hashable, Any] | None] = ContextVar("answers", default=None)


@contextmanager
def look() -> Iterator[None]:
    """Within it, what is asked :func:`once_a_look` keeps its answer."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def is_looking() -> bool:
    """Whether answers are kept: then it pays to ask for many things at once."""
    return _answers.get() is not None


def once_a_look(ask: Callable[P, T]) -> Callable[P, T]:
    """Let a function with hashable arguments be asked once a look; its answer is not altered."""

    @wraps(ask)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        answers = _answers.get()
        if answers is None:
            return ask(*args, **kwargs)
        key = (ask, args, tuple(kwargs.items()))
        if key not in answers:
            answers[key] = ask(*args, **kwargs)
        found: T = answers[key]
        return found

    return answer
