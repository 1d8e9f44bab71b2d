"""The JSON shapes of what surrounds a change request: turns, threads, states, waivers, settings.

What is sent names its faults field by field; the sentences of a fault are those of the pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from frontend.api import documents
from policy.document import MAX_TEXT
from policy.document.files import MAX_CHARACTERS
from policy.document.merging import Choice, Typed
from policy.drafts import Settled
from policy.models import Comment, DraftState, ReviewRequest, ReviewRules, Revision, Thread
from policy.packing.signatures import MAX_SIGNATURE

SIDES = ("mine", "theirs")


# --- Sent -----------------------------------------------------------------------------------------


class OpenSerializer(serializers.Serializer[Any]):
    """``release`` is a label (``rhel 9.3``); ``reverts_to`` the number of an older revision."""

    release = serializers.CharField(max_length=100)
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=MAX_TEXT, default="", allow_blank=True)
    reverts_to = serializers.IntegerField(min_value=1, required=False)


class EditSerializer(serializers.Serializer[Any]):
    """``lock_version``: the version of the draft that the edit was made from; it may be left out
    where ``If-Match`` names it (:func:`frontend.api.base.given`).
    """

    lock_version = serializers.IntegerField(min_value=1, required=False)


class DescriptionSerializer(EditSerializer):
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=MAX_TEXT, default="", allow_blank=True)


class ArmoredSerializer(serializers.Serializer[Any]):
    """A detached OpenPGP signature as ``gpg --armor --detach-sign`` writes it."""

    signature = serializers.CharField(max_length=MAX_SIGNATURE, trim_whitespace=False)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": list(SIDES)},
            {
                "type": "object",
                "properties": {"value": {"type": "string", "maxLength": MAX_TEXT}},
                "required": ["value"],
                "additionalProperties": False,
            },
        ]
    }
)
class ChoiceField(serializers.Field[Any, Any, Any, Any]):
    """What stays of a conflict: a side, or ``{"value": …}``, a value that neither has."""

    def to_internal_value(self, data: Any) -> Choice:
        if data == "mine" or data == "theirs":
            side: Choice = data
            return side
        if isinstance(data, dict) and [*data] == ["value"] and isinstance(data["value"], str):
            return Typed(data["value"])
        raise serializers.ValidationError('Send "mine", "theirs" or {"value": "…"}.')

    def to_representation(self, value: Choice) -> Any:
        return {"value": value.text} if isinstance(value, Typed) else value


class ChoicesSerializer(EditSerializer):
    """``choices``: the path of each conflict, and what stays of it."""

    choices = serializers.DictField(child=ChoiceField(), default=dict, allow_empty=True)


class MergeSerializer(ChoicesSerializer):
    """``current_version``: the version of the draft that the choices were made against, as the
    answer that asked for them names it."""

    current_version = serializers.IntegerField(min_value=1, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["choices"] and "current_version" not in attrs:
            raise serializers.ValidationError(
                {"current_version": ["Say which version the choices were made against."]}
            )
        return attrs


def settled(data: Mapping[str, Any]) -> Settled | None:
    """What was sent of choices; None without any."""
    if "current_version" not in data:
        return None
    return Settled(data["current_version"], data["choices"])


class PolicySerializer(MergeSerializer):
    """Either the document itself, or ``file``: the text of a file, YAML or JSON."""

    policy = serializers.JSONField(required=False)
    file = serializers.CharField(required=False, max_length=MAX_CHARACTERS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("policy" in attrs) == ("file" in attrs):
            raise serializers.ValidationError({"policy": ["Send either policy or file."]})
        return super().validate(attrs)


class RebaseSerializer(ChoicesSerializer):
    """``onto``: the number of the revision that the choices were made against."""

    onto = serializers.IntegerField(min_value=1, required=False)


class TrialWaiverSerializer(EditSerializer):
    source = serializers.CharField(max_length=100)  # type: ignore[assignment]
    destination = serializers.CharField(max_length=100)
    machine_type = serializers.CharField(max_length=255)
    reason = serializers.CharField(max_length=MAX_TEXT)
    expires = serializers.DateField()


class FindingWaiverSerializer(EditSerializer):
    """``source`` and ``destination`` name one direction; without them, each that it concerns."""

    source = serializers.CharField(max_length=100, default="", allow_blank=True)  # type: ignore[assignment]
    destination = serializers.CharField(max_length=100, default="", allow_blank=True)
    reason = serializers.CharField(max_length=MAX_TEXT)
    expires = serializers.DateField()


class ProposalSerializer(EditSerializer):
    """``number`` counts the finding's proposals from 0."""

    number = serializers.IntegerField(min_value=0)


class SaidSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_TEXT)


class AskSerializer(SaidSerializer):
    """``group`` and ``label`` name a line of the present difference; without them, the whole."""

    group = serializers.CharField(max_length=100, default="", allow_blank=True)
    label = serializers.CharField(max_length=MAX_TEXT, default="", allow_blank=True)  # type: ignore[assignment]


class ReviewRulesSerializer(serializers.Serializer[Any]):
    approvals = serializers.IntegerField(min_value=1, max_value=ReviewRules.MOST_APPROVALS)


