"""Which rows a bulk action is about: those chosen one by one, or all that fit a filter.

"All" is sent as the filter, never as the rows of a page, together with the number that the person
saw: where other rows have come to fit since, that is said before anything is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from frontend.lists.kinds import Rows
from frontend.lists.listing import Listing
from frontend.numbers import number_of

#: Rows that one bulk action takes; policy.edits.operations has the same limit.
MAX_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows, in the list's order. ``keys`` name them; of "all" ``seen`` tells how many there
    were when the person chose them, else it is None.
    """

    rows: tuple[Any, ...]
    keys: tuple[str, ...]
    filter: str = ""
    seen: int | None = None

    @property
    def moved(self) -> bool:
        """Are there other rows than the person chose?"""
        return len(self.rows) != (len(self.keys) if self.seen is None else self.seen)

    @property
    def is_too_large(self) -> bool:
        return len(self.rows) > MAX_ROWS

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What a form carries along to be about the same rows."""
        if self.seen is not None:
            return [("filter", self.filter), ("all", str(len(self.rows)))]
        return [("row", key) for key in self.keys]


def selection_of(listing: Listing, sent: QueryDict) -> Selection:
    """What a list's form was sent about. At most one row more than :data:`MAX_ROWS` is read.

    ``listing`` is the list under the filter that was sent.
    """
    seen = number_of(sent.get("all", ""))
    if seen is not None:
        rows = tuple(listing.found[: MAX_ROWS + 1])
        return Selection(rows, (), sent.get("filter", ""), seen)
    keys = tuple(dict.fromkeys(sent.getlist("row")))[: MAX_ROWS + 1]
    return Selection(tuple(_chosen(listing, keys)), keys)


def _chosen(listing: Listing, keys: Sequence[str]) -> Sequence[Any]:
    everything = listing.everything
    if isinstance(everything, QuerySet):
        numbers = [number for key in keys if (number := number_of(key)) is not None]
        return list(everything.filter(pk__in=numbers))
    wanted = set(keys)
    return Rows(row for row in everything if listing.kind.key(row) in wanted)
