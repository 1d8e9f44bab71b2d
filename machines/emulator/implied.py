"""What a property's value says that a stream must hold, for devices that no profile shows.

A profile tells what a destination's devices look like. Of a property that is set there besides
(``--global``), or that a machine type sets where there is no profile at all, only the value is
known. Some properties decide a place that can be read in the stream itself: bits of configuration
space, a capability, a number that is compared, a conditional field, a RAM block. Where the stream
holds something else there, the destination refuses it. The mechanisms are those of hw/pci/pcie.c,
hw/pci/pci.c, hw/virtio/virtio-pci.c, migration/vmstate.c and migration/ram.c.

    >>> list(config_contradictions(bytes(256), "multifunction", "on"))
    [(14, 'multifunction=on')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from machines.emulator import pci, refusals, virtio
from machines.emulator.catalogue import Description
from machines.emulator.events import RamBlock
from machines.emulator.names import is_negated, words
from machines.emulator.qdev import FALSE_WORDS, TRUE_WORDS
from machines.emulator.snapshot import SentField, SentSection, layout_of
from machines.emulator.verdict import Refusal

MEBIBYTE = 2**20
#: How many ports a USB 3 controller has, and the field that holds them (hw/usb/hcd-xhci.c).
PORT_NUMBERS, PORTS = ("p2", "p3"), "ports"
#: Where virtio's modern device ids begin, and those of devices that have an older one too.
MODERN_ID, TRANSITIONAL = 0x1040, frozenset({1, 2, 3, 4, 5, 8, 9})
#: The step between notification addresses with a page for each queue.
PAGE_STEP = 4096
#: The largest MSI-X table (PCI 3.0, 6.8.2.3): a device that asks for more gets none.
MAX_VECTORS = 2048
CHOSEN = (-1, 0xFFFFFFFF)
#: The structures of a modern virtio device: common, ISR, device, notification, window.
MODERN_STRUCTURES = 5


@dataclass(frozen=True, slots=True)
class _Bits:
    """Bits of a capability that are set when a property is on and only then; None: the header."""

    property: str
    capability: int | None
    extended: bool
    offset: int
    bits: int
    when_on: bool = True  # whether they are compared also where the destination has them set


_BITS = (
    _Bits("x-pcie-ext-tag", pci.CAP_EXPRESS, False, 0x04, 0x20),
    _Bits("x-pcie-flr-init", pci.CAP_EXPRESS, False, 0x07, 0x10),
    _Bits("x-pcie-pm-no-soft-reset", pci.CAP_PM, False, 0x04, 0x08),
    _Bits("x-pcie-ari-nextfn-1", pci.EXT_ARI, True, 0x05, 0x01),
    _Bits("x-pcie-err-unc-mask", pci.EXT_AER, True, 0x0A, 0x40, when_on=False),
    _Bits("power_controller_present", pci.CAP_EXPRESS, False, 0x14, 0x02),
    _Bits("hotplug", pci.CAP_EXPRESS, False, 0x14, 0x20, when_on=False),
    _Bits("multifunction", None, False, pci.HEADER_TYPE, 0x80),
)
#: A property that is on exactly where a capability is: (capability, extended, whether on or off).
_CAPABILITIES = {
    "disable-acs": (pci.EXT_ACS, True, False),
    "shpc": (pci.CAP_SHPC, False, True),
    "msix": (pci.CAP_MSIX, False, True),
    "msi": (pci.CAP_MSI, False, True),
}
#: Numbers in registers: (capability, offset, length, shift); the header's without a capability.
_NUMBERS = {
    "port": (pci.CAP_EXPRESS, 0x0F, 1, 0),
    "slot": (pci.CAP_EXPRESS, 0x16, 2, 3),
    "prog_if": (None, pci.CLASS, 1, 0),
}
#: The other properties that are read from a stream here.
_SHOWN = frozenset(
    {"vectors", "disable-modern", "disable-legacy", "modern-pio-notify", "page-per-vq"}
    | {"rombar", "global-vmstate", "vgamem_mb", *PORT_NUMBERS, *_CAPABILITIES, *_NUMBERS}
)


def truth(value: str) -> bool | None:
    """A boolean property's value, None for any other word (``auto``)."""
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def number(value: str | None) -> int | None:
    try:
        return int(value or "", 0)
    except ValueError:
        return None


# --- Configuration space --------------------------------------------------------------------------


