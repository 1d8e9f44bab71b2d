"""Lists that no database holds: filtered as their page is, and in pages as all other lists.

Each has the order in which it was made, which is part of what it tells: the gravest finding first,
a machine type after those that it goes on from.
"""

from __future__ import annotations

from typing import Any

from django_filters import BooleanFilter, FilterSet  # type: ignore[import-untyped]
from drf_spectacular.utils import OpenApiParameter
from rest_framework import generics, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from frontend.api.lists import Pages
from frontend.lists.filters import AnyOf
from frontend.lists.kinds import Rows


class RowsFilters(BaseFilterBackend):
    """The filters of the view's ``filterset_class``, where it has one."""

    def filter_queryset(self, request: Request, queryset: Any, view: APIView) -> Any:
        kind = getattr(view, "filterset_class", None)
        return queryset if kind is None else filtered(kind, queryset, request)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        kind = getattr(view, "filterset_class", None)
        return [] if kind is None else [_described(*item) for item in kind.base_filters.items()]


class RowsView(generics.ListAPIView[Any]):
    """A view of such a list: :meth:`rows` are all that there are for who asks."""

    filter_backends = [RowsFilters]

    def rows(self) -> Rows:
        raise NotImplementedError

    def get_queryset(self) -> Any:
        # The description is made without a request.
        return Rows() if getattr(self, "swagger_fake_view", False) else self.rows()


class PageSerializer(serializers.Serializer[Any]):
    """A page of rows that are a part of a larger answer; :func:`page_of` fills it."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


def page_of(
    rows: Rows, kind: type[serializers.Serializer[Any]], request: Request, pages: Pages
) -> Any:
    """The page that the call asks for, its rows in the shape of ``kind``.

    Raises ValidationError, and NotFound where there is no such page.
    """
    page = pages.paginate_queryset(rows, request)
    return pages.get_paginated_response(kind(page, many=True).data).data


def filtered(kind: type[FilterSet], rows: Rows, request: Request) -> Rows:
    """The rows that fit what the call asks. Raises ValidationError."""
    asked = kind(request.query_params, queryset=rows, request=request)
    if not asked.is_valid():
        raise ValidationError(asked.errors)
    return Rows(asked.qs)


def parameters_of(kind: type[FilterSet]) -> list[OpenApiParameter]:
    """What the filters take, for the description of a call that is no :class:`RowsView`."""
    return _told([_described(*item) for item in kind.base_filters.items()])


def page_parameters() -> list[OpenApiParameter]:
    """Which page of what size, for the description of such a call."""
    return _told(Pages().get_schema_operation_parameters(APIView()))


def _told(found: list[dict[str, Any]]) -> list[OpenApiParameter]:
    return [
        OpenApiParameter(item["name"], item["schema"], description=item["description"])
        for item in found
    ]


def _described(name: str, item: Any) -> dict[str, Any]:
    choices = [str(value) for value, _words in item.extra.get("choices", ())]
    schema: dict[str, Any] = {"type": "boolean" if isinstance(item, BooleanFilter) else "string"}
    if choices:
        schema["enum"] = choices
    if isinstance(item, AnyOf):
        schema = {"type": "array", "items": schema}
    words = str(item.label)
    return {"name": name, "in": "query", "description": words, "required": False, "schema": schema}
