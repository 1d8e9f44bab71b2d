"""Bits to be turned over: what each means, what a typed value asks for, what they would leave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator import bitmap
from machines.emulator.catalogue import CompatProperty
from policy import rules
from policy.document import CatalogueRef, MachineType, Override, Policy
from policy.edits.toggling import MAX_TOGGLES, Turn, differing, toggle_of, turned
from policy.errors import Invalid
from policy.rules.bitmaps import SectionBitmap
from tests.policy.policy_world import new_catalogue

NAMES = ("new", "old")
CATALOGUE = new_catalogue()
POLICY = Policy(
    "down", "1",
    CatalogueRef("up 2.0", "0" * 64),
    machine_types=(
        MachineType("new"),
        MachineType("old", "new", (CompatProperty("foo", "x-s", "off"),)),
    ),
)  # fmt: skip


def section(policy: Policy = POLICY, device: str = "foo", path: str = "foo") -> SectionBitmap:
    found = rules.device_bitmaps(policy, CATALOGUE, "old", device)
    return next(item for item in found if item.path == path)


def overridden(*overrides: Override) -> Policy:
    return replace(POLICY, overrides=overrides)


@pytest.mark.parametrize(("version", "action"), [(1, "relax"), (2, "relax"), (3, "tighten")])
def test_a_bit_that_nothing_overrides_is_relaxed_or_tightened(version: int, action: str) -> None:
    toggle = toggle_of(POLICY, ("foo", "device"), section(), version, "old")
    assert (toggle.turn.action, toggle.turn.machine_type) == (action, "")


def test_an_overridden_bit_goes_back_where_its_override_holds() -> None:
    policy = overridden(
        Override("foo", "foo", 2, "relax", "for all"),
        Override("foo", "foo", 2, "relax", "for this one", "old"),
    )
    toggle = toggle_of(policy, ("foo", "device"), section(policy), 2, "old")
    assert toggle.turn == Turn("foo", 2, "clear", "old")
    assert toggle.override is not None
    assert toggle.override.justification == "for this one"


def test_what_an_ancestor_overrides_is_taken_back_there() -> None:
    policy = overridden(Override("device", "foo", 2, "relax", "why"))
    with pytest.raises(Invalid, match="overridden through device"):
        toggle_of(policy, ("foo", "device"), section(policy), 2, "old")


@given(st.sets(st.integers(1, 3)))
def test_a_typed_value_is_what_the_turned_bits_make_of_it(wanted: set[int]) -> None:
    typed = bitmap.format(wanted)
    turns = [
        toggle_of(POLICY, ("foo", "device"), section(), version, "old").turn
        for version in differing(section(), typed)
    ]
    after = section(turned(POLICY, "foo", turns))
    assert bitmap.parse(after.effective_value) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0x10", "Version 4 does not exist: foo has versions 1 to 3."),
        ("9-20", r"Versions 9, 10, 11, 12, 13… do not exist"),
        ("0xg", "'0xg' is not hexadecimal"),
        ("0x1" + "0" * 16, "more than 64 bits"),
    ],
)
def test_a_wrong_value_is_refused_and_the_bit_is_named(text: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        differing(section(), text)


def test_long_runs_of_versions_are_typed_as_ranges_and_bounded() -> None:
    big = section(device="big", path="big")
    assert differing(big, "1-4998,10000") == (4999, 10_000)
    assert len(differing(big, f"1-{4999 - MAX_TOGGLES}")) == MAX_TOGGLES
    with pytest.raises(Invalid, match="changes 4999 versions; at most 32"):
        differing(big, "")
