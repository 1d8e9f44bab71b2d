"""What a review is made of: threads and drafts, waivers, whose turn, and what a person wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import (
    demand,
    own_draft,
    person_of,
    visible_change,
    visible_release,
    visible_thread,
    visible_trees,
)
from frontend.api import serializers, shapes
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS, answer
from frontend.api.rows import RowsView
from frontend.lists.kinds import Rows
from frontend.numbers import number_of
from machines.models import Release, Tree
from policy import edits, state
from policy.document import Policy, differences
from policy.errors import Invalid
from policy.messages import notices
from policy.models import ChangeRequest, Comment, Revision, Thread
from policy.review import discussion, turns, workflow
from policy.review.votes import approvals_needed

# --- Threads --------------------------------------------------------------------------------------


class Threads(Api, RowsView):
    """The threads of a change request, with the comments that you see: published, or your own."""

    serializer_class = shapes.ThreadSerializer

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        return Rows(discussion.threads(change, self.request.user))

    @extend_schema(
        request=shapes.AskSerializer, responses={201: shapes.ThreadSerializer, **PROBLEMS}
    )
    def post(self, request: Request, pk: int) -> Response:
        """Draft a thread. Others see it when you publish it with a vote or a comment."""
        change = visible_change(request.user, pk)
        data = given(shapes.AskSerializer, request)
        comment = discussion.ask(
            change, person_of(request), data["text"], data["group"], data["label"]
        )
        return Response(_thread(comment.thread, request), status=201)


def _thread(thread: Thread, request: Request) -> Any:
    seen = discussion.threads(thread.change_request, request.user)
    found = next((item for item in seen if item.pk == thread.pk), None)
    return shapes.ThreadSerializer(found).data if found is not None else None


def _reply(thread: Thread, request: Request) -> None:
    discussion.reply(thread, person_of(request), given(shapes.SaidSerializer, request)["text"])


def _resolve(thread: Thread, request: Request) -> None:
    discussion.resolve(thread, person_of(request))


def _reopen(thread: Thread, request: Request) -> None:
    discussion.reopen(thread, person_of(request))


_THREAD: dict[str, Callable[[Thread, Request], None]] = {
    "reply": _reply,
    "resolve": _resolve,
    "reopen": _reopen,
}


class ThreadAction(Api):
    """Draft a reply (``text``), or say that a thread is resolved or open again."""

    @extend_schema(
        request=shapes.SaidSerializer,
        responses={200: shapes.ThreadSerializer, **PROBLEMS},
        parameters=[
            OpenApiParameter("action", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(_THREAD))
        ],
    )
    def post(self, request: Request, pk: int, thread: int, action: str) -> Response:
        if action not in _THREAD:
            raise Http404
        found = visible_thread(visible_change(request.user, pk), request.user, thread)
        _THREAD[action](found, request)
        return Response(_thread(found, request))


class Draft(Api):
    """A comment of your own that is not published yet."""

    @extend_schema(
        request=shapes.SaidSerializer, responses={200: shapes.CommentSerializer, **PROBLEMS}
    )
    def put(self, request: Request, pk: int, comment: int) -> Response:
        found = self._found(request, pk, comment)
        text = given(shapes.SaidSerializer, request)["text"]
        written = discussion.rewrite(found, person_of(request), text)
        return Response(shapes.CommentSerializer(written).data)

    @extend_schema(request=None, responses={204: None, **PROBLEMS})
    def delete(self, request: Request, pk: int, comment: int) -> Response:
        discussion.discard(self._found(request, pk, comment), person_of(request))
        return Response(status=204)

    def _found(self, request: Request, pk: int, comment: int) -> Comment:
        return own_draft(visible_change(request.user, pk), request.user, comment)


# --- Waivers --------------------------------------------------------------------------------------


class Waivers(Api):
    """Accept a trial that ended otherwise than declared, for a while and with a reason."""

    @extend_schema(
        request=shapes.TrialWaiverSerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int) -> Response:
        data = given(shapes.TrialWaiverSerializer, request)
        edits.waive_trial(
            visible_change(request.user, pk),
            person_of(request),
            data["lock_version"],
            data["source"],
            data["destination"],
            data["machine_type"],
            data["reason"],
            data["expires"],
        )
        return answer(request, pk)


class WaiverDetail(Api):
    """One waiver of the draft, by its position from 0."""

    @extend_schema(
        request=shapes.EditSerializer,
        responses={200: serializers.ChangeDetailSerializer, **PROBLEMS},
    )
    def delete(self, request: Request, pk: int, position: int) -> Response:
        change: ChangeRequest = visible_change(request.user, pk)
        seen = given(shapes.EditSerializer, request)["lock_version"]
        edits.remove_waiver(change, person_of(request), seen, position)
        return answer(request, pk)


# --- Revisions ------------------------------------------------------------------------------------


class Revisions(Api, generics.ListAPIView[Any]):
    """The published revisions of a release, the newest first."""

    serializer_class = shapes.RevisionSerializer
    search_fields = ("digest", "published_by__username")
    ordering_fields = ("number", "published_at")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the description is made without a request
            return Revision.objects.none()
        release = visible_release(self.request.user, self.kwargs["tree"], self.kwargs["version"])
        rows = release.revisions.select_related("published_by").defer("content")
        return rows.order_by("-number")


@extend_schema_view(
    get=extend_schema(
        parameters=[
            OpenApiParameter("from", OpenApiTypes.INT, required=True),
            OpenApiParameter("to", OpenApiTypes.INT, required=True),
        ]
    )
)
class RevisionDifferences(Api, RowsView):
    """What differs between two revisions of a release."""

    serializer_class = serializers.DifferenceSerializer

    def rows(self) -> Rows:
        release = visible_release(self.request.user, self.kwargs["tree"], self.kwargs["version"])
        old, new = (self._policy(release, end) for end in ("from", "to"))
        return Rows(differences.compare(old, new))

    def _policy(self, release: Release, end: str) -> Policy:
        number = number_of(self.request.query_params.get(end, ""))
        revision = release.revisions.filter(number=number).first() if number else None
        if revision is None:
            raise Invalid("Name the number of a revision.", field=end)
        return state.policy_of(revision)


# --- People and trees -----------------------------------------------------------------------------


class Turns(Api, RowsView):
    """What waits for you, the one that has waited longest first."""

    serializer_class = shapes.TurnSerializer

    def rows(self) -> Rows:
        return Rows(turns.your_turns(self.request.user))


class MailSettings(Api):
    """Which kinds of mail you want."""

    @extend_schema(responses=shapes.MailSettingsSerializer)
    def get(self, request: Request) -> Response:
        return Response(notices.wanted_by(person_of(request)))

    @extend_schema(
        request=shapes.MailSettingsSerializer,
        responses={200: shapes.MailSettingsSerializer, **PROBLEMS},
    )
    def put(self, request: Request) -> Response:
        wanted = given(shapes.MailSettingsSerializer, request)
        return Response(notices.want(person_of(request), wanted))


class ReviewRules(Api):
    """How many approvals a change request of the tree needs."""

    @extend_schema(responses=shapes.ReviewRulesSerializer)
    def get(self, request: Request, tree: str) -> Response:
        return Response({"approvals": approvals_needed(self._tree(request, tree))})

    @extend_schema(
        request=shapes.ReviewRulesSerializer,
        responses={200: shapes.ReviewRulesSerializer, **PROBLEMS},
    )
    def put(self, request: Request, tree: str) -> Response:
        found = self._tree(request, tree)
        demand(request.user, "administer", found)
        number = given(shapes.ReviewRulesSerializer, request)["approvals"]
        workflow.set_approvals(found, person_of(request), number)
        return Response({"approvals": approvals_needed(found)})

    def _tree(self, request: Request, name: str) -> Tree:
        found = visible_trees(request.user).filter(name=name).first()
        if found is None:
            raise Http404
        return found
