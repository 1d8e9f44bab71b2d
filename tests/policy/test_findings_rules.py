"""Siblings, layouts, entries that do not fit, and what nothing needs any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from finding_world import (
    NEWEST,
    NIC,
    OLDER,
    TYPES,
    catalogue,
    decided,
    entries,
    found,
    lacking,
    release,
    told_release,
)

from machines.emulator import scenario
from machines.emulator.catalogue import CompatProperty, Description, Field
from policy import rules
from policy.document import Backport, CatalogueRef, Migration, Mitigation, Override, Policy
from policy.findings import Subject, settling
from policy.rules.proposals import grafts_for

WAYS = (("down 1.1", "down 1.2"), ("down 1.2", "down 1.1"))
VARIANTS = ("nic-transitional", "nic-non-transitional")


def with_variants() -> dict[str, str | None]:
    """The device as virtio's are: a base type with three variants."""
    return {**TYPES, "nic-base": "pci-device", "nic": "nic-base"} | dict.fromkeys(
        VARIANTS, "nic-base"
    )


def test_an_entry_for_one_variant_leaves_out_its_siblings() -> None:
    properties = {"nic-base": catalogue().properties["nic"]}
    descriptions = dict.fromkeys(("nic", *VARIANTS), NIC)
    told = catalogue(types=with_variants(), properties=properties, descriptions=descriptions)
    own = release("1.2", older=("nic.vectors=0",), told=told)
    [item] = found(own, code="sibling-left-out")
    assert (item.severity, item.devices) == ("error", VARIANTS)
    settled = settling.applied(own.policy, item.proposals[0])  # type: ignore[arg-type]
    assert found(decided(settled, told), code="sibling-left-out") == []
    base = release("1.2", older=("nic-base.vectors=0",), told=told)
    assert found(base, code="sibling-left-out") == []


def test_the_newest_machine_type_needs_what_all_of_its_line_have() -> None:
    arrays = {"pc_down_compat": (CompatProperty("nic", "speed", "9", "pc_down_compat"),)}
    told = catalogue(arrays=arrays)
    [item] = found(release("1.2", older=("nic.speed=9",), told=told), code="newest-incomplete")
    assert (item.severity, item.place.machine_type) == ("error", NEWEST)
    assert found(release("1.2", newest=("nic.speed=9",), told=told)) == []


@pytest.mark.parametrize(
    ("entry", "code", "severity"),
    [
        ("nic.vectros=0", "unknown-property", "error"),
        ("nic.vectors=many", "wrong-type", "error"),
        ("nic.migrate-tick=perhaps", "wrong-type", "error"),
        ("nic.vmstate-blacklist=0xzz", "wrong-type", "error"),
        ("nik.vectors=0", "unknown-driver", "note"),
        ("nic.vectors=0", "", ""),
        ("nic.vmstate-blacklist=0x2", "", ""),
        ("migration.send-configuration=off", "", ""),
    ],
)
def test_an_entry_that_does_not_fit_the_release(entry: str, code: str, severity: str) -> None:
    listed = found(release("1.2", older=(entry,)))
    assert [(item.code, item.severity) for item in listed] == ([(code, severity)] if code else [])


def test_a_property_that_another_release_s_catalogue_lacks_may_be_there() -> None:
    own = release("1.2", older=("nic.own-thing=0",), stand_in_for="up 0.9")
    assert [item.severity for item in found(own)] == ["note"]


def test_an_entry_is_shadowed_by_a_later_one_of_the_same_machine_type() -> None:
    own = release("1.2", newest=("nic.speed=1", "device.speed=2"), older=("nic.speed=3",))
    [item] = found(own, code="shadowed-entry")
    assert (item.place.machine_type, item.facts) == (NEWEST, ("1",))
    settled = settling.applied(own.policy, item.proposals[0])  # type: ignore[arg-type]
    assert found(decided(settled, catalogue()), code="shadowed-entry") == []


# --- Layouts --------------------------------------------------------------------------------------


def downstream(style: scenario.Style, partner: Subject) -> Subject:
    """The project's first scenario: release 1.0 of a downstream takes feature E alone."""
    side = scenario.downstream(style, scenario.MACHINE_TYPES[0])
    base = upstream(style, "1.0").catalogue
    [feature] = side.features
    policy = Policy(
        "down",
        "1.0",
        CatalogueRef("up 1.0", "0" * 64),
        backports=(Backport(feature, grafts=grafts_for(feature, side.catalogue, base)),),
        migrations=(
            Migration(partner.label, "down 1.0", "correct"),
            Migration("down 1.0", partner.label, "correct"),
        ),
    )
    return Subject("down 1.0", policy, rules.policy_catalogue(base, policy), "up 1.0")


