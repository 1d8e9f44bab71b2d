"""Machine types composed of the compat arrays of QEMU's C sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from machines.emulator.catalogue.values import CompatProperty

_VERSION = r"(\d+)[._](\d+)(?:[._](\d+))?"
_MACHINE_NAME = re.compile(rf"^(?P<board>pc(?:-q35|-i440fx)?)-(?P<line>[a-z]*){_VERSION}$")


Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MachineName:
    """What an x86 machine type's name tells: ``pc-q35-rhel9.2.0`` is board, line and version."""

    name: str
    board: str
    line: str
    version: Version


def machine_name(name: str) -> MachineName | None:
    """Read a machine type's name; None where it follows no scheme."""
    match = _MACHINE_NAME.match(name)
    return MachineName(name, match["board"], match["line"], _version(match)) if match else None


def common_arrays(machine: MachineName, arrays: Mapping[str, object]) -> tuple[str, ...]:
    """The arrays that every machine type of this board and line applies, in order."""
    names = [f"pc_{machine.line}_compat"] if machine.line else []
    names.append(f"{machine.board.replace('-', '_')}_compat_defaults")
    return tuple(name for name in names if name in arrays)


def dated_arrays(line: str, arrays: Mapping[str, object]) -> list[tuple[Version, tuple[str, ...]]]:
    """The arrays of a line per version, the newest version first, each in order of application.

    A machine type of version *v* applies those of every version ≥ *v*.
    """
    dated: dict[Version, list[str]] = {}
    for pattern in _array_patterns(line):  # the board-independent ones come first
        for name in arrays:
            if found := re.match(pattern, name):
                dated.setdefault(_version(found), []).append(name)
    return [(version, tuple(dated[version])) for version in sorted(dated, reverse=True)]


def compose(
    machine: str, arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> tuple[CompatProperty, ...]:
    """The compat list of an x86 machine type, from the arrays as hw/i386/pc_*.c chain them.

    A machine type of version *v* applies the arrays of every version ≥ *v*, the newest first; of
    one version first the board-independent ``hw_compat_*``, then ``pc_compat_*``. A downstream's
    line (``pc-q35-rhel9.2.0``) begins with its ``pc_<line>_compat`` and has the arrays
    ``hw_compat_<line>_*`` and ``pc_<line>_*_compat``. Empty where the name follows no such scheme.
    """
    named = machine_name(machine)
    if named is None:
        return ()
    applied = list(common_arrays(named, arrays))
    for version, names in dated_arrays(named.line, arrays):
        if version >= named.version:
            applied += names
    return tuple(entry for name in applied for entry in arrays[name])


def _array_patterns(line: str) -> tuple[str, str]:
    if not line:
        return rf"^hw_compat_{_VERSION}$", rf"^pc_compat_{_VERSION}$"
    return rf"^hw_compat_{line}_{_VERSION}$", rf"^pc_{line}_{_VERSION}_compat$"


def _version(match: re.Match[str]) -> Version:
    # Arrays are named by major and minor; a third number of a machine type (4.0.1) has none.
    numbers = [int(group) for group in match.groups()[-3:] if group is not None]
    return numbers[0], numbers[1]


#: Type names that no rule derives from their C macro's name (include/hw/… of QEMU).
_MACRO_TYPES = {
    "TYPE_X86_CPU": "x86_64-cpu",
    "TYPE_INTEL_IOMMU_DEVICE": "intel-iommu",
    "TYPE_VIRTIO_NET": "virtio-net-device",
    "TYPE_VIRTIO_BLK": "virtio-blk-device",
    "TYPE_VIRTIO_SCSI": "virtio-scsi-device",
    "TYPE_PCI_BRIDGE": "base-pci-bridge",
    "TYPE_ARM_CPU": "arm-cpu",
}


def driver_name(written: str, types: Mapping[str, str | None]) -> str:
    """The device type that a C source's driver expression names.

    A literal stands for itself, ``TYPE_FOO_BAR`` for the type ``foo-bar`` (or ``foo-bar-device``
    where only that exists), and ``"Model" "-" TYPE_X86_CPU`` for a CPU model's type. What no rule
    explains is kept as written, so that nothing is lost.
    """
    if '"' in written:
        pieces = [piece.strip() for piece in written.replace('"', " ").split()]
        return "".join(_macro_type(piece, types) for piece in pieces)
    return _macro_type(written, types)


def _macro_type(word: str, types: Mapping[str, str | None]) -> str:
    if not word.startswith("TYPE_"):
        return word
    if word in _MACRO_TYPES:
        return _MACRO_TYPES[word]
    guess = word.removeprefix("TYPE_").lower().replace("_", "-")
    for candidate in (guess, f"{guess}-device"):
        if candidate in types:
            return candidate
    return guess if not types else word
