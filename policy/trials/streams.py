"""Whose streams may be looked at by whom, and what people do with them: each leaves an audit entry.

An upload is its owner's; they may share it with the people of one tree. A trial's stream, made
again, is everybody's who sees the trial. Guest memory is in neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q, QuerySet

from machines import kept_streams
from machines.models import Stream, Tree
from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import Membership
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_NAME = 200


def visible_to(user: User) -> QuerySet[Stream]:
    """Uploads that the person may look at: their own, and those shared with a tree of theirs."""
    rows = Stream.objects.filter(key="")
    if user.is_superuser:
        return rows
    trees = Membership.objects.filter(user=user).values("tree")
    return rows.filter(Q(owner=user) | Q(tree__in=trees))


def require_room(user: User) -> None:
    """Raise unless the person may upload another stream."""
    require(user, "view", None)
    count, size = kept_streams.used_by(user)
    if count >= kept_streams.MAX_STREAMS:
        raise Invalid(
            f"You keep {count} streams, which is as many as one person may: delete one.",
            field="file",
        )
    if size >= kept_streams.MAX_KEPT_BYTES:
        limit = kept_streams.MAX_KEPT_BYTES // 2**20
        raise Invalid(
            f"Your streams take more than the {limit} MiB that one person may keep: delete one.",
            field="file",
        )


@transaction.atomic
def upload(user: User, name: str, file: Path, size: int, digest: str) -> Stream:
    """An upload whose bytes are in ``file``. Raises Forbidden, and Invalid where there is no room.

    The caller asks the workers to read it.
    """
    require_room(user)
    shown = "".join(letter for letter in name if letter.isprintable())[:MAX_NAME]
    stream = kept_streams.received(user, shown, file, size, digest)
    audit.record(user, "uploaded stream", stream, after={"size": size, "sha256": digest})
    return stream


@transaction.atomic
def share(user: User, stream: Stream, tree: Tree | None) -> Stream:
    """Let the people of a tree look at it; None: nobody but its owner."""
    _require_own(user, stream)
    member = Membership.objects.filter(user=user, tree=tree)
    if tree is not None and not user.is_superuser and not member.exists():
        raise Forbidden(f"You have no role in the tree '{tree}'.")
    before = stream.tree
    stream.tree = tree
    stream.save(update_fields=["tree"])
    audit.record(
        user,
        "shared stream",
        stream,
        before={"tree": before.name if before else ""},
        after={"tree": tree.name if tree else ""},
    )
    return stream


@transaction.atomic
def delete(user: User, stream: Stream) -> None:
    """Take an upload away, with the verdicts on it."""
    _require_own(user, stream)
    audit.record(user, "deleted stream", stream)
    kept_streams.remove(stream)


def _require_own(user: User, stream: Stream) -> None:
    if stream.key or not (user.is_superuser or stream.owner_id == user.pk):
        raise Forbidden("Only who uploaded a stream may share or delete it.")


def sweep() -> int:
    """Remove what has expired; of uploads the audit log tells."""

    def note(stream: Stream) -> None:
        if not stream.key:
            audit.record(None, "expired stream", stream)

    return kept_streams.sweep(note)
