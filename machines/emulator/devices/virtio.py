"""A virtio device on PCI: its interfaces, feature negotiation, status and queues.

After the Virtual I/O Device specification 1.2, chapters 2, 3 and 4.1, and hw/virtio/virtio.c,
hw/virtio/virtio-pci.c. Its registers are :mod:`virtio_registers`, its rings :mod:`virtqueue`, its
interrupts :mod:`msix`, its form in a stream :mod:`virtio_state`; a device type is a subclass.

Packed rings are offered where the property says so, but not worked: a device whose driver accepts
them breaks at the first notification. A driver is little endian, as on x86.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Any, ClassVar

from machines.emulator.devices import virtio_state
from machines.emulator.devices.model import Codec, Refused
from machines.emulator.devices.msix import MAX_VECTORS, Msix
from machines.emulator.devices.pci import QEMU_SUBSYSTEM, Configuration, PciModel, io_bar
from machines.emulator.devices.virtio_registers import (
    LegacyRegisters,
    ModernRegisters,
    QueueRegisters,
)
from machines.emulator.devices.virtio_spec import (
    BAD_FEATURE,
    CAP_COMMON,
    CAP_DEVICE,
    CAP_ISR,
    CAP_NOTIFY,
    CAP_PCI,
    COMMON,
    DEVICE,
    DRIVER,
    DRIVER_OK,
    FEATURES_OK,
    IOMMU_PLATFORM,
    ISR,
    ISR_CONFIG,
    ISR_QUEUE,
    L_CONFIG,
    L_CONFIG_WITH_MSIX,
    LEGACY_BAR,
    LEGACY_FEATURES,
    MODERN_BAR,
    MSIX_BAR,
    NEEDS_RESET,
    NOTIFY,
    NOTIFY_PAGE,
    NOTIFY_PIO_BAR,
    NOTIFY_STEP,
    PACKED,
    REGION_SIZE,
    VERSION_1,
)
from machines.emulator.devices.virtqueue import (
    NO_VECTOR,
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

#: ``vectors`` of a device that is to have as many as it can use.
VECTORS_UNSPECIFIED = 0xFFFFFFFF


class VirtioField(Codec):
    """The whole device as ``virtio_save`` writes it, laid out by :mod:`virtio_state`."""

    wire_type = "virtio"

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        return bytes(value)

    def decode(self, raw: bytes, leaf: Leaf) -> bytes:
        return raw


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
        self.modern = ModernRegisters(self)
        self.legacy = LegacyRegisters(self)
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
            self.modern.write(offset, data, length)

    def read_config(self, at: int, size: int) -> int:
        if self._touches_window(at, size) and (target := self._window_target()):
            offset, length = target
            data = self.modern.read(offset, length) & (1 << 8 * length) - 1
            start = self.window + 16
            self.config[start : start + length] = data.to_bytes(length, "little")
        return super().read_config(at, size)

    def _touches_window(self, at: int, size: int) -> bool:
        return self.is_modern and at < self.window + 20 and at + size > self.window + 16

    def _window_target(self) -> tuple[int, int] | None:
        """Offset and length of the access that the window is set to, None for an impossible one."""
        offset, length = struct.unpack_from("<II", self.config, self.window + 8)
        return (offset & ~(length - 1), length) if length in (1, 2, 4) else None

    # What a driver reaches.

    def read_bar(self, number: int, at: int, size: int) -> int:
        if number == LEGACY_BAR:
            return self.legacy.read(at, size)
        if number == MODERN_BAR:
            return self.modern.read(at, size)
        if number == MSIX_BAR and self.msix is not None:
            return self.msix.read(at, size)
        return 0

    def write_bar(self, number: int, at: int, value: int, size: int) -> None:
        if number == LEGACY_BAR:
            self.legacy.write(at, value, size)
        elif number == MODERN_BAR:
            self.modern.write(at, value, size)
        elif number == NOTIFY_PIO_BAR:
            self.notified(value)
        elif self.msix is not None:
            self.msix.write(at, value, size)

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
