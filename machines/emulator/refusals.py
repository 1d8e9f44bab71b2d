"""What QEMU says when it refuses a stream: each message as it is said here, and as it is read.

The words are those of migration/savevm.c, vmstate.c, vmstate-types.c, ram.c and migration.c,
hw/pci/pci.c, hw/virtio/virtio.c and its devices: a person finds them in a log, and a test compares
them with what a real QEMU printed. ``idstr`` is a section's id string, ``name`` a description's
name; versions are those of the stream and of the destination.

    >>> missing_footer("0000:00:01.3/piix4_pm")
    'Missing section footer for 0000:00:01.3/piix4_pm'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_MISSING_FOOTER = "Missing section footer for "
_LARGE_QUEUE = re.compile(r"VQ (\d+) vring\.num (\d+) exceeds")


def unmigratable(idstr: str) -> str:
    """A device without a state that could travel bars the whole machine."""
    return f"State blocked by non-migratable device '{idstr}'"


def other_machine_type(received: str, local: str) -> str:
    """The configuration section names another machine type."""
    return f"Machine type received is '{received}' and local is '{local}'"


def unknown_section(idstr: str, instance: int) -> str:
    """The destination has no such device, or no such instance of it."""
    return f"Unknown savevm section or instance '{idstr}' {instance}"


def unknown_subsection(name: str, section: str) -> str:
    """A section brings a subsection that the destination does not know."""
    return f"VM subsection '{name}' in '{section}' does not exist"


def section_too_new(version: int, idstr: str, newest: int) -> str:
    """A section is newer than the destination's."""
    return f"savevm: unsupported version {version} for '{idstr}' v{newest}"


def version_too_new(name: str, version: int, newest: int) -> str:
    """A subsection is newer than the destination's."""
    return f"{name}: incoming version_id {version} is too new for local version_id {newest}"


def version_too_old(name: str, version: int, oldest: int) -> str:
    """A section or subsection is older than the destination reads."""
    return f"{name}: incoming version_id {version} is too old for local minimum version_id {oldest}"


def missing_footer(idstr: str) -> str:
    """The payload was longer or shorter than what the destination read of it."""
    return f"{_MISSING_FOOTER}{idstr}"


def is_missing_footer(reason: str) -> bool:
    """Is a reason :func:`missing_footer`, whatever the section?"""
    return reason.startswith(_MISSING_FOOTER)


def unknown_ram_block(block: str) -> str:
    """The destination has no RAM block of that name."""
    return f'Unknown ramblock "{block}", cannot accept migration'


def resized_ram_block(block: str, length: int, own: int) -> str:
    """The destination's RAM block has another length; both in bytes."""
    return f"Size mismatch: {block}: 0x{length:x} != 0x{own:x}: Invalid argument"


def no_configuration() -> str:
    """The stream lacks the section that names its machine type."""
    return "Configuration section missing"


def unknown_section_type(number: int) -> str:
    """A type byte that the destination expects nowhere, or not there."""
    return f"Unknown savevm section type {number}"


def failed_to_load(reason: str, structure: str, field: str) -> str:
    """The field, after what is wrong with its value."""
    return f"{reason}; Failed to load {structure}:{field}"


def other_value(own: int, sent: int) -> str:
    """A value that has to be the destination's own."""
    return f"{own:x} != {sent:x}"


def other_config(index: int, rest: str) -> str:
    """A byte of PCI configuration space that the hardware does not allow; ``rest`` says more."""
    return f"get_pci_config_device: Bad config data: i=0x{index:x} {rest}"


def queue_too_large(queue: int, size: int, allocated: int) -> str:
    """A virtqueue that is larger than the destination's device makes it."""
    return f"VQ {queue} vring.num {size} exceeds allocated max {allocated}"


@dataclass(frozen=True, slots=True)
class LargeQueue:
    """Which virtqueue was too large, and its size in descriptors as it was sent."""

    number: int
    size: int


def large_queue(reason: str) -> LargeQueue | None:
    """What :func:`queue_too_large` said, None of any other refusal."""
    found = _LARGE_QUEUE.match(reason)
    return found and LargeQueue(int(found[1]), int(found[2]))


def queue_without_address(queue: int, last_available: int) -> str:
    """A virtqueue that was used, and lies nowhere."""
    return f"VQ {queue} address 0x0 inconsistent with Host index 0x{last_available:x}"


def no_such_queue(selected: int) -> str:
    """The guest has selected a virtqueue beyond the last that there can be."""
    return f"Invalid queue_sel: 0x{selected:x}"


def missing_features(features: int, allowed: int) -> str:
    """The guest has negotiated what the destination's device does not offer."""
    return f"Features 0x{features:x} unsupported. Allowed features: 0x{allowed:x}"


# --- Read from a log ------------------------------------------------------------------------------

#: What was refused.
Kind = Literal[
    "unknown-section",
    "version-too-new",
    "version-too-old",
    "layout",
    "equal",
    "ramblock",
    "pci-config",
    "virtio",
    "unmigratable",
    "machine-type",
    "subsection",
    "capability",
    "stream",
]

