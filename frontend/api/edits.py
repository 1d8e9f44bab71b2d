"""Single edits of a draft: named operations, tried or made all or none.

A script that edits a policy has a list of things to do, of which none makes sense without the
others. So it sends the list to one address instead of one call for each to many: either all of it
is in the draft, as one state with one audit entry, or nothing is, and every operation at fault is
named by its place in the list.
"""

from __future__ import annotations

import inspect
from datetime import date
from typing import Any, get_args, get_origin

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers as rest
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import person_of, visible_change
from frontend.api import serializers, shapes
from frontend.api.base import Api, given
from frontend.api.changes import PROBLEMS
from machines.emulator.catalogue import CompatProperty
from policy import drafts, history, inputs
from policy.document import Policy
from policy.document.differences import compare
from policy.document.merging import merge
from policy.edits import operations
from policy.edits.operation import Operation
from policy.edits.operations import MAX_OPERATIONS, OPERATIONS, Run
from policy.findings import Finding
from policy.findings.finding import SEVERITIES
from policy.models import ChangeRequest
from policy.questions.previewing import only_in
from policy.review import examining

_TEXT: dict[str, Any] = {"type": "string", "maxLength": inputs.MAX_WORDS}


# --- What operations look like, from their classes ------------------------------------------------


def _schema_of(name: str, kind: type[Operation]) -> dict[str, Any]:
    """The description of one operation."""
    known = operations.fields(kind)
    properties = {key: _schema_of_field(field.kind) for key, field in known.items()}
    return {
        "type": "object",
        "title": name,
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": {"op": {"type": "string", "enum": [name]}, **properties},
        "required": ["op", *(key for key, field in known.items() if field.is_needed)],
        "additionalProperties": False,
    }


def _schema_of_field(kind: Any) -> dict[str, Any]:
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        return {
            "type": "array",
            "items": _schema_of_field(parts[0]),
            "maxItems": MAX_OPERATIONS,
        }
    if type(None) in parts:
        return {**_schema_of_field(parts[0]), "nullable": True}
    if kind is CompatProperty:
        names = ("driver", "property", "value")
        return {
            "type": "object",
            "properties": dict.fromkeys(names, _TEXT),
            "required": list(names),
            "additionalProperties": False,
        }
    if kind is date:
        return {"type": "string", "format": "date"}
    return {"type": "integer"} if kind is int else _TEXT


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_OPERATIONS,
        "items": {"oneOf": [_schema_of(name, kind) for name, kind in OPERATIONS.items()]},
    }
)
class OperationsField(rest.Field[Any, Any, Any, Any]):
    """A list of operations, as :func:`policy.edits.operations.read` takes it."""

    def to_internal_value(self, data: Any) -> tuple[Operation, ...]:
        # Its refusal names every operation at fault, which no sentence at one field could.
        return operations.read(data)

    def to_representation(self, value: Any) -> Any:
        return value


class EditsSerializer(shapes.MergeSerializer):
    operations = OperationsField()


class PreviewSerializer(shapes.EditSerializer):
    operations = OperationsField()


# --- What is answered -----------------------------------------------------------------------------


class MeanwhileSerializer(rest.Serializer[Any]):
    """What others edited between the version that was named and this edit."""

    people = rest.ListField(child=rest.CharField())
    differences = serializers.DifferenceSerializer(many=True)


class EditedSerializer(rest.Serializer[Any]):
    """The draft after the edit. ``differences``: what the edit made of it."""

    change = rest.IntegerField()
    lock_version = rest.IntegerField()
    digest = rest.CharField()
    status = rest.CharField()
    differences = serializers.DifferenceSerializer(many=True)
    meanwhile = MeanwhileSerializer(allow_null=True)


class RowSerializer(rest.Serializer[Any]):
    """What would become of one operation; ``problem`` is empty where it can be made."""

    op = rest.CharField()
    changes = rest.BooleanField()
    field = rest.CharField()
    problem = rest.CharField()


class ConflictSerializer(rest.Serializer[Any]):
    """What others have changed as well; ``takes`` is not empty where another value may be sent."""

    path = rest.CharField()
    label = rest.CharField()  # type: ignore[assignment]
    base = rest.CharField()
    mine = rest.CharField()
    theirs = rest.CharField()
    takes = rest.CharField()


class FindingChangeSerializer(rest.Serializer[Any]):
    identity = rest.CharField()
    severity = rest.ChoiceField(SEVERITIES)
    text = rest.CharField()


class PreviewedSerializer(rest.Serializer[Any]):
    """What the operations would do: each by itself, and what would differ then."""

    rows = RowSerializer(many=True)
    differences = serializers.DifferenceSerializer(many=True)
    conflicts = ConflictSerializer(many=True)
    appearing = FindingChangeSerializer(many=True)
    going = FindingChangeSerializer(many=True)


# --- Addresses ------------------------------------------------------------------------------------


class ChangeEdits(Api):
    """Edits of a draft by name, all or none."""

    @extend_schema(
        request=EditsSerializer,
        responses={200: EditedSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Make operations one after the other, as one edit.

        Where others have edited since ``lock_version``, the edit is merged with theirs; what both
        changed is answered as 409 with ``conflicts``, to be settled by ``choices`` with that
        answer's ``current_version``. Operations at fault are answered as 422 with ``operations``.
        """
        change = visible_change(request.user, pk)
        data = given(EditsSerializer, request)
        seen = data["lock_version"]
        edited = operations.apply(
            change, person_of(request), seen, data["operations"], shapes.settled(data)
        )
        was_written = edited.lock_version > change.lock_version
        before = history.at(edited, edited.lock_version - 1) if was_written else None
        answer = {
            "change": edited.pk,
            "lock_version": edited.lock_version,
            "digest": edited.digest,
            "status": edited.status,
            "differences": compare(before, edited.policy) if before is not None else (),
            "meanwhile": history.meanwhile(edited, seen),
        }
        return Response(EditedSerializer(answer).data)


class ChangeEditsPreview(Api):
    """Edits of a draft by name, tried."""

    remembers_answers = False

    @extend_schema(
        request=PreviewSerializer,
        responses={200: PreviewedSerializer, **PROBLEMS},
    )
    def post(self, request: Request, pk: int) -> Response:
        """What operations would do to the draft. Nothing is written.

        Every operation is tried, those after one at fault as well. The rest of the answer is as if
        those that can be made had been: what would differ, what others have changed as well since
        ``lock_version``, and the findings that would appear or go.
        """
        change = visible_change(request.user, pk)
        data = given(PreviewSerializer, request)
        seen = drafts.seen_at(change, data["lock_version"])
        found = operations.run(seen, data["operations"])
        return Response(PreviewedSerializer(_previewed(change, seen, found)).data)


def _previewed(change: ChangeRequest, seen: Policy, found: Run) -> dict[str, Any]:
    names = {kind: name for name, kind in OPERATIONS.items()}
    merged = merge(seen, found.policy, change.policy)
    old, new = (_findings(policy, change) for policy in (change.policy, merged.policy))
    return {
        "rows": [
            {
                "op": names[type(row.operation)],
                "changes": row.changes,
                "field": row.problem.field if row.problem else "",
                "problem": row.problem.message if row.problem else "",
            }
            for row in found.rows
        ],
        "differences": compare(change.policy, merged.policy),
        "conflicts": merged.conflicts,
        "appearing": only_in(new, old),
        "going": only_in(old, new),
    }


def _findings(policy: Policy, change: ChangeRequest) -> tuple[Finding, ...]:
    return examining.examined(policy, change.release)
