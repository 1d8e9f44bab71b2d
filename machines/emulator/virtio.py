"""The opaque ``virtio`` field: what every virtio device on PCI sends, and what loading it checks.

The layout is that of ``virtio_save`` in hw/virtio/virtio.c with the PCI transport's
``virtio_pci_save_config`` and ``virtio_pci_save_queue`` (hw/virtio/virtio-pci.c): configuration
space, MSI-X tables, device status, queues, the device's own part, then subsections named
``virtio/…``. The checks are those of ``virtio_load``, in its order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from machines.emulator import refusals
from machines.emulator.errors import EmulatorError
from machines.emulator.pci import (
    CAP_EXPRESS,
    CONFIG_SIZE,
    EXPRESS_CONFIG_SIZE,
    VENDOR_VIRTIO,
    Difference,
    capabilities,
    first_difference,
    msix_vectors,
)

QUEUE_MAX = 1024  # include/hw/virtio/virtio.h, VIRTIO_QUEUE_MAX
QUEUE_MAX_SIZE = 1024  # include/hw/virtio/virtio.h, VIRTQUEUE_MAX_SIZE
IRQ_STATE_SIZE = 16
NO_VECTOR = 0xFFFF

#: Feature bits that a qdev property of ``virtio-device`` decides (virtio 1.2, chapter 6).
FEATURE_PROPERTIES = {
    24: "notify_on_empty",
    27: "any_layout",
    28: "indirect_desc",
    29: "event_idx",
    33: "iommu_platform",
    34: "packed",
    35: "in_order",
    40: "queue_reset",
}

#: Properties that make a device's queues so large, and the least that each takes
#: (``virtio_net_device_realize`` of hw/net/virtio-net.c, hw/block/virtio-blk.c and hw/scsi/).
LEAST_QUEUE_SIZES = {
    "rx_queue_size": 256,
    "tx_queue_size": 256,
    "queue-size": 4,
    "virtqueue_size": 4,
}
#: Of those, the ones of a network device, whose queues come in pairs, receiving first.
PAIRED_QUEUE_SIZES = ("rx_queue_size", "tx_queue_size")

#: PCI device id → (property, size in bytes) of what is compared (hw/virtio/virtio-mem.c).
COMPARED_PROPERTIES = {
    0x1058: (("memaddr", 8), ("memdev", 8), ("block-size", 8), ("node", 4)),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """One virtqueue: its size in descriptors, guest address, and how far the device has read."""

    size: int
    address: int
    last_available: int


@dataclass(frozen=True, slots=True)
class VirtioState:
    """A virtio device's state. ``device`` is what the device type itself sent, undecoded."""

    config: bytes
    status: int
    queue_selector: int
    features: int
    config_length: int
    queues: tuple[Queue, ...]
    device: bytes
    subsections: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class VirtioFailure:
    """Why ``virtio_load`` refuses; ``difference`` where the configuration space differs."""

    reason: str
    field: str
    difference: Difference | None = None


class Malformed(EmulatorError):
    """The bytes are not those of a virtio device on PCI."""


def parse(data: bytes, config_size: int | None = None) -> VirtioState:
    """Take a ``virtio`` field apart. Raises :class:`Malformed`.

    ``config_size`` is that of the reading device, in bytes; without it the state says itself
    which it is, as an express device has its capability in the first 256 bytes.
    """
    try:
        return _parse(data, config_size)
    except (struct.error, IndexError) as error:
        raise Malformed(f"cut off ({error})") from error


def _parse(data: bytes, config_size: int | None) -> VirtioState:
    if int.from_bytes(data[4:6], "little") != VENDOR_VIRTIO:
        raise Malformed("not a virtio device on PCI")
    if config_size is None:
        config_size = _own_config_size(data)
    at = 4
    config = data[at : at + config_size]
    at += config_size + IRQ_STATE_SIZE
    vectors = msix_vectors(config)
    if vectors:
        at += 16 * vectors + (vectors + 7) // 8 + 2
    status, _, selector, features, config_length = struct.unpack_from(">BBHII", data, at)
    at += 12 + config_length
    (count,) = struct.unpack_from(">I", data, at)
    at += 4
    if count > QUEUE_MAX:
        raise Malformed(f"Invalid number of virtqueues: 0x{count:x}")
    queues = []
    for _ in range(count):
        queues.append(Queue(*struct.unpack_from(">IQH", data, at)))
        at += 14 + (2 if vectors else 0)
    end, subsections = _subsections(data, at)
    if "virtio/64bit_features" in subsections:
        features = int.from_bytes(subsections["virtio/64bit_features"][:8], "big")
    return VirtioState(
        config, status, selector, features, config_length, tuple(queues), data[at:end], subsections
    )


