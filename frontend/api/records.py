"""What has been done: trials, jobs, the audit log."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of, visible_trees, visible_trial
from frontend.actions import trials
from frontend.api import serializers
from frontend.api.base import Api, given
from frontend.filters import AuditFilter, JobFilter, TrialFilter
from policy.models import AuditEntry, Trial
from workers import jobs
from workers.models import Job


class Trials(Api, generics.ListAPIView[Any]):
    """Trials, the newest first."""

    serializer_class = serializers.TrialSerializer
    filterset_class = TrialFilter
    search_fields = (
        "machine_type",
        "source__version",
        "source__tree__name",
        "destination__version",
        "destination__tree__name",
    )
    ordering_fields = ("id", "machine_type", "outcome", "state", "created_at", "finished_at")

    def get_queryset(self) -> QuerySet[Any]:
        return _trials(self.request).defer("inputs", "result")


class TrialDetail(Api, generics.RetrieveAPIView[Any]):
    """One trial with its inputs and its result."""

    serializer_class = serializers.TrialDetailSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return _trials(self.request)


class TrialRemedies(Api):
    """Search for mitigations that would let the trial's guests in; the answer is the job."""

    @extend_schema(
        request=serializers.RemediesSerializer,
        responses={202: serializers.JobSerializer, 403: serializers.ProblemSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        change = given(serializers.RemediesSerializer, request)["change"]
        trial = visible_trial(request.user, pk)
        job = trials.start_search(
            person_of(request), trial, str(change) if change is not None else ""
        )
        return Response(serializers.JobSerializer(job).data, status=202)


class TrialRunAgain(Api):
    """Run a trial once more that could not run, or whose job was cancelled."""

    @extend_schema(
        request=None, responses={202: serializers.JobSerializer, 422: serializers.ProblemSerializer}
    )
    def post(self, request: Request, pk: int) -> Response:
        """The answer is the job. A trial that ended has its outcome for good (422)."""
        job = trials.run_again(person_of(request), visible_trial(request.user, pk))
        return Response(serializers.JobSerializer(job).data, status=202)


def _trials(request: Any) -> QuerySet[Trial]:
    trees = visible_trees(request.user)
    return Trial.objects.filter(source__tree__in=trees, destination__tree__in=trees).select_related(
        "source__tree", "destination__tree"
    )


class Jobs(Api, generics.ListAPIView[Any]):
    """Jobs, the newest first."""

    serializer_class = serializers.JobSerializer
    filterset_class = JobFilter
    search_fields = ("title",)
    ordering_fields = ("id", "kind", "status", "created_at", "finished_at")
    queryset = Job.objects.select_related("created_by").defer("log")


class JobDetail(Api, generics.RetrieveAPIView[Any]):
    """One job and how far it is."""

    serializer_class = serializers.JobSerializer
    queryset = Job.objects.select_related("created_by").defer("log")


class JobCancel(Api):
    """Take a job back."""

    @extend_schema(request=None, responses=serializers.JobSerializer)
    def post(self, request: Request, pk: int) -> Response:
        job = Job.objects.filter(pk=pk).first()
        if job is None:
            raise Http404
        cancelled = jobs.cancel(job, request.user)  # type: ignore[arg-type]
        return Response(serializers.JobSerializer(cancelled).data)


#: A day, or nothing: an empty one is no filter.
_DAY = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "enum": [""]}]}


@extend_schema_view(
    get=extend_schema(
        parameters=[
            OpenApiParameter("since", _DAY, description="From this day (UTC) on."),
            OpenApiParameter("until", _DAY, description="Up to this day (UTC)."),
        ]
    )
)
class Audit(Api, generics.ListAPIView[Any]):
    """The audit log, the newest first, each entry with its hash and that of the one before."""

    serializer_class = serializers.AuditSerializer
    filterset_class = AuditFilter
    search_fields = ("object_label", "actor", "action")
    ordering_fields = ("id", "at", "actor", "action")
    queryset = AuditEntry.objects.all()
