"""Which bytes of PCI configuration space a destination compares, bit by bit.

QEMU refuses a stream when ``(own ^ incoming) & cmask & ~wmask & ~w1cmask`` is not zero in any
byte (``get_pci_config_device`` in hw/pci/pci.c), ``own`` being the destination's device after
reset. The masks are not in the stream. They follow from the PCI and PCI Express specifications
and from the capability list in the device's own bytes, as hw/pci/pci.c, msi.c, msix.c, pcie.c,
pcie_aer.c, shpc.c and slotid_cap.c set them.

    >>> own = bytearray(256)
    >>> own[0:2] = b"\\xf4\\x1a"
    >>> incoming = bytes(own[:0x3c]) + b"\\x0b" + bytes(195)   # the interrupt line may differ
    >>> first_difference(bytes(own), incoming) is None
    True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from machines.emulator import refusals

CONFIG_SIZE = 256
EXPRESS_CONFIG_SIZE = 4096
HEADER_SIZE = 0x40
VENDOR_VIRTIO = 0x1AF4

# Header registers (PCI Local Bus Specification 3.0, chapter 6.1; bridges: PCI-to-PCI Bridge 1.2).
COMMAND, STATUS, REVISION, CLASS, HEADER_TYPE = 0x04, 0x06, 0x08, 0x09, 0x0E
FIRST_BAR, ROM_BAR, BRIDGE_ROM_BAR, CAPABILITIES = 0x10, 0x30, 0x38, 0x34
CACHE_LINE_SIZE, SUBSYSTEM, INTERRUPT_LINE, INTERRUPT_PIN = 0x0C, 0x2C, 0x3C, 0x3D
COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER, COMMAND_INTX_DISABLE = 0x01, 0x02, 0x04, 0x400
COMMAND_SERR = 0x100
STATUS_INTERRUPT, STATUS_CAPABILITIES = 0x08, 0x10
BAR_IO, BAR_64_BIT, BAR_PREFETCH = 0x01, 0x04, 0x08

# Capability ids.
CAP_PM, CAP_MSI, CAP_VENDOR, CAP_SHPC, CAP_SSVID = 0x01, 0x05, 0x09, 0x0C, 0x0D
CAP_EXPRESS, CAP_MSIX, CAP_SATA, CAP_AF, CAP_SLOT_ID = 0x10, 0x11, 0x12, 0x13, 0x04
_FIXED_LENGTHS = {
    CAP_PM: 8,
    CAP_SLOT_ID: 4,
    CAP_SHPC: 8,
    CAP_SSVID: 8,
    CAP_MSIX: 12,
    CAP_SATA: 8,
    CAP_AF: 6,
}

# Extended capability ids, with the lengths that QEMU's pcie_add_capability() is given.
EXT_AER, EXT_DSN, EXT_ACS, EXT_ARI, EXT_ATS, EXT_SRIOV = 0x01, 0x03, 0x0D, 0x0E, 0x0F, 0x10
EXT_PRI, EXT_LTR, EXT_PASID, EXT_DVSEC, EXT_DOE = 0x13, 0x18, 0x1B, 0x23, 0x2E
_EXTENDED_LENGTHS = {
    EXT_AER: 0x48,
    EXT_DSN: 0x0C,
    EXT_ACS: 8,
    EXT_ARI: 8,
    EXT_ATS: 8,
    EXT_SRIOV: 0x40,
    EXT_PRI: 0x10,
    EXT_LTR: 8,
    EXT_PASID: 8,
    EXT_DOE: 0x18,
}

# Port types of the PCI Express capability (PCIe Base Specification 5.0, 7.5.3.2).
ROOT_PORT = 4
UNCORRECTABLE_SUPPORTED = 0x03FFF030
CORRECTABLE_SUPPORTED = 0x0000F1C1


@dataclass(frozen=True, slots=True)
class Masks:
    """``compare``: bits that must be equal; the others as QEMU's arrays of the same names."""

    cmask: bytes
    wmask: bytes
    w1cmask: bytes
    compare: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register of a device that is known: ``size`` in bytes, a power of two.

    ``kind`` are the register's read-only low bits: :data:`BAR_IO`, or those of memory.
    """

    number: int
    size: int
    kind: int = 0

    @property
    def is_io(self) -> bool:
        return bool(self.kind & BAR_IO)

    @property
    def width(self) -> int:
        """How many bytes the register has."""
        return 8 if self.kind & (BAR_IO | BAR_64_BIT) == BAR_64_BIT else 4


@dataclass(frozen=True, slots=True)
class Difference:
    """The first byte that a destination refuses, as ``get_pci_config_device`` reports it."""

    index: int
    incoming: int
    own: int
    cmask: int
    wmask: int
    w1cmask: int

    def message(self) -> str:
        return refusals.other_config(
            self.index,
            f"read: {self.incoming:x} device: {self.own:x} "
            f"cmask: {self.cmask:x} wmask: {self.wmask:x} w1cmask:{self.w1cmask:x}",
        )


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability's id and place; ``extended`` for those at 0x100 and above."""

    id: int
    offset: int
    length: int
    extended: bool = False


