"""The 16550A UART behind ``isa-serial``, with its FIFOs.

Registers and interrupts after the PC16550D data sheet (National Semiconductor, 1995); which state
migrates, when a subsection is needed and what is less than the chip after hw/char/serial.c: a byte
is sent at once and whole, whatever word length, parity and break are set; in loopback mode the
modem lines are joined but show no changes, and a break is not heard.

The other end of the line takes every byte and never sends: a guest hears itself in loopback mode.
It has no modem lines to ask for. A transmission that the source's other end did not take is tried
again as soon as the machine runs.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from machines.emulator.catalogue import Field
from machines.emulator.devices.model import Bytes, Model, Refused, Signed, Timer, Unsigned
from machines.emulator.devices.processor import Processor

FIFO_SIZE = 16
BAUD_BASE = 115_200
NS_PER_SECOND = 10**9
#: A character's time after reset: 8 bits at 9600 baud.
RESET_CHARACTER_TIME = NS_PER_SECOND // 9600 * 10
ZERO_DIVIDER_SPEED = 3500  # baud
#: So often QEMU tries to send a byte.
MAX_RETRY = 4
#: Interrupt lines of COM1 to COM4, by the device's index.
LINES = (4, 3, 4, 3)

# Register offsets (data sheet, table I); 0 and 1 are the divisor latch while LCR.DLAB is set.
DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)

IER_RECEIVED, IER_TRANSMIT, IER_LINE, IER_MODEM = 0x01, 0x02, 0x04, 0x08
IIR_NONE, IIR_MODEM, IIR_TRANSMIT, IIR_RECEIVED, IIR_LINE, IIR_TIMEOUT = 1, 0, 2, 4, 6, 12
IIR_ID, IIR_FIFOS = 0x0F, 0xC0
FCR_ENABLE, FCR_CLEAR_RECEIVER, FCR_CLEAR_TRANSMITTER, FCR_KEPT = 0x01, 0x02, 0x04, 0xC9
TRIGGER_LEVELS = (1, 4, 8, 14)
LCR_STOP, LCR_PARITY, LCR_BREAK, LCR_DLAB = 0x04, 0x08, 0x40, 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 0x01, 0x02, 0x04, 0x08, 0x10
LSR_DATA, LSR_OVERRUN, LSR_BREAK, LSR_ERRORS = 0x01, 0x02, 0x10, 0x1E
LSR_HOLDING_EMPTY, LSR_EMPTY = 0x20, 0x40
MSR_CTS, MSR_DSR, MSR_DCD, MSR_DELTAS = 0x10, 0x20, 0x80, 0x0F

#: A value that the stream cannot bring: the subsection was absent.
ABSENT = -1


@dataclass(slots=True)
class Fifo:
    """A ring of 16 bytes, as it migrates: its bytes, where it begins, how many it holds."""

    data: bytearray = field(default_factory=lambda: bytearray(FIFO_SIZE))
    head: int = 0
    num: int = 0

    def push(self, byte: int) -> None:
        self.data[(self.head + self.num) % FIFO_SIZE] = byte
        self.num += 1

    def pop(self) -> int:
        byte = self.data[self.head]
        self.head = (self.head + 1) % FIFO_SIZE
        self.num -= 1
        return byte

    def clear(self) -> None:
        self.head = self.num = 0

    @property
    def is_full(self) -> bool:
        return self.num >= FIFO_SIZE


class IsaSerial(Model):
    """One UART. Registers are bytes at offsets 0 to 7."""

    drivers = ("isa-serial",)
    fields = {
        "state.divider": Unsigned(),
        "state.rbr": Unsigned(),
        "state.ier": Unsigned(),
        "state.iir": Unsigned(),
        "state.lcr": Unsigned(),
        "state.mcr": Unsigned(),
        "state.lsr": Unsigned(),
        "state.msr": Unsigned(),
        "state.scr": Unsigned(),
        "state.fcr_vmstate": Unsigned("fcr"),
        "state.thr_ipending": Signed(),
        "state.tsr_retry": Unsigned(),
        "state.thr": Unsigned(),
        "state.tsr": Unsigned(),
        "state.recv_fifo.data": Bytes("recv_fifo.data"),
        "state.recv_fifo.head": Unsigned("recv_fifo.head"),
        "state.recv_fifo.num": Unsigned("recv_fifo.num"),
        "state.xmit_fifo.data": Bytes("xmit_fifo.data"),
        "state.xmit_fifo.head": Unsigned("xmit_fifo.head"),
        "state.xmit_fifo.num": Unsigned("xmit_fifo.num"),
        "state.fifo_timeout_timer": Timer(),
        "state.timeout_ipending": Signed(),
        "state.poll_msl": Signed(),
        "state.modem_status_poll": Timer(),
    }

    @classmethod
    def settle(cls, label: str, item: Field) -> Field | None:
        """The FIFOs' length, which dumps leave open."""
        return replace(item, size=1, count=FIFO_SIZE) if label.endswith("_fifo.data") else item

    def reset(self) -> None:
        self.divider = 12
        self.rbr = self.thr = self.tsr = self.ier = self.lcr = self.scr = self.fcr = 0
        self.iir = IIR_NONE
        self.mcr = MCR_OUT2
        self.lsr = LSR_EMPTY | LSR_HOLDING_EMPTY
        self.msr = MSR_DCD | MSR_DSR | MSR_CTS
        self.tsr_retry = 0
        self.thr_ipending = 0
        self.timeout_ipending = 0
        #: Nobody at the other end can be asked for the state of the modem lines.
        self.poll_msl = ABSENT
        self.modem_status_poll: int | None = None
        self.fifo_timeout_timer: int | None = None
        self.recv_fifo = Fifo()
        self.xmit_fifo = Fifo()
        self.character_time = RESET_CHARACTER_TIME
        self._retry_at: int | None = None
        self._raise_interrupt()

    # Registers.

    def read(self, offset: int, size: int) -> int:
        if offset in (DATA, IER) and self.lcr & LCR_DLAB:
            return self.divider >> 8 * offset & 0xFF
        match offset:
            case 0:
                return self._read_data()
            case 1:
                return self.ier
            case 2:
                return self._read_iir()
            case 3:
                return self.lcr
            case 4:
                return self.mcr
            case 5:
                return self._read_lsr()
            case 6:
                return self._read_msr()
            case _:
                return self.scr

    def write(self, offset: int, value: int, size: int) -> None:
        if offset in (DATA, IER) and self.lcr & LCR_DLAB:
            shift = 8 * offset
            self.divider = self.divider & ~(0xFF << shift) | value << shift
            self._measure_character()
        elif offset == DATA:
            self._write_data(value)
        elif offset == IER:
            self._write_ier(value & 0x0F)
        elif offset == IIR_FCR:
            self._write_fcr(value)
        elif offset == LCR:
            self.lcr = value
            self._measure_character()
        elif offset == MCR:
            self._write_mcr(value & 0x1F)
        elif offset == SCR:
            self.scr = value

    def _read_data(self) -> int:
        if self.fcr & FCR_ENABLE:
            byte = self.recv_fifo.pop() if self.recv_fifo.num else 0
            self.timeout_ipending = 0
        else:
            byte = self.rbr
        if self.fcr & FCR_ENABLE and self.recv_fifo.num:
            self._start_timeout()
        else:
            self.lsr &= ~(LSR_DATA | LSR_BREAK)
        self._raise_interrupt()
        return byte

    def _read_iir(self) -> int:
        value = self.iir
        if value & IIR_ID == IIR_TRANSMIT:
            self.thr_ipending = 0
            self._raise_interrupt()
        return value

    def _read_lsr(self) -> int:
        value = self.lsr
        if value & (LSR_BREAK | LSR_OVERRUN):
            self.lsr &= ~(LSR_BREAK | LSR_OVERRUN)
            self._raise_interrupt()
        return value

    def _read_msr(self) -> int:
        if self.mcr & MCR_LOOP:
            lines = ((MCR_DTR, 0x20), (MCR_RTS, 0x10), (MCR_OUT1, 0x40), (MCR_OUT2, 0x80))
            return sum(status for control, status in lines if self.mcr & control)
        self._ask_modem()
        value = self.msr
        if value & MSR_DELTAS:
            self.msr &= ~MSR_DELTAS
            self._raise_interrupt()
        return value

    def _write_data(self, value: int) -> None:
        self.thr = value
        if self.fcr & FCR_ENABLE:
            if self.xmit_fifo.is_full:
                self.xmit_fifo.pop()
            self.xmit_fifo.push(value)
        self.thr_ipending = 0
        self.lsr &= ~(LSR_EMPTY | LSR_HOLDING_EMPTY)
        self._raise_interrupt()
        if not self.tsr_retry:
            self._transmit()

    def _write_ier(self, value: int) -> None:
        changed, self.ier = self.ier ^ value, value
        if changed & IER_MODEM:
            self._ask_modem()
        if changed & IER_TRANSMIT:
            self.thr_ipending = int(bool(value & IER_TRANSMIT and self.lsr & LSR_HOLDING_EMPTY))
        if changed:
            self._raise_interrupt()

    def _write_mcr(self, value: int) -> None:
        changed, self.mcr = self.mcr ^ value, value
        if changed and self.poll_msl >= 0 and not value & MCR_LOOP:
            self.modem_status_poll = self.platform.now + self.character_time

    def _ask_modem(self) -> None:
        """Look at the modem lines, where the device believes that there are any: nobody answers."""
        self.poll_msl = ABSENT
        self.modem_status_poll = None

    def _write_fcr(self, value: int) -> None:
        if (value ^ self.fcr) & FCR_ENABLE:
            value |= FCR_CLEAR_RECEIVER | FCR_CLEAR_TRANSMITTER
        if value & FCR_CLEAR_RECEIVER:
            self.lsr &= ~(LSR_DATA | LSR_BREAK)
            self.fifo_timeout_timer = None
            self.timeout_ipending = 0
            self.recv_fifo.clear()
        if value & FCR_CLEAR_TRANSMITTER:
            self.lsr |= LSR_HOLDING_EMPTY
            self.thr_ipending = 1
            self.xmit_fifo.clear()
        self._take_fcr(value & FCR_KEPT)
        self._raise_interrupt()

    def _take_fcr(self, value: int) -> None:
        self.fcr = value
        self.iir = self.iir & IIR_ID | (IIR_FIFOS if value & FCR_ENABLE else 0)

    # The line.

    def _transmit(self) -> None:
        """Send until the holding register or the FIFO is empty."""
        while True:
            if not self.tsr_retry:
                self._fetch()
            if self.mcr & MCR_LOOP:
                self._receive(self.tsr)
            self.tsr_retry = 0
            if self.lsr & LSR_HOLDING_EMPTY:
                break
        self.lsr |= LSR_EMPTY

    def _fetch(self) -> None:
        """The next byte goes from the holding register or the FIFO into the shift register."""
        if self.fcr & FCR_ENABLE:
            self.tsr = self.xmit_fifo.pop() if self.xmit_fifo.num else self.thr
        else:
            self.tsr = self.thr
        if not self.fcr & FCR_ENABLE or not self.xmit_fifo.num:
            self.lsr |= LSR_HOLDING_EMPTY
            if not self.thr_ipending:
                self.thr_ipending = 1
                self._raise_interrupt()

    def _receive(self, byte: int) -> None:
        if self.fcr & FCR_ENABLE:
            if self.recv_fifo.is_full:
                self.lsr |= LSR_OVERRUN
            else:
                self.recv_fifo.push(byte)
            self._start_timeout()
        else:
            self.lsr |= LSR_OVERRUN if self.lsr & LSR_DATA else 0
            self.rbr = byte
        self.lsr |= LSR_DATA
        self._raise_interrupt()

    def _start_timeout(self) -> None:
        self.fifo_timeout_timer = self.platform.now + 4 * self.character_time

    def _measure_character(self) -> None:
        """How long a character takes on the line, in ns: start, data, parity and stop bits.

        Computed in single precision, as the device does: a deadline is compared to the nanosecond.
        """
        bits = 1 + (self.lcr & 3) + 5 + bool(self.lcr & LCR_PARITY) + 1 + bool(self.lcr & LCR_STOP)
        speed = _single(BAUD_BASE / self.divider) if self.divider else ZERO_DIVIDER_SPEED
        self.character_time = int(_single(_single(NS_PER_SECOND / speed) * bits))

    def _raise_interrupt(self) -> None:
        """The pending interrupt of the highest priority (data sheet, table IV)."""
        fifos = self.fcr & FCR_ENABLE
        enough = not fifos or self.recv_fifo.num >= TRIGGER_LEVELS[self.fcr >> 6]
        causes = (
            (IIR_LINE, self.ier & IER_LINE and self.lsr & LSR_ERRORS),
            (IIR_TIMEOUT, self.ier & IER_RECEIVED and self.timeout_ipending),
            (IIR_RECEIVED, self.ier & IER_RECEIVED and self.lsr & LSR_DATA and enough),
            (IIR_TRANSMIT, self.ier & IER_TRANSMIT and self.thr_ipending),
            (IIR_MODEM, self.ier & IER_MODEM and self.msr & MSR_DELTAS),
        )
        cause = next((name for name, pending in causes if pending), IIR_NONE)
        self.iir = self.iir & 0xF0 | cause
        self.platform.set_line(self._line(), cause != IIR_NONE)

    def _line(self) -> int:
        return LINES[self.instance % 4]

    # Time.

    def deadline(self) -> int | None:
        timers = (self.fifo_timeout_timer, self.modem_status_poll, self._retry_at)
        return min((when for when in timers if when is not None), default=None)

    def expire(self) -> None:
        when = self.deadline()
        if self._retry_at == when:
            self._retry_at = None
            self._transmit()
        elif self.modem_status_poll == when:
            self._ask_modem()
        else:
            self._end_timeout()

    def _end_timeout(self) -> None:
        """Nobody read the FIFO for four character times."""
        self.fifo_timeout_timer = None
        if self.recv_fifo.num:
            self.timeout_ipending = 1
            self._raise_interrupt()

    # Migration.

    def needs(self, section: str) -> bool:
        transmit_shown = self.iir & IIR_ID == IIR_TRANSMIT
        return {
            "serial/thr_ipending": bool(
                self.ier & IER_TRANSMIT and bool(self.thr_ipending) != transmit_shown
            ),
            "serial/tsr": self.tsr_retry != 0,
            "serial/recv_fifo": self.recv_fifo.num != 0,
            "serial/xmit_fifo": self.xmit_fifo.num != 0,
            "serial/fifo_timeout_timer": self.fifo_timeout_timer is not None,
            "serial/timeout_ipending": self.timeout_ipending != 0,
            "serial/poll": self.poll_msl >= 0,
        }.get(section, False)

    def pre_load(self) -> None:
        self.thr_ipending = ABSENT
        self.poll_msl = ABSENT
        self.fcr = 0

    def post_load(self, arrived: Collection[str]) -> None:
        if self.thr_ipending == ABSENT:
            self.thr_ipending = int(self.iir & IIR_ID == IIR_TRANSMIT)
        self._check_transmitter()
        for fifo in (self.recv_fifo, self.xmit_fifo):
            if fifo.head >= FIFO_SIZE or fifo.num > FIFO_SIZE:
                raise Refused(f"a FIFO of {fifo.num} bytes from {fifo.head}")
        self._take_fcr(self.fcr)
        self._measure_character()
        self.platform.restore_line(self._line(), not self.iir & IIR_NONE)

    def _check_transmitter(self) -> None:
        """A byte in the shift register and its empty flag exclude each other."""
        empty = self.lsr & LSR_EMPTY
        reason = "inconsistent state in serial device (tsr {}empty, tsr_retry={}"
        if self.tsr_retry and empty:
            raise Refused(reason.format("", self.tsr_retry))
        if not self.tsr_retry and not empty:
            raise Refused(reason.format("not ", 0))
        self.tsr_retry = min(self.tsr_retry, MAX_RETRY)
        self._retry_at = self.platform.now if self.tsr_retry else None


