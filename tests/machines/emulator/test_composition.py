"""Machine types composed of recorded arrays, those among them that were misread."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.emulator.catalogue import CompatProperty, MachineType
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.composition import (
    compose,
    dated_arrays,
    doubts,
    lost_entries,
    machine_name,
    run_over,
)
from machines.emulator.catalogue.values import TOLD

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"
Arrays = dict[str, tuple[CompatProperty, ...]]


def arrays(**listed: str) -> Arrays:
    return {
        name: tuple(CompatProperty("nic", text, "on", name) for text in entries.split())
        for name, entries in listed.items()
    }


def set_on(machine_type: str, read: Arrays) -> list[str]:
    return [entry.property for entry in compose(machine_type, read)]


RUN_OVER = arrays(hw_compat_3_0="a", hw_compat_2_11="b", pc_compat_3_0="", pc_compat_2_12="c")


def test_an_empty_array_that_was_run_over_has_the_next_one_s_entries() -> None:
    assert set_on("pc-q35-3.0", RUN_OVER) == []
    assert set_on("pc-q35-2.12", RUN_OVER) == ["a", "c"]
    assert set_on("pc-q35-2.11", RUN_OVER) == ["a", "c", "b"]


def test_of_several_empty_arrays_the_entries_are_those_of_the_last() -> None:
    read = arrays(pc_compat_7_1="a", pc_compat_6_1="b", hw_compat_7_0="", hw_compat_6_2="")
    assert run_over("", read)["pc_compat_7_1"].missing == ("pc_compat_7_0", "pc_compat_6_2")
    assert set_on("pc-q35-7.0", read) == []
    assert set_on("pc-q35-6.2", read) == ["a"]


def test_a_record_with_its_empty_arrays_is_taken_as_it_is() -> None:
    read = arrays(hw_compat_3_0="", hw_compat_2_12="a", pc_compat_2_12="", pc_compat_1_4="b")
    assert run_over("", read) == {}
    assert doubts([], read) == []
    assert set_on("pc-q35-2.12", read) == ["a"]


def test_a_downstream_has_arrays_only_where_they_are_needed() -> None:
    read = arrays(hw_compat_rhel_9_2="a", hw_compat_rhel_9_0="b", pc_rhel_9_1_compat="c")
    assert run_over("rhel", read) == {}
    assert set_on("pc-q35-rhel9.2.0", read) == ["a"]


def test_how_far_the_last_array_ran_cannot_be_told() -> None:
    read = RUN_OVER | arrays(hw_compat_2_11="b", pc_compat_2_11="", pc_compat_2_10="d")
    assert run_over("", read)["hw_compat_2_11"].holds is None
    assert [version for version, _ in dated_arrays("", read)][-2:] == [(2, 11), (2, 10)]
    assert any(
        "hw_compat_2_11 may hold the entries of hw_compat_2_10" in d for d in doubts([], read)
    )


def test_the_record_s_faults_are_told_with_file_and_array() -> None:
    told = MachineType("pc-q35-2.12", compat=(CompatProperty("nic", "z", "1"),), compat_source=TOLD)
    first, *_, last = doubts([told], RUN_OVER)
    assert first.startswith("compat file: what stands in hw_compat_3_0 is taken for hw_compat_2_12")
    assert last == "compat file: nic.z is in no array, though machine types have it."


@pytest.mark.parametrize("board", ["pc-q35", "pc-i440fx"])
def test_of_10_0_the_arrays_compose_what_the_release_tells_itself(board: str) -> None:
    """But for entries that reading lost, and for the array of 2.5, which ran to an unknown end."""
    read = read_directory(SAMPLE / "10.0")
    listed = {name: item.compat for name, item in read.machine_types.items()}
    lost = lost_entries(listed, read.arrays)
    names = [name for name in listed if (found := machine_name(name)) and found.board == board]
    assert len(names) > 15
    for name in names:
        composed = [
            CompatProperty(e.driver, e.property, e.value) for e in compose(name, read.arrays)
        ]
        if not name.endswith(("-2.5", "-2.4")):
            assert composed == [entry for entry in listed[name] if entry not in lost], name
