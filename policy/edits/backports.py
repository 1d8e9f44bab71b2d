"""Features for the library, and backports of them into a release."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from machines.catalogue import NoCatalogue, effective_catalogue
from machines.models import Release
from policy import audit, drafts, proposals, rules
from policy.document import (
    Backport,
    DocumentError,
    Policy,
    canonical,
    feature_from_json,
)
from policy.edits.checks import (
    base_of,
    line,
    title_of,
    words,
)
from policy.errors import Invalid
from policy.models import ChangeRequest, Feature
from policy.permissions import require

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
    JSON forms of :class:`Carrier` and :class:`Gate`. Any maintainer may."""
    require(actor, "edit", None)
    spec = {
        "slug": slug.strip(),
        "title": title_of(title),
        "device": device.strip(),
        "carriers": carriers,
        "gate": gate,
    }
    try:
        read = feature_from_json(spec)
    except DocumentError as error:
        field = error.path.removeprefix("feature.").partition("[")[0].partition(".")[0]
        raise Invalid(str(error), field=field) from error
    if read.gate is not None:
        line(read.gate.on, "gate")
    try:
        catalogue, _ = effective_catalogue(release)
    except NoCatalogue as error:
        raise Invalid(str(error), field="release") from error
    try:
        proposals.check_feature(read, catalogue, release.label)
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


def add_backport(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    feature: Feature,
    commit: str,
    tracker: str,
    justification: str,
) -> ChangeRequest:
    """Take a feature into the release, with the layouts that its introducing release has."""
    justification = words(justification, "justification")
    if not justification:
        raise Invalid("Say why: a reviewer has to judge it.", field="justification")
    spec = feature_from_json(
        {
            "slug": feature.slug,
            "title": feature.title,
            "device": feature.device,
            "carriers": feature.carriers,
            "gate": feature.gate,
        }
    )
    try:
        catalogue, _ = effective_catalogue(feature.introduced)
    except NoCatalogue as error:
        raise Invalid(str(error), field="feature") from error

    def alter(policy: Policy) -> Policy:
        if any(item.feature.slug == spec.slug for item in policy.backports):
            raise Invalid(f"'{spec.title}' is backported already.", field="feature")
        own = rules.policy_catalogue(base_of(policy), policy)
        try:
            grafts = proposals.grafts_for(spec, catalogue, own)
        except proposals.FeatureError as error:
            raise Invalid(str(error), field="feature") from error
        backport = Backport(
            feature=spec,
            introduced=feature.introduced.label,
            commit=line(commit, "commit"),
            tracker=line(tracker, "tracker"),
            justification=justification,
            grafts=grafts,
        )
        return replace(policy, backports=(*policy.backports, backport))

    return drafts.rewrite(change, actor, expected_version, "add backport", alter)


def remove_backport(
    change: ChangeRequest, actor: User, expected_version: int, slug: str
) -> ChangeRequest:
    """Take a backport out again."""

    def alter(policy: Policy) -> Policy:
        kept = tuple(item for item in policy.backports if item.feature.slug != slug)
        if len(kept) == len(policy.backports):
            raise Invalid(f"No backport '{slug}' here.", field="feature")
        return replace(policy, backports=kept)

    return drafts.rewrite(change, actor, expected_version, "remove backport", alter)
