"""Every error below the API is problem JSON, wherever in the service it arises."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from policy_world import World
from signed_in import Login

from policy.publishing import bundle

COMMENT = "changes/{pk}/comment/"


@pytest.mark.parametrize(
    ("method", "address", "more", "status"),
    [
        ("get", "nothing/", {}, 404),
        ("get", "changes/9999/", {}, 404),
        ("get", "changes/?page=9", {}, 404),
        ("get", "changes/?page_size=0", {}, 422),
        ("get", "changes/?ordering=content", {}, 422),
        ("get", "changes/?search=%00", {}, 400),
        ("get", f"changes/?search={'+'.join('ab' * 900)}", {}, 422),
        ("delete", "changes/", {}, 405),
        ("get", "changes/", {"headers": {"Accept": "text/html"}}, 406),
        ("get", "schema/", {"headers": {"Accept": "text/html"}}, 406),
        ("delete", "schema/", {}, 405),
        ("post", COMMENT, {"data": "{", "content_type": "application/json"}, 400),
        ("post", COMMENT, {"data": "[1]", "content_type": "application/json"}, 422),
        ("post", COMMENT, {"data": "<a/>", "content_type": "text/xml"}, 415),
        ("post", COMMENT, {"data": {"text": 5}, "content_type": "application/json"}, 422),
        ("get", "changes/", {"headers": {"Host": "elsewhere.example"}}, 400),
    ],
)
def test_an_error_is_a_problem(
    world: World, login: Login, method: str, address: str, more: dict[str, Any], status: int
) -> None:
    pk = world.change().pk
    client = login(world.reviewer)
    answer = getattr(client, method)("/api/v1/" + address.format(pk=pk), **more)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert ("Allow" in answer) or status != 405


def test_a_schema_for_nobody_is_a_problem(db: None) -> None:
    answer = Client().get("/api/v1/schema/")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_fault_of_the_program_tells_nothing_of_it(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login(world.reviewer)
    client.raise_request_exception = False

    def fail(user: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("frontend.api.releases.visible_trees", fail)
    answer = client.get("/api/v1/trees/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert b"secret" not in answer.content


def test_a_page_stays_a_page(world: World, login: Login) -> None:
    answer = login(world.reviewer).get("/nothing/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("accept", ["application/gzip", "*/*", "application/json"])
def test_a_bundle_is_what_is_asked_for(world: World, login: Login, accept: str) -> None:
    stored = bundle.store(world.published())
    client = login(world.reviewer)
    answer = client.get("/api/v1/bundles/down/1.2/r1/download", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.content == bytes(stored.content)
