"""``manage.py work``: a Celery worker in this process, as a container runs it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from workers.celery import QUEUES


def worker_argv(processes: int = 2, queues: str = ",".join(QUEUES)) -> list[str]:
    """Celery's command line: a main process and so many others that do jobs."""
    return [
        *(sys.executable, "-m", "celery", "--quiet", "-A", "workers.celery", "worker"),
        *("-Q", queues, "--concurrency", str(processes), "--loglevel", "WARNING"),
        # Workers need not know of each other: the jobs' rows say who does what.
        *("--without-gossip", "--without-mingle"),
    ]


class Command(BaseCommand):
    help = "Do queued jobs with a Celery worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--processes", type=int, default=2)
        parser.add_argument("--queues", default=",".join(QUEUES), help="separated by commas")

    def handle(self, *args: Any, **options: Any) -> None:
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, worker_argv(options["processes"], options["queues"]))  # noqa: S606
