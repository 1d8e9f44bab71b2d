"""The scheduler's clock: it keeps nothing between starts, and shows that it ticks.

Celery's own persistent scheduler does not start on a schedule file that a power cut left half
written. The sweep and the reminders are all there is to schedule; after a start both are due at
once, and one too many does nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


def last_tick_file() -> Path:
    """Touched at every tick; the health check looks at its age."""
    return Path(settings.VAR_DIR).resolve() / "scheduler-tick"


class Clock(Scheduler):
    """Celery's in-memory scheduler, with a sign of life."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        last_tick_file().touch()
        return super().tick(*args, **kwargs)
