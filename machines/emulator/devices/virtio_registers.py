"""The registers of a virtio device on PCI, in both layouts that a driver may use.

After the Virtual I/O Device specification 1.2, chapter 4.1.4 (the common structure 4.1.4.3, the
legacy interface 4.1.4.10), and hw/virtio/virtio-pci.c. What a register means to the device is the
device's own (:mod:`virtio`), where all state is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from machines.emulator.devices import virtio_spec as spec
from machines.emulator.devices.virtqueue import NO_VECTOR, Virtqueue
from machines.emulator.pci import COMMAND, COMMAND_MASTER
from machines.emulator.virtio import QUEUE_MAX

if TYPE_CHECKING:
    from machines.emulator.devices.virtio import VirtioPci


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
        return (self.descriptors, self.available, self.used)[(at - spec.QUEUE_DESCRIPTORS) // 8]


def _whole(halves: list[int]) -> int:
    return halves[0] | halves[1] << 32


class Registers:
    """What both layouts have of a device."""

    def __init__(self, device: VirtioPci) -> None:
        self.device = device

    def _read_isr(self) -> int:
        """Reading tells the cause and takes the interrupt back."""
        isr, self.device.isr = self.device.isr, 0
        self.device.set_interrupt(False)
        return isr

    def _read_device(self, at: int, size: int) -> int:
        """The device's own configuration; beyond its end all bits are set."""
        space = self.device.device_config_space
        if at + size > len(space):
            return (1 << 8 * size) - 1
        space[:] = self.device.device_config()
        return int.from_bytes(space[at : at + size], "little")

    def _write_device(self, at: int, value: int, size: int) -> None:
        space = self.device.device_config_space
        if at + size <= len(space):
            space[at : at + size] = value.to_bytes(8, "little")[:size]
            self.device.device_config_written(bytes(space))

    def _vector(self, value: int) -> int:
        """A vector as a driver finds it after writing it: none where there is no such."""
        msix = self.device.msix
        return value if msix is not None and value < msix.vectors else NO_VECTOR

    def _selected(self) -> Virtqueue | None:
        """The queue that the driver selected, None where there is no such."""
        queues, number = self.device.queues, self.device.queue_select
        return queues[number] if number < len(queues) else None

    def _queue_vector(self) -> int:
        """The selected queue's vector."""
        queue = self._selected() or self.device.registers.get(self.device.queue_select)
        return NO_VECTOR if queue is None else queue.vector

    def _set_queue_vector(self, value: int) -> None:
        queue = self._selected() or self.device.registers_of(self.device.queue_select)
        queue.vector = self._vector(value)

    def _write_status(self, status: int) -> None:
        self.device.set_status(status)
        if not status:
            self.device.reset_virtio()


