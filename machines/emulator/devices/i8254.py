"""The 8254 interval timer behind ``isa-pit``: three counters at 1.193182 MHz.

Registers after Intel's data sheet of the 8254 (1993); what a counter keeps, and so what migrates,
after hw/timer/i8254.c and i8254_common.c: when its count was loaded, from which its value follows
at any time. That leaves out some of the chip: BCD is remembered and shown but counted binary, a
gate that falls does not stop counting, there is no null count flag, and modes 6 and 7 are no second
names of 2 and 3.

Counter 0 drives the interrupt line 0, counter 2 has its gate at port 61h.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from machines.emulator.catalogue.values import Field
from machines.emulator.devices.model import Model, Refused, Signed, Unsigned
from machines.emulator.devices.platform import Platform
from machines.emulator.devices.processor import Processor

FREQUENCY = 1_193_182
NS_PER_SECOND = 10**9
FULL_COUNT = 0x10000  # what a count of 0 means
COUNTERS = 3
LINE = 0
NEVER = -1
WORD = 2**64

#: Offsets of the registers, in bytes: the counters, the control word, port 61h.
COUNTER_0, COUNTER_1, COUNTER_2, CONTROL, PORT_B = 0, 1, 2, 3, 0x21

#: Read/write modes (data sheet, control word format); the last waits for the high byte.
LATCH, LOW, HIGH, BOTH, BOTH_HIGH = range(5)
READ_BACK = 3
READ_BACK_COUNT, READ_BACK_STATUS = 0x20, 0x10  # both active low
ON_TERMINAL_COUNT, ONE_SHOT, RATE_GENERATOR, SQUARE_WAVE, SOFTWARE_STROBE, HARDWARE_STROBE = range(
    6
)
PORT_B_GATE, PORT_B_OUT = 0x01, 0x20


def _ticks(duration: int) -> int:
    """Whole periods of the counters' clock in a time of that many ns."""
    return duration % WORD * FREQUENCY // NS_PER_SECOND % WORD


