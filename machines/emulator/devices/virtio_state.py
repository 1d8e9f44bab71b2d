"""How a virtio device on PCI stands in a stream: written, and read with QEMU's checks.

The layout is that of :mod:`machines.emulator.virtio`, which reads it without knowing the device:
here the device tells what it has, so every byte is accounted for. Sources: ``virtio_save``,
``virtio_load`` and their subsections in hw/virtio/virtio.c, the transport's part in
hw/virtio/virtio-pci.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from machines.emulator import refusals, virtio
from machines.emulator.devices.model import Refused
from machines.emulator.devices.virtio_spec import PACKED, VERSION_1
from machines.emulator.devices.virtqueue import NO_VECTOR, DriverFault, Virtqueue
from machines.emulator.events import SectionType, encode_subsection_header
from machines.emulator.pci import CONFIG_SIZE, STATUS, STATUS_INTERRUPT
from machines.emulator.release import Release
from machines.emulator.virtio import QUEUE_MAX
from machines.emulator.vmstate import ByteReader

if TYPE_CHECKING:
    from machines.emulator.devices.virtio import VirtioPci

VERSION = 1  # of every subsection

_HEAD = struct.Struct(f">i{CONFIG_SIZE}s4I")  # PCIDevice's version, configuration, pins
_CORE = struct.Struct(">BBHII")  # status, ISR, selector, features, length of configuration
_QUEUE = struct.Struct(">IQH")
_RINGS = struct.Struct(">QQ")
_PACKED = struct.Struct(">H?H?I")
_SELECTORS = struct.Struct(">4I")
_REGISTERS = struct.Struct(">Hx?6I")

EXTRA_STATE, MODERN_STATE = "virtio/extra_state", "virtio_pci/modern_state"
#: Name → size in bytes, in the order in which they are written.
SUBSECTIONS = {
    "virtio/device_endian": 1,
    "virtio/64bit_features": 8,
    "virtio/virtqueues": _RINGS.size * QUEUE_MAX,
    "virtio/ringsize": 4 * QUEUE_MAX,
    "virtio/broken": 1,
    EXTRA_STATE: 0,  # a structure without fields, whose subsection follows
    "virtio/started": 1,
    "virtio/packed_virtqueues": _PACKED.size * QUEUE_MAX,
    "virtio/disabled": 1,
}
MODERN_STATE_SIZE = _SELECTORS.size + _REGISTERS.size * QUEUE_MAX


# --- Writing --------------------------------------------------------------------------------------


def saved(device: VirtioPci) -> bytes:
    """The device's state as ``virtio_save`` writes it."""
    config = bytearray(device.config)
    config[STATUS] &= ~STATUS_INTERRUPT  # the pins tell it
    out = [_HEAD.pack(device.pci_version_id, bytes(config), *device.irq_state)]
    if device.msix is not None:
        out += [device.msix.state(), device.config_vector.to_bytes(2, "big")]
    space, low = bytes(device.device_config_space), device.features & 0xFFFFFFFF
    out += [_CORE.pack(device.status, device.isr, device.queue_select, low, len(space)), space]
    present = _present(device)
    out.append(len(present).to_bytes(4, "big"))
    for queue in present:
        out.append(_QUEUE.pack(queue.size, queue.descriptors, queue.last_available))
        if device.msix is not None:
            out.append(queue.vector.to_bytes(2, "big"))
    out.append(device.device_state())
    for name, content in _subsections(device):
        out += [encode_subsection_header(name, VERSION), content]
    return b"".join(out)


def _present(device: VirtioPci) -> list[Virtqueue]:
    """The queues up to the first that there is not."""
    sizes = [queue.size for queue in device.queues]
    return device.queues[: sizes.index(0)] if 0 in sizes else device.queues


def _subsections(device: VirtioPci) -> Iterator[tuple[str, bytes]]:
    """Name and content of each that is needed."""
    if device.host_features >> 32:
        yield "virtio/64bit_features", device.features.to_bytes(8, "big")
    if device.host_features >> VERSION_1 & 1:
        rings = b"".join(_RINGS.pack(queue.available, queue.used) for queue in device.queues)
        yield "virtio/virtqueues", rings.ljust(_RINGS.size * QUEUE_MAX, b"\0")
    if any(queue.size != queue.allocated for queue in device.queues):
        sizes = b"".join(queue.allocated.to_bytes(4, "big") for queue in device.queues)
        yield "virtio/ringsize", sizes.ljust(4 * QUEUE_MAX, b"\0")
    if device.is_broken:
        yield "virtio/broken", b"\1"
    if device.migrates_extra:
        yield EXTRA_STATE, _modern_state(device) if device.is_modern else b""
    if device.is_started:
        yield "virtio/started", b"\1"
    if device.host_features >> PACKED & 1:
        yield "virtio/packed_virtqueues", _packed(device)
    if device.is_disabled:
        yield "virtio/disabled", b"\1"


