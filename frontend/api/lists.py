"""What every list of the API takes: pages, an order, and words to search for."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from frontend.lists.filters import MAX_WORDS
from frontend.numbers import number_of


class Pages(PageNumberPagination):
    """Numbered pages, of a size that the caller may choose."""

    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "Rows of a page, 500 at most."
    max_page_size = 500

    def get_page_size(self, request: Request) -> int | None:
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        size = number_of(asked)
        if size is None or not 1 <= size <= self.max_page_size:
            words = f"A page has 1 to {self.max_page_size} rows."
            raise ValidationError({self.page_size_query_param: [words]})
        return size

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size}
        return [
            _parameter("page", "The page's number from 1.", {"type": "integer", "minimum": 1}),
            _parameter(self.page_size_query_param, "Rows of a page.", size),
        ]


class Words(SearchFilter):
    """``search``: words of which each stands in some field, no more than a database takes."""

    def get_search_terms(self, request: Request) -> list[str]:
        terms = list(super().get_search_terms(request))
        if len(terms) > MAX_WORDS:
            raise ValidationError({self.search_param: [f"Search for at most {MAX_WORDS} words."]})
        return terms


class Ordering(OrderingFilter):
    """``ordering``: names of fields, separated by commas, each with ``-`` for the reverse."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        asked = request.query_params.get(self.ordering_param, "")
        known = _orders(view)
        chosen = [name.strip() for name in asked.split(",") if name.strip()]
        for name in chosen:
            if name.removeprefix("-") not in known:
                words = f"Choose of {', '.join(known)}." if known else "The list has one order."
                raise ValidationError({self.ordering_param: [words]})
        # Rows that are alike in what was asked for still have one order, or pages would overlap.
        return queryset.order_by(*chosen, "-pk") if chosen else queryset

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        known = "|".join(_orders(view))
        if not known:
            return []
        pattern = f"^(-?({known})(,-?({known}))*)?$"
        words = "Fields, separated by commas; each with - for the reverse."
        return [_parameter(self.ordering_param, words, {"type": "string", "pattern": pattern})]


def _orders(view: APIView) -> tuple[str, ...]:
    """The fields by which the view's rows may be ordered."""
    return tuple(getattr(view, "ordering_fields", ()))


def _parameter(name: str, words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": words, "required": False, "schema": schema}