def config_contradictions(config: bytes, name: str, value: str) -> Iterator[tuple[int, str]]:
    """Bytes that a device with this property would have otherwise: (index, what was expected)."""
    if len(config) < pci.CONFIG_SIZE:
        return
    on, wanted = truth(value), number(value)
    found: Iterable[int] = ()
    if on is not None:
        found = [*_bits(config, name, on), *_presence(config, name, on), *_virtio(config, name, on)]
    if wanted is not None and name in _NUMBERS:
        found = [*found, *_numbers(config, name, wanted)]
    if wanted is not None and name == "vectors":
        found = [*found, *_vectors(config, wanted)]
    yield from ((index, f"{name}={value}") for index in found)


def _bits(config: bytes, name: str, on: bool) -> Iterator[int]:
    for item in _BITS:
        if item.property == name and (item.when_on or not on):
            for start in _starts(config, item.capability, item.extended):
                at = start + item.offset
                if at < len(config) and bool(config[at] & item.bits) != on:
                    yield at


def _byte(config: bytes, at: int) -> int:
    """0 where a capability at the very end says that it goes on."""
    return config[at] if at < len(config) else 0


def _starts(config: bytes, kind: int | None, extended: bool) -> list[int]:
    if kind is None:
        return [0]
    return [
        capability.offset
        for capability in pci.capabilities(config)
        if (capability.id, capability.extended) == (kind, extended)
    ]


def _presence(config: bytes, name: str, on: bool) -> Iterator[int]:
    if name not in _CAPABILITIES:
        return
    kind, extended, direct = _CAPABILITIES[name]
    if extended and not _starts(config, pci.CAP_EXPRESS, False):
        return
    starts = _starts(config, kind, extended)
    if bool(starts) != (on == direct):
        yield starts[0] if starts else pci.CAPABILITIES


def _virtio(config: bytes, name: str, on: bool) -> Iterator[int]:
    if int.from_bytes(config[0:2], "little") != pci.VENDOR_VIRTIO:
        return
    device = int.from_bytes(config[2:4], "little")
    structures = [
        start for start in _starts(config, pci.CAP_VENDOR, False) if _byte(config, start + 2) >= 16
    ]
    modern, legacy = bool(structures), device < MODERN_ID
    transitional = legacy or device - MODERN_ID in TRANSITIONAL
    if name == "disable-modern" and transitional and modern == on:
        yield pci.STATUS
    elif name == "disable-legacy" and transitional and legacy == on:
        yield 2
    elif name == "modern-pio-notify" and modern and on == (len(structures) <= MODERN_STRUCTURES):
        yield pci.CAPABILITIES
    elif name == "page-per-vq":
        for start in structures:
            step = int.from_bytes(config[start + 16 : start + 20], "little")
            whole = start + 20 <= len(config)
            if whole and config[start + 3] == 2 and (step == PAGE_STEP) != on:
                yield start + 17


def _numbers(config: bytes, name: str, wanted: int) -> Iterator[int]:
    kind, offset, length, shift = _NUMBERS[name]
    for start in _starts(config, kind, False):
        at = start + offset
        register = config[at : at + length]
        if register and int.from_bytes(register, "little") >> shift != wanted:
            yield at


def _vectors(config: bytes, wanted: int) -> Iterator[int]:
    """The size of the MSI-X table, 0 for none; all ones have QEMU choose one that is not."""
    sent = pci.msix_vectors(config)
    if wanted in CHOSEN:
        if not sent:
            yield pci.CAPABILITIES
    elif wanted != sent and wanted < MAX_VECTORS:
        starts = _starts(config, pci.CAP_MSIX, False)
        yield starts[0] + 2 if starts and wanted else pci.CAPABILITIES


def config_of(section: SentSection) -> bytes:
    """The device's configuration space as sent, empty where the section has none."""
    for leaf in layout_of(section).leaves:
        data = section.payload[leaf.offset : leaf.offset + leaf.size]
        if leaf.kind == "pci config" and leaf.size >= pci.CONFIG_SIZE:
            return data
        if leaf.kind == "virtio":
            try:
                return virtio.parse(data).config
            except virtio.Malformed:
                return b""
    return b""


# --- A section ------------------------------------------------------------------------------------


