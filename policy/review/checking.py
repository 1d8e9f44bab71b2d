"""How the required trials of a change request stand once its waivers are looked at.

Not run, running, as promised, different, waived and "could not run" are six things and stay so: a
waiver takes only a trial that ended differently out of the way. What has not ended, what could
not run, and an outcome of ``corrupt`` cannot be waived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from django.utils import timezone

from policy import trials
from policy.document import Policy, Waiver, waivers
from policy.document.waivers import Scope, Standing
from policy.models import ChangeRequest
from policy.trials import Requirement

Outcome = Literal["not-run", "running", "passed", "differs", "waived", "could-not-run"]
#: Of these a trial is in the way of publishing; the first two pass by themselves.
WAITING: tuple[Outcome, ...] = ("not-run", "running")
BROKEN: tuple[Outcome, ...] = ("differs", "could-not-run")


@dataclass(frozen=True, slots=True)
class CheckedTrial:
    """A required trial, how it stands, and the waiver that is about it, if any."""

    requirement: Requirement
    outcome: Outcome
    waived: Standing

    @property
    def may_be_waived(self) -> bool:
        return self.requirement.verdict == "differs" and not self.is_corrupt

    @property
    def is_corrupt(self) -> bool:
        trial = self.requirement.trial
        return trial is not None and trial.outcome == "corrupt"


def today() -> date:
    """The day by which waivers expire: UTC's."""
    return timezone.now().date()


def trials_of(change: ChangeRequest) -> list[CheckedTrial]:
    """The trials that the change's draft needs. Raises ``NoCatalogue``."""
    return checked(change.policy, trials.required(change), today())


def checked(policy: Policy, required: Iterable[Requirement], day: date) -> list[CheckedTrial]:
    """The required trials with the policy's waivers as they stand on that day."""
    given = {waivers.scope(waiver): waiver for waiver in policy.waivers}
    return [_checked(given, item, day) for item in required]


def _checked(given: Mapping[Scope, Waiver], item: Requirement, day: date) -> CheckedTrial:
    waived = Standing.of(given.get(trial_scope(item)), item.key, day)
    found = CheckedTrial(item, item.verdict, waived)
    if found.may_be_waived and waived.holds:
        return CheckedTrial(item, "waived", waived)
    return found


def trial_scope(item: Requirement) -> Scope:
    """The scope of a waiver of this trial (:func:`policy.document.waivers.scope`)."""
    required = item.required
    return "", required.source, required.destination, required.machine_type
