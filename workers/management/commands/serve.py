"""``manage.py serve``: the whole service in the foreground, for a laptop or a small team."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from workers.management.commands.schedule import scheduler_argv
from workers.management.commands.web import web_argv
from workers.management.commands.work import worker_argv
from workers.processes import (
    Program,
    StartError,
    Supervisor,
    check_port,
    listens,
    redis_server,
)

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Run web server, worker, scheduler and Redis as one foreground process group."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=_port, default=os.environ.get("PORT", "8000"))

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        var = Path(settings.VAR_DIR).resolve()
        try:
            check_port(HOST, port)
            with _only_one(var):
                self._prepare(var)
                status = self._serve(var, port)
        except StartError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Stopped.")
        sys.exit(status)

    def _prepare(self, var: Path) -> None:
        """Bring the database and the static files up to date; load the sample at first start."""
        if not (var / "vendor" / ".stamp").exists():
            raise StartError("The front-end packages are missing: `make install` fetches them.")
        call_command("migrate", interactive=False, verbosity=0)
        _collect_static(var)
        self._load_sample(var)

    def _load_sample(self, var: Path) -> None:
        """At the first start on an embedded database; an interrupted one goes on where it was."""
        stamp = var / "sample.stamp"
        wanted = "DATABASE_URL" not in os.environ and os.environ.get("LOCKSTEP_SAMPLE") != "0"
        if wanted and not (stamp.exists() and User.objects.exists()):
            self.stdout.write("First start: loading the sample releases …")
            call_command("load_sample")
            stamp.touch()

    def _serve(self, var: Path, port: int) -> int:
        with contextlib.ExitStack() as stack:
            environment = os.environ | {
                "DJANGO_SETTINGS_MODULE": "frontend.settings",
                "LOCKSTEP_VAR": str(var),
                "PYTHONUNBUFFERED": "1",
                # Celery warns root at length, twice; a container runs as nobody anyway.
                "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
            }
            environment.setdefault("LOCKSTEP_URL", f"http://{HOST}:{port}")
            programs = []
            if "REDIS_URL" not in os.environ:
                redis = stack.enter_context(redis_server(var))
                environment |= {"REDIS_URL": redis.url, "LOCKSTEP_REDIS_KIND": redis.kind}
                programs.append(redis.program(var))
            programs += [
                Program("worker", worker_argv()),
                Program("scheduler", scheduler_argv()),
                Program("web", web_argv(f"{HOST}:{port}"), lambda: listens(HOST, port)),
            ]
            supervisor = Supervisor(environment, cwd=settings.BASE_DIR)
            return supervisor.run(programs, lambda: self._announce(var, port))

    def _announce(self, var: Path, port: int) -> None:
        self.stdout.write(f"\nLockstep serves on http://{HOST}:{port}/ (Ctrl-C stops it)")
        logins = var / "sample-logins.txt"
        if logins.exists():
            self.stdout.write(f"Sample logins, kept in {logins}:\n{logins.read_text()}")
        self.stdout.flush()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ArgumentTypeError(f"'{text:.20}' is no port: give a number from 1 to 65535")
    return int(text)


@contextlib.contextmanager
def _only_one(var: Path) -> Iterator[None]:
    """Two services on the same data would sweep and stop each other's processes."""
    var.mkdir(parents=True, exist_ok=True)
    # The database holds sessions and the hashes of passwords.
    var.chmod(0o700)
    # The kernel drops the lock with the process, however that ends: it cannot be stale.
    with (var / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(f"Lockstep already runs on the data in {var}.") from error
        yield


def _collect_static(var: Path) -> None:
    """``collectstatic``, unless no file has changed since the last one."""
    state = hashlib.sha256(django.get_version().encode())
    for folder in (settings.BASE_DIR / "frontend" / "static", var / "vendor"):
        for path in sorted(folder.rglob("*")):
            state.update(f"{path}\0{path.stat().st_mtime_ns}\0".encode())
    stamp = var / "static.stamp"
    if stamp.exists() and stamp.read_text() == state.hexdigest():
        return
    (var / "vendor").mkdir(exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(state.hexdigest())
