"""A libvirt domain that sets a machine type's compat properties: a template to merge into others.

What libvirt has an element for is set by that element (so that ``virsh edit`` and tools on top of
libvirt see it), everything else by ``-global`` arguments in ``qemu:commandline``, which libvirt
puts after its own. An element is used only where it makes libvirt write exactly that ``-global``
and nothing else, and where the property is set once: the order of two could not be kept.

The elements' places in the order stand in the domain's metadata, for whoever reads the file back.

Source: libvirt's formatdomain and ``qemuBuildPMCommandLine``, ``qemuBuildClockCommandLine``,
``qemuBuildControllersCommandLine`` (src/qemu/qemu_command.c).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, check_text
from policy.exporters import globals as arguments

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
NAMESPACE = "urn:lockstep:compat:1"
_MAX_BYTES = 16 * 1024 * 1024
_NO_XML = re.compile("[\ufffe\uffff]")
_SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")
_KIB = {"": 1 / 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}


@dataclass(frozen=True, slots=True)
class _Native:
    """An element of libvirt's for a property: where it stands, and what it says of a value.

    ``say`` gives the element's text, or nothing where the element cannot say that value.
    """

    driver: str
    property: str
    parent: str
    say: Callable[[str], str]


def _switched(element: str) -> Callable[[str], str]:
    """``disable_s3=1`` is ``<suspend-to-mem enabled="no"/>``."""
    words = {"1": "no", "0": "yes"}
    return lambda value: f'<{element} enabled="{words[value]}"/>' if value in words else ""


def _hole(model: str) -> Callable[[str], str]:
    """The size of the 64-bit PCI hole, which libvirt knows in KiB."""

    def say(value: str) -> str:
        match = _SIZE.fullmatch(value)
        size = int(match[1]) * _KIB[match[2]] if match else 0.5
        if size != int(size):
            return ""
        return (
            f'<controller type="pci" index="0" model="{model}">'
            f'<pcihole64 unit="KiB">{int(size)}</pcihole64></controller>'
        )

    return say


def _tick(value: str) -> str:
    if value not in {"delay", "discard"}:
        return ""
    return f'<timer name="pit" tickpolicy="{value}"/>'


_PIT = _Native("kvm-pit", "lost_tick_policy", "clock", _tick)
_NATIVE = {
    "pc-q35-": (
        _Native("ICH9-LPC", "disable_s3", "pm", _switched("suspend-to-mem")),
        _Native("ICH9-LPC", "disable_s4", "pm", _switched("suspend-to-disk")),
        _Native("q35-pcihost", "pci-hole64-size", "devices", _hole("pcie-root")),
        _PIT,
    ),
    "pc-i440fx-": (
        _Native("PIIX4_PM", "disable_s3", "pm", _switched("suspend-to-mem")),
        _Native("PIIX4_PM", "disable_s4", "pm", _switched("suspend-to-disk")),
        _Native("i440FX-pcihost", "pci-hole64-size", "devices", _hole("pci-root")),
        _PIT,
    ),
}
_PARENTS = {"clock": '<clock offset="utc">', "pm": "<pm>", "devices": "<devices>"}


def export(machine_type: str, properties: Sequence[CompatProperty]) -> str:
    """The domain's XML. Raises :class:`ExportError`."""
    check_text(properties)
    for item in properties:
        if _NO_XML.search(f"{item.driver}{item.property}{item.value}"):
            raise ExportError(f"{item.driver}.{item.property}: holds a character that no XML can")
    native = _natives(machine_type, properties)
    name = quoteattr(machine_type)
    lines = [
        f'<domain type="kvm" xmlns:qemu="{QEMU_NAMESPACE}">',
        f"  <name>{_text(machine_type)}</name>",
        *_metadata(properties, native),
        '  <memory unit="MiB">512</memory>',
        f"  <os><type machine={name}>hvm</type></os>",
    ]
    for parent, begin in _PARENTS.items():
        said = [text for where, text in native.values() if where == parent]
        if said:
            lines += [f"  {begin}", *(f"    {text}" for text in said), f"  </{parent}>"]
    lines.append("  <qemu:commandline>")
    for position, item in enumerate(properties):
        if position not in native:
            lines.append('    <qemu:arg value="-global"/>')
            lines.append(f"    <qemu:arg value={quoteattr(arguments.argument(item))}/>")
    return "\n".join([*lines, "  </qemu:commandline>", "</domain>", ""])


def _natives(machine_type: str, properties: Sequence[CompatProperty]) -> dict[int, tuple[str, str]]:
    """Position in the list → the element that says the entry: its parent and its text."""
    board = next((board for board in _NATIVE if machine_type.startswith(board)), "")
    known = {(item.driver, item.property): item for item in _NATIVE.get(board, ())}
    often = Counter((item.driver, item.property) for item in properties)
    found = {}
    for position, item in enumerate(properties):
        key = (item.driver, item.property)
        if key in known and often[key] == 1 and (said := known[key].say(item.value)):
            found[position] = (known[key].parent, said)
    return found


def _metadata(
    properties: Sequence[CompatProperty], native: dict[int, tuple[str, str]]
) -> list[str]:
    """Which entries the elements stand for, and at which place of the order."""
    listed = [
        f"      <lockstep:global position={quoteattr(str(position))} "
        f"argument={quoteattr(arguments.argument(properties[position]))}/>"
        for position in native
    ]
    if not listed:
        return []
    begin = f'    <lockstep:native xmlns:lockstep="{NAMESPACE}">'
    return ["  <metadata>", begin, *listed, "    </lockstep:native>", "  </metadata>"]


def _text(text: str) -> str:
    return quoteattr(text, {'"': "&quot;"})[1:-1]


def read(text: str) -> tuple[CompatProperty, ...]:
    """The properties of an exported domain, in order. Raises :class:`ExportError`."""
    if len(text) > _MAX_BYTES or "<!" in text:
        raise ExportError("is larger than a domain may be, or declares a document type")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type, and limited
    except ElementTree.ParseError as error:
        raise ExportError(f"is no XML: {error}") from error
    values = [item.get("value", "") for item in root.iter(f"{{{QEMU_NAMESPACE}}}arg")]
    if root.tag != "domain" or len(values) % 2 or any(word != "-global" for word in values[::2]):
        raise ExportError("should be a domain whose only arguments are -global")
    found = [arguments.parse(word) for word in values[1::2]]
    for item in root.iter(f"{{{NAMESPACE}}}global"):
        place = item.get("position", "")
        if not place.isascii() or not place.isdigit() or int(place) > len(found):
            raise ExportError(f"position {place!r:.20} of a native element is none")
        found.insert(int(place), arguments.parse(item.get("argument", "")))
    machine = root.find("os/type")
    if machine is None or export(machine.get("machine", ""), found) != text:
        raise ExportError("is not what these properties are exported as: it was edited")
    return tuple(found)
