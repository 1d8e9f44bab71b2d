"""A split virtqueue in guest memory: chains, tables, notifications, and drivers' faults."""

import pytest

from machines.emulator.devices.platform import GuestRam
from machines.emulator.devices.virtqueue import (
    DESCRIPTOR,
    EVENT_INDEX,
    INDIRECT,
    NEXT,
    NO_INTERRUPT,
    WRITE,
    DriverFault,
    Virtqueue,
)

SIZE, RINGS, TABLE, BUFFER = 8, 0x1000, 0x4000, 0x8000


class Driver:
    """The other side of the queue."""

    def __init__(self, *features: int) -> None:
        self.ram = GuestRam()
        self.queue = Virtqueue(self.ram, features.__contains__, SIZE)
        self.queue.place_legacy(RINGS)

    def describe(self, number: int, descriptor: tuple[int, int, int, int], at: int = RINGS) -> None:
        self.ram.write(at + DESCRIPTOR.size * number, DESCRIPTOR.pack(*descriptor))

    def offer(self, *heads: int) -> None:
        index = self.word(self.queue.available + 2)
        for head in heads:
            slot = self.queue.available + 4 + 2 * (index % SIZE)
            self.ram.write(slot, head.to_bytes(2, "little"))
            index += 1
        self.ram.write(self.queue.available + 2, (index & 0xFFFF).to_bytes(2, "little"))

    def word(self, address: int) -> int:
        return int.from_bytes(self.ram.read(address, 2), "little")

    def fault(self) -> str:
        with pytest.raises(DriverFault) as caught:
            self.queue.pop()
        return str(caught.value)


def test_a_chain_is_taken_in_its_order_and_given_back() -> None:
    driver = Driver()
    driver.describe(2, (BUFFER, 4, NEXT, 5))
    driver.describe(5, (BUFFER + 16, 3, NEXT | WRITE, 1))
    driver.describe(1, (BUFFER + 32, 2, WRITE, 0))
    driver.ram.write(BUFFER, b"ping")
    driver.offer(2)
    element = driver.queue.pop()
    assert element is not None
    assert (element.head, element.room, element.read(driver.ram)) == (2, 5, b"ping")
    element.write(driver.ram, b"pong!")
    assert driver.ram.read(BUFFER + 16, 3) + driver.ram.read(BUFFER + 32, 2) == b"pong!"
    driver.queue.push(element, 5)
    assert driver.ram.read(driver.queue.used + 2, 10) == bytes((1, 0, 2, 0, 0, 0, 5, 0, 0, 0))
    assert driver.queue.pop() is None


def test_writing_begins_where_it_is_told_to() -> None:
    driver = Driver()
    driver.describe(0, (BUFFER, 4, NEXT | WRITE, 1))
    driver.describe(1, (BUFFER + 16, 4, WRITE, 0))
    driver.offer(0)
    element = driver.queue.pop()
    assert element is not None
    element.write(driver.ram, b"abcdefgh", at=3)
    assert driver.ram.read(BUFFER, 20)[3:] == b"a" + bytes(12) + b"bcde"


def test_an_indirect_table_is_a_chain_of_its_own() -> None:
    driver = Driver()
    driver.describe(0, (TABLE, 2 * DESCRIPTOR.size, INDIRECT, 0))
    driver.describe(0, (BUFFER, 4, NEXT, 1), TABLE)
    driver.describe(1, (BUFFER + 16, 8, WRITE, 0), TABLE)
    driver.offer(0)
    element = driver.queue.pop()
    assert element is not None
    assert (element.readable, element.writable) == (((BUFFER, 4),), ((BUFFER + 16, 8),))


@pytest.mark.parametrize(
    ("descriptors", "words"),
    [
        ([(BUFFER, 4, NEXT, 0)], "Looped descriptor"),
        ([(BUFFER, 4, NEXT, 9)], "Desc next is 9"),
        ([(BUFFER, 0, 0, 0)], "zero sized buffers"),
        ([(BUFFER, 4, NEXT | WRITE, 1), (BUFFER, 4, 0, 0)], "Incorrect order for descriptors"),
        ([(TABLE, 17, INDIRECT, 0)], "Invalid size for indirect buffer table"),
        ([(2**40, 16, INDIRECT, 0)], "outside its memory"),
    ],
)
def test_a_chain_that_makes_no_sense(
    descriptors: list[tuple[int, int, int, int]], words: str
) -> None:
    driver = Driver()
    for number, descriptor in enumerate(descriptors):
        driver.describe(number, descriptor)
    driver.offer(0)
    assert words in driver.fault()


def test_an_available_ring_that_makes_no_sense() -> None:
    driver = Driver()
    driver.offer(SIZE)
    assert driver.fault() == f"Guest says index {SIZE} is available"
    driver.offer(*range(SIZE + 1))
    assert "Guest moved used index from" in driver.fault()


def test_indexes_wrap_around() -> None:
    driver = Driver()
    driver.queue.last_available = driver.queue.used_index = 0xFFFF
    driver.ram.write(driver.queue.available + 2, b"\xff\xff")
    driver.describe(0, (BUFFER, 4, WRITE, 0))
    driver.offer(0)
    element = driver.queue.pop()
    assert element is not None
    driver.queue.push(element, 4)
    assert driver.word(driver.queue.used + 2) == 0
    assert driver.queue.last_available == 0


def test_a_driver_may_want_no_interrupts() -> None:
    driver = Driver()
    assert driver.queue.wants_interrupt()
    driver.ram.write(driver.queue.available, bytes((NO_INTERRUPT,)))
    assert not driver.queue.wants_interrupt()


def test_with_event_indexes_each_side_names_what_it_waits_for() -> None:
    driver = Driver(EVENT_INDEX)
    driver.describe(0, (BUFFER, 4, WRITE, 0))
    event = driver.queue.available + 4 + 2 * SIZE
    wants = []
    driver.ram.write(event, b"\1\0")
    for _ in range(3):
        driver.offer(0)
        element = driver.queue.pop()
        assert element is not None
        driver.queue.push(element, 4)
        wants.append(driver.queue.wants_interrupt())
    assert wants == [True, True, False]  # of the first nothing is known yet
    assert driver.word(driver.queue.used + 4 + 8 * SIZE) == 3


def test_a_driver_may_not_make_a_queue_come_or_go() -> None:
    driver = Driver()
    for size, kept in ((4, 4), (0, 4), (2048, 4), (1024, 1024)):
        driver.queue.set_size(size)
        assert driver.queue.size == kept
    none = Virtqueue(driver.ram, lambda _: False, 0)
    none.set_size(8)
    none.place(1, 2, 3)
    assert (none.size, none.descriptors) == (0, 0)