def capabilities(config: bytes) -> Iterator[Capability]:
    """The capability list, then the extended one; stops at a loop or an impossible offset."""
    seen = set()
    at = config[CAPABILITIES] & ~3 if config[STATUS] & STATUS_CAPABILITIES else 0
    while at >= HEADER_SIZE and at not in seen:
        seen.add(at)
        yield Capability(config[at], at, min(_length(config, at), CONFIG_SIZE - at))
        at = config[at + 1] & ~3
    at = CONFIG_SIZE if len(config) >= EXPRESS_CONFIG_SIZE else 0
    while at >= CONFIG_SIZE and at <= len(config) - 8 and at not in seen:
        seen.add(at)
        header = _get(config, at, 4)
        if not header:
            break
        kind = header & 0xFFFF
        length = _EXTENDED_LENGTHS.get(kind, 8)
        if kind == EXT_DVSEC:
            length = max(12, _get(config, at + 4, 4) >> 20)
        yield Capability(kind, at, min(length, len(config) - at), True)
        at = header >> 20 & ~3


def _length(config: bytes, at: int) -> int:
    """The length of the capability at ``at``, in bytes."""
    kind = config[at]
    if kind == CAP_VENDOR:
        return max(3, config[at + 2])
    if kind == CAP_MSI:
        flags = _get(config, at + 2, 2)
        return 10 + (4 if flags & 0x80 else 0) + (10 if flags & 0x100 else 0)
    if kind == CAP_EXPRESS:
        return 0x3C if config[at + 2] & 0xF >= 2 else 0x14
    return _FIXED_LENGTHS.get(kind, 2)


