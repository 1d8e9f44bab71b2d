"""How much there is of a change request, in one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.functions import Coalesce

from machines.looks import once_a_look
from policy.models import BegunBackport, ChangeRequest, Comment, DraftState, Review, Thread


@dataclass(frozen=True, slots=True)
class Numbers:
    """How much there is of a change request: votes and comments on the whole, threads that are open
    and known to others, states of its draft, backports that somebody began and has not finished.
    """

    reviews: int
    open_threads: int
    states: int
    begun: int


@once_a_look
def numbers(change: ChangeRequest) -> Numbers:
    """How much was said of the change request and done to it, in one query."""
    known = Comment.objects.filter(thread=models.OuterRef("pk"), published_at__isnull=False)
    threads = Thread.objects.filter(models.Exists(known), resolved_at=None)
    rows = ChangeRequest.objects.filter(pk=change.pk)
    row = rows.values(
        said=_count(Review.objects),
        unresolved=_count(threads),
        kept=_count(DraftState.objects),
        prepared=_count(BegunBackport.objects),
    ).get()
    return Numbers(row["said"], row["unresolved"], row["kept"], row["prepared"])


def _count(rows: Any) -> Coalesce:
    """How many of these rows are of the change request of the query around it."""
    own = rows.filter(change_request=models.OuterRef("pk")).order_by().values("change_request")
    number = own.annotate(number=models.Count("pk")).values("number")
    return Coalesce(models.Subquery(number, output_field=models.IntegerField()), 0)
