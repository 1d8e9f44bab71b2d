"""What open change requests make of a tree's migrations, and how published policies stand."""

from __future__ import annotations

import pytest
from policy_world import World, arrays, release, run_trials

from policy import edits
from policy.models import ChangeRequest, PublishedStanding, Trial
from policy.review import workflow
from policy.trials import altered, published
from policy.trials.matrix import matrix


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def both(world: World) -> ChangeRequest:
    """A published release, and the next one's first policy with its trials."""
    world.published()
    change = edits.open_change(
        release("down", "1.4", arrays(), base=world.old), world.maintainer, "As it is"
    )
    assert run_trials(change, world.maintainer) == ["passed"] * 4
    return change


def test_what_is_not_published_yet_is_new(world: World, both: ChangeRequest) -> None:
    tree = both.release.tree
    assert altered.marks(tree) == {}
    assert altered.refresh() == 1
    assert altered.refresh() == 0
    pair = ("down 1.2", "down 1.4")
    [mark] = altered.marks(tree)[pair]
    assert (mark.change, mark.title, mark.trials) == (both.pk, "As it is", 2)
    for found in altered.altered(tree, pair):
        assert (found.was_expected, found.was_outcome, found.was_trial) == ("", "", 0)
        assert (found.expected, found.outcome) == ("correct", "correct")


def test_only_what_an_edit_alters_is_marked(world: World, both: ChangeRequest) -> None:
    change = world.publish(both).change_request
    newer = edits.open_change(change.release, world.maintainer, "Faster")
    altered.refresh()
    assert altered.marks(change.release.tree) == {}
    machine_type = newer.policy.machine_types[0].name
    newer = edits.add_entry(newer, world.maintainer, 1, machine_type, "foo", "speed", "9")
    assert altered.refresh() == 1
    found = altered.marks(change.release.tree, machine_type)
    assert [mark.change for marks in found.values() for mark in marks] == [newer.pk] * 2
    [one] = altered.altered(change.release.tree, ("down 1.2", "down 1.4"), machine_type)
    assert (one.was_outcome, one.outcome) == ("correct", "")
    workflow.withdraw(newer, world.maintainer)
    assert altered.marks(change.release.tree) == {}


def test_a_draft_alters_what_another_release_s_policy_promises(
    world: World, both: ChangeRequest
) -> None:
    world.publish(both)
    older = edits.open_change(world.release, world.maintainer, "Slower")
    name = older.policy.machine_types[0].name
    older = edits.add_entry(older, world.maintainer, 1, name, "foo", "speed", "9")
    altered.refresh()
    tree, pair = older.release.tree, ("down 1.2", "down 1.4")
    [mark] = altered.marks(tree, name)[pair]
    assert (mark.change, mark.trials) == (older.pk, 1)
    [one] = altered.altered(tree, pair, name)
    assert (one.machine_type, one.was_outcome, one.outcome) == (name, "correct", "")


def test_a_draft_s_matrix_shows_what_becomes_of_others_promises(
    world: World, both: ChangeRequest
) -> None:
    world.publish(both)
    older = edits.open_change(world.release, world.maintainer, "Slower")
    name = older.policy.machine_types[0].name
    older = edits.add_entry(older, world.maintainer, 1, name, "foo", "speed", "9")
    pair = ("down 1.2", "down 1.4")
    [published] = matrix(older.release.tree, name).cells[pair]
    [drafted] = matrix(older.release.tree, name, older).cells[pair]
    assert (published.outcome, drafted.outcome) == ("passed", "not-run")
    assert drafted.requirement.key != published.requirement.key


def test_a_published_policy_whose_partner_changed_is_stale(
    world: World, both: ChangeRequest
) -> None:
    world.publish(both)
    published.refresh()
    standing = PublishedStanding.objects.get(release=both.release)
    assert (standing.failing, standing.stale) == (0, 0)
    assert published.refresh() == 0
    older = edits.open_change(world.release, world.maintainer, "Slower")
    name = older.policy.machine_types[0].name
    older = edits.add_entry(older, world.maintainer, 1, name, "foo", "speed", "9")
    run_trials(older, world.maintainer)
    world.publish(older)
    published.refresh()
    standing.refresh_from_db()
    assert standing.stale > 0


def test_a_published_policy_fails_where_its_trials_do(world: World, both: ChangeRequest) -> None:
    world.publish(both)
    Trial.objects.filter(source__version="1.4").update(outcome="corrupt")
    published.refresh()
    standing = PublishedStanding.objects.get(release=both.release)
    assert (standing.failing, standing.stale) == (2, 0)
