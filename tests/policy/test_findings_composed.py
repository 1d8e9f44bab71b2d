"""Lists that were composed of C arrays are as good as the arrays were read."""

from __future__ import annotations

from dataclasses import replace

from finding_world import TODAY, catalogue

from machines.emulator.catalogue import CompatProperty, MachineType
from machines.emulator.catalogue.composition import compose
from policy.findings import Finding, Subject, findings

NAMES = ("pc-q35-3.0", "pc-q35-2.12", "pc-q35-2.11")


def arrays(**listed: str) -> dict[str, tuple[CompatProperty, ...]]:
    """``hw_compat_3_0="vectors=0"`` → an array with an entry of nic; empty for an empty one."""
    return {
        name: tuple(
            CompatProperty("nic", *text.split("="), name) for text in entries.split() if text
        )
        for name, entries in listed.items()
    }


def composed(label: str, **listed: str) -> Subject:
    read = arrays(**listed)
    machines = {
        name: MachineType(name, compat=compose(name, read), compat_source="arrays")
        for name in NAMES
    }
    return Subject(label, None, replace(catalogue(), arrays=read, machine_types=machines), label)


def told(label: str, arrays_of: Subject | None = None, **lists: str) -> Subject:
    """A release that tells its lists itself: ``v3_0="vectors=0"``; with arrays as well, or not."""
    machines = {}
    for name in NAMES:
        text = lists.get("v" + name.rpartition("-")[2].replace(".", "_"), "")
        entries = tuple(CompatProperty("nic", *item.split("=")) for item in text.split())
        machines[name] = MachineType(name, compat=entries, compat_source="query-machines")
    read = arrays_of.catalogue.arrays if arrays_of is not None else {}
    return Subject(label, None, replace(catalogue(), arrays=read, machine_types=machines), label)


def errors(own: Subject, other: Subject) -> list[tuple[str, tuple[str, ...]]]:
    found: list[Finding] = list(findings(own, [other], TODAY))
    return [(i.code, i.machine_types) for i in found if i.severity == "error"]


def test_an_array_that_was_read_into_the_one_before_accuses_nobody() -> None:
    """``hw_compat_3_0[] = {}`` was run over: the entry of 2.12 stands in it."""
    before = composed("up 1.0", hw_compat_3_0="vectors=0", hw_compat_2_11="", pc_compat_2_12="")
    now = told("up 2.0", v2_12="vectors=0", v2_11="vectors=0")
    assert errors(now, before) == []


def test_without_a_gap_the_same_entry_is_believed() -> None:
    before = composed("up 1.0", hw_compat_3_0="vectors=0", hw_compat_2_12="", hw_compat_2_11="")
    now = told("up 2.0", v2_12="vectors=0", v2_11="vectors=0")
    assert ("missing-entry", ("pc-q35-3.0",)) in errors(now, before)


def test_an_entry_that_reading_loses_in_both_releases_accuses_nobody() -> None:
    """What the newer release tells itself, but its own arrays lack, the older one's lack too."""
    before = composed("up 1.0", hw_compat_2_12="", hw_compat_2_11="", hw_compat_3_0="")
    lists = {"v2_12": "vectors=0", "v2_11": "vectors=0"}
    assert errors(told("up 2.0", arrays_of=before, **lists), before) == []
    assert "breaks-shipped" in {code for code, _ in errors(told("up 2.0", **lists), before)}
