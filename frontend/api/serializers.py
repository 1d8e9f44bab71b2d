"""The JSON shapes of the things themselves: releases, change requests, trials, bundles, jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from frontend.api import documents, shapes
from machines.models import Release, Snapshot, Tree
from policy.models import AuditEntry, Bundle, ChangeRequest, Review, Trial
from workers.models import Job


class TreeSerializer(serializers.ModelSerializer[Tree]):
    class Meta:
        model = Tree
        fields: ClassVar = ["name", "title"]


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields: ClassVar = ["number", "digest", "qemu_version", "package", "source", "imported_at"]


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    tree = serializers.CharField(source="tree.name")
    base = serializers.CharField(source="base.label", default=None)
    stand_in = serializers.CharField(source="stand_in.label", default=None)

    class Meta:
        model = Release
        fields: ClassVar = ["id", "tree", "version", "label", "base", "stand_in", "created_at"]


class ReleaseDetailSerializer(ReleaseSerializer):
    snapshot = SnapshotSerializer(source="current_snapshot", allow_null=True)
    revision = serializers.SerializerMethodField()

    class Meta(ReleaseSerializer.Meta):
        fields: ClassVar = [*ReleaseSerializer.Meta.fields, "snapshot", "revision"]

    def get_revision(self, release: Release) -> int | None:
        """The number of the newest published revision."""
        newest = release.revisions.order_by("-number").values_list("number", flat=True)
        return newest.first()


class NewReleaseSerializer(serializers.Serializer[Any]):
    """``base`` and ``stand_in`` are labels (``upstream 8.0``); an upstream release has neither."""

    tree = serializers.CharField(max_length=40)
    version = serializers.CharField(max_length=40)
    base = serializers.CharField(max_length=100, allow_null=True, default=None)
    stand_in = serializers.CharField(max_length=100, allow_null=True, default=None)


class ReviewSerializer(serializers.ModelSerializer[Review]):
    reviewer = serializers.CharField(source="reviewer.username")

    class Meta:
        model = Review
        fields: ClassVar = ["reviewer", "verdict", "digest", "text", "created_at"]


class ChangeSerializer(serializers.ModelSerializer[ChangeRequest]):
    release = serializers.CharField(source="release.label")
    author = serializers.CharField(source="author.username")
    base_revision = serializers.IntegerField(source="base_revision.number", default=None)
    revision = serializers.IntegerField(source="revision.number", default=None)
    reverts_to = serializers.IntegerField(source="reverts_to.number", default=None)

    class Meta:
        model = ChangeRequest
        fields: ClassVar = [
            "id",
            "release",
            "title",
            "description",
            "author",
            "status",
            "digest",
            "lock_version",
            "base_revision",
            "revision",
            "reverts_to",
            "status_since",
            "created_at",
            "updated_at",
            "submitted_at",
        ]


class BlockerSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    text = serializers.CharField()


class DifferenceSerializer(serializers.Serializer[Any]):
    group = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    note = serializers.CharField()


class ChangeDetailSerializer(ChangeSerializer):
    policy = documents.PolicyField(source="content")
    reviews = ReviewSerializer(many=True)
    blockers = BlockerSerializer(many=True)
    differences = DifferenceSerializer(many=True)
    available = serializers.ListField(child=serializers.CharField())
    approvals_needed = serializers.IntegerField()
    requested = shapes.RequestSerializer(many=True)
    turns = shapes.WhoseSerializer(many=True)
    overlaps = shapes.OverlapSerializer(many=True)
    trials = shapes.RequiredTrialSerializer(many=True)

    class Meta(ChangeSerializer.Meta):
        fields: ClassVar = [
            *ChangeSerializer.Meta.fields,
            "approvals_needed",
            "turns",
            "requested",
            "overlaps",
            "trials",
            "reviews",
            "blockers",
            "differences",
            "available",
            "policy",
        ]


class TransitionSerializer(serializers.Serializer[Any]):
    """``digest`` names the content that a vote is about; ``text`` is its comment; ``reviewer`` is
    the login name of whom to ask.
    """

    digest = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    text = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")
    reviewer = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")


class TrialSerializer(serializers.ModelSerializer[Trial]):
    source = serializers.CharField(source="source.label")  # type: ignore[assignment]
    destination = serializers.CharField(source="destination.label")

    class Meta:
        model = Trial
        fields: ClassVar = [
            "id",
            "key",
            "source",
            "destination",
            "machine_type",
            "state",
            "outcome",
            "created_at",
            "finished_at",
        ]


class TrialDetailSerializer(TrialSerializer):
    inputs = documents.TrialInputsField()
    result = documents.TrialResultField(allow_null=True)

    class Meta(TrialSerializer.Meta):
        fields: ClassVar = [*TrialSerializer.Meta.fields, "error", "inputs", "result"]


class BundleSerializer(serializers.ModelSerializer[Bundle]):
    tree = serializers.CharField(source="revision.release.tree.name")
    version = serializers.CharField(source="revision.release.version")
    revision = serializers.IntegerField(source="revision.number")
    revision_digest = serializers.CharField(source="revision.digest")

    class Meta:
        model = Bundle
        fields: ClassVar = [
            "tree",
            "version",
            "revision",
            "revision_digest",
            "filename",
            "size",
            "sha256",
            "created_at",
        ]


class RemediesSerializer(serializers.Serializer[Any]):
    """A search for mitigations, with the draft of a change request (null: as published)."""

    change = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)


class JobSerializer(serializers.ModelSerializer[Job]):
    """``result`` depends on the kind; null until it is done."""

    result = documents.ObjectField(allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None)

    class Meta:
        model = Job
        fields: ClassVar = [
            "id",
            "kind",
            "title",
            "status",
            "attempts",
            "progress_done",
            "progress_total",
            "progress_text",
            "error",
            "result",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        ]


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    before = documents.ObjectField(allow_null=True)
    after = documents.ObjectField(allow_null=True)

    class Meta:
        model = AuditEntry
        fields: ClassVar = [
            "id",
            "at",
            "actor",
            "action",
            "object_type",
            "object_id",
            "object_label",
            "before",
            "after",
            "previous_hash",
            "hash",
        ]


# --- Of catalogues and rules, which are no rows ---------------------------------------------------


class PropertySetSerializer(serializers.Serializer[Any]):
    driver = serializers.CharField()
    property = serializers.CharField()
    value = serializers.CharField()


class MachineTypeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    parent = serializers.CharField(allow_blank=True)  # type: ignore[assignment]


class MachineTypeDetailSerializer(MachineTypeSerializer):
    """``properties``: all that it sets, in order of application, the later wins; bitmaps last."""

    properties = PropertySetSerializer(many=True)


class DeviceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    parent = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    has_state = serializers.BooleanField()


class CellSerializer(serializers.Serializer[Any]):
    """A version of a section, or a run of them up to ``last``; true means blacklisted."""

    version = serializers.IntegerField()
    last = serializers.IntegerField()
    default = serializers.BooleanField()
    effective = serializers.BooleanField()
    layer = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField())
    justification = serializers.CharField(allow_blank=True)


class SectionSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    name = serializers.CharField()
    minimum = serializers.IntegerField()
    current = serializers.IntegerField()
    optional = serializers.BooleanField()
    property = serializers.CharField()
    default_value = serializers.CharField()
    effective_value = serializers.CharField()
    cells = CellSerializer(many=True)


class ResolvedSerializer(serializers.Serializer[Any]):
    """A property with its value, and what set it: ``origin`` names it, by its ``layer``.

    ``type`` is empty, and a text null, where the release does not tell it.
    """

    name = serializers.CharField()
    type = serializers.CharField(allow_blank=True)
    default = serializers.CharField(allow_null=True, allow_blank=True)
    value = serializers.CharField(allow_null=True, allow_blank=True)
    layer = serializers.CharField()
    origin = serializers.CharField(allow_blank=True)


class DeviceDetailSerializer(DeviceSerializer):
    machine_type = serializers.CharField(allow_blank=True)
    sections = SectionSerializer(many=True)
    properties = ResolvedSerializer(many=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong (RFC 9457). ``field`` names the input at fault, where one is."""

    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    field = serializers.CharField(required=False)
    current_version = serializers.IntegerField(required=False)
    meanwhile = DifferenceSerializer(many=True, required=False)
    conflicts = serializers.ListField(child=serializers.DictField(), required=False)
    operations = serializers.ListField(child=serializers.DictField(), required=False)
    errors = serializers.DictField(required=False)  # type: ignore[assignment]
