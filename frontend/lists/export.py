"""The filtered rows of a list as a file, with the columns that the person sees."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from frontend.lists.listing import Listing

#: More rows than anybody reads; who needs them reads the API page by page.
MAX_ROWS = 100_000
_BATCH = 500
#: A spreadsheet takes text that begins so for a formula, and runs it; the wide signs as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def answer(listing: Listing, form: str) -> HttpResponseBase:
    """All rows that fit, as ``csv`` or ``json``; another form is refused (400)."""
    writers = {"csv": ("text/csv", _csv), "json": ("application/json", _json)}
    if form not in writers:
        words = _("There is no export as '%(form)s': choose csv or json.") % {"form": form[:20]}
        return HttpResponse(words, status=400, content_type="text/plain; charset=utf-8")
    if listing.count > MAX_ROWS:
        words = _("More than %(limit)d rows: filter the list first.") % {"limit": MAX_ROWS}
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    content_type, write = writers[form]
    response = StreamingHttpResponse(write(listing), content_type=f"{content_type}; charset=utf-8")
    name = f"{listing.kind.name}-{now():%Y-%m-%d}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _rows(listing: Listing) -> Iterator[Any]:
    found = listing.found
    return found.iterator(_BATCH) if isinstance(found, QuerySet) else iter(found)


class _Line:
    """What csv writes to: a line at a time, handed on as it is."""

    def write(self, line: str) -> str:
        return line


def _csv(listing: Listing) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow([str(column.label) for column in listing.columns])
    for row in _rows(listing):
        yield writer.writerow([_cell(column.value(row)) for column in listing.columns])


def _cell(value: Any) -> str:
    text = str(_plain(value) if value is not None else "")
    # Several words may begin so as well as one; of what is no number none may.
    is_text = not isinstance(value, (int, float))
    return f"'{text}" if is_text and text.startswith(_FORMULA) else text


def _json(listing: Listing) -> Iterator[str]:
    yield "["
    for number, row in enumerate(_rows(listing)):
        told = {column.name: _plain(column.value(row)) for column in listing.columns}
        yield f"{',' if number else ''}\n{json.dumps(told, ensure_ascii=False)}"
    yield "\n]\n"


def _plain(value: Any) -> Any:
    """A value as a file tells it: times in UTC, several words as one list."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
