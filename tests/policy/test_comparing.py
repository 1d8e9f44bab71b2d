"""Two releases compared without a trial, with what their policies decide."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World, arrays, release

from policy import comparing, edits, state
from policy.comparing import Compared
from policy.errors import Invalid
from policy.state import State

pytestmark = pytest.mark.django_db
NEWEST = MACHINES[0]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def newer(world: World) -> State:
    """The next release, on a base whose ``foo`` is at version 3."""
    return state.published(release("down", "1.3", arrays(), base=world.new))


def told(found: Compared) -> list[tuple[str, str, str]]:
    return [(item.device, item.grade, item.message) for item in found.differences]


def test_a_raised_version_refuses_in_one_direction(world: World, newer: State) -> None:
    older = state.published(world.release)
    back = comparing.differences(newer, older, NEWEST)
    assert ("foo", "refuses", "savevm: unsupported version 3 for 'foo' v1") in told(back)
    assert back.counts() == {"corrupts": 0, "refuses": 1, "harmless": 0}
    assert comparing.differences(older, newer, NEWEST).differences == ()


def test_a_policys_bitmap_forbids_what_the_catalogue_would_load(world: World, newer: State) -> None:
    older = state.published(world.release)
    change = edits.open_change(state.release_of("down 1.3"), world.maintainer, "First")
    found = comparing.differences(older, state.draft(change), NEWEST, ["foo"])
    assert told(found) == [("foo", "refuses", "down 1.3 blacklists version 1 of 'foo'")]
    version = change.lock_version
    change = edits.set_override(change, world.maintainer, version, "foo", "foo", 1, "relax", "Old.")
    assert not comparing.differences(older, state.draft(change), NEWEST, ["foo"]).differences


def test_devices_are_chosen_by_name(world: World, newer: State) -> None:
    found = comparing.differences(newer, state.published(world.release), NEWEST, ["big", "device"])
    assert (found.devices, found.stateless) == (("big",), ("device",))
    assert found.differences == ()


@pytest.mark.parametrize(
    ("machine_type", "devices", "field"),
    [("pc-q35-1.0", [], "machine_type"), (NEWEST, ["nonsense"], "devices")],
)
def test_what_is_not_there_is_named(
    world: World, newer: State, machine_type: str, devices: list[str], field: str
) -> None:
    with pytest.raises(Invalid) as raised:
        comparing.differences(newer, state.published(world.release), machine_type, devices)
    assert raised.value.field == field
