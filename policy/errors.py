"""What can go wrong when a policy is edited, reviewed or published, and whose fault it is.

    PolicyError          something was asked for that does not work; nothing was written
    ├── Invalid          the input is at fault: ``field`` names the input
    │   └── TooMany          somebody has asked for enough already: later, after ``wait`` seconds
    ├── Conflict         someone else was faster: ``current_version`` is what is there now
    │   └── MergeNeeded      both changed the same: ``conflicts`` has both sides of each
    └── Forbidden        the person may not do this (a page answers 403)

The message of each is a sentence for the person who asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

from policy.document import Policy
from policy.document.differences import Difference
from policy.document.merging import MergeConflict

if TYPE_CHECKING:
    from policy.models import ChangeRequest

#: Conflicts that a message names.
MAX_LABELS = 10


class PolicyError(Exception):
    """Something was asked for that does not work. ``field`` names the input, where one is."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __str__(self) -> str:
        return self.message


class Invalid(PolicyError):
    """The input is at fault, or the object is in no state for it."""


class TooMany(Invalid):
    """Somebody has asked for so much that waits that no more is taken now; ``wait`` in seconds."""

    def __init__(self, message: str, wait: int = 30) -> None:
        super().__init__(message)
        self.wait = wait


class Conflict(PolicyError):
    """Someone else changed the object in the meantime; ``current_version`` is its version now.

    ``meanwhile`` is what they changed since the version that the person saw, as far as that is
    known, ``conflicts`` what both changed differently: somebody has to choose.
    """

    def __init__(
        self,
        message: str,
        current_version: int = 0,
        field: str = "",
        meanwhile: tuple[Difference, ...] = (),
        conflicts: tuple[MergeConflict, ...] = (),
    ) -> None:
        super().__init__(message, field)
        self.current_version = current_version
        self.meanwhile = meanwhile
        self.conflicts = conflicts


class MergeNeeded(Conflict):
    """An edit of an older version, and others changed the same things since.

    ``mine`` is the draft as the edit ``action`` would have left that of ``seen_version``: from it
    the edit is made once somebody has chosen (:mod:`policy.edits.unmerged`).
    """

    def __init__(
        self,
        change: ChangeRequest,
        conflicts: tuple[MergeConflict, ...],
        meanwhile: tuple[Difference, ...],
        seen_version: int,
        mine: Policy,
        action: str,
    ) -> None:
        super().__init__(
            "Someone else changed the same in the meantime; nothing of yours was written. "
            f"Choose what stays: {labels_of(conflicts)}.",
            change.lock_version,
            "choices",
            meanwhile,
            conflicts,
        )
        self.change = change
        self.seen_version = seen_version
        self.mine = mine
        self.action = action


def labels_of(conflicts: tuple[MergeConflict, ...]) -> str:
    """What a message names of conflicts: the first ones."""
    words = [conflict.label for conflict in conflicts[:MAX_LABELS]]
    if len(conflicts) > MAX_LABELS:
        words.append(f"and {len(conflicts) - MAX_LABELS} more")
    return "; ".join(words)


class Forbidden(PolicyError, PermissionDenied):
    """The person may not do this, whatever the input."""