def _single(value: float) -> float:
    """The value in single precision."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


MODEL = IsaSerial


def exercise(processor: Processor) -> Iterator[None]:
    """Talk to ourselves in loopback: fill the FIFO, leave bytes in it, read them afterwards."""
    while True:
        low, high, frame, between = processor.draw(4)
        processor.write(LCR, LCR_DLAB)
        processor.write(0, low | 1)
        if between < 0x40:
            yield
        processor.write(1, high & 1)
        processor.write(LCR, frame & ~LCR_DLAB)
        processor.write(SCR, processor.draw(1)[0])
        processor.write(MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS)
        processor.write(IIR_FCR, FCR_ENABLE | (processor.draw(1)[0] & 0xC0))
        processor.write(IER, IER_RECEIVED | IER_LINE | (processor.draw(1)[0] & IER_TRANSMIT))
        for byte in processor.draw(1 + processor.draw(1)[0] % FIFO_SIZE):
            processor.write(DATA, byte)
        if processor.draw(1)[0] & 1:
            processor.wait(NS_PER_SECOND // 10)
        yield
        for offset in (LCR, MCR, SCR, IER, IIR_FCR, MSR):
            processor.read(offset)
        processor.wait(NS_PER_SECOND // 10)
        processor.line(LINES[0])
        for _ in range(FIFO_SIZE + 1):
            if not processor.read(LSR) & LSR_DATA:
                break
            processor.read(DATA)
