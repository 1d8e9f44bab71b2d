"""Votes on a change request: whose count, and who may give one.

Four eyes means persons: neither the author nor anyone who edited the content approves it, whatever
roles they hold, and whatever they voted before they edited.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from machines.looks import is_looking, once_a_look
from machines.models import Tree
from policy import state
from policy.models import ChangeRequest, Review, ReviewRequest, ReviewRules

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Verdict = Review.Verdict


class Given(Protocol):
    """A vote: a :class:`policy.models.Review`, or as much of one."""

    @property
    def reviewer_id(self) -> int: ...
    @property
    def verdict(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


V = TypeVar("V", bound=Given)


def not_four_eyes(change: ChangeRequest, user: User | AnonymousUser) -> str:
    """Why this person may not approve; empty where they may."""
    if change.author_id == user.pk:
        return "You wrote this change: someone else has to approve it."
    if user.pk in writers(change):
        return "You edited this change: someone else has to approve it."
    return ""


@once_a_look
def votes_on(change: ChangeRequest) -> tuple[Review, ...]:
    """Every vote on whatever content, the oldest first, each with its reviewer."""
    votes = change.reviews.exclude(verdict=Verdict.COMMENT).select_related("reviewer")
    return tuple(votes.order_by("id"))


def standing_votes(change: ChangeRequest) -> dict[int, Review]:
    """The newest vote of each reviewer that stands."""
    return standing_of(change, votes_on(change))


def standing_of(change: ChangeRequest, votes: Iterable[V]) -> dict[int, V]:
    """The newest of these votes, the oldest first, of each reviewer on exactly the present content.

    An edit voids an approval for good, also where a later one brings the same content back: what it
    is compared with, or merged from, may be another. An objection stands again with what it is to.
    """
    newest = {vote.reviewer_id: vote for vote in votes if vote.digest == change.digest}
    return {
        reviewer: vote
        for reviewer, vote in newest.items()
        if vote.verdict != Verdict.APPROVE or vote.created_at >= change.edited_at
    }


def approvals(change: ChangeRequest) -> list[Review]:
    """The approvals that hold: of the present content, by people who had no part in writing it."""
    return [
        vote
        for vote in standing_votes(change).values()
        if vote.verdict == Verdict.APPROVE and vote.reviewer_id not in writers(change)
    ]


@once_a_look
def who_was_asked(change: ChangeRequest) -> tuple[ReviewRequest, ...]:
    """Who was asked by name to review it, each with the person."""
    return tuple(change.requested.select_related("reviewer"))


@once_a_look
def writers(change: ChangeRequest) -> frozenset[int]:
    """Primary keys of everybody who had a part in writing it."""
    return frozenset({change.author_id, *change.editors.values_list("pk", flat=True)})


@once_a_look
def approvals_needed(tree: Tree) -> int:
    """How many approvals a change of the tree needs."""
    if is_looking():
        known = (item.tree for item in state.releases() if item.tree_id == tree.pk)
        rules = getattr(next(known, None), "review_rules", None)
    else:
        rules = ReviewRules.objects.filter(tree=tree).first()
    return rules.approvals if rules is not None else 1
