"""What would become of a release: by C sources' arrays, by publishing a change request."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import visible_change, visible_release
from frontend.api.base import Api
from frontend.api.findings import (
    CountsSerializer,
    FindingFilter,
    FindingPages,
    FindingSerializer,
)
from frontend.api.rows import (
    PageSerializer,
    RowsView,
    filtered,
    page_of,
    page_parameters,
    parameters_of,
)
from frontend.api.serializers import DifferenceSerializer, ProblemSerializer
from frontend.lists.filters import TickFilter
from frontend.lists.kinds import Rows
from frontend.numbers import number_of
from frontend.questions.bundles import ChangedFile, changed_files
from machines.models import Release
from policy.errors import Invalid
from policy.exporters import ExportError
from policy.models import ChangeRequest
from policy.publishing.bundle import BundleError
from policy.questions.from_sources import foreseen
from policy.review.examining import CheckedFinding

MAX_SOURCES = 20
MAX_BYTES = 4 * 2**20


class SourcesSerializer(serializers.Serializer[Any]):
    """C sources or patches with compat arrays."""

    sources = serializers.ListField(child=serializers.FileField(), max_length=MAX_SOURCES)


@dataclass(frozen=True, slots=True)
class ForeseenFinding(CheckedFinding):
    """``new``: the rules do not say it now."""

    new: bool


class ForeseenFindingSerializer(FindingSerializer):
    """A finding; ``new``: the rules do not say it now."""

    new = serializers.BooleanField()

    def document(self, item: CheckedFinding) -> dict[str, Any]:
        found = super().document(item)
        return {**found, "new": item.new} if isinstance(item, ForeseenFinding) else found


class ForeseenPageSerializer(PageSerializer):
    """A page of the findings, as of a change request's."""

    counts = CountsSerializer()
    results = ForeseenFindingSerializer(many=True)


class ForeseenSerializer(serializers.Serializer[Any]):
    """``differences`` from the policy, and a page of ``findings``."""

    differences = DifferenceSerializer(many=True)
    findings = ForeseenPageSerializer()


class ForeseenFilter(FindingFilter):
    """Those of findings, and whether the rules say it now."""

    new = TickFilter(label="Not said now", method="by_new")

    def by_new(self, rows: Rows, name: str, value: bool) -> Rows:
        return Rows(row for row in rows if row.new == value)


class ReleaseFindings(Api):
    """What the rules would say if a release's compat arrays were those of some C sources."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": SourcesSerializer},
        parameters=[
            OpenApiParameter(
                "change", OpenApiTypes.INT, description="Compare with this draft instead."
            ),
            *parameters_of(ForeseenFilter),
            *page_parameters(),
        ],
        responses={200: ForeseenSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request, tree: str, version: str) -> Response:
        """Nothing is written. A finding is ``new`` where the rules do not say it now.

        Its findings come in pages: the next one is asked for with the same sources.
        """
        release = visible_release(request.user, tree, version)
        found = foreseen(release, _sources(request), _change(request, release))
        rows = Rows(ForeseenFinding(item.finding, item.waived, new) for item, new in found.findings)
        pages = FindingPages()
        pages.count(rows)
        fitting = filtered(ForeseenFilter, rows, request)
        told = page_of(fitting, ForeseenFindingSerializer, request, pages)
        differences = DifferenceSerializer(found.differences, many=True).data
        return Response({"differences": differences, "findings": told})


class ChangedFileSerializer(serializers.Serializer[Any]):
    """A file that publishing would alter; ``difference`` is null unless ``file`` names it."""

    path = serializers.CharField()
    how = serializers.ChoiceField(("added", "removed", "changed"))
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    difference = serializers.ListField(child=serializers.CharField(), allow_null=True)


@extend_schema_view(
    get=extend_schema(
        parameters=[
            OpenApiParameter(
                "file", OpenApiTypes.STR, description="Whose unified difference is told as well."
            )
        ]
    )
)
class ChangeBundle(Api, RowsView):
    """The files of the release's bundle that publishing a change request would alter."""

    serializer_class = ChangedFileSerializer

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        try:
            found = changed_files(change, self.request.query_params.get("file", ""))
        except (ExportError, BundleError) as error:
            raise Invalid(str(error)) from error
        return Rows(_shown(file) for file in found)


def _shown(file: ChangedFile) -> dict[str, Any]:
    lines = None if file.shown is None else [line.text for line in file.shown.lines]
    return {**asdict(file), "difference": lines}


def _sources(request: Request) -> dict[str, bytes]:
    files = request.FILES.getlist("sources")
    if not 1 <= len(files) <= MAX_SOURCES:
        raise Invalid(f"Send 1 to {MAX_SOURCES} files.", field="sources")
    if sum(file.size or 0 for file in files) > MAX_BYTES:
        words = f"They are larger than {MAX_BYTES // 2**20} MiB together."
        raise Invalid(words, field="sources")
    found = {str(file.name): file.read() for file in files}
    if len(found) < len(files):
        raise Invalid("Two files have the same name.", field="sources")
    return found


def _change(request: Request, release: Release) -> ChangeRequest | None:
    asked = request.query_params.get("change", "")
    if not asked:
        return None
    number = number_of(asked)
    change = visible_change(request.user, number) if number is not None else None
    if change is None or change.release_id != release.pk:
        raise Http404
    return change
