"""Change requests: their list, one of them, and moving it on."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of, visible_change, visible_trees
from frontend.actions.changes import ACTIONS
from frontend.api import serializers, shapes
from frontend.api.base import Api, given
from frontend.api.rows import RowsView
from frontend.filters import ChangeFilter
from frontend.lists.kinds import Rows
from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import edits, history, state
from policy.document import differences
from policy.errors import Invalid
from policy.models import ChangeRequest, DraftState, Revision
from policy.review import checking, examining, turns, workflow
from policy.review.blockers import blockers as blockers_of
from policy.review.votes import approvals_needed

PROBLEMS = dict.fromkeys((403, 409, 422), serializers.ProblemSerializer)


class Changes(Api, generics.ListAPIView[Any]):
    """Change requests, the newest first; and opening one."""

    serializer_class = serializers.ChangeSerializer
    filterset_class = ChangeFilter
    search_fields = ("title", "description", "release__version", "release__tree__name")
    ordering_fields = ("id", "title", "status", "status_since", "created_at", "updated_at")

    def get_queryset(self) -> QuerySet[Any]:
        return (
            ChangeRequest.objects.filter(release__tree__in=visible_trees(self.request.user))
            .select_related("release__tree", "author", "base_revision", "revision", "reverts_to")
            .defer("content", "base_revision__content", "revision__content", "reverts_to__content")
        )

    @extend_schema(
        request=shapes.OpenSerializer,
        responses={201: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Open a change request on a release; with ``reverts_to``, from an older revision."""
        data = given(shapes.OpenSerializer, request)
        release = named_release(request.user, data["release"], "release")
        words = (person_of(request), data["title"], data["description"])
        if number := data.get("reverts_to"):
            change = edits.open_revert(_revision(release, number), *words)
        else:
            change = edits.open_change(release, *words)
        return Response(change_document(change, request.user), status=201)


class ChangeDetail(Api):
    """A change request: its draft, what differs, its reviews, what keeps it from publishing."""

    @extend_schema(responses=serializers.ChangeDetailSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return answer(request, pk)

    @extend_schema(
        request=shapes.DescriptionSerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def put(self, request: Request, pk: int) -> Response:
        """Replace title and description; votes stay."""
        data = given(shapes.DescriptionSerializer, request)
        edits.edit_description(
            visible_change(request.user, pk),
            person_of(request),
            data["lock_version"],
            data["title"],
            data["description"],
        )
        return answer(request, pk)


class ChangePolicy(Api):
    """The whole draft at once."""

    @extend_schema(
        request=shapes.PolicySerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def put(self, request: Request, pk: int) -> Response:
        """Put a policy document in the draft's place, or nothing of it.

        Where others have edited since ``lock_version``, both are merged; what both changed is
        answered as 409 with ``conflicts``, to be settled by ``choices`` with that answer's
        ``current_version``.
        """
        data = given(shapes.PolicySerializer, request)
        change, actor, seen = (
            visible_change(request.user, pk),
            person_of(request),
            data["lock_version"],
        )
        if "file" in data:
            edits.import_policy(change, actor, seen, data["file"], shapes.settled(data))
        else:
            edits.replace_policy(change, actor, seen, data["policy"], shapes.settled(data))
        return answer(request, pk)


class ChangeRebase(Api):
    """Bring a change request up to the newest revision."""

    @extend_schema(
        request=shapes.RebaseSerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int) -> Response:
        data = given(shapes.RebaseSerializer, request)
        change = visible_change(request.user, pk)
        edits.rebase(
            change, person_of(request), data["lock_version"], data["choices"], data.get("onto")
        )
        return answer(request, pk)


class ChangeStates(Api, generics.ListAPIView[Any]):
    """Every content that the change request had, the newest first."""

    serializer_class = shapes.StateSerializer
    search_fields = ("action", "actor__username", "document__digest")
    ordering_fields = ("version", "action", "at")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the description is made without a request
            return DraftState.objects.none()
        return history.states(visible_change(self.request.user, self.kwargs["pk"]))


@extend_schema_view(
    get=extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.STR, description="base, reviewed or a version"),
            OpenApiParameter("to", OpenApiTypes.STR, description="now or a version"),
        ]
    )
)
class ChangeDifferences(Api, RowsView):
    """What differs between two states of a change request."""

    serializer_class = serializers.DifferenceSerializer

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        asked = self.request.query_params
        names = asked.get("from") or history.BASE, asked.get("to") or history.NOW
        return Rows(history.between(change, *names, self.request.user))


class ChangeBackports(Api, RowsView):
    """The draft's backports, and what follows from each."""

    serializer_class = shapes.BackportSerializer

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        return Rows(examining.backports_of(change.policy, change.release))


class ChangeTransition(Api):
    """Do something with a change request: submit, approve, request-changes, comment, withdraw,
    publish, run-trials, request-review, withdraw-request. The answer is it as it is then.
    """

    @extend_schema(
        request=serializers.TransitionSerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
        parameters=[
            OpenApiParameter("action", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(ACTIONS))
        ],
    )
    def post(self, request: Request, pk: int, action: str) -> Response:
        if action not in ACTIONS:
            raise Http404
        change = visible_change(request.user, pk)
        ACTIONS[action](change, request.user, given(serializers.TransitionSerializer, request))
        return answer(request, pk)


def _revision(release: Release, number: int) -> Revision:
    found = release.revisions.filter(number=number).first()
    if found is None:
        raise Invalid(f"{release} has no revision {number}.", field="reverts_to")
    return found


def answer(request: Request, pk: int) -> Response:
    """The change request as it is now."""
    return Response(change_document(visible_change(request.user, pk), request.user))


def change_document(change: ChangeRequest, user: Any) -> Any:
    """A change request with all that follows from its draft, as the API tells it."""
    more = {
        "blockers": blockers_of(change) if change.is_open else (),
        "differences": differences.compare(state.baseline(change), change.policy),
        "available": sorted(workflow.available(change, user)),
        "approvals_needed": approvals_needed(change.release.tree),
        "turns": _whose(change),
        "overlaps": history.overlaps(change),
        "trials": _required_trials(change),
    }
    for name, value in more.items():
        setattr(change, name, value)
    return serializers.ChangeDetailSerializer(change).data


def _whose(change: ChangeRequest) -> list[dict[str, Any]]:
    found = []
    for turn in turns.of_one(change):
        names = [person.get_username() for person, _ in turns.people_of([turn]).values()]
        found.append({"code": turn.code, "why": turn.why, "since": turn.since, "people": names})
    return found


def _required_trials(change: ChangeRequest) -> list[checking.CheckedTrial]:
    try:
        return checking.trials_of(change)
    except NoCatalogue:
        return []  # a blocker says so
