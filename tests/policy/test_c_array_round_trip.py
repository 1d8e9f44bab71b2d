"""C arrays: import, policy, export give the same entries in the same order, of every real array."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_subjects import SAMPLE, decided_upstream
from sample_subjects import catalogue as sample_catalogue

from machines.c_arrays import parse_arrays as parse_source
from machines.c_arrays import to_document
from machines.emulator.catalogue import CompatProperty
from machines.emulator.catalogue.answers import parse_arrays
from machines.emulator.catalogue.files import read_document
from policy.document import CatalogueRef, MachineType, Policy, from_json
from policy.exporters import c_array

#: Every release of the data that has arrays.
RELEASES = sorted(
    str(path.parent.relative_to(SAMPLE)) for path in SAMPLE.glob("*/*/compat.json.xz")
)
NAME = "pc-q35-9.9"


def exported(name: str, entries: tuple[CompatProperty, ...]) -> str:
    return c_array.export({NAME: [c_array.Run(name, entries)]})


def round_trip(name: str, entries: tuple[CompatProperty, ...]) -> list[tuple[str, str, str]]:
    """The array written as C, imported, put into a policy, stored, and exported again."""
    source = parse_source(exported(name, entries), f"{name}.c")
    imported = parse_arrays(to_document(source), {})[c_array.identifier(name)]
    machine_type = MachineType(NAME, entries=imported)
    policy = Policy("down", "9.9", CatalogueRef("up 9.9", "0" * 64), machine_types=(machine_type,))
    stored = from_json(policy.to_json()).resolved(NAME)
    read = c_array.read(exported(name, stored))[NAME]
    return plain(read)


def test_the_data_has_arrays_of_six_releases() -> None:
    assert len(RELEASES) == 6


@pytest.mark.parametrize("release", RELEASES)
def test_every_array_comes_out_as_it_went_in(release: str) -> None:
    arrays = parse_arrays(read_document(SAMPLE / release, "compat"), {})
    assert len(arrays) > 15
    for name, entries in arrays.items():
        assert round_trip(name, entries) == plain(entries), name


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.", min_size=1, max_size=20).filter(
    lambda text: text[0].isalnum()
)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(st.lists(st.builds(CompatProperty, NAMES, NAMES, VALUES), max_size=8).map(tuple))
def test_so_does_any_other(entries: tuple[CompatProperty, ...]) -> None:
    assert round_trip("some_array", entries) == plain(entries)


def test_a_text_that_reads_like_a_sign_is_kept() -> None:
    values = (")", "(", "{", "}", ",", ".", "NULL", "0", "/* */", "//", "#if 0", '"', "\\")
    entries = tuple(CompatProperty("foo", "x", value) for value in values)
    assert round_trip("some_array", entries) == plain(entries)


@pytest.mark.parametrize("version", ["5.2", "7.2", "10.0", "11.1"])
def test_every_machine_type_of_a_release_has_its_whole_list_again(version: str) -> None:
    """Import, a first policy chained by parent, export, and read from the C source."""
    policy = decided_upstream(version, lambda policy: policy).policy
    assert policy is not None
    listed = {item.name: policy.resolved(item.name) for item in policy.machine_types}
    runs = {
        name: [
            c_array.Run(array or name, tuple(entries))
            for array, entries in groupby(resolved, key=lambda entry: entry.array)
        ]
        for name, resolved in listed.items()
    }
    read = c_array.read(c_array.export(runs))
    known = sample_catalogue(f"qemu/{version}").machine_types
    for name, resolved in listed.items():
        assert plain(read[name]) == plain(resolved) == plain(known[name].compat), name


def plain(entries: Iterable[CompatProperty]) -> list[tuple[str, str, str]]:
    return [(entry.driver, entry.property, entry.value) for entry in entries]
