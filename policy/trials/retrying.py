"""A trial that could not run, or whose job was cancelled, is asked for once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from policy import audit
from policy.errors import Invalid
from policy.models import Trial
from policy.permissions import require, trees_where

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Whoever has one of these roles in the tree of either end may ask.
_PARTS = ("edit", "review", "publish")
_WAITING = (Trial.State.FAILED, Trial.State.QUEUED)


@transaction.atomic
def run_again(trial: Trial, actor: User) -> Trial:
    """Let the trial wait to be run. The caller asks the workers to run it.

    Raises Forbidden for somebody with no part in either tree, Invalid for a trial that runs or has
    its outcome: the same inputs always end the same.
    """
    trees = {trial.source.tree_id, trial.destination.tree_id}
    if not any(trees & trees_where(actor, part) for part in _PARTS):
        require(actor, "edit", trial.destination.tree)
    before = trial.get_state_display()
    rows = Trial.objects.filter(pk=trial.pk, state__in=_WAITING).update(
        state=Trial.State.QUEUED, error="", finished_at=None
    )
    present = Trial.objects.select_related("source__tree", "destination__tree").get(pk=trial.pk)
    if not rows:
        raise Invalid(
            "It runs at this moment."
            if present.state == Trial.State.RUNNING
            else f"It ended: {present.outcome}. The same inputs always end the same."
        )
    audit.record(
        actor, "run trial again", present,
        before={"state": before}, after={"state": present.get_state_display()},
    )  # fmt: skip
    return present
