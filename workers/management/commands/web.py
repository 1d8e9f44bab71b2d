"""``manage.py web``: the web server in this process, as a container runs it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


def web_argv(bind: str) -> list[str]:
    """gunicorn's command line. Two processes of four threads: pages wait for SQLite, not CPU.

    Both are forked from one that has read what pages need (:mod:`frontend.warming`).
    """
    return [
        *(sys.executable, "-m", "gunicorn", "frontend.wsgi:application", "--preload"),
        *("--bind", bind, "--worker-class", "gthread", "--workers", "2", "--threads", "4"),
        *("--graceful-timeout", "5", "--timeout", "120", "--no-control-socket"),
        *("--log-level", "warning"),
    ]


class Command(BaseCommand):
    help = "Serve the pages and the REST API with gunicorn."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, web_argv(options["bind"]))  # noqa: S606 - our own command
