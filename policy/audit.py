"""The audit trail: who did what, when, to which object, each entry chained to the one before.

An entry's hash covers its own content and the hash of its predecessor, so a changed, inserted or
removed entry breaks the chain at that place. What a chain cannot show by itself is that its newest
entries were cut off: note :func:`head` now and then, and give it to ``verify_audit --contains``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.db import connection, models, transaction
from django.utils import timezone

from policy.document import canonical
from policy.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The predecessor of the first entry.
GENESIS = "0" * 64
#: Who acted where no person did.
SYSTEM = "system"
_LOCK = 0x4C6F636B73746570  # "Lockstep": the advisory lock that guards the end of the chain


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that does not hold, and why."""

    entry: int
    text: str

    def __str__(self) -> str:
        return f"entry {self.entry}: {self.text}"


@transaction.atomic
def record(
    actor: User | None,
    action: str,
    obj: models.Model,
    before: Any = None,
    after: Any = None,
) -> AuditEntry:
    """Append an entry. It is kept exactly when the surrounding transaction is.

    ``before`` and ``after`` are JSON data. Call it last in a transaction: from here to its end no
    other transaction can append.
    """
    _take_the_end()
    entry = AuditEntry(
        at=timezone.now(),
        actor=actor.get_username() if actor is not None else SYSTEM,
        action=action,
        object_type=obj._meta.label_lower,
        object_id=str(obj.pk),
        object_label=str(obj)[:255],
        before=before,
        after=after,
        previous_hash=head(),
    )
    entry.hash = hash_of(entry)
    entry.save(force_insert=True)
    return entry


def _take_the_end() -> None:
    # SQLite's transactions are IMMEDIATE: whoever is here holds the only write lock already.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def head() -> str:
    """The hash of the newest entry."""
    newest = AuditEntry.objects.order_by("-id").values_list("hash", flat=True).first()
    return newest or GENESIS


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 (hex) over everything that the entry says and its predecessor's hash."""
    content = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "object_type": entry.object_type,
        "object_id": entry.object_id,
        "object_label": entry.object_label,
        "before": entry.before,
        "after": entry.after,
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def verify() -> list[Problem]:
    """Read the whole chain and return what does not hold; empty means it is untouched."""
    problems = []
    previous = GENESIS
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=500):
        if entry.previous_hash != previous:
            problems.append(
                Problem(entry.pk, "does not follow the entry before it: one was removed or added")
            )
        if entry.hash != hash_of(entry):
            problems.append(Problem(entry.pk, "was changed after it was written"))
        previous = entry.hash
    return problems
