"""How a change request stands as a whole: its required trials and its findings, noted in its row.

What is noted says whose turn it is (:mod:`policy.turns`) in every list, where nothing can be
calculated anew. A page about one change request asks :mod:`policy.checking` and
:mod:`policy.examining` themselves.
"""

from __future__ import annotations

from machines.catalogue import NoCatalogue
from policy import checking, examining
from policy.models import ChangeRequest

Standing = ChangeRequest.Standing


def standing_of(change: ChangeRequest) -> ChangeRequest.Standing:
    """Whether anything is in the way, or still has to be run."""
    try:
        outcomes = {item.outcome for item in checking.trials_of(change)}
        findings = examining.findings_of(change)
    except NoCatalogue:
        return Standing.BROKEN
    if outcomes & set(checking.BROKEN) or any(item.blocks for item in findings):
        return Standing.BROKEN
    return Standing.OPEN if outcomes & set(checking.WAITING) else Standing.PASSED


def note(change: ChangeRequest) -> None:
    """Note how the change stands: to be called wherever that may have changed."""
    ChangeRequest.objects.filter(pk=change.pk).update(
        trials_standing=standing_of(change), trials_digest=change.digest
    )
