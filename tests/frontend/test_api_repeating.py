"""Calls that may be sent twice, and edits that overwrite nobody's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from policy_world import World
from signed_in import Login

from frontend.api import repeating
from frontend.models import RememberedAnswer
from policy.models import ChangeRequest

OPEN = {"release": "down 1.2", "title": "By a program"}


def opened(client: Client, key: str = "k", **changed: Any) -> Any:
    return client.post(
        "/api/v1/changes/", OPEN | changed, "application/json", headers={"Idempotency-Key": key}
    )


def test_a_call_with_a_key_is_done_once(world: World, login: Login) -> None:
    client = login(world.maintainer)
    first, second = opened(client), opened(client)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first["ETag"] == second["ETag"]
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert ChangeRequest.objects.count() == 1
    assert opened(client, "another").json()["id"] != first.json()["id"]


def test_a_key_names_one_call_of_one_person(world: World, login: Login) -> None:
    client = login(world.maintainer)
    opened(client)
    other = opened(client, title="Something else")
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    assert opened(login(world.other)).status_code == 201
    assert opened(client, "x" * 256).status_code == 422
    assert ChangeRequest.objects.count() == 2


def test_what_was_refused_is_not_kept(world: World, login: Login) -> None:
    client = login(world.maintainer)
    assert opened(client, release="none 1").status_code == 422
    assert not RememberedAnswer.objects.exists()
    assert opened(client).status_code == 201


def test_a_day_later_the_key_is_free(world: World, login: Login) -> None:
    client = login(world.maintainer)
    opened(client)
    RememberedAnswer.objects.update(at=timezone.now() - timedelta(hours=25))
    assert opened(client, title="Tomorrow").json()["title"] == "Tomorrow"


def test_one_person_keeps_so_many_answers(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "MOST_KEPT", 2)
    client = login(world.maintainer)
    assert [opened(client, key).status_code for key in "ab"] == [201, 201]
    refused = opened(client, "c")
    assert (refused.status_code, refused["Retry-After"]) == (429, "3600")
    assert ChangeRequest.objects.count() == 2
    assert opened(client, "a")["Idempotency-Replayed"] == "true"
    assert opened(login(world.other), "c").status_code == 201


def test_what_is_too_large_to_keep_is_still_done_once(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "MAX_ANSWER", 10)
    client = login(world.maintainer)
    assert opened(client).status_code == 201
    again = opened(client)
    assert (again.status_code, again.json()["field"]) == (422, "Idempotency-Key")
    assert "was done" in again.json()["detail"]
    assert ChangeRequest.objects.count() == 1


def test_a_secret_is_not_kept(world: World, login: Login) -> None:
    answer = login(world.maintainer).post(
        "/api/v1/tokens/", {"name": "x"}, "application/json", headers={"Idempotency-Key": "k"}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert not RememberedAnswer.objects.exists()


def put(client: Client, change: ChangeRequest, data: Any = None, **headers: str) -> Any:
    return client.put(
        f"/api/v1/changes/{change.pk}/",
        {"title": "Better"} | (data or {}),
        "application/json",
        headers=headers,
    )


def test_an_edit_holds_for_the_draft_that_its_tag_names(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    tag = client.get(f"/api/v1/changes/{change.pk}/")["ETag"]
    written = put(client, change, **{"If-Match": tag})
    assert written.json()["lock_version"] == 2
    world.edit(change, world.other)
    stale = put(client, change, **{"If-Match": written["ETag"]})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 3)
    assert [item["label"] for item in stale.json()["meanwhile"]]
    assert stale["Content-Type"] == "application/problem+json"
    present = client.get(f"/api/v1/changes/{change.pk}/")["ETag"]
    several = put(client, change, **{"If-Match": f"{tag}, {present}"})
    assert several.status_code == 200


def test_an_edit_says_what_it_was_made_from(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    assert put(client, change).status_code == 428
    assert put(client, change, **{"If-Match": "*"}).status_code == 428
    assert put(client, change, {"lock_version": 1}, **{"If-Match": "*"}).status_code == 200
    assert put(client, change, {"lock_version": 1}).status_code == 409
    for nonsense in ("", "nonsense", '"unclosed'):
        assert put(client, change, **{"If-Match": nonsense}).status_code == 422
    change.refresh_from_db()
    weak = f'W/"{change.lock_version}-{change.digest[:16]}"'
    assert put(client, change, **{"If-Match": weak}).status_code == 412


def test_a_transition_may_hold_for_a_draft_too(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    address = f"/api/v1/changes/{change.pk}/submit/"
    tag = client.get(f"/api/v1/changes/{change.pk}/")["ETag"]
    world.edit(change, world.other)
    stale = client.post(address, {}, "application/json", headers={"If-Match": tag})
    assert stale.status_code == 412
    assert client.post(address, {}, "application/json").status_code == 200
