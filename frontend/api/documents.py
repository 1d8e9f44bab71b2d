"""JSON that is kept as it was made, and told as it is kept: its shapes, for the description.

A trial's inputs and verdict, a policy, a line that was discussed: a digest may stand for each, so
nothing is left out or added on its way to a program.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from machines.emulator.migration import Outcome
from policy.document.differences import Kind
from policy.exporters import schema

OUTCOMES = get_args(Outcome)

# --- Policies -------------------------------------------------------------------------------------


def described_policy() -> dict[str, Any]:
    """``policy.schema.json`` in the words of OpenAPI 3.0, which has no definitions of a schema's
    own, no constants and no type for null.
    """
    told = json.loads(schema.text())
    definitions = told.pop("$defs")
    found: dict[str, Any] = _described(
        {key: told[key] for key in told if not key.startswith("$")}, definitions
    )
    return found


_NULL = {"type": "null"}


def _described(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_described(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    told = {key: _described(value, definitions) for key, value in part.items()}
    if isinstance(named := told.pop("$ref", None), str):
        told = _described(definitions[named.rpartition("/")[2]], definitions) | told
    if "const" in told:
        told["enum"] = [told.pop("const")]
    if _NULL in told.get("anyOf", ()):
        # As everywhere in a policy: null, or one thing else.
        [other] = [item for item in told.pop("anyOf") if item != _NULL]
        return other | told | {"nullable": True}
    return told


@extend_schema_field(described_policy(), component_name="PolicyDocument")
class PolicyField(serializers.JSONField):
    """A policy document, as ``policy.json`` of a bundle holds it."""


# --- Trials ---------------------------------------------------------------------------------------


class CarrierSerializer(serializers.Serializer[Any]):
    """What carries a feature's state: ``version`` of a section and the ``fields`` that came with
    it, or a ``subsection`` of its own."""

    section = serializers.CharField()
    version = serializers.IntegerField(allow_null=True, default=None)
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(), default=list
    )
    subsection = serializers.BooleanField(default=False)


class GateSerializer(serializers.Serializer[Any]):
    """The property that switches a feature, and the value that switches it on."""

    driver = serializers.CharField()
    property = serializers.CharField()
    on = serializers.CharField()


class SpecSerializer(serializers.Serializer[Any]):
    """A feature as a policy holds it."""

    slug = serializers.CharField()
    title = serializers.CharField()
    device = serializers.CharField()
    carriers = CarrierSerializer(many=True)
    gate = GateSerializer(allow_null=True)


class GraftSerializer(serializers.Serializer[Any]):
    """A section's description in the form of ``-dump-vmstate``."""

    section = serializers.CharField()
    description = serializers.DictField()


class TriedBackportSerializer(serializers.Serializer[Any]):
    """A feature that a side has, and the layouts that came along."""

    feature = SpecSerializer()
    grafts = GraftSerializer(many=True)


class TrialSideSerializer(serializers.Serializer[Any]):
    """One end. A global is ``[driver, property, value, layer]``, in order of application."""

    label = serializers.CharField()  # type: ignore[assignment]
    snapshot = serializers.CharField()
    release = serializers.CharField()
    stand_in_for = serializers.CharField(allow_blank=True)
    machine_type = serializers.CharField()
    globals = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(), min_length=4, max_length=4)
    )
    backports = TriedBackportSerializer(many=True)


class TrialInputsSerializer(serializers.Serializer[Any]):
    """Everything that a trial's outcome depends on; ``key`` is its digest.

    ``relaxed`` are ``[device, section, version]``: what a policy allows to be lost.
    """

    source = TrialSideSerializer()  # type: ignore[assignment]
    destination = TrialSideSerializer()
    devices = serializers.ListField(child=serializers.CharField())
    relaxed = serializers.ListField(
        child=serializers.ListField(child=serializers.JSONField(), min_length=3, max_length=3)
    )
    seed = serializers.IntegerField()
    model = serializers.IntegerField()


