"""What people say about a change request: threads, on a line of its difference or on the whole.

A comment is a draft that its author alone sees, until it is published together with a vote or with
a comment on the whole (:mod:`policy.review.workflow`). A thread is open until somebody resolves it,
and an open thread stands in the way of publishing: what need not be resolved is said without one.

A thread keeps the line that it was opened on as it was then. The audit trail tells of comments
when they are published; a draft is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from machines.looks import once_a_look
from policy import audit, drafts, state
from policy.document.differences import Difference, compare
from policy.errors import Forbidden, Invalid
from policy.inputs import words
from policy.messages import notices
from policy.models import ChangeRequest, Comment, Review, Thread
from policy.numbers import numbers
from policy.permissions import may, require

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

#: More on one change request would be no discussion any more.
MAX_THREADS = 500
MAX_COMMENTS = 200
#: Comments on the whole.
MAX_SAID = 1_000
#: What one person keeps back of one change request: what nobody else sees is in nobody's way.
MAX_DRAFTS = 100


@once_a_look
def threads(change: ChangeRequest, viewer: User | AnonymousUser) -> list[Thread]:
    """The threads that the person sees, in order; each has ``shown``, the comments they see."""
    seen = models.Q(published_at__isnull=False) | models.Q(author_id=viewer.pk)
    comments = Comment.objects.filter(seen, thread__change_request=change)
    comments = comments.select_related("author", "thread__opened_by", "thread__resolved_by")
    threads: dict[int, Thread] = {}
    for comment in comments.order_by("thread_id", "id"):
        thread = threads.setdefault(comment.thread_id, comment.thread)
        thread.shown = [*getattr(thread, "shown", ()), comment]  # type: ignore[attr-defined]
        thread.change_request = change
    return list(threads.values())


def open_threads(change: ChangeRequest) -> int:
    """How many threads of which others know are open."""
    return numbers(change).open_threads


def drafts_of(change: ChangeRequest, author: User | AnonymousUser) -> models.QuerySet[Comment]:
    """What the person has written and not yet published."""
    return Comment.objects.filter(
        thread__change_request=change, author_id=author.pk, published_at=None
    )


# --- Writing --------------------------------------------------------------------------------------


def ask(change: ChangeRequest, actor: User, text: str, group: str = "", label: str = "") -> Comment:
    """Draft a thread: on the line of the present difference that ``group`` and ``label`` name, or,
    without them, on the whole. Raises Forbidden, Invalid.
    """
    text = _said(text)
    with transaction.atomic():
        _check(change, actor)
        line = _line(change, group, label) if group or label else None
        _check_drafts(change, actor)
        known = change.threads.filter(comments__published_at__isnull=False).distinct()
        if known.count() >= MAX_THREADS:
            raise Invalid(f"A change request has at most {MAX_THREADS} threads.")
        thread = Thread.objects.create(
            change_request=change,
            group=group,
            label=label,
            digest=change.digest,
            line=asdict(line) if line is not None else None,
            opened_by=actor,
            opened_at=timezone.now(),
        )
        return _draft(thread, actor, text)


def reply(thread: Thread, actor: User, text: str) -> Comment:
    """Draft a comment in a thread that the person sees. Raises Forbidden, Invalid."""
    text = _said(text)
    with transaction.atomic():
        _check(thread.change_request, actor)
        _check_drafts(thread.change_request, actor)
        if thread.comments.exclude(published_at=None).count() >= MAX_COMMENTS:
            raise Invalid(f"A thread has at most {MAX_COMMENTS} comments: open another.")
        return _draft(thread, actor, text)


def rewrite(comment: Comment, actor: User, text: str) -> Comment:
    """Put a draft in other words. Raises Forbidden, Invalid."""
    text = _said(text)
    _check_own_draft(comment, actor)
    Comment.objects.filter(pk=comment.pk, published_at=None).update(
        text=text, written_at=timezone.now()
    )
    comment.refresh_from_db()
    return comment


@transaction.atomic
def discard(comment: Comment, actor: User) -> None:
    """Throw a draft away, and its thread where nothing else is in it. Raises Forbidden, Invalid."""
    _check_own_draft(comment, actor)
    thread = comment.thread
    Comment.objects.filter(pk=comment.pk, published_at=None).delete()
    if not thread.comments.exists():
        thread.delete()


def publish(change: ChangeRequest, actor: User, review: Review) -> list[Comment]:
    """Publish the person's drafts with a vote or a comment; returns them as they are then."""
    written = list(drafts_of(change, actor).select_related("thread"))
    Comment.objects.filter(pk__in=[item.pk for item in written]).update(
        published_at=review.created_at, review=review
    )
    return written


