"""What every page costs, whoever opens it: queries, and the size of what is sent.

On a small data set of the kind that ``bench_pages`` times at full size.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policy.models import Role
from tests.every_page import Page, api_lists, pages
from workers.large import history, people
from workers.large.history import Size

SMALL = Size(releases=8, machine_types=8, trials=30, changes=20)
MOST_QUERIES, MOST_BYTES = 25, 200_000


def too_dear(client: Client, page: Page) -> str:
    """What is wrong with a page's cost; empty where nothing is."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(page.address)
    if response.status_code >= 500:
        return f"{page.name}: {response.status_code}"
    if len(queries) > MOST_QUERIES:
        # Whoever comes first reads catalogues and policies for all.
        with CaptureQueriesContext(connection) as queries:
            client.get(page.address)
    if len(queries) > MOST_QUERIES:
        return f"{page.name}: {len(queries)} queries"
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    size = len(response.getvalue())
    if is_page and size > MOST_BYTES:
        return f"{page.name}: {size:,} bytes"
    return ""


@pytest.mark.django_db
def test_every_page_costs_little_for_every_role() -> None:
    people.make()
    history.make(SMALL, 1, lambda done, total, text: None)
    with connection.cursor() as cursor:
        # As PostgreSQL does by itself, a minute after rows were committed: these never are, and
        # for empty tables it plans searches that take five minutes.
        cursor.execute("ANALYZE")
    found = []
    for role in Role.values:
        client = Client()
        client.force_login(User.objects.get(username=role))
        listed = [*pages(), *(api_lists() if role == Role.MAINTAINER else ())]
        found += [f"{role}, {told}" for page in listed if (told := too_dear(client, page))]
    assert not found, "\n".join(found)
