"""What the tabs of a change request's page show: one module a tab, each with its ``context``.

    lines  declaring    the differences, object by object; forms of what it declares
    findings  waivers   what the rules say of it, and what was accepted
    trials  checklist   the trials that it needs; all that publishing needs
    discussion          threads, votes and comments
    history  bundle     its states; the files that publishing would alter

The page around them is :mod:`frontend.views.changes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from frontend.numbers import number_of
from frontend.views.change_tabs import (
    bundle,
    findings,
    lines,
    trials,
)
from frontend.views.change_tabs import discussion as discussion_tab
from frontend.views.change_tabs import history as history_tab
from policy import history, state
from policy.document import Policy, differences
from policy.document.differences import Difference
from policy.models import ChangeRequest
from policy.numbers import numbers
from policy.permissions import may
from policy.review import discussion

Context = Callable[[ChangeRequest, HttpRequest, tuple[Difference, ...]], dict[str, Any]]

_CONTEXTS: dict[str, Context] = {
    "changes": lines.context,
    "findings": findings.context,
    "trials": trials.context,
    "discussion": discussion_tab.context,
    "history": history_tab.context,
    "bundle": bundle.context,
}
TABS = tuple(_CONTEXTS)


def context(change: ChangeRequest, tab: str, request: HttpRequest) -> dict[str, Any]:
    """What the page needs for this tab, and the numbers on all of them."""
    before = state.baseline(change)
    found = differences.compare(before, change.policy)
    may_edit = change.is_editable and may(request.user, "edit", change.release.tree)
    threads = discussion.threads(change, request.user)
    known = numbers(change)
    vote = history.last_vote(change, request.user)
    return {
        "may_edit": may_edit,
        "seed": _seed(before) if change.base_revision is None else None,
        "difference_count": len(found),
        "review_count": known.reviews + len(threads),
        "threads": threads,
        "draft_count": sum(
            item.published_at is None
            for thread in threads
            for item in thread.shown  # type: ignore[attr-defined]
        ),
        "state_count": known.states,
        # Not offered where nothing has changed since.
        "reviewed": vote if vote is not None and vote.digest != change.digest else None,
        **_CONTEXTS[tab](change, request, found),
    }


@dataclass(frozen=True, slots=True)
class SeedSize:
    """How much of a first policy was there before anybody edited it."""

    machine_types: int
    entries: int


def _seed(policy: Policy) -> SeedSize:
    entries = sum(len(item.entries) for item in policy.machine_types)
    return SeedSize(len(policy.machine_types), entries)


def seen_version(request: HttpRequest, change: ChangeRequest) -> int:
    """The version of the draft that the person saw, as their form says."""
    # Without a version the edit is refused as a conflict, never applied blindly.
    return number_of(request.POST.get("lock_version", "")) or 0
