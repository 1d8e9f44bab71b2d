"""The virtio block device, ``virtio-blk-pci``, on a small disk.

After the Virtual I/O Device specification 1.2, chapter 5.2, and hw/block/virtio-blk.c. What the
disk has to do takes :data:`REQUEST_TIME`. A request that the device has taken and not completed
migrates as one that QEMU is to try again, and is served anew at the destination. The disk is
storage that both ends reach, so it does not migrate, nor does whether it caches writes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from machines.emulator.devices import virtio_driver
from machines.emulator.devices.model import Refused
from machines.emulator.devices.processor import Processor
from machines.emulator.devices.virtio import VirtioPci
from machines.emulator.devices.virtio_spec import (
    ANY_LAYOUT,
    DRIVER_OK,
    LEGACY_FEATURES,
    VERSION_1,
)
from machines.emulator.devices.virtqueue import MAX_SIZE, DriverFault, Element, Virtqueue
from machines.emulator.vmstate import ByteReader

CLASS_SCSI = 0x010000
SECTOR_SIZE = 512
DISK_SIZE = 256 * 1024
REQUEST_TIME = 10**6  # ns
AUTOMATIC_QUEUES = 0xFFFF
MAX_QUEUES = 1024

# Feature bits (chapter 5.2.3).
SEG_MAX, GEOMETRY, READ_ONLY, BLOCK_SIZE, SCSI, FLUSH, TOPOLOGY = 2, 4, 5, 6, 7, 9, 10
CONFIG_WCE, MULTIQUEUE, DISCARD, WRITE_ZEROES = 11, 12, 13, 14

# Request types and statuses (chapter 5.2.6).
IN, OUT, SCSI_COMMAND, TO_FLUSH, GET_ID, TO_DISCARD, TO_WRITE_ZEROES = 0, 1, 2, 4, 8, 11, 13
BARRIER = 0x80000000
OK, IO_ERROR, UNSUPPORTED = 0, 1, 2
ID_LENGTH = 20
UNMAP = 1
HEADER = struct.Struct("<IIQ")
RANGE = struct.Struct("<QII")
_CONFIG = struct.Struct("<QIIHBBIBBHIBxHIIIIIB")
_CONFIG_LENGTHS = {WRITE_ZEROES: 57, DISCARD: 48}
_PLAIN_CONFIG_LENGTH = 36

#: A request on the wire is a C structure of the source's (``VirtQueueElementOld``): index, counts,
#: addresses of 1024 buffers in and out, then their (pointer, length), the pointers zero.
_COUNTS = struct.Struct("<III4x")
_ADDRESSES, _VECTORS = 8 * MAX_SIZE, 16 * MAX_SIZE
ELEMENT_SIZE = _COUNTS.size + 2 * _ADDRESSES + 2 * _VECTORS


@dataclass(frozen=True, slots=True)
class Request:
    """A chain that the device has taken; ``due`` in ns of virtual time."""

    queue: int
    element: Element
    due: int


class VirtioBlk(VirtioPci):
    """Queues of requests on one disk."""

    drivers = ("virtio-blk-pci", "virtio-blk-pci-transitional", "virtio-blk-pci-non-transitional")
    virtio_id = 2
    transitional_id = 0x1001
    device_class = CLASS_SCSI
    legacy_features = LEGACY_FEATURES | 1 << SCSI

    # What its properties make of it.

    def queue_sizes(self) -> tuple[int, ...]:
        return (self.queue_size,) * self.queue_count

    @property
    def queue_count(self) -> int:
        """One for each processor of the machine where it is automatic: the machine has one."""
        count = self.number("num-queues", 1)
        if not count:
            raise Refused("num-queues property must be larger than 0")
        if count != AUTOMATIC_QUEUES and count > MAX_QUEUES:
            raise Refused(f"num-queues property must be at most {MAX_QUEUES}")
        return 1 if count == AUTOMATIC_QUEUES else count

    @property
    def queue_size(self) -> int:
        size = self.number("queue-size", 128)
        if not 2 < size <= MAX_SIZE or size & size - 1:
            power = f"must be a power of 2 (max {MAX_SIZE})"
            raise Refused(f"invalid queue-size property ({size}), {power}")
        return size

    def default_vectors(self) -> int:
        return self.queue_count + 1

    def device_features(self, features: int) -> int:
        for bit in (SEG_MAX, GEOMETRY, BLOCK_SIZE, TOPOLOGY):
            features |= 1 << bit
        for bit, name in (
            (CONFIG_WCE, "config-wce"),
            (DISCARD, "discard"),
            (WRITE_ZEROES, "write-zeroes"),
        ):
            features |= 1 << bit if self.flag(name, False) else 0
        if not features >> VERSION_1 & 1:
            features = features & ~(1 << ANY_LAYOUT) | 1 << SCSI
        elif self.flag("scsi", False):
            reason = "Please set scsi=off for virtio-blk devices in order to use virtio 1.0"
            raise Refused(reason)
        self._caches_at_first = self._word("write-cache", "auto") != "off"
        if self._caches_at_first or (
            features >> CONFIG_WCE & 1 and self.flag("x-enable-wce-if-config-wce", False)
        ):
            features |= 1 << FLUSH
        return features | (1 << MULTIQUEUE if self.queue_count > 1 else 0)

    def _word(self, name: str, absent: str) -> str:
        """A switch that may be automatic."""
        text = (self.properties.get(name) or absent).lower()
        return text if text == "auto" else "on" if self.flag(name, False) else "off"

    def config_length(self) -> int:
        for bit, length in _CONFIG_LENGTHS.items():
            if self.host_features >> bit & 1:
                return length
        return _PLAIN_CONFIG_LENGTH

    # Its configuration.

    def connect(self) -> None:
        super().connect()
        name = f"{self.driver}#{self.instance}"
        self.disk = self.platform.storage.disk(name, DISK_SIZE)

    def reset(self) -> None:
        self.requests: list[Request] = []
        super().reset()

    def device_reset(self) -> None:
        self.requests.clear()
        self.caches_writes = self._caches_at_first

    def device_config(self) -> bytes:
        """All sizes in sectors of 512 bytes (chapter 5.2.4)."""
        sectors = len(self.disk) // SECTOR_SIZE
        heads, track = 16, 63
        cylinders = min(16383, max(2, sectors // (heads * track)))
        block = self.number("logical_block_size", 0) or SECTOR_SIZE
        physical = self.number("physical_block_size", 0) or block
        granularity = self.number("discard_granularity", 0xFFFFFFFF)
        if granularity == 0xFFFFFFFF or not self.flag("report-discard-granularity", False):
            granularity = block
        adjusted = self.flag("seg-max-adjust", False)
        return _CONFIG.pack(
            sectors,
            0,
            (self.queue_size if adjusted else 128) - 2,
            *(cylinders, heads, track),
            block,
            max(0, (physical // block).bit_length() - 1),
            0,
            self.number("min_io_size", 0) // block,
            self.number("opt_io_size", 0) // block,
            self.caches_writes,
            self.queue_count,
            *(self.number("max-discard-sectors", 0), 1, granularity // SECTOR_SIZE),
            *(self.number("max-write-zeroes-sectors", 0), 1, 1),
        )[: self.config_length()]

    def device_config_written(self, config: bytes) -> None:
        """A driver may choose whether writes are cached."""
        self.caches_writes = bool(config[32])

    def device_status(self, status: int) -> None:
        if status & DRIVER_OK and not self.has_feature(CONFIG_WCE):
            self.caches_writes = self.has_feature(FLUSH)

    # Requests.

    def handle(self, number: int) -> None:
        queue = self.queues[number]
        while element := queue.pop():
            if self._is_work(element):
                self.requests.append(Request(number, element, self.platform.now + REQUEST_TIME))
            else:
                self._serve(queue, element)
        queue.expect_notifications()

    def _asked(self, element: Element) -> tuple[int, int, bytes]:
        """Type, sector and data of a request. Raises :class:`DriverFault`."""
        if not element.readable or not element.writable:
            raise DriverFault("virtio-blk missing headers")
        given = element.read(self.platform.ram)
        if len(given) < HEADER.size:
            raise DriverFault("virtio-blk request outhdr too short")
        kind, _, sector = HEADER.unpack_from(given)
        return kind & ~BARRIER, sector, given[HEADER.size :]

    def _is_work(self, element: Element) -> bool:
        """Does the disk have to do something? What it has not is answered at once."""
        kind, sector, data = self._asked(element)
        start = sector * SECTOR_SIZE
        if kind in (TO_DISCARD, TO_WRITE_ZEROES):
            return self._range(kind, data)[0] == OK
        if kind in (IN, OUT):
            return self._is_inside(start, len(data) if kind == OUT else element.room - 1)
        return kind == TO_FLUSH

    def device_deadline(self) -> int | None:
        return min((request.due for request in self.requests), default=None)

    def device_expire(self) -> None:
        due = [request for request in self.requests if request.due <= self.platform.now]
        self.requests = [request for request in self.requests if request not in due]
        try:
            for request in due:
                self._serve(self.queues[request.queue], request.element)
        except DriverFault:
            self.fail()

    def _serve(self, queue: Virtqueue, element: Element) -> None:
        """Do what a request asks for, and give it back with its status in the last byte."""
        ram = self.platform.ram
        status, data = self._do(*self._asked(element), element.room - 1)
        element.write(ram, data)
        element.write(ram, bytes((status,)), element.room - 1)
        self.complete(queue, element, element.room)

    def _do(self, kind: int, sector: int, data: bytes, room: int) -> tuple[int, bytes]:
        """A request's status, and what the driver gets."""
        start = sector * SECTOR_SIZE
        if kind == IN:
            if not self._is_inside(start, room):
                return IO_ERROR, b""
            return OK, bytes(self.disk[start : start + room])
        if kind == OUT:
            if not self._is_inside(start, len(data)):
                return IO_ERROR, b""
            self.disk[start : start + len(data)] = data
            return OK, b""
        if kind == TO_FLUSH:
            return OK, b""
        if kind == GET_ID:
            serial = (self.properties.get("serial") or "").encode()
            return OK, serial[:ID_LENGTH].ljust(min(ID_LENGTH, len(serial) + 1, room), b"\0")[:room]
        if kind in (TO_DISCARD, TO_WRITE_ZEROES):
            status, start, length = self._range(kind, data)
            self.disk[start : start + length] = bytes(length)
            return status, b""
        return UNSUPPORTED, b""

    def _is_inside(self, start: int, length: int) -> bool:
        block = self.number("logical_block_size", 0) or SECTOR_SIZE
        return not start % block and not length % block and start + length <= len(self.disk)

    def _range(self, kind: int, data: bytes) -> tuple[int, int, int]:
        """What is to be discarded or zeroed: a status, where, how many bytes (0 if not OK).

        A disk that reads zeroes where something was discarded need not tell the two apart.
        """
        bit = DISCARD if kind == TO_DISCARD else WRITE_ZEROES
        if len(data) != RANGE.size or not self.host_features >> bit & 1:
            return UNSUPPORTED, 0, 0
        sector, count, flags = RANGE.unpack(data)
        if flags & ~UNMAP or (kind == TO_DISCARD and flags):
            return UNSUPPORTED, 0, 0
        name = "max-discard-sectors" if kind == TO_DISCARD else "max-write-zeroes-sectors"
        start, length = sector * SECTOR_SIZE, count * SECTOR_SIZE
        if count > self.number(name, 0) or not self._is_inside(start, length):
            return IO_ERROR, 0, 0
        return OK, start, length

    # Migration: the newest request is written first, and so arrives last but first in its list.

    def device_state(self) -> bytes:
        out = []
        for request in reversed(self.requests):
            out.append(b"\1")
            if self.queue_count > 1:
                out.append(request.queue.to_bytes(4, "big"))
            out.append(_packed_element(request.element))
        return b"".join(out) + b"\0"

    def read_device_state(self, reader: ByteReader) -> Any:
        found: list[Request] = []
        while reader.take(1) != b"\0":
            number = reader.be32() if self.queue_count > 1 else 0
            if number >= self.queue_count:
                reason = f"Invalid virtqueue index in request list: {number:#x}"
                raise Refused(reason, "virtio")
            if len(found) >= MAX_SIZE * self.queue_count:
                raise Refused("more requests than the queues hold", "virtio")
            found.insert(0, Request(number, _unpacked_element(reader.take(ELEMENT_SIZE)), 0))
        return found

    def take_device_state(self, state: Any) -> None:
        due = self.platform.now + REQUEST_TIME
        self.requests = [Request(item.queue, item.element, due) for item in state]


