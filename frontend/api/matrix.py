"""The migration matrix of a tree: declared migrations, and how each one's trial stands."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import visible_change, visible_trees
from frontend.api.base import Api
from frontend.api.lists import Pages
from frontend.api.rows import PageSerializer, page_of, page_parameters
from frontend.api.serializers import ProblemSerializer
from frontend.lists.kinds import Rows
from frontend.numbers import number_of
from machines.models import Tree
from policy.models import ChangeRequest
from policy.review.checking import CheckedTrial
from policy.trials import matrix


class RequiredSerializer(serializers.Serializer[Any]):
    """A declared migration. ``standing`` says how its trial stands, ``outcome`` what it gave."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    machine_type = serializers.CharField()
    expected = serializers.CharField()
    standing = serializers.CharField()
    outcome = serializers.CharField(allow_blank=True)
    trial = serializers.IntegerField(allow_null=True)


class RequiredPageSerializer(PageSerializer):
    """A page of declared migrations."""

    results = RequiredSerializer(many=True)


class MatrixSerializer(serializers.Serializer[Any]):
    """A tree's releases, and the migrations that its policies declare between them."""

    tree = serializers.CharField()
    machine_type = serializers.CharField(allow_blank=True)
    releases = serializers.ListField(child=serializers.CharField())
    migrations = RequiredPageSerializer()


_PARAMETERS = [
    OpenApiParameter("tree", OpenApiTypes.STR, description="Needed without `change`."),
    OpenApiParameter("machine_type", OpenApiTypes.STR, description="Only this one's migrations."),
    OpenApiParameter("change", OpenApiTypes.INT, description="With the draft of a change request."),
]


class MatrixView(Api):
    """The migrations that a tree's policies declare, and how each one's trial stands."""

    @extend_schema(
        parameters=[*_PARAMETERS, *page_parameters()],
        responses={200: MatrixSerializer, 404: ProblemSerializer, 409: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        change = _change(request)
        tree = change.release.tree if change is not None else _tree(request)
        asked = request.query_params.get("machine_type", "")
        found = matrix.matrix(tree, asked, change)
        rows = Rows(_told(item) for cell in found.cells.values() for item in cell)
        told = {
            "tree": tree.name,
            "machine_type": asked,
            "releases": found.labels,
            "migrations": page_of(rows, RequiredSerializer, request, Pages()),
        }
        return Response(MatrixSerializer(told).data)


def _change(request: Request) -> ChangeRequest | None:
    asked = request.query_params.get("change", "")
    if not asked:
        return None
    number = number_of(asked)
    if number is None:
        raise Http404
    return visible_change(request.user, number)


def _tree(request: Request) -> Tree:
    name = request.query_params.get("tree", "")
    found = visible_trees(request.user).filter(name=name).first()
    if found is None:
        raise Http404
    return found


def _told(item: CheckedTrial) -> dict[str, Any]:
    wanted, trial = item.requirement.required, item.requirement.trial
    return {
        "source": wanted.source,
        "destination": wanted.destination,
        "machine_type": wanted.machine_type,
        "expected": wanted.expected,
        "standing": item.outcome,
        "outcome": trial.outcome if trial is not None else "",
        "trial": trial.pk if trial is not None else None,
    }
