"""Change requests: their list, one of them, and moving it on."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from frontend import serializers
from frontend.access import visible_change, visible_trees
from frontend.api.base import Api
from frontend.filters import ChangeFilter
from frontend.views.changes import ACTIONS
from policy import differences, state, workflow
from policy.blockers import blockers as blockers_of
from policy.models import ChangeRequest


class Changes(Api, generics.ListAPIView[Any]):
    """Change requests, the newest first."""

    serializer_class = serializers.ChangeSerializer
    filterset_class = ChangeFilter

    def get_queryset(self) -> QuerySet[Any]:
        return (
            ChangeRequest.objects.filter(release__tree__in=visible_trees(self.request.user))
            .select_related("release__tree", "author", "base_revision", "revision")
            .defer("content", "base_revision__content", "revision__content")
        )


class ChangeDetail(Api):
    """A change request: its draft, what differs, its reviews, what keeps it from publishing."""

    @extend_schema(responses=serializers.ChangeDetailSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(_change_document(visible_change(request.user, pk), request.user))


class ChangeTransition(Api):
    """Move a change request on: submit, approve, request-changes, comment, withdraw, publish,
    run-trials. The answer is the change request as it is then.
    """

    @extend_schema(
        request=serializers.TransitionSerializer,
        responses={
            200: serializers.ChangeDetailSerializer,
            403: serializers.ProblemSerializer,
            409: serializers.ProblemSerializer,
            422: serializers.ProblemSerializer,
        },
        parameters=[
            OpenApiParameter("action", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(ACTIONS))
        ],
    )
    def post(self, request: Request, pk: int, action: str) -> Response:
        if action not in ACTIONS:
            raise Http404
        change = visible_change(request.user, pk)
        given = serializers.TransitionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        ACTIONS[action](change, request.user, data)
        return Response(_change_document(visible_change(request.user, pk), request.user))


def _change_document(change: ChangeRequest, user: Any) -> Any:
    change.blockers = blockers_of(change) if change.is_open else ()  # type: ignore[attr-defined]
    change.differences = differences.compare(  # type: ignore[attr-defined]
        state.baseline(change), change.policy
    )
    change.available = sorted(workflow.available(change, user))  # type: ignore[attr-defined]
    return serializers.ChangeDetailSerializer(change).data
