"""Model trials between real releases: what really migrates does, what QEMU refuses is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from machines.emulator.carriers import is_enabled
from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.decode import decode_stream
from machines.emulator.drivers import backend_of, description_of, migratable_devices
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.emulator.layout import Section, described_sections
from machines.emulator.machine import saved_stream, trial
from machines.emulator.qdev import Global
from machines.emulator.side import Side

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"


@cache
def release(version: str) -> Catalogue:
    return read_directory(SAMPLE / version)


def real(version: str, machine: str = "pc-q35-7.2", **more: object) -> Side:
    return replace(Side(version, release(version), machine), **more)  # type: ignore[arg-type]


#: Devices of q35 machines that really migrate between these releases, one of each family.
REAL_DEVICES = (  # noqa: SIM905 - a word list reads better than fifty quoted lines
    "ICH9-LPC ICH9-SMB ich9-ahci mc146818rtc i8042 hpet isa-i8259 isa-pit ioapic isa-serial "
    "isa-serial isa-parallel fw_cfg e1000 e1000e rtl8139 vmxnet3 ne2k_pci pcnet qemu-xhci "
    "usb-ehci piix3-usb-uhci VGA cirrus-vga vmware-svga bochs-display lsi53c895a megasas pvscsi "
    "mptsas1068 sdhci-pci i6300esb ib700 edu pci-bridge pcie-root-port ioh3420 intel-iommu "
    "vmgenid usb-ccid usb-hub pci-serial virtio-net-pci virtio-blk-pci virtio-scsi-pci "
    "virtio-rng-pci virtio-balloon-pci virtio-serial-pci virtio-gpu-pci virtio-keyboard-pci "
    "virtio-iommu-pci scsi-hd"
).split()


@pytest.mark.parametrize(
    ("source", "destination"),
    [("7.2", "7.2"), ("7.2", "10.0"), ("10.0", "7.2"), ("10.0", "11.1"), ("11.1", "10.0"),
     ("7.2", "11.1"), ("11.1", "7.2")],
)  # fmt: skip
def test_what_really_migrates_is_correct(source: str, destination: str) -> None:
    for seed in (1, 2):
        result = trial([real(source), real(destination)], REAL_DEVICES, seed)
        assert (result.outcome, result.reason) == ("correct", "")
        assert result.trace == result.reference


def test_a_chain_over_three_releases_and_back_is_correct() -> None:
    sides = [real(version) for version in ("7.2", "10.0", "11.1", "7.2")]
    assert trial(sides, REAL_DEVICES, 3).outcome == "correct"


def test_nvme_cannot_be_migrated_before_11_1() -> None:
    result = trial([real("10.0"), real("11.1")], ["nvme"], 1)
    assert (result.outcome, result.kind) == ("refused", "unmigratable")
    assert result.reason == "State blocked by non-migratable device 'nvme'"
    assert trial([real("11.1"), real("11.1")], ["nvme"], 1).outcome == "correct"


def test_every_refusal_is_listed() -> None:
    result = trial([real("11.1"), real("10.0")], ["ipmi-bmc-sim", "isa-serial", "isa-vga"], 1)
    assert [item.section for item in result.hops[0].problems] == ["ipmi-bmc-sim", "vga-isa"]


def test_a_forgotten_compat_property_misses_the_footer() -> None:
    timadj = FeatureSpec(
        "e1000e-timadj",
        "Interrupt delay timers",
        "e1000e",
        (Carrier("e1000e", None, ("core.timadj",)),),
        Gate("e1000e", "migrate-timadj", "on"),
    )
    new, old = real("10.0", features=(timadj,)), real("7.2")
    assert trial([new, old], ["e1000e"], 1).outcome == "correct"
    forgotten = replace(new, globals=(Global("e1000e", "migrate-timadj", "on", "policy"),))
    result = trial([forgotten, old], ["e1000e"], 1)
    assert result.reason == "Missing section footer for e1000e"
    assert result.field == "core.timadj"


def test_features_follow_the_gate_of_the_machine_type() -> None:
    spec = FeatureSpec("x", "X", "e1000e", (), Gate("e1000e", "migrate-timadj", "on"))
    new = real("10.0", "pc-q35-10.0")
    assert is_enabled(spec, new.catalogue, "e1000e", new.all_globals())
    assert not is_enabled(spec, new.catalogue, "e1000e", real("10.0").all_globals())
    assert not is_enabled(spec, new.catalogue, "e1000", new.all_globals())


def test_a_virtio_proxy_has_the_section_of_its_device() -> None:
    assert backend_of(release("7.2"), "virtio-rng-pci-non-transitional") == "virtio-rng-device"
    assert backend_of(release("7.2"), "isa-serial") is None
    description = description_of(release("7.2"), "virtio-net-pci")
    assert description is not None
    assert description.name == "virtio-net"


def test_every_section_that_travels_is_described_under_its_path() -> None:
    for driver in ("isa-serial", "ICH9-LPC", "e1000e", "virtio-gpu-device", "sd-card"):
        description = description_of(release("11.1"), driver)
        assert description is not None
        travelling = {part.path for part in Section(description).walk()}
        assert travelling <= {item.path for item in described_sections(description)}
    serial = description_of(release("7.2"), "isa-serial")
    assert serial is not None
    assert "serial/serial/tsr" in [item.path for item in described_sections(serial)]


def test_migratable_devices_are_those_of_every_release() -> None:
    here, there = release("10.0"), release("11.1")
    common = set(migratable_devices(here, there))
    assert common == set(migratable_devices(here)) & set(migratable_devices(there))
    assert "isa-serial" in common
    assert "nvme" not in common


def test_the_models_stream_is_qemus_format() -> None:
    stream = saved_stream(real("10.0"), ["isa-serial", "isa-serial", "e1000e"], seed=1)
    decoded = decode_stream(io.BytesIO(stream))
    assert decoded["machine"] == "pc-q35-7.2"
    assert [(item["name"], item["instance_id"]) for item in decoded["sections"]] == [
        ("timer", 0),
        ("serial", 0),
        ("serial", 1),
        ("e1000e", 0),
    ]
    (state,) = decoded["sections"][1]["fields"]
    assert [field["name"] for field in state["fields"]][:2] == ["divider", "rbr"]
    assert state["fields"][0]["value"] != 0
