"""The waivers of a draft, as the tabs of findings and of trials list them."""

from __future__ import annotations

from dataclasses import dataclass

from machines.catalogue import NoCatalogue
from policy.document import Waiver
from policy.models import ChangeRequest
from policy.review import checking, examining


@dataclass(frozen=True, slots=True)
class ShownWaiver:
    """A waiver of the draft, by its position, and whether it holds as things are."""

    position: int
    waiver: Waiver
    word: str


def waivers_of(change: ChangeRequest) -> list[ShownWaiver]:
    """The draft's waivers. One of what is not there any more is ``void``, too."""
    if not change.policy.waivers:
        return []
    try:
        standings = [item.waived for item in checking.trials_of(change)]
        standings += [
            standing for item in examining.findings_of(change) for _, standing in item.waived
        ]
    except NoCatalogue:
        standings = []
    words = {standing.waiver: standing.word for standing in standings}
    return [
        ShownWaiver(position, item, words.get(item, "void"))
        for position, item in enumerate(change.policy.waivers)
    ]
