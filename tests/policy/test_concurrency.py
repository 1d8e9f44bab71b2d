"""At the same moment: edits apart are all made, of others one; nothing is written twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from policy_world import MACHINES, World, run_trials

from machines.models import Tree
from policy import audit, edits, trials
from policy.drafts import Settled
from policy.edits import unmerged
from policy.errors import MergeNeeded, PolicyError
from policy.models import AuditEntry, ChangeRequest, Revision, Trial, UnmergedEdit
from policy.review import workflow

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run all in threads that start together; a result is what a work gave or raised."""
    results: list[object] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = works[number]()
        except PolicyError as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_edits_of_the_same_entry_one_wins() -> None:
    world = World()
    change = world.change()

    def edit(value: str) -> Callable[[], object]:
        return lambda: edits.change_entry(
            change, world.maintainer, change.lock_version, MACHINES[0], 0, value
        )

    results = at_once(*(edit(str(value)) for value in range(10, 14)))
    lost = [result for result in results if isinstance(result, MergeNeeded)]
    assert len(lost) == 3
    assert {conflict.current_version for conflict in lost} == {change.lock_version + 1}
    assert AuditEntry.objects.filter(action="change entry").count() == 1


def test_edits_apart_are_all_there_whoever_is_first() -> None:
    world = World()
    change = world.change()
    results = at_once(
        lambda: edits.change_entry(change, world.maintainer, 1, MACHINES[0], 0, "6"),
        lambda: edits.change_entry(change, world.other, 1, MACHINES[1], 0, "3"),
        lambda: edits.choose_devices(change, world.other, 1, ["foo"]),
        lambda: edits.add_migration(change, world.maintainer, 1, "down 1.2", "down 1.2", "correct"),
    )
    assert [type(result) for result in results] == [ChangeRequest] * 4
    change.refresh_from_db()
    assert [entry.value for entry in change.policy.resolved(MACHINES[1])] == ["6", "3"]
    assert (change.policy.devices, len(change.policy.migrations)) == (("foo",), 1)
    assert (change.lock_version, AuditEntry.objects.exclude(action="open").count()) == (5, 4)


def test_of_two_merges_of_one_edit_one_is_made() -> None:
    world = World()
    change = world.edit(world.change(), world.other, "7")
    with pytest.raises(MergeNeeded) as caught:
        edits.change_entry(change, world.maintainer, 1, MACHINES[0], 0, "6")
    kept = unmerged.keep(world.maintainer, caught.value)
    (conflict,) = caught.value.conflicts
    settled = Settled(2, {conflict.path: "mine"})
    results = at_once(*[lambda: unmerged.save(kept, world.maintainer, settled)] * 2)
    change.refresh_from_db()
    assert change.lock_version == 3
    assert [isinstance(result, ChangeRequest) for result in results].count(True) >= 1
    assert not UnmergedEdit.objects.exists()


def test_of_two_publishes_of_one_change_one_makes_the_revision() -> None:
    world = World()
    change = world.approved()
    at_once(*[lambda: workflow.publish(change, world.manager)] * 3)
    assert Revision.objects.count() == 1


def test_two_changes_of_a_release_never_get_the_same_number() -> None:
    world = World()
    changes = [world.approved() for _ in range(3)]
    results = at_once(
        *(lambda change=change: workflow.publish(change, world.manager) for change in changes)
    )
    assert [type(r) for r in results].count(Revision) == 1
    assert list(Revision.objects.values_list("number", flat=True)) == [1]
    assert ChangeRequest.objects.filter(status="published").count() == 1


def test_an_approval_and_an_edit_at_once_never_leave_approved_what_nobody_read() -> None:
    world = World()
    for round in range(5):
        change = world.in_review()
        at_once(
            lambda change=change: workflow.approve(change, world.reviewer, change.digest),
            lambda change=change, round=round: world.edit(
                ChangeRequest.objects.get(pk=change.pk), world.maintainer, str(20 + round)
            ),
        )
        change.refresh_from_db()
        assert change.status == ChangeRequest.Status.SUBMITTED
        assert workflow.approvals(change) == []


def test_the_audit_trail_is_one_chain_however_many_write() -> None:
    tree = Tree.objects.create(name="up")

    def write() -> None:
        for _ in range(5):
            with transaction.atomic():
                audit.record(None, "touch", tree)

    at_once(*[write] * 4)
    assert AuditEntry.objects.count() == 20
    assert audit.verify() == []


def test_a_result_is_recorded_once() -> None:
    world = World()
    change = world.change()
    change = edits.add_migration(
        change, world.maintainer, change.lock_version, "down 1.2", "down 1.2", "correct"
    )
    asked = at_once(*[lambda: trials.enqueue_missing(change, world.maintainer)] * 2)
    assert all(isinstance(result, list) for result in asked)
    assert Trial.objects.count() == 2
    trial = Trial.objects.first()
    assert trial is not None
    at_once(*[lambda: trials.run(Trial.objects.get(pk=trial.pk))] * 2)
    trial.refresh_from_db()
    first = trial.finished_at
    trials.run(trial)
    assert trial.finished_at == first
    assert run_trials(change, world.maintainer) == ["passed", "passed"]
