"""How far you have read a change request: what it touches, marked as read or not."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of, visible_change
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS
from frontend.api.rows import RowsView
from frontend.api.serializers import DifferenceSerializer
from frontend.lists.kinds import Rows
from policy.models import ChangeRequest
from policy.review import reading


class ObjectSerializer(serializers.Serializer[Any]):
    """A thing that the change request touches; ``digest`` names what it does to it.

    ``name`` is empty for a whole list, such as the mitigations.
    """

    key = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    digest = serializers.CharField()
    is_read = serializers.BooleanField()
    lines = DifferenceSerializer(many=True)


class ReadSerializer(serializers.Serializer[Any]):
    """The ``digest`` of what was read; taking a mark back needs none."""

    digest = serializers.CharField(max_length=64, default="", allow_blank=True)


class ChangeObjects(Api, RowsView):
    """What a change request touches, object by object, and whether you have marked it as read."""

    serializer_class = ObjectSerializer

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        return Rows(_told(change, self.request))


class ObjectMark(Api):
    """A note to yourself that you have read an object; nobody else sees it."""

    @extend_schema(
        request=ReadSerializer,
        responses={200: ObjectSerializer, **PROBLEMS},
        parameters=[
            OpenApiParameter(
                "action", OpenApiTypes.STR, OpenApiParameter.PATH, enum=["read", "unread"]
            )
        ],
    )
    def post(self, request: Request, pk: int, key: str, action: str) -> Response:
        """Mark an object as read, or take the mark back. An edit of it makes it unread, too.

        The answer is the object.
        """
        if action not in ("read", "unread"):
            raise Http404
        change, actor = visible_change(request.user, pk), person_of(request)
        digest = given(ReadSerializer, request)["digest"]
        if action == "read":
            reading.mark(change, actor, key, digest)
        else:
            reading.unmark(change, actor, key)
        row = next((row for row in _told(change, request) if row["key"] == key), None)
        if row is None:
            raise Http404
        return Response(ObjectSerializer(row).data)


def _told(change: ChangeRequest, request: Request) -> list[dict[str, Any]]:
    objects = reading.objects_of(change)
    read = reading.read_by(change, person_of(request), objects)
    return [
        {
            "key": item.key,
            "kind": item.kind,
            "name": item.name,
            "digest": item.digest,
            "is_read": item.key in read,
            "lines": item.lines,
        }
        for item in objects
    ]
