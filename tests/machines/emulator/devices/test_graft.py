"""Sections that modelled devices wrote, grafted into a stream that a real QEMU 7.2 saved: the real
QEMU takes them, and what the guest did to the model is what it finds there."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from machines.emulator.board import Device
from machines.emulator.devices import i8254, i8259, isa_serial, mc146818rtc
from machines.emulator.events import Event, Payload, SectionBegin, write_events
from machines.emulator.loading import load_section
from machines.emulator.stream import read_events
from tests.machines.emulator.devices.real_qemu import RealQemu
from tests.machines.emulator.modelled import device, saved_section

pytestmark = pytest.mark.qemu

SERIAL = ("-chardev", "null,id=line", "-device", "isa-serial,chardev=line")


def use_serial(put: Callable[[int, int], None]) -> None:
    """Own speed, a scratch value, four bytes in the FIFO of which none was read."""
    put(isa_serial.LCR, 0x83)
    put(0, 0x34)
    put(1, 0x12)
    put(isa_serial.LCR, 0x1B)
    put(isa_serial.SCR, 0x5A)
    put(isa_serial.MCR, isa_serial.MCR_LOOP | isa_serial.MCR_OUT2)
    put(isa_serial.IIR_FCR, 0x81)
    put(isa_serial.IER, 0x07)
    for byte in b"QEVM":
        put(isa_serial.DATA, byte)


def use_clock(put: Callable[[int, int], None]) -> None:
    """The time is being set while an alarm waits; a byte of CMOS memory."""
    for address, value in (
        (mc146818rtc.REG_B, 0x82),
        (mc146818rtc.HOURS, 0x21),
        (mc146818rtc.MONTH, 0x11),
        (mc146818rtc.HOURS_ALARM, 0x22),
        (mc146818rtc.REG_A, 0x2C),
        (mc146818rtc.REG_B, 0xE2),
        (0x40, 0xA5),
    ):
        put(mc146818rtc.INDEX, address)
        put(mc146818rtc.DATA, value)


def use_timer(put: Callable[[int, int], None]) -> None:
    """A count half written, another one latched, the status of a third."""
    for offset, value in ((3, 0x34), (0, 0x9C), (0, 0x2E), (3, 0x70), (1, 0x11), (1, 0x22)):
        put(offset, value)
    for offset, value in ((3, 0x40), (3, 0xB6), (2, 0x33), (2, 0x44), (3, 0xE8), (2, 0x55)):
        put(offset, value)


def use_controller(put: Callable[[int, int], None]) -> None:
    """Between two initialisation words, with levels chosen and a mask set before."""
    put(i8259.ELCR, 0x28)
    for offset, value in ((0, 0x11), (1, 0x40), (1, 0x04), (1, 0x13), (1, 0xB8), (0, 0xC2)):
        put(offset, value)
    put(i8259.COMMAND, 0x6B)


@dataclass(frozen=True, slots=True)
class Guest:
    """How a guest uses a device at port ``base``, and which registers it reads afterwards."""

    driver: str
    base: int
    use: Callable[[Callable[[int, int], None]], None]
    registers: tuple[int, ...]

    def port(self, offset: int) -> int:
        if self.driver == "isa-i8259" and offset == i8259.ELCR:
            return 0x4D0
        return self.base + offset

    def use_model(self) -> Device:
        """A modelled device after the guest's use."""
        own = device(self.driver, "7.2")
        model = own.model
        assert model is not None
        self.use(lambda offset, value: model.write(offset, value, 1))
        return own

    def read_both(self, own: Device, real: RealQemu) -> None:
        """Everything that the guest reads is the same."""
        assert own.model is not None
        for offset in self.registers:
            assert own.model.read(offset, 1) == real.read(self.port(offset)), offset


GUESTS = (
    Guest("isa-serial", 0x3F8, use_serial, (7, 3, 4, 1, 2, 5, 0, 0, 5, 0, 0, 5, 2)),
    Guest("mc146818rtc", 0x70, use_clock, (1,)),
    Guest("isa-pit", 0x40, use_timer, (2, 2, 2, 1, 1)),
    Guest("isa-i8259", 0x20, use_controller, (0, 1, 2, 0, 1)),
)


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.driver)
def test_a_modelled_section_is_taken_by_real_qemu(guest: Guest) -> None:
    own = guest.use_model()
    with RealQemu(*SERIAL) as source:
        stream = source.save()
    with RealQemu(*SERIAL, incoming=graft(stream, own)) as real:
        assert real.refusal == ""
        saved = real_section(real.save(), own)
        assert saved == saved_section(own)
        assert saved != real_section(stream, own)
        guest.read_both(own, real)


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.driver)
def test_what_a_guest_did_to_the_real_device_goes_on_in_the_model(guest: Guest) -> None:
    own = device(guest.driver, "7.2")
    with RealQemu(*SERIAL) as real:
        guest.use(lambda offset, value: real.write(guest.port(offset), value))
        section = real_section(real.save(), own)
        assert own.model is not None
        own.model.pre_load()
        assert load_section(own, own.section.version_id, section, set()) == 0
        assert saved_section(own) == section
        guest.read_both(own, real)


def test_a_byte_on_its_way_out_is_refused_with_an_empty_shift_register() -> None:
    """Model and QEMU refuse the same state in the same words."""
    own = device("isa-serial", "7.2")
    assert isinstance(own.model, isa_serial.IsaSerial)
    own.model.lsr &= ~isa_serial.LSR_EMPTY
    with RealQemu(*SERIAL) as source:
        stream = source.save()
    with RealQemu(*SERIAL, incoming=graft(stream, own)) as real:
        assert "inconsistent state in serial device (tsr not empty, tsr_retry=0" in real.refusal


def test_a_count_that_the_model_refuses_ends_real_qemu() -> None:
    """QEMU loads a count of 0, and divides by it when the counter is read."""
    own = device("isa-pit", "7.2")
    assert isinstance(own.model, i8254.I8254)
    own.model.channels[2].count = 0
    with RealQemu(*SERIAL) as source:
        stream = source.save()
    with RealQemu(*SERIAL, incoming=graft(stream, own)) as real:
        assert real.refusal == ""
        real.write(0x40 + i8254.CONTROL, 0xB4)
        with pytest.raises(AssertionError):
            real.read(0x42)
        assert real.process.wait(10) == -signal.SIGFPE


# --- Streams --------------------------------------------------------------------------------------


def graft(stream: bytes, own: Device) -> bytes:
    """The stream with the first section of the device's kind replaced by the model's."""
    target = io.BytesIO()
    write_events(_grafted(stream, own), target)
    return target.getvalue()


def _grafted(stream: bytes, own: Device) -> Iterator[Event]:
    wanted = done = False
    for event in read_events(io.BytesIO(stream)):
        if isinstance(event, SectionBegin):
            wanted = event.idstr.rpartition("/")[2] == own.section.name and not done
        if isinstance(event, Payload) and wanted:
            done = True
            yield event._replace(data=saved_section(own))
        else:
            yield event


def real_section(stream: bytes, own: Device) -> bytes:
    """The payload of the first section of the device's kind."""
    wanted = False
    for event in read_events(io.BytesIO(stream)):
        if isinstance(event, SectionBegin):
            wanted = event.idstr.rpartition("/")[2] == own.section.name
        elif isinstance(event, Payload) and wanted:
            return event.data
    raise AssertionError(f"no section {own.section.name}")
