"""From the place of a refusal to the properties known to decide it, the likeliest first.

A place is a byte of configuration space, a RAM block, or a field. What the tables here and in
:mod:`machines.emulator.deciding` say follows from the PCI, PCI Express and virtio specifications
and from QEMU's devices; which of the named properties a device has, and what a machine type sets,
is the catalogue's to tell (:mod:`machines.emulator.suggest`).

    >>> from machines.emulator.verdict import Refusal
    >>> size = Refusal("ram", "0000:00:01.0/qxl.vgavram", "ramblock", "Size mismatch", resized=True)
    >>> block_clues(size)
    ('ram_size_mb', 'ram_size')
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from machines.emulator import pci
from machines.emulator.deciding import (
    CONVENTIONAL_CLUES,
    EXTENDED_CLUES,
    FIELD_CLUES,
    REGISTERS,
    TYPE_CLUES,
    Register,
)
from machines.emulator.refusals import large_queue
from machines.emulator.verdict import Refusal
from machines.emulator.virtio import (
    FEATURE_PROPERTIES,
    LEAST_QUEUE_SIZES,
    PAIRED_QUEUE_SIZES,
)

# --- RAM blocks -----------------------------------------------------------------------------------

#: Part of a block's name → what decides its size (hw/display, hw/pci/pci.c), the longest first.
_SIZES = (
    (".rom", ("romsize", "romfile")),
    ("qxl.vgavram", ("ram_size_mb", "ram_size")),
    ("qxl.vram", ("vram_size_mb", "vram_size", "vram64_size_mb")),
    ("vram", ("vgamem_mb", "vgamem", "vram_size_mb", "vram_size")),
)
#: Part of a block's name → what decides whether there is one of this name.
_NAMES = ((".rom", ("rombar", "romfile")), ("", ("global-vmstate",)))


def block_clues(refusal: Refusal) -> tuple[str, ...]:
    """Properties behind a RAM block's size or name."""
    table = _SIZES if refusal.resized else _NAMES
    return next((clues for part, clues in table if part in (refusal.field or "")), ())


# --- Fields ---------------------------------------------------------------------------------------

#: A configuration space of another size is a device on another bus.
_EXPRESS = (("parent_obj.version_id", ("x-disable-pcie",)), ("config", ("x-disable-pcie",)))
_SINGLE_SIZES = tuple(name for name in LEAST_QUEUE_SIZES if name not in PAIRED_QUEUE_SIZES)


def field_clues(refusal: Refusal) -> Iterator[str]:
    """Properties known to decide a field, its presence or the number of its elements."""
    path = refusal.field or ""
    if path.endswith(".features"):
        yield from FEATURE_PROPERTIES.values()
    queue = large_queue(refusal.reason)
    if queue is not None:
        yield from (*_SINGLE_SIZES, PAIRED_QUEUE_SIZES[queue.number % 2])
    yield from TYPE_CLUES.get(path, ())
    for part, clues in (*FIELD_CLUES, *_EXPRESS):
        if part in path:
            # USB 3 ports stand before USB 2 ports (hw/usb/hcd-xhci.c): one more moves the others.
            yield from sorted(clues, key=lambda name: refusal.moved and name != "p3")


# --- Configuration space --------------------------------------------------------------------------

