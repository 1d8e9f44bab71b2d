"""How the trials of published policies stand today, noted in rows that lists read.

Nothing is in the way of publishing when a policy is published. Later a partner publishes or imports
something, which changes the inputs of its trials: they are stale until somebody runs them; a waiver
passes its last day, a trial that is run again ends differently: it fails. The sweeper calls
:func:`refresh` every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db.models import Count

from machines.models import Release
from policy import state
from policy.document import digest
from policy.models import PublishedStanding, Revision, Trial
from policy.review import checking
from policy.review.checking import CheckedTrial
from policy.review.standing import surroundings
from policy.trials.needed import requirements_of


def trials_of(revision: Revision) -> list[CheckedTrial]:
    """The trials that a published policy needs today, with its waivers."""
    policy = state.policy_of(revision)
    return checking.checked(policy, requirements_of(policy), checking.today())


def refresh(seconds: float = 3) -> int:
    """Note anew how published policies stand where that rested on something else.

    Ends after about so many ``seconds``: the rest waits for the next call. Returns how many it was.
    """
    seen = _seen()
    waiting = Release.objects.filter(revisions__isnull=False).distinct()
    ends, done = time.monotonic() + seconds, 0
    for release in waiting.exclude(published_standing__seen=seen).select_related("tree"):
        revision = state.newest_revision(release)
        if revision is not None:
            _note(release, trials_of(revision), seen)
            done += 1
        if time.monotonic() > ends:
            break
    return done


def _seen() -> str:
    """Names all that these standings rest on: see :func:`surroundings`; and which trials ended."""
    states = Trial.objects.order_by("state").values_list("state").annotate(Count("pk"))
    return digest([surroundings(), [list(item) for item in states]])


def _note(release: Release, held: Sequence[CheckedTrial], seen: str) -> None:
    outcomes = [item.outcome for item in held]
    PublishedStanding.objects.update_or_create(
        release=release,
        defaults={
            "seen": seen,
            "failing": sum(outcome in checking.BROKEN for outcome in outcomes),
            "stale": outcomes.count("not-run"),
        },
    )
