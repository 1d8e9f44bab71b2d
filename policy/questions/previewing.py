"""What an edit of a device's bitmaps would bring about, told before it is saved.

Three questions, the quickest first: which property values change and on which machine types; which
declared migrations end otherwise there, and what they lose; which findings appear and which go.
Migrations are tried with this device alone, before and after, and only where something differs
between the two that the outcome depends on. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from machines.catalogue import NoCatalogue
from machines.emulator.machine import TrialError, TrialResult
from machines.models import Release
from machines.progress import Progress, silent
from policy import rules, state, trials
from policy.document import Policy, plain
from policy.findings import Finding
from policy.review import examining
from policy.trials import Requirement

#: Lost fields that an outcome names, and characters of its reason.
MAX_LOST, MAX_REASON = 24, 300
#: Findings that are listed of each kind.
MAX_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A bitmap's property before and after, and the machine types on which it changes so."""

    property: str
    before: str
    after: str
    machine_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """A declared migration before and after, on the machine types where all of this is alike.

    ``reason`` and ``lost`` are those of the outcome after it; ``more_lost`` fields are not named.
    """

    source: str
    destination: str
    expected: str
    before: str
    after: str
    reason: str
    lost: tuple[str, ...]
    more_lost: int
    machine_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding that appears, or goes."""

    identity: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """``total`` machine types the release has; ``untouched`` declared migrations, counted on each
    machine type, depend on nothing that changes. The changed outcomes come first.
    """

    total: int
    values: tuple[ValueChange, ...]
    outcomes: tuple[OutcomeChange, ...]
    untouched: int
    appearing: tuple[FindingChange, ...]
    going: tuple[FindingChange, ...]

    def to_json(self) -> dict[str, Any]:
        """For programs, and for the row of a job: tuples become lists."""
        document: dict[str, Any] = plain(asdict(self))
        return document


def preview(
    before: Policy,
    after: Policy,
    release: Release,
    device: str,
    report: Progress = silent,
) -> Preview:
    """What changes from one policy of a release to another as far as ``device`` is concerned.

    ``report`` may raise to give up. Raises ``NoCatalogue``.
    """
    found = state.of_policy(before)
    names = rules.machine_types(found)
    values = value_changes(found, after, device)
    affected = {name for item in values for name in item.machine_types}
    pairs, untouched = _pairs(before, after, device, affected)
    total = 2 * len(pairs) + 2
    outcomes = _outcomes(pairs, total, report)
    report(total - 2, total, "findings as it is")
    old = examining.examined(before, release)
    report(total - 1, total, "findings as it would be")
    new = examining.examined(after, release)
    return Preview(
        total=len(names),
        values=tuple(values),
        outcomes=tuple(outcomes),
        untouched=untouched,
        appearing=only_in(new, old),
        going=only_in(old, new),
    )


def value_changes(found: rules.StateLike, after: Policy, device: str) -> list[ValueChange]:
    """The bitmaps of ``device`` that differ from a state to a policy, alike ones together."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name in rules.machine_types(found):
        old = rules.device_bitmaps(found.policy, found.catalogue, name, device)
        new = rules.device_bitmaps(after, found.catalogue, name, device)
        for past, now in zip(old, new, strict=True):
            if past.effective_value != now.effective_value:
                change = (past.property, past.effective_value, now.effective_value)
                alike.setdefault(change, []).append(name)
    return [ValueChange(*change, tuple(names)) for change, names in alike.items()]


# --- Migrations -----------------------------------------------------------------------------------


def _pairs(
    before: Policy, after: Policy, device: str, affected: set[str]
) -> tuple[list[tuple[Requirement, Requirement]], int]:
    """The declared migrations whose trials would differ; and how many would not."""
    if not affected:
        return [], 0
    tried = [
        trials.requirements_of(replace(policy, devices=(device,))) for policy in (before, after)
    ]
    old = {_declared(item): item for item in tried[0]}
    both = [(old[_declared(item)], item) for item in tried[1] if _declared(item) in old]
    pairs = [
        (past, now)
        for past, now in both
        if now.required.machine_type in affected and (past.key != now.key or not now.key)
    ]
    return pairs, len(both) - len(pairs)


def _declared(requirement: Requirement) -> tuple[str, str, str]:
    item = requirement.required
    return item.source, item.destination, item.machine_type


def _outcomes(
    pairs: Sequence[tuple[Requirement, Requirement]], total: int, report: Progress
) -> list[OutcomeChange]:
    """Each declared migration with both outcomes; alike ones on several machine types together."""
    alike: dict[OutcomeChange, list[str]] = {}
    for number, (past, now) in enumerate(pairs):
        item = now.required
        label = f"{item.source} → {item.destination} on {item.machine_type}"
        report(2 * number, total, label)
        was = _outcome(past)[0]
        report(2 * number + 1, total, label)
        change = OutcomeChange(
            item.source, item.destination, item.expected, was, *_outcome(now), machine_types=()
        )
        alike.setdefault(change, []).append(item.machine_type)
    found = [replace(change, machine_types=tuple(names)) for change, names in alike.items()]
    return sorted(found, key=lambda item: item.before == item.after)


def _outcome(requirement: Requirement) -> tuple[str, str, tuple[str, ...], int]:
    """Outcome, reason, and what is lost; a trial that cannot be held says why."""
    if requirement.inputs is None:
        return "could-not-run", requirement.problem, (), 0
    try:
        result = trials.outcome_of(requirement.inputs.to_json())
    except (NoCatalogue, TrialError) as error:
        return "could-not-run", str(error), (), 0
    lost = _lost(result)
    named = lost[:MAX_LOST]
    return result.outcome, result.reason[:MAX_REASON], named, len(lost) - len(named)


def _lost(result: TrialResult) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{item.section}: {item.field}" for item in result.lost))


# --- Findings -------------------------------------------------------------------------------------


def only_in(these: Iterable[Finding], others: Iterable[Finding]) -> tuple[FindingChange, ...]:
    """The findings that the others do not have."""
    known = {item.identity for item in others}
    found = [item for item in these if item.identity not in known]
    return tuple(
        FindingChange(item.identity, item.severity, item.text) for item in found[:MAX_FINDINGS]
    )
