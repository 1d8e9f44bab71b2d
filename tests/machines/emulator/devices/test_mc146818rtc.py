"""The real-time clock as its guest sees it, before and after a migration."""

import pytest

from machines.emulator.devices.mc146818rtc import (
    B_24_HOURS,
    B_ALARM,
    B_BINARY,
    B_PERIODIC,
    B_SET,
    B_UPDATE,
    C_ALARM,
    C_PERIODIC,
    C_REQUEST,
    C_UPDATE,
    CENTURY,
    CENTURY_PS2,
    DATA,
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOURS,
    HOURS_ALARM,
    INDEX,
    LINE,
    MINUTES,
    MINUTES_ALARM,
    MONTH,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
    SECONDS,
    SECONDS_ALARM,
    YEAR,
    Mc146818Rtc,
)
from machines.emulator.vmstate import LoadError
from tests.machines.emulator.devices.bench import Bench, bench
from tests.machines.emulator.modelled import saved_section

SECOND = 10**9
DATE = (YEAR, MONTH, DAY_OF_MONTH, HOURS, MINUTES, SECONDS)
ANY = 0xC0


def put(clock: Bench, address: int, value: int) -> None:
    clock.put(INDEX, address)
    clock.put(DATA, value)


def get(clock: Bench, address: int) -> int:
    clock.put(INDEX, address)
    return clock.get(DATA)


def set_time(clock: Bench, mode: int, *date: int) -> None:
    """Year, month, day, hour, minute, second, in the coding that ``mode`` asks for."""
    put(clock, REG_B, B_SET | mode)
    for address, value in zip(DATE, date, strict=True):
        put(clock, address, value)
    put(clock, REG_B, mode)


def time(clock: Bench) -> tuple[int, ...]:
    return tuple(get(clock, address) for address in DATE)


def test_time_goes_on_where_it_was_set() -> None:
    clock = bench("mc146818rtc")
    assert (get(clock, CENTURY), time(clock)) == (0x20, (0, 1, 1, 0, 0, 0))
    assert get(clock, DAY_OF_WEEK) == 7  # a Saturday
    set_time(clock, B_24_HOURS, 0x24, 0x02, 0x28, 0x23, 0x59, 0x58)
    clock.platform.advance(2 * SECOND)
    for machine in (clock, clock.migrated("5.2")):
        assert time(machine) == (0x24, 0x02, 0x29, 0, 0, 0)
        machine.platform.advance(86_400 * SECOND)
        assert time(machine) == (0x24, 0x03, 0x01, 0, 0, 0)
        assert get(machine, DAY_OF_WEEK) == 6


@pytest.mark.parametrize(
    ("mode", "written", "read"),
    [
        (0, 0x12, 0x01),
        (0, 0x92, 0x81),
        (B_24_HOURS, 0x12, 0x13),
        (B_BINARY, 0x8B, 0x0C),
        (B_BINARY | B_24_HOURS, 22, 23),
    ],
)
def test_hours_in_each_coding(mode: int, written: int, read: int) -> None:
    clock = bench("mc146818rtc")
    set_time(clock, mode, 1, 1, 1, written, 0, 0)
    clock.platform.advance(3600 * SECOND)
    assert get(clock.migrated("7.2"), HOURS) == read


def test_the_time_stands_still_while_it_is_set_even_on_another_machine() -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_B, B_SET | B_24_HOURS)
    put(clock, MINUTES, 0x33)
    arrived = clock.migrated()
    arrived.platform.advance(100 * SECOND)
    assert time(arrived) == (0, 1, 1, 0, 0x33, 0)
    put(arrived, REG_B, B_24_HOURS)
    arrived.platform.advance(SECOND)
    assert time(arrived) == (0, 1, 1, 0, 0x33, 1)


def test_an_armed_alarm_interrupts_on_the_other_machine() -> None:
    clock = bench("mc146818rtc")
    for address, value in ((SECONDS_ALARM, 0x05), (MINUTES_ALARM, ANY), (HOURS_ALARM, ANY)):
        put(clock, address, value)
    put(clock, REG_B, B_24_HOURS | B_ALARM)
    clock.platform.advance(3 * SECOND)
    arrived = clock.migrated("7.2")
    assert not arrived.line(LINE)
    arrived.platform.advance(2 * SECOND)
    assert arrived.line(LINE)
    assert get(arrived, REG_C) == C_REQUEST | C_ALARM | C_UPDATE
    assert not arrived.line(LINE)
    assert get(arrived, REG_C) == 0


def test_an_update_is_announced_and_interrupts_when_it_ends() -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_B, B_24_HOURS | B_UPDATE)
    assert get(clock, REG_A) == 0x26
    clock.platform.advance(SECOND - 200_000)
    assert get(clock, REG_A) == 0xA6
    arrived = clock.migrated()
    assert get(arrived, REG_A) == 0xA6
    arrived.platform.advance(200_000)
    assert arrived.line(LINE)
    assert get(arrived, REG_A) == 0x26


