"""Search by words over everything that a person may see: what the box of the pages finds."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.urls import resolve, reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of
from frontend.api.base import Api
from frontend.searching import ALL, MAX_LENGTH, SHOWN, Group, Hit, search

#: A hit's page → what the API tells of the same; a person has no address there.
_TOLD_AT = {
    "release": "api-release",
    "machine-type": "api-machine-type",
    "device": "api-device",
    "feature": "api-feature",
    "change": "api-change",
    "trial": "api-trial",
    "bundle": "api-bundle",
}


class HitSerializer(serializers.Serializer[Any]):
    """Something that has the words. ``where`` tells its release, device or the like; ``page`` and
    ``api`` are where people and programs find it, ``api`` null where no address tells of it.
    """

    label = serializers.CharField()  # type: ignore[assignment]
    where = serializers.CharField(allow_blank=True)
    page = serializers.CharField()
    api = serializers.CharField(allow_null=True)


class GroupSerializer(serializers.Serializer[Any]):
    """The hits of one kind, the closest names first. ``more``: there are others, which another word
    narrows.
    """

    kind = serializers.ChoiceField([kind.name for kind in ALL])
    hits = HitSerializer(many=True)
    more = serializers.BooleanField()


class FoundSerializer(serializers.Serializer[Any]):
    """What was found: ``count`` hits, by kind."""

    count = serializers.IntegerField()
    groups = GroupSerializer(many=True)


class AskedSerializer(serializers.Serializer[Any]):
    """What is looked for."""

    q = serializers.CharField(max_length=MAX_LENGTH, allow_blank=True)
    release = serializers.CharField(max_length=100, default="", allow_blank=True)
    limit = serializers.IntegerField(min_value=1, max_value=SHOWN, default=SHOWN)


class Find(Api):
    """Releases, machine types, devices, properties, sections, features, change requests, trials,
    bundles, people and comments, by words of their names.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "q",
                {"type": "string", "maxLength": MAX_LENGTH},
                required=True,
                description="Words, or the number of a change request or a trial.",
            ),
            OpenApiParameter(
                "release",
                OpenApiTypes.STR,
                description="Where a name leads that several releases have: `rhel 9.3`; else to "
                "the one imported last.",
            ),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": SHOWN},
                description="Hits of each kind.",
            ),
        ],
        responses=FoundSerializer,
    )
    def get(self, request: Request) -> Response:
        """What has all of the words somewhere in its name, whatever their case."""
        asked = AskedSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        label, seen = data["release"], None
        if label:
            seen = named_release(request.user, label, "release").pk
        found = search(data["q"], person_of(request), seen, data["limit"])
        told = {
            "count": sum(len(group.hits) for group in found),
            "groups": [_told(group) for group in found],
        }
        return Response(FoundSerializer(told).data)


def _told(group: Group) -> dict[str, Any]:
    hits = [
        {"label": hit.label, "where": hit.where, "page": hit.href, "api": _address(hit)}
        for hit in group.hits
    ]
    return {"kind": group.name, "hits": hits, "more": group.more}


def _address(hit: Hit) -> str | None:
    """The address of the API that tells of the hit."""
    page = resolve(unquote(urlsplit(hit.href).path))
    name = _TOLD_AT.get(page.url_name or "")
    # Both have the same parts in the same order, under names of their own.
    return reverse(name, args=[*page.kwargs.values()]) if name else None
