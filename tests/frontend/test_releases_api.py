"""Releases through the API: a new one, and what a device of one is set to."""

from __future__ import annotations

from typing import Any

import pytest
from policy_world import MACHINES, World
from signed_in import Login

from machines.models import Release
from policy.models import AuditEntry

NEW = {"tree": "down", "version": "1.3", "base": "up 1.0", "stand_in": "up 2.0"}


def add(login: Login, user: Any, **changed: Any) -> Any:
    sent = NEW | changed
    return login(user).post("/api/v1/releases/", sent, content_type="application/json")


def test_a_release_is_added(world: World, login: Login) -> None:
    answer = add(login, world.maintainer)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["label"], told["base"], told["stand_in"]) == ("down 1.3", "up 1.0", "up 2.0")
    assert AuditEntry.objects.latest("id").action == "created release"
    assert login(world.reviewer).get("/api/v1/releases/down/1.3/").json() == told


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"tree": "else"}, "tree"),
        ({"version": "a b"}, "version"),
        ({"version": "1.2"}, None),
        ({"base": "up 9"}, "base"),
    ],
)
def test_what_cannot_be_a_release_is_refused(
    world: World, login: Login, changed: dict[str, str], field: str | None
) -> None:
    answer = add(login, world.maintainer, **changed)
    assert answer.status_code == 422
    told = answer.json()
    assert field in (told.get("field"), *told.get("errors", ())), told
    assert not Release.objects.filter(version="1.3").exists()


def test_a_reviewer_adds_none(world: World, login: Login) -> None:
    assert add(login, world.reviewer).status_code == 403


def test_a_device_tells_its_properties_and_what_set_them(world: World, login: Login) -> None:
    address = f"/api/v1/releases/down/1.2/devices/foo/?machine_type={MACHINES[0]}"
    told = login(world.reviewer).get(address).json()
    [speed] = [item for item in told["properties"] if item["name"] == "speed"]
    assert speed["value"] == "5"
    assert speed["layer"] == "compat"
    assert speed["origin"] == "pc_down_compat"
