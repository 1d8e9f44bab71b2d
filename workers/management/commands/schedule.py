"""``manage.py schedule``: the scheduler in this process, as a container runs it."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from workers.clock import last_tick_file


def scheduler_argv() -> list[str]:
    """Celery beat's command line. No pid file: a stale one would keep it from starting."""
    return [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "workers.celery", "beat"),
        *("--scheduler", "workers.clock.Clock", "--pidfile", "", "--loglevel", "WARNING"),
    ]


class Command(BaseCommand):
    help = "Ask the workers every few seconds to take up lost jobs."

    def handle(self, *args: Any, **options: Any) -> None:
        last_tick_file().parent.mkdir(parents=True, exist_ok=True)
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, scheduler_argv())  # noqa: S606 - our own command