def told(comments: Sequence[Comment]) -> list[dict[str, str | int]]:
    """Published comments as the audit trail keeps them."""
    return [
        {"thread": item.thread_id, "on": item.thread.label or "the whole", "text": item.text}
        for item in comments
    ]


# --- Resolving ------------------------------------------------------------------------------------


def resolve(thread: Thread, actor: User) -> Thread:
    """Nothing more has to be said. Raises Forbidden, Invalid."""
    return _turn(thread, actor, "resolve thread", resolved_by=actor, resolved_at=timezone.now())


def reopen(thread: Thread, actor: User) -> Thread:
    """Something has to be said after all. Raises Forbidden, Invalid."""
    return _turn(thread, actor, "reopen thread", resolved_by=None, resolved_at=None)


def may_resolve(thread: Thread, user: User | AnonymousUser) -> bool:
    """Whoever opened the thread, and whoever edits, reviews or publishes in the tree."""
    if not user.is_active or not thread.change_request.is_open:
        return False
    if thread.opened_by_id == user.pk:
        return True
    tree = thread.change_request.release.tree
    return any(may(user, action, tree) for action in ("edit", "review", "publish"))


def _turn(
    thread: Thread, actor: User, action: str, resolved_by: User | None, resolved_at: object
) -> Thread:
    change = thread.change_request
    with notices.told(change, actor):
        drafts.check_open(drafts.fresh(change))
        if not may_resolve(thread, actor):
            raise Forbidden("Only who opened a thread, or works on the tree, resolves it.")
        rows = Thread.objects.filter(pk=thread.pk, resolved_at__isnull=resolved_at is not None)
        if not rows.update(resolved_by=resolved_by, resolved_at=resolved_at):
            raise Invalid("The thread is resolved already." if resolved_at else "It is open.")
        about = {"thread": thread.pk, "on": thread.label or "the whole"}
        audit.record(actor, action, change, after=about)
    thread.refresh_from_db()
    return thread


# --- Checks ---------------------------------------------------------------------------------------


def _check(change: ChangeRequest, actor: User) -> None:
    require(actor, "view", change.release.tree)
    drafts.check_open(drafts.fresh(change))


def _check_drafts(change: ChangeRequest, actor: User) -> None:
    if drafts_of(change, actor).count() >= MAX_DRAFTS:
        raise Invalid(f"You have {MAX_DRAFTS} drafts here: publish or discard some first.")


def _check_own_draft(comment: Comment, actor: User) -> None:
    if comment.author_id != actor.pk:
        raise Forbidden("Only its author changes a draft.")
    _check(comment.thread.change_request, actor)
    if comment.published_at is not None:
        raise Invalid("It is published: what was said stays said.")


def _said(text: str) -> str:
    said = words(text, "text")
    if not said:
        raise Invalid("Write something.", field="text")
    return said


def _draft(thread: Thread, actor: User, text: str) -> Comment:
    return Comment.objects.create(thread=thread, author=actor, text=text, written_at=timezone.now())


def _line(change: ChangeRequest, group: str, label: str) -> Difference:
    """The line of the present difference; one that is gone cannot be asked about any more."""
    for item in compare(state.baseline(change), change.policy):
        if (item.group, item.label) == (group, label):
            return item
    raise Invalid("The difference has no such line.", field="label")
