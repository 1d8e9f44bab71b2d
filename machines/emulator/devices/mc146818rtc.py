"""The MC146818 real-time clock behind ``mc146818rtc``, with its CMOS memory.

Registers and interrupts after Motorola's data sheet (MC146818, 1984); what migrates, and what
loading does, after hw/rtc/mc146818rtc.c. The clock runs on virtual time, from the first second of
2000. A stream of a machine whose clock ran on the host's time brings times far from the virtual
ones: loading then takes the time of day that its registers show as the present one. How registers
write a date, and when an alarm comes next, is :mod:`machines.emulator.devices.calendar`.

The lines into the interrupt controller tell whether a tick was taken; with
``lost_tick_policy=slew`` those that were not are given again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from machines.emulator.devices.calendar import (
    AFTERNOON,
    ANY,
    SECONDS_PER_DAY,
    Coding,
    next_match,
    seconds_of,
)
from machines.emulator.devices.model import Bytes, Model, Signed, Timer, Unsigned
from machines.emulator.devices.processor import Processor

NS_PER_SECOND = 10**9
OSCILLATOR = 32_768  # Hz
#: How long before an update the UIP bit warns of it (data sheet, "update cycle").
WARNING = 8 * NS_PER_SECOND // OSCILLATOR
#: Loading starts the periodic timer anew unless its tick is overdue by no more than this.
MAX_OVERDUE = 60 * NS_PER_SECOND
EPOCH = 946_684_800  # 2000-01-01T00:00:00Z, as seconds since 1970
LINE = 8
CMOS_SIZE = 128
WORD = 2**64

#: Offsets of the ports: index, data.
INDEX, DATA = range(2)

# Addresses (data sheet, "address map"); the century is a convention of the PC.
SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM = range(6)
DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR = range(6, 10)
REG_A, REG_B, REG_C, REG_D = range(10, 14)
CENTURY, CENTURY_PS2 = 0x32, 0x37
ALARMS = (SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM)
CALENDAR = (SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY_OF_MONTH, MONTH, YEAR, CENTURY)

A_UIP, A_DIVIDER, A_RESET, A_RUNNING, A_RATE = 0x80, 0x70, 0x60, 0x20, 0x0F
B_SET, B_PERIODIC, B_ALARM, B_UPDATE, B_BINARY, B_24_HOURS = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
C_REQUEST, C_PERIODIC, C_ALARM, C_UPDATE, C_CAUSES = 0x80, 0x40, 0x20, 0x10, 0x70
D_VALID = 0x80
ABSENT = -1

#: Of lost ticks so many are given again at once, one for each that the guest acknowledges.
MAX_REINJECTED = 20
#: A period is divided into at most this many parts to give lost ticks again.
MAX_PARTS = 8


def _clock(time: int) -> int:
    """A time in ns as periods of the oscillator."""
    return time % WORD * OSCILLATOR // NS_PER_SECOND % WORD


def _signed(value: int) -> int:
    """The lower 64 bits as a number in two's complement."""
    return (value + WORD // 2) % WORD - WORD // 2


class Mc146818Rtc(Model):
    """The clock; ports: index at offset 0, data at offset 1."""

    drivers = ("mc146818rtc",)
    fields = {
        "cmos_data": Bytes(),
        "cmos_index": Unsigned(),
        "periodic_timer": Timer(),
        "next_periodic_time": Signed(),
        "irq_coalesced": Unsigned(),
        "period": Unsigned(),
        "base_rtc": Unsigned(),
        "last_update": Unsigned(),
        "offset": Signed(),
        "update_timer": Timer(),
        "next_alarm_time": Unsigned(),
        "irq_reinject_on_ack_count": Unsigned(),
    }

    def reset(self) -> None:
        self.is_slewing = self.properties.get("lost_tick_policy") == "slew"
        #: The clock's own time, less virtual time (ns).
        self.ahead = 0
        self.cmos_data = bytearray(CMOS_SIZE)
        self.cmos_data[REG_A], self.cmos_data[REG_B] = 0x26, B_24_HOURS
        self.cmos_data[REG_D] = D_VALID
        self.cmos_index = 0
        self.periodic_timer: int | None = None
        self.update_timer: int | None = None
        self.coalesced_timer: int | None = None
        self.next_periodic_time = self.next_alarm_time = 0
        self.irq_coalesced = self.irq_reinject_on_ack_count = self.period = 0
        self.base_rtc = EPOCH
        self.last_update = self.now
        self.offset = 0
        self._show_time()
        self._plan_update()
        self._drive()

    # Registers.

    def read(self, offset: int, size: int) -> int:
        if offset == INDEX:
            return 0xFF
        address = self._address()
        if address in CALENDAR and self._is_running():
            self._show_time()
        if address == REG_A:
            return self.cmos_data[REG_A] | (A_UIP if self._is_update_near() else 0)
        if address == REG_C:
            return self._acknowledge()
        return self.cmos_data[address]

    def write(self, offset: int, value: int, size: int) -> None:
        if offset == INDEX:
            self.cmos_index = value & 0x7F
            return
        address = self._address()
        if address == REG_A:
            self._write_a(value)
        elif address == REG_B:
            self._write_b(value)
        elif address not in (REG_C, REG_D):
            self.cmos_data[address] = value
            if address in CALENDAR and self._is_running():
                self._set_time()
                self._plan_update()
            elif address in ALARMS:
                self._plan_update()

    def _address(self) -> int:
        """The register that the data port is; the PS/2's century is the same as the PC's."""
        if self.cmos_index == CENTURY_PS2:
            self.cmos_index = CENTURY
        return self.cmos_index % CMOS_SIZE

    def _write_a(self, value: int) -> None:
        old = self.cmos_data[REG_A]
        if value & A_RESET == A_RESET:
            if self._is_running():
                self._show_time()
            self._clear_uip()
        elif old & A_RESET == A_RESET and value & A_DIVIDER <= A_RUNNING:
            # The first update follows half a second after the dividers leave reset.
            if not self.cmos_data[REG_B] & B_SET:
                self.offset = NS_PER_SECOND // 2
                self._set_time()
            self._clear_uip()
        self.cmos_data[REG_A] = value & ~A_UIP | self.cmos_data[REG_A] & A_UIP
        if (old ^ value) & A_RATE:
            self._change_period()
        self._plan_update()

    def _write_b(self, value: int) -> None:
        old = self.cmos_data[REG_B]
        if value & B_SET:
            if self._is_running():
                self._show_time()
            self._clear_uip()
            value &= ~B_UPDATE
        elif old & B_SET and self.cmos_data[REG_A] & A_DIVIDER <= A_RUNNING:
            self.offset = self._time() % NS_PER_SECOND
            self._set_time()
        pending = value & self.cmos_data[REG_C] & C_CAUSES
        self.cmos_data[REG_B] = value
        self._request(C_REQUEST if pending else 0)
        if (old ^ value) & B_PERIODIC:
            self._change_period()
        self._plan_update()

    def _acknowledge(self) -> int:
        """A read of register C, which clears it."""
        flags = self.cmos_data[REG_C]
        self.cmos_data[REG_C] = 0
        self._drive()
        if flags & (C_UPDATE | C_ALARM):
            self._plan_update()
        again = self.irq_coalesced and self.cmos_data[REG_B] & B_PERIODIC
        if again and self.irq_reinject_on_ack_count < MAX_REINJECTED:
            self.irq_reinject_on_ack_count += 1
            self._give_again()
        return flags

    def _clear_uip(self) -> None:
        self.cmos_data[REG_A] &= ~A_UIP

    def _request(self, request: int) -> None:
        """Set or clear the interrupt request flag."""
        self.cmos_data[REG_C] = self.cmos_data[REG_C] & ~C_REQUEST | request
        self._drive()

    def _drive(self) -> None:
        if self.instance == 0:
            self.platform.set_line(LINE, self._is_requesting())

    def _is_requesting(self) -> bool:
        return bool(self.cmos_data[REG_C] & C_REQUEST)

    # Time of day.

    @property
    def now(self) -> int:
        """The time of the clock's oscillator, in ns."""
        return self.platform.now + self.ahead

    def _time(self) -> int:
        """The guest's time, in ns since 1970, in 64 bits."""
        passed = self.now - self.last_update + self.offset
        return (self.base_rtc * NS_PER_SECOND + passed) % WORD

    def _is_running(self) -> bool:
        divider = self.cmos_data[REG_A] & A_DIVIDER
        return not self.cmos_data[REG_B] & B_SET and divider <= A_RUNNING

    def _is_update_near(self) -> bool:
        """UIP: an update begins soon. Once read it stays until the update."""
        if not self._is_running():
            return False
        if self.update_timer is not None and self.now >= self.update_timer - WARNING:
            self.cmos_data[REG_A] |= A_UIP
            return True
        return self._time() % NS_PER_SECOND >= NS_PER_SECOND - WARNING

    def _show_time(self) -> None:
        """Bring the calendar up to date, unless the guest is setting it."""
        if not self.cmos_data[REG_B] & B_SET:
            for address, value in self._calendar().items():
                self.cmos_data[address] = value

    def _calendar(self) -> dict[int, int]:
        """What the calendar's registers show now."""
        time = _signed(self._time())
        seconds = time // NS_PER_SECOND if time >= 0 else -(-time // NS_PER_SECOND)
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        coding = self._coding
        return {
            SECONDS: coding.coded(date.second),
            MINUTES: coding.coded(date.minute),
            HOURS: coding.coded_hour(date.hour),
            DAY_OF_WEEK: coding.coded(date.isoweekday() % 7 + 1),
            DAY_OF_MONTH: coding.coded(date.day),
            MONTH: coding.coded(date.month),
            YEAR: coding.coded(date.year % 100),
            CENTURY: coding.coded(date.year // 100),
        }

    def _set_time(self) -> None:
        """Take the calendar's registers as the time from now on."""
        coding = self._coding
        read = {address: coding.decoded(self.cmos_data[address]) for address in CALENDAR}
        seconds = seconds_of(
            read[YEAR] + 100 * read[CENTURY],
            read[MONTH],
            read[DAY_OF_MONTH],
            self._hour(coding.decoded(self.cmos_data[HOURS] & ~AFTERNOON)),
            read[MINUTES],
            read[SECONDS],
        )
        self.base_rtc = seconds % WORD
        self.last_update = self.now % WORD

    @property
    def _coding(self) -> Coding:
        mode = self.cmos_data[REG_B]
        return Coding(bool(mode & B_BINARY), bool(mode & B_24_HOURS))

    def _hour(self, hour: int) -> int:
        """A decoded hour as one of 24; the half of the day is the calendar's own."""
        return self._coding.hour(hour, bool(self.cmos_data[HOURS] & AFTERNOON))

    # The update and the alarm.

    def _plan_update(self) -> None:
        """Set the timer for the next update that the guest can notice."""
        if self.cmos_data[REG_A] & A_RESET == A_RESET:
            self.update_timer = None
            return
        second = self.now + NS_PER_SECOND - self._time() % NS_PER_SECOND
        self.next_alarm_time = (second + (self._until_alarm() - 1) * NS_PER_SECOND) % WORD
        flags = self.cmos_data[REG_C]
        self.update_timer = second
        if flags & C_UPDATE and not self.cmos_data[REG_A] & A_UIP:
            # The update flag is set already: only an alarm would be news.
            no_news = self.cmos_data[REG_B] & B_SET or flags & C_ALARM
            self.update_timer = None if no_news else self.next_alarm_time

    def _until_alarm(self) -> int:
        """Seconds until the alarm's next match, 1 to a day."""
        self._show_time()
        second, minute, hour = self._clock_face(SECONDS, MINUTES, HOURS)
        alarm = next_match((hour, minute, second), *self._clock_face(*ALARMS))
        passed = (hour * 60 + minute) * 60 + second
        left = alarm - passed
        return left + SECONDS_PER_DAY if left <= 0 else left

    def _clock_face(self, *addresses: int) -> tuple[int, int, int]:
        """Second, minute and hour at three addresses, :data:`ANY` for "don't care"."""
        coding = self._coding
        second, minute, hour = (coding.decoded(self.cmos_data[at]) for at in addresses)
        return second, minute, hour if hour == ANY else self._hour(hour)

    def _end_update(self) -> None:
        """The update cycle is over."""
        self._show_time()
        self._clear_uip()
        flags = C_UPDATE | (C_ALARM if self.now % WORD >= self.next_alarm_time else 0)
        news = flags & ~self.cmos_data[REG_C]
        self.cmos_data[REG_C] |= flags
        if news & self.cmos_data[REG_B]:
            self._request(C_REQUEST)
        self._plan_update()

    # The periodic interrupt.

    def _period(self) -> int:
        """The period that the guest chose, in periods of the oscillator; 0 where it wants none."""
        rate = self.cmos_data[REG_A] & A_RATE
        if not rate or not self.cmos_data[REG_B] & B_PERIODIC:
            return 0
        return 1 << (rate + 7 if rate <= 2 else rate) - 1

    def _change_period(self) -> None:
        """The guest chose another period: what has gone of the old one counts."""
        gone = 0
        if self.period:
            last = _clock(self.next_periodic_time) - self.period
            gone = max(_clock(self.now) - last, 0)
        self._plan_tick(self.now, gone)

    def _plan_tick(self, time: int, gone: int = 0) -> None:
        """Set the timer for a period that begins at ``time``, some of which has gone already."""
        old_period, self.period = self.period, self._period()
        if not self.period:
            self.irq_coalesced = 0
            self.periodic_timer = None
            return
        if self.is_slewing:
            lost, gone = divmod(gone + self.irq_coalesced * old_period, self.period)
            changed = lost != self.irq_coalesced or old_period != self.period
            self.irq_coalesced = lost % 2**32
            if changed:
                self._plan_lost_tick()
        next_tick = _clock(time) + self.period - min(gone, self.period)
        self.next_periodic_time = next_tick * NS_PER_SECOND // OSCILLATOR + 1
        self.periodic_timer = self.next_periodic_time

    def _tick(self) -> None:
        self._plan_tick(self.next_periodic_time)
        if not self.cmos_data[REG_B] & B_PERIODIC:
            self.cmos_data[REG_C] |= C_PERIODIC
            return
        taken = self._give_tick()
        if self.is_slewing:
            if self.irq_reinject_on_ack_count >= MAX_REINJECTED:
                self.irq_reinject_on_ack_count = 0
            if not taken:
                self.irq_coalesced += 1
                self._plan_lost_tick()

    def _give_tick(self) -> bool:
        """Request a periodic interrupt. Was it taken, or is an earlier one still waiting?"""
        waiting = self._is_requesting()
        self.cmos_data[REG_C] |= C_PERIODIC
        self._request(C_REQUEST)
        return not waiting

    def _give_again(self) -> None:
        """Give one of the lost ticks again."""
        if self._give_tick():
            self.irq_coalesced -= 1

    def _plan_lost_tick(self) -> None:
        """Lost ticks are given again between the others."""
        if not self.irq_coalesced:
            self.coalesced_timer = None
            return
        part = self.period // min(self.irq_coalesced + 1, MAX_PARTS)
        self.coalesced_timer = self.now + part * NS_PER_SECOND // OSCILLATOR

    # Timers.

    def deadline(self) -> int | None:
        timers = (self.periodic_timer, self.update_timer, self.coalesced_timer)
        when = min((when for when in timers if when is not None), default=None)
        return None if when is None else when - self.ahead

    def expire(self) -> None:
        when = (self.deadline() or 0) + self.ahead
        if self.periodic_timer == when:
            self.periodic_timer = None
            self._tick()
        elif self.update_timer == when:
            self.update_timer = None
            self._end_update()
        else:
            self.coalesced_timer = None
            if self.irq_coalesced:
                self._give_again()
            self._plan_lost_tick()

    # Migration.

    def needs(self, section: str) -> bool:
        count = "mc146818rtc/irq_reinject_on_ack_count"
        return section == count and self.irq_reinject_on_ack_count != 0

    def pre_save(self) -> None:
        self._show_time()

    def pre_load(self) -> None:
        self.base_rtc = ABSENT

    def post_load(self, arrived: Collection[str]) -> None:
        if self.base_rtc == ABSENT:  # before version 3 only the calendar came
            self._set_time()
            self.offset = 0
            self._plan_update()
        self._meet_other_clock()
        self.period = self._period()
        overdue = self.now - self.next_periodic_time
        if not 0 <= overdue <= MAX_OVERDUE:
            self._plan_tick(self.now)
        if self.is_slewing:
            self._plan_lost_tick()
        if self.instance == 0:
            self.platform.restore_line(LINE, self._is_requesting())

    def _meet_other_clock(self) -> None:
        """Where the calendar that came is not what virtual time makes of it, the sender's clock was
        another one: go on from the calendar."""
        shown = {address: self.cmos_data[address] for address in CALENDAR}
        if self.cmos_data[REG_B] & B_SET or shown == self._calendar():
            return
        base, last_update = self.base_rtc, self.last_update
        self._set_time()
        passed = (self.base_rtc - base) * NS_PER_SECOND - self.offset
        self.ahead = _signed(last_update + passed) - self.platform.now
        self.base_rtc, self.last_update = base, last_update


MODEL = Mc146818Rtc


def exercise(processor: Processor) -> Iterator[None]:
    """Set the time and an alarm, be interrupted in between, and read the time afterwards."""
    while True:
        mode = processor.draw(1)[0] & (B_BINARY | B_24_HOURS)
        _put(processor, REG_B, B_SET | mode)
        for address, byte in zip(CALENDAR, processor.draw(len(CALENDAR)), strict=True):
            _put(processor, address, 1 + byte % 9)
        if processor.draw(1)[0] & 1:
            yield
        _put(processor, SECONDS, 1 + processor.draw(1)[0] % 9)
        for address, byte in zip(ALARMS, processor.draw(len(ALARMS)), strict=True):
            _put(processor, address, byte % 10 if byte & 1 else 0xC0)
        _put(processor, REG_A, A_RUNNING | 12 + processor.draw(1)[0] % 4)
        enabled = processor.draw(1)[0] & (B_PERIODIC | B_ALARM | B_UPDATE)
        _put(processor, REG_B, mode | enabled)
        for address, byte in enumerate(processor.draw(16), start=0x40):
            _put(processor, address, byte)
        processor.wait(int.from_bytes(processor.draw(4), "big") // 4)
        yield
        # Loading may begin the period anew: two of them pass on every machine.
        processor.wait(NS_PER_SECOND)
        processor.line(LINE)
        for address in (*CALENDAR, *ALARMS, REG_A, REG_B, REG_C, REG_D, 0x40, 0x4F):
            _get(processor, address)


def _put(processor: Processor, address: int, value: int) -> None:
    processor.write(INDEX, address)
    processor.write(DATA, value)


def _get(processor: Processor, address: int) -> None:
    processor.write(INDEX, address)
    processor.read(DATA)
