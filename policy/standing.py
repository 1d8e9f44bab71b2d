"""How a change request stands as a whole: its required trials and its findings, noted in its row.

What is noted says whose turn it is (:mod:`policy.turns`) in every list, where nothing can be
calculated anew. A page about one change request asks :mod:`policy.checking` and
:mod:`policy.examining` themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from machines.catalogue import NoCatalogue
from policy import checking, examining, webhooks
from policy.checking import CheckedTrial
from policy.models import ChangeRequest

Standing = ChangeRequest.Standing


def standing_of(change: ChangeRequest) -> ChangeRequest.Standing:
    """Whether anything is in the way, or still has to be run."""
    try:
        return _standing(change, checking.trials_of(change))
    except NoCatalogue:
        return Standing.BROKEN


def _standing(change: ChangeRequest, held: Iterable[CheckedTrial]) -> ChangeRequest.Standing:
    outcomes = {item.outcome for item in held}
    findings = examining.findings_of(change)
    if outcomes & set(checking.BROKEN) or any(item.blocks for item in findings):
        return Standing.BROKEN
    return Standing.OPEN if outcomes & set(checking.WAITING) else Standing.PASSED


def note(change: ChangeRequest) -> None:
    """Note how the change stands, and tell webhooks of trials that failed.

    To be called wherever that may have changed.
    """
    try:
        held = checking.trials_of(change)
        standing = _standing(change, held)
    except NoCatalogue:
        held, standing = [], Standing.BROKEN
    ChangeRequest.objects.filter(pk=change.pk).update(
        trials_standing=standing, trials_digest=change.digest
    )
    webhooks.tell_trials(change, (_told(item) for item in held if item.outcome in checking.BROKEN))


def _told(item: CheckedTrial) -> dict[str, str]:
    wanted, trial = item.requirement.required, item.requirement.trial
    return {
        "source": wanted.source,
        "destination": wanted.destination,
        "machine_type": wanted.machine_type,
        "expected": wanted.expected,
        "outcome": (trial.outcome if trial is not None else "") or item.outcome,
    }
