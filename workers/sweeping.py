"""Jobs that were lost: put back where a worker fell silent, sent again where a message is missing.

The scheduler asks for a sweep every few seconds, and each worker when it starts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from kombu import Queue
from kombu.exceptions import OperationalError

from policy.models import Trial
from workers.attempts import settle_trials, with_line
from workers.celery import ROUTES
from workers.jobs import TASKS, broker, send
from workers.models import Job, Upload

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many jobs a sweep put back, gave up, cancelled, and sent (again)."""

    requeued: int = 0
    quarantined: int = 0
    cancelled: int = 0
    sent: int = 0


def sweep() -> Swept:
    """Put back what a silent worker held, and send what nobody seems to know of.

    Safe to run anywhere, any number of times at once: every write is conditional, and a message
    too many finds a row that is not waiting.
    """
    now = timezone.now()
    silent = Job.objects.filter(status=Job.Status.RUNNING, lease_until__lt=now)
    error = f"The worker was lost while it ran this, {settings.LOCKSTEP_MAX_ATTEMPTS} times."
    with transaction.atomic():
        cancelled = _end_silent(
            silent.filter(cancel_requested=True), Job.Status.CANCELLED, Trial.State.QUEUED, ""
        )
        given_up = _end_silent(
            silent.filter(attempts__gte=settings.LOCKSTEP_MAX_ATTEMPTS),
            Job.Status.QUARANTINED,
            Trial.State.FAILED,
            error,
        )
    requeued = silent.update(
        status=Job.Status.QUEUED,
        claim="",
        lease_until=None,
        sent_at=None,
        log=with_line("its worker fell silent: back to the queue"),
    )
    return Swept(requeued, given_up, cancelled, _send_waiting())


def _end_silent(silent: models.QuerySet[Job], status: str, trial_state: str, error: str) -> int:
    """End jobs whose worker fell silent for good. Returns how many."""
    rows = list(silent)
    # The condition stands in the UPDATE too: a worker may have come back in between.
    ended = silent.filter(pk__in=[job.pk for job in rows]).update(
        status=status,
        claim="",
        lease_until=None,
        finished_at=timezone.now(),
        error=error,
        log=with_line("its worker fell silent for good"),
    )
    if ended:
        Upload.objects.filter(job__in=rows, job__status=status).delete()
        settle_trials([job.payload for job in rows], trial_state, error)
    return ended


def _send_waiting() -> int:
    """Send each waiting job that was never sent, or whose message seems to be lost."""
    now = timezone.now()
    waiting = Job.objects.filter(status=Job.Status.QUEUED).order_by("id")
    sent = 0
    try:
        for kind in Job.Kind.values:
            rows = waiting.filter(kind=kind)
            for job in rows.filter(sent_at=None):
                send(job)
                sent += 1
            # As many messages as waiting rows: they are only waiting for a free worker.
            older = now - timedelta(seconds=settings.LOCKSTEP_LEASE_SECONDS)
            lost = list(rows.filter(sent_at__lt=older))
            if lost and messages_waiting(kind) < rows.count():
                for job in lost:
                    send(job)
                    sent += 1
    except OperationalError as error:
        log.warning("Redis is away, waiting jobs stay for the next sweep: %s", error)
    return sent


def messages_waiting(kind: str) -> int:
    """How many messages wait in the queue of this kind of job."""
    queue = Queue(ROUTES[TASKS[kind]]["queue"])
    with broker() as connection:
        # Declared, since Redis knows no empty queue.
        declared: Any = queue(connection.default_channel).queue_declare()
        return int(declared.message_count)