def _modern_state(device: VirtioPci) -> bytes:
    """The transport's own part: what a driver wrote into the modern registers."""
    selectors = (device.device_feature_select, device.driver_feature_select)
    body = bytearray(MODERN_STATE_SIZE)
    _SELECTORS.pack_into(body, 0, *selectors, *device.driver_features)
    for number, held in device.registers.items():
        addresses = (*held.descriptors, *held.available, *held.used)
        at = _SELECTORS.size + _REGISTERS.size * number
        _REGISTERS.pack_into(body, at, held.size & 0xFFFF, bool(held.enabled), *addresses)
    return encode_subsection_header(MODERN_STATE, VERSION) + bytes(body)


def _packed(device: VirtioPci) -> bytes:
    held = [
        _PACKED.pack(queue.last_available, True, queue.used_index, True, queue.in_use)
        for queue in device.queues
    ]
    return b"".join(held) + _PACKED.pack(0, True, 0, True, 0) * (QUEUE_MAX - len(held))


# --- Reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SavedQueue:
    """One queue as it stands before the subsections."""

    size: int
    descriptors: int
    last_available: int
    vector: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A device's state as it was read, before any of it is taken over."""

    version: int
    config: bytes
    irq_state: list[int]
    msix: bytes
    config_vector: int
    status: int
    isr: int
    queue_select: int
    features: int
    space: bytes
    queues: tuple[SavedQueue, ...]
    device: Any
    subsections: Mapping[str, bytes] = field(default_factory=dict)


def parse(device: VirtioPci, reader: ByteReader) -> Saved:
    """Read a state as ``virtio_load`` does, with its checks; ``device`` keeps its own.

    Raises :class:`Refused`, and :class:`machines.emulator.vmstate.EndOfStream`.
    """
    start = reader.position
    version, config, *pins = _HEAD.unpack(reader.take(_HEAD.size))
    device.check_version(version)
    device.check_config(config)
    msix, config_vector = b"", NO_VECTOR
    if device.msix is not None:
        msix = reader.take(device.msix.state_size)
        config_vector = _vector(device, reader)
    status, isr, selector, features, length = _CORE.unpack(reader.take(_CORE.size))
    space = reader.take(length)
    count = reader.be32()
    if count > QUEUE_MAX:
        raise Refused(f"Invalid number of virtqueues: 0x{count:x}", "virtio")
    queues = tuple(_read_queue(device, reader) for _ in range(count))
    own = device.read_device_state(reader)
    subsections = dict(_read_subsections(reader))
    _check(device, reader.data[start : reader.position])
    if "virtio/64bit_features" in subsections:
        features = int.from_bytes(subsections["virtio/64bit_features"], "big")
    core = (status, isr, selector, features, space, queues, own, subsections)
    return Saved(version, config, list(pins), msix, config_vector, *core)


def _read_queue(device: VirtioPci, reader: ByteReader) -> SavedQueue:
    size, descriptors, last = _QUEUE.unpack(reader.take(_QUEUE.size))
    vector = NO_VECTOR if device.msix is None else _vector(device, reader)
    return SavedQueue(size, descriptors, last, vector)


def _vector(device: VirtioPci, reader: ByteReader) -> int:
    vector = int.from_bytes(reader.take(2), "big")
    if vector != NO_VECTOR and (device.msix is None or vector >= device.msix.vectors):
        raise Refused(f"vector {vector} of a device that has no such", "virtio")
    return vector


def _read_subsections(reader: ByteReader) -> Iterator[tuple[str, bytes]]:
    """Every subsection that follows, the transport's one among them."""
    while name := _subsection(reader, "virtio", SUBSECTIONS):
        content = reader.take(SUBSECTIONS[name])
        yield name, content
        if name == EXTRA_STATE and _subsection(reader, "virtio_pci", (MODERN_STATE,)):
            yield MODERN_STATE, reader.take(MODERN_STATE_SIZE)


def _subsection(reader: ByteReader, owner: str, known: Any) -> str:
    """The name of the subsection that begins here, empty where none of ``owner`` does."""
    head = reader.peek(2)
    if len(head) < 2 or head[0] != SectionType.SUBSECTION:
        return ""
    name = reader.peek(head[1], skip=2).decode("ascii", "replace")
    if len(name) != head[1] or not name.startswith(f"{owner}/"):
        return ""
    if name not in known:
        raise Refused(f"unknown subsection '{name}' of '{owner}'", "unknown-section")
    reader.take(2 + len(name))
    version = reader.be32()
    if version > VERSION:
        reason = refusals.version_too_new(name, version, VERSION)
        raise Refused(reason, "version-too-new")
    return name