class ModernRegisters(Registers):
    """The structures of the modern layout, one page each behind the other."""

    def read(self, at: int, size: int) -> int:
        region, offset = at & ~(spec.REGION_SIZE - 1), at & (spec.REGION_SIZE - 1)
        if region == spec.COMMON:
            return self._read_common(offset)
        if region == spec.ISR:
            return self._read_isr()
        if region == spec.DEVICE:
            return self._read_device(offset, size)
        return 0

    def write(self, at: int, value: int, size: int) -> None:
        if at < spec.REGION_SIZE:
            self._write_common(at, value)
        elif spec.DEVICE <= at < spec.DEVICE + spec.REGION_SIZE:
            self._write_device(at - spec.DEVICE, value, size)
        elif at >= spec.NOTIFY:
            self.device.notified((at - spec.NOTIFY) // self.device.notify_step)

    def _read_common(self, at: int) -> int:
        device = self.device
        if at < spec.CONFIG_VECTOR:
            return self._read_features(at)
        if at >= spec.QUEUE_SIZE:
            return self._read_queue(at)
        return {
            spec.CONFIG_VECTOR: device.config_vector,
            spec.QUEUE_COUNT: len([queue for queue in device.queues if queue.size]),
            spec.STATUS: device.status,
            spec.GENERATION: device.generation,
            spec.QUEUE_SELECT: device.queue_select,
        }.get(at, 0)

    def _read_features(self, at: int) -> int:
        device = self.device
        if at == spec.FEATURES and device.device_feature_select <= 1:
            offered = device.host_features & ~device.legacy_features
            return offered >> 32 * device.device_feature_select & 0xFFFFFFFF
        if at == spec.DRIVER_FEATURES and device.driver_feature_select <= 1:
            return device.driver_features[device.driver_feature_select]
        selectors = {
            spec.FEATURE_SELECT: device.device_feature_select,
            spec.DRIVER_FEATURE_SELECT: device.driver_feature_select,
        }
        return selectors.get(at, 0)

    def _read_queue(self, at: int) -> int:
        queue, registers = self._selected(), self.device.registers.get(self.device.queue_select)
        if at == spec.QUEUE_NOTIFY_OFFSET:
            return self.device.queue_select
        if at == spec.QUEUE_SIZE:
            return 0 if queue is None else queue.size
        if at == spec.QUEUE_VECTOR:
            return self._queue_vector()
        if registers is None:
            return 0
        if at == spec.QUEUE_ENABLE:
            return registers.enabled
        inside = spec.QUEUE_DESCRIPTORS <= at < spec.QUEUE_USED + 8 and not at % 4
        return registers.halves(at)[at // 4 % 2] if inside else 0

    def _write_common(self, at: int, value: int) -> None:
        device = self.device
        if at == spec.FEATURE_SELECT:
            device.device_feature_select = value
        elif at == spec.DRIVER_FEATURE_SELECT:
            device.driver_feature_select = value
        elif at == spec.DRIVER_FEATURES and device.driver_feature_select <= 1:
            device.driver_features[device.driver_feature_select] = value
            device.set_features(_whole(device.driver_features))
        elif at == spec.CONFIG_VECTOR:
            device.config_vector = self._vector(value)
        elif at == spec.STATUS:
            self._write_status(value & 0xFF)
        elif at == spec.QUEUE_SELECT and value < QUEUE_MAX:
            device.queue_select = value
        elif at > spec.QUEUE_SELECT:
            self._write_queue(at, value)

    def _write_queue(self, at: int, value: int) -> None:
        queue = self._selected()
        registers = self.device.registers_of(self.device.queue_select)
        if at == spec.QUEUE_SIZE:
            registers.size = value
            if queue is not None:
                queue.set_size(value)
        elif at == spec.QUEUE_VECTOR:
            self._set_queue_vector(value)
        elif at == spec.QUEUE_ENABLE:
            self._enable_queue(queue, registers, value)
        elif spec.QUEUE_DESCRIPTORS <= at < spec.QUEUE_USED + 8 and not at % 4:
            registers.halves(at)[at // 4 % 2] = value
        elif at == spec.QUEUE_RESET and value == 1 and queue is not None:
            queue.reset()
            registers.enabled = 0

    def _enable_queue(self, queue: Virtqueue | None, registers: QueueRegisters, value: int) -> None:
        if value != 1:
            self.device.fail()
            return
        if queue is not None:
            queue.set_size(registers.size)
            rings = (registers.descriptors, registers.available, registers.used)
            queue.place(*(_whole(halves) for halves in rings))
        registers.enabled = 1


class LegacyRegisters(Registers):
    """The registers before version 1.0, all in one block."""

    def _config_at(self) -> int:
        """Where the device's own configuration begins: the vectors stand before it when used."""
        with_vectors = self.device.msix is not None and self.device.msix.is_enabled
        return spec.L_CONFIG_WITH_MSIX if with_vectors else spec.L_CONFIG

    def read(self, at: int, size: int) -> int:
        device = self.device
        if at >= self._config_at():
            return self._read_device(at - self._config_at(), size)
        if at == spec.L_ISR:
            return self._read_isr()
        queue = self._selected()
        return {
            spec.L_FEATURES: device.host_features & 0xFFFFFFFF,
            spec.L_DRIVER_FEATURES: device.features & 0xFFFFFFFF,
            spec.L_QUEUE_PAGE: 0 if queue is None else queue.descriptors >> spec.L_PAGE_SHIFT,
            spec.L_QUEUE_SIZE: 0 if queue is None else queue.size,
            spec.L_QUEUE_SELECT: device.queue_select,
            spec.L_STATUS: device.status,
            spec.L_CONFIG_VECTOR: device.config_vector,
            spec.L_QUEUE_VECTOR: self._queue_vector(),
        }.get(at, 0xFFFFFFFF)

    def write(self, at: int, value: int, size: int) -> None:
        device = self.device
        queue = self._selected()
        if at >= self._config_at():
            self._write_device(at - self._config_at(), value, size)
        elif at == spec.L_DRIVER_FEATURES:
            device.set_features(0 if value >> spec.BAD_FEATURE & 1 else value)
        elif at == spec.L_QUEUE_PAGE and not value:
            device.reset_virtio()
        elif at == spec.L_QUEUE_PAGE and queue is not None:
            queue.place_legacy(value << spec.L_PAGE_SHIFT)
        elif at == spec.L_QUEUE_SELECT and value < QUEUE_MAX:
            device.queue_select = value
        elif at == spec.L_QUEUE_NOTIFY:
            device.notified(value)
        elif at == spec.L_STATUS:
            self._write_status(value & 0xFF)
        elif at == spec.L_CONFIG_VECTOR:
            device.config_vector = self._vector(value)
        elif at == spec.L_QUEUE_VECTOR:
            self._set_queue_vector(value)

    def _write_status(self, status: int) -> None:
        super()._write_status(status)
        # Old drivers forget to let the device master the bus.
        if status == spec.ACKNOWLEDGE | spec.DRIVER:
            self.device.config[COMMAND] |= COMMAND_MASTER
