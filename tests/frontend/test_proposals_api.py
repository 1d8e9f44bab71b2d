"""Features that a comparison proposes: told with their evidence, recorded all or none."""

from __future__ import annotations

from typing import Any

from policy_world import World
from signed_in import Login

from policy.models import Feature

ADDRESS = "/api/v1/features/proposals/"
ENDS = {"old": "up 1.0", "new": "up 2.0"}


def proposed(login: Login, world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = login(world.maintainer).get(ADDRESS, ENDS).json()["results"]
    return found


def record(login: Login, user: Any, *chosen: dict[str, str]) -> Any:
    sent = {**ENDS, "chosen": list(chosen)}
    return login(user).post(ADDRESS, sent, content_type="application/json")


def test_proposals_are_recorded_under_names_of_ones_own(world: World, login: Login) -> None:
    first, second, *_ = proposed(login, world)
    assert first["recorded"] is None
    assert first["evidence"]["kind"] in ("subsection", "version", "field", "property")
    named = {"proposal": first["slug"], "slug": "own", "title": "By another name"}
    answer = record(login, world.maintainer, named, {"proposal": second["slug"]})
    assert answer.status_code == 201, answer.content
    assert [item["slug"] for item in answer.json()] == ["own", second["slug"]]
    assert [item["recorded"] for item in proposed(login, world)[:2]] == ["own", second["slug"]]


def test_they_are_searched_and_paged(world: World, login: Login) -> None:
    client, every = login(world.maintainer), proposed(login, world)
    words = every[0]["slug"].upper()
    [found, *_] = client.get(ADDRESS, {**ENDS, "q": words}).json()["results"]
    assert found == every[0]
    assert client.get(ADDRESS, {**ENDS, "device": "none"}).json()["count"] == 0
    page = client.get(ADDRESS, {**ENDS, "page": 2, "page_size": 1}).json()
    assert page["results"] == every[1:2]


def test_one_at_fault_keeps_all_out_and_is_named(world: World, login: Login) -> None:
    first, second, *_ = proposed(login, world)
    same = [{"proposal": item["slug"], "slug": "same"} for item in (first, second)]
    answer = record(login, world.maintainer, *same)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["chosen[1].slug"])
    assert not Feature.objects.exists()
    assert record(login, world.maintainer, {"proposal": "none"}).json()["field"] == "chosen"
    assert record(login, world.maintainer).status_code == 422


def test_only_maintainers_ask_and_record(world: World, login: Login) -> None:
    assert login(world.reviewer).get(ADDRESS, ENDS).status_code == 403
    assert record(login, world.reviewer, {"proposal": "x"}).status_code == 403
    assert login(world.maintainer).get(ADDRESS, {"old": "up 1.0"}).json()["field"] == "new"
