"""Two releases compared without a trial, with what their policies decide."""

from __future__ import annotations

import finding_world
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import MACHINES, World, arrays, release
from sample_subjects import upstream

from machines.emulator import machine
from policy import edits, rules, state
from policy.document import Mitigation
from policy.errors import Invalid
from policy.questions import comparing
from policy.questions.comparing import Compared
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
    assert comparing.differences(older, newer, NEWEST, ["big"]).differences == ()


def test_the_default_bitmap_forbids_the_same_as_in_a_trial(world: World, newer: State) -> None:
    """Where no policy decides, and where one has nothing to say against it."""
    older = state.published(world.release)
    change = edits.open_change(state.release_of("down 1.3"), world.maintainer, "First")
    for destination in (newer, state.draft(change)):
        found = comparing.differences(older, destination, NEWEST, ["foo"])
        [(device, grade, message)] = told(found)
        assert (device, grade) == ("foo", "refuses")
        assert message.startswith("down 1.3 blacklists version 1 of 'foo': version 1 cannot carry")
        ends = [
            rules.side(end.policy, end.catalogue, NEWEST, end.label) for end in (older, destination)
        ]
        assert machine.trial(ends, ["foo"], 1).outcome == "refused"


def test_a_relaxed_bit_is_no_refusal(world: World, newer: State) -> None:
    older = state.published(world.release)
    change = edits.open_change(state.release_of("down 1.3"), world.maintainer, "First")
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


def test_a_mitigation_is_set_for_guests_of_the_release_it_names() -> None:
    """The older release never sends ``tick``; the newer one expects it, unless told not to."""
    plain = finding_world.Description("nic", 1, 1, finding_world.NIC.fields[:1])
    older = finding_world.release("1.1", told=finding_world.catalogue(descriptions={"nic": plain}))
    newer = finding_world.release("1.2")
    name = finding_world.NEWEST
    found = comparing.differences(older, newer, name)
    assert told(found) == [
        ("nic", "refuses", "nic.migrate-tick has the destination send field 'tick'")
    ]
    off = finding_world.entries("nic.migrate-tick=off")
    mitigated = finding_world.release("1.2", mitigations=(Mitigation("down 1.1", name, off),))
    assert comparing.differences(older, mitigated, name).counts()["refuses"] == 0
    for_others = finding_world.release("1.2", mitigations=(Mitigation("down 1.0", name, off),))
    assert comparing.differences(older, for_others, name).counts()["refuses"] == 1


@given(st.sampled_from(("5.2", "7.2", "10.0", "11.1")), st.data())
def test_a_release_reads_what_it_sends(version: str, data: st.DataObject) -> None:
    """On every machine type and for every device, but those that cannot be migrated at all.

    And but for an sd-card of 11.1, which has two subsections of one name: it finds the first twice.
    """
    same = upstream(version)
    name = data.draw(st.sampled_from(sorted(same.catalogue.machine_types)))
    described = sorted(
        driver
        for driver, description in same.catalogue.descriptions.items()
        if not (version == "11.1" and description.name == "sd-card")
    )
    devices = data.draw(st.lists(st.sampled_from(described), min_size=1, max_size=40))
    found = comparing.differences(same, same, name, devices).differences
    assert all("non-migratable" in item.message for item in found)


def test_two_subsections_of_one_name_are_not_what_the_release_reads_itself() -> None:
    same = upstream("11.1")
    (found,) = comparing.differences(same, same, "pc-q35-11.1", ["emmc"]).differences
    assert (found.grade, found.subsection) == ("refuses", "sd-card/ext_csd_modes-state")
    assert "rpmb" in found.message
