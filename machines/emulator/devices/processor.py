"""The guest's processor, as the guest program of a modelled device uses it.

A guest program is a generator: between two of its steps, where it yields, the machine may be
migrated, and the program goes on where it stopped, as software does that does not know. What it
reads is what the guest sees, and goes into its log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

PROGRAM_MEMORY = 64 * 1024
MEMORY_BASE = 2**20  # above the first megabyte, where firmware lives


class Hardware(Protocol):
    """One device of a machine, reached from its guest.

    Offsets, sizes and lengths are in bytes, offsets from the device's own base, addresses
    guest-physical. Raises :class:`machines.emulator.devices.platform.BusError`.
    """

    def read(self, offset: int, size: int) -> int:
        """A register's value."""
        ...

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register."""
        ...

    def advance(self, duration: int) -> None:
        """Let virtual time pass, in ns."""
        ...

    def line(self, number: int) -> bool:
        """Is the interrupt line high?"""
        ...

    def fetch(self, address: int, length: int) -> bytes:
        """Guest memory."""
        ...

    def store(self, address: int, data: bytes) -> None:
        """Write guest memory."""
        ...


class Processor:
    """Runs one device's guest program on whatever hardware it stands on at the moment.

    ``base`` is where the program's own piece of guest memory begins, :data:`PROGRAM_MEMORY`
    bytes long. Drawn values depend on the seed alone, so two runs of a program do the same.
    """

    def __init__(self, hardware: Hardware, seed: str, base: int) -> None:
        self.hardware = hardware
        self.base = base
        self._seed = seed
        self._draws = 0
        self._log = hashlib.sha256()

    def read(self, offset: int, size: int = 1) -> int:
        """Read a register; what is read is logged."""
        value = self.hardware.read(offset, size)
        self._saw(value.to_bytes(8, "big"))
        return value

    def write(self, offset: int, value: int, size: int = 1) -> None:
        """Write a register."""
        self.hardware.write(offset, value, size)

    def wait(self, duration: int) -> None:
        """Let virtual time pass, in ns."""
        self.hardware.advance(duration)

    def line(self, number: int) -> bool:
        """The level of an interrupt line; it is logged."""
        level = self.hardware.line(number)
        self._saw(bytes((level,)))
        return level

    def fetch(self, address: int, length: int) -> bytes:
        """Guest memory that a device may have written; it is logged."""
        data = self.hardware.fetch(address, length)
        self._saw(data)
        return data

    def store(self, address: int, data: bytes) -> None:
        """Write guest memory."""
        self.hardware.store(address, data)

    def draw(self, length: int) -> bytes:
        """``length`` bytes that depend on the seed and on how often something was drawn."""
        self._draws += 1
        return hashlib.shake_128(f"{self._seed}/{self._draws}".encode()).digest(length)

    def seen(self) -> bytes:
        """A digest of everything that the program read so far."""
        return self._log.digest()

    def _saw(self, data: bytes) -> None:
        self._log.update(len(data).to_bytes(4, "big") + data)


#: A guest program; each ``next()`` is one step.
Exercise = Callable[[Processor], Iterator[None]]
