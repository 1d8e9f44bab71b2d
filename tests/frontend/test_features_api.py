"""Features recorded through the API: what their release does not have is refused."""

from __future__ import annotations

from typing import Any

import pytest
from policy_world import World
from signed_in import Login

from policy.models import AuditEntry, Feature

FEATURE: dict[str, Any] = {
    "release": "up 2.0",
    "slug": "foo-s",
    "title": "S",
    "device": "foo",
    "carriers": [{"section": "foo/foo/s", "subsection": True}],
    "gate": {"driver": "foo", "property": "x-s", "on": "on"},
}


def send(login: Login, user: Any, **changed: Any) -> Any:
    sent = FEATURE | changed
    return login(user).post("/api/v1/features/", sent, content_type="application/json")


def test_a_feature_is_recorded(world: World, login: Login) -> None:
    answer = send(login, world.maintainer)
    assert (answer.status_code, answer.json()["introduced"]) == (201, "up 2.0")
    assert login(world.reviewer).get("/api/v1/features/foo-s/").json() == answer.json()
    assert AuditEntry.objects.latest("id").action == "record feature"
    again = send(login, world.maintainer)
    assert (again.status_code, again.json()["field"]) == (422, "slug")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"release": "up 9"}, "release"),
        ({"device": "toaster"}, "device"),
        ({"carriers": [{"section": "foo/foo/t", "subsection": True}]}, "carriers"),
        ({"gate": {"driver": "foo", "property": "none", "on": "on"}}, "gate"),
    ],
)
def test_what_the_release_does_not_have_is_refused(
    world: World, login: Login, changed: dict[str, Any], field: str
) -> None:
    answer = send(login, world.maintainer, **changed)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not Feature.objects.exists()


def test_only_a_maintainer_records(world: World, login: Login) -> None:
    assert send(login, world.reviewer).status_code == 403
    assert not Feature.objects.exists()
