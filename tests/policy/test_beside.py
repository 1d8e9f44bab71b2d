"""What stands beside a line: defaults, whose word a value was, places, siblings, bitmaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from policy_world import FEATURE_S, MACHINES, TYPES, World, new_catalogue

from machines.emulator.catalogue import Catalogue, CompatProperty, PropertyInfo
from policy import state
from policy.document import Backport, Graft, MachineType, Override, Policy
from policy.document.differences import compare
from policy.models import ChangeRequest
from policy.review.beside import Beside, BitFacts, EntryFacts
from policy.state import State

pytestmark = pytest.mark.django_db
FAMILY = {"foo-base": "device", "foo": "foo-base", "foo-old": "foo-base", "foo-new": "foo-base"}


def facts(before: State, after: Policy) -> list[EntryFacts | BitFacts | None]:
    told = Beside(before, replace(before, policy=after))
    assert before.policy is not None
    return [told.of(line) for line in compare(before.policy, after)]


def drafted(world: World) -> tuple[ChangeRequest, State]:
    change = world.change()
    return change, state.draft(change)


def test_an_entry_tells_default_place_and_who_goes_on_from_it() -> None:
    _, before = drafted(World())
    assert before.policy is not None
    newest = before.policy.machine_type(MACHINES[0])
    assert newest is not None
    entries = (*newest.entries, CompatProperty("foo", "speed", "9", "hw_compat_x"))
    [told] = facts(before, before.policy.with_machine_type(replace(newest, entries=entries)))
    assert isinstance(told, EntryFacts)
    assert (told.default, told.before, told.origin) == ("5", "5", "pc_down_compat")
    assert (told.after, told.place, told.heirs) == ("9", "hw_compat_x[0]", (MACHINES[1],))


def test_who_goes_on_from_whom_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _, before = drafted(World())
    assert before.policy is not None
    names = [f"pc-{number}" for number in range(40)]
    entry = CompatProperty("foo", "speed", "9")
    chain = [MachineType(name, above, (entry,)) for above, name in pairwise(["", *names])]
    asked: list[str] = []
    lineage = Policy.lineage

    def counted(self: Policy, name: str) -> list[MachineType]:
        asked.append(name)
        return lineage(self, name)

    monkeypatch.setattr(Policy, "lineage", counted)
    found = facts(before, replace(before.policy, machine_types=tuple(chain)))
    told = [item for item in found if isinstance(item, EntryFacts) and item.after == "9"]
    assert [len(item.heirs) for item in told] == list(range(39, -1, -1))
    assert len(asked) < 10 * len(chain)


def test_siblings_are_those_of_a_small_family() -> None:
    speed = PropertyInfo("speed", "uint32", 5)
    catalogue = Catalogue("1", types=FAMILY, properties={"foo-base": {"speed": speed}})
    _, draft = drafted(World())
    assert draft.policy is not None
    policy = replace(draft.policy, machine_types=(MachineType("pc"),))
    entries = tuple(CompatProperty(name, "speed", "9") for name in ("foo", "foo-old"))
    after = replace(policy, machine_types=(MachineType("pc", entries=entries),))
    told, _ = facts(replace(draft, policy=policy, catalogue=catalogue), after)
    assert isinstance(told, EntryFacts)
    assert [(item.driver, item.value, item.is_alike) for item in told.siblings] == [
        ("foo-new", "5", False),
        ("foo-old", "9", True),
    ]
    assert told.place == "1 of 2"


def test_a_removed_entry_tells_what_holds_without_it() -> None:
    _, before = drafted(World())
    assert before.policy is not None
    oldest = before.policy.machine_type(MACHINES[1])
    assert oldest is not None
    [told] = facts(before, before.policy.with_machine_type(replace(oldest, entries=())))
    assert isinstance(told, EntryFacts)
    assert (told.before, told.after) == ("4", "5")


def test_a_bit_tells_its_sections_values_and_why() -> None:
    world = World()
    _, draft = drafted(world)
    assert draft.policy is not None
    graft = Graft("foo/foo/s", {"name": "foo/s", "version_id": 1, "minimum_version_id": 1})
    taken = Backport(FEATURE_S, "up 2.0", "", "", "Needed.", (graft,))
    policy = replace(draft.policy, backports=(taken,))
    relaxed = Override("foo", "foo/foo/s", 0, "relax", "Known.", MACHINES[0])
    before = replace(draft, policy=policy, catalogue=new_catalogue())
    assert before.catalogue.types == TYPES
    [told] = facts(before, replace(policy, overrides=(relaxed,)))
    assert isinstance(told, BitFacts)
    assert (told.default, told.before, told.after) == ("0x1", "0x1", "0x0")
    assert told.is_default
    assert "S" in told.reasons[0]
