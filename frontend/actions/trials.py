"""What is asked of a trial: another run, other properties, its stream, mitigations of it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404

from frontend.access import visible_change
from frontend.numbers import number_of
from machines.emulator.catalogue import CompatProperty
from policy.models import Trial
from policy.permissions import require
from policy.trials import recordings, retrying, variants
from workers import jobs
from workers.models import Job


@transaction.atomic
def run_again(user: User, found: Trial) -> Job:
    """The job that runs a trial once more, which could not run or was cancelled.

    Raises Forbidden; Invalid for one that ended, whose outcome holds for good.
    """
    trial = retrying.run_again(found, user)
    [job] = jobs.enqueue_again([trial], user)
    return job


@transaction.atomic
def vary(
    user: User, found: Trial, source: list[CompatProperty], destination: list[CompatProperty]
) -> Trial:
    """The trial with these properties on top; a worker holds it. Raises Forbidden, Invalid."""
    varied = variants.vary(user, found, source, destination)
    if varied.state == Trial.State.QUEUED:
        jobs.enqueue_variant(varied, user)
    return varied


@transaction.atomic
def ask_for_stream(user: User, found: Trial) -> None:
    """Have the stream made again, where it is not there. Raises Forbidden, Invalid."""
    if recordings.stream_of(found) is None:
        recordings.ask(user, found)
        jobs.enqueue_record(found, user)


def start_search(user: User, found: Trial, change: str) -> Job:
    """Ask for a search for mitigations, with the draft of a change request (empty: as published).

    Raises Forbidden for somebody who may not edit the destination's policy, Http404 for a change
    request of another release.
    """
    require(user, "edit", found.destination.tree)
    draft = None
    if change:
        number = number_of(change)
        draft = visible_change(user, number) if number is not None else None
        if draft is None or draft.release_id not in (found.source_id, found.destination_id):
            raise Http404
    return jobs.enqueue_search(found, draft, user)
