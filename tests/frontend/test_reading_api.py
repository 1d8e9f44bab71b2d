"""How far a change request is read, through the API; and the bundle that it would make."""

from __future__ import annotations

from typing import Any

from django.test import Client
from policy_world import World
from signed_in import Login

JSON = "application/json"


def listed(client: Client, objects: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(objects).json()["results"]
    return found


def test_an_object_is_marked_until_it_is_edited(world: World, login: Login) -> None:
    change = world.harmless(world.edit(world.change(), world.maintainer))
    objects = f"/api/v1/changes/{change.pk}/objects/"
    client = login(world.reviewer)
    first, second = listed(client, objects)
    assert not first["is_read"]
    assert first["lines"][0]["after"] == "7"
    mark = f"{objects}{first['key']}/"
    read = client.post(f"{mark}read/", {"digest": first["digest"]}, content_type=JSON)
    assert (read.json()["key"], read.json()["is_read"]) == (first["key"], True)
    assert [item["is_read"] for item in listed(login(world.other), objects)] == [False, False]
    world.edit(change, world.maintainer, "8")
    assert not listed(client, objects)[0]["is_read"]
    stale = client.post(f"{mark}read/", {"digest": first["digest"]}, content_type=JSON)
    assert stale.status_code == 422
    assert (
        client.post(f"{objects}{second['key']}/unread/", {}, content_type=JSON).status_code == 200
    )
    for none in (f"{mark}burn/", f"{objects}none/unread/"):
        assert client.post(none, {}, content_type=JSON).status_code == 404


def test_the_bundle_to_come_is_told(world: World, login: Login) -> None:
    world.published()
    change = world.edit(world.change(), world.maintainer)
    address = f"/api/v1/changes/{change.pk}/bundle/"
    client = login(world.reviewer)
    told = {item["path"]: item for item in client.get(address).json()["results"]}
    assert told["policy.json"]["how"] == "changed"
    assert {item["difference"] for item in told.values()} == {None}
    shown = client.get(address, {"file": "policy.yaml"}).json()["results"]
    [lines] = [item["difference"] for item in shown if item["path"] == "policy.yaml"]
    assert any(line.startswith("+") and '"7"' in line for line in lines)
