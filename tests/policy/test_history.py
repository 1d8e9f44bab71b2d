"""Every state of a draft is kept, and any two can be compared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from policy_world import MACHINES, World, person

from policy import edits, history
from policy.document import digest
from policy.errors import Conflict, Forbidden, Invalid
from policy.models import Document, Role
from policy.review import workflow

pytestmark = pytest.mark.django_db


def test_every_edit_leaves_a_state_that_its_digest_names() -> None:
    world = World()
    change = world.edit(world.edit(world.change(), world.maintainer, "7"), world.other, "8")
    kept = list(history.states(change))
    told = [(item.version, item.action, item.actor.username) for item in kept]
    assert told == [
        (3, "change entry", "other"),
        (2, "change entry", "maintainer"),
        (1, "open", "maintainer"),
    ]
    for item in kept:
        policy = history.policy_by_digest(item.document_id)
        assert digest(policy.to_json()) == item.document_id
    assert kept[0].document_id == change.digest


def test_the_same_content_is_kept_once() -> None:
    world = World()
    change = world.edit(world.edit(world.change(), world.maintainer, "7"), world.maintainer, "8")
    before = Document.objects.count()
    world.edit(change, world.maintainer, "7")
    world.change()
    assert Document.objects.count() == before


def test_since_my_last_review() -> None:
    world = World()
    change = world.edit(world.in_review(), world.maintainer, "7")
    with pytest.raises(Invalid, match="not voted"):
        history.between(change, "reviewed", "now", world.reviewer)
    workflow.approve(change, world.reviewer, change.digest)
    change = world.edit(change, world.maintainer, "9")
    (line,) = history.between(change, "reviewed", "now", world.reviewer)
    assert (line.label, line.before, line.after) == (f"foo.speed on {MACHINES[0]}", "7", "9")
    assert history.between(change, "now", "reviewed", world.reviewer)[0].after == "7"


def test_any_two_versions_are_compared() -> None:
    world = World()
    change = world.edit(world.edit(world.change(), world.maintainer, "7"), world.maintainer, "8")
    (line,) = history.between(change, "2", "3", world.reviewer)
    assert (line.before, line.after) == ("7", "8")
    assert history.between(change, "1", "base", world.reviewer) == ()
    assert history.between(change, "base", "now", world.reviewer)[0].after == "8"


def test_a_version_that_only_edited_the_title_has_the_content_of_the_one_before() -> None:
    world = World()
    change = world.edit(world.change(), world.maintainer, "7")
    change = edits.edit_description(change, world.maintainer, 2, "Better words", "")
    assert history.between(change, "2", "3", world.reviewer) == ()


@pytest.mark.parametrize("name", ["0", "9", "x", "-1", "1.0", "²", "9" * 30, ""])
def test_what_names_no_state_is_told(name: str) -> None:
    world = World()
    with pytest.raises(Invalid):
        history.named(world.change(), name, world.reviewer)


def test_who_lost_a_race_learns_what_the_other_changed() -> None:
    world = World()
    change = world.change()
    world.edit(change, world.other, "8")
    with pytest.raises(Conflict) as caught:
        edits.change_entry(change, world.maintainer, 1, MACHINES[0], 0, "9")
    (line,) = caught.value.meanwhile
    assert (line.before, line.after, caught.value.current_version) == ("5", "8", 2)


def test_two_changes_that_touch_the_same_say_so() -> None:
    world = World()
    first = world.edit(world.change(), world.maintainer, "7")
    assert history.overlaps(first) == ()
    second = world.edit(world.change(), world.other, "8")
    third = edits.change_entry(world.change(), world.other, 1, MACHINES[1], 0, "9")
    (overlap,) = history.overlaps(first)
    assert (overlap.change, overlap.labels) == (second, (f"foo.speed on {MACHINES[0]}",))
    assert history.overlaps(third) == ()
    workflow.withdraw(second, world.maintainer)
    assert history.overlaps(first) == ()


def test_another_draft_is_read_again_when_it_was_edited(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    world = World()
    first = world.edit(world.change(), world.maintainer, "7")
    first = edits.change_entry(first, world.maintainer, 2, MACHINES[1], 0, "7")
    second = world.edit(world.change(), world.other, "8")
    (overlap,) = history.overlaps(first)
    with django_assert_num_queries(1):
        assert history.overlaps(first)[0].labels == overlap.labels
    edits.change_entry(second, world.other, 2, MACHINES[1], 0, "8")
    (edited,) = history.overlaps(first)
    assert len(edited.labels) == len(overlap.labels) + 1


def test_an_older_revision_comes_back_through_a_change_request() -> None:
    world = World()
    first = world.published()
    second = world.publish(world.edit(world.change(), world.maintainer, "7"))
    back = edits.open_revert(first, world.maintainer, "Go back")
    assert (back.base_revision, back.reverts_to) == (second, first)
    assert [entry.value for entry in back.policy.resolved(MACHINES[0])] == ["5"]
    third = world.publish(back)
    assert (third.number, third.parent) == (3, second)


def test_there_is_no_way_back_to_what_is_in_force() -> None:
    world = World()
    revision = world.published()
    with pytest.raises(Invalid) as caught:
        edits.open_revert(revision, world.maintainer, "Go back")
    assert caught.value.field == "revision"
    with pytest.raises(Forbidden):
        edits.open_revert(revision, person("viewer", Role.VIEWER), "Go back")
