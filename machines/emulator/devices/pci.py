"""What every modelled PCI device has: configuration space, base addresses, an interrupt pin.

After the PCI Local Bus Specification 3.0, chapter 6, and hw/pci/pci.c. Which bytes a guest may
write, and which a destination compares, is :mod:`machines.emulator.pci`.

A guest reaches the device at its own offsets: configuration space at 0, what a base address
register decodes at :func:`bar_offset`. Every device stands on the root bus of its machine, where
also an express device is an integrated endpoint with 256 bytes of configuration space.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import ClassVar

from machines.emulator.catalogue import Field
from machines.emulator.devices.model import Bytes, Codec, Model, Refused, Signed
from machines.emulator.layout import Leaf
from machines.emulator.pci import (
    BAR_IO,
    CAPABILITIES,
    COMMAND,
    COMMAND_INTX_DISABLE,
    COMMAND_IO,
    COMMAND_MASTER,
    COMMAND_MEMORY,
    CONFIG_SIZE,
    FIRST_BAR,
    HEADER_SIZE,
    INTERRUPT_PIN,
    STATUS,
    STATUS_CAPABILITIES,
    STATUS_INTERRUPT,
    SUBSYSTEM,
    Bar,
    Masks,
    first_difference,
    masks,
)

BAR_SPACE = 1 << 24
VMSTATE_VERSION = 2  # of PCIDevice, and what ``version_id`` holds
PINS = 4
_PINS = struct.Struct(f">{PINS}I")
#: Interrupt lines of PCI devices, one for each place on the bus.
FIRST_LINE = 64
#: Subsystem ids of a device that names none: Red Hat's of QEMU.
QEMU_SUBSYSTEM = (0x1AF4, 0x1100)


def bar_offset(number: int) -> int:
    """Where a guest finds what the base address register decodes."""
    return (number + 1) * BAR_SPACE


# --- How it is written ----------------------------------------------------------------------------


class PciVersion(Signed):
    """``version_id``: a version that the device knows, or an older one."""

    wire_type = "int32 le"


class PciConfig(Bytes):
    """Configuration space, compared when it is loaded."""

    wire_type = "pci config"


class PciIrqState(Codec):
    """The level of each interrupt pin, a word each."""

    wire_type = "pci irq state"

    def encode(self, value: list[int], leaf: Leaf) -> bytes:
        return _PINS.pack(*value)

    def decode(self, raw: bytes, leaf: Leaf) -> list[int]:
        return list(_PINS.unpack(raw))


# --- Configuration space as a device is built -----------------------------------------------------


class Configuration:
    """Puts configuration space together as a device does when it is realized."""

    def __init__(
        self,
        ids: tuple[int, int],
        device_class: int,
        revision: int = 0,
        subsystem: tuple[int, int] = QEMU_SUBSYSTEM,
    ) -> None:
        self.space = bytearray(CONFIG_SIZE)
        self.bars: list[Bar] = []
        struct.pack_into("<HH", self.space, 0, *ids)
        struct.pack_into("<I", self.space, 8, device_class << 8 | revision)
        struct.pack_into("<HH", self.space, SUBSYSTEM, *subsystem)
        self._free = HEADER_SIZE

    def add_bar(self, bar: Bar) -> None:
        self.bars.append(bar)
        struct.pack_into("<I", self.space, FIRST_BAR + 4 * bar.number, bar.kind)

    def add_capability(self, number: int, body: bytes) -> int:
        """Where the capability stands; ``body`` follows its id and link. It heads the list."""
        at = self._free
        self.space[at : at + 2] = bytes((number, self.space[CAPABILITIES]))
        self.space[at + 2 : at + 2 + len(body)] = body
        self.space[CAPABILITIES] = at
        self.space[STATUS] |= STATUS_CAPABILITIES
        self._free = at + -(-(2 + len(body)) // 4) * 4
        return at

    def connect_pin(self) -> None:
        """The device interrupts through pin A."""
        self.space[INTERRUPT_PIN] = 1


# --- The device -----------------------------------------------------------------------------------


class PciModel(Model):
    """A PCI device. A subclass says what it is, and answers for what its bars decode."""

    fields: ClassVar[dict[str, Codec]] = {
        "dev.version_id": PciVersion("pci_version"),
        "dev.config": PciConfig("saved_config"),
        "dev.irq_state": PciIrqState("saved_irq_state"),
    }

    @classmethod
    def settle(cls, label: str, item: Field) -> Field | None:
        """A dump describes the configuration space of both kinds of bus."""
        if not label.endswith("dev.config"):
            return item
        return replace(item, conditional=False) if item.size == CONFIG_SIZE else None

    def configuration(self) -> Configuration:
        """Configuration space as the device's properties make it. Raises :class:`Refused`."""
        raise NotImplementedError

    def connect(self) -> None:
        built = self.configuration()
        self._line = FIRST_LINE + len(self.platform.devices)
        self.bars = {bar.number: bar for bar in built.bars}
        self._after_reset = bytes(built.space)
        self.masks: Masks = masks(self._after_reset, tuple(built.bars))

    def reset(self) -> None:
        self.config = bytearray(self._after_reset)
        self.pci_version_id = VMSTATE_VERSION
        self.irq_state = [0] * PINS
        self._drive_line()

    # The bus.

    def read(self, offset: int, size: int) -> int:
        space, at = divmod(offset, BAR_SPACE)
        if not space:
            return self.read_config(at, size)
        if not self._decodes(space - 1, at, size):
            return (1 << 8 * size) - 1
        return self.read_bar(space - 1, at, size) & (1 << 8 * size) - 1

    def write(self, offset: int, value: int, size: int) -> None:
        space, at = divmod(offset, BAR_SPACE)
        if not space:
            self.write_config(at, value, size)
        elif self._decodes(space - 1, at, size):
            self.write_bar(space - 1, at, value, size)

    def read_bar(self, number: int, at: int, size: int) -> int:
        """A register behind a base address."""
        raise NotImplementedError

    def write_bar(self, number: int, at: int, value: int, size: int) -> None:
        """As :meth:`read_bar`."""
        raise NotImplementedError

    def _decodes(self, number: int, at: int, size: int) -> bool:
        """Does the device answer there? Its base address is set and decoding switched on."""
        bar = self.bars.get(number)
        if bar is None or at + size > bar.size:
            return False
        enable = COMMAND_IO if bar.is_io else COMMAND_MEMORY
        register = FIRST_BAR + 4 * number
        address = int.from_bytes(self.config[register : register + bar.width], "little")
        return bool(self.config[COMMAND] & enable and address & -bar.size)

    # Configuration space.

    def read_config(self, at: int, size: int) -> int:
        return int.from_bytes(self.config[at : at + size], "little")

    def write_config(self, at: int, value: int, size: int) -> None:
        """Take over the bits that a guest may write (``pci_default_write_config``)."""
        for index, byte in enumerate(value.to_bytes(8, "little")[:size], at):
            if index >= CONFIG_SIZE:
                break
            writable = self.masks.wmask[index]
            kept = self.config[index] & ~writable | byte & writable
            self.config[index] = kept & ~(byte & self.masks.w1cmask[index])
        if at <= COMMAND + 1 and at + size > COMMAND:
            self._drive_line()

    @property
    def is_master(self) -> bool:
        """May the device reach guest memory?"""
        return bool(self.config[COMMAND] & COMMAND_MASTER)

    # Its interrupt pin.

    def set_interrupt(self, level: bool) -> None:
        """Drive pin A."""
        self.irq_state[0] = int(level)
        self._show_interrupt()
        self._drive_line()

    def _show_interrupt(self) -> None:
        shown = STATUS_INTERRUPT if any(self.irq_state) else 0
        self.config[STATUS] = self.config[STATUS] & ~STATUS_INTERRUPT | shown

    def _line_level(self) -> bool:
        command = int.from_bytes(self.config[COMMAND : COMMAND + 2], "little")
        return bool(any(self.irq_state) and not command & COMMAND_INTX_DISABLE)

    def _drive_line(self) -> None:
        self.platform.set_line(self._line, self._line_level())

    # Migration.

    @property
    def pci_version(self) -> int:
        return self.pci_version_id

    @pci_version.setter
    def pci_version(self, incoming: int) -> None:
        self.check_version(incoming)
        self.pci_version_id = incoming

    def check_version(self, incoming: int) -> None:
        """``get_int32_le``: the device's own version or an older one. Raises :class:`Refused`."""
        if not 0 <= incoming <= self.pci_version_id:
            known = f"expecting positive value <= {self.pci_version_id}"
            raise Refused(f"Invalid value {incoming} {known}", "equal")

    @property
    def saved_config(self) -> bytes:
        return bytes(self.config)

    @saved_config.setter
    def saved_config(self, incoming: bytes) -> None:
        self.check_config(incoming)
        self.config = bytearray(incoming)

    def check_config(self, incoming: bytes) -> None:
        """``get_pci_config_device``: what is read-only must be alike. Raises :class:`Refused`."""
        difference = first_difference(bytes(self.config), bytes(incoming), self.masks)
        if difference is not None:
            raise Refused(difference.message(), "pci-config")

    @property
    def saved_irq_state(self) -> list[int]:
        return self.irq_state

    @saved_irq_state.setter
    def saved_irq_state(self, incoming: list[int]) -> None:
        for level in incoming:
            if level not in (0, 1):
                raise Refused(f"irq state {level}: must be 0 or 1.")
        self.irq_state = list(incoming)
        self.platform.restore_line(self._line, self._line_level())


def io_bar(number: int, size: int) -> Bar:
    """Registers in I/O space."""
    return Bar(number, size, BAR_IO)
