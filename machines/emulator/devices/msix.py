"""MSI-X: a device's table of messages, and which of them are pending.

After the PCI Local Bus Specification 3.0, chapter 6.8.2, and hw/pci/msix.c. Table and pending bits
share a base address register of their own, the pending bits from the middle of its first page.
"""

from __future__ import annotations

import struct

from machines.emulator.devices.pci import Configuration, PciModel
from machines.emulator.pci import CAP_MSIX, Bar

ENTRY_SIZE = 16
ENTRY = struct.Struct("<QII")  # address, data, vector control
MASKED = 0x01  # in an entry's vector control
CONTROL = 2  # of the capability
ENABLE, MASK_ALL = 0x80, 0x40  # in the control word's upper byte
MAX_VECTORS = 2048
MIN_BAR_SIZE = 4096


class Msix:
    """The table of a device that has ``vectors`` vectors; ``built`` gets capability and BAR."""

    def __init__(self, device: PciModel, built: Configuration, number: int, vectors: int) -> None:
        self.device = device
        self.bar = number
        self.vectors = vectors
        self.pending_at = max(MIN_BAR_SIZE // 2, vectors * ENTRY_SIZE)
        pending_size = -(-vectors // 64) * 8
        size = max(MIN_BAR_SIZE, self.pending_at + pending_size)
        built.add_bar(Bar(number, 1 << (size - 1).bit_length()))
        place = struct.pack("<HII", vectors - 1, number, self.pending_at | number)
        self._control = built.add_capability(CAP_MSIX, place) + CONTROL + 1
        self.reset()

    def reset(self) -> None:
        """Every vector is masked, none is pending."""
        self.table = bytearray(ENTRY.pack(0, 0, MASKED) * self.vectors)
        self.pending = bytearray((self.vectors + 7) // 8)

    # What the guest reaches.

    def read(self, at: int, size: int) -> int:
        table = bytes(self.table).ljust(self.pending_at, b"\0") + bytes(self.pending)
        return int.from_bytes(table[at : at + size], "little")

    def write(self, at: int, value: int, size: int) -> None:
        vector = at // ENTRY_SIZE
        if at + size > len(self.table):
            return
        was_masked = self.is_masked(vector)
        self.table[at : at + size] = value.to_bytes(8, "little")[:size]
        self._unmasked(vector, was_masked)

    @property
    def is_enabled(self) -> bool:
        return bool(self.device.config[self._control] & ENABLE)

    @property
    def is_silent(self) -> bool:
        """Are all vectors masked together, or MSI-X switched off?"""
        return self.device.config[self._control] & (ENABLE | MASK_ALL) != ENABLE

    def control_written(self, was_silent: bool) -> None:
        """The guest wrote the capability's control word."""
        if was_silent and not self.is_silent:
            for vector in range(self.vectors):
                self._unmasked(vector, True)

    def is_masked(self, vector: int) -> bool:
        return self.is_silent or bool(self.table[vector * ENTRY_SIZE + 12] & MASKED)

    # What the device does.

    def notify(self, vector: int) -> None:
        """Send a vector's message, or leave it pending while it is masked."""
        if not 0 <= vector < self.vectors:
            return
        if self.is_masked(vector):
            self.pending[vector // 8] |= 1 << vector % 8
            return
        address, data, _ = ENTRY.unpack_from(self.table, vector * ENTRY_SIZE)
        if self.device.is_master:
            self.device.platform.send_message(address, data)

    def _unmasked(self, vector: int, was_masked: bool) -> None:
        bit = 1 << vector % 8
        if was_masked and not self.is_masked(vector) and self.pending[vector // 8] & bit:
            self.pending[vector // 8] &= ~bit
            self.notify(vector)

    # Migration (``msix_save``, ``msix_load``).

    @property
    def state_size(self) -> int:
        return len(self.table) + len(self.pending)

    def state(self) -> bytes:
        return bytes(self.table + self.pending)

    def load(self, state: bytes) -> None:
        """Take over a state of :attr:`state_size` bytes; what is pending and not masked is sent."""
        self.table = bytearray(state[: len(self.table)])
        self.pending = bytearray(state[len(self.table) :])
        for vector in range(self.vectors):
            self._unmasked(vector, True)
