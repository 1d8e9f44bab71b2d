"""A failed migration explained from the lines that QEMU printed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.api.base import Api, given
from frontend.api.comparing import PairSerializer
from frontend.api.serializers import ProblemSerializer
from frontend.questions.comparing import pair_of
from frontend.questions.explaining import explained
from policy.questions.qemu_log import MAX_BYTES


class LogSerializer(PairSerializer):
    """The two releases, and what QEMU printed on the destination."""

    log = serializers.CharField(max_length=MAX_BYTES, trim_whitespace=False)


class LineSerializer(serializers.Serializer[Any]):
    """A line of the log; ``number`` counts from 1."""

    number = serializers.IntegerField()
    text = serializers.CharField()


class CauseSerializer(serializers.Serializer[Any]):
    """A property that differs and decides what was refused."""

    property = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    text = serializers.CharField()
    proposals = serializers.ListField(child=serializers.CharField())


class FailureSerializer(serializers.Serializer[Any]):
    """One failure of the log, explained."""

    kind = serializers.CharField()
    section = serializers.CharField()
    field = serializers.CharField()
    lines = LineSerializer(many=True)
    text = serializers.CharField()
    devices = serializers.ListField(child=serializers.CharField())
    causes = CauseSerializer(many=True)
    differences = serializers.ListField(child=serializers.CharField())
    candidates = serializers.ListField(child=serializers.CharField())


class ExplainedSerializer(serializers.Serializer[Any]):
    """Every failure of a log, and the lines that say nothing known."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    machine_type = serializers.CharField()
    failures = FailureSerializer(many=True)
    unknown = LineSerializer(many=True)


class Explain(Api):
    """Which device failed, what differs there, and what would have prevented it."""

    @extend_schema(
        request=LogSerializer, responses={200: ExplainedSerializer, 422: ProblemSerializer}
    )
    def post(self, request: Request) -> Response:
        data = given(LogSerializer, request)
        pair = pair_of(request.user, data["source"], data["destination"], data["machine_type"])
        return Response(
            {
                "source": pair.source.value,
                "destination": pair.destination.value,
                "machine_type": pair.machine_type,
                **explained(pair, data["log"]).to_json(),
            }
        )