def _get(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def msix_vectors(config: bytes) -> int:
    """How many MSI-X vectors the device has, 0 without the capability."""
    for capability in capabilities(config[:CONFIG_SIZE]):
        if capability.id == CAP_MSIX:
            return (_get(config, capability.offset + 2, 2) & 0x7FF) + 1
    return 0


class _Builder:
    """The three masks while they are being set, register by register."""

    def __init__(self, config: bytes) -> None:
        self.config = config
        self.cmask = bytearray(len(config))
        self.wmask = bytearray(b"\xff" * len(config))
        self.w1cmask = bytearray(len(config))
        self.wmask[:HEADER_SIZE] = bytes(HEADER_SIZE)

    def get(self, at: int, size: int) -> int:
        return _get(self.config, at, size)

    def write(self, at: int, size: int, value: int) -> None:
        self._or(self.wmask, at, size, value)

    def clear(self, at: int, size: int, value: int) -> None:
        self._or(self.w1cmask, at, size, value)

    def check(self, at: int, size: int, value: int) -> None:
        self._or(self.cmask, at, size, value)

    def ignore(self, at: int, size: int, value: int) -> None:
        for index in range(min(size, len(self.cmask) - at)):
            self.cmask[at + index] &= ~(value >> 8 * index) & 0xFF

    @staticmethod
    def _or(mask: bytearray, at: int, size: int, value: int) -> None:
        for index in range(min(size, len(mask) - at)):
            mask[at + index] |= value >> 8 * index & 0xFF

    def claim(self, capability: Capability) -> None:
        """A capability is compared and read-only unless said otherwise."""
        end = capability.offset + capability.length
        self.cmask[capability.offset : end] = b"\xff" * capability.length
        self.wmask[capability.offset : end] = bytes(capability.length)
        self.w1cmask[capability.offset : end] = bytes(capability.length)

    def masks(self) -> Masks:
        compare = bytes(
            c & ~w & ~w1 & 0xFF
            for c, w, w1 in zip(self.cmask, self.wmask, self.w1cmask, strict=True)
        )
        return Masks(
            bytes(self.cmask),
            bytes(self.wmask),
            bytes(self.w1cmask),
            int.from_bytes(compare, "little"),
        )


@lru_cache(maxsize=1024)
def masks(config: bytes, bars: tuple[Bar, ...] = ()) -> Masks:
    """The masks of a device whose configuration space after reset is ``config``.

    ``bars`` are those of which more is known than the bytes tell.
    """
    build = _Builder(config)
    _header(build)
    listed = list(capabilities(config))
    for capability in listed:
        build.claim(capability)
    for capability in listed:
        handler = (_EXTENDED if capability.extended else _CONVENTIONAL).get(capability.id)
        if handler is not None:
            handler(build, capability.offset)
    _base_addresses(build, listed, bars)
    return build.masks()


def _header(build: _Builder) -> None:
    build.check(0, 4, 0xFFFFFFFF)
    build.check(STATUS, 1, STATUS_CAPABILITIES)
    build.check(REVISION, 4, 0xFFFFFFFF)
    build.check(HEADER_TYPE, 1, 0xFF)
    build.check(CAPABILITIES, 1, 0xFF)
    writable = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE | COMMAND_SERR
    build.write(COMMAND, 2, writable)
    build.clear(STATUS, 2, 0xF900)
    build.write(CACHE_LINE_SIZE, 1, 0xFF)
    build.write(INTERRUPT_LINE, 1, 0xFF)
    if build.config[HEADER_TYPE] & 0x7F == 1:
        # The kinds of windows that a bridge has: 16 or 32 bits I/O, 32 or 64 bits memory.
        for register, size in ((0x1C, 1), (0x1D, 1), (0x24, 2), (0x26, 2)):
            build.check(register, size, 0x0F)


def _base_addresses(build: _Builder, listed: list[Capability], bars: tuple[Bar, ...]) -> None:
    """BARs are compared where the device has one: its type bits, as its address is writable.

    A 32-bit memory BAR is all zeroes after reset, as is a BAR that does not exist; it is known
    to be there where a capability refers to it.
    """
    bridge = build.config[HEADER_TYPE] & 0x7F == 1
    count = 2 if bridge else 6
    referred = {
        build.config[at] & 7
        for capability in listed
        for at in _bar_references(build.config, capability)
    }
    number = 0
    while number < count:
        at = FIRST_BAR + 4 * number
        kind = build.get(at, 4)
        if kind or number in referred:
            build.check(at, 4, 0xFFFFFFFF)
            build.write(at, 4, 0xFFFFFFFC if kind & 1 else 0xFFFFFFF0)
            if kind & 7 == 4 and number + 1 < count:
                number += 1
                build.check(at + 4, 4, 0xFFFFFFFF)
                build.write(at + 4, 4, 0xFFFFFFFF)
        number += 1
    for bar in bars:
        at = FIRST_BAR + 4 * bar.number
        build.check(at, bar.width, (1 << 64) - 1)
        build.write(at, bar.width, (1 << 64) - 1)
        build.wmask[at : at + 4] = (-bar.size & 0xFFFFFFFF).to_bytes(4, "little")


def _bar_references(config: bytes, capability: Capability) -> Iterator[int]:
    """Where a capability names a BAR (MSI-X table and PBA, virtio structures)."""
    if capability.extended:
        return
    if capability.id == CAP_MSIX and capability.length == _FIXED_LENGTHS[CAP_MSIX]:
        yield capability.offset + 4
        yield capability.offset + 8
    elif _virtio_type(config, capability) in (1, 2, 3, 4):
        yield capability.offset + 4


def _virtio_type(config: bytes, capability: Capability) -> int:
    """The cfg_type of a virtio structure capability (virtio 1.2, 4.1.4), 0 for any other."""
    if capability.id != CAP_VENDOR or _get(config, 0, 2) != VENDOR_VIRTIO:
        return 0
    return config[capability.offset + 3] if capability.length >= 16 else 0


def _power_management(build: _Builder, at: int) -> None:
    build.write(at + 4, 2, 0x1F03)  # power state, PME enable, data select
    build.clear(at + 4, 2, 0x8000)


def _msi(build: _Builder, at: int) -> None:
    flags = build.get(at + 2, 2)
    build.write(at + 2, 2, 0x01 | (0x70 if flags & 0x0E else 0))
    build.write(at + 4, 4, 0xFFFFFFFC)
    data = at + 8
    if flags & 0x80:
        build.write(at + 8, 4, 0xFFFFFFFF)
        data = at + 12
    build.write(data, 2, 0xFFFF)
    if flags & 0x100:
        build.write(data + 4, 4, (1 << (1 << (flags >> 1 & 7))) - 1)


def _msix(build: _Builder, at: int) -> None:
    build.write(at + 2, 2, 0xC000)  # enable, function mask


def _vendor(build: _Builder, at: int) -> None:
    """virtio's window into its BARs is writable (hw/virtio/virtio-pci.c, PCI_CFG)."""
    capability = Capability(CAP_VENDOR, at, _length(build.config, at))
    if _virtio_type(build.config, capability) == 5 and capability.length >= 20:
        build.write(at + 4, 1, 0xFF)
        build.write(at + 8, 8, (1 << 64) - 1)
        build.write(at + 16, 4, 0xFFFFFFFF)


def _hotplug_controller(build: _Builder, at: int) -> None:
    build.write(at + 2, 1, 0xFF)
    build.write(at + 4, 4, 0xFFFFFFFF)


def _slot_id(build: _Builder, at: int) -> None:
    build.write(at + 3, 1, 0xFF)


def _express(build: _Builder, at: int) -> None:
    flags = build.get(at + 2, 2)
    build.write(at + 8, 2, 0x000F)
    if build.get(at + 4, 4) & 0x10000000:  # function level reset
        build.write(at + 8, 2, 0x8000)
    build.clear(at + 0x0A, 2, 0x000F)
    build.ignore(at + 0x12, 2, 0xFFFF)  # the link's state changed over time and may change
    if build.config[at + 2] & 0xF < 2:
        return
    build.write(at + 0x10, 2, 0x00C0)
    build.write(at + 0x28, 2, 0x8000 | (0x20 if build.get(at + 0x24, 4) & 0x20 else 0))
    if flags & 0x100:  # a slot is implemented
        power_controller = 0x400 if build.get(at + 0x14, 4) & 0x02 else 0
        build.write(at + 0x18, 2, 0x0BF9 | power_controller)
        build.clear(at + 0x1A, 2, 0x0019)
        build.ignore(at + 0x1A, 2, 0x0040)  # presence: a guest may have unplugged the device
    if flags >> 4 & 0xF == ROOT_PORT:
        build.write(at + 0x1C, 2, 0x0007)


def _error_reporting(build: _Builder, at: int) -> None:
    build.clear(at + 0x04, 4, UNCORRECTABLE_SUPPORTED)
    if build.get(at + 0x08, 4):  # the mask register exists only where it has a default
        build.write(at + 0x08, 4, UNCORRECTABLE_SUPPORTED)
    build.write(at + 0x0C, 4, UNCORRECTABLE_SUPPORTED)
    build.clear(at + 0x10, 4, CORRECTABLE_SUPPORTED)
    build.write(at + 0x14, 4, CORRECTABLE_SUPPORTED)
    build.write(at + 0x18, 4, 0x140 | (0x400 if build.get(at + 0x18, 4) & 0x200 else 0))
    build.write(at + 0x2C, 4, 0x7)
    build.clear(at + 0x30, 4, 0x7F)
    build.ignore(at + 0x30, 4, 0xF8000000)


def _access_control(build: _Builder, at: int) -> None:
    build.write(at + 6, 2, build.get(at + 4, 2))


def _address_translation(build: _Builder, at: int) -> None:
    build.write(at + 6, 2, 0x800F)


def _virtualisation(build: _Builder, at: int) -> None:
    build.write(at + 0x08, 2, 0x0019)
    build.write(at + 0x10, 2, 0xFFFF)
    build.write(at + 0x20, 4, 0x0553)
    for bar in range(6):
        register = at + 0x24 + 4 * bar
        build.write(register, 4, 0xFFFFFFFF if not build.get(register, 4) else 0xFFFFFFF0)


_CONVENTIONAL = {
    CAP_PM: _power_management,
    CAP_MSI: _msi,
    CAP_MSIX: _msix,
    CAP_VENDOR: _vendor,
    CAP_SHPC: _hotplug_controller,
    CAP_SLOT_ID: _slot_id,
    CAP_EXPRESS: _express,
}
_EXTENDED = {
    EXT_AER: _error_reporting,
    EXT_ACS: _access_control,
    EXT_ATS: _address_translation,
    EXT_SRIOV: _virtualisation,
}


def first_difference(own: bytes, incoming: bytes, mask: Masks | None = None) -> Difference | None:
    """The first byte of ``incoming`` that a device with ``own`` refuses, None if it loads.

    Both are configuration spaces, ``own`` of 256 or 4096 bytes; of a shorter ``incoming`` only
    what is there is compared. ``mask`` are the device's masks where they are known.
    """
    if own == incoming:
        return None
    if mask is None:
        mask = masks(own)
    size = min(len(own), len(incoming))
    changed = int.from_bytes(own[:size], "little") ^ int.from_bytes(incoming[:size], "little")
    changed &= mask.compare
    if not changed:
        return None
    index = ((changed & -changed).bit_length() - 1) // 8
    return Difference(
        index,
        incoming[index],
        own[index],
        mask.cmask[index],
        mask.wmask[index],
        mask.w1cmask[index],
    )
