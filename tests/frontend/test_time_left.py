"""How much longer a job takes, told beside its progress."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from frontend.templatetags.lockstep import time_left
from workers.models import Job


@pytest.mark.parametrize(
    ("done", "total", "seconds", "said"),
    [
        (0, 10, 5, ""),
        (10, 10, 5, ""),
        (5, 10, 20, "about 20 s left"),
        (1, 101, 10, "about 17 min left"),
    ],
)
def test_it_goes_on_as_it_has(done: int, total: int, seconds: int, said: str) -> None:
    begun = timezone.now() - timedelta(seconds=seconds)
    job = Job(status="running", started_at=begun, progress_done=done, progress_total=total)
    assert time_left(job) == said
    job.status = "done"
    assert time_left(job) == ""
