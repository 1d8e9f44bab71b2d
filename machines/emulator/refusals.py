"""What QEMU says when it refuses a stream, each message once.

The words are those of migration/savevm.c, migration/vmstate.c and migration/ram.c: a person finds
them in a log, and a test compares them with what a real QEMU printed. ``idstr`` is a section's id
string, ``name`` a description's name; versions are those of the stream and of the destination.

    >>> missing_footer("0000:00:01.3/piix4_pm")
    'Missing section footer for 0000:00:01.3/piix4_pm'
"""

from __future__ import annotations

_MISSING_FOOTER = "Missing section footer for "


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
