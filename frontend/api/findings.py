"""Findings of a change request: what the rules say of its draft, waived or settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_args

import django_filters as filters  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of, visible_change
from frontend.api import shapes
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS, answer
from frontend.api.lists import Pages
from frontend.api.rows import RowsView
from frontend.api.serializers import ChangeDetailSerializer
from frontend.lists.filters import AnyOf, RowsFilter, Search, TickFilter
from frontend.lists.kinds import Rows
from policy import edits
from policy.document.waivers import Word
from policy.findings.finding import SEVERITIES, Action, Code
from policy.review import examining
from policy.review.examining import CheckedFinding

# --- Shapes ---------------------------------------------------------------------------------------


class PlaceSerializer(serializers.Serializer[Any]):
    """Where it is; what does not apply is empty, and ``version`` null."""

    machine_type = serializers.CharField(allow_blank=True)
    device = serializers.CharField(allow_blank=True)
    property = serializers.CharField(allow_blank=True)
    section = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(allow_null=True)


class DirectionSerializer(serializers.Serializer[Any]):
    """Guests of ``source`` migrate to ``destination``: labels of releases."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()


class WaivedDirectionSerializer(DirectionSerializer):
    """A direction, and how a waiver of the finding stands there; empty where there is none."""

    standing = serializers.ChoiceField(get_args(Word))


class FindingProposalSerializer(serializers.Serializer[Any]):
    """A change that would settle the matter. An entry is ``[driver, property, value]``.

    ``positions``, from 0, are those of the entries, the mitigations or the override in their list.
    """

    action = serializers.ChoiceField(get_args(Action))
    text = serializers.CharField()
    machine_types = serializers.ListField(child=serializers.CharField())
    entries = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=3, max_length=3)
    )
    pair = DirectionSerializer(allow_null=True)
    positions = serializers.ListField(child=serializers.IntegerField())
    device = serializers.CharField(allow_blank=True)
    section = serializers.CharField(allow_blank=True)


class FindingSerializer(serializers.Serializer[Any]):
    """A finding. ``id`` names the matter, ``digest`` also what was found.

    ``partner`` is the release that it compares with; ``machine_types`` and ``devices`` are all that
    it is about. ``blocks``: it is in the way of publishing.
    """

    id = serializers.CharField()
    digest = serializers.CharField()
    code = serializers.ChoiceField(get_args(Code))
    severity = serializers.ChoiceField(SEVERITIES)
    place = PlaceSerializer()
    text = serializers.CharField()
    partner = serializers.CharField(allow_blank=True)
    pairs = DirectionSerializer(many=True)
    machine_types = serializers.ListField(child=serializers.CharField())
    devices = serializers.ListField(child=serializers.CharField())
    proposals = FindingProposalSerializer(many=True)
    blocks = serializers.BooleanField()
    waivers = WaivedDirectionSerializer(many=True)

    def to_representation(self, instance: CheckedFinding) -> Any:
        return super().to_representation(self.document(instance))

    def document(self, item: CheckedFinding) -> dict[str, Any]:
        """As a finding tells itself to programs, with how waivers of it stand."""
        waivers = [
            {"source": scope[1], "destination": scope[2], "standing": standing.word}
            for scope, standing in item.waived
        ]
        return {**item.finding.to_json(), "blocks": item.blocks, "waivers": waivers}


class CountsSerializer(serializers.Serializer[Any]):
    """How many there are of each severity, whatever was asked for."""

    error = serializers.IntegerField()
    warning = serializers.IntegerField()
    note = serializers.IntegerField()


# --- The list -------------------------------------------------------------------------------------


class FindingFilter(RowsFilter):
    """Findings by their words, what they are, and what they are about."""

    q = Search("finding.text", label="Words of its text")
    severity = AnyOf(label="Severity", choices=[(name, name) for name in SEVERITIES],
                     method="by_severity")  # fmt: skip
    code = AnyOf(label="Code", choices=[(name, name) for name in get_args(Code)], method="by_code")
    machine_type = filters.CharFilter(label="About this machine type", method="by_machine_type")
    device = filters.CharFilter(label="About this device type", method="by_device")
    partner = filters.CharFilter(label="Compared with this release", method="by_partner")
    waived = TickFilter(label="Waived in every direction", method="by_waived")
    blocks = TickFilter(label="In the way of publishing", method="by_blocks")

    def by_severity(self, rows: Rows, name: str, value: list[str]) -> Rows:
        return Rows(row for row in rows if row.finding.severity in value)

    def by_code(self, rows: Rows, name: str, value: list[str]) -> Rows:
        return Rows(row for row in rows if row.finding.code in value)

    def by_machine_type(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(
            row
            for row in rows
            if value in (row.finding.place.machine_type, *row.finding.machine_types)
        )

    def by_device(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(
            row for row in rows if value in (row.finding.place.device, *row.finding.devices)
        )

    def by_partner(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(row for row in rows if row.finding.partner == value)

    def by_waived(self, rows: Rows, name: str, value: bool) -> Rows:
        return Rows(row for row in rows if row.is_waived == value)

    def by_blocks(self, rows: Rows, name: str, value: bool) -> Rows:
        return Rows(row for row in rows if row.blocks == value)


class FindingPages(Pages):
    """Pages that also tell how many findings of each severity there are in all."""

    counts: dict[str, int]

    def count(self, found: Iterable[CheckedFinding]) -> None:
        """Count what there is, before any filter."""
        numbers = Counter(str(item.finding.severity) for item in found)
        self.counts = {name: numbers[name] for name in SEVERITIES}

    def get_paginated_response(self, data: Any) -> Response:
        told = super().get_paginated_response(data).data
        return Response({"count": told.pop("count"), "counts": self.counts, **told})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        told = super().get_paginated_response_schema(schema)
        numbers = {name: {"type": "integer"} for name in SEVERITIES}
        told["properties"]["counts"] = {
            "type": "object",
            "description": "How many there are of each severity, whatever is asked for.",
            "properties": numbers,
            "required": list(numbers),
        }
        return {**told, "required": [*told["required"], "counts"]}


class Findings(Api, RowsView):
    """What the rules say of the draft, the gravest first, and how waivers of it stand."""

    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    pagination_class = FindingPages
    paginator: FindingPages

    def rows(self) -> Rows:
        change = visible_change(self.request.user, self.kwargs["pk"])
        found = Rows(examining.findings_of(change))
        self.paginator.count(found)
        return found


# --- What is done about one -----------------------------------------------------------------------


class FindingWaive(Api):
    """Accept a finding, for a while and with a reason."""

    @extend_schema(
        request=shapes.FindingWaiverSerializer,
        responses={200: ChangeDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int, identity: str) -> Response:
        data = given(shapes.FindingWaiverSerializer, request)
        edits.waive_finding(
            visible_change(request.user, pk),
            person_of(request),
            data["lock_version"],
            identity,
            data["source"],
            data["destination"],
            data["reason"],
            data["expires"],
        )
        return answer(request, pk)


class FindingApply(Api):
    """Make the change that a finding proposes."""

    @extend_schema(
        request=shapes.ProposalSerializer,
        responses={200: ChangeDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int, identity: str) -> Response:
        data = given(shapes.ProposalSerializer, request)
        change = visible_change(request.user, pk)
        edits.apply_proposal(
            change, person_of(request), data["lock_version"], identity, data["number"]
        )
        return answer(request, pk)
