"""``-global`` arguments, one option a line, quoted for a shell.

Use: ``xargs -x -a globals.args qemu-system-x86_64 -M pc-q35-rhel9.2.0 …``.

    >>> export("pc", [CompatProperty("usb-kbd", "serial", "a,b c")])
    "-global 'usb-kbd.serial=a,b c'\\n"

Source: QEMU's ``qemu_global_option`` (softmmu/qdev-monitor.c, later system/qdev-monitor.c). The
short form ``driver.property=value`` takes everything after the first ``=`` as it stands, commas
too; it ends the driver at the first dot and holds 63 bytes of each name. A driver that does not
fit (``cfi.pflash01``) needs the long form, an option list in which commas are doubled.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, check_text

_MAX_SHORT = 63  # bytes, see char driver[64] in qemu_global_option
_LONG = re.compile(
    r"^driver=(?P<driver>(?:[^,]|,,)*),property=(?P<property>(?:[^,]|,,)*),value=(?P<value>.*)$"
)


def export(machine_type: str, properties: Sequence[CompatProperty]) -> str:
    """One ``-global …`` a line, in order of application. Raises :class:`ExportError`."""
    check_text(properties)
    return "".join(f"-global {shlex.quote(argument(item))}\n" for item in properties)


def argument(item: CompatProperty) -> str:
    """What follows ``-global`` on the command line, not yet quoted for a shell."""
    if _fits_short(item.driver, ".=") and _fits_short(item.property, "="):
        return f"{item.driver}.{item.property}={item.value}"
    driver, name, value = (
        text.replace(",", ",,") for text in (item.driver, item.property, item.value)
    )
    return f"driver={driver},property={name},value={value}"


def _fits_short(name: str, forbidden: str) -> bool:
    return 0 < len(name.encode()) <= _MAX_SHORT and not any(c in name for c in forbidden)


def read(text: str) -> tuple[CompatProperty, ...]:
    """The properties of an exported file, or of a command line that holds only ``-global``."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ExportError(f"not quoted for a shell: {error}") from error
    if len(words) % 2 or any(word != "-global" for word in words[::2]):
        raise ExportError("should be '-global' and an argument, again and again")
    return tuple(parse(word) for word in words[1::2])


def parse(word: str) -> CompatProperty:
    """The property that an argument of ``-global`` sets. Raises :class:`ExportError`."""
    if match := _LONG.match(word):
        driver, name, value = (group.replace(",,", ",") for group in match.groups())
        return CompatProperty(driver, name, value)
    driver, dot, rest = word.partition(".")
    name, equals, value = rest.partition("=")
    if not (driver and dot and name and equals):
        raise ExportError(f"-global {word}: should be driver.property=value")
    return CompatProperty(driver, name, value)
