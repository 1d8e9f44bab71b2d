"""The interrupt controllers as a guest sees them, before and after a migration."""

import pytest

from machines.emulator.assembly import build
from machines.emulator.devices.i8259 import (
    ACKNOWLEDGE,
    COMMAND,
    DATA,
    ELCR,
    EOI,
    ICW4_AUTO_EOI,
    ICW4_NESTED,
    INTR,
    ROTATE,
    SPECIFIC,
)
from machines.emulator.loading import load_section
from machines.emulator.notes import Notes
from machines.emulator.side import Side
from machines.emulator.vmstate import LoadError
from tests.machines.emulator.devices.bench import Bench, bench
from tests.machines.emulator.modelled import catalogue, saved_section

MASTER_BASE, SLAVE_BASE = 0x40, 0x70
READ_REQUESTS, READ_SERVICE, POLL = 0x0A, 0x0B, 0x0C
SPECIAL_MASK = 0x68


def initialise(controller: Bench, base: int = MASTER_BASE, mode: int = 0) -> None:
    controller.put(COMMAND, 0x11)
    controller.put(DATA, base, 0x04, 0x01 | mode)


def command(controller: Bench, bits: int, level: int = 0) -> None:
    controller.put(COMMAND, bits << 5 | level)


def pulse(controller: Bench, *lines: int) -> None:
    for line in lines:
        controller.platform.set_line(line, True)
        controller.platform.set_line(line, False)


def in_service(controller: Bench) -> int:
    controller.put(COMMAND, READ_SERVICE)
    return controller.get(COMMAND)


def requests(controller: Bench) -> int:
    controller.put(COMMAND, READ_REQUESTS)
    return controller.get(COMMAND)


def master(release: str = "10.0", mode: int = 0) -> Bench:
    controller = bench("isa-i8259", release)
    initialise(controller, mode=mode)
    return controller


def both(release: str = "10.0") -> tuple[Bench, Bench]:
    """Master and slave of one machine, initialised."""
    side = Side(release, catalogue(release), "pc-q35-7.2")
    (board,) = build((side,), ("isa-i8259", "isa-i8259"), Notes())
    upper, lower = (Bench(device) for device in board.devices if device is not None)
    initialise(upper)
    initialise(lower, SLAVE_BASE)
    return upper, lower


def test_the_lower_line_goes_first_and_waits_for_no_end() -> None:
    controller = master()
    pulse(controller, 5, 3)
    assert controller.get(ACKNOWLEDGE) == MASTER_BASE + 3
    assert not controller.line(INTR)
    pulse(controller, 1)
    assert controller.get(ACKNOWLEDGE) == MASTER_BASE + 1
    assert in_service(controller) == 0b1010


def test_an_interrupt_in_service_ends_on_the_other_machine() -> None:
    controller = master()
    pulse(controller, 5, 3)
    controller.get(ACKNOWLEDGE)
    arrived = controller.migrated("7.2")
    assert not arrived.line(INTR)
    command(arrived, EOI)
    assert arrived.line(INTR)
    assert arrived.get(ACKNOWLEDGE) == MASTER_BASE + 5
    command(arrived, EOI | SPECIFIC, 5)
    assert in_service(arrived) == 0


def test_a_mask_set_between_two_initialisation_words_is_no_mask() -> None:
    controller = bench("isa-i8259")
    controller.put(COMMAND, 0x11)
    controller.put(DATA, MASTER_BASE)
    arrived = controller.migrated()
    arrived.put(DATA, 0xFF, 0x01)
    assert arrived.get(DATA) == 0
    arrived.put(DATA, 0xFB)
    assert arrived.get(DATA) == 0xFB


def test_a_masked_request_waits() -> None:
    controller = master()
    controller.put(DATA, 0xFF)
    pulse(controller, 4)
    assert requests(controller) == 0x10
    assert not controller.line(INTR)
    assert controller.get(ACKNOWLEDGE) == MASTER_BASE + 7  # spurious
    controller.put(DATA, 0)
    assert controller.line(INTR)


def test_levels_ask_again_and_edges_do_not() -> None:
    controller = master()
    controller.put(ELCR, 0xFF)
    assert controller.get(ELCR) == 0xF8
    for line, again in ((5, True), (1, False)):
        controller.platform.set_line(line, True)
        controller.get(ACKNOWLEDGE)
        command(controller, EOI)
        assert controller.line(INTR) == again
        controller.platform.set_line(line, False)
        assert not controller.line(INTR)


