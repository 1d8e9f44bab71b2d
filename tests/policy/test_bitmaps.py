"""Default bitmaps are 100 % correct, and an override shows its layer and its reason."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from policy_world import BIG, FEATURE_S, SUB, TYPES, D, E, foo, old_catalogue

from machines.emulator import bitmap
from machines.emulator.catalogue import Catalogue, CompatProperty, Description, Field
from machines.emulator.features import Carrier, FeatureSpec, Gate
from policy import rules
from policy.document import Backport, CatalogueRef, Graft, MachineType, Override, Policy
from policy.rules.bitmaps import SectionBitmap

BASE = Policy("down", "1.2", CatalogueRef("up 1.0", "0" * 64))


def bitmaps_of(
    policy: Policy | None, catalogue: Catalogue, machine_type: str = "", device: str = "foo"
) -> dict[str, SectionBitmap]:
    found = rules.device_bitmaps(policy, catalogue, machine_type, device)
    return {item.path: item for item in found}


def with_features(*specs: FeatureSpec, **values: object) -> Policy:
    return replace(BASE, backports=tuple(Backport(spec) for spec in specs), **values)  # type: ignore[arg-type]


def described(*descriptions: Description) -> Catalogue:
    return old_catalogue(descriptions={item.name: item for item in descriptions})


def test_a_field_blacklists_the_versions_before_it() -> None:
    found = bitmaps_of(None, described(foo(3, D, E)))["foo"]
    assert [(cell.version, cell.effective) for cell in found.cells] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert found.cells[1].reasons == ("version 2 cannot carry e (since version 3)",)
    assert (found.default_value, found.property) == ("0x6", "vmstate-blacklist")


def test_a_section_at_version_10000_is_a_few_ranges() -> None:
    found = bitmaps_of(None, described(BIG), device="big")["big"]
    assert [(cell.version, cell.last, cell.effective) for cell in found.cells] == [
        (1, 4999, True),
        (5000, 9999, False),
        (10000, 10000, False),
    ]
    assert found.effective_value == "1-4999"
    assert bitmap.parse(found.effective_value) == frozenset(range(1, 5000))


def test_an_override_splits_a_range() -> None:
    relaxed = replace(BASE, overrides=(Override("big", "big", 100, "relax", "Old guests."),))
    found = bitmaps_of(relaxed, described(BIG), device="big")["big"]
    assert (found.default_value, found.effective_value) == ("1-4999", "1-99,101-4999")
    assert [c.layer for c in found.cells] == ["default", "relaxed", "default", "allowed", "allowed"]
    assert found.cells[1].justification == "Old guests."


def test_a_tightened_version_is_blacklisted_although_it_is_correct() -> None:
    tight = replace(BASE, overrides=(Override("foo", "foo", 1, "tighten", "Broken."),))
    (cell,) = bitmaps_of(tight, described(foo(1)))["foo"].cells
    assert (cell.default, cell.effective, cell.layer) == (False, True, "tightened")


def test_an_override_of_one_machine_type_leaves_the_others() -> None:
    policy = replace(
        BASE,
        machine_types=(MachineType("new"), MachineType("old")),
        overrides=(Override("foo", "foo", 1, "relax", "As it was.", "old"),),
    )
    catalogue = described(foo(2, D))
    assert bitmaps_of(policy, catalogue, "old")["foo"].effective_value == "0x0"
    assert bitmaps_of(policy, catalogue, "new")["foo"].effective_value == "0x2"


def test_the_override_of_a_machine_type_wins_over_that_of_all() -> None:
    policy = replace(
        BASE,
        overrides=(
            Override("foo", "foo", 1, "relax", "Here not.", "old"),
            Override("foo", "foo", 1, "tighten", "Everywhere."),
        ),
    )
    cell = bitmaps_of(policy, described(foo(2, D)), "old")["foo"].cells[0]
    assert (cell.layer, cell.justification) == ("relaxed", "Here not.")


def test_absence_of_a_section_loses_the_feature_that_lives_in_it() -> None:
    catalogue = described(foo(1, subsections=(SUB,)))
    plain = bitmaps_of(None, catalogue)["foo/foo/s"]
    assert [cell.version for cell in plain.cells] == [1]
    recorded = bitmaps_of(with_features(FEATURE_S), catalogue)["foo/foo/s"]
    assert recorded.cells[0].reasons == ("absent loses S",)
    assert (recorded.optional, recorded.effective_value) == (True, "0x1")
    assert recorded.property == "vmstate-blacklist-s"


def test_a_feature_that_a_machine_type_switches_off_needs_no_state() -> None:
    off = (CompatProperty("device", "x-s", "false"),)
    policy = with_features(FEATURE_S, machine_types=(MachineType("old", entries=off),))
    catalogue = rules.policy_catalogue(described(foo(1, subsections=(SUB,))), policy)
    assert bitmaps_of(policy, catalogue, "old")["foo/foo/s"].effective_value == "0x0"
    assert bitmaps_of(policy, catalogue, "")["foo/foo/s"].effective_value == "0x1"


def test_a_device_inherits_the_features_of_its_type() -> None:
    kind = FeatureSpec("kind", "Kind", "device", (Carrier("foo", version=2, fields=("d",)),))
    found = bitmaps_of(with_features(kind), described(foo(2, D)))["foo"]
    assert found.cells[0].reasons == ("version 1 cannot carry Kind: d (since version 2)",)


# --- The rule itself, on any linear section -------------------------------------------------------


@st.composite
def linear_sections(draw: st.DrawFn) -> tuple[Catalogue, Policy, dict[str, tuple[int, bool]]]:
    """A section whose fields begin at any version, each owned by a feature that is on or off."""
    current = draw(st.integers(1, 80))
    minimum = draw(st.integers(1, current))
    begins = draw(st.lists(st.integers(0, current), max_size=6))
    fields = [Field(f"f{number}", 4, version_id=since) for number, since in enumerate(begins)]
    on = {field.name: draw(st.booleans()) for field in fields}
    specs = [
        FeatureSpec(
            field.name,
            field.name,
            "foo",
            (Carrier("foo", version=field.version_id, fields=(field.name,)),),
            Gate("foo", f"x-{field.name}", "on"),
        )
        for field in fields
        if field.version_id
    ]
    off = [CompatProperty("foo", f"x-{name}", "off") for name, value in on.items() if not value]
    section = Description("foo", current, minimum, (Field("a", 4), *fields))
    policy = with_features(*specs, machine_types=(MachineType("machine", entries=tuple(off)),))
    truth = {field.name: (field.version_id, on[field.name]) for field in fields}
    return Catalogue("1", types=TYPES, descriptions={"foo": section}), policy, truth


@given(linear_sections())
def test_a_version_is_blacklisted_iff_an_enabled_features_field_is_missing(
    world: tuple[Catalogue, Policy, dict[str, tuple[int, bool]]],
) -> None:
    base, policy, truth = world
    catalogue = rules.policy_catalogue(base, policy)
    (found,) = rules.device_bitmaps(policy, catalogue, "machine", "foo")
    needed = [since for since, on in truth.values() if on]
    expected = {
        version
        for version in range(found.minimum, found.current + 1)
        if any(since > version for since in needed)
    }
    assert bitmap.parse(found.default_value) == expected
    covered = [v for cell in found.cells for v in range(cell.version, cell.last + 1)]
    assert covered == list(range(found.minimum, found.current + 1))
    for cell in found.cells:
        assert bool(cell.reasons) == cell.default


@given(linear_sections(), st.integers(1, 80), st.sampled_from(["relax", "tighten"]))
def test_an_override_changes_its_own_bit_and_no_other(
    world: tuple[Catalogue, Policy, object], version: int, action: str
) -> None:
    base, policy, _ = world
    override = Override("foo", "foo", version, action, "Why.")  # type: ignore[arg-type]
    policy = replace(policy, overrides=(override,))
    catalogue = rules.policy_catalogue(base, policy)
    (found,) = rules.device_bitmaps(policy, catalogue, "machine", "foo")
    before = bitmap.parse(found.default_value)
    after = bitmap.parse(found.effective_value)
    inside = found.minimum <= version <= found.current
    wanted = {version} if inside else set()
    assert after == (before - wanted if action == "relax" else before | wanted)


def test_a_graft_gives_the_release_a_layout_of_its_own() -> None:
    sub = {"name": "foo/s", "version_id": 1, "minimum_version_id": 1, "Fields": []}
    backport = Backport(FEATURE_S, grafts=(Graft("foo/foo/s", sub),))
    grafted = rules.effective_catalogue(described(foo(3, D, E)), [backport])
    assert grafted.descriptions["foo"].version_id == 3
    assert [item.name for item in grafted.descriptions["foo"].subsections] == ["foo/s"]
    main = Backport(FEATURE_S, grafts=(Graft("foo", {**sub, "name": "foo", "version_id": 9}),))
    both = rules.effective_catalogue(described(foo(1)), [backport, main])
    assert both.descriptions["foo"].version_id == 9
    assert [item.name for item in both.descriptions["foo"].subsections] == ["foo/s"]
