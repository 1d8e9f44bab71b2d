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
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from machines.looks import is_looking
from policy import state
from policy.models import BegunBackport, ChangeRequest, Review, ReviewRequest, Revision, Thread
from policy.numbers import numbers
from policy.permissions import ROLES, trees_where
from policy.review import involved, votes
from policy.review.involved import Involved

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
    """Somebody's turn: of ``people`` (primary key → login name), or of all who may do ``action`` in
    the tree but ``without`` these. Where both are empty the service itself is at work.
    """

    change: ChangeRequest
    code: str
    since: datetime
    people: Mapping[int, str] = field(default_factory=dict)
    action: str = ""
    without: frozenset[int] = frozenset()

    @property
    def why(self) -> str:
        return str(WORDS[self.code])


class Facts(NamedTuple):
    """What decides besides a change request's own columns and the people: its release's newest
    revision (primary key) and when that was published, whether a backport is begun in it, and its
    open threads.
    """

    newest_revision: int | None
    newest_published: datetime | None
    has_begun: bool
    open_threads: int


def of_one(change: ChangeRequest) -> list[Turn]:
    """Whose turn this change request is; where no page looks at it, as the database has it now."""
    if is_looking() and change.is_open:
        people = involved.in_one(change) if change.status in _WITH_PEOPLE else None
        return _turns_of(change, _facts_of(change), people)
    found = _open_ones().filter(pk=change.pk).first()
    return of_many([found])[found.pk] if found is not None else []


def of_many(changes: Iterable[ChangeRequest]) -> dict[int, list[Turn]]:
    """Primary key of each open one → whose turn it is. They have their release and author."""
    rows = [change for change in changes if change.is_open]
    asked = _with_facts(ChangeRequest.objects.filter(pk__in=[change.pk for change in rows]))
    facts = {key: Facts(*told) for key, *told in asked.values_list("pk", *Facts._fields)}
    return _turns_of_all([change for change in rows if change.pk in facts], facts)


def of_all_open() -> list[tuple[ChangeRequest, list[Turn]]]:
    """Every open change request, without its content, and whose turn it is."""
    rows = list(_open_ones())
    found = of_many(rows)
    return [(change, found.get(change.pk, [])) for change in rows]


def your_turns(user: User | AnonymousUser) -> list[Turn]:
    """What waits for this person, the one that has waited longest first."""
    if not user.is_active or user.pk is None:
        return []
    allowed = {action: trees_where(user, action) for action in ("review", "publish")}
    rows = list(_with_facts(_concerning(user, allowed)))
    facts = {row.pk: Facts(*(getattr(row, name) for name in Facts._fields)) for row in rows}
    found = [
        turn
        for turns in _turns_of_all(rows, facts).values()
        for turn in turns
        if _is_for(turn, user.pk, allowed)
    ]
    return sorted(found, key=lambda turn: turn.since)


def _open_ones() -> QuerySet[ChangeRequest]:
    rows = ChangeRequest.objects.filter(status__in=ChangeRequest.OPEN)
    return rows.select_related("release__tree", "author").defer("content")


def _with_facts(rows: QuerySet[ChangeRequest]) -> QuerySet[ChangeRequest]:
    """The rows with a column for each of the :class:`Facts`."""
    newest = Revision.objects.filter(release=OuterRef("release")).order_by("-number")
    threads = (
        Thread.objects.filter(change_request=OuterRef("pk"), resolved_at=None)
        .filter(comments__published_at__isnull=False)
        .order_by()
        .values("change_request")
        .annotate(count=Count("pk", distinct=True))
        .values("count")
    )
    return rows.annotate(
        newest_revision=Subquery(newest.values("pk")[:1]),
        newest_published=Subquery(newest.values("published_at")[:1]),
        has_begun=Exists(BegunBackport.objects.filter(change_request=OuterRef("pk"))),
        open_threads=Coalesce(
            Subquery(threads, output_field=IntegerField()), Value(0, IntegerField())
        ),
    )


