"""Single edits through the API: named operations, tried or made all or none, and merged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from policy_world import MACHINES, World
from signed_in import Login

from frontend.api.schema import document
from policy import edits
from policy.edits.operations import OPERATIONS
from policy.models import AuditEntry, ChangeRequest
from policy.review import workflow

NEWEST, OLDER = MACHINES
SPEED = {"driver": "foo", "property": "speed"}


def changed(value: str, machine_type: str = NEWEST) -> dict[str, Any]:
    return {"op": "change-entry", "machine_type": machine_type, **SPEED, "value": value}


def send(client: Client, change: ChangeRequest, *operations: Any, **more: Any) -> Any:
    """POST operations; ``preview`` in ``more`` is the rest of the address."""
    headers = more.pop("headers", {})
    address = f"/api/v1/changes/{change.pk}/edits/{more.pop('preview', '')}"
    data = {"operations": list(operations), **more}
    return client.post(address, data, content_type="application/json", headers=headers)


def test_operations_are_made_as_one_edit(world: World, login: Login) -> None:
    change = world.change()
    answer = send(
        login(world.maintainer), change, changed("6"), changed("3", OLDER), lock_version=1
    )
    told = answer.json()
    assert (answer.status_code, told["lock_version"], told["meanwhile"]) == (200, 2, None)
    assert [item["after"] for item in told["differences"]] == ["6", "3"]
    assert answer["ETag"].startswith('"2-')
    again = send(login(world.maintainer), change, changed("6"), lock_version=2).json()
    assert (again["lock_version"], again["differences"]) == (2, [])


def test_every_operation_at_fault_is_named_and_nothing_is_written(
    world: World, login: Login
) -> None:
    change = world.change()
    faulty = {"op": "remove-entry", "machine_type": "pc", "position": 0}
    answer = send(
        login(world.maintainer), change, changed("fast"), changed("6"), faulty, lock_version=1
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "operations")
    found = [(item["index"], item["field"]) for item in answer.json()["operations"]]
    assert found == [(0, "value"), (2, "machine_type")]
    change.refresh_from_db()
    assert change.lock_version == 1


@pytest.mark.parametrize("operations", [None, [], {}, ["x"], [{"op": "\ud800"}], [{"\ud800": 1}]])
def test_what_are_no_operations_is_refused(world: World, login: Login, operations: Any) -> None:
    address = f"/api/v1/changes/{world.change().pk}/edits/"
    data = {"operations": operations, "lock_version": 1}
    client = login(world.maintainer)
    assert client.post(address, data, content_type="application/json").status_code == 422


def test_what_others_edited_meanwhile_is_merged_and_told(world: World, login: Login) -> None:
    change = world.change()
    edits.change_entry(change, world.other, 1, OLDER, 0, "3")
    told = send(login(world.maintainer), change, changed("6"), lock_version=1).json()
    assert told["meanwhile"]["people"] == ["other"]
    assert [item["after"] for item in told["meanwhile"]["differences"]] == ["3"]
    assert [item["after"] for item in told["differences"]] == ["6"]


def test_what_both_changed_is_asked_and_settled(world: World, login: Login) -> None:
    change = world.edit(world.change(), world.other, "7")
    client = login(world.maintainer)
    lost = send(client, change, changed("6"), lock_version=1)
    (conflict,) = lost.json()["conflicts"]
    assert (lost.status_code, lost.json()["current_version"]) == (409, 2)
    assert conflict == {
        "path": f"machine_types[{NEWEST}].entries[foo.speed]",
        "label": f"foo.speed on {NEWEST}",
        "base": "5",
        "mine": "6",
        "theirs": "7",
        "takes": "line",
    }
    chosen = {"choices": {conflict["path"]: {"value": "9"}}, "current_version": 2}
    assert send(client, change, changed("6"), lock_version=1, **chosen).status_code == 200
    change.refresh_from_db()
    assert [entry.value for entry in change.policy.resolved(NEWEST)] == ["9"]
    entry = AuditEntry.objects.latest("id")
    assert entry.action == "merge edits"
    assert entry.after["merged"]["settled"] == [{"label": conflict["label"], "choice": "typed: 9"}]


@pytest.mark.parametrize("choice", ["theirs or mine", {"value": 9}, {"value": "9", "x": 1}, None])
def test_a_choice_is_a_side_or_a_value(world: World, login: Login, choice: Any) -> None:
    change, client = world.edit(world.change(), world.other, "7"), login(world.maintainer)
    path = f"machine_types[{NEWEST}].entries[foo.speed]"
    more = {"choices": {path: choice}, "current_version": 2}
    assert send(client, change, changed("6"), lock_version=1, **more).status_code == 422


def test_choices_hold_for_the_version_that_they_were_made_against(
    world: World, login: Login
) -> None:
    change = world.edit(world.change(), world.other, "7")
    world.edit(change, world.other, "8")
    path = f"machine_types[{NEWEST}].entries[foo.speed]"
    more = {"choices": {path: "mine"}, "current_version": 2}
    answer = send(login(world.maintainer), change, changed("6"), lock_version=1, **more)
    assert (answer.status_code, answer.json()["current_version"]) == (409, 3)
    assert answer.json()["conflicts"][0]["theirs"] == "8"


def test_an_if_match_is_never_merged(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    tag = client.get(f"/api/v1/changes/{change.pk}/")["ETag"]
    edits.change_entry(change, world.other, 1, OLDER, 0, "3")
    answer = send(client, change, changed("6"), headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["current_version"]) == (412, 2)
    tag = client.get(f"/api/v1/changes/{change.pk}/")["ETag"]
    assert send(client, change, changed("6"), headers={"If-Match": tag}).status_code == 200
    assert send(client, change, changed("7")).status_code == 428


def test_a_call_sent_twice_is_made_once(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    added = {"op": "add-entry", "machine_type": NEWEST, **SPEED, "value": "1"}
    for _ in range(2):
        sent = send(client, change, added, lock_version=1, headers={"Idempotency-Key": "k"})
        assert sent.json()["lock_version"] == 2
    change.refresh_from_db()
    assert len(change.policy.resolved(NEWEST)) == 2


def test_a_preview_tells_each_row_and_what_would_differ(world: World, login: Login) -> None:
    change = world.edit(world.change(), world.other, "7")
    rows = (changed("6"), changed("fast", OLDER), changed("3", OLDER))
    client = login(world.reviewer)
    told = send(client, change, *rows, preview="preview/", lock_version=1).json()
    assert [(row["changes"], row["field"]) for row in told["rows"]] == [
        (True, ""),
        (False, "value"),
        (True, ""),
    ]
    assert [item["mine"] for item in told["conflicts"]] == ["6"]
    assert [item["after"] for item in told["differences"]] == ["6", "3"]
    assert send(client, change, *rows, preview="preview/", lock_version=9).status_code == 409
    change.refresh_from_db()
    assert change.lock_version == 2


@pytest.mark.parametrize(("who", "status"), [("reviewer", 403), ("manager", 403)])
def test_only_a_maintainer_edits(world: World, login: Login, who: str, status: int) -> None:
    change = world.change()
    answer = send(login(getattr(world, who)), change, changed("6"), lock_version=1)
    assert answer.status_code == status
    change.refresh_from_db()
    assert change.lock_version == 1


def test_a_closed_change_is_not_edited(world: World, login: Login) -> None:
    change = workflow.withdraw(world.change(), world.maintainer)
    version = change.lock_version
    answer = send(login(world.maintainer), change, changed("6"), lock_version=version)
    assert answer.status_code == 422


def test_every_operation_is_described() -> None:
    told = document()["components"]["schemas"]["Edits"]["properties"]["operations"]
    described = {item["title"]: item for item in told["items"]["oneOf"]}
    assert set(described) == set(OPERATIONS)
    assert all(item["description"] for item in described.values())
    assert described["add-entry"]["required"] == [
        "op", "machine_type", "driver", "property", "value",
    ]  # fmt: skip
