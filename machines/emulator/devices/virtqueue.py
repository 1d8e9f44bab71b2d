"""A split virtqueue: three rings in guest memory, as a device reads and writes them.

After the Virtual I/O Device specification 1.2, chapter 2.7; which indexes a device keeps, and what
it takes for a driver's fault, after hw/virtio/virtio.c.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from machines.emulator.devices.platform import BusError, GuestRam
from machines.emulator.errors import EmulatorError

MAX_SIZE = 1024  # of a queue, VIRTQUEUE_MAX_SIZE
PAGE_SIZE = 4096  # legacy rings begin on one
NO_VECTOR = 0xFFFF

DESCRIPTOR = struct.Struct("<QIHH")  # address, length, flags, next
NEXT, WRITE, INDIRECT = 0x01, 0x02, 0x04
NO_INTERRUPT = 0x01  # the available ring's flags
NO_NOTIFY = 0x01  # the used ring's flags
_HEADER = 4  # flags and index, before either ring's entries
_USED_ENTRY = struct.Struct("<II")

#: Feature bits that change how a queue works (chapter 6).
NOTIFY_ON_EMPTY, INDIRECT_DESCRIPTORS, EVENT_INDEX = 24, 28, 29

_ADDRESS = 2**64 - 1
Segment = tuple[int, int]


class DriverFault(EmulatorError):
    """What the driver put into guest memory makes no sense: the device breaks, in these words."""


@dataclass(frozen=True, slots=True)
class Element:
    """A chain of descriptors that the device took: what it may read, and what it may write.

    Segments are (guest address, length in bytes); ``head`` is the first descriptor's number.
    """

    head: int
    readable: tuple[Segment, ...]
    writable: tuple[Segment, ...]

    @property
    def room(self) -> int:
        """How many bytes the device may write."""
        return sum(length for _, length in self.writable)

    def read(self, ram: GuestRam) -> bytes:
        """All that the driver hands over. Raises :class:`DriverFault`."""
        try:
            return b"".join(ram.read(address, length) for address, length in self.readable)
        except BusError as error:
            raise DriverFault(str(error)) from error

    def write(self, ram: GuestRam, data: bytes, at: int = 0) -> None:
        """Fill the driver's buffers from position ``at`` on, as far as they reach."""
        try:
            for address, length in self.writable:
                piece = data[: max(0, length - at)]
                if at < length and piece:
                    ram.write(address + at, piece)
                    data = data[len(piece) :]
                at = max(0, at - length)
        except BusError as error:
            raise DriverFault(str(error)) from error


