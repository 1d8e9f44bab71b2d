"""What can go wrong when a policy is edited, reviewed or published, and whose fault it is.

    PolicyError          something was asked for that does not work; nothing was written
    ├── Invalid          the input is at fault: ``field`` names the input
    ├── Conflict         someone else was faster: ``current_version`` is what is there now
    └── Forbidden        the person may not do this (a page answers 403)

The message of each is a sentence for the person who asked.
"""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from policy.differences import Difference


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


class Conflict(PolicyError):
    """Someone else changed the object in the meantime; ``current_version`` is its version now.

    ``meanwhile`` is what they changed since the version that the person saw, as far as that is
    known: the other side of what the person now has to bring together.
    """

    def __init__(
        self,
        message: str,
        current_version: int = 0,
        field: str = "",
        meanwhile: tuple[Difference, ...] = (),
    ) -> None:
        super().__init__(message, field)
        self.current_version = current_version
        self.meanwhile = meanwhile


class Forbidden(PolicyError, PermissionDenied):
    """The person may not do this, whatever the input."""
