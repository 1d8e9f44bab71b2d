"""``manage.py healthy web|worker|scheduler``: a container's health check."""

from __future__ import annotations

import http.client
import os
import socket
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.urls import reverse

from workers.celery import app
from workers.clock import last_tick_file


class Command(BaseCommand):
    help = "Exit with 0 where the part of the service that runs here works, else 1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("part", choices=["web", "worker", "scheduler"])
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))

    def handle(self, *args: Any, part: str, port: int, **options: Any) -> None:
        checks = {"web": lambda: _web(port), "worker": _worker, "scheduler": _scheduler}
        if problem := checks[part]():
            raise CommandError(problem)
        self.stdout.write("healthy")


def _web(port: int) -> str:
    """The database answers, and the login page is served."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"The database does not answer: {error}"
    host = settings.ALLOWED_HOSTS[0].lstrip(".") if settings.ALLOWED_HOSTS else "localhost"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request(
            "GET", reverse("login"), headers={"Host": "localhost" if host == "*" else host}
        )
        status = client.getresponse().status
    except OSError as error:
        return f"The web server does not answer on port {port}: {error}"
    finally:
        client.close()
    return f"The login page answers with {status}." if status >= 400 else ""


def _worker() -> str:
    """The worker of this host answers through Redis."""
    name = f"celery@{socket.gethostname()}"
    try:
        answers = app.control.inspect([name], timeout=5).ping()
    except OSError as error:
        return f"Redis does not answer: {error}"
    return "" if answers else f"The worker {name} does not answer."


def _scheduler() -> str:
    """The scheduler's last tick is not old."""
    path = last_tick_file()
    if not path.exists():
        return "The scheduler has not started."
    silent = time.time() - path.stat().st_mtime
    limit = 3 * settings.LOCKSTEP_SWEEP_SECONDS + 30
    return f"The scheduler has been silent for {silent:.0f} s." if silent > limit else ""
