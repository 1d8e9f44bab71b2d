"""What all tests share: settings for tests, real services to talk to, and no silent skips.

- ``redis`` is a real Redis of this test's own, ``worker`` starts a real Celery worker on it and on
  the test's database; both need ``transactional_db``, or the worker would not see the rows.
- ``live_stack`` is the whole service as ``make run`` starts it, with the sample data, on a port of
  its own; browser tests (``tests/e2e``) open ``live_stack.url``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from django.conf import settings
from django.db import connection

from workers.celery import app
from workers.management.commands.work import worker_argv
from workers.processes import RedisServer, redis_server

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"


# --- Settings -----------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine is no fault of the code. Continuous integration draws the same examples each
    # time, so that it judges the change; new ones are drawn wherever somebody works.
    hypothesis.settings.register_profile("work", deadline=None)
    hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "work")
    # Playwright keeps an event loop in this thread, which Django would take for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Pages are tested without collectstatic; the live stack has the real storage.
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.WHITENOISE_AUTOREFRESH = True
    # No test may reach the Redis of a service that happens to run here.
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis+socket:///nonexistent/redis.sock"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever touches the database runs on PostgreSQL as well: ``-m database`` selects it."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db"} & set(names):
            item.add_marker("database")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database file instead of one in memory: with real locks, and visible to a worker."""
    if connection.vendor == "sqlite":
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(path)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or exitstatus != pytest.ExitCode.OK:
        return
    reasons = [
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for kind in ("skipped", "xfailed")
        for report in reporter.stats.get(kind, [])
    ]
    # A missing tool must not look like success.
    if reasons:
        reporter.write_line(f"Skipped tests are failures here: {reasons}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_finish() -> None:
    # What is imported by now stays: to look through it for garbage again and again takes long.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


# --- Processes ----------------------------------------------------------------------------------


def wait_until(happened: Callable[[], Any], what: str, seconds: float = 120) -> None:
    """Return when ``happened()`` is true; fail the test where that takes too long."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_group(process: subprocess.Popen[Any]) -> None:
    """SIGKILL for the process and for all of its session, as a power cut would do."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


class Redis:
    """A real Redis that a test can stop and start."""

    def __init__(self, server: RedisServer, var: Path) -> None:
        self.url = server.url
        self._server = server
        self._var = var
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = list(self._server.program(self._var).argv)
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, start_new_session=True)
        wait_until(self._server.answers, "Redis")

    def stop(self) -> None:
        if self._process is not None:
            kill_group(self._process)
            self._process = None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A running Redis, to which this process and the workers of the test send."""
    var = tmp_path / "redis"
    var.mkdir()
    with redis_server(var) as server:
        service = Redis(server, var)
        service.start()
        before = app.conf.broker_url
        app.conf.broker_url = service.url
        app.pool.force_close_all()
        yield service
        app.conf.broker_url = before
        service.stop()


@dataclass
class Worker:
    """Starts real Celery workers on the test's database and Redis, with short leases, and the
    scheduler, which asks them for a sweep every second.
    """

    environment: dict[str, str]
    log: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, processes: int = 2) -> subprocess.Popen[bytes]:
        return self._run(worker_argv(processes))

    def schedule(self) -> None:
        self._run([sys.executable, "manage.py", "schedule"])

    def _run(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def kill(self) -> None:
        """SIGKILL for all of them."""
        for process in self.started:
            kill_group(process)


def database_url() -> str:
    """The test's own database, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(values['NAME']))}"
    host = values["HOST"] or values["OPTIONS"]["host"]
    return f"postgresql:///{values['NAME']}?user={values['USER']}&host={quote(host)}"


@pytest.fixture
def worker(transactional_db: None, redis: Redis, tmp_path: Path) -> Iterator[Worker]:
    """Starts workers: ``worker.start()``, ``worker.kill()``; a failing test shows their log."""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": redis.url,
        "LOCKSTEP_VAR": str(tmp_path / "var"),
        "LOCKSTEP_LEASE_SECONDS": "2",
        "LOCKSTEP_SWEEP_SECONDS": "1",
    }
    workers = Worker(environment, tmp_path / "worker.log")
    yield workers
    workers.kill()
    if workers.log.exists():
        print(workers.log.read_text())  # noqa: T201 - pytest shows it where the test fails


# --- The whole service --------------------------------------------------------------------------


@dataclass(frozen=True)
class LiveStack:
    """A running service: its address, its data folder, the sample's logins (name → password)."""

    url: str
    var: Path
    environment: dict[str, str]
    logins: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` on the same data; returns what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


def serve(var: Path, port: int, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Start ``manage.py serve`` as ``make run`` does; returns when its login page answers."""
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"LOCKSTEP_VAR": str(var), "LOCKSTEP_LEASE_SECONDS": "5"}
    subprocess.run(
        [sys.executable, "-P", "frontend/vendor.py"], cwd=ROOT, env=environment, check=True
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def announced() -> bool:
        assert process.poll() is None, log.read_text()
        return f"http://127.0.0.1:{port}/" in log.read_text()

    wait_until(announced, "the service to serve", seconds=170)
    return process, environment


def stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, as Ctrl-C does; returns the exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def sample_logins(var: Path) -> dict[str, str]:
    """Name → password, from what the first start wrote."""
    lines = (var / "sample-logins.txt").read_text().splitlines()
    pairs = (re.match(r"\s*(\S+?):?\s+(\S+)", line) for line in lines)
    return {pair[1]: pair[2] for pair in pairs if pair}


@pytest.fixture(scope="session")
def live_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The whole service with its sample data, shared by all browser tests of a run."""
    var = tmp_path_factory.mktemp("live")
    port = free_port()
    process, environment = serve(var, port, var / "serve.log")
    url = f"http://127.0.0.1:{port}"
    yield LiveStack(url, var, environment, sample_logins(var))
    assert stop(process) == 0, (var / "serve.log").read_text()


# --- Chromium -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, which asks nobody for anything."""
    assert shutil.which(CHROMIUM), "Chromium is missing: install Debian's package chromium"
    quiet = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ]
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": quiet}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return browser_context_args | {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"}
