"""Edits that wait to be merged: what somebody wanted is kept until they have chosen what stays.

An edit that meets another's on the same thing writes nothing (:class:`policy.errors.MergeNeeded`).
A program gets both sides and sends its edit again with its choices. For a person all that was
typed is kept here, as the draft that the edit would have made: only they see it, at any later time,
and it goes when it is merged or dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models, transaction

from policy import drafts, history
from policy.document import Policy
from policy.document.differences import Difference, compare
from policy.document.merging import MergeConflict, merge
from policy.drafts import Settled
from policy.errors import MergeNeeded
from policy.models import ChangeRequest, DraftState, UnmergedEdit

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def keep(actor: User, needed: MergeNeeded) -> UnmergedEdit:
    """Keep an edit that met another's. The same one again is the same row."""
    with transaction.atomic():
        kept, _ = UnmergedEdit.objects.get_or_create(
            change_request=needed.change,
            actor=actor,
            seen_version=needed.seen_version,
            document_id=history.keep_document(needed.mine),
            defaults={"action": needed.action},
        )
    return kept


def waiting(change: ChangeRequest, user: User | AnonymousUser) -> models.QuerySet[UnmergedEdit]:
    """The person's own edits of the change request that wait, the oldest first."""
    return change.unmerged.filter(actor_id=user.pk)


@dataclass(frozen=True, slots=True)
class Sides:
    """An edit that waits, beside the draft as it is at ``version``.

    ``mine`` and ``theirs``: what the edit and what others have made of what the person saw;
    ``between``: the states that others made, the oldest first.
    """

    version: int
    conflicts: tuple[MergeConflict, ...]
    mine: tuple[Difference, ...]
    theirs: tuple[Difference, ...]
    between: tuple[DraftState, ...]


def sides(edit: UnmergedEdit) -> Sides:
    """What there is to choose from now. Raises Conflict where the version seen is not known."""
    change = drafts.fresh(edit.change_request)
    seen, wanted = drafts.seen_at(change, edit.seen_version), _wanted(edit)
    between = history.states(change).filter(version__gt=edit.seen_version)
    return Sides(
        change.lock_version,
        merge(seen, wanted, change.policy).conflicts,
        compare(seen, wanted),
        compare(seen, change.policy),
        tuple(reversed(between)),
    )


def save(edit: UnmergedEdit, actor: User, settled: Settled) -> ChangeRequest:
    """Make the edit with what was chosen, and no longer keep it.

    Raises MergeNeeded where the draft is not at the version of the choices any more or one is
    missing, and what every edit raises; the edit is kept then.
    """
    with transaction.atomic():
        change = drafts.rewrite(
            edit.change_request,
            actor,
            edit.seen_version,
            edit.action,
            lambda _: _wanted(edit),
            settled,
        )
        edit.delete()
    return change


def drop(edit: UnmergedEdit) -> None:
    """No longer keep an edit: its author has given it up. The draft was never touched by it."""
    edit.delete()


def _wanted(edit: UnmergedEdit) -> Policy:
    return history.policy_by_digest(edit.document_id)
