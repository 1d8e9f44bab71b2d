"""Device types, globals and which value wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines.emulator.catalogue import Catalogue, PropertyInfo
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.qdev import (
    Global,
    ancestors,
    check_value,
    compat_globals,
    effective_value,
    properties_of,
    resolve,
    same_value,
)

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"

TREE = Catalogue(
    "1.0",
    types={"foo": "pci-device", "bar": "pci-device", "pci-device": "device", "device": None},
    properties={
        "device": {"id": PropertyInfo("id", "str")},
        "pci-device": {"rombar": PropertyInfo("rombar", "int32", -1)},
        "foo": {
            "rombar": PropertyInfo("rombar", "int32", 1),
            "serr": PropertyInfo("serr", "bool", True),
        },
    },
)


def test_ancestors_run_from_driver_to_root() -> None:
    assert ancestors(TREE, "foo") == ("foo", "pci-device", "device")
    assert ancestors(TREE, "unheard-of") == ("unheard-of",)


def test_ancestors_end_at_a_cycle() -> None:
    assert ancestors(Catalogue("1.0", types={"a": "b", "b": "a"}), "a") == ("a", "b")


def test_own_properties_hide_inherited_ones() -> None:
    infos = properties_of(TREE, "foo")
    assert {name: info.default for name, info in infos.items()} == {
        "id": None,
        "rombar": 1,
        "serr": True,
    }
    assert properties_of(TREE, "bar")["rombar"].default == -1


def test_default_tells_which_type_declares_it() -> None:
    resolved = resolve(TREE, "foo", [])
    assert resolved["serr"].value == "on"
    assert resolved["serr"].layer == "default"
    assert resolved["rombar"].matched_type == "foo"
    assert resolved["id"].value is None


def test_later_entry_wins_inside_a_layer_whatever_type_it_names() -> None:
    own, inherited = (
        Global("foo", "rombar", "0", "compat", "pc_compat_2"),
        Global("pci-device", "rombar", "2", "compat", "pc_compat_1"),
    )
    first = resolve(TREE, "foo", [own, inherited])["rombar"]
    assert (first.value, first.matched_type, first.origin) == ("2", "pci-device", "pc_compat_1")
    assert first.overridden == (own,)
    assert resolve(TREE, "foo", [inherited, own])["rombar"].value == "0"


def test_layers_rank_above_order() -> None:
    entries = [
        Global("foo", "serr", "off", "user", "command line"),
        Global("foo", "serr", "on", "policy"),
        Global("foo", "serr", "off", "compat"),
    ]
    resolved = resolve(TREE, "foo", entries)["serr"]
    assert (resolved.value, resolved.layer, resolved.default) == ("off", "user", "on")
    assert [entry.layer for entry in resolved.overridden] == ["compat", "policy"]


def test_entries_for_other_drivers_do_not_apply() -> None:
    assert resolve(TREE, "bar", [Global("foo", "rombar", "9", "user")])["rombar"].value == "-1"


def test_unlisted_property_that_an_entry_sets_is_kept_without_a_type() -> None:
    entries = [
        Global("foo", "novel", "1", "policy"),
        Global("foo", "vmstate-blacklist-d", "1", "policy"),
    ]
    resolved = resolve(TREE, "foo", entries)
    assert resolved["novel"].type == ""
    assert resolved["vmstate-blacklist-d"].type == "bitmap"


def test_effective_value_agrees_with_resolve_on_a_real_release() -> None:
    catalogue = read_directory(SAMPLE / "10.0")
    machine = catalogue.machine_types["pc-q35-7.2"]
    globals_ = compat_globals(machine.compat, machine.name)
    for driver in ("e1000e", "virtio-net-pci", "ICH9-LPC", "virtio-rng-pci"):
        for name, resolved in resolve(catalogue, driver, globals_).items():
            assert effective_value(catalogue, driver, name, globals_) == resolved.value


def test_a_real_machine_type_switches_a_real_property() -> None:
    catalogue = read_directory(SAMPLE / "10.0")
    machine = catalogue.machine_types["pc-q35-7.2"]
    resolved = resolve(catalogue, "e1000e", compat_globals(machine.compat, machine.name))
    timadj = resolved["migrate-timadj"]
    assert (timadj.value, timadj.default, timadj.layer) == ("off", "on", "compat")
    assert timadj.origin == "pc-q35-7.2"


@pytest.mark.parametrize("version", ["5.2", "7.2", "10.0", "11.1"])
def test_values_that_a_release_itself_sets_are_valid(version: str) -> None:
    catalogue = read_directory(SAMPLE / version)
    problems = set()
    for machine in catalogue.machine_types.values():
        for entry in machine.compat:
            info = properties_of(catalogue, entry.driver).get(entry.property)
            problem = info and check_value(info, entry.value)
            if problem:
                problems.add((entry.driver, entry.property, problem))
    assert not problems


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "on"),
        ("bool", "FALSE"),
        ("uint8", "255"),
        ("uint8", "0xff"),
        ("int8", "-128"),
        ("int64", "-0x8000000000000000"),
        ("uint64", "0xffffffffffffffff"),
        ("size", "16M"),
        ("size", "1.5G"),
        ("size", "0x1000"),
        ("size", "4k"),
        ("str", "anything, at all"),
        ("OnOffAuto", "auto"),
        ("bitmap", "0x6"),
    ],
)
def test_valid_values(kind: str, text: str) -> None:
    assert check_value(PropertyInfo("x", kind), text) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "maybe"),
        ("bool", ""),
        ("uint8", "256"),
        ("uint8", "-1"),
        ("int8", "-129"),
        ("uint32", "1.5"),
        ("uint32", "0x"),
        ("uint32", "١"),
        ("size", "16Q"),
        ("size", "4KiB"),
        ("size", "16E6"),
        ("size", "32E"),
        ("size", "0x1" + "0" * 16),
        ("size", "9" * 4000),
        ("size", "0x" + "f" * 4000),
        ("size", "-1"),
        ("uint64", "+-1"),
        ("bitmap", "3-1"),
        ("str", "two\nlines"),
        ("str", "x" * 5000),
    ],
)
def test_invalid_values_are_explained(kind: str, text: str) -> None:
    assert check_value(PropertyInfo("x", kind), text)


def test_same_value_looks_through_spellings() -> None:
    assert same_value("on", "true")
    assert same_value("0x10", "16")
    assert not same_value("on", "off")
    assert not same_value(None, "off")
