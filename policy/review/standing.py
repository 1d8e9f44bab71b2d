"""How a change request stands as a whole: its required trials and its findings, noted in its row.

What is noted says whose turn it is (:mod:`policy.review.turns`) in every list, where nothing can be
calculated anew. A page about one change request asks :mod:`policy.review.checking` and
:mod:`policy.review.examining` themselves.

It changes without anybody touching the change request: other releases are published or imported, a
waiver's last day passes. So what it rested on is noted too, and :func:`refresh`, which the sweeper
calls, notes anew what rested on something else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from machines.catalogue import NoCatalogue
from machines.models import Release, Snapshot
from policy.document import digest
from policy.messages import notices, webhooks
from policy.models import ChangeRequest, Revision
from policy.review import checking, examining
from policy.review.checking import CheckedTrial

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
    around = surroundings()  # first: what changes meanwhile is noted anew
    try:
        held = checking.trials_of(change)
        standing = _standing(change, held)
    except NoCatalogue:
        held, standing = [], Standing.BROKEN
    ChangeRequest.objects.filter(pk=change.pk).update(
        trials_standing=standing, trials_digest=change.digest, surroundings=around
    )
    webhooks.tell_trials(change, (_told(item) for item in held if item.outcome in checking.BROKEN))


def surroundings() -> str:
    """Names all that a standing rests on besides the draft and its trials: the day, what is
    published, what is imported, and which releases stand on which.
    """
    releases = Release.objects.order_by("pk").values_list("pk", "base", "stand_in")
    current = Snapshot.objects.filter(is_current=True).order_by("pk").values_list("pk", flat=True)
    newest = Revision.objects.order_by("-pk").values_list("pk", flat=True).first()
    day = checking.today().isoformat()
    return digest([day, [list(item) for item in releases], list(current), newest])


def refresh(seconds: float = 5) -> int:
    """Note anew how change requests in review stand where that rested on something else.

    Ends after about so many ``seconds``: the rest waits for the next call. Returns how many it was.
    """
    reviewed = (ChangeRequest.Status.SUBMITTED, ChangeRequest.Status.APPROVED)
    # Approved ones first: only their author waits for nobody else.
    waiting = ChangeRequest.objects.filter(status__in=reviewed).order_by("status", "pk")
    ends, done = time.monotonic() + seconds, 0
    for change in waiting.exclude(surroundings=surroundings()).iterator(chunk_size=20):
        with notices.told(change, None):
            note(change)
        done += 1
        if time.monotonic() > ends:
            break
    return done


def _told(item: CheckedTrial) -> dict[str, str]:
    wanted, trial = item.requirement.required, item.requirement.trial
    return {
        "source": wanted.source,
        "destination": wanted.destination,
        "machine_type": wanted.machine_type,
        "expected": wanted.expected,
        "outcome": (trial.outcome if trial is not None else "") or item.outcome,
    }
