"""The UART as its guest sees it, before and after a migration."""

import pytest

from machines.emulator.devices.isa_serial import (
    DATA,
    FCR_ENABLE,
    IER,
    IER_LINE,
    IER_MODEM,
    IER_RECEIVED,
    IER_TRANSMIT,
    IIR_FCR,
    IIR_FIFOS,
    IIR_LINE,
    IIR_NONE,
    IIR_RECEIVED,
    IIR_TIMEOUT,
    IIR_TRANSMIT,
    LCR,
    LCR_BREAK,
    LCR_DLAB,
    LINES,
    LSR,
    LSR_DATA,
    LSR_EMPTY,
    LSR_HOLDING_EMPTY,
    LSR_OVERRUN,
    MCR,
    MCR_DTR,
    MCR_LOOP,
    MCR_OUT1,
    MSR,
    IsaSerial,
)
from machines.emulator.vmstate import LoadError
from tests.machines.emulator.devices.bench import Bench, bench
from tests.machines.emulator.modelled import saved_section

MILLISECOND = 10**6
IDLE = LSR_EMPTY | LSR_HOLDING_EMPTY


def loopback(*, fifos: int = 0, enable: int = 0) -> Bench:
    """A UART at 9600 baud, 8N1, that hears itself."""
    uart = bench("isa-serial")
    uart.put(LCR, 0x03)
    uart.put(MCR, MCR_LOOP)
    uart.put(IIR_FCR, fifos)
    uart.put(IER, enable)
    return uart


def test_a_byte_comes_back_and_the_next_one_overruns_it() -> None:
    uart = loopback(enable=IER_LINE)
    uart.put(DATA, 0x41)
    assert uart.get(LSR) == IDLE | LSR_DATA
    uart.put(DATA, 0x42)
    assert uart.get(IIR_FCR) == IIR_LINE
    assert uart.get(LSR) == IDLE | LSR_DATA | LSR_OVERRUN
    assert uart.get(DATA) == 0x42
    assert uart.get(LSR) == IDLE


def test_the_fifo_interrupts_at_its_trigger_level_and_keeps_its_first_16_bytes() -> None:
    uart = loopback(fifos=FCR_ENABLE | 0x80, enable=IER_RECEIVED)
    uart.put(DATA, *range(7))
    assert not uart.line(LINES[0])
    uart.put(DATA, *range(7, 20))
    assert uart.line(LINES[0])
    assert uart.get(IIR_FCR) == IIR_FIFOS | IIR_RECEIVED
    assert uart.get(LSR) & LSR_OVERRUN
    assert [uart.get(DATA) for _ in range(17)] == [*range(16), 0]


def test_bytes_below_the_trigger_level_are_reported_after_four_characters() -> None:
    uart = loopback(fifos=FCR_ENABLE | 0xC0, enable=IER_RECEIVED)
    uart.put(DATA, 0x41, 0x42)
    uart.platform.advance(4 * MILLISECOND)
    assert uart.get(IIR_FCR) == IIR_FIFOS | IIR_NONE
    arrived = uart.migrated("7.2")
    for machine in (uart, arrived):
        machine.platform.advance(MILLISECOND)  # ten bits at 9600 baud, four times
        assert machine.get(IIR_FCR) == IIR_FIFOS | IIR_TIMEOUT
        assert machine.line(LINES[0])
        assert [machine.get(DATA) for _ in range(3)] == [0x41, 0x42, 0]
        assert not machine.line(LINES[0])


def test_an_empty_transmitter_interrupts_until_its_cause_is_read() -> None:
    uart = loopback(enable=IER_TRANSMIT)
    assert uart.get(IIR_FCR) == IIR_TRANSMIT
    assert uart.get(IIR_FCR) == IIR_NONE
    uart.put(DATA, 0x41)
    assert uart.line(LINES[0])
    assert uart.get(IIR_FCR) == IIR_TRANSMIT


