"""What every list page shares: pages of rows, and filters that live in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

PAGE_SIZE = 50


def page_of(request: HttpRequest, rows: QuerySet[Any], size: int = PAGE_SIZE) -> Page[Any]:
    """The page of ``rows`` that ``?page=`` names; the nearest one where it names none."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter: what it says, and the query string without it."""

    label: str
    value: str
    remove: str


def chips(request: HttpRequest, labels: dict[str, str]) -> list[Chip]:
    """A removable chip for each filter in the address; ``labels`` names the known ones."""
    found = []
    for key, label in labels.items():
        if value := request.GET.get(key, ""):
            rest = request.GET.copy()
            rest.pop(key)
            rest.pop("page", None)
            found.append(Chip(label, value, f"?{rest.urlencode()}"))
    return found