@dataclass(slots=True)
class Virtqueue:
    """One queue. ``size`` is what the driver sees and may change, ``allocated`` that after reset.

    ``last_available`` and ``used_index`` count what the device took and gave back; ``in_use`` is
    the difference. ``signalled`` is the used index of the last interrupt, None if unknown.
    """

    ram: GuestRam
    has_feature: Callable[[int], bool]
    allocated: int
    size: int = 0
    descriptors: int = 0
    available: int = 0
    used: int = 0
    last_available: int = 0
    used_index: int = 0
    in_use: int = 0
    signalled: int | None = None
    vector: int = NO_VECTOR

    def __post_init__(self) -> None:
        self.size = self.allocated

    def reset(self) -> None:
        self.size = self.allocated
        self.descriptors = self.available = self.used = 0
        self.last_available = self.used_index = self.in_use = 0
        self.signalled = None
        self.vector = NO_VECTOR

    # Where the rings are.

    def set_size(self, size: int) -> None:
        """A driver may not make a queue come or go by its size."""
        if size <= MAX_SIZE and bool(size) == bool(self.size):
            self.size = size

    def place(self, descriptors: int, available: int, used: int) -> None:
        if self.size:
            rings = (descriptors, available, used)
            self.descriptors, self.available, self.used = (place & _ADDRESS for place in rings)

    def place_legacy(self, address: int) -> None:
        """The three rings follow each other, the used one on a page of its own."""
        if self.size:
            available = address + DESCRIPTOR.size * self.size
            end = available + _HEADER + 2 * self.size
            self.place(address, available, -(-end // PAGE_SIZE) * PAGE_SIZE)

    def resume(self) -> None:
        """Work out from the rings what is not in a stream (the end of ``virtio_load``).

        Raises :class:`DriverFault` where the rings contradict what the device took.
        """
        self.used_index = self._word(self.used + 2)
        self.in_use = self.last_available - self.used_index & 0xFFFF
        self.signalled = None

    @property
    def waiting(self) -> int:
        """How many chains the driver made available that the device has not taken."""
        return self._word(self.available + 2) - self.last_available & 0xFFFF

    @property
    def is_empty(self) -> bool:
        return not self.available or not self.waiting

    # Taking and giving back.

    def pop(self) -> Element | None:
        """Take the next chain, None if there is none. Raises :class:`DriverFault`."""
        if self.is_empty:
            return None
        if self.waiting > self.size:
            index = self._word(self.available + 2)
            raise DriverFault(f"Guest moved used index from {self.last_available} to {index}")
        if self.in_use >= self.size:
            raise DriverFault("Virtqueue size exceeded")
        slot = self.available + _HEADER + 2 * (self.last_available % self.size)
        head = self._word(slot)
        if head >= self.size:
            raise DriverFault(f"Guest says index {head} is available")
        self.last_available = self.last_available + 1 & 0xFFFF
        if self.has_feature(EVENT_INDEX):
            self._ask_notification(self.last_available)
        element = self._chain(head)
        self.in_use += 1
        return element

    def _chain(self, head: int) -> Element:
        table, count, number = self.descriptors, min(self.size, MAX_SIZE), head
        address, length, flags, following = self._descriptor(table, number)
        if flags & INDIRECT:
            if not length or length % DESCRIPTOR.size:
                raise DriverFault("Invalid size for indirect buffer table")
            table, count = address, min(length // DESCRIPTOR.size, MAX_SIZE)
            address, length, flags, following = self._descriptor(table, 0)
        readable: list[Segment] = []
        writable: list[Segment] = []
        while True:
            if not length:
                raise DriverFault("virtio: zero sized buffers are not allowed")
            if flags & WRITE:
                writable.append((address, length))
            elif writable:
                raise DriverFault("Incorrect order for descriptors")
            else:
                readable.append((address, length))
            if not flags & NEXT:
                return Element(head, tuple(readable), tuple(writable))
            if len(readable) + len(writable) >= count:
                raise DriverFault("Looped descriptor")
            if following >= count:
                raise DriverFault(f"Desc next is {following}")
            address, length, flags, following = self._descriptor(table, following)

    def push(self, element: Element, written: int) -> None:
        """Give a chain back, ``written`` bytes of it filled. Raises :class:`DriverFault`."""
        if not self.size:
            raise DriverFault("a chain of a queue that is gone")
        slot = self.used + _HEADER + _USED_ENTRY.size * (self.used_index % self.size)
        self._write(slot, _USED_ENTRY.pack(element.head, written & 0xFFFFFFFF))
        self.used_index = self.used_index + 1 & 0xFFFF
        self._write(self.used + 2, self.used_index.to_bytes(2, "little"))
        self.in_use = max(0, self.in_use - 1)

    # Who wants to hear of what.

    def expect_notifications(self) -> None:
        """The device has taken all there was: the driver shall tell of more."""
        if self.has_feature(EVENT_INDEX):
            self._ask_notification(self._word(self.available + 2))
        else:
            flags = self._word(self.used) & ~NO_NOTIFY
            self._write(self.used, flags.to_bytes(2, "little"))

    def _ask_notification(self, index: int) -> None:
        """``avail_event``, behind the used ring's entries."""
        at = self.used + _HEADER + _USED_ENTRY.size * self.size
        self._write(at, index.to_bytes(2, "little"))

    def wants_interrupt(self) -> bool:
        """Does the driver want to be told of what was given back? (chapter 2.7.7.1)"""
        if self.has_feature(NOTIFY_ON_EMPTY) and not self.in_use and self.is_empty:
            return True
        if not self.has_feature(EVENT_INDEX):
            return not self._word(self.available) & NO_INTERRUPT
        before, self.signalled = self.signalled, self.used_index
        if before is None:
            return True
        event = self._word(self.available + _HEADER + 2 * self.size)
        passed, given = self.used_index - event - 1, self.used_index - before
        return (passed & 0xFFFF) < (given & 0xFFFF)

    # Guest memory.

    def _word(self, address: int) -> int:
        try:
            return int.from_bytes(self.ram.read(address, 2), "little")
        except BusError as error:
            raise DriverFault(str(error)) from error

    def _descriptor(self, table: int, number: int) -> tuple[int, int, int, int]:
        try:
            raw = self.ram.read(table + DESCRIPTOR.size * number, DESCRIPTOR.size)
        except BusError as error:
            raise DriverFault(str(error)) from error
        address, length, flags, following = DESCRIPTOR.unpack(raw)
        return address, length, flags, following

    def _write(self, address: int, data: bytes) -> None:
        try:
            self.ram.write(address, data)
        except BusError as error:
            raise DriverFault(str(error)) from error
