"""The active filters of an address, each with the way to take it off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.forms import BoundField, Form
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _

#: What belongs to how a list is shown, not to which rows: no chip, and gone with a filter's change.
SHOWING = ("page", "size", "order")


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter: what it says, and the query string without it."""

    label: str | Promise
    value: str
    remove: str


def chips(request: HttpRequest, labels: dict[str, str]) -> list[Chip]:
    """A removable chip for each filter in the address; ``labels`` names the known ones."""
    return [
        Chip(label, value, without(request.GET, key, value))
        for key, label in labels.items()
        if (value := request.GET.get(key, ""))
    ]


def chips_of(form: Form, query: QueryDict) -> list[Chip]:
    """A chip for each value of each filter of a list, in the words that the form offers."""
    return [
        Chip(field.label, words, without(query, field.html_name, value))
        for field in form
        for value, words in _values(field, query)
    ]


def without(query: QueryDict, name: str, value: str) -> str:
    """The query string with one value of one filter taken away; it shows the first page."""
    rest = query.copy()
    rest.setlist(name, [item for item in rest.getlist(name) if item != value])
    rest.pop("page", None)
    return f"?{rest.urlencode()}"


def _values(field: BoundField, query: QueryDict) -> Iterator[tuple[str, str]]:
    given = [value for value in query.getlist(field.html_name) if value]
    if not given:
        return
    widget: Any = field.field.widget
    offered = getattr(widget, "choices", None)
    if offered is None:
        ticked = widget.input_type == "checkbox"
        yield from ((value, str(_("yes")) if ticked else value) for value in given)
        return
    words = dict(_flat(offered))
    yield from ((value, words.get(value, value)) for value in given)


def _flat(choices: Iterable[tuple[object, object]]) -> Iterator[tuple[str, str]]:
    for value, words in choices:
        yield str(value), str(words)