class RefusalSerializer(serializers.Serializer[Any]):
    """One section's refusal; ``side`` is the label of the side that refuses."""

    kind = serializers.CharField()
    reason = serializers.CharField()
    section = serializers.CharField(allow_blank=True)
    field = serializers.CharField(allow_blank=True)
    device = serializers.CharField(allow_blank=True)
    side = serializers.CharField(allow_blank=True)


class HopSerializer(serializers.Serializer[Any]):
    """One migration; ``problems`` are all refusals, of which the first decided."""

    source = serializers.CharField()  # type: ignore[assignment]
    destination = serializers.CharField()
    outcome = serializers.ChoiceField(OUTCOMES)
    reason = serializers.CharField(allow_blank=True)
    section = serializers.CharField(allow_blank=True)
    field = serializers.CharField(allow_blank=True)
    kind = serializers.CharField(allow_blank=True)
    sections = serializers.IntegerField()
    stream_bytes = serializers.IntegerField()
    problems = RefusalSerializer(many=True)


class LossSerializer(serializers.Serializer[Any]):
    """State that did not arrive as it was; ``hop`` counts the migrations from 0.

    ``expected`` and ``found`` are its first bytes in hex; ``allowed_by`` is empty where nothing
    allows the loss.
    """

    device = serializers.CharField()
    section = serializers.CharField()
    field = serializers.CharField()
    kind = serializers.ChoiceField(("lost", "altered"))
    feature = serializers.CharField(allow_blank=True)
    expected = serializers.CharField(allow_blank=True)
    found = serializers.CharField(allow_blank=True)
    allowed_by = serializers.CharField(allow_blank=True)
    hop = serializers.IntegerField()


class TrialResultSerializer(serializers.Serializer[Any]):
    """The verdict. ``section``, ``field`` and ``kind`` place it, empty where it is correct.

    ``trace`` is the digest of what the guest program saw, ``reference`` that of the run without
    migration; ``sections`` and ``stream_bytes`` are sums over the hops.
    """

    outcome = serializers.ChoiceField(OUTCOMES)
    reason = serializers.CharField(allow_blank=True)
    section = serializers.CharField(allow_blank=True)
    field = serializers.CharField(allow_blank=True)
    kind = serializers.CharField(allow_blank=True)
    hops = HopSerializer(many=True)
    lost = LossSerializer(many=True)
    forced = serializers.ListField(child=serializers.CharField())
    assumptions = serializers.ListField(child=serializers.CharField())
    sections = serializers.IntegerField()
    stream_bytes = serializers.IntegerField()
    seed = serializers.IntegerField()
    trace = serializers.CharField(allow_blank=True)
    reference = serializers.CharField(allow_blank=True)


@extend_schema_field(TrialInputsSerializer)
class TrialInputsField(serializers.JSONField):
    """A trial's inputs."""


@extend_schema_field(TrialResultSerializer)
class TrialResultField(serializers.JSONField):
    """A trial's verdict."""


# --- Streams --------------------------------------------------------------------------------------


class MemoryBlockSerializer(serializers.Serializer[Any]):
    """A block of guest memory: its bytes, and how many pages of each kind were sent."""

    name = serializers.CharField()
    length = serializers.IntegerField()
    pages = serializers.DictField(child=serializers.IntegerField())


class ReadingStoppedSerializer(serializers.Serializer[Any]):
    """Where reading a stream stopped, and why; ``offset`` is a byte's number from 0."""

    offset = serializers.IntegerField()
    section = serializers.CharField(allow_blank=True)
    problem = serializers.CharField()


@extend_schema_field(MemoryBlockSerializer(many=True))
class MemoryField(serializers.JSONField):
    """A stream's guest memory, of which nothing else is kept."""


@extend_schema_field(ReadingStoppedSerializer)
class ReadingStoppedField(serializers.JSONField):
    """Why a stream was not read to its end."""


# --- Whatever -------------------------------------------------------------------------------------


class DiscussedLineSerializer(serializers.Serializer[Any]):
    """What a line of a difference said."""

    group = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(get_args(Kind))
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)


@extend_schema_field(DiscussedLineSerializer)
class DiscussedLineField(serializers.JSONField):
    """The line that a thread was opened on, as it was then."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.JSONField):
    """An object whose members depend on what it is about."""
