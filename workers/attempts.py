"""One worker's attempt at a job: claimed, kept alive, told of, and ended exactly once.

Exceptions that end an attempt (they reach its runner from :meth:`Attempt.step`):

    AttemptEnded
    ├── Cancelled     a person asked for it
    ├── LostClaim     another worker took the job up: write nothing more
    └── Stopping      this worker shuts down: the job goes back to the queue
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, models, transaction
from django.db.models.functions import Coalesce, Concat, Length
from django.utils import timezone

from policy.models import Trial
from workers.celery import stopping
from workers.models import Job, Upload

log = logging.getLogger(__name__)

#: Letters of a job's log; what comes after them is left out.
MAX_LOG = 64 * 1024


class AttemptEnded(Exception):
    """The attempt ends here, through no fault of its input."""


class Cancelled(AttemptEnded):
    """A person cancelled the job."""


class LostClaim(AttemptEnded):
    """The lease ran out and another worker took the job up, or the job ended otherwise."""


class Stopping(AttemptEnded):
    """The worker shuts down."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's hold on a job. Only its token may write to the job's row."""

    job_id: int
    kind: str
    payload: dict[str, Any]
    number: int
    token: str

    def _mine(self) -> models.QuerySet[Job]:
        return Job.objects.filter(pk=self.job_id, status=Job.Status.RUNNING, claim=self.token)

    def heartbeat(self) -> None:
        """Extend the lease. Raises :class:`LostClaim` where somebody else holds the job."""
        if not self._mine().update(lease_until=_lease()):
            raise LostClaim(f"job {self.job_id}")

    def step(self, done: int, total: int, text: str = "") -> None:
        """Show progress, extend the lease, and raise where the attempt has to end."""
        if stopping.is_set():
            raise Stopping(f"job {self.job_id}")
        mine = self._mine()
        if not mine.update(
            lease_until=_lease(),
            progress_done=done,
            progress_total=total,
            progress_text=text[:255],
        ):
            raise LostClaim(f"job {self.job_id}")
        if mine.filter(cancel_requested=True).exists():
            raise Cancelled(f"job {self.job_id}")

    def say(self, text: str) -> None:
        """Add a line to the job's log, which people read."""
        short = self._mine().annotate(size=Length("log")).filter(size__lt=MAX_LOG)
        short.update(log=with_line(text))

    def finish(self, result: dict[str, Any]) -> None:
        """The job is done. Call it in the transaction that writes what was done, as its last
        statement: a claim that was lost then undoes it, and the result is there once.
        """
        self._end(
            Job.Status.DONE, result=result, error="", progress_done=models.F("progress_total")
        )

    def fail(self, error: str) -> None:
        """The input is at fault: trying again would not help."""
        self._end(Job.Status.FAILED, error=error)

    def cancelled(self) -> None:
        """The runner stopped because a person asked for it."""
        self._end(Job.Status.CANCELLED)

    def retry(self, error: str) -> None:
        """It went wrong through no fault of the input: back to the queue, three times in all."""
        if self.number >= settings.LOCKSTEP_MAX_ATTEMPTS:
            self._end(Job.Status.QUARANTINED, error=error)
            settle_trials([self.payload], Trial.State.FAILED, error)
        else:
            self._back(error=error)

    def release(self) -> None:
        """Back to the queue, and this attempt does not count."""
        self._back(attempts=models.F("attempts") - 1)

    def _back(self, **values: Any) -> None:
        said = f"back to the queue: {values['error']}" if "error" in values else "back to the queue"
        if not self._mine().update(
            status=Job.Status.QUEUED,
            claim="",
            lease_until=None,
            sent_at=None,
            log=with_line(said),
            **values,
        ):
            raise LostClaim(f"job {self.job_id}")

    @transaction.atomic
    def _end(self, status: str, **values: Any) -> None:
        error = values.get("error", "")
        said = f"{Job.Status(status).label}: {error}" if error else str(Job.Status(status).label)
        if not self._mine().update(
            status=status,
            claim="",
            lease_until=None,
            finished_at=timezone.now(),
            log=with_line(said),
            **values,
        ):
            raise LostClaim(f"job {self.job_id}")
        Upload.objects.filter(job_id=self.job_id).delete()

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Extend the lease from a thread for as long as the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event) -> None:
        try:
            while not over.wait(settings.LOCKSTEP_LEASE_SECONDS / 3):
                try:
                    self.heartbeat()
                except LostClaim:
                    return  # the runner learns of it at its next step
                except DatabaseError as error:
                    log.warning("Job %s: no heartbeat: %s", self.job_id, error)
        finally:
            connection.close()


def claim(job_id: int) -> Attempt | None:
    """Take a waiting job, or None where it is not (or no longer) waiting."""
    now = timezone.now()
    token = secrets.token_hex(16)
    taken = Job.objects.filter(pk=job_id, status=Job.Status.QUEUED).update(
        status=Job.Status.RUNNING,
        claim=token,
        attempts=models.F("attempts") + 1,
        lease_until=_lease(),
        started_at=Coalesce("started_at", models.Value(now)),
    )
    if not taken:
        return None
    job = Job.objects.get(pk=job_id)
    attempt = Attempt(job.pk, job.kind, job.payload, job.attempts, token)
    attempt.say(f"begun, attempt {attempt.number}")
    return attempt


def with_line(text: str) -> Concat:
    """The log with a further line: the time in UTC, and what is said."""
    line = f"{timezone.now():%Y-%m-%d %H:%M:%S}Z  {' '.join(text.split())[:1000]}\n"
    return Concat("log", models.Value(line))


def _lease() -> Any:
    return timezone.now() + timedelta(seconds=settings.LOCKSTEP_LEASE_SECONDS)


def settle_trials(payloads: Sequence[dict[str, Any]], state: str, error: str) -> None:
    """What to say of trials that were running when their job ended: nobody runs them any more."""
    ids = [pk for payload in payloads for pk in payload.get("trials", ())]
    running = Trial.objects.filter(pk__in=ids, state=Trial.State.RUNNING)
    ended = timezone.now() if state == Trial.State.FAILED else None
    running.update(state=state, error=error, finished_at=ended)
