"""PCI devices: base addresses, configuration space, and what is refused of it."""

import pytest

from machines.emulator.devices.pci import FIRST_LINE, PciModel, bar_offset
from machines.emulator.loading import load_section
from machines.emulator.pci import (
    CACHE_LINE_SIZE,
    COMMAND,
    COMMAND_INTX_DISABLE,
    COMMAND_MEMORY,
    FIRST_BAR,
    INTERRUPT_LINE,
    STATUS,
    STATUS_INTERRUPT,
)
from machines.emulator.vmstate import LoadError
from tests.machines.emulator.devices.bench import Bench, bench
from tests.machines.emulator.modelled import saved_section

REGISTER = bar_offset(0)
VERSION_AT, CONFIG_AT, PINS_AT = 0, 4, 4 + 256


def panic_port() -> tuple[Bench, PciModel]:
    own = bench("pvpanic-pci")
    assert isinstance(own.model, PciModel)
    return own, own.model


def refusal(changes: dict[int, int]) -> LoadError:
    """What is said to the section of a device after reset with some bytes changed."""
    own, _ = panic_port()
    payload = bytearray(saved_section(own.device))
    for at, byte in changes.items():
        payload[at] = byte
    with pytest.raises(LoadError) as caught:
        load_section(bench("pvpanic-pci").device, 1, bytes(payload), set())
    return caught.value


def test_the_registers_answer_where_the_base_address_is_and_memory_is_switched_on() -> None:
    _, model = panic_port()
    assert model.read(REGISTER, 1) == 0xFF
    model.write(COMMAND, COMMAND_MEMORY, 2)
    assert model.read(REGISTER, 1) == 0xFF
    model.write(FIRST_BAR, 0xFEB00000, 4)
    assert model.read(REGISTER, 1) == 7
    model.write(COMMAND, 0, 2)
    assert model.read(REGISTER, 1) == 0xFF


def test_writing_ones_tells_the_size_of_a_base_address() -> None:
    _, model = panic_port()
    model.write(FIRST_BAR, 0xFFFFFFFF, 4)
    assert model.read(FIRST_BAR, 4) == 0xFFFFFFFE
    model.write(FIRST_BAR + 4, 0xFFFFFFFF, 4)
    assert model.read(FIRST_BAR + 4, 4) == 0


def test_identity_is_read_only_and_the_interrupt_line_is_the_guests() -> None:
    _, model = panic_port()
    for at in (0, 2, 8):
        model.write(at, 0xFFFF, 2)
    model.write(INTERRUPT_LINE, 11, 1)
    model.write(CACHE_LINE_SIZE, 16, 1)
    assert model.read(0, 4) == 0x00111B36
    assert model.read(8, 4) == 0x08800001
    assert model.read(INTERRUPT_LINE, 1) == 11
    assert model.read(CACHE_LINE_SIZE, 1) == 16


def test_an_interrupt_shows_in_the_status_and_the_command_keeps_it_off_the_line() -> None:
    own, model = panic_port()
    model.set_interrupt(True)
    assert own.line(FIRST_LINE)
    assert model.read(STATUS, 1) & STATUS_INTERRUPT
    model.write(COMMAND, COMMAND_INTX_DISABLE, 2)
    assert not own.line(FIRST_LINE)
    assert model.read(STATUS, 1) & STATUS_INTERRUPT
    assert not own.migrated().line(FIRST_LINE)
    model.write(COMMAND, 0, 2)
    assert own.migrated().line(FIRST_LINE)


def test_what_the_guest_wrote_arrives() -> None:
    own, model = panic_port()
    model.write(FIRST_BAR, 0xFEB00000, 4)
    model.write(COMMAND, COMMAND_MEMORY, 2)
    arrived = own.migrated("7.2").model
    assert arrived.read(FIRST_BAR, 4) == 0xFEB00000
    assert arrived.read(REGISTER, 1) == 3


def test_another_device_is_refused_in_the_words_of_qemu() -> None:
    error = refusal({CONFIG_AT + 2: 0x12})
    assert error.kind == "pci-config"
    assert error.field == "dev.config"
    assert error.reason == (
        "get_pci_config_device: Bad config data: "
        "i=0x2 read: 12 device: 11 cmask: ff wmask: 0 w1cmask:0"
    )


def test_a_base_address_of_another_kind_is_refused() -> None:
    assert "i=0x10 read: 1 device: 0 cmask: ff wmask: fe" in refusal({CONFIG_AT + 0x10: 1}).reason


def test_versions_and_levels_that_there_are_not_are_refused() -> None:
    newer = refusal({VERSION_AT + 3: 3})
    assert (newer.kind, newer.reason) == ("equal", "Invalid value 3 expecting positive value <= 2")
    assert "Invalid value -1 expecting" in refusal(dict.fromkeys(range(4), 0xFF)).reason
    assert refusal({PINS_AT + 3: 2}).reason == "irq state 2: must be 0 or 1."


def test_an_older_version_is_taken_and_kept() -> None:
    own, _ = panic_port()
    payload = bytearray(saved_section(own.device))
    payload[VERSION_AT + 3] = 1
    assert saved_section(own.loaded(bytes(payload), 1).device) == bytes(payload)
