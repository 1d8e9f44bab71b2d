"""A review as pages show it: whose turn it is in words, who was asked, which votes count."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from policy.models import ChangeRequest, Review
from policy.review import reviewers, turns, votes
from policy.review.turns import Turn


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose turn it is (a name, a role, or the service), why, and since when."""

    who: str
    why: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked by name; ``standing`` is a status of templatetags.lockstep."""

    person: User
    standing: str
    may_withdraw: bool


def context(change: ChangeRequest, user: Any, available: Collection[str]) -> dict[str, Any]:
    """What the card beside a change request shows of its review."""
    if not change.is_open:
        return {"whose": (), "asked_people": (), "approvals": votes.approvals(change)}
    standing = votes.standing_votes(change)
    words = {
        Review.Verdict.APPROVE: "approved",
        Review.Verdict.REQUEST_CHANGES: "changes-requested",
    }
    asked = [
        Asked(
            item.reviewer,
            words[standing[item.reviewer_id].verdict] if item.reviewer_id in standing else "queued",  # type: ignore[index]
            "request-review" in available or item.reviewer_id == user.pk,
        )
        for item in votes.who_was_asked(change)
    ]
    return {
        "whose": whose(turns.of_one(change)),
        "asked_people": asked,
        "possible_reviewers": reviewers.possible(change) if "request-review" in available else (),
        "approvals": votes.approvals(change),
        "approvals_needed": votes.approvals_needed(change.release.tree),
    }


def whose(found: Iterable[Turn]) -> list[Whose]:
    """Turns in words."""
    return [Whose(_who(turn), turn.why, turn.since) for turn in found]


def whose_of(changes: Iterable[ChangeRequest]) -> dict[int, str]:
    """For a list: each open change request's primary key → whose turn it is."""
    return {
        pk: ", ".join(dict.fromkeys(map(_who, several)))
        for pk, several in turns.of_many(changes).items()
    }


def _who(turn: Turn) -> str:
    if turn.people:
        return ", ".join(sorted(turn.people.values()))
    if turn.action == "review":
        return _("a reviewer")
    if turn.action == "publish":
        return _("a release manager")
    return _("the service")
