"""Two releases compared without a trial."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.api.base import Api
from frontend.api.serializers import ProblemSerializer
from frontend.questions.comparing import Pair, compared, devices_of, pair_of
from machines.streams import MAX_STREAM_BYTES
from policy.errors import Invalid
from policy.questions.comparing import GRADES


class StaticDifferenceSerializer(serializers.Serializer[Any]):
    """One difference between what a release sends and another reads."""

    device = serializers.CharField()
    section = serializers.CharField()
    subsection = serializers.CharField(allow_null=True)
    field = serializers.CharField(allow_null=True)
    grade = serializers.ChoiceField(choices=GRADES)
    message = serializers.CharField()


class ComparisonSerializer(serializers.Serializer[Any]):
    """What was compared, and every difference that was asked for."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    machine_type = serializers.CharField()
    devices = serializers.ListField(child=serializers.CharField())
    stateless = serializers.ListField(child=serializers.CharField())
    counts = serializers.DictField(child=serializers.IntegerField())
    findings = StaticDifferenceSerializer(many=True)


class PairSerializer(serializers.Serializer[Any]):
    """Two releases (``rhel 9.3``), or states that change requests would leave (``change-7``)."""

    source = serializers.CharField(max_length=120)  # type: ignore[assignment]
    destination = serializers.CharField(max_length=120)
    machine_type = serializers.CharField(max_length=255, required=False, default="")


class StreamSerializer(PairSerializer):
    """The same, with a stream whose devices are compared."""

    stream = serializers.FileField()


def _parameter(name: str, description: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description, **more)


_PARAMETERS = [
    _parameter("source", "`rhel 9.3`, or `change-7` for a draft.", required=True),
    _parameter("destination", "The same.", required=True),
    _parameter("machine_type", "The newest that both releases have, where it is left out."),
    _parameter("device", "A device type; all with state where it is left out.", many=True),
    _parameter("grade", "Only findings of this grade.", enum=list(GRADES)),
]


class Comparison(Api):
    """What one release sends and another reads, told from their catalogues and policies."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        parameters=_PARAMETERS, responses={200: ComparisonSerializer, 422: ProblemSerializer}
    )
    def get(self, request: Request) -> Response:
        pair = _pair(request, PairSerializer(data=request.query_params))
        return _answer(request, pair, request.query_params.getlist("device"))

    @extend_schema(
        request={"multipart/form-data": StreamSerializer},
        parameters=[_PARAMETERS[-1]],
        responses={200: ComparisonSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Compare the devices of an uploaded stream."""
        given = StreamSerializer(data=request.data)
        pair = _pair(request, given)
        stream = given.validated_data["stream"]
        if stream.size > MAX_STREAM_BYTES:
            raise Invalid(f"It is larger than {MAX_STREAM_BYTES // 2**20} MiB.", field="stream")
        return _answer(request, pair, devices_of(pair, stream.read()))


def _pair(request: Request, given: PairSerializer) -> Pair:
    given.is_valid(raise_exception=True)
    data = given.validated_data
    return pair_of(request.user, data["source"], data["destination"], data["machine_type"])


def _answer(request: Request, pair: Pair, devices: list[str]) -> Response:
    grade = request.query_params.get("grade", "")
    if grade not in ("", *GRADES):
        raise Invalid(f"Choose one of {', '.join(GRADES)}.", field="grade")
    found = compared(pair, devices)
    return Response(
        {
            "source": pair.source.value,
            "destination": pair.destination.value,
            "machine_type": found.machine_type,
            "devices": found.devices,
            "stateless": found.stateless,
            "counts": found.counts(),
            "findings": [item.to_json() for item in found.differences if grade in ("", item.grade)],
        }
    )
