"""What turning bits over would bring about, before it is saved."""

from __future__ import annotations

import pytest

from policy import edits
from policy.document import Policy
from policy.edits.toggling import Turn, turned
from policy.questions.previewing import Preview, preview
from tests.policy.policy_world import MACHINES, World, arrays, release

pytestmark = pytest.mark.django_db
LABEL = "down 2.0"


@pytest.fixture
def world() -> World:
    made = World()
    made.release = release("down", "2.0", arrays(), base=made.new)
    return made


def draft(world: World, expected: str = "correct") -> Policy:
    change = edits.add_migration(world.change(), world.maintainer, 1, LABEL, LABEL, expected)
    return change.policy


def previewed(world: World, policy: Policy, *turns: Turn) -> Preview:
    return preview(policy, turned(policy, "foo", turns), world.release, "foo")


def test_a_forbidden_version_makes_a_promise_fail_where_it_is_forbidden(world: World) -> None:
    found = previewed(world, draft(world), Turn("foo", 3, "tighten", MACHINES[1]))
    assert [(item.before, item.after) for item in found.values] == [("0x6", "0xe")]
    [outcome] = found.outcomes
    assert (outcome.before, outcome.after) == ("correct", "refused")
    assert outcome.machine_types == (MACHINES[1],)
    assert found.untouched == 1


def test_alike_outcomes_on_several_machine_types_are_told_together(world: World) -> None:
    found = previewed(world, draft(world), Turn("foo", 3, "tighten"))
    assert [set(item.machine_types) for item in found.outcomes] == [set(MACHINES)]
    assert found.values[0].machine_types == MACHINES


def test_findings_that_appear_and_go_are_told(world: World) -> None:
    policy = draft(world)
    relaxed = turned(policy, "foo", [Turn("foo", 2, "relax")])
    there = previewed(world, policy, Turn("foo", 2, "relax"))
    back = previewed(world, relaxed, Turn("foo", 2, "clear"))
    assert there.appearing
    assert [item.identity for item in back.going] == [item.identity for item in there.appearing]


def test_what_changes_nothing_needs_no_trial(world: World) -> None:
    found = previewed(world, draft(world))
    assert (found.values, found.outcomes, found.untouched) == ((), (), 0)


def test_whoever_watches_may_give_up(world: World) -> None:
    class Enough(Exception):
        pass

    def report(done: int, total: int, text: str) -> None:
        assert 0 <= done < total
        raise Enough

    policy = draft(world)
    after = turned(policy, "foo", [Turn("foo", 3, "tighten")])
    with pytest.raises(Enough):
        preview(policy, after, world.release, "foo", report)
