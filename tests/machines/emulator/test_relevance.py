"""A property is known to decide something of a migration exactly where it does."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.relevance import influences, migrating

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"


@lru_cache(maxsize=2)
def release(version: str) -> Catalogue:
    return read_directory(SAMPLE / version)


@pytest.mark.parametrize(
    ("driver", "name", "mechanism", "device"),
    [
        ("e1000e", "migrate-timadj", "fields", "e1000e"),
        ("PIIX4_PM", "x-not-migrate-acpi-index", "fields", "PIIX4_PM"),
        ("virtio-gpu-device", "x-scanout-vmstate-version", "fields", "virtio-gpu-device"),
        ("qemu-xhci", "p2", "fields", "qemu-xhci"),
        ("scsi-block", "migrate-pr", "subsection", "scsi-block"),
        ("i8042", "extended-state", "subsection", "i8042"),
        ("virtio-rng-pci", "vectors", "pci-config", "virtio-rng-pci"),
        ("pci-device", "x-pcie-err-unc-mask", "pci-config", "pcie-root-port"),
        ("pcie-root-port", "hotplug", "pci-config", "pcie-root-port"),
        ("virtio-scsi-pci", "hotplug", "virtio", "virtio-scsi-pci"),
        ("VGA", "global-vmstate", "ram-block", "VGA"),
        ("virtio-device", "queue_reset", "virtio", "virtio-net-device"),
        ("pcie-root-port", "aer_log_max", "equal", "pcie-root-port"),
        ("usb-device", "full-path", "section", "usb-tablet"),
        ("migration", "send-section-footer", "stream", "migration"),
    ],
)
def test_what_a_property_decides(driver: str, name: str, mechanism: str, device: str) -> None:
    found = influences(release("11.1"), driver, name)
    assert {item.mechanism for item in found if device in item.devices} == {mechanism}


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("pci-device", "x-pcie-extcap-init"),
        ("pci-device", "x-pcie-lnksta-dllla"),
        ("PIIX4_PM", "acpi-index"),
        ("virtio-blk-device", "report-discard-granularity"),
        ("x86_64-cpu", "legacy-multi-node"),
        ("migration", "zero-page-detection"),
        ("no-such-device", "vectors"),
        ("scsi-hd", "migrate-pr"),
    ],
)
def test_what_no_migration_depends_on(driver: str, name: str) -> None:
    assert influences(release("11.1"), driver, name) == ()


def test_a_subsection_matters_only_to_whom_does_not_know_it() -> None:
    [found] = influences(release("11.1"), "scsi-block", "migrate-pr")
    assert found.matters_to(release("7.2"))
    assert not found.matters_to(release("11.1"))


def test_queue_sizes_matter_only_to_whom_checks_them() -> None:
    [found] = influences(release("7.2"), "virtio-blk-device", "queue-size")
    assert found.matters_to(release("11.1"))
    assert not found.matters_to(release("7.2"))


def test_a_proxy_migrates_by_the_device_behind_it_and_an_unmigratable_one_does_not() -> None:
    assert migrating(release("7.2"), "virtio-rng-pci") == ("virtio-rng-pci",)
    assert migrating(release("7.2"), "nvme") == ()
    assert "virtio-net-pci-transitional" in migrating(release("7.2"), "virtio-net-pci-base")
