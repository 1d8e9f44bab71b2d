"""How far somebody has read a change request: the objects that they marked as reviewed.

A mark is a note to oneself, as a draft of a comment is: nobody else sees it, no vote follows from
it, and the audit trail does not tell of it. It holds for what the change did to the object when it
was read; an edit of that object makes it unread, an edit of another one does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.utils import timezone

from policy import state
from policy.document.differences import compare
from policy.document.objects import ChangedObject, changed_objects
from policy.errors import Invalid
from policy.models import ChangeRequest, ReviewedMark
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def objects_of(change: ChangeRequest) -> tuple[ChangedObject, ...]:
    """What the change request touches, as it is now."""
    before, after = state.baseline(change), change.policy
    return changed_objects(compare(before, after), (before, after))


def read_by(
    change: ChangeRequest, user: User | AnonymousUser, objects: Iterable[ChangedObject]
) -> frozenset[str]:
    """The keys of those objects that the person has read as they are."""
    marks = ReviewedMark.objects.filter(change_request=change, reader_id=user.pk)
    known = dict(marks.values_list("object_key", "digest"))
    return frozenset(item.key for item in objects if known.get(item.key) == item.digest)


def mark(change: ChangeRequest, actor: User, key: str, digest: str) -> None:
    """Note that the person has read the object as it was shown.

    Raises Forbidden, or Invalid where it is no longer what was read.
    """
    require(actor, "view", change.release.tree)
    if not any((item.key, item.digest) == (key, digest) for item in objects_of(change)):
        raise Invalid("It was edited meanwhile: read it again.")
    ReviewedMark.objects.update_or_create(
        change_request=change,
        reader=actor,
        object_key=key,
        defaults={"digest": digest, "at": timezone.now()},
    )


def unmark(change: ChangeRequest, actor: User, key: str) -> None:
    """Take a mark back, if there is one. Raises Forbidden."""
    require(actor, "view", change.release.tree)
    ReviewedMark.objects.filter(change_request=change, reader=actor, object_key=key).delete()
