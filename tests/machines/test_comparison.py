"""The difference of two catalogues, in counts and names."""

from dataclasses import replace
from pathlib import Path

from machines.comparison import MAX_NAMES, compare
from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.catalogue.answers import read_directory

SAMPLE = Path(__file__).parents[2] / "machines" / "sample"
X = PropertyInfo("x", "uint32", 1)


def test_equal_catalogues_have_no_difference() -> None:
    catalogue = read_directory(SAMPLE / "qemu/10.0")
    assert compare(catalogue, catalogue) == {}


def test_a_property_that_moves_to_the_parent_is_no_change() -> None:
    types = {"base": None, "a": "base", "b": "base"}
    old = Catalogue("", types=types, properties={"a": {"x": X}, "b": {"x": X}})
    new = Catalogue("", types=types, properties={"base": {"x": X}})
    added = compare(old, new)["properties"]
    assert added["added"]["names"] == ["base.x"]  # the parent itself has it now
    assert (added["removed"]["count"], added["changed"]["count"]) == (0, 0)


def test_a_changed_default_is_named_with_both_values() -> None:
    old = Catalogue("", types={"a": None}, properties={"a": {"x": X}})
    new = replace(old, properties={"a": {"x": replace(X, default="on")}})
    assert compare(old, new)["properties"]["changed"]["names"] == ["a.x: default 1 → on"]


def test_a_changed_section_names_versions_and_fields() -> None:
    before = Description("s", 1, 1, (Field("a", 4), Field("b", 4)))
    after = Description("s", 2, 1, (Field("a", 8), Field("c", 4)))
    old = Catalogue("", descriptions={"d": before})
    changes = compare(old, replace(old, descriptions={"d": after}))["sections"]
    assert changes["changed"]["names"] == ["d: s: version 1 → 2, + c, - b, ~ a"]


def test_the_size_of_a_structure_in_memory_is_no_difference() -> None:
    before = Description("s", 1, 1, (Field("a", 40, struct=Description("t", 1, 1)),))
    after = replace(before, fields=(replace(before.fields[0], size=48),))
    old = Catalogue("", descriptions={"d": before})
    assert compare(old, replace(old, descriptions={"d": after})) == {}


def test_a_compat_entry_is_compared_by_the_value_that_wins() -> None:
    first, last = CompatProperty("d", "p", "1"), CompatProperty("d", "p", "2")
    old = Catalogue("", machine_types={"m": MachineType("m", compat=(first, last))})
    new = Catalogue("", machine_types={"m": MachineType("m", compat=(last, first))})
    changes = compare(old, new)
    assert changes["compat"]["changed"]["names"] == ["m: d.p: 2 → 1"]
    assert changes["machine_types"]["changed"]["names"] == ["m: compat properties"]


def test_the_count_tells_more_than_the_names_listed() -> None:
    types = {f"t{number}": None for number in range(MAX_NAMES + 5)}
    added = compare(Catalogue(""), Catalogue("", types=types))["types"]["added"]
    assert (added["count"], len(added["names"])) == (MAX_NAMES + 5, MAX_NAMES)


def test_two_real_releases() -> None:
    changes = compare(read_directory(SAMPLE / "qemu/10.0"), read_directory(SAMPLE / "qemu/11.1"))
    assert "nitro" in changes["machine_types"]["added"]["names"]
    assert "VGA.global-vmstate" in changes["properties"]["removed"]["names"]
    assert "vfio-pci: parent pci-device → vfio-pci-device" in changes["types"]["changed"]["names"]