class MailSettingsSerializer(serializers.Serializer[Any]):
    """Which kinds of mail a person wants; one that is not named stays as it is."""

    turns = serializers.BooleanField(required=False)
    discussion = serializers.BooleanField(required=False)
    outcomes = serializers.BooleanField(required=False)
    reminders = serializers.BooleanField(required=False)


# --- Answered -------------------------------------------------------------------------------------


class RequestSerializer(serializers.ModelSerializer[ReviewRequest]):
    reviewer = serializers.CharField(source="reviewer.username")
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = ReviewRequest
        fields: ClassVar = ["reviewer", "requested_by", "requested_at"]


class TurnSerializer(serializers.Serializer[Any]):
    """Whose turn: of ``people`` (login names); where there are none, the service's."""

    change = serializers.IntegerField(source="change.pk")
    title = serializers.CharField(source="change.title")
    release = serializers.CharField(source="change.release.label")
    code = serializers.CharField()
    why = serializers.CharField()
    since = serializers.DateTimeField()


class WhoseSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    why = serializers.CharField()
    since = serializers.DateTimeField()
    people = serializers.ListField(child=serializers.CharField())


class OverlapSerializer(serializers.Serializer[Any]):
    """Another open change request, and the things that both touch."""

    change = serializers.IntegerField(source="change.pk")
    title = serializers.CharField(source="change.title")
    labels = serializers.ListField(child=serializers.CharField())


class RequiredTrialSerializer(serializers.Serializer[Any]):
    """``standing``: not-run, running, passed, differs, waived or could-not-run."""

    source = serializers.CharField(source="requirement.required.source")  # type: ignore[assignment]
    destination = serializers.CharField(source="requirement.required.destination")
    machine_type = serializers.CharField(source="requirement.required.machine_type")
    expected = serializers.CharField(source="requirement.required.expected")
    standing = serializers.CharField(source="outcome")
    trial = serializers.IntegerField(source="requirement.trial.pk", default=None)
    problem = serializers.CharField(source="requirement.problem")
    waiver = serializers.CharField(source="waived.word")


class RequiredEntrySerializer(serializers.Serializer[Any]):
    """An entry that keeps the feature off; older machine types inherit it from this one."""

    machine_type = serializers.CharField()
    driver = serializers.CharField(source="entry.driver")
    property = serializers.CharField(source="entry.property")
    value = serializers.CharField(source="entry.value")


class BitmapChangeSerializer(serializers.Serializer[Any]):
    """A section's effective bitmap without and with the backport; empty where it is not there."""

    device = serializers.CharField()
    section = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    machine_types = serializers.ListField(child=serializers.CharField())


class OtherLayoutSerializer(serializers.Serializer[Any]):
    """A section that ``release`` has at the same version with other fields, in their order."""

    release = serializers.CharField()
    section = serializers.CharField()
    version = serializers.IntegerField()
    ours = serializers.ListField(child=serializers.CharField())
    theirs = serializers.ListField(child=serializers.CharField())


class EffectsSerializer(serializers.Serializer[Any]):
    entries = RequiredEntrySerializer(many=True)
    bitmaps = BitmapChangeSerializer(many=True)
    layouts = OtherLayoutSerializer(many=True)


class BackportSerializer(serializers.Serializer[Any]):
    """A backport of a draft. ``effects``: what follows from it, as the rest of the draft is."""

    slug = serializers.CharField(source="backport.feature.slug")
    title = serializers.CharField(source="backport.feature.title")
    device = serializers.CharField(source="backport.feature.device")
    introduced = serializers.CharField(source="backport.introduced")
    commit = serializers.CharField(source="backport.commit")
    tracker = serializers.CharField(source="backport.tracker")
    justification = serializers.CharField(source="backport.justification")
    effects = EffectsSerializer()


class StateSerializer(serializers.ModelSerializer[DraftState]):
    actor = serializers.CharField(source="actor.username")
    digest = serializers.CharField(source="document_id")

    class Meta:
        model = DraftState
        fields: ClassVar = ["version", "digest", "action", "actor", "at"]


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    published_by = serializers.CharField(source="published_by.username")

    class Meta:
        model = Revision
        fields: ClassVar = ["number", "digest", "published_by", "published_at"]


class CommentSerializer(serializers.ModelSerializer[Comment]):
    author = serializers.CharField(source="author.username")

    class Meta:
        model = Comment
        fields: ClassVar = ["id", "author", "text", "written_at", "published_at"]


class ThreadSerializer(serializers.ModelSerializer[Thread]):
    """``line`` is what the line said when the thread was opened on the content ``digest``."""

    opened_by = serializers.CharField(source="opened_by.username")
    resolved_by = serializers.CharField(source="resolved_by.username", default=None)
    line = documents.DiscussedLineField(allow_null=True)
    comments = CommentSerializer(many=True, source="shown")

    class Meta:
        model = Thread
        fields: ClassVar = [
            "id",
            "group",
            "label",
            "digest",
            "line",
            "opened_by",
            "opened_at",
            "resolved_by",
            "resolved_at",
            "comments",
        ]
