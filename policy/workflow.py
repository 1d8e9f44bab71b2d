"""The only place that changes a change request's status.

    action            from                         to                  who
    submit            draft, changes requested     in review           maintainer
    approve           in review, approved          approved            reviewer (four eyes)
    request-changes   in review, approved          changes requested   reviewer, but the author
    publish           approved                     published           release manager
    withdraw          any of the open ones         withdrawn           author, administrator
    (an edit)         approved                     in review           see policy.drafts

An approval names the digest of the content that was read. Four eyes means persons: neither the
author nor anyone who edited the content approves it, whatever roles they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from machines.catalogue import NoCatalogue
from policy import audit, drafts, revisions, state, trials
from policy.differences import compare
from policy.edits.checks import words
from policy.errors import Conflict, Forbidden, Invalid
from policy.exporters import formats
from policy.models import ChangeRequest, Review, Revision
from policy.permissions import may, require, trees_where
from policy.signals import bundle_required

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Status = ChangeRequest.Status
Verdict = Review.Verdict


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table above. ``role`` is an action of :mod:`policy.permissions`."""

    sources: frozenset[str]
    target: str
    role: str


TRANSITIONS: dict[str, Transition] = {
    "submit": Transition(
        frozenset({Status.DRAFT, Status.CHANGES_REQUESTED}), Status.SUBMITTED, "edit"
    ),
    "approve": Transition(
        frozenset({Status.SUBMITTED, Status.APPROVED}), Status.APPROVED, "review"
    ),
    "request-changes": Transition(
        frozenset({Status.SUBMITTED, Status.APPROVED}), Status.CHANGES_REQUESTED, "review"
    ),
    "publish": Transition(frozenset({Status.APPROVED}), Status.PUBLISHED, "publish"),
    "withdraw": Transition(frozenset(drafts.OPEN), Status.WITHDRAWN, "view"),
}
#: What people may do with an open change request besides moving it on: action → role.
OTHER_ACTIONS = {"edit": "edit", "comment": "view"}


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a change request cannot be published now.

    ``code``: status, approval, objection, outdated, export, trials.
    """

    code: str
    text: str


# --- Moving on ------------------------------------------------------------------------------------


def submit(change: ChangeRequest, actor: User) -> ChangeRequest:
    """Ask for review, and for the trials that the change needs. Raises Forbidden, Invalid."""
    with transaction.atomic():
        present = drafts.fresh(change)
        require(actor, "edit", present.release.tree)
        _check_changes_something(present)
        moved = _move(present, actor, "submit", submitted_at=timezone.now())
        trials.enqueue_missing(moved, actor)
        _record(actor, "submit", present, moved)
    return moved


def approve(change: ChangeRequest, actor: User, digest: str, text: str = "") -> ChangeRequest:
    """Approve exactly the content with this digest.

    Raises Forbidden for the author and everyone who edited, Conflict where the content is another
    by now.
    """
    with transaction.atomic():
        present = drafts.fresh(change)
        require(actor, "review", present.release.tree)
        moved = _move(present, actor, "approve", digest=_named(digest))
        # Asked after the row is ours: an edit that commits before has recorded its editor.
        if reason := _not_four_eyes(moved, actor):
            raise Forbidden(reason)
        _vote(moved, actor, Verdict.APPROVE, text)
        _record(actor, "approve", present, moved, text=text)
    return moved


def request_changes(change: ChangeRequest, actor: User, digest: str, text: str) -> ChangeRequest:
    """Send the change back to its author, with a reason. Raises as :func:`approve`."""
    if not text.strip():
        raise Invalid("Say what should change.", field="text")
    with transaction.atomic():
        present = drafts.fresh(change)
        require(actor, "review", present.release.tree)
        if present.author_id == actor.pk:
            raise Forbidden("You wrote this change: edit it instead.")
        moved = _move(present, actor, "request-changes", digest=_named(digest))
        _vote(moved, actor, Verdict.REQUEST_CHANGES, text)
        _record(actor, "request changes", present, moved, text=text)
    return moved


def comment(change: ChangeRequest, actor: User, text: str) -> Review:
    """Say something about the change; anyone who may see it may."""
    if not text.strip():
        raise Invalid("Write something.", field="text")
    with transaction.atomic():
        present = drafts.fresh(change)
        require(actor, "view", present.release.tree)
        if not present.is_open:
            raise Invalid(f"The change request is {present.get_status_display()}.")
        review = _vote(present, actor, Verdict.COMMENT, text)
        audit.record(actor, "comment", present, after={"text": review.text})
    return review


def withdraw(change: ChangeRequest, actor: User) -> ChangeRequest:
    """Give the change up. Only its author and an administrator of the tree may."""
    with transaction.atomic():
        present = drafts.fresh(change)
        if not _may_withdraw(present, actor):
            raise Forbidden("Only its author or an administrator withdraws a change request.")
        moved = _move(present, actor, "withdraw")
        _record(actor, "withdraw", present, moved)
    return moved


def publish(change: ChangeRequest, actor: User) -> Revision:
    """Make the change the release's next revision, which never changes again.

    Raises Forbidden, Invalid with everything that stands in the way, or Conflict where another
    change of the release was published at the same moment.
    """
    try:
        with transaction.atomic():
            return _publish(change, actor)
    except IntegrityError as error:
        raise Conflict(
            "Another change of this release was published at the same moment.",
            current_version=drafts.fresh(change).lock_version,
        ) from error


def _publish(change: ChangeRequest, actor: User) -> Revision:
    present = drafts.fresh(change)
    require(actor, "publish", present.release.tree)
    # The row first: of two that publish the same change, one finds it approved.
    moved = _move(present, actor, "publish", digest=present.digest)
    if obstacles := tuple(b for b in blockers(moved) if b.code != "status"):
        raise Invalid("It cannot be published yet: " + " ".join(b.text for b in obstacles))
    revision = revisions.make(moved, actor, approvals(moved))
    ChangeRequest.objects.filter(pk=moved.pk).update(revision=revision)
    moved.revision = revision
    bundle_required.send(sender=Revision, revision=revision, user=actor)
    _record(actor, "publish", present, moved, revision=str(revision), sha256=revision.digest)
    return revision


def _named(digest: str) -> str:
    """A vote that names no content would count for whatever is there."""
    if not digest:
        raise Invalid("Name the digest of the content that you read.", field="digest")
    return digest


def _move(
    change: ChangeRequest, actor: User, action: str, digest: str = "", **values: Any
) -> ChangeRequest:
    """Change the status by one conditional UPDATE: nothing else in the program does."""
    transition = TRANSITIONS[action]
    if digest and change.digest != digest:
        raise _edited_since(change)
    rows = ChangeRequest.objects.filter(
        pk=change.pk, status__in=transition.sources, digest=change.digest
    )
    if rows.update(status=transition.target, updated_at=timezone.now(), **values):
        return drafts.fresh(change)
    present = drafts.fresh(change)
    if present.digest != change.digest:
        raise _edited_since(present)
    raise Invalid(_why_not(action, present))


def _edited_since(present: ChangeRequest) -> Conflict:
    return Conflict(
        "The content was edited after you looked at it: read the present one.",
        current_version=present.lock_version,
    )


def _why_not(action: str, change: ChangeRequest) -> str:
    sources = TRANSITIONS[action].sources
    needed = [str(Status(value).label) for value in Status.values if value in sources]
    return (
        f"The change request is {change.get_status_display()}; "
        f"{action} needs it to be {' or '.join(needed)}."
    )


def _vote(change: ChangeRequest, actor: User, verdict: str, text: str) -> Review:
    return Review.objects.create(
        change_request=change,
        reviewer=actor,
        verdict=verdict,
        digest=change.digest,
        text=words(text, "text"),
    )


def _record(
    actor: User, action: str, before: ChangeRequest, after: ChangeRequest, **more: str
) -> None:
    audit.record(
        actor,
        action,
        after,
        before={"status": before.status},
        after={"status": after.status, "digest": after.digest, **more},
    )


def _check_changes_something(change: ChangeRequest) -> None:
    # A first policy may be published as it was seeded: the release has none without it.
    if change.base_revision is not None and not compare(state.baseline(change), change.policy):
        raise Invalid("It changes nothing yet.")


# --- Four eyes and what else stands in the way ----------------------------------------------------


def _not_four_eyes(change: ChangeRequest, user: User | AnonymousUser) -> str:
    """Why this person may not approve; empty where they may."""
    if change.author_id == user.pk:
        return "You wrote this change: someone else has to approve it."
    if user.pk is not None and change.editors.filter(pk=user.pk).exists():
        return "You edited this change: someone else has to approve it."
    return ""


def _has_approved(change: ChangeRequest, user: User | AnonymousUser) -> bool:
    """Does the person's approval of the present content stand already?"""
    vote = standing_votes(change).get(user.pk or 0)
    approved = vote is not None and vote.verdict == Verdict.APPROVE
    return approved and change.status == Status.APPROVED


