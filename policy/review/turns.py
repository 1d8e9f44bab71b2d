"""Whose turn a change request is: always known, with why and since when.

    status             condition, the first that holds         whose turn                 code
    draft              a backport is begun in it               the author                 resume
                       otherwise                               the author                 finish
    changes requested                                          the author                 correct
    in review          who was asked by name has not voted     those, while they may      review
                       otherwise                               the tree's reviewers       review
    approved           somebody's request for changes stands   those, while they may      review
                       of somebody who may no longer review    the author                 correct
                       another revision was published since    the author                 rebase
                       a thread is open                        the author                 answer
                       a finding or a trial is in the way      the author                 mend
                       trials wait or run                      the service                wait
                       otherwise                               the release managers       publish

"In review" leaves out whoever wrote the content or has approved it. What holds is told by rows
alone, for any number of change requests in the same number of queries; how the trials
and the findings stand is noted by :mod:`policy.review.standing` whenever that may have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db.models import (
    Count,
    Exists,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from machines.looks import is_looking
from policy import state
from policy.models import (
    BegunBackport,
    ChangeRequest,
    Membership,
    Review,
    ReviewRequest,
    Revision,
    Thread,
)
from policy.numbers import numbers
from policy.permissions import ROLES, may, trees_where
from policy.review import votes

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.utils.functional import Promise

Status = ChangeRequest.Status

#: What a turn's code asks of the person.
WORDS: dict[str, str | Promise] = {
    "finish": _("Finish it and submit it for review."),
    "resume": _("Go on with the backport that is begun in it."),
    "correct": _("A reviewer requested changes."),
    "review": _("Review it."),
    "rebase": _("Another revision was published: rebase it."),
    "answer": _("Answer or resolve the open threads."),
    "mend": _("A finding or a trial stands in the way."),
    "wait": _("The required trials are not all run yet."),
    "publish": _("Publish it."),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody's turn: of ``people`` (primary keys), or of all who may do ``action`` in the tree
    but ``without`` these. Where both are empty the service itself is at work.
    """

    change: ChangeRequest
    code: str
    since: datetime
    people: frozenset[int] = frozenset()
    action: str = ""
    without: frozenset[int] = frozenset()

    @property
    def why(self) -> str:
        return str(WORDS[self.code])


def open_changes() -> QuerySet[ChangeRequest]:
    """The open change requests with all that :func:`turns_of` asks of them, without content."""
    return _told().prefetch_related(*_taking_part())


def open_ones(rows: Iterable[ChangeRequest]) -> list[ChangeRequest]:
    """Those of a list's rows that are open, now with all that :func:`turns_of` asks of them."""
    by_key = {change.pk: change for change in rows}
    found = []
    for known in _told().filter(pk__in=by_key).values("pk", *_TOLD):
        change = by_key[known["pk"]]
        for name in _TOLD:
            setattr(change, name, known[name])
        found.append(change)
    prefetch_related_objects(found, *_taking_part())
    return found


def _taking_part() -> tuple[str | Prefetch[Any], ...]:
    given = Review.objects.exclude(verdict=Review.Verdict.COMMENT).order_by("id")
    reviewing = Membership.objects.filter(role__in=ROLES["review"])
    return (
        "editors",
        Prefetch("requested", ReviewRequest.objects.select_related("reviewer")),
        Prefetch("reviews", given.select_related("reviewer"), to_attr="votes"),
        Prefetch("release__tree__memberships", reviewing, to_attr="reviewing"),
    )


#: What :func:`_told` tells beside a change request's own columns.
_TOLD = ("newest_revision", "has_begun", "newest_published", "open_threads")


def _told() -> QuerySet[ChangeRequest]:
    """The open change requests, and what is known of each without asking who took part."""
    newest = Revision.objects.filter(release=OuterRef("release")).order_by("-number")
    threads = (
        Thread.objects.filter(change_request=OuterRef("pk"), resolved_at=None)
        .filter(comments__published_at__isnull=False)
        .order_by()
        .values("change_request")
        .annotate(count=Count("pk", distinct=True))
        .values("count")
    )
    return (
        ChangeRequest.objects.filter(status__in=ChangeRequest.OPEN)
        .select_related("release__tree", "author")
        .defer("content")
        .annotate(
            newest_revision=Subquery(newest.values("pk")[:1]),
            has_begun=Exists(BegunBackport.objects.filter(change_request=OuterRef("pk"))),
            newest_published=Subquery(newest.values("published_at")[:1]),
            open_threads=Coalesce(
                Subquery(threads, output_field=IntegerField()), Value(0, IntegerField())
            ),
        )
    )


def turns_of(change: ChangeRequest) -> list[Turn]:
    """Whose turn it is; empty where it is closed. ``change`` is one of :func:`open_changes`."""
    author = frozenset({change.author_id})
    if change.status == Status.DRAFT:
        code = "resume" if change.has_begun else "finish"  # type: ignore[attr-defined]
        return [Turn(change, code, change.status_since, author)]
    if change.status == Status.CHANGES_REQUESTED:
        return [Turn(change, "correct", change.status_since, author)]
    if change.status == Status.SUBMITTED:
        return _reviewing(change)
    if change.status == Status.APPROVED:
        return [_publishing(change, author)]
    return []


# A list has fetched for all of its rows who took part; of a single one its page asks that anyway.


def _votes(change: ChangeRequest, verdict: str) -> dict[int, Review]:
    """Who voted so last on the present content."""
    if hasattr(change, "votes"):
        newest = votes.standing_of(change, change.votes)
    else:
        newest = votes.standing_votes(change)
    return {pk: vote for pk, vote in newest.items() if vote.verdict == verdict}