def test_setting_the_time_switches_the_update_interrupt_off() -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_B, B_SET | B_UPDATE)
    assert get(clock, REG_B) == B_SET


@pytest.mark.parametrize(("rate", "hertz"), [(3, 8192), (6, 1024), (15, 2), (1, 256), (2, 128)])
def test_the_periodic_interrupt_keeps_its_rate(rate: int, hertz: int) -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_A, 0x20 | rate)
    put(clock, REG_B, B_24_HOURS | B_PERIODIC)
    ticks = 0
    for _ in range(5):
        clock.platform.advance(SECOND // hertz + 1000)
        ticks += get(clock, REG_C) & ~C_UPDATE == C_REQUEST | C_PERIODIC
    assert ticks == 5


def test_loading_begins_the_period_anew() -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_A, 0x2F)
    put(clock, REG_B, B_24_HOURS | B_PERIODIC)
    clock.platform.advance(SECOND // 4)
    arrived = clock.migrated()
    arrived.platform.advance(SECOND // 4 + 1000)
    assert not arrived.line(LINE)
    arrived.platform.advance(SECOND // 4)
    assert arrived.line(LINE)


def test_a_flag_that_is_set_interrupts_as_soon_as_it_may() -> None:
    clock = bench("mc146818rtc")
    clock.platform.advance(SECOND)
    put(clock, REG_B, B_24_HOURS | B_UPDATE)
    assert clock.line(LINE)
    put(clock, REG_B, B_24_HOURS)
    assert not clock.line(LINE)


def test_the_dividers_in_reset_stop_the_time_and_start_it_half_a_second_ahead() -> None:
    clock = bench("mc146818rtc")
    put(clock, REG_A, 0x70)
    clock.platform.advance(10 * SECOND)
    put(clock, SECONDS, 0x30)
    arrived = clock.migrated("11.1")
    put(arrived, REG_A, 0x26)
    before = get(arrived, SECONDS)
    arrived.platform.advance(SECOND // 2)
    assert get(arrived, SECONDS) == before + 1


def test_memory_and_read_only_registers() -> None:
    clock = bench("mc146818rtc")
    for address in (0x0E, 0x40, 0x7F, REG_C, REG_D):
        put(clock, address, 0x5A)
    put(clock, CENTURY_PS2, 0x21)
    arrived = clock.migrated("5.2")
    assert [get(arrived, address) for address in (0x0E, 0x40, 0x7F)] == [0x5A] * 3
    assert (get(arrived, REG_C), get(arrived, REG_D)) == (0, 0x80)
    assert get(arrived, CENTURY) == 0x21
    assert arrived.get(INDEX) == 0xFF


def test_ticks_that_were_not_taken_are_given_again() -> None:
    clock = bench("mc146818rtc")
    slewing = Mc146818Rtc(clock.platform, {"lost_tick_policy": "slew"})
    clock.platform.devices.append(slewing)
    for address, value in ((REG_A, 0x2A), (REG_B, B_24_HOURS | B_PERIODIC)):
        slewing.write(INDEX, address, 1)
        slewing.write(DATA, value, 1)
    clock.platform.advance(SECOND // 64 * 4 + 1000)
    assert slewing.irq_coalesced == 3
    slewing.write(INDEX, REG_C, 1)
    for _ in range(3):
        assert slewing.read(DATA, 1) & C_PERIODIC
    assert slewing.irq_coalesced == 0
    assert slewing.needs("mc146818rtc/irq_reinject_on_ack_count")


def test_the_first_version_brings_the_calendar_alone() -> None:
    clock = bench("mc146818rtc")
    set_time(clock, B_24_HOURS, 0x12, 0x11, 0x10, 0x09, 0x08, 0x07)
    payload = saved_section(clock.device)
    arrived = clock.loaded(payload[:197], 1)
    assert time(arrived) == (0x12, 0x11, 0x10, 0x09, 0x08, 0x07)
    arrived.platform.advance(SECOND)
    assert get(arrived, SECONDS) == 0x08
    with pytest.raises(LoadError, match="too old for local minimum version_id 3"):
        clock.loaded(payload[:197], 1, "11.1")


def test_a_clock_that_ran_on_the_hosts_time_goes_on_from_what_it_showed() -> None:
    clock = bench("mc146818rtc")
    set_time(clock, B_24_HOURS, 0x12, 0x11, 0x10, 0x09, 0x08, 0x07)
    assert isinstance(clock.model, Mc146818Rtc)
    saved_section(clock.device)
    payload = bytearray(saved_section(clock.device))
    at = payload.index(clock.model.base_rtc.to_bytes(8, "big")) + 8
    payload[at : at + 8] = (1_700_000_000 * SECOND).to_bytes(8, "big")
    arrived = clock.loaded(bytes(payload), 3)
    assert saved_section(arrived.device) == bytes(payload)
    arrived.platform.advance(2 * SECOND)
    assert time(arrived) == (0x12, 0x11, 0x10, 0x09, 0x08, 0x09)
