"""Edits by name: read from JSON, tried row by row, made all or none."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from policy_world import MACHINES, World, arrays, release

from policy import edits, state
from policy.edits import operations
from policy.edits.machine_types import AddEntry, AddMachineType, ChangeEntry, RemoveEntry
from policy.edits.operations import Refused
from policy.errors import Invalid
from policy.models import AuditEntry, ChangeRequest

pytestmark = pytest.mark.django_db
NEWEST, OLDER = MACHINES
SPEED = {"machine_type": NEWEST, "driver": "foo", "property": "speed"}


@pytest.fixture
def world() -> World:
    return World()


def apply(world: World, change: ChangeRequest, *documents: dict[str, Any]) -> ChangeRequest:
    made = operations.read(list(documents))
    return operations.apply(change, world.maintainer, change.lock_version, made)


def test_operations_are_made_in_their_order_as_one_edit(world: World) -> None:
    change = apply(
        world,
        world.change(),
        {"op": "add-machine-type", "name": "pc-q35-down1.0.0", "parent": OLDER},
        {"op": "add-entry", **SPEED, "machine_type": "pc-q35-down1.0.0", "value": "3"},
        {"op": "change-entry", **SPEED, "value": "6"},
    )
    values = [entry.value for entry in change.policy.resolved("pc-q35-down1.0.0")]
    assert (values, change.lock_version) == (["6", "4", "3"], 2)
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, len(entry.after["changes"])) == (operations.SEVERAL, 3)


def test_what_takes_too_long_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change = world.change()
    waive = {"op": "waive-finding", "finding": "none", "reason": "So.", "expires": "2099-01-01"}
    monkeypatch.setattr(operations, "MAX_SECONDS", 0.001)
    with pytest.raises(Invalid, match="Send fewer at once"):
        apply(world, change, *[waive] * 1000)
    change.refresh_from_db()
    assert change.lock_version == 1


def test_several_of_a_kind_are_recorded_as_that_kind(world: World) -> None:
    made = [{"op": "add-entry", **SPEED, "machine_type": name, "value": "1"} for name in MACHINES]
    apply(world, world.change(), *made)
    assert AuditEntry.objects.latest("id").action == "add entry"


def test_one_that_cannot_be_made_undoes_all_and_every_fault_is_told(world: World) -> None:
    change = world.change()
    with pytest.raises(Refused) as caught:
        apply(
            world,
            change,
            {"op": "change-entry", **SPEED, "value": "fast"},
            {"op": "change-entry", **SPEED, "value": "6"},
            {"op": "remove-entry", **SPEED, "property": "colour"},
        )
    found = [(problem.index, problem.field) for problem in caught.value.problems]
    assert found == [(0, "value"), (2, "property")]
    change.refresh_from_db()
    assert change.lock_version == 1


def test_a_run_tells_what_became_of_each_and_writes_nothing(world: World) -> None:
    change = world.change()
    wanted = [
        ChangeEntry(NEWEST, "5", driver="foo", property="speed"),
        AddEntry(NEWEST, "foo", "speed", "fast"),
        AddMachineType("pc-new"),
        RemoveEntry(OLDER, position=0),
    ]
    found = operations.run(change.policy, wanted)
    assert [row.changes for row in found.rows] == [False, False, True, True]
    assert [problem.index for problem in found.problems] == [1]
    assert ChangeRequest.objects.get(pk=change.pk).digest == change.digest != found.policy.digest


def test_what_no_document_holds_is_told_at_its_operation(world: World) -> None:
    found = operations.run(world.change().policy, [AddMachineType("good"), AddMachineType("-bad")])
    assert [(problem.index, problem.field) for problem in found.problems] == [(1, "name")]
    assert found.policy.machine_type("good") is not None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("add-entry", ""),
        ({"op": "explode"}, "op"),
        ({"op": ["add-entry"]}, "op"),
        ({"op": "add-entry", **SPEED}, "value"),
        ({"op": "add-entry", **SPEED, "value": 5}, "value"),
        ({"op": "add-entry", **SPEED, "value": "5", "position": True}, "position"),
        ({"op": "add-entry", **SPEED, "value": "5", "colour": "red"}, "op"),
        ({"op": "choose-devices", "devices": "foo"}, "devices"),
        ({"op": "choose-devices", "devices": [1]}, "devices"),
        ({"op": "waive-finding", "finding": "x", "reason": "y", "expires": "soon"}, "expires"),
    ],
)
def test_what_cannot_be_read_names_operation_and_field(document: Any, field: str) -> None:
    good = {"op": "remove-entry", "machine_type": NEWEST, "position": 0}
    with pytest.raises(Refused) as caught:
        operations.read([good, document])
    (problem,) = caught.value.problems
    assert (problem.index, problem.field) == (1, field)


@pytest.mark.parametrize("document", [None, {}, [], [{}] * 1001])
def test_a_list_is_needed_and_not_too_long(document: Any) -> None:
    with pytest.raises(Invalid) as caught:
        operations.read(document)
    assert caught.value.field == "operations"


def test_every_field_is_read_as_its_type() -> None:
    (mitigation, waiver) = operations.read(
        [
            {
                "op": "add-mitigation",
                "started_on": "down 1.1",
                "machine_type": NEWEST,
                "entries": [{"driver": "foo", "property": "speed", "value": "5"}],
                "reason": "Known.",
            },
            {"op": "waive-finding", "finding": "x", "reason": "y", "expires": "2026-12-24"},
        ]
    )
    assert mitigation.entries[0].property == "speed"  # type: ignore[attr-defined]
    assert waiver.expires == date(2026, 12, 24)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ({}, "position"),
        ({"driver": "foo"}, "position"),
        ({"driver": "foo", "property": "colour"}, "property"),
        ({"driver": "foo", "property": "colour", "position": 0}, "position"),
        ({"position": 7}, "position"),
        ({"driver": "foo", "property": "speed"}, "position"),
    ],
)
def test_an_entry_that_is_not_there_or_not_one(
    world: World, place: dict[str, Any], field: str
) -> None:
    policy = operations.run(world.change().policy, [AddEntry(NEWEST, "foo", "speed", "1")]).policy
    (removal,) = operations.read([{"op": "remove-entry", "machine_type": NEWEST, **place}])
    (problem,) = operations.run(policy, [removal]).problems
    assert problem.field == field


def test_a_backport_is_taken_with_the_entries_that_it_calls_for(world: World) -> None:
    release("down", "1.1", arrays(), base=world.old)  # older guests, which lack the feature
    carrier = {"section": "foo/foo/s", "subsection": True}
    gate = {"driver": "foo", "property": "x-s", "on": "on"}
    edits.record_feature(world.maintainer, world.new, "foo-s", "S", "", "foo", [carrier], gate)
    taken = {"op": "add-backport", "feature": "foo-s", "justification": "Wanted."}
    change = apply(world, world.change(), taken, {"op": "add-required-entries", "feature": "foo-s"})
    assert [entry.property for entry in change.policy.resolved(NEWEST)] == ["speed", "x-s"]
    once_more = apply(world, change, {"op": "add-required-entries", "feature": "foo-s"})
    assert once_more.lock_version == change.lock_version
    change = apply(world, change, {"op": "remove-backport", "feature": "foo-s"})
    assert change.policy.backports == ()


def test_a_migration_is_removed_by_what_it_says(world: World) -> None:
    ends = {"source": "down 1.2", "destination": "up 1.0"}
    change = apply(world, world.change(), {"op": "add-migration", **ends, "expected": "correct"})
    (problem,) = operations.run(
        change.policy, operations.read([{"op": "remove-migration", "source": "down 1.2"}])
    ).problems
    assert problem.field == "source"
    change = apply(world, change, {"op": "remove-migration", **ends})
    assert change.policy == state.baseline(change)