def _may_withdraw(change: ChangeRequest, user: User | AnonymousUser) -> bool:
    return user.is_active and (
        change.author_id == user.pk or may(user, "administer", change.release.tree)
    )


def standing_votes(change: ChangeRequest) -> dict[int, Review]:
    """The newest vote of each reviewer on exactly the present content."""
    votes = change.reviews.filter(digest=change.digest).exclude(verdict=Verdict.COMMENT)
    return {vote.reviewer_id: vote for vote in votes.select_related("reviewer").order_by("id")}


def approvals(change: ChangeRequest) -> list[Review]:
    """The approvals that hold: of the present content, by people who had no part in writing it."""
    writers = {change.author_id, *change.editors.values_list("pk", flat=True)}
    return [
        vote
        for vote in standing_votes(change).values()
        if vote.verdict == Verdict.APPROVE and vote.reviewer_id not in writers
    ]


def blockers(change: ChangeRequest) -> tuple[Blocker, ...]:
    """Everything that keeps an open change request from being published, most urgent first."""
    found = []
    if change.status != Status.APPROVED:
        found.append(Blocker("status", f"It is {change.get_status_display()}, not approved."))
    if not approvals(change):
        found.append(Blocker("approval", "Nobody has approved the present content."))
    found += [
        Blocker("objection", f"{vote.reviewer} requested changes to the present content.")
        for vote in standing_votes(change).values()
        if vote.verdict == Verdict.REQUEST_CHANGES
    ]
    newest = state.newest_revision(change.release)
    if (newest.pk if newest is not None else None) != change.base_revision_id:
        text = f"It was not made from {newest}, the newest revision: rebase it."
        found.append(Blocker("outdated", text))
    return (*found, *_export_blockers(change), *_trial_blockers(change))


