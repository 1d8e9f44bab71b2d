"""The paravirtual panic port ``pvpanic``: a guest tells that it crashed.

After docs/specs/pvpanic in QEMU and hw/misc/pvpanic.c: one byte, which reads as the events that
the device takes and takes the one that happened. It has no state that migrates; that the register
reads the same on both ends is the property ``events``.
"""

from __future__ import annotations

from collections.abc import Iterator

from machines.emulator.devices.model import Model
from machines.emulator.devices.processor import Processor

PANICKED, CRASH_LOADED, SHUTDOWN = 0x01, 0x02, 0x04
#: What a device takes whose release has no property for it: the event it began with.
FIRST_EVENTS = PANICKED


class Pvpanic(Model):
    """The register, at offset 0."""

    drivers = ("pvpanic",)
    fields = {}

    def reset(self) -> None:
        self.events = self.number("events", FIRST_EVENTS) & 0xFF
        #: What the guest told: the machine's business, no state of the device.
        self.told: list[int] = []

    def read(self, offset: int, size: int) -> int:
        return self.events

    def write(self, offset: int, value: int, size: int) -> None:
        self.told.append(value & 0xFF)


MODEL = Pvpanic


def exercise(processor: Processor) -> Iterator[None]:
    """Ask which events the device takes, as a driver does before it uses one."""
    while True:
        events = processor.read(0)
        if events & CRASH_LOADED:
            processor.write(0, CRASH_LOADED)
        yield
