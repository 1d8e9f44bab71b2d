"""An edit as a value: what is asked for, and what it makes of a policy.

Each family of edits declares its own operations beside the functions that people's forms call; a
program sends them by name (:mod:`policy.edits.operations`). An operation names things as a person
does, by words and by places in lists, so it may be made from any state of a draft, and brought
together afterwards with what others made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from policy import drafts
from policy.document import Policy
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Operation(Protocol):
    """One edit of a policy. Its fields are what is asked for."""

    @property
    def recorded_as(self) -> str:
        """What the audit trail calls it."""

    def alter(self, policy: Policy) -> Policy:
        """The policy with the edit made. Raises Invalid with the field at fault."""


def make(
    change: ChangeRequest, actor: User, expected_version: int, operation: Operation
) -> ChangeRequest:
    """Make one edit of a draft, as everything in :mod:`policy.edits` is made."""
    return drafts.rewrite(change, actor, expected_version, operation.recorded_as, operation.alter)
