"""What somebody has read of a change: kept per person, until that object is edited."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World, person

from policy import edits
from policy.errors import Forbidden, Invalid
from policy.models import ChangeRequest
from policy.review import reading

pytestmark = pytest.mark.django_db


def touched(world: World) -> ChangeRequest:
    """A change of two objects: a machine type, and the trials' devices."""
    return world.harmless(world.edit(world.change(), world.maintainer))


def read(change: ChangeRequest, world: World) -> list[str]:
    change.refresh_from_db()
    objects = reading.objects_of(change)
    keys = reading.read_by(change, world.reviewer, objects)
    return [item.kind for item in objects if item.key in keys]


def test_a_mark_is_ones_own_and_can_be_taken_back() -> None:
    world = World()
    change = touched(world)
    [first, _] = reading.objects_of(change)
    reading.mark(change, world.reviewer, first.key, first.digest)
    assert read(change, world) == ["machine type"]
    assert not reading.read_by(change, world.other, [first])
    reading.unmark(change, world.reviewer, first.key)
    assert read(change, world) == []


def test_an_edit_of_the_object_makes_it_unread() -> None:
    world = World()
    change = touched(world)
    for item in reading.objects_of(change):
        reading.mark(change, world.reviewer, item.key, item.digest)
    world.edit(change, world.maintainer, "8")
    assert read(change, world) == ["trials"]
    world.edit(change, world.maintainer, "7")  # as it was read
    assert read(change, world) == ["machine type", "trials"]


def test_what_is_no_longer_there_cannot_be_marked() -> None:
    world = World()
    change = touched(world)
    [first, _] = reading.objects_of(change)
    world.edit(change, world.maintainer, "8")
    change.refresh_from_db()
    with pytest.raises(Invalid, match="edited meanwhile"):
        reading.mark(change, world.reviewer, first.key, first.digest)
    with pytest.raises(Forbidden):
        reading.mark(change, person("nobody"), first.key, first.digest)


def test_one_who_edits_the_same_entry_again_is_read_again() -> None:
    world = World()
    change = touched(world)
    [first, _] = reading.objects_of(change)
    edits.add_entry(change, world.maintainer, change.lock_version, MACHINES[0], "foo", "speed", "1")
    change.refresh_from_db()
    [grown, _] = reading.objects_of(change)
    assert (grown.key, len(grown.lines)) == (first.key, 2)
    assert grown.digest != first.digest
