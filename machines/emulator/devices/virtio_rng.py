"""The virtio entropy device, ``virtio-rng-pci``.

After the Virtual I/O Device specification 1.2, chapter 5.4, and hw/virtio/virtio-rng.c with its
limit of ``max-bytes`` in ``period`` ms, of which nothing migrates: after a migration a new period
begins. The entropy of a trial must be the same on every machine, so it is no entropy: what a
request gets follows from its place in the queue, which migrates, and from the device's number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from machines.emulator.devices import virtio_driver
from machines.emulator.devices.processor import Processor
from machines.emulator.devices.virtio import VirtioPci
from machines.emulator.devices.virtqueue import Virtqueue

QUEUE_SIZE = 8
NS_PER_MS = 10**6
UNLIMITED = 2**63 - 1
CLASS_OTHERS = 0x00FF00


class VirtioRng(VirtioPci):
    """One queue, into whose buffers the device writes entropy."""

    drivers = ("virtio-rng-pci", "virtio-rng-pci-transitional", "virtio-rng-pci-non-transitional")
    virtio_id = 4
    transitional_id = 0x1005
    device_class = CLASS_OTHERS

    def queue_sizes(self) -> tuple[int, ...]:
        return (QUEUE_SIZE,)

    def connect(self) -> None:
        super().connect()
        self.max_bytes = self.number("max-bytes", UNLIMITED)
        self.period = self.number("period", 1 << 16) * NS_PER_MS

    def reset(self) -> None:
        super().reset()
        self.quota = self.max_bytes
        self.period_ends: int | None = None

    def handle(self, number: int) -> None:
        if not self.is_running:
            return
        queue, gave = self.queues[number], False
        if self.period_ends is None and self.max_bytes != UNLIMITED:
            self.period_ends = self.platform.now + self.period
        while self.quota > 0 and (element := queue.pop()):
            data = self._entropy(queue, min(element.room, self.quota))
            element.write(self.platform.ram, data)
            self.quota -= len(data) if self.max_bytes != UNLIMITED else 0
            queue.push(element, len(data))
            gave = True
        if gave:
            self.tell(queue)

    def _entropy(self, queue: Virtqueue, length: int) -> bytes:
        place = f"{self.instance}/{queue.last_available}"
        return hashlib.shake_128(place.encode()).digest(length)

    def device_deadline(self) -> int | None:
        return self.period_ends

    def device_expire(self) -> None:
        """A new period: what waited is served."""
        self.quota = self.max_bytes
        self.period_ends = None
        if self.can_work and self.queues[0].available:
            self.work(0)


MODEL = VirtioRng


def exercise(processor: Processor) -> Iterator[None]:
    """Ask for entropy in buffers of many sizes, with a driver of either kind."""
    while True:
        driver = virtio_driver.Driver(processor)
        driver.start(queues=1)
        yield
        for _ in range(2):
            for length in processor.draw(1 + processor.draw(1)[0] % 4):
                driver.offer(0, (), (1 + length,))
            yield
            driver.notify(0)
            yield
            processor.wait(NS_PER_MS)
            driver.collect(0)
        driver.look_around()
        yield
