"""The REST API, version 1: what the pages show, for programs.

Reading needs a role in any tree; moving a change request on goes through :mod:`policy.workflow`
like the pages do. What went wrong is told as problem JSON (RFC 9457).
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework import generics
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from frontend import serializers
from frontend.access import visible_change, visible_trees
from frontend.filters import AuditFilter, ChangeFilter, TrialFilter
from frontend.numbers import number_of
from frontend.views import bundles
from frontend.views.changes import ACTIONS
from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import differences, rules, state, workflow
from policy.blockers import blockers as blockers_of
from policy.errors import Conflict, Forbidden, PolicyError
from policy.models import AuditEntry, Bundle, ChangeRequest, Trial
from policy.permissions import may
from policy.state import State
from workers import jobs
from workers.models import Job

PROBLEM_TYPE = "application/problem+json"


# --- What went wrong ------------------------------------------------------------------------------


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Any error that is somebody's fault, as problem JSON; None for a fault of the program."""
    status, document = _problem(error)
    if status is None:
        return None
    set_rollback()
    document = {"title": HTTPStatus(status).phrase, "status": status, **document}
    response = Response(document, status=status, content_type=PROBLEM_TYPE)
    if isinstance(error, APIException) and (wait := getattr(error, "wait", None)):
        response["Retry-After"] = str(int(wait))
    return response


def _problem(error: Exception) -> tuple[int | None, dict[str, Any]]:
    match error:
        case Forbidden() | PermissionDenied():
            return 403, {"detail": str(error) or "You may not do this."}
        case Conflict():
            return 409, _policy_problem(error) | {"current_version": error.current_version}
        case PolicyError():
            return 422, _policy_problem(error)
        case NoCatalogue():
            return 409, {"detail": str(error)}
        case Http404():
            return 404, {"detail": "There is no such thing, or you may not see it."}
        case ValidationError():
            return 422, {"detail": "The input is at fault.", "errors": error.detail}
        case APIException():
            return error.status_code, {"detail": str(error.detail)}
    return None, {}


def _policy_problem(error: PolicyError) -> dict[str, Any]:
    document = {"detail": str(error)}
    return document | {"field": error.field} if error.field else document


class IsMember(BasePermission):
    """Whoever has a role in any tree."""

    message = "You have no role in any tree."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return may(request.user, "view", None)


