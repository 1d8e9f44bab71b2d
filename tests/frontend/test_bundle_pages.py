"""Bundles: the list, one bundle, and its download."""

from __future__ import annotations

import hashlib

import pytest
from policy_world import World, person
from signed_in import Login

from policy import bundle
from policy.models import Bundle


@pytest.fixture
def stored(world: World) -> Bundle:
    return bundle.store(world.published())


def test_list_and_page(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    assert stored.filename in client.get("/bundles/").content.decode()
    page = client.get("/bundles/down/1.2/r1/").content.decode()
    assert stored.sha256 in page
    assert "sha256sum -c" in page
    assert "MANIFEST.sha256" in page


def test_the_download_holds_its_sum(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    answer = client.get("/bundles/down/1.2/r1/download")
    assert hashlib.sha256(answer.content).hexdigest() == stored.sha256
    assert answer["Content-Disposition"] == f'attachment; filename="{stored.filename}"'
    assert answer["ETag"] == f'"{stored.sha256}"'
    again = client.get("/bundles/down/1.2/r1/download", headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_what_is_not_there(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    assert client.get("/bundles/down/1.2/r2/").status_code == 404
    assert client.get("/bundles/up/1.2/r1/download").status_code == 404
    nobody = login(person("nobody"))
    assert nobody.get("/bundles/down/1.2/r1/download").status_code == 404
    assert stored.filename not in nobody.get("/bundles/").content.decode()
    assert client.post("/bundles/down/1.2/r1/download").status_code == 405


def test_the_list_makes_few_queries(
    world: World, login: Login, stored: Bundle, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    client.get("/bundles/")
    with django_assert_max_num_queries(16):  # type: ignore[operator]
        client.get("/bundles/")
