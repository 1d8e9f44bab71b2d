"""The machine types of real RHEL releases, chained by parent, resolve as their arrays compose."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.composition import compose
from policy.document import CatalogueRef, Policy, from_json
from policy.rules import seeding

SAMPLE = Path(__file__).resolve().parents[2] / "machines" / "sample" / "rhel"
VERSIONS = ("9.3.0", "9.2.0", "9.0.0", "8.6.0", "8.5.0", "8.4.0", "8.3.0", "8.2.0", "8.1.0")
NAMES = (*(f"pc-q35-rhel{version}" for version in VERSIONS), "pc-i440fx-rhel7.6.0")


@cache
def arrays_of(version: str) -> Catalogue:
    return read_directory(SAMPLE / version)


@pytest.mark.parametrize("release", ["8.9", "9.2", "9.3"])
def test_chained_lists_are_the_composed_ones(release: str) -> None:
    catalogue = arrays_of(release)
    chained = seeding.chained(catalogue, NAMES)
    policy = Policy("rhel", release, CatalogueRef("upstream", "0"), machine_types=chained)
    assert from_json(policy.to_json()) == policy
    for name in NAMES:
        assert policy.resolved(name) == compose(name, catalogue.arrays)


def test_each_entry_keeps_its_array_and_stands_once() -> None:
    chained = {item.name: item for item in seeding.chained(arrays_of("9.3"), NAMES)}
    oldest = chained["pc-q35-rhel9.0.0"]
    assert oldest.parent == "pc-q35-rhel9.2.0"
    assert {entry.array for entry in oldest.entries} == {
        "hw_compat_rhel_9_1",
        "hw_compat_rhel_9_0",
        "pc_rhel_9_0_compat",
    }
    assert {entry.array for entry in chained["pc-q35-rhel9.3.0"].entries} == {"pc_rhel_compat"}