def _check(device: VirtioPci, data: bytes) -> None:
    """The checks of ``virtio_load`` that need no knowledge of the device type."""
    own = virtio.VirtioState(
        config=bytes(device.config),
        status=device.status,
        queue_selector=device.queue_select,
        features=device.features,
        config_length=len(device.device_config_space),
        queues=tuple(virtio.Queue(queue.allocated, 0, 0) for queue in device.queues),
        device=device.device_state(),
        subsections={},
    )
    catalogue = device.catalogue
    failure = virtio.load(
        own,
        data,
        check_queue_sizes=lambda: catalogue is None or Release.of(catalogue).checks_queue_sizes,
        offered=lambda bit: bool(device.host_features >> bit & 1),
    )
    if failure is not None:
        raise Refused(failure.reason, "pci-config" if failure.difference else "virtio")


# --- Taking over ----------------------------------------------------------------------------------


def take(device: VirtioPci, state: Saved) -> None:
    """Put a state that was read into the device. Raises :class:`Refused`."""
    device.pci_version_id = state.version
    device.config = bytearray(state.config)
    device.saved_irq_state = state.irq_state
    device.config_vector = state.config_vector
    device.status, device.isr = state.status, state.isr
    device.queue_select, device.features = state.queue_select, state.features
    kept = min(len(state.space), len(device.device_config_space))
    device.device_config_space[:kept] = state.space[:kept]
    for number, arrived in enumerate(state.queues):
        if number >= len(device.queues):  # the source had more: they are there, and do nothing
            device.queues.append(Virtqueue(device.platform.ram, device.has_feature, 0))
        queue = device.queues[number]
        queue.size, queue.descriptors = arrived.size, arrived.descriptors
        queue.last_available, queue.vector = arrived.last_available, arrived.vector
    _take_subsections(device, state.subsections)
    device.starts_on_kick = not device.is_running and not device.has_feature(VERSION_1)
    for number, queue in enumerate(device.queues[: len(state.queues)]):
        if queue.descriptors:
            _resume(device, number, queue)
    device.take_device_state(state.device)
    if device.msix is not None:
        device.msix.load(state.msix)


def _take_subsections(device: VirtioPci, arrived: Mapping[str, bytes]) -> None:
    device.is_broken = any(arrived.get("virtio/broken", b""))
    device.is_started = any(arrived.get("virtio/started", b""))
    device.is_disabled = any(arrived.get("virtio/disabled", b""))
    rings, sizes = arrived.get("virtio/virtqueues"), arrived.get("virtio/ringsize")
    for number, queue in enumerate(device.queues):
        if rings is not None:
            queue.available, queue.used = _RINGS.unpack_from(rings, _RINGS.size * number)
        if sizes is not None:
            queue.allocated = int.from_bytes(sizes[4 * number : 4 * number + 4], "big")
        elif queue.size > queue.allocated:
            # That the subsection is absent says that the source's device begins with this size:
            # there was a release whose devices begin with more than their properties tell.
            queue.allocated = queue.size
    if MODERN_STATE in arrived:
        _take_modern_state(device, arrived[MODERN_STATE])


def _take_modern_state(device: VirtioPci, raw: bytes) -> None:
    words = _SELECTORS.unpack_from(raw)
    device.device_feature_select, device.driver_feature_select = words[:2]
    device.driver_features = list(words[2:])
    device.registers = {}
    written = len(raw.rstrip(b"\0")) - _SELECTORS.size
    for number in range(-(-written // _REGISTERS.size)):
        at = _SELECTORS.size + _REGISTERS.size * number
        size, enabled, *words_of_rings = _REGISTERS.unpack_from(raw, at)
        held = device.registers_of(number)
        held.size, held.enabled = size, int(enabled)
        rings = (held.descriptors, held.available, held.used)
        for index, halves in enumerate(rings):
            halves[:] = words_of_rings[2 * index : 2 * index + 2]


def _resume(device: VirtioPci, number: int, queue: Virtqueue) -> None:
    """Work out what the rings tell, and compare it with what came."""
    if not device.has_feature(VERSION_1):
        queue.place_legacy(queue.descriptors)
    if device.has_feature(PACKED):
        return
    try:
        queue.resume()
        if queue.waiting > queue.size:
            raise DriverFault(f"VQ {number}: more chains are available than it has")
    except DriverFault:
        queue.used_index = queue.in_use = 0
        device.fail()
        return
    if queue.in_use > queue.size:
        raise Refused(
            f"VQ {number} size 0x{queue.size:x} < last_avail_idx 0x{queue.last_available:x} "
            f"- used_idx 0x{queue.used_index:x}",
            "virtio",
        )
