"""Edits of waivers: what stands in the way of publishing is accepted for a while, or no longer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, ClassVar

from machines.catalogue import NoCatalogue
from policy import trials
from policy.document import Policy, Waiver, waivers
from policy.edits.operation import make
from policy.errors import Invalid
from policy.findings import Finding, settling
from policy.inputs import at, release_of, without, words
from policy.models import ChangeRequest
from policy.review import checking, examining

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class WaiveTrial:
    """Accept a required trial's outcome as it is, up to and including the day ``expires``.

    Takes the place of an earlier waiver of the same trial. Only a trial that ended otherwise than
    declared can be waived, and never one that ended ``corrupt``.
    """

    recorded_as: ClassVar[str] = "waive trial"
    source: str
    destination: str
    machine_type: str
    reason: str
    expires: date | None

    def alter(self, policy: Policy) -> Policy:
        reason, last = _reason(self.reason), _last_day(self.expires)
        found = _checked_trial(policy, self.source, self.destination, self.machine_type)
        if found.is_corrupt:
            raise Invalid(
                "Corrupt is never accepted: relax what may be lost, or declare it refused.",
                field="machine_type",
            )
        if not found.may_be_waived:
            raise Invalid(
                "Only a trial that ended otherwise than declared can be waived.",
                field="machine_type",
            )
        key = found.requirement.key
        waiver = Waiver(self.source, self.destination, self.machine_type, "", key, reason, last)
        return _with(policy, waiver)


@dataclass(frozen=True, slots=True)
class WaiveFinding:
    """Accept a finding in the direction ``source`` → ``destination``, or, where both are empty, in
    every direction that it concerns, up to and including the day ``expires``.
    """

    recorded_as: ClassVar[str] = "waive finding"
    finding: str
    reason: str
    expires: date | None
    source: str = ""
    destination: str = ""

    def alter(self, policy: Policy) -> Policy:
        reason, last = _reason(self.reason), _last_day(self.expires)
        found = _finding(policy, self.finding)
        wanted = [
            scope
            for scope in examining.scopes(found, policy.label)
            if (self.source, self.destination) in {("", ""), (scope[1], scope[2])}
        ]
        if not wanted:
            raise Invalid("The finding does not concern this direction.", field="source")
        about = f"{found.code}: {found.place}"
        for identity, source, destination, machine_type in wanted:
            waiver = Waiver(
                source, destination, machine_type, identity, found.digest, reason, last, about
            )
            policy = _with(policy, waiver)
        return policy


@dataclass(frozen=True, slots=True)
class ApplyProposal:
    """Make the change that a finding proposes; ``number`` counts its proposals from 0."""

    recorded_as: ClassVar[str] = "apply proposal"
    finding: str
    number: int = 0

    def alter(self, policy: Policy) -> Policy:
        found = _finding(policy, self.finding)
        proposal = at(found.proposals, self.number, field="number")
        try:
            return settling.applied(policy, proposal)
        except settling.NotApplicable as error:
            raise Invalid(str(error), field="number") from error


@dataclass(frozen=True, slots=True)
class RemoveWaiver:
    """No longer accept what the waiver at a position from 0 was about."""

    recorded_as: ClassVar[str] = "remove waiver"
    position: int

    def alter(self, policy: Policy) -> Policy:
        return replace(policy, waivers=without(policy.waivers, self.position))


def waive_trial(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    source: str,
    destination: str,
    machine_type: str,
    reason: str,
    expires: date | None,
) -> ChangeRequest:
    """Make :class:`WaiveTrial`."""
    wanted = WaiveTrial(source, destination, machine_type, reason, expires)
    return make(change, actor, expected_version, wanted)


def waive_finding(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    identity: str,
    source: str,
    destination: str,
    reason: str,
    expires: date | None,
) -> ChangeRequest:
    """Make :class:`WaiveFinding`."""
    wanted = WaiveFinding(identity, reason, expires, source, destination)
    return make(change, actor, expected_version, wanted)


def apply_proposal(
    change: ChangeRequest, actor: User, expected_version: int, identity: str, number: int
) -> ChangeRequest:
    """Make :class:`ApplyProposal`."""
    return make(change, actor, expected_version, ApplyProposal(identity, number))


def remove_waiver(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """Make :class:`RemoveWaiver`."""
    return make(change, actor, expected_version, RemoveWaiver(position))


def _finding(policy: Policy, identity: str) -> Finding:
    try:
        found = examining.examined(policy, release_of(policy))
    except NoCatalogue as error:
        raise Invalid(str(error)) from error
    for item in found:
        if item.identity == identity:
            return item
    raise Invalid("There is no such finding any more.", field="finding")


def _checked_trial(
    policy: Policy, source: str, destination: str, machine_type: str
) -> checking.CheckedTrial:
    required = trials.requirements_of(policy, machine_type)
    for item in checking.checked(policy, required, checking.today()):
        if checking.trial_scope(item.requirement) == ("", source, destination, machine_type):
            return item
    raise Invalid("No such trial is required.", field="machine_type")


def _with(policy: Policy, waiver: Waiver) -> Policy:
    return replace(policy, waivers=(*waivers.without(policy, waivers.scope(waiver)), waiver))


def _reason(text: str) -> str:
    reason = words(text, "reason")
    if not reason:
        raise Invalid("Say why: a reviewer has to judge it.", field="reason")
    return reason


def _last_day(expires: date | None) -> str:
    if expires is None:
        raise Invalid("Name its last day: a waiver does not hold for ever.", field="expires")
    today = checking.today()
    if expires < today:
        raise Invalid("This day is over.", field="expires")
    if expires > waivers.last_day(today):
        limit = waivers.last_day(today).isoformat()
        raise Invalid(f"A waiver holds until {limit} at most.", field="expires")
    return expires.isoformat()