def _packed_element(element: Element) -> bytes:
    counts = (element.head, len(element.readable), len(element.writable))
    out = [_COUNTS.pack(*counts)]
    sides = (element.writable, element.readable)
    for side in sides:
        addresses = struct.pack(f"<{len(side)}Q", *(address for address, _ in side))
        out.append(addresses.ljust(_ADDRESSES, b"\0"))
    for side in sides:
        lengths = b"".join(struct.pack("<8xQ", length) for _, length in side)
        out.append(lengths.ljust(_VECTORS, b"\0"))
    return b"".join(out)


def _unpacked_element(raw: bytes) -> Element:
    head, outs, ins = _COUNTS.unpack_from(raw)
    if max(outs, ins) > MAX_SIZE:
        raise Refused(f"a request of {outs} and {ins} buffers", "virtio")
    sides = []
    for number, count in enumerate((ins, outs)):
        at = _COUNTS.size + number * _ADDRESSES
        addresses = struct.unpack_from(f"<{count}Q", raw, at)
        at = _COUNTS.size + 2 * _ADDRESSES + number * _VECTORS
        lengths = struct.unpack_from("<" + "8xQ" * count, raw, at)
        sides.append(tuple(zip(addresses, lengths, strict=True)))
    writable, readable = sides
    return Element(head, readable, writable)


