"""One list as one person asks for it: which rows, in which order, which page, which columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from frontend.lists import choices
from frontend.lists.chips import SHOWING, Chip, chips_of
from frontend.lists.kinds import Action, Column, Kind, Rows
from frontend.models import SavedFilter

PAGE_SIZE = 50
SIZES = (25, 50, 100)
#: Says that the address means what it says, and nothing that holds where it says nothing.
OWN = "filters"
#: How wide a table may grow before it scrolls in a box of its own, in rem.
ROOM = 56
#: What a page asks of its address beside the list's own: it stays whatever is filtered.
KEPT = ("change",)
_DIGITS = re.compile(r"(\d+)")


def page_of(request: HttpRequest, rows: Any, size: int = PAGE_SIZE) -> Page[Any]:
    """The page of ``rows`` that ``?page=`` names; the nearest one where it names none."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a list, with which query, and ``where``: the parts of the list's address."""

    request: HttpRequest
    query: QueryDict
    where: Mapping[str, str]

    @classmethod
    def by(cls, request: HttpRequest, **where: str) -> Asked:
        """As a page's request asks."""
        return cls(request, request.GET, where)


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head: ``sort`` is its aria-sort, ``href`` orders by it or the other way round."""

    column: Column
    sort: str
    href: str


class Listing:
    """Reads the address once. ``where`` are the parts of the list's own address, such as a tree.

    ``actions`` are those bulk actions that the person may try here; ``prepare`` loads what the rows
    of a page show beside themselves.
    """

    def __init__(
        self,
        kind: Kind,
        asked: Asked,
        rows: QuerySet[Any] | Rows,
        actions: Sequence[Action] = (),
        prepare: Callable[[list[Any]], None] | None = None,
    ) -> None:
        self.kind = kind
        self.request = asked.request
        self.where = asked.where
        self.actions = tuple(actions)
        self.query = effective(kind, asked.query)
        self.filters = kind.filters(self.query, queryset=rows, request=asked.request)
        self._prepare = prepare

    # --- Which rows -------------------------------------------------------------------------------

    @cached_property
    def form(self) -> Any:
        """The filters' form. What a field offers is read once, for the panel and for the chips."""
        form = self.filters.form
        # A page may have a form of its own with a field of the same name.
        form.auto_id = "filter_%s"
        for field in form.fields.values():
            if isinstance(field, ModelMultipleChoiceField):
                field.widget.choices = list(field.widget.choices)
        return form

    @cached_property
    def found(self) -> Any:
        """All rows that fit, in order."""
        return _ordered(self.filters.qs, self.kind, self.order)

    @cached_property
    def order(self) -> str:
        """The column that orders, with ``-`` for the reverse; empty: as the rows come."""
        asked = self.query.get("order", "")
        column = self.kind.column(asked.removeprefix("-"))
        return asked if column is not None and column.order else ""

    @cached_property
    def page(self) -> Page[Any]:
        return Paginator(self.found, self.size).get_page(self.query.get("page"))

    @cached_property
    def rows(self) -> Sequence[Any]:
        rows = list(self.page.object_list)
        if self._prepare is not None:
            self._prepare(rows)
        return rows

    @property
    def count(self) -> int:
        return self.page.paginator.count

    @property
    def counted(self) -> str:
        return self.kind.counted(self.count)

    @cached_property
    def problems(self) -> list[str]:
        """What the address asks that no filter knows."""
        return [
            f"{self.form[name].label}: {' '.join(map(str, errors))}"
            for name, errors in self.form.errors.items()
        ]

    # --- How they are shown -----------------------------------------------------------------------

    @cached_property
    def choice(self) -> choices.Choice:
        return choices.choice_of(self.request, self.kind)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.choice.columns

    @property
    def size(self) -> int:
        asked = self.query.get("size", "")
        return int(asked) if asked in map(str, SIZES) else self.choice.size

    @property
    def is_wide(self) -> bool:
        """Does the table need a box that scrolls by itself?"""
        return sum(column.width for column in self.columns) > ROOM

    @cached_property
    def heads(self) -> list[Head]:
        return [self._head(column) for column in self.columns]

    def _head(self, column: Column) -> Head:
        if not column.order:
            return Head(column, "", "")
        sort = {column.name: "ascending", f"-{column.name}": "descending"}.get(self.order, "none")
        return Head(column, sort, self.link(order=f"{'-' * (sort == 'ascending')}{column.name}"))

    # --- Addresses --------------------------------------------------------------------------------

    def link(self, **changed: str) -> str:
        """The address with something else; it shows the first page."""
        query = self.query.copy()
        query.pop("page", None)
        for name, value in changed.items():
            query[name] = value
        return f"?{query.urlencode()}"

    @cached_property
    def here(self) -> str:
        """The address of exactly this, to come back to."""
        return f"{self.request.path}{self._query_string(self.query)}"

    @property
    def filter_string(self) -> str:
        """The filter alone, as a saved filter, a bulk action and an export name it."""
        return self._query_string(self.query, without=(*SHOWING, *KEPT)).removeprefix("?")

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the filter form carries along."""
        return [(name, value) for name in KEPT if (value := self.query.get(name))]

    @property
    def everything(self) -> Any:
        """All rows of the list, whatever is filtered."""
        return self.filters.queryset

    @property
    def place(self) -> str:
        """Where the list is, as the query of another address: its release, the draft it shows."""
        parts = QueryDict(mutable=True)
        for name, value in (*self.where.items(), *self.kept):
            parts[name] = value
        return f"?{parts.urlencode()}" if parts else ""

    @property
    def has_preset(self) -> bool:
        return bool(self.kind.preset or self.default)

    @property
    def clear(self) -> str:
        """The address without any filter."""
        query = QueryDict(mutable=True)
        for name, value in self.kept:
            query[name] = value
        if self.has_preset:
            query[OWN] = "own"
        return f"?{query.urlencode()}" if query else self.request.path

    def _query_string(self, query: QueryDict, without: Sequence[str] = ()) -> str:
        rest = query.copy()
        for name in without:
            rest.pop(name, None)
        return f"?{rest.urlencode()}" if rest else ""

    @cached_property
    def chips(self) -> list[Chip]:
        query = self.query.copy()
        if self.has_preset:
            # Without its last filter the address would ask nothing, and get what holds then.
            query[OWN] = "own"
        return chips_of(self.form, query)

    # --- Saved filters, exports -------------------------------------------------------------------

    @cached_property
    def saved(self) -> list[SavedFilter]:
        return choices.saved_filters(self.request, self.kind)

    @property
    def default(self) -> SavedFilter | None:
        return next((item for item in self.saved if item.is_default), None)

    @property
    def current(self) -> SavedFilter | None:
        """The saved filter that is applied."""
        asked = self.filter_string
        return next((item for item in self.saved if item.query == asked), None) if asked else None

    @property
    def redirect(self) -> str:
        """Where a person's own default leads whoever asks for nothing."""
        asked = any(name not in KEPT for name in self.request.GET)
        if asked or self.default is None:
            return ""
        kept = QueryDict(self.default.query, mutable=True)
        for name in KEPT:
            if value := self.request.GET.get(name):
                kept[name] = value
        return f"{self.request.path}?{kept.urlencode()}"

    @property
    def api(self) -> str:
        """The API's address with the same filter."""
        if not self.kind.api:
            return ""
        address = reverse(self.kind.api, kwargs=dict(self.where))
        query = self.query.copy()
        for name in (*SHOWING, OWN):
            query.pop(name, None)
        query["page_size"] = "500"
        return f"{address}?{query.urlencode()}"

    @property
    def csv(self) -> str:
        return self._export("csv")

    @property
    def json(self) -> str:
        return self._export("json")

    def _export(self, form: str) -> str:
        query = self.query.copy()
        query.pop("page", None)
        query["export"] = form
        return f"?{query.urlencode()}"

    # --- Templates --------------------------------------------------------------------------------

    @property
    def template(self) -> str:
        return f"partials/rows/{self.kind.name}.html"

    @property
    def start(self) -> str:
        """Where one goes on from a list that is empty."""
        return reverse(self.kind.start[0]) if self.kind.start else ""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Those that are shown, in the person's order, then the others."""
        return (*self.columns, *(item for item in self.kind.columns if item not in self.columns))

    @property
    def sizes(self) -> list[tuple[int, str]]:
        return [(size, self.link(size=str(size))) for size in SIZES]

    @property
    def previous(self) -> str:
        return self._paged(self.page.previous_page_number())

    @property
    def next(self) -> str:
        return self._paged(self.page.next_page_number())

    @property
    def page_numbers(self) -> list[tuple[int | str, str]]:
        """The pages near this one and at the ends, each with its address; empty for a gap."""
        elided = self.page.paginator.get_elided_page_range(
            self.page.number, on_each_side=1, on_ends=1
        )
        return [(n, self._paged(n)) if isinstance(n, int) else ("", "") for n in elided]

    def _paged(self, number: int) -> str:
        query = self.query.copy()
        query["page"] = str(number)
        return f"?{query.urlencode()}"


