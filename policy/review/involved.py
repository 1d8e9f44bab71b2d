"""Who takes part in change requests: of many in four queries of plain rows, or of the one that a
page is about, which asks most of it anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from machines.looks import once_a_look
from policy.models import ChangeRequest, Membership, Review, ReviewRequest
from policy.permissions import ROLES
from policy.review import votes

#: What is asked of a person beside a vote or a request.
_PERSON = ("reviewer_id", "reviewer__username", "reviewer__is_active", "reviewer__is_superuser")


class Vote(NamedTuple):
    """A vote, with the names of :class:`policy.models.Review`'s columns."""

    reviewer_id: int
    verdict: str
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Involved:
    """People by primary key: ``writers`` had a part in the content; ``asked`` by name to review it,
    and when; ``votes`` with a verdict, the oldest first; ``able`` are those of the asked and the
    voters who may still review, for whoever lost the role cannot be waited for. ``names`` has the
    login names of the asked and the voters.
    """

    writers: frozenset[int]
    asked: tuple[tuple[int, datetime], ...]
    votes: tuple[votes.Given, ...]
    able: frozenset[int]
    names: Mapping[int, str]


def in_one(change: ChangeRequest) -> Involved:
    """Who takes part in this change request."""
    given, requests = votes.votes_on(change), votes.who_was_asked(change)
    people = {vote.reviewer_id: vote.reviewer for vote in given}
    people |= {item.reviewer_id: item.reviewer for item in requests}
    held = _reviewers()
    return Involved(
        writers=votes.writers(change),
        asked=tuple((item.reviewer_id, item.requested_at) for item in requests),
        votes=given,
        able=frozenset(
            pk
            for pk, person in people.items()
            if person.is_active and (person.is_superuser or (change.release.tree_id, pk) in held)
        ),
        names={pk: person.username for pk, person in people.items()},
    )


def in_many(changes: Iterable[ChangeRequest]) -> dict[int, Involved]:
    """Change request (primary key) → who takes part in it. ``changes`` have their ``release``."""
    by_key = {change.pk: change for change in changes}
    if not by_key:
        return {}
    asked: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    given: dict[int, list[Vote]] = defaultdict(list)
    able: dict[int, set[int]] = defaultdict(set)
    names: dict[int, str] = {}
    held = _reviewers()

    def meet(key: int, pk: int, name: str, is_active: bool, is_superuser: bool) -> None:
        names[pk] = name
        if is_active and (is_superuser or (by_key[key].release.tree_id, pk) in held):
            able[key].add(pk)

    requests = ReviewRequest.objects.filter(change_request__in=by_key)
    for key, at, *person in requests.values_list("change_request_id", "requested_at", *_PERSON):
        asked[key].append((person[0], at))
        meet(key, *person)
    with_verdict = Review.objects.filter(change_request__in=by_key).exclude(
        verdict=Review.Verdict.COMMENT
    )
    columns = ("change_request_id", "verdict", "digest", "created_at", *_PERSON)
    for key, verdict, digest, at, *person in with_verdict.order_by("id").values_list(*columns):
        given[key].append(Vote(person[0], verdict, digest, at))
        meet(key, *person)
    writers = _writers(by_key)
    return {
        key: Involved(
            writers[key], tuple(asked[key]), tuple(given[key]), frozenset(able[key]), names
        )
        for key in by_key
    }


def _writers(changes: Mapping[int, ChangeRequest]) -> dict[int, frozenset[int]]:
    edited = ChangeRequest.editors.through.objects.filter(changerequest__in=changes)
    found = {key: {change.author_id} for key, change in changes.items()}
    for key, editor in edited.values_list("changerequest_id", "user_id"):
        found[key].add(editor)
    return {key: frozenset(people) for key, people in found.items()}


@once_a_look
def _reviewers() -> frozenset[tuple[int, int]]:
    """(tree, person) of everybody whose role lets them review."""
    held = Membership.objects.filter(role__in=ROLES["review"])
    return frozenset(held.values_list("tree_id", "user_id"))
