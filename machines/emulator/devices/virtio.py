"""A virtio device on PCI: feature negotiation, status, queues, and both register layouts.

After the Virtual I/O Device specification 1.2, chapters 2, 3 and 4.1 (4.1.5.1 and the "legacy
interface" sections for the older layout), and hw/virtio/virtio.c, hw/virtio/virtio-pci.c. Its
rings are :mod:`virtqueue`, its interrupts :mod:`msix`, its form in a stream
:mod:`virtio_state`; a device type is a subclass.

Packed rings are offered where the property says so, but not worked: a device whose driver accepts
them breaks at the first notification. A driver is little endian, as on x86.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

from machines.emulator.devices import virtio_state
from machines.emulator.devices.model import Codec, Refused
from machines.emulator.devices.msix import MAX_VECTORS, Msix
from machines.emulator.devices.pci import QEMU_SUBSYSTEM, Configuration, PciModel, io_bar
from machines.emulator.devices.virtqueue import (
    NO_VECTOR,
    NOTIFY_ON_EMPTY,
    DriverFault,
    Element,
    Virtqueue,
)
from machines.emulator.layout import Leaf
from machines.emulator.pci import (
    BAR_64_BIT,
    BAR_PREFETCH,
    CAP_VENDOR,
    CAPABILITIES,
    COMMAND,
    COMMAND_MASTER,
    VENDOR_VIRTIO,
    Bar,
)
from machines.emulator.virtio import FEATURE_PROPERTIES, QUEUE_MAX
from machines.emulator.vmstate import ByteReader, LoadError

# Feature bits of the transport and the rings (chapter 6); a driver never accepts the bad one.
BAD_FEATURE, VERSION_1, PACKED, IOMMU_PLATFORM = 30, 32, 34, 33
ANY_LAYOUT = 27
LEGACY_FEATURES = 1 << NOTIFY_ON_EMPTY | 1 << ANY_LAYOUT | 1 << BAD_FEATURE

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 0x40
ISR_QUEUE, ISR_CONFIG = 1, 2

#: ``vectors`` of a device that is to have as many as it can use.
VECTORS_UNSPECIFIED = 0xFFFFFFFF

# Base address registers, and what stands in the modern one.
LEGACY_BAR, MSIX_BAR, NOTIFY_PIO_BAR, MODERN_BAR = 0, 1, 2, 4
COMMON, ISR, DEVICE, NOTIFY = 0x0000, 0x1000, 0x2000, 0x3000
REGION_SIZE = 0x1000
NOTIFY_STEP, NOTIFY_PAGE = 4, 0x1000
#: Types of the structures that capabilities point to (chapter 4.1.4).
CAP_COMMON, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI = 1, 2, 3, 4, 5

# The common structure (chapter 4.1.4.3).
FEATURE_SELECT, FEATURES, DRIVER_FEATURE_SELECT, DRIVER_FEATURES = 0, 4, 8, 12
CONFIG_VECTOR, QUEUE_COUNT, STATUS, GENERATION = 16, 18, 20, 21
QUEUE_SELECT, QUEUE_SIZE, QUEUE_VECTOR, QUEUE_ENABLE, QUEUE_NOTIFY_OFFSET = 22, 24, 26, 28, 30
QUEUE_DESCRIPTORS, QUEUE_AVAILABLE, QUEUE_USED, QUEUE_RESET = 32, 40, 48, 58

# The legacy registers (chapter 4.1.4.10).
L_FEATURES, L_DRIVER_FEATURES, L_QUEUE_PAGE, L_QUEUE_SIZE, L_QUEUE_SELECT = 0, 4, 8, 12, 14
L_QUEUE_NOTIFY, L_STATUS, L_ISR, L_CONFIG_VECTOR, L_QUEUE_VECTOR = 16, 18, 19, 20, 22
L_CONFIG, L_CONFIG_WITH_MSIX = 20, 24
L_PAGE_SHIFT = 12


class VirtioField(Codec):
    """The whole device as ``virtio_save`` writes it, laid out by :mod:`virtio_state`."""

    wire_type = "virtio"

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        return bytes(value)

    def decode(self, raw: bytes, leaf: Leaf) -> bytes:
        return raw


@dataclass(slots=True)
class QueueRegisters:
    """What a modern driver wrote for a queue before it enabled it; addresses as (low, high).

    ``vector`` is that of a queue that there is not; it is kept, and does not migrate.
    """

    size: int = 0
    enabled: int = 0
    descriptors: list[int] = field(default_factory=lambda: [0, 0])
    available: list[int] = field(default_factory=lambda: [0, 0])
    used: list[int] = field(default_factory=lambda: [0, 0])
    vector: int = NO_VECTOR

    def halves(self, at: int) -> list[int]:
        """The address whose register is at an offset of the common structure."""
        return (self.descriptors, self.available, self.used)[(at - QUEUE_DESCRIPTORS) // 8]


def _whole(halves: list[int]) -> int:
    return halves[0] | halves[1] << 32


class VirtioPci(PciModel):
    """A virtio device and its transport. Subclasses say what they are and handle their queues."""

    fields: ClassVar[dict[str, Codec]] = {"virtio": VirtioField("stream")}
    virtio_id: ClassVar[int]
    transitional_id: ClassVar[int]
    device_class: ClassVar[int]
    #: Bits that only a legacy driver is offered.
    legacy_features: ClassVar[int] = LEGACY_FEATURES

    # What a device type answers for.

    def queue_sizes(self) -> tuple[int, ...]:
        """The size of each queue after reset. Raises :class:`Refused`."""
        raise NotImplementedError

    def default_vectors(self) -> int:
        """How many vectors it has where the property leaves that to the device."""
        return 2

    def device_features(self, features: int) -> int:
        """All that is offered, where ``features`` are the transport's."""
        return features

    def config_length(self) -> int:
        """The length of the device's own configuration, in bytes."""
        return 0

    def device_config(self) -> bytes:
        """The device's own configuration as a driver reads it now."""
        return b""

    def device_config_written(self, config: bytes) -> None:
        """A driver wrote the configuration, which is now as given."""

    def device_status(self, status: int) -> None:
        """A driver sets the status."""

    def device_reset(self) -> None:
        """A driver reset the device."""

    def handle(self, number: int) -> None:
        """Look into a queue. Raises :class:`DriverFault`."""
        raise NotImplementedError

    def device_state(self) -> bytes:
        """What the device type adds to a stream."""
        return b""

    def read_device_state(self, reader: ByteReader) -> Any:
        """Read that again. Raises :class:`Refused` and EndOfStream."""

    def take_device_state(self, state: Any) -> None:
        """Take over what was read."""

    def device_deadline(self) -> int | None:
        """When the device type's own timer expires, as :meth:`deadline`."""
        return None

    def device_expire(self) -> None:
        """Virtual time has reached :meth:`device_deadline`."""

    # Building it.

    def configuration(self) -> Configuration:
        self._choose_interfaces()
        self.host_features = self._offered()
        subsystem = (QEMU_SUBSYSTEM[0], self.virtio_id) if self.is_legacy else QEMU_SUBSYSTEM
        number = self.transitional_id if self.is_legacy else 0x1040 + self.virtio_id
        revision = 0 if self.is_legacy else 1
        chosen = self.number("class", 0) << 8 or self.device_class
        built = Configuration((VENDOR_VIRTIO, number), chosen, revision, subsystem)
        built.connect_pin()
        if self.is_modern:
            self._add_structures(built)
        self.msix = self._add_vectors(built)
        if self.is_legacy:
            base = L_CONFIG if self.msix is None else L_CONFIG_WITH_MSIX
            size = base + self.config_length()
            built.add_bar(io_bar(LEGACY_BAR, 1 << (size - 1).bit_length()))
        return built

    def _choose_interfaces(self) -> None:
        """Legacy, modern or both: the type's name decides, else the properties."""
        if self.driver.endswith("-non-transitional"):
            self.is_legacy, self.is_modern = False, True
        elif self.driver.endswith("-transitional"):
            self.is_legacy, self.is_modern = True, True
        else:
            automatic = (self.properties.get("disable-legacy") or "auto").lower() == "auto"
            self.is_legacy = automatic or not self.flag("disable-legacy", False)
            self.is_modern = not self.flag("disable-modern", False)
        if not self.is_legacy and not self.is_modern:
            reason = "device cannot work as neither modern nor legacy mode is enabled"
            raise Refused(reason)

    def _offered(self) -> int:
        features = 1 << BAD_FEATURE | (1 << VERSION_1 if self.is_modern else 0)
        for bit, name in FEATURE_PROPERTIES.items():
            if self.flag(name, False):
                features |= 1 << bit
        if self.is_legacy and features & 1 << IOMMU_PLATFORM:
            raise Refused(
                "VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy nor transitional device"
            )
        return self.device_features(features)

    def _add_structures(self, built: Configuration) -> None:
        """Capabilities that tell where the modern registers are, and their BAR."""
        step = NOTIFY_PAGE if self.flag("page-per-vq", False) else NOTIFY_STEP
        self.notify_step = step
        notify_size = step * QUEUE_MAX

        def add(kind: int, bar: int, offset: int, length: int, *more: int) -> None:
            size = 16 + 4 * len(more)
            body = struct.pack("<BBB3xII", size, kind, bar, offset, length)
            built.add_capability(CAP_VENDOR, body + struct.pack(f"<{len(more)}I", *more))

        add(CAP_COMMON, MODERN_BAR, COMMON, REGION_SIZE)
        add(CAP_ISR, MODERN_BAR, ISR, REGION_SIZE)
        add(CAP_DEVICE, MODERN_BAR, DEVICE, REGION_SIZE)
        add(CAP_NOTIFY, MODERN_BAR, NOTIFY, notify_size, step)
        if self.flag("modern-pio-notify", False):
            add(CAP_NOTIFY, NOTIFY_PIO_BAR, 0, 4, 0)
            built.add_bar(io_bar(NOTIFY_PIO_BAR, 4))
        add(CAP_PCI, 0, 0, 0, 0)
        self.window = built.space[CAPABILITIES]  # the one that was added last
        size = 1 << (NOTIFY + notify_size - 1).bit_length()
        built.add_bar(Bar(MODERN_BAR, size, BAR_64_BIT | BAR_PREFETCH))

    def _add_vectors(self, built: Configuration) -> Msix | None:
        vectors = self.number("vectors", 0)
        if vectors == VECTORS_UNSPECIFIED:
            vectors = self.default_vectors()
        if not 0 < vectors <= MAX_VECTORS:
            return None
        return Msix(self, built, MSIX_BAR, vectors)

    def connect(self) -> None:
        super().connect()
        self.use_started = self.flag("use-started", False)
        self.use_disabled = self.flag("use-disabled-flag", False)
        self.migrates_extra = self.flag("migrate-extra", True)
        self.queues = [
            Virtqueue(self.platform.ram, self.has_feature, size) for size in self.queue_sizes()
        ]

    # Reset.

    def reset(self) -> None:
        super().reset()
        if self.msix is not None:
            self.msix.reset()
        self.device_config_space = bytearray(self.config_length())
        self.device_feature_select = self.driver_feature_select = 0
        self.driver_features = [0, 0]
        self.generation = 0
        self._resumes_at: int | None = None
        self.reset_virtio()

    def reset_virtio(self) -> None:
        """What a driver does by writing 0 to the status."""
        self.device_reset()
        self.status = self.isr = self.queue_select = self.features = 0
        self.config_vector = NO_VECTOR
        self.is_broken = self.is_started = self.is_disabled = self.starts_on_kick = False
        for queue in self.queues:
            queue.reset()
        self.registers: dict[int, QueueRegisters] = {}
        self.set_interrupt(False)

    def registers_of(self, number: int) -> QueueRegisters:
        """What was written for a queue, whether there is such a queue or not."""
        return self.registers.setdefault(number, QueueRegisters())

    def has_feature(self, bit: int) -> bool:
        return bool(self.features >> bit & 1)

    def set_features(self, wanted: int) -> None:
        """The driver accepts features; too late once it said that it is content."""
        if self.status & FEATURES_OK:
            return
        self.features = wanted & self.host_features
        everything_offered = not wanted & ~self.host_features
        if everything_offered and not self.is_running and not self.has_feature(VERSION_1):
            self.starts_on_kick = True

    @property
    def is_running(self) -> bool:
        """Has the driver started the device?"""
        return self.is_started if self.use_started else bool(self.status & DRIVER_OK)

    def set_status(self, status: int) -> None:
        if (self.status ^ status) & DRIVER_OK:
            self._set_started(bool(status & DRIVER_OK))
        self.device_status(status)
        self.status = status

    def _set_started(self, started: bool) -> None:
        self.starts_on_kick = self.starts_on_kick and not started
        if self.use_started:
            self.is_started = started

    # Configuration space: mastering, MSI-X, the window into the modern registers.

    def write_config(self, at: int, value: int, size: int) -> None:
        was_silent = self.msix is None or self.msix.is_silent
        super().write_config(at, value, size)
        if at <= COMMAND < at + size:
            self.is_disabled = self.use_disabled and not self.is_master
            if not self.is_master:
                self.set_status(self.status & ~DRIVER_OK)
        if self.msix is not None:
            self.msix.control_written(was_silent)
        if self._touches_window(at, size) and (target := self._window_target()):
            offset, length = target
            data = int.from_bytes(self.config[self.window + 16 :][:length], "little")
            self._write_modern(offset, data, length)

    def read_config(self, at: int, size: int) -> int:
        if self._touches_window(at, size) and (target := self._window_target()):
            offset, length = target
            data = self._read_modern(offset, length) & (1 << 8 * length) - 1
            start = self.window + 16
            self.config[start : start + length] = data.to_bytes(length, "little")
        return super().read_config(at, size)

    def _touches_window(self, at: int, size: int) -> bool:
        return self.is_modern and at < self.window + 20 and at + size > self.window + 16

    def _window_target(self) -> tuple[int, int] | None:
        """Offset and length of the access that the window is set to, None for an impossible one."""
        offset, length = struct.unpack_from("<II", self.config, self.window + 8)
        return (offset & ~(length - 1), length) if length in (1, 2, 4) else None

    # Registers.

    def read_bar(self, number: int, at: int, size: int) -> int:
        if number == LEGACY_BAR:
            return self._read_legacy(at, size)
        if number == MODERN_BAR:
            return self._read_modern(at, size)
        if number == MSIX_BAR and self.msix is not None:
            return self.msix.read(at, size)
        return 0

    def write_bar(self, number: int, at: int, value: int, size: int) -> None:
        if number == LEGACY_BAR:
            self._write_legacy(at, value, size)
        elif number == MODERN_BAR:
            self._write_modern(at, value, size)
        elif number == NOTIFY_PIO_BAR:
            self.notified(value)
        elif self.msix is not None:
            self.msix.write(at, value, size)

    def _read_isr(self) -> int:
        """Reading tells the cause and takes the interrupt back."""
        isr, self.isr = self.isr, 0
        self.set_interrupt(False)
        return isr

    def _read_device(self, at: int, size: int) -> int:
        if at + size > len(self.device_config_space):
            return (1 << 8 * size) - 1
        self.device_config_space[:] = self.device_config()
        return int.from_bytes(self.device_config_space[at : at + size], "little")

    def _write_device(self, at: int, value: int, size: int) -> None:
        if at + size <= len(self.device_config_space):
            self.device_config_space[at : at + size] = value.to_bytes(8, "little")[:size]
            self.device_config_written(bytes(self.device_config_space))

    def _vector(self, value: int) -> int:
        """A vector as a driver finds it after writing it: none where there is no such."""
        return value if self.msix is not None and value < self.msix.vectors else NO_VECTOR

    def _selected(self) -> Virtqueue | None:
        return self.queues[self.queue_select] if self.queue_select < len(self.queues) else None

    def _queue_vector(self) -> int:
        """The selected queue's vector."""
        queue = self._selected() or self.registers.get(self.queue_select)
        return NO_VECTOR if queue is None else queue.vector

    def _set_queue_vector(self, value: int) -> None:
        queue = self._selected() or self.registers_of(self.queue_select)
        queue.vector = self._vector(value)

    # The modern layout.

    def _read_modern(self, at: int, size: int) -> int:
        region, offset = at & ~(REGION_SIZE - 1), at & (REGION_SIZE - 1)
        if region == COMMON:
            return self._read_common(offset)
        if region == ISR:
            return self._read_isr()
        if region == DEVICE:
            return self._read_device(offset, size)
        return 0

    def _write_modern(self, at: int, value: int, size: int) -> None:
        if at < REGION_SIZE:
            self._write_common(at, value)
        elif DEVICE <= at < DEVICE + REGION_SIZE:
            self._write_device(at - DEVICE, value, size)
        elif at >= NOTIFY:
            self.notified((at - NOTIFY) // self.notify_step)

    def _read_common(self, at: int) -> int:
        if at < CONFIG_VECTOR:
            return self._read_features(at)
        if at >= QUEUE_SIZE:
            return self._read_queue(at)
        return {
            CONFIG_VECTOR: self.config_vector,
            QUEUE_COUNT: len([queue for queue in self.queues if queue.size]),
            STATUS: self.status,
            GENERATION: self.generation,
            QUEUE_SELECT: self.queue_select,
        }.get(at, 0)

    def _read_features(self, at: int) -> int:
        if at == FEATURES and self.device_feature_select <= 1:
            offered = self.host_features & ~self.legacy_features
            return offered >> 32 * self.device_feature_select & 0xFFFFFFFF
        if at == DRIVER_FEATURES and self.driver_feature_select <= 1:
            return self.driver_features[self.driver_feature_select]
        selectors = {
            FEATURE_SELECT: self.device_feature_select,
            DRIVER_FEATURE_SELECT: self.driver_feature_select,
        }
        return selectors.get(at, 0)

    def _read_queue(self, at: int) -> int:
        queue, registers = self._selected(), self.registers.get(self.queue_select)
        if at == QUEUE_NOTIFY_OFFSET:
            return self.queue_select
        if at == QUEUE_SIZE:
            return 0 if queue is None else queue.size
        if at == QUEUE_VECTOR:
            return self._queue_vector()
        if registers is None:
            return 0
        if at == QUEUE_ENABLE:
            return registers.enabled
        inside = QUEUE_DESCRIPTORS <= at < QUEUE_USED + 8 and not at % 4
        return registers.halves(at)[at // 4 % 2] if inside else 0

    def _write_common(self, at: int, value: int) -> None:
        if at == FEATURE_SELECT:
            self.device_feature_select = value
        elif at == DRIVER_FEATURE_SELECT:
            self.driver_feature_select = value
        elif at == DRIVER_FEATURES and self.driver_feature_select <= 1:
            self.driver_features[self.driver_feature_select] = value
            self.set_features(_whole(self.driver_features))
        elif at == CONFIG_VECTOR:
            self.config_vector = self._vector(value)
        elif at == STATUS:
            self._write_status(value & 0xFF)
        elif at == QUEUE_SELECT and value < QUEUE_MAX:
            self.queue_select = value
        elif at > QUEUE_SELECT:
            self._write_queue(at, value)

    def _write_status(self, status: int) -> None:
        self.set_status(status)
        if not status:
            self.reset_virtio()

    def _write_queue(self, at: int, value: int) -> None:
        queue = self._selected()
        registers = self.registers_of(self.queue_select)
        if at == QUEUE_SIZE:
            registers.size = value
            if queue is not None:
                queue.set_size(value)
        elif at == QUEUE_VECTOR:
            self._set_queue_vector(value)
        elif at == QUEUE_ENABLE:
            self._enable_queue(queue, registers, value)
        elif QUEUE_DESCRIPTORS <= at < QUEUE_USED + 8 and not at % 4:
            registers.halves(at)[at // 4 % 2] = value
        elif at == QUEUE_RESET and value == 1 and queue is not None:
            queue.reset()
            registers.enabled = 0

    def _enable_queue(self, queue: Virtqueue | None, registers: QueueRegisters, value: int) -> None:
        if value != 1:
            self.fail()
            return
        if queue is not None:
            queue.set_size(registers.size)
            rings = (registers.descriptors, registers.available, registers.used)
            queue.place(*(_whole(halves) for halves in rings))
        registers.enabled = 1

    # The legacy layout.

    def _legacy_config(self) -> int:
        """Where the device's own configuration begins: the vectors stand before it when used."""
        with_vectors = self.msix is not None and self.msix.is_enabled
        return L_CONFIG_WITH_MSIX if with_vectors else L_CONFIG

    def _read_legacy(self, at: int, size: int) -> int:
        if at >= self._legacy_config():
            return self._read_device(at - self._legacy_config(), size)
        if at == L_ISR:
            return self._read_isr()
        queue = self._selected()
        return {
            L_FEATURES: self.host_features & 0xFFFFFFFF,
            L_DRIVER_FEATURES: self.features & 0xFFFFFFFF,
            L_QUEUE_PAGE: 0 if queue is None else queue.descriptors >> L_PAGE_SHIFT,
            L_QUEUE_SIZE: 0 if queue is None else queue.size,
            L_QUEUE_SELECT: self.queue_select,
            L_STATUS: self.status,
            L_CONFIG_VECTOR: self.config_vector,
            L_QUEUE_VECTOR: self._queue_vector(),
        }.get(at, 0xFFFFFFFF)

    def _write_legacy(self, at: int, value: int, size: int) -> None:
        queue = self._selected()
        if at >= self._legacy_config():
            self._write_device(at - self._legacy_config(), value, size)
        elif at == L_DRIVER_FEATURES:
            self.set_features(0 if value >> BAD_FEATURE & 1 else value)
        elif at == L_QUEUE_PAGE and not value:
            self.reset_virtio()
        elif at == L_QUEUE_PAGE and queue is not None:
            queue.place_legacy(value << L_PAGE_SHIFT)
        elif at == L_QUEUE_SELECT and value < QUEUE_MAX:
            self.queue_select = value
        elif at == L_QUEUE_NOTIFY:
            self.notified(value)
        elif at == L_STATUS:
            self._write_legacy_status(value & 0xFF)
        elif at == L_CONFIG_VECTOR:
            self.config_vector = self._vector(value)
        elif at == L_QUEUE_VECTOR:
            self._set_queue_vector(value)

    def _write_legacy_status(self, status: int) -> None:
        self._write_status(status)
        if status == ACKNOWLEDGE | DRIVER:  # old drivers forget to let the device master the bus
            self.config[COMMAND] |= COMMAND_MASTER

    # Queues.

    def notified(self, number: int) -> None:
        """A driver says that a queue has something new."""
        queue = self.queues[number] if number < len(self.queues) else None
        if queue is None or not queue.descriptors or not self.can_work:
            return
        self.work(number)
        if self.starts_on_kick:
            self._set_started(True)

    @property
    def can_work(self) -> bool:
        """Can the device reach its rings?"""
        return self.is_master and not self.is_broken and not self.is_disabled

    def work(self, number: int) -> None:
        """Look into a queue; a driver's fault breaks the device."""
        try:
            if self.has_feature(PACKED):
                raise DriverFault("packed rings are not modelled")
            if number < len(self.queue_sizes()):
                self.handle(number)
        except DriverFault:
            self.fail()

    def complete(self, queue: Virtqueue, element: Element, written: int) -> None:
        """Give a chain back and tell the driver, if it wants to know. Raises DriverFault."""
        queue.push(element, written)
        self.tell(queue)

    def tell(self, queue: Virtqueue) -> None:
        """Interrupt for what was given back. Raises :class:`DriverFault`."""
        if queue.wants_interrupt():
            self.isr |= ISR_QUEUE
            self._interrupt(queue.vector)

    def fail(self) -> None:
        """The device is broken until it is reset (chapter 2.1.2)."""
        self.is_broken = True
        if self.has_feature(VERSION_1):
            self.status |= NEEDS_RESET
        if self.status & DRIVER_OK:
            self.isr |= ISR_QUEUE | ISR_CONFIG
            self.generation = self.generation + 1 & 0xFF
            self._interrupt(self.config_vector)

    def _interrupt(self, vector: int) -> None:
        if self.msix is not None and self.msix.is_enabled:
            if vector != NO_VECTOR:
                self.msix.notify(vector)
        else:
            self.set_interrupt(bool(self.isr & ISR_QUEUE))

    # Migration.

    @property
    def stream(self) -> bytes:
        return virtio_state.saved(self)

    @stream.setter
    def stream(self, raw: bytes) -> None:
        virtio_state.take(self, virtio_state.parse(self, ByteReader(raw)))

    def measure(self, leaf: Leaf, reader: ByteReader) -> int:
        if not isinstance(self.codec(leaf), VirtioField):
            return super().measure(leaf, reader)
        ahead = ByteReader(reader.peek(reader.left()))
        try:
            virtio_state.parse(self, ahead)
        except Refused as refused:
            raise LoadError(refused.kind, refused.reason, leaf.section, leaf.field) from refused
        return ahead.position

    def post_load(self, arrived: Collection[str]) -> None:
        """As soon as the machine runs, the status holds again and every queue is looked into."""
        if self.flag("virtio-pci-bus-master-bug-migration", False) and self.status & DRIVER:
            self.config[COMMAND] |= COMMAND_MASTER
        self._resumes_at = self.platform.now

    def deadline(self) -> int | None:
        due = (self._resumes_at, self.device_deadline())
        return min((when for when in due if when is not None), default=None)

    def expire(self) -> None:
        if self._resumes_at is None:
            self.device_expire()
            return
        self._resumes_at = None
        if self.is_running and self.can_work:
            self.device_status(self.status)
            for number, queue in enumerate(self.queues):
                if queue.available and self.can_work:
                    self.work(number)
