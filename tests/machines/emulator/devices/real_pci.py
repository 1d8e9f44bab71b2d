"""A real QEMU's PCI device and its model side by side: one guest program uses both at once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from machines.emulator.board import Device
from machines.emulator.devices import MODELLED
from machines.emulator.devices.pci import BAR_SPACE
from machines.emulator.devices.processor import Processor
from machines.emulator.events import Payload, SectionBegin
from machines.emulator.guest import LocalHardware
from machines.emulator.pci import FIRST_BAR
from machines.emulator.stream import read_events
from tests.machines.emulator.devices.real_qemu import RealQemu
from tests.machines.emulator.modelled import device

SLOT = 4
ADDRESS_PORT, DATA_PORT = 0xCF8, 0xCFC  # configuration mechanism 1
MEMORY = 2**20
LETTERS = {1: "b", 2: "w", 4: "l", 8: "q"}


class RealPci(RealQemu):
    """The device in slot 4, at the offsets of :class:`PciModel`."""

    def reach(self, offset: int, size: int, value: int | None = None) -> int:
        """Read, or write a value, wherever the base address is now."""
        space, at = divmod(offset, BAR_SPACE)
        if not space:
            return self._config(at, size, value)
        base = self._config(FIRST_BAR + 4 * (space - 1), 4)
        if base & 1:
            return self._access("in", "out", (base & ~3) + at, size, value)
        if base & 4:
            base |= self._config(FIRST_BAR + 4 * space, 4) << 32
        return self._access("read", "write", (base & ~15) + at, size, value)

    def _config(self, at: int, size: int, value: int | None = None) -> int:
        self._test(f"outl 0x{ADDRESS_PORT:x} 0x{1 << 31 | SLOT << 11 | at & ~3:x}")
        return self._access("in", "out", DATA_PORT + (at & 3), size, value)

    def _access(self, get: str, put: str, address: int, size: int, value: int | None) -> int:
        letter = LETTERS[size]
        if value is None:
            return int(self._test(f"{get}{letter} 0x{address:x}"), 16)
        self._test(f"{put}{letter} 0x{address:x} 0x{value:x}")
        return 0

    def fetch(self, address: int, length: int) -> bytes:
        return bytes.fromhex(self._test(f"read 0x{address:x} 0x{length:x}")[2:])

    def put(self, address: int, data: bytes) -> None:
        self._test(f"write 0x{address:x} 0x{len(data):x} 0x{data.hex()}")


@dataclass(slots=True)
class Both:
    """Hardware that is a model and a real device. ``differing`` names what read unlike.

    ``compared`` tells whether guest memory at an address must be alike.
    """

    real: RealPci
    device: Device
    compared: Callable[[int], bool] = lambda address: True
    differing: list[str] = field(default_factory=list)
    model: LocalHardware = field(init=False)

    def __post_init__(self) -> None:
        assert self.device.model is not None
        self.model = LocalHardware(self.device.model, self.device.model.platform)
        self.real.start_clock()
        self.model.platform.now = self.real.run()

    def read(self, offset: int, size: int) -> int:
        real, own = self.real.reach(offset, size), self.model.read(offset, size)
        if real != own:
            self.differing.append(f"{offset:#x}/{size}: {real:#x}, in the model {own:#x}")
        return own

    def write(self, offset: int, value: int, size: int) -> None:
        self.real.reach(offset, size, value)
        self.model.write(offset, value, size)

    def advance(self, duration: int) -> None:
        """Let the real machine run, and the model as long as it did."""
        before = self.real.now()
        self.model.advance(self.real.run(0.01) - before)

    def line(self, number: int) -> bool:
        return self.model.line(number)

    def fetch(self, address: int, length: int) -> bytes:
        real, own = self.real.fetch(address, length), self.model.fetch(address, length)
        if self.compared(address) and real != own:
            self.differing.append(f"memory at {address:#x}: {real.hex()}, in the model {own.hex()}")
        return own

    def store(self, address: int, data: bytes) -> None:
        self.real.put(address, data)
        self.model.store(address, data)


def program(hardware: Both, seed: int) -> Iterator[None]:
    """The guest program of the device, on both."""
    exercise = MODELLED[hardware.device.driver].exercise
    return exercise(Processor(hardware, str(seed), MEMORY))


def modelled(driver: str) -> Device:
    return device(driver, "7.2", "pc-q35-7.2")


def section_of(stream: bytes, name: str) -> bytes:
    """The payload of the section of that name, its bus path left out."""
    begin: SectionBegin | None = None
    for event in read_events(io.BytesIO(stream)):
        if isinstance(event, SectionBegin):
            begin = event
        elif isinstance(event, Payload) and begin and begin.idstr.rpartition("/")[2] == name:
            return event.data
    raise AssertionError(f"no section {name}")