def _may_review(change: ChangeRequest, person: User) -> bool:
    """Whoever lost the role cannot be waited for."""
    tree = change.release.tree
    if not hasattr(tree, "reviewing"):
        return may(person, "review", tree)
    held = person.is_superuser or person.pk in {item.user_id for item in tree.reviewing}
    return person.is_active and held


def _writers(change: ChangeRequest) -> frozenset[int]:
    if hasattr(change, "votes"):
        return frozenset({change.author_id, *(editor.pk for editor in change.editors.all())})
    return votes.writers(change)


def _requested(change: ChangeRequest) -> Iterable[ReviewRequest]:
    return change.requested.all() if hasattr(change, "votes") else votes.who_was_asked(change)


def _reviewing(change: ChangeRequest) -> list[Turn]:
    since = max(change.status_since, change.edited_at)
    approved = _votes(change, Review.Verdict.APPROVE)
    done = {*_writers(change), *approved}
    asked = [
        Turn(change, "review", max(since, item.requested_at), frozenset({item.reviewer_id}))
        for item in _requested(change)
        if item.reviewer_id not in done and _may_review(change, item.reviewer)
    ]
    if asked:
        return asked
    last = max([since, *(vote.created_at for vote in approved.values())])
    return [Turn(change, "review", last, action="review", without=frozenset(done))]


def _publishing(change: ChangeRequest, author: frozenset[int]) -> Turn:
    since = change.status_since
    if objections := _votes(change, Review.Verdict.REQUEST_CHANGES):
        theirs = {pk for pk, vote in objections.items() if _may_review(change, vote.reviewer)}
        if not theirs:  # nobody can take it back: other content voids it
            return Turn(change, "correct", since, author)
        return Turn(change, "review", since, frozenset(theirs))
    if change.newest_revision != change.base_revision_id:  # type: ignore[attr-defined]
        return Turn(change, "rebase", max(since, change.newest_published), author)  # type: ignore[attr-defined]
    if change.open_threads:  # type: ignore[attr-defined]
        return Turn(change, "answer", since, author)
    if change.trials_digest == change.digest:
        if change.trials_standing == ChangeRequest.Standing.BROKEN:
            return Turn(change, "mend", since, author)
        if change.trials_standing == ChangeRequest.Standing.OPEN:
            return Turn(change, "wait", since)
    return Turn(change, "publish", since, action="publish")


def of_one(change: ChangeRequest) -> list[Turn]:
    """Whose turn this change request is, as the database has it now."""
    if is_looking() and change.is_open:
        return turns_of(_known(change))
    found = _told().filter(pk=change.pk).first()
    return turns_of(found) if found is not None else []


def _known(change: ChangeRequest) -> ChangeRequest:
    """The change request with what its page has asked of it anyway."""
    newest = state.newest_revision(change.release)
    change.newest_revision = newest.pk if newest is not None else None  # type: ignore[attr-defined]
    change.newest_published = newest.published_at if newest is not None else None  # type: ignore[attr-defined]
    counted = numbers(change)
    change.open_threads = counted.open_threads  # type: ignore[attr-defined]
    change.has_begun = bool(counted.begun)  # type: ignore[attr-defined]
    return change


def your_turns(user: User | AnonymousUser) -> list[Turn]:
    """What waits for this person, the one that has waited longest first."""
    if not user.is_active or user.pk is None:
        return []
    allowed = {action: trees_where(user, action) for action in ("review", "publish")}
    found = [
        turn
        for change in _concerning(user, allowed)
        for turn in turns_of(change)
        if _is_for(turn, user.pk, allowed)
    ]
    return sorted(found, key=lambda turn: turn.since)


def _concerning(
    user: User | AnonymousUser, allowed: Mapping[str, frozenset[int]]
) -> QuerySet[ChangeRequest]:
    """Only those that may be theirs, so that others' drafts are not even read."""
    asked = ReviewRequest.objects.filter(reviewer=user.pk)
    in_review = Q(status=Status.SUBMITTED) & (
        Q(release__tree__in=allowed["review"]) | Q(pk__in=asked.values("change_request"))
    )
    to_publish = Q(status=Status.APPROVED, release__tree__in=allowed["publish"])
    return open_changes().filter(Q(author=user.pk) | in_review | to_publish)


def _is_for(turn: Turn, user: int, allowed: Mapping[str, frozenset[int]]) -> bool:
    if turn.action:
        return user not in turn.without and turn.change.release.tree_id in allowed[turn.action]
    return user in turn.people


def people_of(turns: Iterable[Turn]) -> dict[int, tuple[User, Turn]]:
    """Everybody whose turn one of these is, by primary key. Superusers are not taken for a role."""
    turns = list(turns)
    named = {pk for turn in turns for pk in turn.people}
    found: dict[int, tuple[User, Turn]] = {}
    users = User.objects.in_bulk(named)
    for turn in turns:
        persons = [users[pk] for pk in turn.people if pk in users]
        if turn.action:
            persons = list(holders(turn.change.release.tree_id, turn.action))
        for person in persons:
            if person.is_active and person.pk not in turn.without:
                found.setdefault(person.pk, (person, turn))
    return found


def holders(tree: int, action: str) -> QuerySet[User]:
    """The active people whose roles in the tree allow the action, by name."""
    held = User.objects.filter(memberships__tree=tree, memberships__role__in=ROLES[action])
    return held.filter(is_active=True).distinct().order_by("username")
