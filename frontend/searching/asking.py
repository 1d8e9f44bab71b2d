"""What is looked for, by whom, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.urls import reverse
from django.utils.functional import Promise

from frontend.numbers import number_of
from frontend.searching.known import Known
from machines.models import Release


@dataclass(frozen=True, slots=True)
class Hit:
    """``mono``: the label is a name of QEMU's."""

    label: str
    href: str
    where: str = ""
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """The list that has the hits of a kind: all, or those of the ``release`` that it is of."""

    href: str
    release: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one kind, which ``name`` names to a program and ``title`` to a person.

    ``more``: there are others; ``listed`` is where, None where no list has them.
    """

    name: str
    title: str | Promise
    hits: list[Hit]
    more: bool
    listed: Listed | None


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, by whom, and where: ``releases`` are those they may see, by number.

    ``seen`` is the one that they look at, ``snapshots`` all that hold today. So many hits of a kind
    as ``limit`` says are looked for.
    """

    words: tuple[str, ...]
    user: User
    trees: frozenset[int]
    releases: dict[int, Release]
    snapshots: tuple[Known, ...]
    seen: int | None
    limit: int

    @property
    def number(self) -> int | None:
        """The number that was typed alone, with or without its ``#``."""
        return number_of(self.words[0].removeprefix("#")) if len(self.words) == 1 else None

    @property
    def query(self) -> dict[str, str]:
        """The words as a list's address asks for them."""
        return {"q": " ".join(self.words)}

    def named(self, rows: QuerySet[Any], *fields: str) -> QuerySet[Any]:
        """The rows that hold every word in some field, the shortest of the first field first."""
        return rows.filter(self.matches(*fields)).order_by(Length(fields[0]), fields[0])

    def matches(self, *fields: str) -> Q:
        """Does a row hold every word in some field?"""
        found = Q()
        for word in self.words:
            found &= holds(word, *fields)
        return found


def holds(word: str, *fields: str) -> Q:
    """Does a row hold the word in some field?"""
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": word})
    return found


def list_of(page: str) -> Callable[[Search], Listed]:
    """A list that finds by words all that the search does."""

    def listed(asked: Search) -> Listed:
        return Listed(f"{reverse(page)}?{urlencode(asked.query)}")

    return listed


def no_list(asked: Search) -> None:
    """Nothing lists these."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be found. ``find`` gives the first hits, ``limit`` at most, ``listed`` the list that
    has all of them.
    """

    name: str
    title: str | Promise
    find: Callable[[Search], list[Hit]]
    listed: Callable[[Search], Listed | None] = no_list
