"""The JSON shapes of streams: uploads, their parts, and what a release would make of one."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from frontend.api import documents
from machines.models import Stream, StreamPart
from policy.models import StreamVerdict


class KeptStreamSerializer(serializers.ModelSerializer[Stream]):
    """A stream. ``problem`` tells where reading stopped: ``offset`` is a byte's number from 0."""

    owner = serializers.CharField(source="owner.username", default=None)
    shared_with = serializers.CharField(source="tree.name", default=None)
    machine_type = serializers.CharField(allow_blank=True)
    memory = documents.MemoryField()
    problem = documents.ReadingStoppedField(allow_null=True)

    class Meta:
        model = Stream
        fields: ClassVar = [
            "id",
            "name",
            "owner",
            "shared_with",
            "state",
            "size",
            "digest",
            "length",
            "machine_type",
            "memory",
            "problem",
            "created_at",
            "expires_at",
        ]


class UploadedStreamSerializer(serializers.Serializer[Any]):
    """A file as QEMU's ``migrate`` wrote it, plain or .xz."""

    file = serializers.FileField()


class ShareSerializer(serializers.Serializer[Any]):
    """The tree whose people may look at it; null for nobody."""

    tree = serializers.CharField(max_length=40, allow_null=True)


class PartSerializer(serializers.ModelSerializer[StreamPart]):
    """A part of a stream. ``lost`` and ``refused`` tell of a trial what its destination did."""

    class Meta:
        model = StreamPart
        fields: ClassVar = [
            "number",
            "kind",
            "name",
            "description",
            "instance_id",
            "section_id",
            "version_id",
            "offset",
            "size",
            "driver",
            "refused",
            "lost",
        ]


class PieceSerializer(serializers.Serializer[Any]):
    """A run of bytes with a meaning. ``fate`` and ``found``: what a trial's destination has."""

    name = serializers.CharField()
    kind = serializers.CharField()
    offset = serializers.IntegerField()
    size = serializers.IntegerField()
    inside = serializers.ListField(child=serializers.CharField())
    value = serializers.CharField()
    fate = serializers.CharField(allow_null=True)
    found = serializers.CharField(allow_null=True)


class PartDetailSerializer(PartSerializer):
    """A part with its pieces and its bytes in hex, as far as they are kept."""

    pieces = PieceSerializer(many=True)
    content = serializers.CharField()

    class Meta(PartSerializer.Meta):
        fields: ClassVar = [*PartSerializer.Meta.fields, "pieces", "content"]


class QuestionSerializer(serializers.Serializer[Any]):
    """Would a release (``rhel 9.3``, or ``change-7`` for a draft) load the stream?

    ``properties`` are set on the destination: ``driver.property=value``. ``profile`` is a stream
    that the destination itself saved in the same configuration.
    """

    into = serializers.CharField(max_length=120)
    machine_type = serializers.CharField(
        max_length=255, required=False, allow_blank=True, default=""
    )
    started_on = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    profile = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)
    properties = serializers.ListField(
        child=serializers.CharField(max_length=1500), required=False, max_length=64, default=list
    )


class VerdictResultSerializer(serializers.Serializer[Any]):
    """The answer: where and why it is refused, in QEMU's words; what would let it in."""

    outcome = serializers.ChoiceField(choices=["accepted", "refused"])
    section = serializers.CharField(allow_null=True)
    field = serializers.CharField(allow_null=True)
    kind = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    suggestion = serializers.CharField(allow_null=True)
    assumptions = serializers.ListField(child=serializers.CharField())
    suggestions = serializers.ListField(
        child=serializers.ListField(
            child=serializers.ListField(child=serializers.CharField(), min_length=3, max_length=3)
        ),
        default=list,
    )


class StreamVerdictSerializer(serializers.ModelSerializer[StreamVerdict]):
    """A question about a stream; ``result`` is null until a worker has answered it."""

    into = serializers.CharField(source="release.label")
    change = serializers.IntegerField(source="change_request_id", allow_null=True)
    started_on = serializers.CharField(source="started_on.label", default=None)
    asked_by = serializers.CharField(source="asked_by.username")
    result = VerdictResultSerializer(allow_null=True)
    properties = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))

    class Meta:
        model = StreamVerdict
        fields: ClassVar = [
            "id",
            "into",
            "change",
            "machine_type",
            "started_on",
            "profile",
            "properties",
            "state",
            "result",
            "error",
            "asked_by",
            "created_at",
        ]


class VariantSerializer(serializers.Serializer[Any]):
    """Properties to set on top of a trial, on either side: ``driver.property=value``."""

    source = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(max_length=1500), required=False, max_length=64, default=list
    )
    destination = serializers.ListField(
        child=serializers.CharField(max_length=1500), required=False, max_length=64, default=list
    )
