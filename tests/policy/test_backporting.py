"""A backport's entries, bitmaps and layouts are known before it is taken."""

from __future__ import annotations

from dataclasses import replace

from finding_world import NEWEST, NIC, OLDER, catalogue, decided, release, taken

from machines.emulator.catalogue import CompatProperty, Description, Field, MachineType
from machines.emulator.features import Carrier, FeatureSpec
from policy.document import Backport, Graft, Policy
from policy.document import MachineType as Decided
from policy.findings.releases import Subject
from policy.questions.backporting import effects


def policy(*newest: str) -> Policy:
    found = release("1.2", newest).policy
    assert found is not None
    return found


def test_machine_types_of_other_releases_need_the_feature_off() -> None:
    found = effects(policy(), catalogue(), taken("tock"), [release("1.1")])
    off = CompatProperty("nic", "x-tock", "off")
    assert [(item.machine_type, item.entry) for item in found.entries] == [(NEWEST, off)]
    assert effects(policy(), catalogue(), taken("tock"), []).entries == ()
    kept = effects(policy("nic.x-tock=off"), catalogue(), taken("tock"), [release("1.1")])
    assert kept.entries == ()


def test_the_newest_of_a_release_counts_though_it_sets_nothing() -> None:
    """Guests run on it. Nobody's guests are on a machine type that promises nothing (``none``)."""
    names = (OLDER, "none")
    bare = catalogue(machine_types={name: MachineType(name) for name in names})
    own = replace(policy(), machine_types=tuple(Decided(name) for name in names))
    found = effects(own, catalogue(), taken("tock"), [Subject("down 1.1", None, bare)])
    assert [item.machine_type for item in found.entries] == [OLDER]


def test_bitmaps_change_where_the_feature_is_on() -> None:
    found = effects(policy(), catalogue(), taken("tock"), [])
    [change] = found.bitmaps
    assert (change.section, change.before, change.after) == ("nic/nic/tock", "", "0x1")
    assert change.machine_types == (NEWEST, OLDER)


def test_a_version_that_means_something_else_elsewhere_is_told() -> None:
    description = {
        "name": "nic",
        "version_id": 2,
        "minimum_version_id": 1,
        "Fields": [
            {"field": "a", "version_id": 0, "field_exists": False, "size": 4},
            {"field": "e", "version_id": 2, "field_exists": False, "size": 4},
        ],
    }
    feature = FeatureSpec("nic-e", "E", "nic", (Carrier("nic", version=2, fields=("e",)),))
    other = Description("nic", 2, 1, (*NIC.fields[:1], Field("d", 4, version_id=2)))
    partner = decided(policy(), catalogue(descriptions={"nic": other}))
    backport = Backport(feature, grafts=(Graft("nic", description),))
    [found] = effects(policy(), catalogue(), backport, [partner]).layouts
    assert (found.release, found.machine_type) == (partner.label, NEWEST)
    assert (found.section, found.version, found.ours, found.theirs) == (
        "nic",
        2,
        ("a", "e"),
        ("a", "d"),
    )