def contradictions(
    section: SentSection,
    blocks: Sequence[RamBlock],
    descriptions: Sequence[Description],
    entry: tuple[str, str],
    usual: Callable[[str], str | None],
) -> Iterator[Refusal]:
    """Where a section, or a RAM block of its device, is not what property ``entry`` lets expect.

    ``entry`` is (property, value). ``usual`` tells the value of any property of the device without
    it, where the release does: a number is only taken for a property's where it is the usual one.
    """
    name, value = entry
    path = section.idstr.rpartition("/")[0]
    for index, expected in config_contradictions(config_of(section), name, value):
        yield Refusal(
            section.idstr,
            "config",
            "pci-config",
            refusals.other_config(index, f"is not that of {expected}"),
            section.name,
        )
    for field in _conditional_contradictions(section, descriptions, name, value):
        reason = refusals.missing_footer(section.idstr)
        yield Refusal(section.idstr, field, "layout", reason, section.name)
    for leaf, own, sent in _equal_contradictions(section, name, value, usual(name)):
        differs = refusals.other_value(own, sent)
        reason = refusals.failed_to_load(differs, leaf.structure, leaf.path)
        yield Refusal(section.idstr, leaf.path, "equal", reason, section.name)
    if _ports(section, name, value, usual):
        reason = refusals.missing_footer(section.idstr)
        yield Refusal(section.idstr, PORTS, "layout", reason, section.name)
    for block in blocks if path else ():
        owner = block.name.rpartition("/")[0]
        if owner in (path, "") and (reason := _block(block, name, value)):
            yield Refusal("ram", block.name, "ramblock", reason, section.name)


def _conditional_contradictions(
    section: SentSection, descriptions: Sequence[Description], name: str, value: str
) -> Iterator[str]:
    """A conditional field that has the property's name, and is there or not against its value."""
    on = truth(value)
    about = words(name)
    if on is None or not about:
        return
    sent = {leaf.path.rsplit(".", 1)[-1].split("[")[0] for leaf in layout_of(section).leaves}
    for field in _conditional_fields(descriptions):
        if words(field) == about and (field in sent) != (on != is_negated(name)):
            yield field
            return


def _conditional_fields(descriptions: Sequence[Description]) -> Iterator[str]:
    for description in descriptions:
        for inner in description.walk():
            for item in inner.fields:
                if item.conditional:
                    yield item.name.rsplit(".", 1)[-1]


def _equal_contradictions(
    section: SentSection, name: str, value: str, usual: str | None
) -> Iterator[tuple[SentField, int, int]]:
    """Fields that would not be equal, each with the destination's value and the one sent."""
    wanted, before = number(value), number(usual)
    if wanted is None or before is None:
        return
    for leaf in layout_of(section).leaves:
        about = words(leaf.path.rsplit(".", 1)[-1])
        if leaf.kind.endswith(" equal") and about and about <= words(name):
            sent = int.from_bytes(section.payload[leaf.offset : leaf.offset + leaf.size], "big")
            if sent == before != wanted:
                yield leaf, wanted, sent


def _ports(section: SentSection, name: str, value: str, usual: Callable[[str], str | None]) -> bool:
    """Whether a USB controller would have other ports: those of USB 2 and of USB 3 together."""
    if name not in PORT_NUMBERS:
        return False
    wanted = [number(value if each == name else usual(each)) for each in PORT_NUMBERS]
    sent = {
        leaf.path.rpartition(".")[0]
        for leaf in layout_of(section).leaves
        if f"{PORTS}[" in leaf.path
    }
    known = [each for each in wanted if each is not None]
    return bool(sent) and len(known) == len(PORT_NUMBERS) and sum(known) != len(sent)


def _block(block: RamBlock, name: str, value: str) -> str:
    """Why a RAM block of the device is refused, empty where the property does not decide it."""
    wanted = number(value)
    kind = block.name.rpartition("/")[2]
    if "/" in block.name and kind.endswith(".rom") and name == "rombar" and wanted == 0:
        return refusals.unknown_ram_block(block.name)
    if kind == "vga.vram" and name == "global-vmstate" and truth(value) == ("/" in block.name):
        return refusals.unknown_ram_block(block.name)
    if wanted and kind == "vga.vram" and name == "vgamem_mb":
        length = MEBIBYTE * (1 << (wanted - 1).bit_length())
        if length != block.length:
            return refusals.resized_ram_block(block.name, block.length, length)
    return ""


# --- Without a profile ----------------------------------------------------------------------------

_INTERNAL = ("x-", "migrate-")


def telling(names: Iterable[str], descriptions: Sequence[Description]) -> Iterator[str]:
    """Of a device's properties, those that its stream shows and that no person sets.

    Such a property is there for machine types, so its value is the same in every configuration.
    """
    bits = {item.property for item in _BITS}
    fields = {words(field) for field in _conditional_fields(descriptions)}
    for name in names:
        if name.startswith(_INTERNAL) and (name in bits or words(name) in fields):
            yield name


def shows(name: str, descriptions: Sequence[Description]) -> bool:
    """Whether anything is known in a stream that property ``name`` decides."""
    return (
        name in _SHOWN
        or any(item.property == name for item in _BITS)
        or any(words(field) == words(name) for field in _conditional_fields(descriptions))
    )
