"""A guest's driver for virtio devices on PCI, as the guest programs of all of them use it.

It finds its way as the Virtual I/O Device specification 1.2 tells a driver to: base addresses,
the capability list, feature negotiation, queues (chapters 3.1, 4.1.5), in either register layout.
Messages of MSI-X it has sent to its own memory, where it sees whether they came.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from machines.emulator.devices import virtio_spec as spec
from machines.emulator.devices.pci import bar_offset
from machines.emulator.devices.processor import PROGRAM_MEMORY, Processor
from machines.emulator.devices.virtqueue import (
    DESCRIPTOR,
    EVENT_INDEX,
    INDIRECT,
    INDIRECT_DESCRIPTORS,
    NEXT,
    NO_VECTOR,
    PAGE_SIZE,
    WRITE,
)
from machines.emulator.pci import (
    CAP_MSIX,
    CAP_VENDOR,
    CAPABILITIES,
    COMMAND,
    COMMAND_IO,
    COMMAND_MASTER,
    COMMAND_MEMORY,
    FIRST_BAR,
    STATUS,
)

#: Base address register → where the driver puts it.
BASES = {0: 0xC000, 1: 0xFEB90000, 2: 0xC400, 4: 0xFE000000}
#: The program's memory: rings, then buffers, then the place for messages.
RINGS, BUFFERS, MAILBOX = 0, PROGRAM_MEMORY // 2, PROGRAM_MEMORY - PAGE_SIZE
MAX_CAPABILITIES = 48
MESSAGE = 0x4C530000
LEGACY = bar_offset(spec.LEGACY_BAR)
USED_ENTRY_SIZE = 8


@dataclass(slots=True)
class Ring:
    """A queue as its driver keeps it; addresses are the guest's."""

    size: int
    descriptors: int
    available: int
    used: int
    offered: int = 0
    next_descriptor: int = 0