_HEX = r"0x[0-9a-fA-F]+"
_FORMS: tuple[tuple[Kind, str], ...] = (
    # migration/savevm.c
    (
        "unknown-section",
        r"Unknown savevm section or instance '(?P<section>[^']+)' (?P<instance>\d+)",
    ),
    (
        "version-too-new",
        r"savevm: unsupported version (?P<sent>\d+) for '(?P<section>[^']+)' v(?P<newest>\d+)",
    ),
    ("layout", r"Missing section footer for (?P<section>[^\s,;]+)"),
    ("layout", r"Mismatched section id in footer for (?P<section>[^\s,;]+)"),
    ("layout", r"Read section footer failed"),
    ("unmigratable", r"State blocked by non-migratable device '(?P<section>[^']+)'"),
    (
        "machine-type",
        r"Machine type received is '(?P<sent>[^']+)' and local is '(?P<own>[^']+)'",
    ),
    (
        "capability",
        r"Capability (?P<field>\S+) is (?P<own>\w+), but received capability is (?P<sent>\w+)",
    ),
    ("stream", r"Received TARGET_PAGE_BITS is (?P<sent>\d+) but local is (?P<own>\d+)"),
    ("stream", r"Configuration section missing"),
    ("stream", r"Not a migration stream"),
    ("stream", r"Unsupported migration stream version"),
    ("stream", r"SaveVM v2 format is obsolete"),
    ("stream", r"Unknown savevm section(?: type)? (?P<number>\d+)"),
    # migration/vmstate.c; before 8.2 with two spaces before the last number
    (
        "version-too-new",
        r"(?<!\S)(?P<section>\S+): incoming version_id (?P<sent>\d+) is too new "
        r"for local version_id +(?P<newest>\d+)",
    ),
    (
        "version-too-old",
        r"(?<!\S)(?P<section>\S+): incoming version_id (?P<sent>\d+) is too old "
        r"for local minimum version_id +(?P<oldest>\d+)",
    ),
    ("subsection", r"VM subsection '(?P<field>[^']+)' in '(?P<section>[^']+)' does not exist"),
    ("subsection", r"Loading VM subsection '(?P<field>[^']+)' in '(?P<section>[^']+)' failed"),
    ("equal", r"Input validation failed: (?P<section>[^\s/]+)/(?P<field>[^\s:]+)"),
    # migration/vmstate-types.c, hw/virtio/virtio-mem.c
    ("equal", r"Invalid value (?P<sent>-?\d+) expecting positive value <= (?P<own>\d+)"),
    ("equal", r"(?:^|: )(?P<own>[0-9a-f]+) != (?P<sent>[0-9a-f]+)\s*$"),
    ("equal", r"Property '(?P<field>[^']+)' changed from (?P<sent>\S+) to (?P<own>[^\s;,]+)"),
    # migration/ram.c, system/physmem.c
    ("ramblock", r'Unknown ramblock "(?P<field>[^"]+)", cannot accept migration'),
    (
        "ramblock",
        rf"(?:Size|Length) mismatch: (?P<field>\S+): (?P<sent>{_HEX}) (?:in )?!= (?P<own>{_HEX})",
    ),
    ("ramblock", rf"Size too large: (?P<field>\S+): (?P<sent>{_HEX}) > (?P<own>{_HEX})"),
    (
        "ramblock",
        r"Mismatched RAM page size (?P<field>\S+) \(local\) (?P<own>\d+) != (?P<sent>\d+)",
    ),
    ("ramblock", r"Mismatched GPAs for block (?P<field>\S+)"),
    ("ramblock", r"Can't find block (?P<field>[^\s!]+)"),
    ("ramblock", r"ram block (?P<field>\S+) should not be migrated"),
    # hw/pci/pci.c
    (
        "pci-config",
        rf"Bad config data: i=(?P<offset>{_HEX}) read: (?P<sent>[0-9a-f]+) "
        r"device: (?P<own>[0-9a-f]+)",
    ),
    # hw/virtio/virtio.c, hw/net/virtio-net.c
    ("virtio", rf"Features (?P<sent>{_HEX}) unsupported\. Allowed features: (?P<own>{_HEX})"),
    (
        "virtio",
        r"VQ (?P<queue>\d+) vring\.num (?P<sent>\d+) exceeds allocated max (?P<own>\d+)",
    ),
    ("virtio", rf"VQ (?P<queue>\d+) (?:size|address) {_HEX} "),
    ("virtio", rf"Invalid number of virtqueues: (?P<sent>{_HEX})"),
    ("virtio", rf"Invalid queue_sel: (?P<sent>{_HEX})"),
    (
        "virtio",
        r"virtio-net: curr_queue(?:s|_pairs) (?P<sent>\w+) > max_queue(?:s|_pairs) (?P<own>\w+)",
    ),
    ("virtio", r"virtio-net: saved image requires (?P<needed>\S+)"),
)
#: Messages that say what is wrong. Groups: ``section``, ``field``; any other is a detail.
CAUSES: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(form)) for kind, form in _FORMS
)
#: Messages that say where, after one that says what: the device, a section that goes on, the
#: element (since 10.1), the field.
PLACES = (
    re.compile(
        r"error while loading state for instance 0x[0-9a-f]+ of device '(?P<section>[^']+)'"
    ),
    re.compile(r"error while loading state section id \d+\((?P<section>[^)]+)\)"),
    re.compile(r"Failed to load element of type (?P<type>[^:]+?) for (?P<field>[^:\s]+)"),
    re.compile(r"Failed to load (?P<owner>[^:\s]+):(?P<field>\S+)"),
)
#: What stands at the end of a failed migration, whatever the reason.
END = re.compile(r"load of migration failed")
