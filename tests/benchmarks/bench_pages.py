"""How long every page takes at the size of a large downstream, and what it costs.

As a program it measures the database that the environment names, as ``manage.py`` would find it::

    LOCKSTEP_VAR=/var/large python manage.py migrate
    LOCKSTEP_VAR=/var/large python manage.py make_large_sample
    LOCKSTEP_VAR=/var/large python tests/benchmarks/bench_pages.py [part of a page's name …]

and prints, for each page: the median of several requests, the first one, queries, size. As where
it is served, what pages need is read before the first request. ``DATABASE_URL`` may name a
PostgreSQL.
"""

from __future__ import annotations

import logging
import os
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "frontend.settings")
    import django

    django.setup()

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from frontend.warming import warm
from tests.every_page import Page, api_lists, pages

REPEATED = 7
#: What a page may take at most: milliseconds, queries, kilobytes.
LIMITS = 150, 25, 200


@dataclass(frozen=True)
class Measured:
    """A page's cost: ``first`` and ``median`` in milliseconds, ``processor`` what of the median was
    the process's own work (on a busy machine the rest is waiting), ``database`` what its
    queries take; ``size`` of the body in bytes.
    """

    page: Page
    status: int
    first: float
    median: float
    processor: float
    database: float
    queries: int
    size: int
    kind: str

    @property
    def is_within(self) -> bool:
        milliseconds, queries, kilobytes = LIMITS
        fits = self.size <= kilobytes * 1000 or not self.kind.startswith("text/html")
        return self.median <= milliseconds and self.queries <= queries and fits


def measured(client: Client, page: Page) -> Measured | None:
    """The cost of a page; None where its address is only posted to."""
    begun = time.perf_counter()
    response = client.get(page.address)
    first = time.perf_counter() - begun
    if response.status_code == 405:
        return None
    times, processor = [], []
    for _ in range(REPEATED):
        begun, worked = time.perf_counter(), time.process_time()
        client.get(page.address)
        times.append(time.perf_counter() - begun)
        processor.append(time.process_time() - worked)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(page.address)
    body = response.getvalue()
    return Measured(
        page,
        response.status_code,
        first * 1000,
        statistics.median(times) * 1000,
        statistics.median(processor) * 1000,
        sum(float(query["time"]) for query in queries) * 1000,
        len(queries),
        len(body),
        response.headers.get("Content-Type", ""),
    )


def _of_whoever_may(client: Client, administrator: Client, page: Page) -> Measured | None:
    """As an administrator where a maintainer is refused."""
    found = measured(client, page)
    if found is not None and found.status in (403, 404):
        return measured(administrator, page)
    return found


def _signed_in(name: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username=name))
    return client


def rows(found: Iterable[Measured]) -> Iterable[str]:
    """The table, a line a page; what is beyond a limit is marked."""
    yield (
        f"{'page':<42} {'status':>6} {'first':>8} {'median':>8} {'own':>8} {'database':>8} "
        f"{'queries':>7} {'KB':>7}"
    )
    for item in found:
        mark = "" if item.is_within else "  !"
        yield (
            f"{item.page.name:<42} {item.status:>6} {item.first:>6.0f}ms {item.median:>6.0f}ms "
            f"{item.processor:>6.0f}ms {item.database:>6.0f}ms "
            f"{item.queries:>7} {item.size / 1000:>7.1f}{mark}"
        )


def main(names: list[str]) -> None:
    logging.disable()
    # Not setup_test_environment: templates would copy their context for each part of a page.
    settings.ALLOWED_HOSTS = ["testserver"]
    # Pages are timed without collectstatic, as they are tested.
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
    begun, worked = time.perf_counter(), time.process_time()
    warm()
    elapsed, own = time.perf_counter() - begun, time.process_time() - worked
    print(f"{connection.vendor}; read ahead in {elapsed:.1f} s, {own:.1f} s of its own work")  # noqa: T201
    client, administrator = (_signed_in(name) for name in ("maintainer", "administrator"))
    chosen = [
        page
        for page in (*pages(), *api_lists())
        if not names or any(name in page.name for name in names)
    ]
    found = filter(None, (_of_whoever_may(client, administrator, page) for page in chosen))
    for line in rows(found):
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
