"""Which properties may explain a place: bytes of configuration space, RAM blocks, fields."""

import pytest

from machines.emulator import pci
from machines.emulator.clues import block_clues, config_clues, field_clues
from machines.emulator.verdict import Refusal


def config(*capabilities: tuple[int, bytes], **registers: int) -> bytes:
    """A configuration space with these capabilities (id, what follows the pointer) in a row."""
    made = bytearray(256)
    at = pci.HEADER_SIZE
    if capabilities:
        made[pci.STATUS], made[pci.CAPABILITIES] = pci.STATUS_CAPABILITIES, at
    for number, (kind, body) in enumerate(capabilities):
        end = at + 2 + len(body)
        made[at : at + 2] = bytes((kind, end if number + 1 < len(capabilities) else 0))
        made[at + 2 : end] = body
        at = end
    for name, value in registers.items():
        made[int(name.removeprefix("at"), 16)] = value
    return bytes(made)


def clues(own: bytes, incoming: bytes) -> list[str]:
    difference = pci.first_difference(own, incoming)
    return list(
        config_clues(
            Refusal("x", "config", "pci-config", "", detail=difference, own=own, incoming=incoming)
        )
    )


@pytest.mark.parametrize(
    ("register", "value", "first"),
    [
        ("at0e", 0x80, "multifunction"),
        ("at09", 2, "prog_if"),
        ("at0a", 1, "class"),
        ("at08", 5, "revision"),
        ("at02", 1, "disable-legacy"),
    ],
)
def test_a_register_of_the_header_is_decided_by_its_own_property_alone(register, value, first):
    found = clues(config(), config(**{register: value}))
    assert found[0] == first
    assert "vectors" not in found


def test_a_capability_that_one_side_lacks_or_has_elsewhere():
    msi, msix, power = (5, bytes(14)), (0x11, bytes(10)), (1, bytes(6))
    assert "vectors" in clues(config(power), config(power, msix))
    assert "msi" in clues(config(power), config(power, msi))
    assert clues(config(power, msi), config(msi, power))[0] == "old_msi_addr"


def test_what_a_bridge_reserves_is_named_by_the_field_that_asks():
    reserve = bytes((32, 1)) + b"\xff" * 12 + (4096).to_bytes(4, "little") + b"\xff" * 12
    found = clues(config((1, bytes(6))), config((1, bytes(6)), (9, reserve)))
    assert found[0] == "mem-reserve"


@pytest.mark.parametrize(
    ("block", "resized", "first"),
    [
        ("0000:00:01.0/vga.vram", True, "vgamem_mb"),
        ("0000:00:01.0/vga.vram", False, "global-vmstate"),
        ("0000:00:01.0/qxl.vram", True, "vram_size_mb"),
        ("0000:00:01.0/e1000.rom", False, "rombar"),
        ("0000:00:01.0/e1000.rom", True, "romsize"),
    ],
)
def test_a_block_s_size_and_its_name_are_different_questions(block, resized, first):
    assert block_clues(Refusal("ram", block, "ramblock", "", resized=resized))[0] == first


@pytest.mark.parametrize(("number", "size"), [(0, "rx_queue_size"), (3, "tx_queue_size")])
def test_a_network_device_s_queues_come_in_pairs(number, size):
    reason = f"VQ {number} vring.num 1024 exceeds allocated max 256"
    found = list(field_clues(Refusal("x", "virtio.vring.num", "virtio", reason)))
    assert "queue-size" in found
    assert next(name for name in found if name.endswith("x_queue_size")) == size


@pytest.mark.parametrize(("moved", "first"), [(False, "p2"), (True, "p3")])
def test_ports_that_moved_are_behind_those_that_were_added(moved, first):
    refusal = Refusal("x", "xhci.ports[6].portsc", "layout", "", moved=moved)
    assert next(iter(field_clues(refusal))) == first