class Driver:
    """Drives the device that ``processor`` reaches. What it draws decides how."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.rings: dict[int, Ring] = {}
        self.accepted = 0
        self.is_modern = False
        self.uses_messages = False
        self.free = processor.base + BUFFERS

    # Starting.

    def start(self, queues: int) -> None:
        """Bring the device up with as many of its first queues."""
        processor = self.processor
        for number, base in BASES.items():
            processor.write(FIRST_BAR + 4 * number, base, 4)
        processor.write(COMMAND, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, 2)
        choice = processor.draw(1)[0]
        self._read_capabilities()
        legacy = processor.read(2, 2) < 0x1040
        self.is_modern = bool(self._structures) and (bool(choice & 1) or not legacy)
        self.set_status(0)
        self.set_status(spec.ACKNOWLEDGE)
        self.set_status(spec.ACKNOWLEDGE | spec.DRIVER)
        self._negotiate(processor.draw(4))
        self._use_messages(bool(choice & 2))
        self.rings = {}
        for number in range(queues):
            self._set_up(number, queues)
        self.set_status(self._status | spec.DRIVER_OK)
        processor.read(COMMAND, 2)

    def _read_capabilities(self) -> None:
        """Walk the capability list: where virtio's structures and the MSI-X control are."""
        processor = self.processor
        self._structures: dict[int, int] = {}
        self._step = self._msix = 0
        at = processor.read(CAPABILITIES)
        for _ in range(MAX_CAPABILITIES):
            if not at:
                return
            kind, following = processor.read(at), processor.read(at + 1)
            if kind == CAP_MSIX:
                self._msix = at
            elif kind == CAP_VENDOR:
                structure, bar = processor.read(at + 3), processor.read(at + 4)
                place = bar_offset(bar) + processor.read(at + 8, 4)
                if structure == spec.CAP_NOTIFY and bar == spec.MODERN_BAR:
                    self._step = processor.read(at + 16, 4)
                if bar == spec.MODERN_BAR:
                    self._structures[structure] = place
            at = following

    def set_status(self, status: int) -> None:
        self._status = status
        if self.is_modern:
            self._write_common(spec.STATUS, status, 1)
        else:
            self.processor.write(LEGACY + spec.L_STATUS, status)

    def _negotiate(self, wanted: bytes) -> None:
        """Accept what is drawn of how queues work, and all that is the device's own."""
        mask = 0xFFFFFF | (wanted[0] & 0x3F) << 24
        if not self.is_modern:
            offered = self.processor.read(LEGACY + spec.L_FEATURES, 4)
            self.accepted = offered & mask & ~(1 << spec.BAD_FEATURE)
            self.processor.write(LEGACY + spec.L_DRIVER_FEATURES, self.accepted, 4)
            return
        offered = 0
        for half in range(2):
            self._write_common(spec.FEATURE_SELECT, half, 4)
            offered |= self._read_common(spec.FEATURES, 4) << 32 * half
        self.accepted = offered & (mask | 1 << spec.VERSION_1)
        for half in range(2):
            self._write_common(spec.DRIVER_FEATURE_SELECT, half, 4)
            word = self.accepted >> 32 * half & 0xFFFFFFFF
            self._write_common(spec.DRIVER_FEATURES, word, 4)
        self.set_status(self._status | spec.FEATURES_OK)
        self._read_common(spec.STATUS, 1)

    def _use_messages(self, wanted: bool) -> None:
        """Vector 0 for the configuration, the last one for every queue."""
        processor = self.processor
        self.uses_messages = wanted and bool(self._msix)
        if not self._msix:
            return
        processor.write(self._msix + 3, 0x80 if self.uses_messages else 0)
        self._vectors = (processor.read(self._msix + 2, 2) & 0x7FF) + 1
        if not self.uses_messages:
            return
        table = bar_offset(spec.MSIX_BAR)
        for vector in {0, self._vectors - 1}:
            message = struct.pack("<QII", self._mailbox(vector), MESSAGE | vector, 0)
            for at in range(0, len(message), 4):
                word = int.from_bytes(message[at : at + 4], "little")
                processor.write(table + 16 * vector + at, word, 4)
        if self.is_modern:
            self._write_common(spec.CONFIG_VECTOR, 0, 2)
        else:
            processor.write(LEGACY + spec.L_CONFIG_VECTOR, 0, 2)

    def _mailbox(self, vector: int) -> int:
        return self.processor.base + MAILBOX + 4 * (vector & 0x3FF)

    # Queues.

    def _set_up(self, number: int, queues: int) -> None:
        """Place a queue's rings, if they fit into the program's memory."""
        processor, space = self.processor, BUFFERS // queues
        start = processor.base + RINGS + space * number
        vector = self._vectors - 1 if self.uses_messages else NO_VECTOR
        if self.is_modern:
            self._write_common(spec.QUEUE_SELECT, number, 2)
            size = self._read_common(spec.QUEUE_SIZE, 2)
        else:
            processor.write(LEGACY + spec.L_QUEUE_SELECT, number, 2)
            size = processor.read(LEGACY + spec.L_QUEUE_SIZE, 2)
        available = start + DESCRIPTOR.size * size
        used = -(-(available + 4 + 2 * size) // PAGE_SIZE) * PAGE_SIZE
        if not size or used + 6 + USED_ENTRY_SIZE * size > start + space:
            return
        processor.store(start, bytes(used + 6 + USED_ENTRY_SIZE * size - start))
        ring = self.rings[number] = Ring(size, start, available, used)
        if self.is_modern:
            self._enable(ring, vector)
            return
        if self.uses_messages:
            processor.write(LEGACY + spec.L_QUEUE_VECTOR, vector, 2)
        processor.write(LEGACY + spec.L_QUEUE_PAGE, start // PAGE_SIZE, 4)

    def _enable(self, ring: Ring, vector: int) -> None:
        self._write_common(spec.QUEUE_SIZE, ring.size, 2)
        self._write_common(spec.QUEUE_VECTOR, vector, 2)
        for register, address in (
            (spec.QUEUE_DESCRIPTORS, ring.descriptors),
            (spec.QUEUE_AVAILABLE, ring.available),
            (spec.QUEUE_USED, ring.used),
        ):
            self._write_common(register, address & 0xFFFFFFFF, 4)
            self._write_common(register + 4, address >> 32, 4)
        self._write_common(spec.QUEUE_ENABLE, 1, 2)

    def offer(self, number: int, readable: Sequence[bytes], writable: Sequence[int]) -> None:
        """Make a chain available: buffers for the device to read, and lengths of ones to fill."""
        ring = self.rings.get(number)
        if ring is None:
            return
        segments = [(self._store(data), len(data), 0) for data in readable]
        segments += [(self._store(bytes(length)), length, WRITE) for length in writable]
        if self.accepted >> INDIRECT_DESCRIPTORS & 1 and self.processor.draw(1)[0] & 1:
            table = self._store(_chain(segments, 0))
            segments = [(table, DESCRIPTOR.size * len(segments), INDIRECT)]
        head = ring.next_descriptor
        if head + len(segments) > ring.size:
            return
        processor = self.processor
        processor.store(ring.descriptors + DESCRIPTOR.size * head, _chain(segments, head))
        ring.next_descriptor += len(segments)
        slot = ring.available + 4 + 2 * (ring.offered % ring.size)
        processor.store(slot, head.to_bytes(2, "little"))
        ring.offered = ring.offered + 1 & 0xFFFF
        processor.store(ring.available + 2, ring.offered.to_bytes(2, "little"))

    def _store(self, data: bytes) -> int:
        """Put something into the next free buffer: its address."""
        at = self.free
        self.processor.store(at, data)
        self.free = at + -(-len(data) // 16) * 16
        return at

    def notify(self, number: int) -> None:
        """Tell the device that there is something new."""
        if self.is_modern:
            place = self._structures[spec.CAP_NOTIFY] + self._step * number
            self.processor.write(place, number, 2)
        else:
            self.processor.write(LEGACY + spec.L_QUEUE_NOTIFY, number, 2)

    def collect(self, number: int) -> None:
        """See what came back: the interrupt, the used ring, every buffer. Then use all anew."""
        processor, ring = self.processor, self.rings.get(number)
        self._read_interrupt()
        if ring is None:
            return
        processor.fetch(ring.used + 2, 2)
        processor.fetch(ring.used + 4, USED_ENTRY_SIZE * ring.size)
        start = processor.base + BUFFERS
        processor.fetch(start, self.free - start)
        if self.accepted >> EVENT_INDEX & 1:  # hear of the next one given back
            event = ring.available + 4 + 2 * ring.size
            processor.store(event, ring.offered.to_bytes(2, "little"))
        self.free = start
        ring.next_descriptor = 0

    def _read_interrupt(self) -> None:
        processor = self.processor
        processor.read(STATUS, 2)
        if self.is_modern:
            processor.read(self._structures[spec.CAP_ISR])
        else:
            processor.read(LEGACY + spec.L_ISR)
        processor.read(STATUS, 2)
        if self.uses_messages:
            mailbox = self._mailbox(self._vectors - 1)
            processor.fetch(mailbox, 4)
            processor.store(mailbox, bytes(4))

    def look_around(self) -> None:
        """Read every register that has no effect."""
        processor = self.processor
        if not self.is_modern:
            for at, size in ((4, 4), (8, 4), (12, 2), (14, 2), (18, 1), (20, 2), (22, 2)):
                processor.read(LEGACY + at, size)
            return
        for at in (0, 4, 8, 12):
            self._read_common(at, 4)
        for at in (16, 18, 22, 24, 26, 28, 30):
            self._read_common(at, 2)
        for at in (20, 21):
            self._read_common(at, 1)
        for at in range(spec.QUEUE_DESCRIPTORS, spec.QUEUE_USED + 8, 4):
            self._read_common(at, 4)

    def read_config(self, at: int, size: int) -> int:
        """The device's own configuration."""
        if self.is_modern:
            return self.processor.read(self._structures[spec.CAP_DEVICE] + at, size)
        start = spec.L_CONFIG_WITH_MSIX if self.uses_messages else spec.L_CONFIG
        return self.processor.read(LEGACY + start + at, size)

    def _read_common(self, at: int, size: int) -> int:
        return self.processor.read(self._structures[spec.CAP_COMMON] + at, size)

    def _write_common(self, at: int, value: int, size: int) -> None:
        self.processor.write(self._structures[spec.CAP_COMMON] + at, value, size)


def _chain(segments: Sequence[tuple[int, int, int]], first: int) -> bytes:
    """A table of descriptors, each leading to the next."""
    last = len(segments) - 1
    return b"".join(
        DESCRIPTOR.pack(address, length, flags | (NEXT if number < last else 0), first + number + 1)
        for number, (address, length, flags) in enumerate(segments)
    )
