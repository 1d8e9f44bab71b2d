"""A section has one path in every room: index rows, bitmaps, comparisons, proposals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from policy_world import FEATURE_S, old_catalogue

from machines.catalogue import import_catalogue
from machines.comparison import compare
from machines.emulator import bitmap
from machines.emulator.catalogue import Catalogue, Description, Field
from machines.emulator.catalogue.answers import parse
from machines.emulator.catalogue.files import load_json
from machines.emulator.features import Carrier, FeatureSpec
from machines.emulator.layout import described_sections
from machines.models import Release, Section, Tree
from policy import rules
from policy.document import Backport, Graft
from policy.rules.proposals import grafts_for, propose

SAMPLE = Path(__file__).parents[2] / "machines" / "sample" / "qemu"
DEVICES = ("isa-serial", "sd-card", "ICH9-LPC")


def described(version: str, devices: Iterable[str] = DEVICES) -> Catalogue:
    """A sample release, with these devices alone."""
    place = SAMPLE / version / "vmstate.json.xz"
    read = parse({"vmstate": load_json(place.name, place.read_bytes())})
    descriptions = {name: read.descriptions[name] for name in devices}
    return replace(read, descriptions=descriptions, types=dict.fromkeys(devices))


def paths(description: Description) -> list[str]:
    return [item.path for item in described_sections(description)]


@pytest.mark.django_db
def test_every_room_names_the_same_sections() -> None:
    catalogue = described("11.1")
    release = Release.objects.create(tree=Tree.objects.create(name="upstream"), version="11.1")
    snapshot = import_catalogue(release, catalogue, source="test", user=None).snapshot
    for device, description in catalogue.descriptions.items():
        expected = paths(description)
        rows = Section.objects.filter(device_type__snapshot=snapshot, device_type__name=device)
        assert sorted(row.path for row in rows) == sorted(expected)
        found = rules.device_bitmaps(None, catalogue, "", device)
        assert [item.path for item in found] == expected
        assert len({item.property for item in found}) == len(found)
    tsr = Section.objects.get(path="serial/serial/tsr")
    assert (tsr.name, tsr.parent.path if tsr.parent else "") == ("serial/tsr", "serial")


def test_a_second_subsection_of_one_name_has_a_path_and_a_property_of_its_own() -> None:
    found = rules.device_bitmaps(None, described("11.1"), "", "sd-card")
    first, second = (item for item in found if "ext_csd" in item.path)
    assert second.path == f"{first.path}#2"
    assert second.property == f"{first.property}#2"


def test_no_two_sections_of_a_real_device_share_a_property() -> None:
    for place in sorted(SAMPLE.glob("*/vmstate.json.xz")):
        document = load_json(place.name, place.read_bytes())
        for description in parse({"vmstate": document}).descriptions.values():
            names = [bitmap.property_name(description.name, item) for item in paths(description)]
            assert len(set(names)) == len(names)


def nested(*subsections: Description) -> Description:
    """Like ``isa-serial``: the state proper is in a structure that bears the section's name."""
    state = Description("foo", 1, 1, (Field("a", 4),), subsections)
    return Description("foo", 1, 1, (Field("state", 4, struct=state), Field("z", 4)))


def test_a_new_subsection_of_a_structure_is_proposed_and_grafted_into_the_structure() -> None:
    new = Description("foo/tsr", 1, 1, (Field("t", 4),))
    old = old_catalogue(descriptions={"foo": nested()})
    introduced = old_catalogue(descriptions={"foo": nested(new)})
    (proposal,) = propose(old, introduced)
    assert proposal.spec.carriers[0].section == "foo/foo/tsr"
    taken = rules.effective_catalogue(old, [Backport(proposal.spec, grafts=proposal.grafts)])
    assert taken.descriptions["foo"] == introduced.descriptions["foo"]


def test_a_graft_replaces_the_subsection_of_a_structure_where_it_is() -> None:
    before, after = (Description("foo/tsr", version, 1) for version in (1, 2))
    again = {"name": "foo/tsr", "version_id": 2, "minimum_version_id": 1, "Fields": []}
    for section, expected in (("foo/foo/tsr", (after, before)), ("foo/foo/tsr#2", (before, after))):
        base = old_catalogue(descriptions={"foo": nested(before, before)})
        backport = Backport(FEATURE_S, grafts=(Graft(section, again),))
        taken = rules.effective_catalogue(base, [backport])
        assert taken.descriptions["foo"] == nested(*expected)


def test_a_raised_version_brings_no_subsection_of_a_structure_and_loses_none() -> None:
    own, newer = Description("foo/own", 1, 1), Description("foo/newer", 1, 1)
    later = nested(own, newer)
    later = replace(later, version_id=2, fields=(*later.fields, Field("d", 4, version_id=2)))
    old = old_catalogue(descriptions={"foo": nested(own)})
    introduced = old_catalogue(descriptions={"foo": later})
    spec = FeatureSpec("foo-d", "D", "foo", (Carrier("foo", version=2, fields=("d",)),))
    taken = rules.effective_catalogue(
        old, [Backport(spec, grafts=grafts_for(spec, introduced, old))]
    ).descriptions["foo"]
    assert taken.version_id == 2
    assert paths(taken) == ["foo", "foo/foo/own"]


def test_a_subsection_of_a_structure_is_compared_on_its_own_line() -> None:
    old, new = Description("foo/tsr", 1, 1), Description("foo/tsr", 2, 1)
    found = compare(
        old_catalogue(descriptions={"foo": nested(old)}),
        old_catalogue(descriptions={"foo": nested(new)}),
    )
    assert found["sections"]["changed"]["names"] == ["foo: foo/foo/tsr: version 1 → 2"]
