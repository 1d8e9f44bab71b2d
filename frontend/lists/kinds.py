"""What a list is: its columns, its words, its filters, and what can be done with many rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``value`` of a row is what an export writes and what stands where no cell is drawn.

    ``order``: the fields (or attributes) of a row by which it is ordered; none, and it cannot be.
    ``width``: its share in rem, so that nothing jumps when other rows come. ``style``: ``number``,
    ``mono`` or nothing. ``shown``: ``standard`` for everybody, ``chosen`` by those who want it.
    """

    name: str
    label: Words
    value: Callable[[Any], Any]
    order: tuple[str, ...] = ()
    width: int = 8
    style: str = ""
    shown: str = "standard"


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done with many rows at once; ``frontend.views.bulk`` serves it by its name."""

    name: str
    label: Words


@dataclass(frozen=True, slots=True)
class Kind:
    """A list. Its row template is ``partials/rows/<name>.html``, its page ``pages/<page>.html``.

    ``counted`` tells a number of rows in words; ``key`` and ``called`` name a row to a program and
    to a person. ``preset`` is the query that holds where the address asks for nothing; ``api`` the
    name of the API's address that answers the same filters.
    """

    name: str
    title: Words
    columns: tuple[Column, ...]
    filters: Any
    counted: Callable[[int], str]
    key: Callable[[Any], str] = lambda row: str(row.pk)
    called: Callable[[Any], str] = str
    search: Words = ""
    preset: str = ""
    api: str = ""
    #: What is said where there is no row at all; where one begins then: an address and its words.
    empty: Words = ""
    start: tuple[str, Words] | None = None

    def column(self, name: str) -> Column | None:
        return next((item for item in self.columns if item.name == name), None)

    def columns_named(self, names: Sequence[str]) -> tuple[Column, ...]:
        """The columns of these names in this order. What is no longer there is left out."""
        found = (self.column(name) for name in dict.fromkeys(names))
        return tuple(item for item in found if item is not None)

    @property
    def standard(self) -> tuple[Column, ...]:
        return tuple(item for item in self.columns if item.shown == "standard")


class Rows(list[Any]):
    """Rows that no database holds, in the shape of a query: what filters and pages ask of one."""

    model = None

    def all(self) -> Rows:
        return self
