"""The tab of history: every state of the draft, and the votes on each."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from policy import history
from policy.document.differences import Difference
from policy.models import ChangeRequest, Review


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    votes: dict[str, list[Review]] = {}
    for vote in change.reviews.exclude(verdict=Review.Verdict.COMMENT).select_related("reviewer"):
        votes.setdefault(vote.digest, []).append(vote)
    states = list(history.states(change))
    return {"states": [(item, votes.get(item.document_id, [])) for item in states]}
