"""Telling webhooks: each delivery is a row until the receiver takes it, or has failed too often."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from policy.messages import webhooks
from policy.models import Delivery
from workers import jobs, outgoing

#: How long it waits after each failure; after the last it is given up.
WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
)
_TAKEN = range(200, 300)


def due(but: Collection[int] = ()) -> QuerySet[Delivery]:
    """What is to be sent now, the oldest first; nothing of the webhooks ``but`` (primary keys)."""
    rows = Delivery.objects.filter(due_at__lte=timezone.now()).exclude(webhook__in=but)
    return rows.select_related("webhook").order_by("id")


def take_up() -> None:
    """Ask for what is due: a delivery that failed, or was written while a job ended."""
    if due().exists():
        jobs.enqueue_deliveries()


def send(delivery: Delivery) -> bool:
    """Send one; returns whether it was taken. Its row tells the rest, also when it is due again."""
    body, moment = delivery.body.encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Lockstep",
        "X-Lockstep-Event": delivery.event,
        "X-Lockstep-Delivery": str(delivery.identity),
        "X-Lockstep-Signature": webhooks.signature(
            webhooks.secret_of(delivery.webhook), body, moment
        ),
    }
    status, error = None, ""
    try:
        status = outgoing.post(delivery.webhook.url, body, headers)
    except outgoing.Unreachable as failure:
        error = str(failure)[:500]
    taken = status in _TAKEN
    if status is not None and not taken:
        error = f"The receiver answered with {status}."
    _note(delivery, status, error)
    return taken


def _note(delivery: Delivery, status: int | None, error: str) -> None:
    now = timezone.now()
    wait = WAITS[delivery.attempts] if error and delivery.attempts < len(WAITS) else None
    # A row that somebody asked to repeat meanwhile stays due.
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        attempts=F("attempts") + 1,
        status=status,
        error=error,
        due_at=now + wait if wait is not None else None,
        delivered_at=None if error else now,
    )
