"""Trees and releases, and what a release consists of."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of, visible_change, visible_trees
from frontend.actions import releases
from frontend.api import serializers
from frontend.api.base import Api, check_form, given
from frontend.api.rows import RowsView
from frontend.filters import DeviceFilter, MachineTypeFilter, ReleaseFilter
from frontend.lists.kinds import Rows
from frontend.lists.release_rows import device_rows, machine_type_rows
from frontend.numbers import number_of
from machines.models import Release
from policy import rules, state
from policy.errors import Invalid
from policy.permissions import require
from policy.state import State


class Trees(Api, generics.ListAPIView[Any]):
    """The trees."""

    serializer_class = serializers.TreeSerializer
    search_fields = ("name", "title")
    ordering_fields = ("name", "title")

    def get_queryset(self) -> QuerySet[Any]:
        return visible_trees(self.request.user)


class Releases(Api, generics.ListAPIView[Any]):
    """The releases of every tree."""

    serializer_class = serializers.ReleaseSerializer
    filterset_class = ReleaseFilter
    search_fields = ("tree__name", "version")
    ordering_fields = ("id", "version", "created_at")

    def get_queryset(self) -> QuerySet[Any]:
        return _releases(self.request)

    @extend_schema(
        request=serializers.NewReleaseSerializer,
        responses={201: serializers.ReleaseDetailSerializer, 422: serializers.ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Add a release to a tree, before anything of it is imported."""
        data = given(serializers.NewReleaseSerializer, request)
        tree = visible_trees(request.user).filter(name=data["tree"]).first()
        if tree is None:
            raise Invalid("There is no such tree.", field="tree")
        require(request.user, "import", tree)
        sent = {"tree": tree.pk, "version": data["version"]} | {
            name: named_release(request.user, data[name], name).pk
            for name in ("base", "stand_in")
            if data[name]
        }
        form = releases.form_for(request.user, sent)
        check_form(form)
        release = releases.made(form, person_of(request))
        return Response(serializers.ReleaseDetailSerializer(release).data, status=201)


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


@extend_schema_view(get=extend_schema(parameters=[CHANGE_PARAMETER]))
class MachineTypes(Api, RowsView):
    """The machine types of a release."""

    serializer_class = serializers.MachineTypeSerializer
    filterset_class = MachineTypeFilter

    def rows(self) -> Rows:
        return machine_type_rows(_state(self.request, self.kwargs))


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


@extend_schema_view(get=extend_schema(parameters=[CHANGE_PARAMETER]))
class Devices(Api, RowsView):
    """The device types of a release, by name."""

    serializer_class = serializers.DeviceSerializer
    filterset_class = DeviceFilter

    def rows(self) -> Rows:
        return device_rows(_state(self.request, self.kwargs))


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
            "properties": rules.device_properties(found.policy, catalogue, name, driver, bitmaps),
        }
        return Response(serializers.DeviceDetailSerializer(row).data)


def _device(catalogue: Any, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "parent": catalogue.types.get(name),
        "has_state": name in catalogue.descriptions,
    }
