"""What a person chose for a list: its columns, the size of its pages, the filters they saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from frontend.lists.chips import SHOWING
from frontend.lists.kinds import Column, Kind
from frontend.models import ListChoice, SavedFilter
from policy.errors import Invalid

STANDARD_SIZE = 50
#: How many filters one person may save for one list.
MAX_SAVED = 50
MAX_QUERY = 2000


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns of a list as a person wants them, and how many rows a page has."""

    columns: tuple[Column, ...]
    size: int = STANDARD_SIZE
    #: Whether the person chose at all.
    own: bool = False


def choice_of(request: HttpRequest, kind: Kind) -> Choice:
    """What the person chose, else what everybody sees."""
    row = ListChoice.objects.filter(user=_user(request), kind=kind.name).first()
    if row is None:
        return Choice(kind.standard)
    return Choice(kind.columns_named(row.columns) or kind.standard, row.size, own=True)


def choose(user: User, kind: Kind, names: Sequence[str], size: int) -> None:
    """Keep the columns in this order. Raises Invalid where none of them is one of the list's."""
    columns = kind.columns_named(names)
    if not columns:
        raise Invalid(_("Choose at least one column."), field="columns")
    kept = {"columns": [item.name for item in columns], "size": size}
    ListChoice.objects.update_or_create(user=user, kind=kind.name, defaults=kept)


def forget(user: User, kind: Kind) -> None:
    """Back to what everybody sees."""
    ListChoice.objects.filter(user=user, kind=kind.name).delete()


def saved_filters(request: HttpRequest, kind: Kind) -> list[SavedFilter]:
    """The person's saved filters of a list, by name."""
    return list(SavedFilter.objects.filter(user=_user(request), kind=kind.name))


def save_filter(user: User, kind: Kind, name: str, query: str) -> SavedFilter:
    """Save a filter under a name; one of that name takes the new filter.

    Raises Invalid for a filter that no list of this kind has, or where there are too many.
    """
    query = canonical(kind, query)
    rows = SavedFilter.objects.filter(user=user, kind=kind.name)
    if not query:
        raise Invalid(_("Filter the list first: there is nothing to save."), field="name")
    if rows.exclude(name=name).count() >= MAX_SAVED:
        raise Invalid(_("You have %d saved filters here. Delete one first.") % MAX_SAVED,
                      field="name")  # fmt: skip
    saved, _made = rows.update_or_create(
        user=user, kind=kind.name, name=name, defaults={"query": query}
    )
    return saved


def rename(saved: SavedFilter, name: str) -> None:
    """Give a saved filter another name. Raises Invalid where another has it."""
    others = SavedFilter.objects.filter(user=saved.user, kind=saved.kind, name=name)
    if others.exclude(pk=saved.pk).exists():
        raise Invalid(_("You have a filter of that name already."), field="name")
    saved.name = name
    saved.save(update_fields=["name"])


@transaction.atomic
def make_default(saved: SavedFilter) -> None:
    """Open the list with this filter from now on."""
    none_as_default(saved.user, saved.kind)
    SavedFilter.objects.filter(pk=saved.pk).update(is_default=True)


def none_as_default(user: Any, kind: str) -> None:
    """Open the list as everybody does."""
    SavedFilter.objects.filter(user=user, kind=kind, is_default=True).update(is_default=False)


def canonical(kind: Kind, query: str) -> str:
    """The filter in a query string, without what only says how rows are shown.

    Raises Invalid for one that is too long.
    """
    known = kind.filters.base_filters
    given, kept = QueryDict(query), QueryDict(mutable=True)
    for name, values in given.lists():
        if name in known and name not in SHOWING and (values := [v for v in values if v]):
            kept.setlist(name, values)
    if len(kept.urlencode()) > MAX_QUERY:
        raise Invalid(_("The filter is too long to be saved."), field="name")
    return kept.urlencode()


def _user(request: HttpRequest) -> Any:
    return request.user