class Body(JSONParser):
    """JSON; what nests deeper than Python recurses is the sender's fault."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError("The JSON nests too deep.") from error


class Api(APIView):
    """What all have in common: who may ask, and how errors are told."""

    permission_classes = [IsAuthenticated, IsMember]
    parser_classes = [Body, FormParser, MultiPartParser]

    def get_exception_handler(self) -> Any:
        return problem_handler


# --- Trees and releases ---------------------------------------------------------------------------


class Trees(Api, generics.ListAPIView[Any]):
    """The trees."""

    serializer_class = serializers.TreeSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return visible_trees(self.request.user)


class Releases(Api, generics.ListAPIView[Any]):
    """The releases of every tree."""

    serializer_class = serializers.ReleaseSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return _releases(self.request)


class ReleaseDetail(Api, generics.RetrieveAPIView[Any]):
    """One release, its current snapshot and its newest revision."""

    serializer_class = serializers.ReleaseDetailSerializer

    def get_object(self) -> Release:
        return _release(self.request, self.kwargs)


def _releases(request: Any) -> QuerySet[Release]:
    return Release.objects.filter(tree__in=visible_trees(request.user)).select_related(
        "tree", "base__tree", "stand_in__tree"
    )


def _release(request: Any, kwargs: dict[str, Any]) -> Release:
    found = _releases(request).filter(tree__name=kwargs["tree"], version=kwargs["version"]).first()
    if found is None:
        raise Http404
    return found


CHANGE_PARAMETER = OpenApiParameter(
    "change", OpenApiTypes.INT, description="Show the draft of this change request instead."
)


def _state(request: Any, kwargs: dict[str, Any]) -> State:
    """The release as published, or as ``?change=`` would leave it. Raises ``NoCatalogue``."""
    release = _release(request, kwargs)
    asked = request.query_params.get("change", "")
    if not asked:
        return state.published(release)
    number = number_of(asked)
    if number is None:
        raise Http404
    change = visible_change(request.user, number)
    if change.release_id != release.pk:
        raise Http404
    return state.draft(change)


class MachineTypes(Api):
    """The machine types of a release."""

    @extend_schema(
        parameters=[CHANGE_PARAMETER], responses=serializers.MachineTypeSerializer(many=True)
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        found = _state(request, kwargs)
        rows = [_machine_type(found, name) for name in rules.machine_types(found)]
        return Response(serializers.MachineTypeSerializer(rows, many=True).data)


class MachineTypeDetail(Api):
    """A machine type with all that it sets, in order of application, the bitmaps last."""

    @extend_schema(parameters=[CHANGE_PARAMETER], responses=serializers.MachineTypeDetailSerializer)
    def get(self, request: Request, **kwargs: Any) -> Response:
        found, name = _state(request, kwargs), kwargs["name"]
        if name not in rules.machine_types(found):
            raise Http404
        properties = rules.resolved_properties(found.policy, found.catalogue, name)
        row = {**_machine_type(found, name), "properties": [asdict(item) for item in properties]}
        return Response(serializers.MachineTypeDetailSerializer(row).data)


def _machine_type(found: State, name: str) -> dict[str, str]:
    item = found.policy.machine_type(name) if found.policy else None
    return {"name": name, "parent": item.parent if item else ""}


class Devices(Api):
    """The device types of a release."""

    @extend_schema(parameters=[CHANGE_PARAMETER], responses=serializers.DeviceSerializer(many=True))
    def get(self, request: Request, **kwargs: Any) -> Response:
        catalogue = _state(request, kwargs).catalogue
        names = sorted({*catalogue.types, *catalogue.descriptions})
        rows = [_device(catalogue, name) for name in names]
        return Response(serializers.DeviceSerializer(rows, many=True).data)


class DeviceDetail(Api):
    """A device's sections with the bitmaps of their versions, on a machine type."""

    @extend_schema(
        parameters=[
            CHANGE_PARAMETER,
            OpenApiParameter(
                "machine_type",
                OpenApiTypes.STR,
                description="Whose compat properties apply; the release's first one by default.",
            ),
        ],
        responses=serializers.DeviceDetailSerializer,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        found, driver = _state(request, kwargs), kwargs["driver"]
        catalogue = found.catalogue
        if driver not in catalogue.types and driver not in catalogue.descriptions:
            raise Http404
        names = rules.machine_types(found)
        name = request.query_params.get("machine_type", "") or next(iter(names), "")
        if name and name not in names:
            raise Http404
        bitmaps = rules.device_bitmaps(found.policy, catalogue, name, driver)
        row = {
            **_device(catalogue, driver),
            "machine_type": name,
            "sections": [asdict(item) for item in bitmaps],
        }
        return Response(serializers.DeviceDetailSerializer(row).data)


def _device(catalogue: Any, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "parent": catalogue.types.get(name),
        "has_state": name in catalogue.descriptions,
    }


# --- Change requests ------------------------------------------------------------------------------


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


# --- Trials, bundles, jobs, audit -----------------------------------------------------------------


class Trials(Api, generics.ListAPIView[Any]):
    """Trials, the newest first."""

    serializer_class = serializers.TrialSerializer
    filterset_class = TrialFilter

    def get_queryset(self) -> QuerySet[Any]:
        return _trials(self.request).defer("inputs", "result")


class TrialDetail(Api, generics.RetrieveAPIView[Any]):
    """One trial with its inputs and its result."""

    serializer_class = serializers.TrialDetailSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return _trials(self.request)


def _trials(request: Any) -> QuerySet[Trial]:
    trees = visible_trees(request.user)
    return Trial.objects.filter(source__tree__in=trees, destination__tree__in=trees).select_related(
        "source__tree", "destination__tree"
    )


class Bundles(Api, generics.ListAPIView[Any]):
    """Bundles, the newest first."""

    serializer_class = serializers.BundleSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return (
            Bundle.objects.filter(revision__release__tree__in=visible_trees(self.request.user))
            .select_related("revision__release__tree")
            .defer("content", "revision__content")
        )


class BundleDownload(Api):
    """The bundle's bytes; its SHA-256 is its ETag."""

    @extend_schema(responses={(200, "application/gzip"): OpenApiTypes.BINARY})
    def get(self, request: Request, tree: str, version: str, number: int) -> HttpResponse:
        return bundles.answer(request._request, tree, version, number)


class Jobs(Api, generics.ListAPIView[Any]):
    """Jobs, the newest first."""

    serializer_class = serializers.JobSerializer
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


class Audit(Api, generics.ListAPIView[Any]):
    """The audit log, the newest first, each entry with its hash and that of the one before."""

    serializer_class = serializers.AuditSerializer
    filterset_class = AuditFilter
    queryset = AuditEntry.objects.all()


class Schema(SpectacularAPIView):
    """This API's OpenAPI description."""

    permission_classes = [IsAuthenticated]


_RELEASE = "releases/<str:tree>/<str:version>/"
_BUNDLE = "bundles/<str:tree>/<str:version>/r<int:number>/"
urlpatterns: list[URLPattern] = [
    path("schema/", Schema.as_view(), name="api-schema"),
    path("trees/", Trees.as_view(), name="api-trees"),
    path("releases/", Releases.as_view(), name="api-releases"),
    path(_RELEASE, ReleaseDetail.as_view(), name="api-release"),
    path(f"{_RELEASE}machine-types/", MachineTypes.as_view(), name="api-machine-types"),
    path(
        f"{_RELEASE}machine-types/<path:name>/",
        MachineTypeDetail.as_view(),
        name="api-machine-type",
    ),
    path(f"{_RELEASE}devices/", Devices.as_view(), name="api-devices"),
    path(f"{_RELEASE}devices/<path:driver>/", DeviceDetail.as_view(), name="api-device"),
    path("changes/", Changes.as_view(), name="api-changes"),
    path("changes/<int:pk>/", ChangeDetail.as_view(), name="api-change"),
    path("changes/<int:pk>/<slug:action>/", ChangeTransition.as_view(), name="api-change-action"),
    path("trials/", Trials.as_view(), name="api-trials"),
    path("trials/<int:pk>/", TrialDetail.as_view(), name="api-trial"),
    path("bundles/", Bundles.as_view(), name="api-bundles"),
    path(f"{_BUNDLE}download", BundleDownload.as_view(), name="api-bundle-download"),
    path("jobs/", Jobs.as_view(), name="api-jobs"),
    path("jobs/<int:pk>/", JobDetail.as_view(), name="api-job"),
    path("jobs/<int:pk>/cancel/", JobCancel.as_view(), name="api-job-cancel"),
    path("audit/", Audit.as_view(), name="api-audit"),
]
