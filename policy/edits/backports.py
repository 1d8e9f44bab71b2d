"""Features for the library, and backports of them into a release."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator.features import FeatureSpec
from machines.models import Release
from policy import audit, rules
from policy.document import (
    Backport,
    DocumentError,
    Policy,
    canonical,
    feature_from_json,
)
from policy.edits.operation import make
from policy.errors import Invalid
from policy.inputs import (
    base_of,
    check_values,
    line,
    machine_type_of,
    release_of,
    title_of,
    words,
)
from policy.models import ChangeRequest, Feature
from policy.permissions import require
from policy.review import examining
from policy.rules import proposals

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def record_feature(
    actor: User,
    release: Release,
    slug: str,
    title: str,
    description: str,
    device: str,
    carriers: list[dict[str, Any]],
    gate: dict[str, str] | None,
) -> Feature:
    """Record a feature in the library. ``release`` introduced it; ``carriers`` and ``gate`` are
    JSON forms of those of :mod:`machines.emulator.features`. Any maintainer may."""
    require(actor, "edit", None)
    spec = {
        "slug": slug.strip(),
        "title": title_of(title),
        "device": device.strip(),
        "carriers": carriers,
        "gate": gate,
    }
    read = _read_feature(spec)
    try:
        catalogue, _ = effective_catalogue(release)
        proposals.check_feature(read, catalogue, release.label)
    except NoCatalogue as error:
        raise Invalid(str(error), field="release") from error
    except proposals.FeatureError as error:
        raise Invalid(str(error), field=error.field) from error
    feature = Feature(
        slug=read.slug,
        title=read.title,
        description=words(description, "description"),
        device=read.device,
        # What was understood, not what was sent: nothing else may slip into the library.
        carriers=json.loads(canonical([asdict(carrier) for carrier in read.carriers])),
        gate=asdict(read.gate) if read.gate is not None else None,
        introduced=release,
        created_by=actor,
    )
    return _save_feature(actor, feature)


def _read_feature(spec: dict[str, Any]) -> FeatureSpec:
    try:
        check_values(spec, "feature")
        read = feature_from_json(spec)
    except DocumentError as error:
        raise Invalid(str(error), field=_field(error.path)) from error
    except Invalid as error:
        raise Invalid(str(error), field=_field(error.field)) from error
    if read.gate is not None:
        line(read.gate.on, "gate")
    return read


def _field(path: str) -> str:
    """The field of a feature that a path leads into: ``carriers`` of ``feature.carriers[0].x``."""
    return path.removeprefix("feature.").partition("[")[0].partition(".")[0]


def _save_feature(actor: User, feature: Feature) -> Feature:
    try:
        feature.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(messages), field=field) from error
    try:
        with transaction.atomic():
            feature.save(force_insert=True)
            audit.record(
                actor,
                "record feature",
                feature,
                after={
                    "device": feature.device,
                    "carriers": feature.carriers,
                    "gate": feature.gate,
                },
            )
    except IntegrityError as error:
        raise Invalid(f"There is a feature '{feature.slug}' already.", field="slug") from error
    return feature


@dataclass(frozen=True, slots=True)
class AddBackport:
    """Take a feature of the library (its slug) into the release, with the layouts that its
    introducing release has."""

    recorded_as: ClassVar[str] = "add backport"
    feature: str
    commit: str = ""
    tracker: str = ""
    justification: str = ""

    def alter(self, policy: Policy) -> Policy:
        justification = words(self.justification, "justification")
        if not justification:
            raise Invalid("Say why: a reviewer has to judge it.", field="justification")
        recorded = _recorded(self.feature)
        spec = _spec(recorded)
        if any(item.feature.slug == spec.slug for item in policy.backports):
            raise Invalid(f"'{spec.title}' is backported already.", field="feature")
        own = rules.policy_catalogue(base_of(policy), policy)
        try:
            catalogue, _ = effective_catalogue(recorded.introduced)
            grafts = proposals.grafts_for(spec, catalogue, own)
        except (NoCatalogue, proposals.FeatureError) as error:
            raise Invalid(str(error), field="feature") from error
        backport = Backport(
            feature=spec,
            introduced=recorded.introduced.label,
            commit=line(self.commit, "commit"),
            tracker=line(self.tracker, "tracker"),
            justification=justification,
            grafts=grafts,
        )
        return replace(policy, backports=(*policy.backports, backport))


@dataclass(frozen=True, slots=True)
class AddRequiredEntries:
    """Add every entry that a backport (its feature's slug) calls for and that is not there: each
    at the end of its machine type's own ones."""

    recorded_as: ClassVar[str] = "add entry"
    feature: str

    def alter(self, policy: Policy) -> Policy:
        _taken(policy, self.feature)
        try:
            found = examining.effects_of(policy, release_of(policy), self.feature)
        except NoCatalogue as error:
            raise Invalid(str(error), field="feature") from error
        for item in found.entries:
            own = machine_type_of(policy, item.machine_type)
            changed = replace(own, entries=(*own.entries, item.entry))
            policy = policy.with_machine_type(changed)
        return policy


@dataclass(frozen=True, slots=True)
class RemoveBackport:
    """Take a backport (its feature's slug) out again."""

    recorded_as: ClassVar[str] = "remove backport"
    feature: str

    def alter(self, policy: Policy) -> Policy:
        _taken(policy, self.feature)
        kept = tuple(item for item in policy.backports if item.feature.slug != self.feature)
        return replace(policy, backports=kept)


def _recorded(slug: str) -> Feature:
    found = Feature.objects.filter(slug=slug).select_related("introduced__tree").first()
    if found is None:
        raise Invalid(f"The library has no feature '{slug:.60}'.", field="feature")
    return found


def _spec(recorded: Feature) -> FeatureSpec:
    return feature_from_json(
        {
            "slug": recorded.slug,
            "title": recorded.title,
            "device": recorded.device,
            "carriers": recorded.carriers,
            "gate": recorded.gate,
        }
    )


def _taken(policy: Policy, slug: str) -> None:
    if all(item.feature.slug != slug for item in policy.backports):
        raise Invalid(f"No backport '{slug:.60}' here.", field="feature")


def add_backport(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    feature: Feature,
    commit: str,
    tracker: str,
    justification: str,
) -> ChangeRequest:
    """Make :class:`AddBackport`."""
    wanted = AddBackport(feature.slug, commit, tracker, justification)
    return make(change, actor, expected_version, wanted)


def remove_backport(
    change: ChangeRequest, actor: User, expected_version: int, slug: str
) -> ChangeRequest:
    """Make :class:`RemoveBackport`."""
    return make(change, actor, expected_version, RemoveBackport(slug))
