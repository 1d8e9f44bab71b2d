"""What a property's value says that a stream must hold, where no profile shows the device."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import CATALOGUES, SELECTION

from machines.emulator import pci
from machines.emulator.events import RamBlock
from machines.emulator.implied import config_contradictions
from machines.emulator.release import Release
from machines.emulator.replay import trial
from machines.emulator.snapshot import Snapshot, read_snapshot

SHOWN = {"x-pcie-ext-tag", "x-pcie-pm-no-soft-reset", "hotplug", "multifunction", "msix", "slot"}
SHOWN |= {"vectors", "page-per-vq", "disable-modern", "modern-pio-notify", "shpc", "port"}


@cache
def release(name: str) -> Release:
    return Release(CATALOGUES / name)


@cache
def flip(name: str) -> Snapshot:
    return read_snapshot(SELECTION / "flips" / "10.0" / "pc-q35-5.2" / f"{name}.mig.xz")


@cache
def saved(config: str) -> Snapshot:
    return read_snapshot(SELECTION / "streams" / "10.0" / "pc-q35-7.2" / f"{config}.mig.xz")


def express(control: int = 0, slot: int = 0) -> bytes:
    """A configuration space with an express capability and, at 0x80, an MSI-X table of 4."""
    made = bytearray(pci.EXPRESS_CONFIG_SIZE)
    made[pci.STATUS], made[pci.CAPABILITIES] = pci.STATUS_CAPABILITIES, 0x40
    made[0x40:0x44] = bytes((pci.CAP_EXPRESS, 0x80, 2, 0))
    made[0x44], made[0x54] = control, slot
    made[0x80:0x84] = bytes((pci.CAP_MSIX, 0, 3, 0))
    return bytes(made)


@pytest.mark.parametrize(
    ("config", "name", "value", "index"),
    [
        (express(0x20), "x-pcie-ext-tag", "off", 0x44),
        (express(0x20), "x-pcie-ext-tag", "on", None),
        (express(0), "x-pcie-ext-tag", "true", 0x44),
        (express(0), "x-pcie-ext-tag", "auto", None),
        (bytes(256), "x-pcie-ext-tag", "on", None),  # not an express device
        (express(slot=0x20), "hotplug", "off", 0x54),
        (express(), "hotplug", "on", None),  # another property may keep it off
        (express(), "multifunction", "on", pci.HEADER_TYPE),
        (express(), "vectors", "4", None),
        (express(), "vectors", "5", 0x82),
        (express(), "vectors", "0", pci.CAPABILITIES),
        (express(), "vectors", "4294967295", None),  # QEMU chooses
        (bytes(256), "vectors", "-1", pci.CAPABILITIES),
        (bytes(256), "vectors", "100000", None),  # more than a table has: there is none
        (express(), "msix", "off", 0x80),
        (express(), "port", "7", 0x4F),
        (b"", "multifunction", "on", None),
    ],
)
def test_a_register_must_be_what_the_value_makes_it(config, name, value, index):
    found = [at for at, _ in config_contradictions(config, name, value)]
    assert found == ([] if index is None else [index])


@given(st.binary(min_size=256, max_size=256), st.sampled_from(sorted(SHOWN)), st.booleans())
def test_any_configuration_space_is_read_without_failing(config, name, on):
    for value in ("on" if on else "off", "3", "-1", "auto"):
        for at, _ in config_contradictions(config, name, value):
            assert at < 256


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("pci-device.x-pcie-ext-tag=on", "pci-config"),
        ("pci-device.x-pcie-ext-tag=off", None),
        ("virtio-blk-pci.page-per-vq=on", "pci-config"),
        ("virtio-blk-pci.disable-legacy=on", "pci-config"),
        ("virtio-blk-pci.disable-legacy=off", None),
        ("virtio-blk-pci.disable-modern=on", "pci-config"),
        ("virtio-gpu-pci.disable-modern=on", None),  # a type without an older form
        ("qemu-xhci.p3=2", "layout"),
        ("qemu-xhci.p3=4", None),
        ("pcie-root-port.aer_log_max=4", "equal"),
        ("pcie-root-port.aer_log_max=8", None),
    ],
)
def test_a_property_set_on_the_destination_is_judged_by_the_stream(given, kind):
    name, _, value = given.partition("=")
    entry = (*name.split("."), value)
    verdict = trial(flip("base"), release("10.0"), flip("base"), [entry])
    assert verdict.kind == kind
    assert kind is None or verdict.suggestion == name


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [("vgamem_mb", "32", "ramblock"), ("vgamem_mb", "16", None), ("rombar", "0", "ramblock")],
)
def test_a_property_set_on_the_destination_is_judged_by_the_ram_blocks(name, value, kind):
    rom = RamBlock("0000:00:01.0/vga.rom", 65536)
    stream = replace(saved("vga"), blocks=(*saved("vga").blocks, rom))
    verdict = trial(stream, release("10.0"), stream, [("VGA", name, value)])
    assert verdict.kind == kind


@pytest.mark.parametrize(
    "name",
    [
        "e1000e.migrate-timadj",
        "pci-device.x-pcie-ext-tag",
        "virtio-rng-pci.vectors",
    ],
)
def test_without_a_profile_a_forgotten_compat_property_shows_in_the_stream(name):
    assert trial(flip("base"), release("10.0")).outcome == "accepted"
    verdict = trial(flip(name), release("10.0"))
    assert verdict.outcome == "refused"
    assert verdict.suggestion.split(".")[1] == name.split(".")[1]


def test_without_a_profile_a_missing_field_is_no_proof():
    verdict = trial(replace(flip("base"), machine="pc-q35-10.0"), release("10.0"))
    assert verdict.kind != "layout"  # e1000e.migrate-timadj is on there, and may be withheld


def test_what_was_not_looked_at_is_said():
    assert trial(saved("bare"), release("10.0"), saved("bare")).assumptions == ()
    without = trial(saved("vga"), release("7.2"))
    assert without.assumptions[0].startswith("no profile: ")
    unknown = trial(saved("bare"), release("10.0"), saved("bare"), [("e1000", "mac", "x")])
    assert unknown.assumptions == (
        "nothing is known of what e1000.mac changes in a stream: it was not judged",
    )
