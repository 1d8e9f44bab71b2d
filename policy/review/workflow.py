"""The only place that changes a change request's status.

    action            from                         to                  who
    submit            draft, changes requested     in review           maintainer
    approve           in review, approved          approved            reviewer (four eyes)
    request-changes   in review, approved          changes requested   reviewer, but the author
    publish           approved                     published           release manager
    withdraw          any of the open ones         withdrawn           author, administrator
    (an edit)         approved                     in review           see policy.drafts

A tree may ask for up to three approvals: before the last one of them the change stays in review.
An approval names the digest of the content that was read. Four eyes means persons: neither the
author nor anyone who edited the content approves it, whatever roles they hold.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from machines.models import Tree
from policy import audit, drafts, state, trials
from policy.document.differences import compare
from policy.errors import Conflict, Forbidden, Invalid
from policy.inputs import words
from policy.messages import notices, webhooks
from policy.models import (
    ChangeRequest,
    Comment,
    Notice,
    Review,
    ReviewRules,
    Revision,
)
from policy.permissions import may, require
from policy.publishing import revisions
from policy.review import discussion, standing
from policy.review.blockers import blockers
from policy.review.votes import (
    approvals,
    approvals_needed,
    not_four_eyes,
    standing_votes,
    who_was_asked,
)
from policy.signals import bundle_required

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

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
OTHER_ACTIONS = {
    "edit": "edit",
    "comment": "view",
    "request-review": "edit",
    "withdraw-request": "view",
}
#: Whoever has one of these roles in the tree may ask for its trials.
_PARTS = ("edit", "review", "publish")


# --- Moving on ------------------------------------------------------------------------------------


def submit(change: ChangeRequest, actor: User) -> ChangeRequest:
    """Ask for review, and for the trials that the change needs. Raises Forbidden, Invalid."""
    with notices.told(change, actor):
        present = drafts.fresh(change)
        require(actor, "edit", present.release.tree)
        _check_changes_something(present)
        moved = _move(present, actor, "submit", submitted_at=timezone.now())
        trials.enqueue_missing(moved, actor)
        standing.note(moved)
        _record(actor, "submit", present, moved)
    return moved


def approve(change: ChangeRequest, actor: User, digest: str, text: str = "") -> ChangeRequest:
    """Approve exactly the content with this digest; what the person drafted is published with it.

    Raises Forbidden for the author and everyone who edited, Conflict where the content is another
    by now.
    """
    with notices.told(change, actor) as news:
        present = drafts.fresh(change)
        require(actor, "review", present.release.tree)
        # The row first: an edit that commits before has recorded its editor, and voids this.
        moved = _move(present, actor, "approve", digest=_named(digest), status=present.status)
        if reason := not_four_eyes(moved, actor):
            raise Forbidden(reason)
        review, said = _vote(moved, actor, Verdict.APPROVE, text)
        moved = _settle(moved)
        news.tell(Notice.Kind.DISCUSSION, f"{actor} approved", _all_said(review, said))
        _record(actor, "approve", present, moved, text=text, comments=discussion.told(said))
    return moved


def request_changes(change: ChangeRequest, actor: User, digest: str, text: str) -> ChangeRequest:
    """Send the change back to its author, with a reason. Raises as :func:`approve`."""
    if not text.strip():
        raise Invalid("Say what should change.", field="text")
    with notices.told(change, actor) as news:
        present = drafts.fresh(change)
        require(actor, "review", present.release.tree)
        if present.author_id == actor.pk:
            raise Forbidden("You wrote this change: edit it instead.")
        moved = _move(present, actor, "request-changes", digest=_named(digest))
        review, said = _vote(moved, actor, Verdict.REQUEST_CHANGES, text)
        news.tell(Notice.Kind.DISCUSSION, f"{actor} requested changes", _all_said(review, said))
        told = discussion.told(said)
        _record(actor, "request changes", present, moved, text=text, comments=told)
    return moved


def comment(change: ChangeRequest, actor: User, text: str) -> Review:
    """Say something about the whole, and publish what the person drafted; anyone who sees it may.

    What is said here needs no answer; a question is drafted (:func:`policy.review.discussion.ask`).
    """
    with notices.told(change, actor) as news:
        present = drafts.fresh(change)
        require(actor, "view", present.release.tree)
        drafts.check_open(present)
        if not text.strip() and not discussion.drafts_of(present, actor).exists():
            raise Invalid("Write something.", field="text")
        if present.reviews.filter(verdict=Verdict.COMMENT).count() >= discussion.MAX_SAID:
            raise Invalid(f"A change request has at most {discussion.MAX_SAID} comments.")
        review, said = _vote(present, actor, Verdict.COMMENT, text)
        news.tell(Notice.Kind.DISCUSSION, f"{actor} commented", _all_said(review, said))
        after = {"text": review.text, "comments": discussion.told(said)}
        audit.record(actor, "comment", present, after=after)
    return review


def withdraw(change: ChangeRequest, actor: User) -> ChangeRequest:
    """Give the change up. Only its author and an administrator of the tree may."""
    with notices.told(change, actor) as news:
        present = drafts.fresh(change)
        if not _may_withdraw(present, actor):
            raise Forbidden("Only its author or an administrator withdraws a change request.")
        moved = _move(present, actor, "withdraw")
        news.tell(Notice.Kind.OUTCOME, f"{actor} withdrew it")
        _record(actor, "withdraw", present, moved)
    return moved


def run_trials(change: ChangeRequest, actor: User) -> int:
    """Ask for the trials that the change needs and lacks. Returns how many wait to be run."""
    with notices.told(change, actor):
        waiting = trials.enqueue_missing(change, actor)
        standing.note(drafts.fresh(change))
        if waiting:
            audit.record(actor, "run trials", change, after={"trials": len(waiting)})
    return len(waiting)


# --- How many approvals a tree needs --------------------------------------------------------------


def set_approvals(tree: Tree, actor: User, number: int) -> None:
    """Say how many approvals changes of a tree need: 1 to 3. Its administrators may.

    What is in review or approved at that moment is judged again by the new number.
    """
    require(actor, "administer", tree)
    if not 1 <= number <= ReviewRules.MOST_APPROVALS:
        raise Invalid(f"1 to {ReviewRules.MOST_APPROVALS}.", field="approvals")
    with transaction.atomic():
        before = approvals_needed(tree)
        if number == before:
            return
        rules, _ = ReviewRules.objects.update_or_create(tree=tree, defaults={"approvals": number})
        for change in ChangeRequest.objects.filter(
            release__tree=tree, status__in=TRANSITIONS["approve"].sources
        ):
            with notices.told(change, actor):
                present = drafts.fresh(change)
                moved = _settle(present)
                if moved.status != present.status:
                    _record(actor, "approvals needed", present, moved)
        audit.record(
            actor, "set approvals", rules, before={"approvals": before}, after={"approvals": number}
        )


def _settle(change: ChangeRequest) -> ChangeRequest:
    """Approved is what has enough approvals; with fewer it is in review."""
    enough = len(approvals(change)) >= approvals_needed(change.release.tree)
    status = Status.APPROVED if enough else Status.SUBMITTED
    if change.status == status or change.status not in TRANSITIONS["approve"].sources:
        return change
    ChangeRequest.objects.filter(pk=change.pk, digest=change.digest).update(
        status=status, status_since=timezone.now()
    )
    return drafts.fresh(change)


# --- Publishing -----------------------------------------------------------------------------------


def publish(change: ChangeRequest, actor: User) -> Revision:
    """Make the change the release's next revision, which never changes again.

    Raises Forbidden, Invalid with everything that stands in the way, or Conflict where another
    change of the release was published at the same moment.
    """
    # Whoever has another approved change of this release has to rebase it now.
    others = ChangeRequest.objects.filter(release=change.release_id, status=Status.APPROVED)
    try:
        with notices.told(change, actor) as news, contextlib.ExitStack() as stack:
            for other in others.exclude(pk=change.pk).defer("content"):
                stack.enter_context(notices.told(other, actor))
            revision = _publish(change, actor)
            news.tell(Notice.Kind.OUTCOME, f"{actor} published it as {revision}")
            webhooks.tell_published(revision, drafts.fresh(change))
            return revision
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
    """Change the status by one conditional UPDATE. Whoever has done so holds the row."""
    transition = TRANSITIONS[action]
    if digest and change.digest != digest:
        raise _edited_since(change)
    rows = ChangeRequest.objects.filter(
        pk=change.pk, status__in=transition.sources, digest=change.digest
    )
    now = timezone.now()
    written = {"status": transition.target, "updated_at": now, **values}
    if written["status"] != change.status:
        written["status_since"] = now
    if rows.update(**written):
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


def _vote(
    change: ChangeRequest, actor: User, verdict: str, text: str
) -> tuple[Review, list[Comment]]:
    """Write a vote or a comment down, and publish with it what the person drafted."""
    review = Review.objects.create(
        change_request=change,
        reviewer=actor,
        verdict=verdict,
        digest=change.digest,
        text=words(text, "text"),
    )
    return review, discussion.publish(change, actor, review)


def _all_said(review: Review, comments: list[Comment]) -> str:
    """The words of a vote and of all that was published with it, for a mail."""
    said = [review.text] if review.text else []
    said += [f"{item.thread.label or 'On the whole'}:\n{item.text}" for item in comments]
    return "\n\n".join(said)


def _record(
    actor: User, action: str, before: ChangeRequest, after: ChangeRequest, **more: Any
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


# --- Who may do what now --------------------------------------------------------------------------


def _has_approved(change: ChangeRequest, user: User | AnonymousUser) -> bool:
    """Does the person's approval of the present content stand already?"""
    vote = standing_votes(change).get(user.pk or 0)
    approved = vote is not None and vote.verdict == Verdict.APPROVE
    return approved and change.status == Status.APPROVED


def _may_withdraw(change: ChangeRequest, user: User | AnonymousUser) -> bool:
    return user.is_active and (
        change.author_id == user.pk or may(user, "administer", change.release.tree)
    )


def available(change: ChangeRequest, user: User | AnonymousUser) -> frozenset[str]:
    """What the person may do with the change now: actions of :data:`TRANSITIONS` and of
    :data:`OTHER_ACTIONS`, "run-trials". What still is in the way of "publish", :func:`blockers`
    tells.
    """
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
    if "approve" in found and (not_four_eyes(change, user) or _has_approved(change, user)):
        found.discard("approve")
    if change.author_id == user.pk:
        found.discard("request-changes")
    if not _may_withdraw(change, user):
        found.discard("withdraw")
    if roles & set(_PARTS):
        found.add("run-trials")
    if not _asked_by(change, user, roles):
        found.discard("withdraw-request")
    return frozenset(found)


def _asked_by(change: ChangeRequest, user: User | AnonymousUser, roles: set[str]) -> bool:
    """Is somebody asked whom this person may no longer ask?"""
    asked = {item.reviewer_id for item in who_was_asked(change)}
    return user.pk in asked or bool(asked and "edit" in roles)