def _facts_of(change: ChangeRequest) -> Facts:
    """The facts of the change request whose page has asked for them anyway."""
    newest = state.newest_revision(change.release)
    counted = numbers(change)
    return Facts(
        newest.pk if newest is not None else None,
        newest.published_at if newest is not None else None,
        bool(counted.begun),
        counted.open_threads,
    )


def _concerning(
    user: User | AnonymousUser, allowed: Mapping[str, frozenset[int]]
) -> QuerySet[ChangeRequest]:
    """Only those that may be theirs, so that others' drafts are not even read."""
    asked = ReviewRequest.objects.filter(reviewer=user.pk)
    in_review = Q(status=Status.SUBMITTED) & (
        Q(release__tree__in=allowed["review"]) | Q(pk__in=asked.values("change_request"))
    )
    to_publish = Q(status=Status.APPROVED, release__tree__in=allowed["publish"])
    return _open_ones().filter(Q(author=user.pk) | in_review | to_publish)


def _is_for(turn: Turn, user: int, allowed: Mapping[str, frozenset[int]]) -> bool:
    if turn.action:
        return user not in turn.without and turn.change.release.tree_id in allowed[turn.action]
    return user in turn.people


# --- The table ------------------------------------------------------------------------------------

#: Where votes and requests decide; elsewhere it is the author's turn, whoever else takes part.
_WITH_PEOPLE = (Status.SUBMITTED, Status.APPROVED)


def _turns_of_all(
    changes: Iterable[ChangeRequest], facts: Mapping[int, Facts]
) -> dict[int, list[Turn]]:
    changes = list(changes)
    people = involved.in_many(change for change in changes if change.status in _WITH_PEOPLE)
    return {
        change.pk: _turns_of(change, facts[change.pk], people.get(change.pk)) for change in changes
    }


def _turns_of(change: ChangeRequest, facts: Facts, people: Involved | None) -> list[Turn]:
    author = _author(change)
    if change.status == Status.DRAFT:
        code = "resume" if facts.has_begun else "finish"
        return [Turn(change, code, change.status_since, author)]
    if change.status == Status.CHANGES_REQUESTED:
        return [Turn(change, "correct", change.status_since, author)]
    if people is None:
        return []
    if change.status == Status.SUBMITTED:
        return _reviewing(change, people)
    return [_publishing(change, facts, people)]


def _author(change: ChangeRequest) -> dict[int, str]:
    return {change.author_id: change.author.username}


def _voted(change: ChangeRequest, people: Involved, verdict: str) -> dict[int, datetime]:
    """Who voted so last on the present content, and when."""
    newest = votes.standing_of(change, people.votes)
    return {pk: vote.created_at for pk, vote in newest.items() if vote.verdict == verdict}


def _reviewing(change: ChangeRequest, people: Involved) -> list[Turn]:
    since = max(change.status_since, change.edited_at)
    approved = _voted(change, people, Review.Verdict.APPROVE)
    done = people.writers | approved.keys()
    asked = [
        Turn(change, "review", max(since, at), {pk: people.names[pk]})
        for pk, at in people.asked
        if pk not in done and pk in people.able
    ]
    if asked:
        return asked
    last = max([since, *approved.values()])
    return [Turn(change, "review", last, action="review", without=done)]


def _publishing(change: ChangeRequest, facts: Facts, people: Involved) -> Turn:
    since, author = change.status_since, _author(change)
    if objections := _voted(change, people, Review.Verdict.REQUEST_CHANGES):
        theirs = {pk: people.names[pk] for pk in objections if pk in people.able}
        if not theirs:  # nobody can take it back: other content voids it
            return Turn(change, "correct", since, author)
        return Turn(change, "review", since, theirs)
    if facts.newest_revision != change.base_revision_id:
        published = facts.newest_published or since
        return Turn(change, "rebase", max(since, published), author)
    if facts.open_threads:
        return Turn(change, "answer", since, author)
    if change.trials_digest == change.digest:
        if change.trials_standing == ChangeRequest.Standing.BROKEN:
            return Turn(change, "mend", since, author)
        if change.trials_standing == ChangeRequest.Standing.OPEN:
            return Turn(change, "wait", since)
    return Turn(change, "publish", since, action="publish")


# --- The people -----------------------------------------------------------------------------------


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
