"""Backports that are prepared and not yet taken: what was written so far can be come back to.

No part of the policy, and nothing that a reviewer sees: it becomes one when the backport is saved
(:func:`policy.edits.add_backport`), or is dropped.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from policy import audit, drafts
from policy.errors import Invalid
from policy.inputs import line, words
from policy.models import BegunBackport, ChangeRequest, Feature
from policy.numbers import numbers
from policy.permissions import require

#: More in one change request would be no preparation any more.
MAX_BEGUN = 50


def begun_of(change: ChangeRequest) -> list[BegunBackport]:
    """What is begun in the change request and not yet taken, the oldest first."""
    if not change.is_editable or not numbers(change).begun:
        return []
    taken = {item.feature.slug for item in change.policy.backports}
    found: models.QuerySet[BegunBackport] = change.begun.select_related("feature", "begun_by")
    return [item for item in found if item.feature.slug not in taken]


@transaction.atomic
def keep(
    change: ChangeRequest,
    actor: User,
    feature: Feature,
    commit: str = "",
    tracker: str = "",
    justification: str = "",
) -> BegunBackport:
    """Keep what is written of it so far, whole or not. Raises Forbidden, Invalid."""
    present = drafts.fresh(change)
    require(actor, "edit", present.release.tree)
    drafts.check_open(present)
    if any(item.feature.slug == feature.slug for item in present.policy.backports):
        raise Invalid(f"'{feature.title}' is backported already.", field="feature")
    if present.begun.exclude(feature=feature).count() >= MAX_BEGUN:
        raise Invalid(f"At most {MAX_BEGUN} backports are begun at a time: finish or drop some.")
    kept, is_new = BegunBackport.objects.update_or_create(
        change_request=present,
        feature=feature,
        defaults={
            "commit": line(commit, "commit"),
            "tracker": line(tracker, "tracker"),
            "justification": words(justification, "justification"),
            "begun_by": actor,
            "at": timezone.now(),
        },
    )
    if is_new:
        audit.record(actor, "begin backport", present, after={"feature": feature.slug})
    return kept


@transaction.atomic
def drop(change: ChangeRequest, actor: User, feature: Feature) -> None:
    """No longer prepare it, because it is taken or will not be. Raises Forbidden."""
    require(actor, "edit", change.release.tree)
    if change.begun.filter(feature=feature).delete()[0]:
        audit.record(actor, "drop begun backport", change, before={"feature": feature.slug})