def _export_blockers(change: ChangeRequest) -> list[Blocker]:
    """An entry from a C array may hold what some format cannot: that would make no bundle."""
    entries = dict.fromkeys(entry for item in change.policy.machine_types for entry in item.entries)
    return [Blocker("export", f"{text}.") for text in formats.problems(tuple(entries))]


def _trial_blockers(change: ChangeRequest) -> list[Blocker]:
    try:
        needed = trials.required(change)
    except NoCatalogue as error:
        return [Blocker("trials", str(error))]
    sentences = {
        "not-run": "{} was not run yet.",
        "running": "{} is running.",
        "could-not-run": "{} could not run: {}",
        "differs": "{} was {}, declared is {}.",
    }
    found = []
    for item in needed:
        want = item.required
        name = f"The trial {want.source} → {want.destination} {want.machine_type}".strip()
        trial = item.trial
        if item.verdict == "could-not-run":
            details: tuple[str, ...] = (item.problem or (trial.error if trial else ""),)
        else:
            details = (trial.outcome if trial else "", want.expected)
        if item.verdict != "passed":
            text = sentences[item.verdict].format(name, *details)
            found.append(Blocker("trials", text))
    return found


def available(change: ChangeRequest, user: User | AnonymousUser) -> frozenset[str]:
    """What the person may do with the change now: actions of :data:`TRANSITIONS`, "edit",
    "comment", "run-trials". What still stands in the way of "publish", :func:`blockers` tells."""
    tree = change.release.tree
    if not change.is_open or not user.is_active:
        return frozenset()
    roles = {role for role in ("view", "edit", "review", "publish") if may(user, role, tree)}
    found = {action for action, role in OTHER_ACTIONS.items() if role in roles}
    found |= {
        action
        for action, transition in TRANSITIONS.items()
        if change.status in transition.sources and transition.role in roles
    }
    if "approve" in found and (_not_four_eyes(change, user) or _has_approved(change, user)):
        found.discard("approve")
    if change.author_id == user.pk:
        found.discard("request-changes")
    if not _may_withdraw(change, user):
        found.discard("withdraw")
    if roles - {"view"}:
        found.add("run-trials")
    return frozenset(found)


def your_turn(user: User | AnonymousUser) -> list[tuple[ChangeRequest, str]]:
    """The open change requests that wait for this person, and what for; the oldest first."""
    if not user.is_active:
        return []
    reviews, publishes = trees_where(user, "review"), trees_where(user, "publish")
    waiting = (
        ChangeRequest.objects.filter(status__in=drafts.OPEN)
        .select_related("release__tree", "author")
        .prefetch_related("editors")
        .order_by("updated_at")
    )
    turns = []
    for change in waiting:
        writers = {change.author_id, *(editor.pk for editor in change.editors.all())}
        tree = change.release.tree_id
        if change.author_id == user.pk and change.status == Status.DRAFT:
            turns.append((change, "Finish it and submit it for review."))
        elif change.author_id == user.pk and change.status == Status.CHANGES_REQUESTED:
            turns.append((change, "A reviewer requested changes."))
        elif change.status == Status.SUBMITTED and tree in reviews and user.pk not in writers:
            turns.append((change, "Review it."))
        elif change.status == Status.APPROVED and tree in publishes:
            turns.append((change, "Publish it."))
    return turns
