"""Machine types composed of the compat arrays of QEMU's C sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from machines.emulator.catalogue.values import TOLD, CompatProperty, MachineType

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


@lru_cache(maxsize=8192)
def machine_name(name: str) -> MachineName | None:
    """Read a machine type's name; None where it follows no scheme."""
    match = _MACHINE_NAME.match(name)
    return MachineName(name, match["board"], match["line"], _version(match)) if match else None


def common_arrays(machine: MachineName, arrays: Mapping[str, object]) -> tuple[str, ...]:
    """The arrays that every machine type of this board and line applies, in order."""
    names = [f"pc_{machine.line}_compat"] if machine.line else []
    names.append(f"{machine.board.replace('-', '_')}_compat_defaults")
    return tuple(name for name in names if name in arrays)


@dataclass(frozen=True, slots=True)
class RunOver:
    """An array of a record that must hold the entries of an older version's.

    Some way of reading C sources runs over an empty array (``hw_compat_3_0[] = {};``) to the end
    of the next one that is not empty: the entries stand under the first name, and ``missing``, the
    arrays in between, are not in the record. ``holds`` is the version whose entries they are, None
    where no further array of that kind follows, so that nothing tells how far it ran.
    """

    array: str
    missing: tuple[str, ...]
    holds: Version | None


def run_over(line: str, arrays: Mapping[str, object]) -> dict[str, RunOver]:
    """The arrays of a record whose entries are another version's, by name.

    Upstream has an array of each kind for every version (hw/core/machine.c, hw/i386/pc.c), empty
    ones too; one that is missing between two others was run over. A downstream's line has them
    only where they are needed, so that nothing can be said of it.
    """
    if line:
        return {}
    kinds = [_of_kind(pattern, arrays) for pattern in _array_patterns(line)]
    versions = sorted({version for kind in kinds for version in kind}, reverse=True)
    found = {}
    for kind in kinds:
        for version, name in kind.items():
            gap, is_closed = _gap(version, kind, versions)
            if gap and arrays[name]:  # one that was read as empty ran over nothing
                stem = name.rpartition("compat_")[0] + "compat_"
                missing = tuple(f"{stem}{major}_{minor}" for major, minor in gap)
                found[name] = RunOver(name, missing, gap[-1] if is_closed else None)
    # Below an oldest array nothing need be missing; only one who ran over others may have here.
    return found if any(item.holds for item in found.values()) else {}


def _gap(
    version: Version, kind: Mapping[Version, str], versions: Sequence[Version]
) -> tuple[list[Version], bool]:
    """The versions between an array and the next older one of its kind; is there a next one?"""
    older = [other for other in versions if other < version]
    following = next((at for at, other in enumerate(older) if other in kind), None)
    return older[:following], following is not None


def array_version(name: str) -> Version | None:
    """The version that the name of one of upstream's arrays tells."""
    matches = (re.match(pattern, name) for pattern in _array_patterns(""))
    found = next((match for match in matches if match), None)
    return _version(found) if found else None


def dated_arrays(line: str, arrays: Mapping[str, object]) -> list[tuple[Version, tuple[str, ...]]]:
    """The arrays of a line per version, the newest version first, each in order of application.

    A machine type of version *v* applies those of every version ≥ *v*. An array that holds the
    entries of an older version (:func:`run_over`) stands with that one.
    """
    displaced = run_over(line, arrays)
    dated: dict[Version, list[str]] = {}
    for pattern in _array_patterns(line):  # the board-independent ones come first
        for version, name in _of_kind(pattern, arrays).items():
            holds = displaced[name].holds if name in displaced else None
            dated.setdefault(holds or version, []).append(name)
    return [(version, tuple(dated[version])) for version in sorted(dated, reverse=True)]


def _of_kind(pattern: str, arrays: Mapping[str, object]) -> dict[Version, str]:
    """Version → the array of that kind, in the order of the record."""
    matches = ((name, re.match(pattern, name)) for name in arrays)
    return {_version(match): name for name, match in matches if match}


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


def lost_entries(
    listed: Mapping[str, Sequence[CompatProperty]], arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> frozenset[CompatProperty]:
    """Entries that upstream's machine types have, by their own account, but no array of theirs.

    Reading the sources lost them: entries written by a macro, or with further members.
    """
    found: set[CompatProperty] = set()
    for name, entries in listed.items() if arrays else ():
        read = machine_name(name)
        if read is not None and not read.line:
            known = {_plain(entry) for entry in compose(name, arrays)}
            found |= {_plain(entry) for entry in entries} - known
    return frozenset(found)


def _plain(entry: CompatProperty) -> CompatProperty:
    return CompatProperty(entry.driver, entry.property, entry.value)


def doubts(
    machine_types: Iterable[MachineType], arrays: Mapping[str, tuple[CompatProperty, ...]]
) -> list[str]:
    """What is wrong with the record of the arrays, a sentence for each; empty where nothing is."""
    found = []
    for item in run_over("", arrays).values():
        missing = item.missing[0] if len(item.missing) == 1 else f"{item.missing[0]} and older"
        if item.holds is not None:
            found.append(
                f"compat file: what stands in {item.array} is taken for {item.missing[-1]}, which "
                "is not there: an empty array was run over."
            )
        else:
            found.append(
                f"compat file: {item.array} may hold the entries of {missing}, which is not there; "
                "it is left as it is."
            )
    told = {item.name: item.compat for item in machine_types if item.compat_source == TOLD}
    lost = sorted({(entry.driver, entry.property) for entry in lost_entries(told, arrays)})
    found += [
        f"compat file: {driver}.{name} is in no array, though machine types have it."
        for driver, name in lost
    ]
    return found


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
