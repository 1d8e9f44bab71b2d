"""What an override would change, before it is saved: property values, and declared migrations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from machines.catalogue import NoCatalogue
from machines.emulator.machine import TrialError
from policy import rules, trials
from policy.document import Override, Policy
from policy.state import State

#: Trials that a preview holds; those of the whole policy run in the change request.
MAX_TRIALS = 8
#: Lost fields that it names.
MAX_LOST = 12


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A bitmap's property before and after, and the machine types on which it changes so."""

    property: str
    before: str
    after: str
    machine_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """A declared migration, tried with this device alone, before and after."""

    source: str
    destination: str
    expected: str
    before: str
    after: str
    reason: str
    lost: tuple[str, ...]


def overridden(policy: Policy, new: Override) -> Policy:
    """The policy with one more override, in the place of an earlier one of the same bit."""
    place = (new.device, new.section, new.version, new.machine_type)
    kept = tuple(
        item
        for item in policy.overrides
        if (item.device, item.section, item.version, item.machine_type) != place
    )
    return replace(policy, overrides=(*kept, new))


def value_changes(state: State, after: Policy, device: str) -> list[ValueChange]:
    """The bitmaps of ``device`` that differ, alike ones together."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name in rules.machine_types(state):
        old = rules.device_bitmaps(state.policy, state.catalogue, name, device)
        new = rules.device_bitmaps(after, state.catalogue, name, device)
        for before, now in zip(old, new, strict=True):
            if before.effective_value != now.effective_value:
                change = (before.property, before.effective_value, now.effective_value)
                alike.setdefault(change, []).append(name)
    return [ValueChange(*change, tuple(names)) for change, names in alike.items()]


def outcome_changes(
    before: Policy, after: Policy, machine_type: str, device: str
) -> list[OutcomeChange]:
    """The migrations that the policy declares for this machine type, each with both outcomes."""
    tried = {}
    for name, policy in (("before", before), ("after", after)):
        alone = replace(policy, devices=(device,))
        tried[name] = {
            _declared(item): _outcome(item)
            for item in trials.requirements_of(alone, machine_type)[:MAX_TRIALS]
        }
    return [
        OutcomeChange(*declared, tried["before"][declared][0], *outcome)
        for declared, outcome in tried["after"].items()
        if declared in tried["before"]
    ]


def _declared(requirement: trials.Requirement) -> tuple[str, str, str]:
    item = requirement.required
    return item.source, item.destination, item.expected


def _outcome(requirement: trials.Requirement) -> tuple[str, str, tuple[str, ...]]:
    """Outcome, reason, and what is lost; a trial that cannot be held says why."""
    if requirement.inputs is None:
        return "could-not-run", requirement.problem, ()
    try:
        result = trials.outcome_of(requirement.inputs.to_json())
    except (NoCatalogue, TrialError) as error:
        return "could-not-run", str(error), ()
    return result.outcome, result.reason, tuple(item.field for item in result.lost[:MAX_LOST])
