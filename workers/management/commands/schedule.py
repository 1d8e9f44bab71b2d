"""``manage.py schedule``: the scheduler in this process, as a container runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


def schedule_file() -> Path:
    """Where the scheduler notes its last tick; the health check looks at its age."""
    return Path(settings.VAR_DIR).resolve() / "celerybeat-schedule"


def scheduler_argv() -> list[str]:
    """This command's own command line, for a supervisor."""
    return [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "schedule"]


def _beat_argv() -> list[str]:
    """Celery beat's command line. No pid file: a stale one would keep it from starting."""
    return [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "workers.celery", "beat"),
        *("--schedule", str(schedule_file()), "--pidfile", "", "--loglevel", "WARNING"),
    ]


class Command(BaseCommand):
    help = "Ask the workers every few seconds to take up lost jobs."

    def handle(self, *args: Any, **options: Any) -> None:
        schedule_file().parent.mkdir(parents=True, exist_ok=True)
        # Beat does not start on a file that a power cut left half written; nothing in it is needed.
        schedule_file().unlink(missing_ok=True)
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, _beat_argv())  # noqa: S606 - our own command
