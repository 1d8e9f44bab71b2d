"""What surrounds a modelled device: virtual time, guest memory, interrupt lines.

All of it migrates with the machine: time in QEMU's ``timer`` section (system/cpu-timers.c), memory
in ``ram``. Interrupt lines are levels that the devices restore from their own state; what listens
to a line brings along what it had heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from machines.emulator.errors import EmulatorError
from machines.emulator.memory import TARGET_PAGE_SIZE

RAM_BLOCK = "pc.ram"
RAM_SIZE = 16 * 2**20
#: Where a message reaches a processor, and its vectors among the lines (Intel SDM 3A, 11.11).
APIC_BASE, APIC_MASK, FIRST_VECTOR = 0xFEE00000, ~0xFFFFF, 1024
MAX_EXPIRATIONS = 100_000  # of one wait: a timer that re-arms itself at once would never end


class BusError(EmulatorError):
    """The guest reached beyond its memory, or a timer never came to rest."""


class Timed(Protocol):
    """A device with timers, see :class:`machines.emulator.devices.model.Model`."""

    def deadline(self) -> int | None: ...

    def expire(self) -> None: ...


class GuestRam:
    """The guest's memory. Pages that were never written are zero and take no space."""

    def __init__(self, size: int = RAM_SIZE) -> None:
        self.size = size
        self._pages: dict[int, bytearray] = {}

    def read(self, address: int, length: int) -> bytes:
        """``length`` bytes at a guest-physical address. Raises :class:`BusError`."""
        data = bytearray()
        for page, start, end in self._pieces(address, length):
            held = self._pages.get(page)
            data += bytes(end - start) if held is None else held[start:end]
        return bytes(data)

    def write(self, address: int, data: bytes) -> None:
        """Raises :class:`BusError`."""
        at = 0
        for page, start, end in self._pieces(address, len(data)):
            held = self._pages.setdefault(page, bytearray(TARGET_PAGE_SIZE))
            held[start:end] = data[at : at + end - start]
            at += end - start

    def pages(self) -> Mapping[int, bytes]:
        """Page address → content of every page that is not zero, in order."""
        return {
            page * TARGET_PAGE_SIZE: bytes(self._pages[page])
            for page in sorted(self._pages)
            if any(self._pages[page])
        }

    def replace(self, pages: Mapping[int, bytes]) -> None:
        """Forget all and take these pages instead."""
        self._pages.clear()
        for address, data in pages.items():
            self.write(address, data)

    def _pieces(self, address: int, length: int) -> Iterator[tuple[int, int, int]]:
        """(page, start, end) of each page that a range touches."""
        if address < 0 or length < 0 or address + length > self.size:
            raise BusError(f"guest address 0x{address:x}+0x{length:x} is outside its memory")
        while length:
            page, start = divmod(address, TARGET_PAGE_SIZE)
            end = min(TARGET_PAGE_SIZE, start + length)
            yield page, start, end
            address += end - start
            length -= end - start


class Storage:
    """Disks that several machines reach: what both ends of a migration share, and no stream has.

    A disk is known by a name; it comes into being, all zeroes, when a machine first asks for it.
    """

    def __init__(self) -> None:
        self._disks: dict[str, bytearray] = {}

    def disk(self, name: str, size: int) -> bytearray:
        """The disk of that name; ``size`` in bytes matters where there is none yet."""
        if name not in self._disks:
            self._disks[name] = bytearray(size)
        return self._disks[name]


class Platform:
    """Time, memory and interrupt lines of one machine, and the storage that it reaches."""

    def __init__(self, storage: Storage | None = None) -> None:
        self.now = 0
        self.storage = Storage() if storage is None else storage
        self.ram = GuestRam()
        self.devices: list[Timed] = []
        #: interrupt line → level; absent is low
        self.lines: dict[int, bool] = {}
        #: line → how often it rose since the machine started, as an edge-triggered input counts
        self.edges: dict[int, int] = {}
        self._listeners: list[Callable[[int, bool], None]] = []

    def set_line(self, line: int, level: bool) -> None:
        """Drive an interrupt line."""
        if level and not self.lines.get(line, False):
            self.edges[line] = self.edges.get(line, 0) + 1
        self.lines[line] = level
        for listener in self._listeners:
            listener(line, level)

    def restore_line(self, line: int, level: bool) -> None:
        """Put a line on the level that it had before the migration: nobody hears a change."""
        self.lines[line] = level

    def send_message(self, address: int, data: int) -> None:
        """A message-signalled interrupt: a write of 32 bits, wherever the guest has it go.

        At the local APIC's addresses it is the vector's edge, in memory it is what it is.
        """
        if address + 4 <= self.ram.size:
            self.ram.write(address, data.to_bytes(4, "little"))
        elif address & APIC_MASK == APIC_BASE:
            vector = FIRST_VECTOR + (data & 0xFF)
            self.edges[vector] = self.edges.get(vector, 0) + 1

    def listen(self, listener: Callable[[int, bool], None]) -> None:
        """Tell ``listener`` (line, level) whenever a line is driven, changed or not."""
        self._listeners.append(listener)

    def advance(self, duration: int) -> None:
        """Let virtual time pass (ns); every timer expires at its deadline, the earliest first."""
        end = self.now + duration
        for _ in range(MAX_EXPIRATIONS):
            pending = [
                (when, device) for device in self.devices if (when := device.deadline()) is not None
            ]
            when, device = min(pending, key=lambda item: item[0], default=(end + 1, None))
            if device is None or when > end:
                self.now = end
                return
            self.now = max(self.now, when)
            device.expire()
        raise BusError(f"timers expired {MAX_EXPIRATIONS} times within {duration} ns")
