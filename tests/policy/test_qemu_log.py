"""QEMU's messages are found whatever stands before them, and what is none is said to be none."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.questions.qemu_log import MAX_BYTES, MAX_LINES, LogError, read_log

CASES = Path(__file__).resolve().parents[1] / "data" / "cases.jsonl"
PCI = "get_pci_config_device: Bad config data: i=0x10a read: 40 device: 0 cmask: ff wmask: 0"
#: Message → kind, section, field.
MESSAGES = {
    "Unknown savevm section or instance 'foo' 0. Make sure that your current VM setup matches": (
        "unknown-section",
        "foo",
        "",
    ),
    "savevm: unsupported version 2 for 'ipmi-bmc-sim' v1": ("version-too-new", "ipmi-bmc-sim", ""),
    "cpu: incoming version_id 1 is too old for local minimum version_id 2": (
        "version-too-old",
        "cpu",
        "",
    ),
    "Failed to load hpet:num_timers": ("equal", "hpet", "num_timers"),
    "Input validation failed: hpet/num_timers": ("equal", "hpet", "num_timers"),
    "Features 0x1300 unsupported. Allowed features: 0x300": ("virtio", "", ""),
    "Missing section footer for 0000:00:01.3/piix4_pm": ("layout", "0000:00:01.3/piix4_pm", ""),
    'Unknown ramblock "0000:00:06.0/vga.vram", cannot accept migration': (
        "ramblock",
        "",
        "0000:00:06.0/vga.vram",
    ),
    "Size mismatch: pc.rom: 0x20000 != 0x40000: Invalid argument": ("ramblock", "", "pc.rom"),
    PCI: ("pci-config", "", ""),
    "VQ 0 vring.num 1024 exceeds allocated max 256": ("virtio", "", ""),
    "State blocked by non-migratable device '0000:00:01.0/nvme'": (
        "unmigratable",
        "0000:00:01.0/nvme",
        "",
    ),
    "Machine type received is 'pc-q35-7.2' and local is 'pc-q35-7.1'": ("machine-type", "", ""),
    "VM subsection 'foo/s' in 'foo' does not exist": ("subsection", "foo", "foo/s"),
    "Loading VM subsection 'foo/s' in 'foo' failed: -22": ("subsection", "foo", "foo/s"),
    # Until the message was reworked it has two spaces before the last number.
    "cpu_common: incoming version_id 1 is too old for local minimum version_id  2": (
        "version-too-old",
        "cpu_common",
        "",
    ),
    "foo/s: incoming version_id 3 is too new for local version_id 2": (
        "version-too-new",
        "foo/s",
        "",
    ),
    "Mismatched section id in footer for ram - read 0x3 expected 0x2": ("layout", "ram", ""),
    "Input validation failed: virtio-net/max_queue_pairs version_id: 11": (
        "equal",
        "virtio-net",
        "max_queue_pairs",
    ),
    "Property 'requested-size' changed from 0x0 to 0x1000": ("equal", "", "requested-size"),
    "Length mismatch: pc.ram: 0x1000000 in != 0x2000000: Invalid argument": (
        "ramblock",
        "",
        "pc.ram",
    ),
    "Size too large: vga.vram: 0x2000000 > 0x1000000: Invalid argument": (
        "ramblock",
        "",
        "vga.vram",
    ),
    "Mismatched RAM page size pc.ram (local) 4096 != 2097152": ("ramblock", "", "pc.ram"),
    "Mismatched GPAs for block /objects/mem 4096!= 8192": ("ramblock", "", "/objects/mem"),
    "Can't find block pc.bios!": ("ramblock", "", "pc.bios"),
    "ram block vga.rom should not be migrated !": ("ramblock", "", "vga.rom"),
    "VQ 1 size 0x100 < last_avail_idx 0x9 - used_idx 0x11": ("virtio", "", ""),
    "VQ 0 address 0x0 inconsistent with Host index 0x4": ("virtio", "", ""),
    "VQ 2 size 0x80 Guest index 0x9 inconsistent with Host index 0x99: delta 0xff70": (
        "virtio",
        "",
        "",
    ),
    "Invalid number of virtqueues: 0x500": ("virtio", "", ""),
    "virtio-net: curr_queue_pairs 4 > max_queue_pairs 1": ("virtio", "", ""),
    "virtio-net: saved image requires vnet_hdr=on": ("virtio", "", ""),
    "Capability mapped-ram is off, but received capability is on": (
        "capability",
        "",
        "mapped-ram",
    ),
    "Received TARGET_PAGE_BITS is 12 but local is 16": ("stream", "", ""),
    "Unknown savevm section type 5": ("stream", "", ""),
    "Not a migration stream": ("stream", "", ""),
    "error while loading state section id 2(ram)": ("layout", "ram", ""),
}
PREFIXES = (
    "",
    "qemu-system-x86_64: ",
    "2023-05-01T12:00:00.123456Z qemu-kvm: ",
    "May 01 12:00:00 host libvirtd[812]: internal error: qemu unexpectedly closed the monitor: "
    "2023-05-01T12:00:00.123456Z qemu-kvm: ",
)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_is_read(prefix: str, message: str) -> None:
    [failure] = read_log(prefix + message).failures
    assert (failure.kind, failure.section, failure.field) == MESSAGES[message]


def test_lines_of_one_failure_belong_together() -> None:
    log = read_log(
        f"qemu-kvm: {PCI}\n"
        "qemu-kvm: Failed to load PCIDevice:config\n"
        "qemu-kvm: Failed to load pcie-root-port:parent_obj.parent_obj.parent_obj\n"
        "qemu-kvm: error while loading state for instance 0x0 of device '0000:00:02.0/port'\n"
        "qemu-kvm: load of migration failed: Invalid argument\n"
        "\n"
        "qemu-kvm: Missing section footer for serial\n"
        "shutting down, reason=failed\n"
    )
    first, second = log.failures
    assert (first.kind, first.section) == ("pci-config", "0000:00:02.0/port")
    assert dict(first.details)["offset"] == "0x10a"
    assert [number for number, _ in first.lines] == [1, 2, 3, 4, 5]
    assert second.section == "serial"
    assert log.unknown == ((8, "shutting down, reason=failed"),)


def test_a_failure_of_nested_messages_is_one_with_its_device_and_field() -> None:
    """Since 10.1 one line says it all; before there is a line for each level."""
    log = read_log(
        "qemu-system-x86_64: 8 != 101\n"
        "qemu-system-x86_64: load of migration failed: Invalid argument: error while loading state "
        "for instance 0x0 of device '0000:00:01.0/virtio-net': Failed to load element of type "
        "uint16 equal for max_queue_pairs: -22\n"
    )
    [failure] = log.failures
    assert (failure.kind, failure.section) == ("equal", "0000:00:01.0/virtio-net")
    assert (failure.field, dict(failure.details)["sent"]) == ("max_queue_pairs", "101")
    assert log.unknown == ()


def test_what_real_qemu_said_is_one_failure_each() -> None:
    refused = [json.loads(line) for line in CASES.read_text().splitlines()]
    refused = [case for case in refused if not case["accepted"]]
    assert len(refused) > 20
    for case in refused:
        log = read_log(case["error"])
        assert len(log.failures) == 1, case["error"]
        assert all("has no peer" in text for _, text in log.unknown), case["error"]


def test_limits_are_told() -> None:
    with pytest.raises(LogError, match="lines"):
        read_log("x\n" * (MAX_LINES + 1))
    with pytest.raises(LogError, match="KiB"):
        read_log("x" * 300_000)
    assert read_log("").failures == ()


@given(st.text(max_size=500))
def test_any_text_is_read(text: str) -> None:
    log = read_log(text)
    told = {number for failure in log.failures for number, _ in failure.lines}
    assert not told & {number for number, _ in log.unknown}


@pytest.mark.parametrize("text", ["a", "Failed to load element of type ", "Property 'a' changed "])
def test_no_line_takes_long_to_read(text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(LogError):
        read_log(text * (MAX_BYTES // len(text)))
    assert time.process_time() - began < 2