@dataclass(slots=True)
class Counter:
    """One counter, in the variables that migrate. Times are in ns of virtual time."""

    platform: Platform
    gate: int
    count: int = FULL_COUNT
    latched_count: int = 0
    count_latched: int = 0
    status_latched: int = 0
    status: int = 0
    read_state: int = 0
    write_state: int = 0
    write_latch: int = 0
    rw_mode: int = 0
    mode: int = SQUARE_WAVE
    bcd: int = 0
    count_load_time: int = 0
    next_transition_time: int = 0
    irq_disabled: int = 0

    def elapsed(self, now: int) -> int:
        """How many periods of the clock have passed since the count was loaded."""
        return _ticks(now - self.count_load_time)

    @property
    def period(self) -> int:
        """The count, as the 64-bit divisor that it becomes even where it is negative."""
        return self.count % WORD

    def value(self) -> int:
        """What the guest reads of the counter."""
        passed = self.elapsed(self.platform.now)
        if self.mode == SQUARE_WAVE:
            return self.period - 2 * passed % self.period
        if self.mode in (RATE_GENERATOR, 6, 7):
            return self.period - passed % self.period
        return (self.period - passed) & 0xFFFF

    def out(self, now: int) -> bool:
        """The level of the OUT pin."""
        passed = self.elapsed(now)
        match self.mode:
            case 2:
                return passed != 0 and passed % self.period == 0
            case 3:
                return passed % self.period < (self.period + 1) // 2
            case 4 | 5:
                return passed == self.period
            case _:
                return passed >= self.period

    def next_transition(self, now: int) -> int:
        """When OUT changes next; :data:`NEVER` where the counter has run out."""
        passed = self.elapsed(now)
        begun = passed - passed % self.period
        match self.mode:
            case 2:
                pulse = passed == begun and passed != 0
                ticks = begun + self.period + (0 if pulse else 1)
            case 3:
                half = (self.period + 1) // 2
                ticks = begun + (half if passed - begun < half else self.period)
            case 4 | 5 if passed == self.period:
                ticks = passed + 1
            case _ if passed < self.period:
                ticks = self.period
            case _:
                return NEVER
        when = self.count_load_time + ticks * NS_PER_SECOND // FREQUENCY
        return max((when + WORD // 2) % WORD - WORD // 2, now + 1)

    # Registers.

    def program(self, access: int, mode: int, bcd: int) -> None:
        """A control word for this counter; it takes effect when a count is written."""
        if access == LATCH:
            self.latch()
            return
        self.rw_mode = self.read_state = self.write_state = access
        self.mode = mode
        self.bcd = bcd

    def latch(self) -> None:
        """Hold the count for reading; one that is held already stays."""
        if not self.count_latched:
            self.latched_count = self.value() & 0xFFFF
            self.count_latched = self.rw_mode

    def latch_status(self) -> None:
        if self.status_latched:
            return
        out = self.out(self.platform.now)
        self.status = out << 7 | self.rw_mode << 4 | self.mode << 1 | self.bcd
        self.status_latched = 1

    def read(self) -> int:
        if self.status_latched:
            self.status_latched = 0
            return self.status
        if self.count_latched:
            return self._read_latched()
        high = self.read_state in (HIGH, BOTH_HIGH)
        if self.read_state in (BOTH, BOTH_HIGH):
            self.read_state = BOTH if high else BOTH_HIGH
        return self.value() >> (8 if high else 0) & 0xFF

    def _read_latched(self) -> int:
        high = self.count_latched == HIGH
        self.count_latched = HIGH if self.count_latched == BOTH else 0
        return self.latched_count >> (8 if high else 0) & 0xFF

    def takes(self, byte: int) -> int | None:
        """The count that a written byte completes, None where the other byte is still to come."""
        match self.write_state:
            case 2:
                return byte << 8
            case 3:
                self.write_latch, self.write_state = byte, BOTH_HIGH
                return None
            case 4:
                self.write_state = BOTH
                return self.write_latch | byte << 8
            case _:
                return byte


class I8254(Model):
    """The timer: registers are bytes at offsets 0 to 3, port 61h is at :data:`PORT_B`."""

    drivers = ("isa-pit",)
    fields = {
        "channels.irq_disabled": Unsigned(),
        "channels.count": Signed(),
        "channels.latched_count": Unsigned(),
        "channels.count_latched": Unsigned(),
        "channels.status_latched": Unsigned(),
        "channels.status": Unsigned(),
        "channels.read_state": Unsigned(),
        "channels.write_state": Unsigned(),
        "channels.write_latch": Unsigned(),
        "channels.rw_mode": Unsigned(),
        "channels.mode": Unsigned(),
        "channels.bcd": Unsigned(),
        "channels.gate": Unsigned(),
        "channels.count_load_time": Signed(),
        "channels.next_transition_time": Signed(),
    }

    @classmethod
    def settle(cls, label: str, item: Field) -> Field | None:
        """The number of counters, which dumps before QEMU 8.0 leave open."""
        return replace(item, count=COUNTERS) if label == "channels" else item

    def reset(self) -> None:
        now = self.platform.now
        self.channels = [
            Counter(self.platform, gate=int(number != 2), count_load_time=now)
            for number in range(COUNTERS)
        ]
        self.channels[0].next_transition_time = self.channels[0].next_transition(now)
        self._restore_line()

    # Registers.

    def read(self, offset: int, size: int) -> int:
        if offset == PORT_B:
            speaker = self.channels[2]
            out = PORT_B_OUT if speaker.out(self.platform.now) else 0
            return out | (PORT_B_GATE if speaker.gate else 0)
        return self.channels[offset].read() if offset < COUNTERS else 0

    def write(self, offset: int, value: int, size: int) -> None:
        if offset == PORT_B:
            self._set_gate(self.channels[2], value & PORT_B_GATE)
        elif offset < COUNTERS:
            count = self.channels[offset].takes(value)
            if count is not None:
                self._load(self.channels[offset], count)
        elif value >> 6 == READ_BACK:
            self._read_back(value)
        else:
            self.channels[value >> 6].program(value >> 4 & 3, value >> 1 & 7, value & 1)

    def _read_back(self, value: int) -> None:
        for number, counter in enumerate(self.channels):
            if value & 2 << number:
                if not value & READ_BACK_COUNT:
                    counter.latch()
                if not value & READ_BACK_STATUS:
                    counter.latch_status()

    def _load(self, counter: Counter, count: int) -> None:
        counter.count = count or FULL_COUNT
        self._restart(counter)

    def _set_gate(self, counter: Counter, level: int) -> None:
        """A rising gate triggers modes 1 and 5 and restarts modes 2 and 3."""
        triggers = (ONE_SHOT, RATE_GENERATOR, SQUARE_WAVE, HARDWARE_STROBE)
        if level > counter.gate and counter.mode in triggers:
            self._restart(counter)
        counter.gate = level

    def _restart(self, counter: Counter) -> None:
        counter.count_load_time = self.platform.now
        self._update(counter, self.platform.now)

    # The interrupt.

    def _update(self, counter: Counter, now: int) -> None:
        """Drive the interrupt line as OUT is at ``now``, and note when it changes."""
        if counter is not self.channels[0] or counter.irq_disabled:
            return
        counter.next_transition_time = counter.next_transition(now)
        if self.instance == 0:
            self.platform.set_line(LINE, counter.out(now))

    def deadline(self) -> int | None:
        counter = self.channels[0]
        pending = counter.next_transition_time != NEVER and not counter.irq_disabled
        return counter.next_transition_time if pending else None

    def expire(self) -> None:
        self._update(self.channels[0], self.channels[0].next_transition_time)

    # Migration.

    def post_load(self, arrived: Collection[str]) -> None:
        for number, counter in enumerate(self.channels):
            # QEMU takes it and dies at the next access: it divides by the count.
            if not counter.count:
                raise Refused(f"i8254: a count of 0 in channels[{number}]")
        self._restore_line()

    def _restore_line(self) -> None:
        """The line is as OUT is, and has been so before."""
        if self.instance == 0:
            self.platform.restore_line(LINE, self.channels[0].out(self.platform.now))


MODEL = I8254


def exercise(processor: Processor) -> Iterator[None]:
    """Program counters, leave counts half read and half written, and read on afterwards."""
    while True:
        for number in range(COUNTERS):
            mode, high, low = (byte for byte in processor.draw(3))
            processor.write(CONTROL, number << 6 | BOTH << 4 | mode % 6 << 1)
            processor.write(number, low)
            processor.write(number, high | 0x40)
        processor.write(PORT_B, processor.draw(1)[0] & PORT_B_GATE)
        processor.wait(int.from_bytes(processor.draw(3), "big"))
        processor.write(CONTROL, READ_BACK << 6 | processor.draw(1)[0] & 0x3E)
        processor.write(COUNTER_2, processor.draw(1)[0])
        processor.read(processor.draw(1)[0] % COUNTERS)
        yield
        processor.write(COUNTER_2, processor.draw(1)[0])
        for number in range(COUNTERS):
            for _ in range(5):
                processor.read(number)
        processor.write(PORT_B, PORT_B_GATE)
        processor.wait(NS_PER_SECOND // 50)
        processor.read(PORT_B)
        for number in range(COUNTERS):
            processor.read(number)
