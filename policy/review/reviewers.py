"""Asking somebody by name to review a change request."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone

from policy import audit, drafts
from policy.errors import Invalid
from policy.messages import notices
from policy.models import ChangeRequest, ReviewRequest
from policy.permissions import may, require
from policy.review import turns
from policy.review.votes import not_four_eyes, who_was_asked, writers


def request(change: ChangeRequest, actor: User, reviewer: str) -> ReviewRequest:
    """Ask somebody by login name to review; it is their turn while the change is in review.

    Raises Forbidden, or Invalid (field ``reviewer``) for somebody who may not approve it.
    """
    with notices.told(change, actor):
        present = drafts.fresh(change)
        require(actor, "edit", present.release.tree)
        drafts.check_open(present)
        person = _possible_reviewer(present, reviewer)
        asked, is_new = ReviewRequest.objects.get_or_create(
            change_request=present,
            reviewer=person,
            defaults={"requested_by": actor, "requested_at": timezone.now()},
        )
        if not is_new:
            raise Invalid(f"{person} is asked already.", field="reviewer")
        audit.record(actor, "request review", present, after={"reviewer": person.get_username()})
    return asked


def withdraw(change: ChangeRequest, actor: User, reviewer: str) -> None:
    """No longer ask that person; a maintainer may, and whoever was asked."""
    with notices.told(change, actor):
        present = drafts.fresh(change)
        drafts.check_open(present)
        asked = present.requested.filter(reviewer__username=reviewer).first()
        if asked is None:
            raise Invalid(f"'{reviewer:.150}' is not asked.", field="reviewer")
        if asked.reviewer_id != actor.pk:
            require(actor, "edit", present.release.tree)
        asked.delete()
        audit.record(actor, "withdraw request", present, before={"reviewer": reviewer})


def possible(change: ChangeRequest) -> list[User]:
    """Who may approve the change and is not asked yet, by name."""
    barred = {*writers(change), *(item.reviewer_id for item in who_was_asked(change))}
    found = turns.holders(change.release.tree_id, "review")
    return [person for person in found if person.pk not in barred]


def _possible_reviewer(change: ChangeRequest, name: str) -> User:
    person = User.objects.filter(username=name, is_active=True).first() if name else None
    if person is None:
        raise Invalid(f"There is no '{name:.150}'." if name else "Name somebody.", field="reviewer")
    if not may(person, "review", change.release.tree):
        raise Invalid(f"{person} is no reviewer of {change.release.tree}.", field="reviewer")
    if not_four_eyes(change, person):
        raise Invalid(f"{person} wrote a part of it, and cannot approve it.", field="reviewer")
    return person
