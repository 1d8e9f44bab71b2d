"""A preview of an edit for a page: at once where that is quick, else by a job with its progress."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from machines.models import Release
from policy.document import Policy
from policy.edits.toggling import Turn, turned
from policy.models import ChangeRequest
from policy.questions.previewing import preview
from policy.review.checking import today
from workers import previews
from workers.models import Job

#: How long a page computes before it leaves the rest to a job, in seconds.
PATIENCE = 0.4
#: How long a job's answer may serve: other releases that it rests on may publish.
FRESH = timedelta(minutes=10)


class TakesLong(Exception):
    """A preview takes longer than a page may."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be previewed: some bits of a device turned over in the policy ``before``.

    ``change`` is whose draft that is, None for what is published.
    """

    release: Release
    change: ChangeRequest | None
    before: Policy
    device: str
    turns: Sequence[Turn]

    @property
    def after(self) -> Policy:
        return turned(self.before, self.device, self.turns)

    @property
    def key(self) -> str:
        """Names the question; 64 hexadecimal digits. An answer holds for a day at most."""
        parts = (self.before.digest, self.after.digest, self.device, today().isoformat())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """A preview in JSON form; None while ``job`` works on it, and where that could not do it."""

    preview: dict[str, Any] | None
    job: Job | None = None


def answer(asked: Asked, user: User) -> Answer:
    """The preview, computed within :data:`PATIENCE`; else the job that computes it, or has done."""
    job = _asked_before(asked)
    if job is not None:
        return Answer(job.result, job)
    try:
        found = preview(asked.before, asked.after, asked.release, asked.device, _Clock())
    except TakesLong:
        return Answer(
            None,
            previews.enqueue(
                asked.release,
                asked.change,
                asked.before,
                asked.device,
                asked.turns,
                user,
                asked.key,
            ),
        )
    return Answer(found.to_json())


class _Clock:
    """A progress that gives up when the page has waited long enough."""

    def __init__(self) -> None:
        self.until = time.monotonic() + PATIENCE

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() > self.until:
            raise TakesLong


def _asked_before(asked: Asked) -> Job | None:
    """A job that has the answer, is at work on it, or has just failed at it."""
    same = Job.objects.filter(kind=Job.Kind.PREVIEW, dedup_key=asked.key)
    found = same.exclude(status=Job.Status.CANCELLED).first()
    if found is None or found.is_open:
        return found
    ended = found.finished_at
    return found if ended is not None and ended > timezone.now() - FRESH else None
