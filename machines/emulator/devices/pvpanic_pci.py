"""The panic port of :mod:`machines.emulator.devices.pvpanic` as a PCI device.

After hw/misc/pvpanic-pci.c: the register stands in a memory window of two bytes, and its
configuration space migrates.
"""

from __future__ import annotations

from collections.abc import Iterator

from machines.emulator.devices.pci import Configuration, PciModel, bar_offset
from machines.emulator.devices.processor import Processor
from machines.emulator.devices.pvpanic import CRASH_LOADED, FIRST_EVENTS
from machines.emulator.pci import COMMAND, COMMAND_MEMORY, FIRST_BAR, INTERRUPT_LINE, Bar

IDS = (0x1B36, 0x0011)
CLASS_SYSTEM_OTHER = 0x088000
WINDOW = Bar(0, 2)
REGISTER = bar_offset(0)
BASE = 0xFEB00000


class PvpanicPci(PciModel):
    """The register, in the window of base address 0."""

    drivers = ("pvpanic-pci",)

    def configuration(self) -> Configuration:
        built = Configuration(IDS, CLASS_SYSTEM_OTHER, revision=1)
        built.add_bar(WINDOW)
        return built

    def reset(self) -> None:
        super().reset()
        self.events = self.number("events", FIRST_EVENTS) & 0xFF
        #: What the guest told: the machine's business, no state of the device.
        self.told: list[int] = []

    def read_bar(self, number: int, at: int, size: int) -> int:
        return int.from_bytes(bytes((self.events,)) * size, "little")

    def write_bar(self, number: int, at: int, value: int, size: int) -> None:
        self.told += value.to_bytes(8, "little")[:size]


MODEL = PvpanicPci


def exercise(processor: Processor) -> Iterator[None]:
    """Move the window about, switch it off and on, and ask which events the device takes."""
    while True:
        place, kept = processor.draw(2)
        processor.write(FIRST_BAR, BASE + 0x1000 * place, 4)
        processor.write(COMMAND, COMMAND_MEMORY if place & 3 else 0, 2)
        processor.write(INTERRUPT_LINE, kept)
        yield
        for register in (0, COMMAND, 8, FIRST_BAR, INTERRUPT_LINE):
            processor.read(register, 4)
        if processor.read(REGISTER) & CRASH_LOADED:
            processor.write(REGISTER, CRASH_LOADED)
