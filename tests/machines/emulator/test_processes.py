"""Trials between processes say what trials in one process say, to the last byte of the trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Literal

import pytest

from machines.emulator import machine, processes
from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.devices import MODELLED
from machines.emulator.drivers import migratable_devices
from machines.emulator.qdev import Global
from machines.emulator.scenario import STYLES, downstream, upstream
from machines.emulator.session import Session
from machines.emulator.side import Side, TrialError
from tests.machines.emulator.real_streams import CATALOGUES

Relaxed = Mapping[tuple[str, str | None], frozenset[int]]


@cache
def release(version: str) -> Catalogue:
    return read_directory(CATALOGUES / version)


def side(version: str, *entries: Global) -> Side:
    return Side(version, release(version), "pc-q35-7.2", entries)


def alike(
    sides: list[Side],
    devices: list[str],
    relaxed: Relaxed | None = None,
    socket: Literal["unix", "tcp"] = "unix",
) -> machine.TrialResult:
    """The result of a trial, which both ways have to give."""
    here = machine.trial(sides, devices, 3, relaxed)
    assert processes.trial(sides, devices, 3, relaxed, socket) == here
    return here


@pytest.mark.parametrize("style", STYLES)
def test_the_scenario_has_the_same_verdicts(style: Literal["linear", "sections"]) -> None:
    outcomes = [
        alike(sides, ["foo", "foo"]).outcome
        for sides in (
            [upstream(style, "2.0", "board-2.0"), downstream(style, "board-2.0")],
            [downstream(style, "board-e"), upstream(style, "3.0", "board-e")],
        )
    ]
    expected = {"linear": ["corrupt", "corrupt"], "sections": ["refused", "correct"]}
    assert outcomes == expected[style]


def test_modelled_devices_work_on_in_the_next_process() -> None:
    result = alike([side("10.0"), side("10.0")], sorted(MODELLED), socket="tcp")
    assert (result.outcome, result.trace) == ("correct", result.reference)


def test_every_device_of_two_releases_has_the_same_refusals() -> None:
    devices = migratable_devices(release("7.2"), release("11.1"))
    result = alike([side("11.1"), side("7.2")], list(devices))
    assert len(result.hops[0].problems) > 1


def test_a_chain_goes_from_process_to_process() -> None:
    style = STYLES[1]
    sides = [
        upstream(style, "3.0", "board-e"),
        downstream(style, "board-e"),
        upstream(style, "3.0", "board-e"),
    ]
    assert [hop.outcome for hop in alike(sides, ["foo"]).hops] == ["correct", "correct"]


def test_versions_that_were_told_force_and_relaxed_bits_say_the_same() -> None:
    forbid = Global("foo", "vmstate-blacklist", "0x2", "policy", "test")
    new = upstream(STYLES[0], "2.0", "board-2.0")
    new = replace(new, globals=(*new.globals, forbid))
    old = upstream(STYLES[0], "1.0", "board-2.0")
    for told, kind in (((1, False), "refused"), ((5, False), "refused"), ((1, True), "degraded")):
        source = replace(new, savevm_versions={("foo", None): told})
        result = alike([source, old], ["foo"], {("foo", None): frozenset({2})})
        assert result.outcome == kind
        assert len(result.forced) == (kind == "degraded")


def test_a_device_that_a_side_lacks_and_one_that_bars_migration() -> None:
    sides = [upstream(STYLES[0], "2.0", "board-2.0"), downstream(STYLES[0], "board-2.0")]
    lacking = replace(sides[1], catalogue=replace(sides[1].catalogue, types={}, descriptions={}))
    assert alike([sides[0], lacking], ["foo"]).kind == "unknown-device"
    barred = {name for name, item in release("7.2").descriptions.items() if item.unmigratable}
    both = [sorted(barred)[0], "isa-serial"]
    assert alike([side("7.2"), side("7.2")], both).kind == "unmigratable"


def test_entries_of_every_layer_apply_there_too() -> None:
    entries = (
        Global("virtio-rng-pci", "vectors", "4", "user", "test"),
        Global("virtio-pci", "vmstate-blacklist", "1,100-200", "policy", "a, list"),
        Global("virtio-rng-pci", "vectors", "0", "policy", "test"),
    )
    assert alike([side("7.2", *entries), side("10.0", *entries)], ["virtio-rng-pci"])


def test_a_process_that_ends_midway_is_an_error_with_its_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Session.execute

    def ends(session: Session, command: str, arguments: object = None) -> object:
        if command == "migrate":
            asked(session, "quit")
        return asked(session, command, arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "execute", ends)
    with pytest.raises(TrialError, match=r"upstream 2\.0: the process of this side"):
        processes.trial(
            [upstream(STYLES[0], "2.0", "board-2.0"), downstream(STYLES[0], "board-2.0")],
            ["foo"],
            1,
        )