MODEL = VirtioBlk


def exercise(processor: Processor) -> Iterator[None]:
    """Write, read back, flush and discard, with requests in flight at every migration."""
    while True:
        driver = virtio_driver.Driver(processor)
        driver.start(queues=1)
        for at in range(0, _PLAIN_CONFIG_LENGTH, 4):
            driver.read_config(at, 4)
        yield
        for _ in range(2):
            sector = processor.draw(1)[0] % 64
            data = processor.draw(SECTOR_SIZE * (1 + processor.draw(1)[0] % 2))
            _ask(driver, OUT, sector, data, 0)
            _ask(driver, GET_ID, 0, b"", ID_LENGTH)
            driver.notify(0)
            yield
            processor.wait(2 * REQUEST_TIME)
            driver.collect(0)
            _ask(driver, IN, sector, b"", SECTOR_SIZE)
            _ask(driver, TO_FLUSH, 0, b"", 0)
            _ask(driver, TO_DISCARD, 0, RANGE.pack(sector, 1, 0), 0)
            _ask(driver, IN, DISK_SIZE // SECTOR_SIZE, b"", SECTOR_SIZE)
            yield
            driver.notify(0)
            yield
            processor.wait(2 * REQUEST_TIME)
            driver.collect(0)
        driver.look_around()
        yield


def _ask(driver: virtio_driver.Driver, kind: int, sector: int, data: bytes, room: int) -> None:
    """Offer a request: its header, data either way, and the byte for its status."""
    header = HEADER.pack(kind, 0, sector)
    readable = (header, data) if data else (header,)
    writable = (room, 1) if room else (1,)
    driver.offer(0, readable, writable)
