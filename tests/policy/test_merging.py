"""A draft follows a newer revision: what one side touched is kept, what both touched is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from policy_documents import policies
from policy_world import MACHINES, World

from machines.emulator.catalogue import CompatProperty
from policy import edits
from policy.document import CatalogueRef, MachineType, Migration, Policy
from policy.document.merging import Typed, merge
from policy.errors import Conflict, Invalid
from policy.models import ChangeRequest
from policy.review import workflow

NEWEST, OLDER = MACHINES
A, B, C, D = (CompatProperty("foo", name, "1") for name in "abcd")


def policy(*entries: CompatProperty, **values: Any) -> Policy:
    made = Policy("down", "1.2", CatalogueRef("up 1.0", "0"), **values)
    return made.with_machine_type(MachineType("m", entries=entries))


def merged(base: Policy, mine: Policy, theirs: Policy) -> str:
    result = merge(base, mine, theirs)
    assert result.conflicts == ()
    return "".join(e.property + e.value.removeprefix("1") for e in result.policy.resolved("m"))


def test_each_sides_changes_are_kept() -> None:
    base = policy(A, B, C)
    changed = replace(B, value="2")
    assert merged(base, policy(A, changed, C), policy(A, B, C, D)) == "ab2cd"
    assert merged(base, policy(A, D, B, C), policy(B, C)) == "dbc"
    assert merged(base, policy(C, A, B), policy(A, changed, C)) == "cab2"


def test_what_both_changed_is_a_conflict_until_one_is_chosen() -> None:
    base, mine, theirs = policy(A), policy(replace(A, value="2")), policy(replace(A, value="3"))
    (conflict,) = merge(base, mine, theirs).conflicts
    assert (conflict.label, conflict.base, conflict.mine, conflict.theirs) == (
        "foo.a on m",
        "1",
        "2",
        "3",
    )
    assert merge(base, mine, theirs, {conflict.path: "theirs"}).policy == theirs
    assert merge(base, mine, theirs, {conflict.path: "mine"}).policy == mine
    typed = merge(base, mine, theirs, {conflict.path: Typed("4")}).policy
    assert typed == policy(replace(A, value="4"))


def test_a_removed_thing_that_the_other_changed_is_a_conflict() -> None:
    declared = Migration("down 1.2", "up 1.0", "correct")
    base = policy(migrations=(declared,))
    changed = policy(migrations=(replace(declared, expected="degraded"),))
    (conflict,) = merge(base, policy(), changed).conflicts
    assert (conflict.mine, conflict.theirs) == ("", "degraded")


def test_two_orders_are_a_conflict() -> None:
    base = policy(A, B, C)
    (conflict,) = merge(base, policy(B, A, C), policy(A, C, B)).conflicts
    assert conflict.label.startswith("order of")


@given(policies(), policies())
def test_who_changed_nothing_takes_the_other_side(base: Policy, other: Policy) -> None:
    own = replace(other, base=base.base)
    for mine, theirs in ((own, base), (base, own), (own, own)):
        result = merge(base, mine, theirs)
        assert result.conflicts == ()
        assert result.policy.digest == own.digest


@given(policies(), policies(), policies())
def test_chosen_conflicts_are_settled(base: Policy, mine: Policy, theirs: Policy) -> None:
    found = merge(base, mine, theirs)
    again = merge(base, mine, theirs, {item.path: "theirs" for item in found.conflicts})
    assert again.conflicts == ()


# --- Rebasing a change request --------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    made = World()
    made.published()
    return made


def test_an_outdated_change_is_rebased_and_published(world: World) -> None:
    first, second = world.change(), world.change()
    world.publish(world.edit(first, world.maintainer, "7"))
    second = edits.change_entry(second, world.maintainer, 1, OLDER, 0, "8")
    assert edits.rebase_conflicts(second) == ()
    second = edits.rebase(second, world.maintainer, 2)
    assert [entry.value for entry in second.policy.resolved(OLDER)] == ["7", "8"]
    world.publish(second)


def test_a_conflict_waits_for_a_choice(world: World) -> None:
    first, second = world.change(), world.edit(world.change(), world.maintainer, "8")
    world.publish(world.edit(first, world.maintainer, "7"))
    (conflict,) = edits.rebase_conflicts(second)
    with pytest.raises(Conflict) as caught:
        edits.rebase(second, world.maintainer, 2)
    assert caught.value.conflicts == (conflict,)
    with pytest.raises(Invalid) as refused:
        edits.rebase(second, world.maintainer, 2, {conflict.path: Typed("fast")})
    assert refused.value.field == conflict.path
    second = edits.rebase(second, world.maintainer, 2, {conflict.path: "mine"})
    assert [entry.value for entry in second.policy.resolved(NEWEST)] == ["8"]


def test_two_first_changes_of_a_release(db: None) -> None:
    world = World()
    first, second = world.change(), world.change()
    world.publish(first)
    second = edits.add_machine_type(second, world.maintainer, 1, "pc-q35-down1.0.0", OLDER)
    second = edits.rebase(second, world.maintainer, 2)
    assert len(second.policy.machine_types) == 3
    world.publish(second)


def test_two_first_changes_conflict_only_where_both_left_the_seed(db: None) -> None:
    world = World()
    first, second = world.change(), world.edit(world.change(), world.maintainer, "8")
    world.publish(edits.change_entry(first, world.maintainer, 1, OLDER, 0, "7"))
    assert edits.rebase_conflicts(second) == ()
    second = edits.rebase(second, world.maintainer, 2)
    assert [entry.value for entry in second.policy.resolved(OLDER)] == ["8", "7"]


def test_a_change_that_is_not_outdated_is_not_rebased(world: World) -> None:
    with pytest.raises(Invalid, match="already"):
        edits.rebase(world.change(), world.maintainer, 1)


def test_an_approved_change_goes_back_to_review(world: World) -> None:
    first, second = world.change(), world.edit(world.change(), world.maintainer, "7")
    second = workflow.submit(second, world.maintainer)
    workflow.approve(second, world.reviewer, second.digest)
    world.publish(edits.change_entry(first, world.maintainer, 1, OLDER, 0, "3"))
    second = edits.rebase(second, world.maintainer, 2)
    assert second.status == ChangeRequest.Status.SUBMITTED
