"""What every list of the API takes: pages, an order, and words to search for."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class Pages(PageNumberPagination):
    """Numbered pages, of a size that the caller may choose."""

    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "Rows of a page, 500 at most."
    max_page_size = 500


class Ordering(OrderingFilter):
    """``ordering``: names of fields, separated by commas, each with ``-`` for the reverse."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        asked = request.query_params.get(self.ordering_param, "")
        known = [name for name, _ in self.get_valid_fields(queryset, view, {"request": request})]
        chosen = [name.strip() for name in asked.split(",") if name.strip()]
        for name in chosen:
            if name.removeprefix("-") not in known:
                raise ValidationError({self.ordering_param: [f"Choose of {', '.join(known)}."]})
        # Rows that are alike in what was asked for still have one order, or pages would overlap.
        return queryset.order_by(*chosen, "-pk") if chosen else queryset
