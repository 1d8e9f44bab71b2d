"""What keeps a change request from being published: everything at once, each with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from machines.catalogue import NoCatalogue
from machines.emulator.catalogue import CompatProperty
from policy import state
from policy.document.merging import entries_of
from policy.exporters import formats
from policy.models import ChangeRequest, Review
from policy.review import checking, discussion, examining
from policy.review.votes import approvals, approvals_needed, standing_votes


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a change request cannot be published now.

    ``code``: status, approval, objection, threads, outdated, export, findings, trials.
    """

    code: str
    text: str


def blockers(change: ChangeRequest) -> tuple[Blocker, ...]:
    """Everything that keeps an open change request from being published, most urgent first."""
    found = []
    if change.status != ChangeRequest.Status.APPROVED:
        found.append(Blocker("status", f"It is {change.get_status_display()}, not approved."))
    found += _approval_blockers(change)
    found += [
        Blocker("objection", f"{vote.reviewer} requested changes to the present content.")
        for vote in standing_votes(change).values()
        if vote.verdict == Review.Verdict.REQUEST_CHANGES
    ]
    if threads := discussion.open_threads(change):
        text = "1 thread is open." if threads == 1 else f"{threads} threads are open."
        found.append(Blocker("threads", text))
    newest = state.newest_revision(change.release)
    if (newest.pk if newest is not None else None) != change.base_revision_id:
        text = f"It was not made from {newest}, the newest revision: rebase it."
        found.append(Blocker("outdated", text))
    checked = (*_finding_blockers(change), *_trial_blockers(change))
    return (*found, *_export_blockers(change), *checked)


def _approval_blockers(change: ChangeRequest) -> Iterator[Blocker]:
    needed, given = approvals_needed(change.release.tree), len(approvals(change))
    if given >= needed:
        return
    if needed == 1:
        yield Blocker("approval", "Nobody has approved the present content.")
    else:
        text = f"The present content has {given} of the {needed} approvals that it needs."
        yield Blocker("approval", text)


def _export_blockers(change: ChangeRequest) -> list[Blocker]:
    """An entry from a C array may hold what some format cannot: that would make no bundle."""
    entries = tuple(dict.fromkeys(entry for _, entry in entries_of(change.policy)))
    return [Blocker("export", f"{text}.") for text in _export_problems(entries)]


@lru_cache(maxsize=64)
def _export_problems(entries: tuple[CompatProperty, ...]) -> list[str]:
    """Asked each time that the page of a change request is opened, until something is edited."""
    return formats.problems(entries)


def _finding_blockers(change: ChangeRequest) -> list[Blocker]:
    """Each error that no waiver takes out of the way."""
    try:
        found = examining.findings_of(change)
    except NoCatalogue as error:
        return [Blocker("findings", str(error))]
    return [Blocker("findings", _finding_sentence(item)) for item in found if item.blocks]


def _finding_sentence(item: examining.CheckedFinding) -> str:
    lapsed = [standing for _, standing in item.waived if standing.word in ("expired", "void")]
    waiver = lapsed[0].waiver if lapsed else None
    if waiver is None:
        return item.finding.text
    return item.finding.text + _WAIVER_SENTENCES[lapsed[0].word].format(waiver.expires)


_TRIAL_SENTENCES = {
    "not-run": "{} was not run yet.",
    "running": "{} is running.",
    "could-not-run": "{} could not run: {}",
    "differs": "{} was {}, declared is {}.",
}
_WAIVER_SENTENCES = {
    "": "",
    "holds": "",
    "expired": " Its waiver expired on {}.",
    "void": " It was waived for other content: the waiver no longer holds.",
}


def _trial_blockers(change: ChangeRequest) -> list[Blocker]:
    try:
        needed = checking.trials_of(change)
    except NoCatalogue as error:
        return [Blocker("trials", str(error))]
    clear = ("passed", "waived")
    return [
        Blocker("trials", _trial_sentence(item)) for item in needed if item.outcome not in clear
    ]


def _trial_sentence(item: checking.CheckedTrial) -> str:
    want, trial = item.requirement.required, item.requirement.trial
    name = f"The trial {want.source} → {want.destination} {want.machine_type}".strip()
    details: tuple[str, ...] = (trial.outcome if trial else "", want.expected)
    if item.outcome == "could-not-run":
        details = (item.requirement.problem or (trial.error if trial else ""),)
    expires = item.waived.waiver.expires if item.waived.waiver else ""
    waived = _WAIVER_SENTENCES[item.waived.word].format(expires)
    return _TRIAL_SENTENCES[item.outcome].format(name, *details) + waived