def upstream(style: scenario.Style, version: str) -> Subject:
    told = scenario.upstream(style, version, scenario.MACHINE_TYPES[0]).catalogue
    listed = {
        name: replace(item, compat_source="query-machines")
        for name, item in told.machine_types.items()
    }
    label = f"up {version}"
    return Subject(label, None, replace(told, machine_types=listed), label)


def test_one_version_with_two_layouts_is_the_worst_defect() -> None:
    """Upstream's version 2 of foo is D, the downstream's is E: nobody refuses."""
    other = upstream("linear", "2.0")
    own = downstream("linear", other)
    listed = found(own, other, code="layout-differs")
    assert {(item.severity, item.place.section, item.place.version) for item in listed} == {
        ("error", "foo", 2)
    }
    assert {str(pair) for item in listed for pair in item.pairs} == {
        "up 2.0 → down 1.0",
        "down 1.0 → up 2.0",
    }
    assert found(downstream("sections", other), other, code="layout-differs") == []


def test_a_section_of_its_own_settles_it() -> None:
    other = upstream("linear", "2.0")
    own = downstream("linear", other)
    [bump] = found(own, other, code="linear-bump")
    settled = settling.applied(own.policy, bump.proposals[0])  # type: ignore[arg-type]
    base = upstream("linear", "1.0").catalogue
    apart = Subject("down 1.0", settled, rules.policy_catalogue(base, settled), "up 1.0")
    assert [item.name for item in apart.catalogue.descriptions["foo"].subsections] == ["foo/e"]
    codes = {item.code for item in found(apart, other)}
    assert not codes & {"linear-bump", "layout-differs"}


def test_a_version_that_a_bitmap_forbids_may_differ() -> None:
    other = {"nic": replace(NIC, fields=(Field("other", 8),))}
    before = release("1.1", told=catalogue(descriptions=other))
    own = release("1.2", migrations=WAYS)
    assert {i.severity for i in found(own, before, code="layout-differs")} == {"error"}
    forbidden = Override("nic", "nic", 1, "tighten", "another layout there")
    own = release("1.2", migrations=WAYS, overrides=(forbidden,))
    assert found(own, before, code="layout-differs") == []


# --- Leftovers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "older", "migrations", "reason"),
    [
        (("down 1.1", OLDER, ""), (), WAYS, ""),
        (("down 1.1", OLDER, "the guest is powered off"), (), WAYS, ""),
        (("down 1.1", OLDER, "2026-11-22"), (), WAYS, "hold until"),
        (("down 1.1", OLDER, ""), (), (), "no allowed migration"),
        (("down 1.1", "pc-q35-down1.0.0", ""), (), WAYS, "no machine type"),
        (("down 1.1", OLDER, ""), ("nic.vectors=3",), WAYS, "itself"),
    ],
)
def test_a_mitigation_expires(
    held: tuple[str, str, str],
    older: tuple[str, ...],
    migrations: tuple[tuple[str, str], ...],
    reason: str,
) -> None:
    item = Mitigation(held[0], held[1], entries("nic.vectors=3"), "why", held[2])
    own = release("1.2", older=older, migrations=migrations, mitigations=(item,))
    listed = found(own, release("1.1"), code="expired-mitigation")
    assert [reason in item.text for item in listed] == ([True] if reason else [])


@pytest.mark.parametrize(
    ("version", "partner", "used"),
    [(1, 1, True), (1, 2, False), (2, 1, False), (0, None, True), (0, 1, False)],
)
def test_a_relaxed_bit_is_used_where_a_stream_has_that_version(
    version: int, partner: int | None, used: bool
) -> None:
    sub = Description("nic/s", 3, 1, (Field("s", 4),))
    there = () if partner is None else (replace(sub, version_id=partner),)
    told = catalogue(descriptions={"nic": replace(NIC, subsections=(sub,))})
    other = catalogue(descriptions={"nic": replace(NIC, subsections=there)})
    relaxed = Override("nic", "nic/nic/s", version, "relax", "old guests")
    own = release("1.2", told=told, migrations=WAYS[:1], overrides=(relaxed,))
    listed = found(own, release("1.1", told=other), code="unused-relaxation")
    assert bool(listed) is not used


def test_findings_are_sorted_by_gravity_whatever_order_releases_come_in() -> None:
    own = release("1.2", older=("nic.vectros=0", "nik.x=1"))
    one, two = release("1.1", older=("nic.vectors=0",)), told_release("down 1.0", older=())
    listed = found(own, one, two)
    assert [i.severity for i in listed] == sorted(
        (i.severity for i in listed), key=["error", "warning", "note"].index
    )
    assert {i.identity for i in listed} == {i.identity for i in found(own, two, one)}
    assert lacking("speed")["nic"].keys() == {"vectors", "migrate-tick"}
