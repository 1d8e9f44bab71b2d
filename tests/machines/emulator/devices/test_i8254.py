"""The interval timer as its guest sees it, before and after a migration."""

import pytest

from machines.emulator.devices.i8254 import (
    CONTROL,
    FREQUENCY,
    FULL_COUNT,
    I8254,
    LINE,
    PORT_B,
    PORT_B_GATE,
    PORT_B_OUT,
)
from machines.emulator.vmstate import LoadError
from tests.machines.emulator.devices.bench import Bench, bench
from tests.machines.emulator.modelled import saved_section

SECOND = 10**9
LATCH_BACK, STATUS_BACK, BOTH_BACK = 0xD0, 0xE0, 0xC0


def program(timer: Bench, number: int, mode: int, count: int) -> None:
    timer.put(CONTROL, number << 6 | 0x30 | mode << 1)
    timer.put(number, count & 0xFF, count >> 8)


def ticks(count: int) -> int:
    """A time in which the counters count that far, and a little more."""
    return count * SECOND // FREQUENCY + 100


def read(timer: Bench, number: int) -> int:
    return timer.get(number) | timer.get(number) << 8


def test_a_count_is_written_and_read_in_two_halves() -> None:
    timer = bench("isa-pit")
    program(timer, 2, 0, 0x1234)
    timer.platform.advance(ticks(0x30))
    assert timer.get(2) == 0x04
    arrived = timer.migrated("5.2")
    assert arrived.get(2) == 0x12
    arrived.put(2, 0x78)
    assert read(arrived.migrated("7.2"), 2) == 0x1204
    arrived.put(2, 0x56)
    assert read(arrived, 2) == 0x5678


@pytest.mark.parametrize(
    ("access", "written", "value"), [(1, 0x42, 0x42), (2, 0x42, 0x4200), (2, 0, FULL_COUNT)]
)
def test_one_half_alone_is_a_count(access: int, written: int, value: int) -> None:
    timer = bench("isa-pit")
    timer.put(CONTROL, 0x80 | access << 4 | 2 << 1)
    timer.put(2, written)
    assert isinstance(timer.model, I8254)
    assert timer.model.channels[2].count == value


def test_a_latched_count_stays_until_it_is_read() -> None:
    timer = bench("isa-pit")
    program(timer, 1, 2, 1000)
    timer.platform.advance(ticks(100))
    timer.put(CONTROL, 1 << 6)
    timer.platform.advance(ticks(100))
    timer.put(CONTROL, 1 << 6)
    assert timer.get(1) == 900 & 0xFF
    arrived = timer.migrated()
    assert arrived.get(1) == 900 >> 8
    assert read(arrived, 1) == 800


def test_read_back_gives_the_status_before_the_count() -> None:
    timer = bench("isa-pit")
    program(timer, 2, 3, 500)
    timer.put(CONTROL, BOTH_BACK | 2 << 2)
    timer.platform.advance(ticks(300))
    arrived = timer.migrated("11.1")
    assert arrived.get(2) == 0x80 | 0x30 | 3 << 1
    assert read(arrived, 2) == 500
    arrived.put(CONTROL, STATUS_BACK | 2 << 2)
    assert arrived.get(2) == 0x30 | 3 << 1


@pytest.mark.parametrize(
    ("mode", "before", "after"), [(0, False, True), (1, False, True), (3, True, False)]
)
def test_out_in_the_modes_with_long_levels(mode: int, before: bool, after: bool) -> None:
    timer = bench("isa-pit")
    program(timer, 2, mode, 1000)
    assert bool(timer.get(PORT_B) & PORT_B_OUT) == before
    timer.platform.advance(ticks(999 if mode == 3 else 1000))
    assert bool(timer.get(PORT_B) & PORT_B_OUT) == after


@pytest.mark.parametrize(("mode", "pulses"), [(2, 10), (4, 1), (5, 1)])
def test_out_in_the_modes_with_short_pulses(mode: int, pulses: int) -> None:
    timer = bench("isa-pit")
    timer.platform.set_line(LINE, False)
    program(timer, 0, mode, 1000)
    before = timer.platform.edges.get(LINE, 0)
    timer.platform.advance(ticks(10_010))
    assert timer.platform.edges[LINE] - before == pulses


def test_a_square_wave_interrupts_at_the_same_time_wherever_it_runs() -> None:
    timer = bench("isa-pit")
    program(timer, 0, 3, 2000)
    timer.platform.advance(ticks(1500))
    assert not timer.line(LINE)
    arrived = timer.migrated("7.2")
    for machine in (timer, arrived):
        machine.platform.advance(ticks(490))
        assert not machine.line(LINE)
        machine.platform.advance(ticks(20))
        assert machine.line(LINE)


def test_a_rising_gate_starts_a_count_again() -> None:
    timer = bench("isa-pit")
    program(timer, 2, 1, 1000)
    timer.platform.advance(ticks(600))
    timer.put(PORT_B, PORT_B_GATE)
    timer.platform.advance(ticks(600))
    assert timer.get(PORT_B) == PORT_B_GATE
    timer.platform.advance(ticks(400))
    assert timer.get(PORT_B) == PORT_B_GATE | PORT_B_OUT


def test_a_stream_without_the_switch_for_interrupts_is_read() -> None:
    timer = bench("isa-pit")
    program(timer, 0, 2, 0x4321)
    arrived = timer.loaded(saved_section(timer.device)[4:], 2)
    assert read(arrived, 0) == 0x4321


def test_a_count_that_the_device_would_divide_by_is_refused() -> None:
    timer = bench("isa-pit")
    assert isinstance(timer.model, I8254)
    timer.model.channels[1].count = 0
    with pytest.raises(LoadError, match=r"a count of 0 in channels\[1\]"):
        timer.migrated()
