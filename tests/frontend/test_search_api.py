"""Search for programs: what the box of the pages finds, and where a program reads more of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from policy_world import MACHINES, World, person
from signed_in import Login

from frontend.searching import ALL
from policy.models import ChangeRequest
from policy.publishing import bundle


def asked(client: Client, words: str, **query: Any) -> Any:
    return client.get("/api/v1/search/", {"q": words, **query}).json()


def hits(client: Client, words: str, **query: Any) -> dict[str, list[dict[str, Any]]]:
    """Kind → its hits."""
    return {item["kind"]: item["hits"] for item in asked(client, words, **query)["groups"]}


def test_it_finds_what_the_page_finds(world: World, login: Login) -> None:
    bundle.store(world.published())
    client, number = login(world.reviewer), f"#{ChangeRequest.objects.get().pk}"
    for words in ("foo", "down 1.2", "q35", world.maintainer.username, "A change", number):
        page = client.get(reverse("search"), {"q": words}).text
        told = asked(client, words)
        pages = [hit["page"] for group in told["groups"] for hit in group["hits"]]
        assert pages, words
        assert len(pages) == told["count"] == page.count("data-row-link")
        assert all(f'href="{address}"' in page for address in pages), words


def test_every_hit_that_the_api_tells_of_leads_there(world: World, login: Login) -> None:
    bundle.store(world.published())
    client = login(world.reviewer)
    for words in ("foo", "down 1.2", MACHINES[0], "A change", "lockstep"):
        for kind, found in hits(client, words).items():
            for hit in found:
                assert (hit["api"] is None) == (kind == "people"), hit
                assert kind == "people" or client.get(hit["api"]).status_code == 200, hit


def test_a_name_of_several_releases_leads_where_it_is_asked_for(world: World, login: Login) -> None:
    client = login(world.reviewer)
    for release in ("up 1.0", "up 2.0"):
        [hit] = hits(client, "foo", release=release)["devices"][:1]
        assert hit["api"] == f"/api/v1/releases/{release.replace(' ', '/')}/devices/foo/"
        assert hit["where"] == f"{release} +1"
    assert client.get("/api/v1/search/?q=foo&release=no").status_code == 422


def test_no_more_than_is_asked_for_of_each_kind(world: World, login: Login) -> None:
    found = hits(login(world.reviewer), "o", limit=1)
    assert found
    assert {len(items) for items in found.values()} == {1}
    assert found.keys() <= {kind.name for kind in ALL}


def test_whether_there_are_more_than_are_told(world: World, login: Login) -> None:
    client = login(world.reviewer)
    told = {item["kind"]: item["more"] for item in asked(client, "o", limit=1)["groups"]}
    assert told["releases"] is False
    assert told["devices"] is True
    every = asked(client, "o")["groups"]
    assert {item["more"] for item in every} == {False}
    assert {item["kind"] for item in every if len(item["hits"]) > 1} == {
        kind for kind, more in told.items() if more
    }


def test_strangers_find_nothing_here_either(world: World, login: Login) -> None:
    assert login(person("stranger")).get("/api/v1/search/?q=foo").status_code == 403
    assert asked(login(world.reviewer), "") == {"count": 0, "groups": []}


@pytest.mark.parametrize("query", ["", "q=" + 201 * "x", "q=foo&limit=0", "q=foo&limit=13"])
def test_a_question_that_cannot_be_is_refused(world: World, login: Login, query: str) -> None:
    answer = login(world.reviewer).get(f"/api/v1/search/?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"]