def effective(kind: Kind, given: QueryDict) -> QueryDict:
    """What an address asks: its query without what is empty, or else the list's preset."""
    query = QueryDict(mutable=True)
    for name, values in given.lists():
        if kept := [value for value in values if value != ""]:
            query.setlist(name, kept)
    if kind.preset and all(name in (*SHOWING, *KEPT) for name in given):
        query.update(QueryDict(kind.preset))
    return query


def _ordered(rows: Any, kind: Kind, order: str) -> Any:
    column = kind.column(order.removeprefix("-"))
    if column is None:
        return rows
    if isinstance(rows, Rows):
        return Rows(
            sorted(rows, key=lambda row: _sort_key(row, column.order), reverse=order[0] == "-")
        )
    sign = "-" if order.startswith("-") else ""
    # Rows that are alike in what was asked for still have one order, or pages would overlap.
    return rows.order_by(*(f"{sign}{field}" for field in column.order), "-pk")


def _sort_key(row: Any, fields: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_natural(getattr(row, field)) for field in fields)


def _natural(value: Any) -> tuple[Any, ...]:
    """Text with its numbers as numbers, so that 9.10 stands after 9.9; nothing stands first."""
    if value is None:
        return ()
    if isinstance(value, str):
        parts = enumerate(_DIGITS.split(value.lower()))
        return (1, *((0, int(part), "") if odd % 2 else (1, 0, part) for odd, part in parts))
    return (0, value)