def test_the_level_mode_of_all_inputs_migrates_where_the_release_has_it() -> None:
    controller = bench("isa-i8259", "10.0")
    controller.put(COMMAND, 0x19)
    assert controller.subsections() == {"ltim"}
    controller.platform.set_line(1, True)
    arrived = controller.migrated("11.1")
    arrived.platform.set_line(1, False)
    assert requests(arrived) == 0
    with pytest.raises(LoadError, match="unknown subsection 'i8259/ltim'"):
        controller.migrated("7.2")
    older = bench("isa-i8259", "7.2")
    older.put(COMMAND, 0x19)
    assert older.subsections() == set()
    pulse(older, 1)
    assert requests(older) == 0b10


def test_rotation_gives_what_was_served_the_lowest_priority() -> None:
    controller = master()
    pulse(controller, 0, 2)
    controller.get(ACKNOWLEDGE)
    command(controller, ROTATE | EOI)
    pulse(controller, 0)
    assert controller.migrated().get(ACKNOWLEDGE) == MASTER_BASE + 2
    command(controller, ROTATE | SPECIFIC, 4)
    pulse(controller, 5)
    assert controller.get(ACKNOWLEDGE) == MASTER_BASE + 5


def test_automatic_end_and_rotation() -> None:
    controller = master(mode=ICW4_AUTO_EOI)
    command(controller, ROTATE)
    pulse(controller, 0, 1)
    assert controller.get(ACKNOWLEDGE) == MASTER_BASE
    assert in_service(controller) == 0
    pulse(controller, 0)
    assert controller.migrated().get(ACKNOWLEDGE) == MASTER_BASE + 1


def test_the_special_mask_lets_lower_priorities_through() -> None:
    controller = master()
    pulse(controller, 1, 6)
    controller.get(ACKNOWLEDGE)
    controller.put(DATA, 0b10)
    assert not controller.line(INTR)
    controller.put(COMMAND, SPECIAL_MASK)
    pulse(controller, 1)
    assert controller.migrated("5.2").get(ACKNOWLEDGE) == MASTER_BASE + 6


def test_polling_acknowledges_after_the_migration() -> None:
    controller = master()
    pulse(controller, 6)
    controller.put(COMMAND, POLL)
    arrived = controller.migrated("7.2")
    assert arrived.get(COMMAND) == 0x80 | 6
    assert in_service(arrived) == 1 << 6
    arrived.put(COMMAND, POLL)
    assert arrived.get(COMMAND) == 0


def test_a_line_of_the_slave_reaches_the_processor() -> None:
    upper, lower = both()
    pulse(upper, 12)
    assert upper.line(INTR)
    assert upper.get(ACKNOWLEDGE) == SLAVE_BASE + 4
    assert (in_service(upper), in_service(lower)) == (1 << 2, 1 << 4)


def test_special_fully_nested_lets_the_slave_interrupt_its_own() -> None:
    upper, _ = both()
    for nested, expected in ((0, False), (ICW4_NESTED, True)):
        initialise(upper, mode=nested)
        pulse(upper, 12)
        upper.get(ACKNOWLEDGE)
        pulse(upper, 9)
        assert upper.line(INTR) == expected
        upper, _ = both()


def test_a_line_that_was_heard_before_is_no_new_edge_after_loading() -> None:
    """The UART restores its line's level when it is loaded after the controllers."""
    side = Side("10.0", catalogue("10.0"), "pc-q35-7.2")
    sides = build((side, side), ("isa-i8259", "isa-serial"), Notes())
    source, target = ([Bench(item) for item in board.devices if item] for board in sides)
    initialise(source[0])
    source[1].put(1, 0x02)  # the transmitter is empty
    source[0].get(ACKNOWLEDGE)
    source[0].put(COMMAND, 0x11)  # forgets the level
    for here, there in zip(source, target, strict=True):
        there.model.pre_load()
        payload = saved_section(here.device)
        load_section(there.device, there.device.section.version_id, payload, set())
    assert target[1].line(4)
    assert requests(target[0]) == requests(source[0]) == 0
