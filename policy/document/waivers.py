"""Whether a waiver holds. Pure.

A waiver accepts, for a while and with a reason, something that stands in the way of publishing. It
is scoped to one direction of one pair of releases (and a machine type), and bound to the digest of
what it was given for: both sides' catalogues and effective policies. What it says is reviewed like
every edit, as it is part of the document that approvals name.

    >>> Standing.of(None, "aa", date(2027, 1, 1)).word
    ''
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from policy.document import Policy, Waiver

#: How long a waiver may be given for, in days.
LONGEST = 366

Word = Literal["", "holds", "expired", "void"]
#: A finding, or empty where it is a trial; the source, the destination and the machine type.
Scope = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """A waiver and whether it holds: ``word`` is empty where there is no waiver.

    ``expired``: its last day is over. ``void``: it was given for other content on either side.
    """

    waiver: Waiver | None
    word: Word

    @classmethod
    def of(cls, waiver: Waiver | None, bound: str, today: date) -> Standing:
        """How the waiver stands today for what has the digest ``bound``."""
        if waiver is None:
            return cls(None, "")
        if waiver.bound != bound:
            return cls(waiver, "void")
        if date.fromisoformat(waiver.expires) < today:
            return cls(waiver, "expired")
        return cls(waiver, "holds")

    @property
    def holds(self) -> bool:
        return self.word == "holds"


def scope(waiver: Waiver) -> Scope:
    """What a waiver is about; a policy has at most one for each."""
    return waiver.finding, waiver.source, waiver.destination, waiver.machine_type


def find(policy: Policy, wanted: Scope) -> Waiver | None:
    """The policy's waiver of that scope."""
    return next((item for item in policy.waivers if scope(item) == wanted), None)


def without(policy: Policy, wanted: Scope) -> tuple[Waiver, ...]:
    """The policy's waivers but the one of that scope."""
    return tuple(item for item in policy.waivers if scope(item) != wanted)


def last_day(today: date) -> date:
    """The latest day that a waiver given today may hold."""
    return today + timedelta(days=LONGEST)
