"""The same random accesses to a model and to the device of a real QEMU 7.2 read the same."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

from machines.emulator.devices import i8254, i8259, isa_serial, mc146818rtc
from machines.emulator.devices.i8259 import INTR
from tests.machines.emulator.devices.real_qemu import INTERRUPTIBLE, RealQemu
from tests.machines.emulator.devices.side_by_side import SideBySide

pytestmark = pytest.mark.qemu

SERIAL = ("-chardev", "null,id=line", "-device", "isa-serial,chardev=line")
STEPS = 600
#: Without a local APIC the controllers' output goes straight to the processor.
BARE = ("-cpu", "qemu64,-apic")
COARSE = 8  # an instruction takes 256 ns


def test_the_timer(draw: random.Random) -> None:
    with RealQemu(*SERIAL) as real:
        both = SideBySide(real, hurried=("timer",))
        for _ in range(STEPS):
            use_timer(both, draw)
            if draw.random() < 0.05:
                both.run(draw.choice((0, 0.001, 0.01)))


def test_the_interrupt_controllers(draw: random.Random) -> None:
    with RealQemu(*SERIAL) as real:
        both = SideBySide(real)
        for _ in range(STEPS):
            draw.choice((use_controllers, use_serial, use_slow_timer))(both, draw)
            if draw.random() < 0.05:
                both.run(draw.choice((0, 0.001, 0.01)))


def test_the_serial_line_in_loopback(draw: random.Random) -> None:
    with RealQemu(*SERIAL) as real:
        both = SideBySide(real)
        for _ in range(STEPS):
            use_serial(both, draw)
            if draw.random() < 0.05:
                both.run(draw.choice((0, 0.001, 0.005)))


def test_the_clock_over_seconds(draw: random.Random) -> None:
    with RealQemu(*SERIAL, shift=COARSE) as real:
        both = SideBySide(real, hurried=("timer",))
        both.write("clock", mc146818rtc.INDEX, mc146818rtc.REG_A)
        both.write("clock", mc146818rtc.DATA, 0x2C)
        for _ in range(STEPS):
            use_clock(both, draw)
            if draw.random() < 0.05:
                both.run(draw.choice((0, 0.002, 0.02)))


def test_interrupts_reach_the_processor(draw: random.Random) -> None:
    """Whichever device asks, the processor is given the same vector, and the same is in service."""
    with RealQemu(*SERIAL, *BARE, rom=INTERRUPTIBLE) as real:
        both = SideBySide(real)
        both.take_interrupts()
        taken = set()
        for _ in range(40):
            initialise(both, draw)
            for _ in range(12):
                use_serial(both, draw)
                use_slow_timer(both, draw)
                use_controllers(both, draw, commands=(0x20, 0x60 | draw.randrange(8), 0xA0, 0x0B))
            both.run(0.002)
            taken.add(both.handled)
            both.read("master", i8259.COMMAND)
            both.read("slave", i8259.COMMAND)
        assert len(taken) > 2
        assert not both.platform.lines[INTR] or both.handled is not None


def test_all_of_them_through_migrations(draw: random.Random) -> None:
    """In the middle of anything, both go over to another machine, and go on alike there."""
    with ExitStack() as machines:
        both = SideBySide(machines.enter_context(RealQemu(*SERIAL, shift=COARSE)))
        both.write("clock", mc146818rtc.INDEX, mc146818rtc.REG_A)
        both.write("clock", mc146818rtc.DATA, 0x2C)
        for _ in range(4):
            for _ in range(STEPS // 4):
                draw.choice((use_clock, use_controllers, use_serial, use_slow_timer))(both, draw)
                if draw.random() < 0.05:
                    both.run(draw.choice((0, 0.002, 0.02)))
            stream = both.real.save()
            other = RealQemu(*SERIAL, shift=COARSE, incoming=stream)
            both.migrate(machines.enter_context(other))
            both.run(0.002)


@pytest.fixture(params=range(3))
def draw(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{request.function.__name__}/{request.param}")


# --- Random accesses ------------------------------------------------------------------------------


def use_timer(both: SideBySide, draw: random.Random) -> None:
    """Any command, count and gate. Before QEMU 8.0 OUT was upside down in mode 1: not compared."""
    timer = both.models["timer"]
    assert isinstance(timer, i8254.I8254)
    choice = draw.random()
    if choice < 0.3:
        command = draw.choice((0, 0x30, 0xC0)) | draw.randrange(256)
        both.write("timer", i8254.CONTROL, command)
    elif choice < 0.6:
        both.write("timer", draw.randrange(3), draw.choice((0, 1, 2, 255, draw.randrange(256))))
    elif choice < 0.65:
        both.write("timer", i8254.PORT_B, draw.randrange(2))
    elif choice < 0.7:
        one_shot = timer.channels[2].mode == i8254.ONE_SHOT
        both.read("timer", i8254.PORT_B, i8254.PORT_B_GATE | (0 if one_shot else i8254.PORT_B_OUT))
    else:
        number = draw.randrange(3)
        counter = timer.channels[number]
        one_shot = counter.status_latched and counter.status >> 1 & 7 == i8254.ONE_SHOT
        both.read("timer", number, 0x7F if one_shot else 0xFF)


def use_slow_timer(both: SideBySide, draw: random.Random) -> None:
    """Counter 0 with counts that leave time between its interrupts."""
    if draw.random() < 0.3:
        both.write("timer", i8254.CONTROL, 0x30 | draw.choice((0, 2, 3, 4, 5)) << 1)
        both.write("timer", 0, draw.randrange(256))
        both.write("timer", 0, draw.randrange(0x40, 256))
    both.read("timer", 0)


def initialise(both: SideBySide, draw: random.Random) -> None:
    """Give both controllers vectors, and now and then a mode."""
    for name, base in (("master", 0x40), ("slave", 0x70)):
        mode = 0x01 | draw.choice((0, 0, i8259.ICW4_AUTO_EOI, i8259.ICW4_NESTED))
        both.write(name, i8259.COMMAND, i8259.ICW1 | i8259.ICW1_ICW4)
        for word in (base, 0, mode):
            both.write(name, i8259.DATA, word)


def use_controllers(
    both: SideBySide, draw: random.Random, commands: tuple[int, ...] | None = None
) -> None:
    name, choice = draw.choice(("master", "slave")), draw.random()
    if commands is not None and choice < 0.65:
        both.write(name, i8259.COMMAND, draw.choice(commands))
    elif choice < 0.05:
        both.write(name, i8259.COMMAND, 0x10 | draw.randrange(32))
    elif choice < 0.35:
        both.write(name, i8259.COMMAND, draw.randrange(256) & ~i8259.ICW1)
    elif choice < 0.6:
        both.write(name, i8259.DATA, draw.choice((0, 0, draw.randrange(256))))
    elif choice < 0.65:
        both.write(name, i8259.ELCR, draw.randrange(256))
    else:
        both.read(name, draw.choice((i8259.COMMAND, i8259.DATA, i8259.ELCR)))


def use_serial(both: SideBySide, draw: random.Random) -> None:
    offset, value = draw.choice((0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7)), draw.randrange(256)
    if draw.random() < 0.5:
        both.read("serial", offset)
    elif offset == isa_serial.MCR:
        both.write("serial", offset, value | draw.choice((0, isa_serial.MCR_LOOP)))
    elif offset == isa_serial.LCR:
        both.write("serial", offset, value & draw.choice((0x7F, 0x7F, 0xFF)))
    else:
        both.write("serial", offset, value)


def use_clock(both: SideBySide, draw: random.Random) -> None:
    """Any time, alarm and mode; periods that leave time between their interrupts."""
    address = draw.choice((*range(14), 0x32, 0x37, 0x40))
    both.write("clock", mc146818rtc.INDEX, address)
    if draw.random() < 0.6:
        both.read("clock", mc146818rtc.DATA)
    elif address == mc146818rtc.REG_A:
        divider = draw.choice((0x20, 0x20, draw.randrange(8) << 4))
        both.write("clock", mc146818rtc.DATA, divider | draw.choice((0, 12, 14, 15)))
    elif address == mc146818rtc.REG_B:
        both.write("clock", mc146818rtc.DATA, draw.randrange(256) & draw.choice((0x7F, 0x7F, 0xFF)))
    else:
        code = draw.choice((0, 1, 2, 0x12, 0x23, 0x59, 0x81, 0x92, 0xC0, draw.randrange(256)))
        both.write("clock", mc146818rtc.DATA, code)
