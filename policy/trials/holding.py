"""Trials are asked for, and one is held: its outcome follows from its inputs alone.

A result is recorded once; a trial that could not run may be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from machines.catalogue import NoCatalogue
from machines.emulator import machine
from machines.emulator.layout import DescriptionError
from machines.models import Release
from policy import state
from policy.document import DocumentError
from policy.errors import Invalid
from policy.models import ChangeRequest, Trial
from policy.permissions import may, require
from policy.signals import trials_required
from policy.trials.inputs import side_from
from policy.trials.needed import Requirement, required

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: Holds a trial: :func:`machines.emulator.machine.trial`, or the same between processes.
Hold = Callable[
    [
        Sequence[machine.Side],
        Sequence[str],
        int,
        Mapping[machine.SectionKey, frozenset[int]],
    ],
    machine.TrialResult,
]


def enqueue_missing(change: ChangeRequest, actor: User) -> list[Trial]:
    """Make a row for each trial that the change needs and lacks, and ask the workers to run them.

    A trial that could not run is queued again, as what it lacked may be here now. Returns what
    waits to be run. Raises Forbidden for someone with no part in the release's tree.
    """
    require(actor, "view", change.release.tree)
    _require_a_part(actor, change)
    if not change.is_open:
        raise Invalid(f"The change request is {change.get_status_display()}.")
    with transaction.atomic():
        needed = [item for item in required(change) if item.inputs is not None]
        new = [item for item in needed if item.trial is None]
        Trial.objects.bulk_create(_rows(new), ignore_conflicts=True)
        keys = [item.key for item in needed]
        Trial.objects.filter(key__in=keys, state=Trial.State.FAILED).update(
            state=Trial.State.QUEUED, error="", finished_at=None
        )
        waiting = list(Trial.objects.filter(key__in=keys, state=Trial.State.QUEUED).order_by("id"))
        if waiting:
            trials_required.send(sender=ChangeRequest, change=change, trials=waiting, user=actor)
    return waiting


def _require_a_part(actor: User, change: ChangeRequest) -> None:
    tree = change.release.tree
    if not any(may(actor, action, tree) for action in ("edit", "review", "publish")):
        require(actor, "edit", tree)


def _rows(new: Iterable[Requirement]) -> list[Trial]:
    """One row for each key, however many migrations ask for the same trial."""
    releases: dict[str, Release | None] = {}
    rows: dict[str, Trial] = {}
    for item in new:
        if item.inputs is None:
            continue
        for label in (item.required.source, item.required.destination):
            if label not in releases:
                releases[label] = state.release_of(label)
        rows[item.key] = Trial(
            key=item.key,
            source=releases[item.required.source],
            destination=releases[item.required.destination],
            machine_type=item.required.machine_type,
            inputs=item.inputs.to_json(),
        )
    return list(rows.values())


def run(trial: Trial, hold: Hold = machine.trial) -> None:
    """Run a trial from its inputs and record what it found, once.

    Whoever records first has done it: a second run of the same trial writes nothing. What cannot
    be run is recorded as such, with a sentence that says what is missing. ``hold`` is one of the
    ways to hold a trial, which all find the same.
    """
    _open(trial).update(state=Trial.State.RUNNING)
    try:
        result = outcome_of(trial.inputs, hold)
    except NoCatalogue as error:
        _open(trial).update(state=Trial.State.FAILED, error=str(error), finished_at=timezone.now())
    except (machine.TrialError, DescriptionError, DocumentError) as error:
        _open(trial).update(
            state=Trial.State.FAILED,
            error=f"The emulator could not hold this trial: {error}",
            finished_at=timezone.now(),
        )
    else:
        _open(trial).update(
            state=Trial.State.DONE,
            outcome=result.outcome,
            result=result.to_json(),
            finished_at=timezone.now(),
        )
    trial.refresh_from_db()


def _open(trial: Trial) -> Any:
    return Trial.objects.filter(pk=trial.pk, state__in=[Trial.State.QUEUED, Trial.State.RUNNING])


def outcome_of(inputs: Mapping[str, Any], hold: Hold = machine.trial) -> machine.TrialResult:
    """Hold the trial that the inputs describe. Raises ``NoCatalogue``, ``TrialError``."""
    relaxed: dict[tuple[str, str | None], frozenset[int]] = {}
    for device, section, version in inputs["relaxed"]:
        relaxed[device, section] = relaxed.get((device, section), frozenset()) | {version}
    sides = [side_from(inputs[end]) for end in ("source", "destination")]
    return hold(sides, inputs["devices"], inputs["seed"], relaxed)