def _own_config_size(data: bytes) -> int:
    """An express device sends 4096 bytes; its capability list tells that it is one."""
    config = data[4 : 4 + CONFIG_SIZE]
    if len(config) < CONFIG_SIZE:
        raise Malformed("cut off in the configuration space")
    express = any(capability.id == CAP_EXPRESS for capability in capabilities(config))
    return EXPRESS_CONFIG_SIZE if express else CONFIG_SIZE


def _subsections(data: bytes, start: int) -> tuple[int, dict[str, bytes]]:
    """Where the subsections ``virtio/…`` begin, and what each holds, in order."""
    marks = []
    at = data.find(b"virtio/", start)
    while at >= 0:
        length = data[at - 1]
        if at - 2 >= start and data[at - 2] == 5 and 8 <= length <= 64:
            name = data[at : at + length]
            if name.isascii() and name.decode().isprintable():
                marks.append((at - 2, name.decode(), at + length + 4))
        at = data.find(b"virtio/", at + 7)
    if not marks:  # old machine types send none
        return len(data), {}
    ends = [mark[0] for mark in marks[1:]] + [len(data)]
    found = {name: data[begin:end] for (_, name, begin), end in zip(marks, ends, strict=True)}
    return marks[0][0], found


def queue_sizes(name: str) -> tuple[int, ...]:
    """The sizes that a property takes, from the least: powers of two. Empty for any other property.

    >>> queue_sizes("rx_queue_size")
    (256, 512, 1024)
    """
    least = LEAST_QUEUE_SIZES.get(name, 2 * QUEUE_MAX_SIZE)
    bits = range(least.bit_length() - 1, QUEUE_MAX_SIZE.bit_length())
    return tuple(1 << bit for bit in bits)


def decides_queue(name: str, number: int, count: int) -> bool:
    """Whether a property decides the size of this queue of ``count``, both counted from 0.

    A network device has one queue more than its pairs, of requests to itself: its size is fixed.
    """
    if name not in PAIRED_QUEUE_SIZES:
        return name in LEAST_QUEUE_SIZES
    return number < count - count % 2 and PAIRED_QUEUE_SIZES[number % 2] == name


def load(
    own: VirtioState,
    data: bytes,
    *,
    check_queue_sizes: Callable[[], bool],
    offered: Callable[[int], bool],
) -> VirtioFailure | None:
    """Why a device whose state after reset is ``own`` refuses ``data``, None if it loads.

    ``check_queue_sizes()`` tells whether the release compares a queue's size with what the device
    allocated; ``offered(bit)`` whether the device offers a feature.
    """
    incoming_config = data[4 : 4 + len(own.config)]
    difference = first_difference(own.config, incoming_config)
    if difference is not None:
        return VirtioFailure(difference.message(), "config", difference)
    try:
        incoming = parse(data, len(own.config))
    except Malformed as error:
        return VirtioFailure(str(error), "virtio")
    for failure in _checks(own, incoming, check_queue_sizes, offered):
        return failure
    return None


def _checks(
    own: VirtioState,
    incoming: VirtioState,
    check_queue_sizes: Callable[[], bool],
    offered: Callable[[int], bool],
) -> Iterator[VirtioFailure]:
    if incoming.queue_selector >= QUEUE_MAX:
        yield VirtioFailure(refusals.no_such_queue(incoming.queue_selector), "queue_sel")
    for number, queue in enumerate(incoming.queues):
        allocated = own.queues[number].size if number < len(own.queues) else 0
        if queue.size > allocated and check_queue_sizes():
            yield VirtioFailure(
                refusals.queue_too_large(number, queue.size, allocated), "vring.num"
            )
        if not queue.address and queue.last_available:
            yield VirtioFailure(
                refusals.queue_without_address(number, queue.last_available),
                "last_avail_idx",
            )
    yield from _compared_properties(own, incoming)
    if not own.status and not incoming.status and len(own.device) != len(incoming.device):
        # Before a driver is there, the device's own part has the size that its properties give.
        yield VirtioFailure("error while loading the device's own state", "device")
    refused = [bit for bit in range(64) if incoming.features >> bit & 1 and not offered(bit)]
    if refused:
        allowed = sum(1 << bit for bit in range(64) if offered(bit))
        yield VirtioFailure(
            refusals.missing_features(incoming.features, allowed),
            "features",
        )


def _compared_properties(own: VirtioState, incoming: VirtioState) -> Iterator[VirtioFailure]:
    """Properties that a device sends only to have them compared, at the beginning of its part.

    virtio-mem leaves them out where it sends them early, in a section of their own.
    """
    fields = COMPARED_PROPERTIES.get(int.from_bytes(own.config[2:4], "little"), ())
    length = sum(size for _, size in fields)
    if min(len(own.device), len(incoming.device)) < length:
        return
    at = 0
    for name, size in fields:
        ours, theirs = (
            int.from_bytes(state.device[at : at + size], "big") for state in (own, incoming)
        )
        if ours != theirs:
            yield VirtioFailure(
                f"Property '{name}' changed from 0x{theirs:x} to 0x{ours:x}", "device"
            )
        at += size
