"""A search for mitigations of a trial that did not pass: between which states, with what found.

The trial names the pair, the machine type and the devices. Both releases are taken as they are now:
as published, or, where a change request of one of them is looked at, as it would leave that one.
"""

from __future__ import annotations

from collections.abc import Callable

from machines.catalogue import NoCatalogue
from machines.emulator.machine import TrialError
from policy import state
from policy.errors import Invalid
from policy.models import ChangeRequest, Trial
from policy.questions.comparing import demand_machine_type
from policy.questions.mitigating import Suggestion, suggest_mitigations
from policy.review import examining
from policy.state import State


def states_of(trial: Trial, change: ChangeRequest | None) -> tuple[State, State]:
    """Source and destination as they are now. Raises ``Invalid`` where one cannot be had."""
    try:
        found = [
            state.draft(change)
            if change is not None and change.release_id == release.pk
            else state.published(release)
            for release in (trial.source, trial.destination)
        ]
    except NoCatalogue as error:
        raise Invalid(str(error)) from error
    demand_machine_type(found, trial.machine_type)
    return found[0], found[1]


def search(
    trial: Trial, change: ChangeRequest | None, watch: Callable[[int, int], None]
) -> tuple[Suggestion, ...]:
    """What would let the guests in, each tried; empty where nothing helps, or nothing need.

    ``watch`` is told (trials held, at most to be held) before each one. Raises ``Invalid``.
    """
    source, destination = states_of(trial, change)
    try:
        return suggest_mitigations(
            examining.subject_of(source),
            examining.subject_of(destination),
            trial.machine_type,
            trial.inputs["devices"],
            seed=trial.inputs["seed"],
            watch=watch,
        )
    except TrialError as error:
        raise Invalid(f"The emulator could not hold this trial: {error}") from error