def test_a_pending_transmit_interrupt_behind_another_one_migrates() -> None:
    uart = loopback(enable=IER_TRANSMIT | IER_RECEIVED)
    uart.put(DATA, 0x41)
    assert uart.subsections() == {"thr_ipending"}
    arrived = uart.migrated()
    assert arrived.get(IIR_FCR) == IIR_RECEIVED
    assert arrived.get(DATA) == 0x41
    assert arrived.get(IIR_FCR) == IIR_TRANSMIT


def test_the_divisor_latch_hides_data_and_interrupt_enable() -> None:
    uart = loopback(enable=IER_MODEM)
    uart.put(LCR, LCR_DLAB | LCR_BREAK)
    uart.put(DATA, 0x34)
    uart.put(IER, 0x12)
    arrived = uart.migrated("5.2")
    assert (arrived.get(DATA), arrived.get(IER)) == (0x34, 0x12)
    arrived.put(LCR, LCR_BREAK)
    assert arrived.get(IER) == IER_MODEM


def test_modem_outputs_come_back_as_inputs() -> None:
    uart = loopback()
    uart.put(MCR, MCR_LOOP | MCR_DTR | MCR_OUT1)
    assert uart.get(MSR) == 0x20 | 0x40
    uart.put(MCR, 0)
    assert uart.get(MSR) == 0x20 | 0x10 | 0x80


def test_a_transmission_that_the_source_could_not_finish_is_tried_again() -> None:
    uart = loopback(fifos=FCR_ENABLE)
    model = uart.model
    assert isinstance(model, IsaSerial)
    model.lsr &= ~IDLE
    model.tsr, model.tsr_retry = 0x41, 9
    model.xmit_fifo.push(0x42)
    assert uart.subsections() == {"tsr", "xmit_fifo"}
    arrived = uart.migrated()
    assert arrived.get(LSR) & IDLE == 0
    assert arrived.subsections() == {"tsr", "xmit_fifo"}
    arrived.platform.advance(0)
    assert arrived.get(LSR) == IDLE | LSR_DATA
    assert [arrived.get(DATA), arrived.get(DATA)] == [0x41, 0x42]


def test_a_source_with_modem_lines_is_asked_no_more() -> None:
    uart = loopback()
    model = uart.model
    assert isinstance(model, IsaSerial)
    model.poll_msl, model.modem_status_poll = 1, 10 * MILLISECOND
    assert uart.subsections() == {"poll"}
    arrived = uart.migrated()
    assert arrived.subsections() == {"poll"}
    arrived.platform.advance(10 * MILLISECOND)
    assert arrived.subsections() == set()


def test_an_old_version_is_the_same_layout() -> None:
    """The registers are a structure with a version of its own (hw/char/serial-isa.c)."""
    uart = loopback(fifos=FCR_ENABLE)
    arrived = uart.loaded(saved_section(uart.device), 2)
    assert arrived.get(IIR_FCR) == IIR_FIFOS | IIR_NONE
    with pytest.raises(LoadError, match="too old for local minimum version_id 2"):
        uart.loaded(saved_section(uart.device), 1)


@pytest.mark.parametrize(
    ("lsr", "retry", "words"),
    [(IDLE, 1, "tsr empty, tsr_retry=1"), (0, 0, "tsr not empty, tsr_retry=0")],
)
def test_a_shift_register_that_contradicts_its_flag_is_refused(
    lsr: int, retry: int, words: str
) -> None:
    uart = loopback()
    model = uart.model
    assert isinstance(model, IsaSerial)
    model.lsr, model.tsr_retry = lsr, retry
    with pytest.raises(LoadError, match=words):
        uart.migrated()


def test_a_fifo_beyond_its_size_is_refused() -> None:
    uart = loopback(fifos=FCR_ENABLE)
    model = uart.model
    assert isinstance(model, IsaSerial)
    model.recv_fifo.num = 17
    with pytest.raises(LoadError, match="17 bytes"):
        uart.migrated()
