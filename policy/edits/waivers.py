"""Edits of waivers: what stands in the way of publishing is accepted for a while, or no longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from policy import checking, drafts, trials, waivers
from policy.document import Policy, Waiver
from policy.edits.checks import at, words
from policy.errors import Invalid
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


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
    """Accept a required trial's outcome as it is, up to and including the day ``expires``.

    Takes the place of an earlier waiver of the same trial. Only a trial that ended otherwise than
    declared can be waived, and never one that ended ``corrupt``.
    """
    reason, last = _reason(reason), _last_day(expires)

    def alter(policy: Policy) -> Policy:
        found = _checked_trial(policy, source, destination, machine_type)
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
        waiver = Waiver(source, destination, machine_type, "", key, reason, last)
        return _with(policy, waiver)

    return drafts.rewrite(change, actor, expected_version, "waive trial", alter)


def remove_waiver(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """No longer accept what a waiver was about."""

    def alter(policy: Policy) -> Policy:
        at(policy.waivers, position)
        kept = (*policy.waivers[:position], *policy.waivers[position + 1 :])
        return replace(policy, waivers=kept)

    return drafts.rewrite(change, actor, expected_version, "remove waiver", alter)


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
