"""What follows from a policy: its property lists, its sides of a trial, the trials it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from policy_world import FEATURE_D, FEATURE_S, MACHINES, arrays, new_catalogue, old_catalogue

from machines.emulator import bitmap, qdev
from machines.emulator.catalogue import Catalogue, CompatProperty, Description, Field
from policy import rules
from policy.document import (
    Backport,
    CatalogueRef,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
)
from policy.rules import seeding

BASE = Policy(
    "down",
    "1.2",
    CatalogueRef("up 1.0", "0" * 64),
    machine_types=(
        MachineType("new", entries=(CompatProperty("foo", "speed", "5"),)),
        MachineType("old", "new", (CompatProperty("foo", "speed", "4", "hw_compat"),)),
    ),
)


@dataclass
class Held:
    policy: Policy | None
    catalogue: Catalogue


def test_an_older_machine_type_applies_its_parents_entries_first() -> None:
    entries = rules.globals_of(BASE, old_catalogue(), "old")
    assert [(e.value, e.layer, e.origin) for e in entries] == [
        ("5", "compat", "new"),
        ("4", "compat", "hw_compat"),
    ]


def test_without_a_policy_the_catalogue_says_all() -> None:
    held = Held(None, new_catalogue())
    assert rules.machine_types(held) == ("pc-q35-1.0",)
    (entry,) = rules.globals_of(None, held.catalogue, "pc-q35-1.0")
    assert (entry.property, entry.value) == ("x-s", "off")
    assert rules.features_of(None, held.catalogue) == ()


def test_the_policys_machine_types_replace_the_catalogues() -> None:
    catalogue = rules.policy_catalogue(new_catalogue(), BASE)
    assert rules.machine_types(Held(BASE, catalogue)) == ("new", "old")
    assert [entry.value for entry in catalogue.machine_types["old"].compat] == ["5", "4"]


def test_without_a_policy_the_bitmaps_are_defaults() -> None:
    side = rules.side(None, new_catalogue(), "pc-q35-1.0", "up 2.0")
    assert {e.layer for e in side.globals if e.property.startswith("vmstate")} == {"default"}


def test_the_bitmaps_follow_the_entries() -> None:
    policy = replace(BASE, backports=(Backport(FEATURE_D), Backport(FEATURE_S)))
    catalogue = rules.policy_catalogue(new_catalogue(), policy)
    listed = rules.resolved_properties(policy, catalogue, "old")
    assert [(e.driver, e.property, e.value) for e in listed] == [
        ("foo", "speed", "5"),
        ("foo", "speed", "4"),
        ("big", "vmstate-blacklist", "1-4999"),
        ("foo", "vmstate-blacklist", "0x6"),
        ("foo", "vmstate-blacklist-s", "0x1"),
    ]


def test_a_relaxed_bit_still_writes_its_property() -> None:
    policy = replace(
        BASE, overrides=tuple(Override("foo", "foo", v, "relax", "Why.") for v in (1, 2))
    )
    listed = rules.blacklist_properties(policy, new_catalogue(), "old")
    assert [e.value for e in listed if e.driver == "foo"] == ["0x0"]
    assert rules.relaxed_versions(policy, new_catalogue(), "old") == {
        ("foo", "foo"): frozenset({1, 2})
    }


def test_a_side_holds_compat_entries_bitmaps_and_mitigations() -> None:
    mitigation = Mitigation("down 1.1", "old", (CompatProperty("foo", "speed", "3"),), "Bug.")
    policy = replace(BASE, mitigations=(mitigation,))
    extra = rules.mitigations_for(policy, "down 1.1", "old")
    side = rules.side(policy, old_catalogue(), "old", "down 1.2", extra)
    assert [(e.value, e.layer) for e in side.globals] == [
        ("5", "compat"),
        ("4", "compat"),
        ("1-4999", "policy"),
        ("3", "policy"),
    ]
    assert rules.mitigations_for(policy, "down 1.0", "old") == ()


# --- Required trials ------------------------------------------------------------------------------


def required(*migrations: Migration, **partners: list[str]) -> list[tuple[str, str, str]]:
    labelled = {name.replace("_", " "): listed for name, listed in partners.items()}
    policy = replace(BASE, migrations=migrations)
    found = rules.required_trials(policy, labelled)
    return [(item.source, item.machine_type, item.expected) for item in found]


def test_a_declared_migration_means_every_shared_machine_type() -> None:
    forward = Migration("a", "down 1.2", "correct")
    assert required(forward, a=["old", "other"]) == [("a", "old", "correct")]
    assert required(forward, a=["other"]) == []


def test_a_migration_of_one_machine_type_wins_over_that_of_all() -> None:
    every = Migration("a", "down 1.2", "correct")
    one = Migration("a", "down 1.2", "refused", "old")
    for migrations in ((every, one), (one, every)):
        found = required(*migrations, a=["new", "old"])
        assert sorted(found) == [("a", "new", "correct"), ("a", "old", "refused")]


def test_a_named_machine_type_is_required_even_where_a_release_lacks_it() -> None:
    assert required(Migration("a", "down 1.2", "correct", "old"), a=[]) == [("a", "old", "correct")]


# --- The first policy -----------------------------------------------------------------------------


def test_machine_types_are_chained_and_resolve_as_the_arrays_compose() -> None:
    catalogue = arrays()
    chained = seeding.chained(catalogue, MACHINES)
    policy = replace(BASE, machine_types=chained)
    assert [(m.name, m.parent, len(m.entries)) for m in chained] == [
        (MACHINES[0], "", 1),
        (MACHINES[1], MACHINES[0], 1),
    ]
    for name in MACHINES:
        assert policy.resolved(name) == catalogue.machine_types[name].compat


def test_machine_types_that_only_the_arrays_tell_of_are_composed() -> None:
    catalogue = replace(arrays(), machine_types={})
    assert seeding.chained(catalogue, reversed(MACHINES)) == seeding.chained(arrays(), MACHINES)


def test_a_name_outside_the_scheme_stands_alone() -> None:
    (found,) = seeding.chained(arrays(), ["microvm"])
    assert (found.name, found.parent, found.entries) == ("microvm", "", ())


@st.composite
def families(draw: st.DrawFn) -> Catalogue:
    """Types that inherit from each other in any order of their names, some with subsections."""
    names = draw(st.permutations(["a", "b", "c", "d", "e"]))
    types: dict[str, str | None] = {"device": None}
    descriptions = {}
    for number, name in enumerate(names):
        types[name] = draw(st.sampled_from(["device", *names[:number]]))
        # Like a family of real devices, all have the same section, at versions of their own.
        version = draw(st.integers(1, 4))
        since = draw(st.integers(1, version))
        sub = Description("s/x", version, 1, (Field("x", 4), Field("y", 4, version_id=since)))
        subsections = (sub,) if draw(st.booleans()) else ()
        fields = (Field("f", 4), Field("g", 4, version_id=since))
        descriptions[name] = Description("s", version, 1, fields, subsections)
    return Catalogue("", types=types, descriptions=descriptions)


OVERRIDES = st.lists(
    st.builds(
        Override,
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(["s", "s/s/x"]),
        st.integers(1, 4),
        st.sampled_from(["relax", "tighten"]),
        st.just("why"),
    ),
    max_size=4,
)


@given(families(), OVERRIDES)
def test_the_exported_properties_give_every_device_its_own_bitmap(
    catalogue: Catalogue, overrides: list[Override]
) -> None:
    policy = replace(BASE, overrides=tuple(overrides))
    listed = qdev.compat_globals(rules.resolved_properties(policy, catalogue, "old"), "old")
    for device in catalogue.descriptions:
        resolved = qdev.resolve(catalogue, device, listed)
        for item in rules.device_bitmaps(policy, catalogue, "old", device):
            found = resolved.get(item.property)
            given_to = bitmap.parse((found.value if found else None) or "0x0")
            assert given_to == bitmap.parse(item.effective_value)