#: Registers of the header: (offset, bits, properties).
_HEADER = (
    (0x02, 0xFF, ("disable-legacy", "disable-modern")),
    (0x03, 0xFF, ("disable-legacy", "disable-modern")),
    (pci.STATUS, pci.STATUS_CAPABILITIES, ("disable-modern", "x-pcie-pm-init")),
    (pci.REVISION, 0xFF, ("revision", "disable-legacy", "qemu-extended-regs", "mmio")),
    (pci.REVISION, 0xFF, ("x-old-pci-configuration",)),
    (pci.CLASS, 0xFF, ("prog_if",)),
    (pci.CLASS + 1, 0xFF, ("class",)),
    (pci.CLASS + 2, 0xFF, ("class",)),
    (pci.HEADER_TYPE, 0x80, ("multifunction",)),
)
#: Registers of capabilities beside those of ``deciding``.
_REGISTERS = (
    Register(pci.CAP_EXPRESS, False, 0x0F, 0xFF, ("port",)),
    Register(
        pci.CAP_EXPRESS,
        False,
        0x14,
        0x40,
        ("x-native-hotplug", "x-do-not-expose-native-hotplug-cap"),
    ),
)
#: What places a capability elsewhere: hw/audio/intel-hda.c, hw/net/vmxnet3.c, hw/scsi/vmw_pvscsi.c.
_PLACES = ("old_msi_addr", "x-old-msi-offsets", "x-old-pci-configuration")
#: Fields of the capability in which a bridge asks for resources: (offset, length, property).
_RESERVES = (
    (4, 4, "bus-reserve"),
    (8, 8, "io-reserve"),
    (16, 4, "mem-reserve"),
    (20, 4, "pref32-reserve"),
    (24, 8, "pref64-reserve"),
)
_RESERVE_LENGTH = 32  # hw/pci/pci_bridge.c, PCIBridgeQemuCap


def config_clues(refusal: Refusal) -> Iterator[str]:
    """Properties that decide the differing byte of configuration space."""
    difference = refusal.detail
    if difference is None:
        return
    changed = difference.incoming ^ difference.own
    found = list(_byte_clues(refusal.own, difference.index, changed))
    yield from found
    if found and difference.index < pci.HEADER_SIZE and difference.index != pci.STATUS:
        return  # a register of the header has nothing to do with the capabilities
    yield from _list_clues(refusal)
    if difference.index < pci.HEADER_SIZE:
        yield from ("disable-legacy", "disable-modern", "modern-pio-notify")


def _byte_clues(config: bytes, index: int, changed: int) -> Iterator[str]:
    for offset, bits, properties in _HEADER:
        if offset == index and bits & changed:
            yield from properties
    for capability in pci.capabilities(config):
        if capability.offset <= index < capability.offset + capability.length:
            for register in (*REGISTERS, *_REGISTERS):
                if (
                    (register.capability, register.extended) == (capability.id, capability.extended)
                    and register.offset == index - capability.offset
                    and register.bits & changed
                ):
                    yield from register.properties


def _list_clues(refusal: Refusal) -> Iterator[str]:
    """Capabilities that only one side has, in different numbers, or at different places."""
    ours, theirs = list(pci.capabilities(refusal.own)), list(pci.capabilities(refusal.incoming))
    here, there = _counts(ours), _counts(theirs)
    if here == there and ours != theirs:
        yield from _PLACES
    for extended, table in ((False, CONVENTIONAL_CLUES), (True, EXTENDED_CLUES)):
        for kind, clues in sorted(table.items(), key=lambda item: item[0] != pci.CAP_SHPC):
            counts = sorted((here.get((extended, kind), 0), there.get((extended, kind), 0)))
            if counts[0] == counts[1]:
                continue
            if kind == pci.CAP_VENDOR and not extended:
                if _slots(refusal.own) != _slots(refusal.incoming):
                    yield "x-native-hotplug"  # off, a root port reserves for ACPI's hotplug
                yield from _reserve_clues(refusal)
                if not counts[0] and counts[1] > 1:
                    yield "disable-modern"  # all of virtio's structures, not one of them
            yield from clues


def _counts(listed: Sequence[pci.Capability]) -> dict[tuple[bool, int], int]:
    found: dict[tuple[bool, int], int] = {}
    for item in listed:
        found[item.extended, item.id] = found.get((item.extended, item.id), 0) + 1
    return found


def _slots(config: bytes) -> list[bytes]:
    """The slot capabilities register of each express capability."""
    return [
        config[capability.offset + 0x14 : capability.offset + 0x18]
        for capability in pci.capabilities(config)
        if (capability.id, capability.extended) == (pci.CAP_EXPRESS, False)
    ]


def _reserve_clues(refusal: Refusal) -> Iterator[str]:
    for config in (refusal.own, refusal.incoming):
        for capability in pci.capabilities(config):
            if (capability.id, capability.length) == (pci.CAP_VENDOR, _RESERVE_LENGTH):
                for offset, length, name in _RESERVES:
                    at = capability.offset + offset
                    if config[at : at + length] != b"\xff" * length:
                        yield name
