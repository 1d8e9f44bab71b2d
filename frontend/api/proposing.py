"""Features that two catalogues differ by: proposed, and recorded many at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import django_filters as filters  # type: ignore[import-untyped]
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import named_release, person_of
from frontend.api import documents
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS
from frontend.api.features import FeatureSerializer
from frontend.api.rows import RowsView
from frontend.lists.filters import RowsFilter, Search
from frontend.lists.kinds import Rows
from frontend.questions import backporting
from machines.catalogue import effective_catalogue
from machines.models import Release
from policy.document import plain
from policy.edits import library
from policy.edits.library import Tried, Wanted
from policy.errors import Invalid
from policy.inputs import MAX_WORDS
from policy.permissions import require
from policy.rules import proposals as proposed
from policy.rules.proposals import Proposal


class SwitchedInSerializer(serializers.Serializer[Any]):
    """An array or a machine type that sets the gate, and to what."""

    place = serializers.CharField()
    value = serializers.CharField()


class EvidenceSerializer(serializers.Serializer[Any]):
    """What the two catalogues show."""

    kind = serializers.CharField()
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]
    property = serializers.CharField()
    switched_in = SwitchedInSerializer(many=True)


class ProposedSerializer(serializers.Serializer[Any]):
    """A feature as it could be recorded, why, and as what it is recorded already (or null)."""

    slug = serializers.CharField()
    title = serializers.CharField()
    device = serializers.CharField()
    carriers = documents.CarrierSerializer(many=True)
    gate = documents.GateSerializer(allow_null=True)
    summary = serializers.CharField()
    evidence = EvidenceSerializer()
    recorded = serializers.CharField(allow_null=True)


class ChosenSerializer(serializers.Serializer[Any]):
    """A ``proposal`` by its suggested slug, under other names where they are given."""

    proposal = serializers.CharField(max_length=100)
    slug = serializers.CharField(max_length=100, required=False)
    title = serializers.CharField(max_length=200, required=False)
    description = serializers.CharField(max_length=MAX_WORDS, default="", allow_blank=True)


class RecordManySerializer(serializers.Serializer[Any]):
    """``old`` and ``new`` are labels of the releases that are compared."""

    old = serializers.CharField(max_length=100)
    new = serializers.CharField(max_length=100)
    chosen = ChosenSerializer(
        many=True,
        max_length=library.MAX_AT_ONCE,  # type: ignore[call-arg]
        allow_empty=False,
    )


class ProposalFilter(RowsFilter):
    """Proposals by their words and their device type."""

    q = Search("spec.slug", "summary", label="Words of its slug or its summary")
    device = filters.CharFilter(label="Of this device type", method="by_device")

    def by_device(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(row for row in rows if row.spec.device == value)


@extend_schema_view(
    get=extend_schema(
        parameters=[
            OpenApiParameter("old", OpenApiTypes.STR, required=True, description="`upstream 8.0`"),
            OpenApiParameter("new", OpenApiTypes.STR, required=True, description="The newer one."),
        ]
    )
)
class Proposals(Api, RowsView):
    """Features that the catalogue of ``new`` has and that of ``old`` has not, by device."""

    serializer_class = ProposedSerializer
    filterset_class = ProposalFilter
    new: Release

    def rows(self) -> Rows:
        user, asked = self.request.user, self.request.query_params
        require(user, "edit", None)
        old, self.new = (named_release(user, asked.get(end, ""), end) for end in _ENDS)
        return Rows(backporting.proposed(old, self.new))

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page's proposals, with what speaks for each and what is recorded already."""
        page = super().paginate_queryset(queryset) or []
        catalogue, _source = effective_catalogue(self.new)
        recorded = backporting.recorded(page)
        return [_told(item, proposed.evidence_of(item, catalogue), recorded) for item in page]

    @extend_schema(
        request=RecordManySerializer,
        responses={201: FeatureSerializer(many=True), **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Record chosen proposals in the library: all of them, or none."""
        data = given(RecordManySerializer, request)
        require(request.user, "edit", None)
        old, new = (named_release(request.user, data[end], end) for end in _ENDS)
        known = {item.spec.slug: item for item in backporting.proposed(old, new)}
        wanted = [_wanted(known, item) for item in data["chosen"]]
        _check(library.try_all(person_of(request), new, wanted))
        features = library.record_all(person_of(request), new, wanted)
        return Response(FeatureSerializer(features, many=True).data, status=201)


_ENDS = ("old", "new")


def _told(item: Proposal, evidence: proposed.Evidence, recorded: dict[str, Any]) -> dict[str, Any]:
    known = recorded.get(item.spec.slug)
    spec = plain(asdict(item.spec))
    said = {"summary": item.summary, "evidence": evidence, "recorded": known and known.slug}
    return {**spec, **said}


def _wanted(known: dict[str, Proposal], chosen: dict[str, Any]) -> Wanted:
    found = known.get(chosen["proposal"])
    if found is None:
        raise Invalid(f"There is no proposal '{chosen['proposal']}'.", field="chosen")
    spec = found.spec
    names = chosen.get("slug", spec.slug), chosen.get("title", spec.title)
    return Wanted(spec, *names, chosen["description"])


def _check(tried: tuple[Tried, ...]) -> None:
    """Raises ValidationError that names every one that cannot be recorded."""
    wrong = {
        f"chosen[{at}].{item.field or 'proposal'}": [item.problem]
        for at, item in enumerate(tried)
        if item.problem
    }
    if wrong:
        raise ValidationError(wrong)
