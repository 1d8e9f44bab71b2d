"""What a made-up release is: a recorded one, varied so that no two have the same catalogue. Pure.

A release has device types, properties and sections of the nearest recorded QEMU, a few of them
changed, and as many machine types as are asked for: two boards, each version with compat arrays of
its own. What a version sets is the same throughout its tree but for a few entries, as it is with
real downstreams: so releases agree on most and differ in some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.catalogue.composition import compose

T = TypeVar("T")
Arrays = Mapping[str, tuple[CompatProperty, ...]]

BOARDS = ("pc-q35", "pc-i440fx")
#: Entries of one version's arrays: those of every board, and those of the PC's boards alone.
COMMON_ENTRIES, BOARD_ENTRIES = 4, 2
#: Of so many entries of a release one has another value than the tree has there.
ODD_ONE = 60
#: Properties with another default, and sections with a further field, of each release.
CHANGED_PROPERTIES, GROWN_SECTIONS = 12, 6


@dataclass(frozen=True, slots=True)
class Line:
    """A tree's releases: (version, the recorded QEMU that it is made of), the oldest first.

    ``only_arrays``: its releases tell no more than their compat arrays and machine types.
    """

    tree: str
    title: str
    releases: tuple[tuple[str, str], ...]
    only_arrays: tuple[str, ...] = ()


def _versions(older: str, newer: str) -> tuple[tuple[str, str], ...]:
    pairs = (item.split(":") for item in f"{older} {newer}".split())
    return tuple((version, recorded) for version, recorded in pairs)


LINES = (
    Line(
        "upstream",
        "QEMU upstream (made up)",
        _versions(
            "5.2:5.2 6.0:5.2 6.2:5.2 7.0:7.2 7.2:7.2 8.0:7.2",
            "8.2:7.2 9.0:10.0 9.2:10.0 10.0:10.0 10.2:10.0 11.1:11.1",
        ),
    ),
    Line(
        "rhel",
        "Red Hat Enterprise Linux (made up)",
        _versions(
            "8.6:5.2 8.8:5.2 8.9:5.2 9.0:7.2 9.2:7.2",
            "9.3:7.2 9.4:7.2 9.6:10.0 10.0:10.0 10.1:10.0",
        ),
        only_arrays=("8.6", "8.8", "8.9", "9.0"),
    ),
    Line("debian", "Debian (made up)", _versions("10:5.2 11:5.2 12:7.2", "13:10.0 14:11.1")),
    Line(
        "ubuntu",
        "Ubuntu (made up)",
        _versions("20.04:5.2 22.04:5.2 23.10:7.2", "24.04:7.2 25.04:10.0 26.04:11.1"),
    ),
    Line("suse", "SUSE (made up)", _versions("15.4:5.2 15.5:7.2", "15.6:7.2 16.0:10.0")),
    Line("proxmox", "Proxmox (made up)", _versions("7.4:7.2", "8.4:10.0 9.0:11.1")),
)

#: The upstream release on which those made of a recorded QEMU are based.
BASES = {"5.2": "6.2", "7.2": "7.2", "10.0": "10.0", "11.1": "11.1"}


def made_up(
    recorded: Mapping[str, Catalogue], line: Line, version: str, machine_types: int, seed: int
) -> Catalogue:
    """The catalogue of one of the line's releases, with that many machine types.

    ``recorded`` has the recorded QEMUs' catalogues by their versions.
    """
    arrays = _arrays(entries(recorded.values()), line.tree, version, machine_types, seed)
    return _release(
        recorded[dict(line.releases)[version]], line, version, machine_types, arrays, seed
    )


def _release(
    recorded: Catalogue,
    line: Line,
    version: str,
    machine_types: int,
    arrays: Arrays,
    seed: int,
) -> Catalogue:
    chance = Random(f"{seed}/{line.tree}/{version}")  # noqa: S311 - not a secret, the same again
    own = Catalogue(
        version=f"{recorded.version} (made up)",
        package=f"lockstep-sample-{line.tree}-{version}",
        machine_types=dict(_machine_types(recorded, line.tree, machine_types, arrays)),
        arrays=arrays,
    )
    if version in line.only_arrays:
        return own
    return replace(
        own,
        types=recorded.types,
        descriptions=_grown(recorded.descriptions, chance),
        properties=_changed(recorded.properties, chance),
        unreadable=recorded.unreadable,
    )


# --- Machine types --------------------------------------------------------------------------------


def _numbers(count: int) -> Iterator[tuple[int, int]]:
    """The versions of machine types, the newest first, as QEMU counted them: three a year."""
    for number in range(count):
        major, minor = divmod(12 * 3 + 2 - number, 3)
        yield major, minor


def _arrays(
    pool: Sequence[CompatProperty], tree: str, version: str, machine_types: int, seed: int
) -> Arrays:
    """Each machine type version's arrays: ``hw_compat_rhel_9_2`` and ``pc_rhel_9_2_compat``."""
    of_tree = Random(f"{seed}/{tree}")  # noqa: S311
    of_release = Random(f"{seed}/{tree}/{version}/arrays")  # noqa: S311
    found = {}
    for major, minor in _numbers(machine_types // len(BOARDS)):
        # A version's entries follow from its place alone: the tree's releases have the same.
        for name, size in _array_names(tree, major, minor):
            drawn = [of_tree.choice(pool) for _ in range(size)]
            entries = (_or_odd(entry, of_release) for entry in drawn)
            found[name] = tuple(replace(entry, array=name) for entry in entries)
    return found


def _array_names(tree: str, major: int, minor: int) -> tuple[tuple[str, int], tuple[str, int]]:
    if tree == "upstream":
        names = f"hw_compat_{major}_{minor}", f"pc_compat_{major}_{minor}"
    else:
        names = f"hw_compat_{tree}_{major}_{minor}", f"pc_{tree}_{major}_{minor}_compat"
    return (names[0], COMMON_ENTRIES), (names[1], BOARD_ENTRIES)


def entries(recorded: Iterable[Catalogue]) -> list[CompatProperty]:
    """What the recorded machine types set, each once, in one order: of devices that all know."""
    catalogues = list(recorded)
    common = set.intersection(*(set(item.types) for item in catalogues))
    known = {
        (entry.driver, entry.property, entry.value)
        for catalogue in catalogues
        for item in catalogue.machine_types.values()
        for entry in item.compat
    }
    return [CompatProperty(*item) for item in sorted(known) if item[0] in common]


def _or_odd(entry: CompatProperty, chance: Random) -> CompatProperty:
    if chance.randrange(ODD_ONE):
        return entry
    other = {"on": "off", "off": "on", "true": "false", "false": "true"}
    return replace(entry, value=other.get(entry.value, entry.value))


def _machine_types(
    recorded: Catalogue,
    tree: str,
    count: int,
    arrays: Arrays,
) -> Iterator[tuple[str, MachineType]]:
    cpu = next((item.default_cpu_type for item in recorded.machine_types.values()), "")
    own = "" if tree == "upstream" else tree
    names = [
        f"{board}-{own}{major}.{minor}" for board in BOARDS for major, minor in _numbers(count // 2)
    ]
    for number, name in enumerate(names):
        yield (
            name,
            MachineType(
                name,
                alias="q35" if number == 0 else "",
                deprecated=number % (count // 2) > count // 3,
                is_default=number == 0,
                default_cpu_type=cpu,
                compat=compose(name, arrays),
                compat_source="arrays",
            ),
        )


# --- Devices --------------------------------------------------------------------------------------


def _grown(descriptions: Mapping[str, Description], chance: Random) -> dict[str, Description]:
    """Some sections have a further field and a newer version, as releases bring them."""
    grown = dict(descriptions)
    for driver in _some(sorted(descriptions), GROWN_SECTIONS, chance):
        old = grown[driver]
        if old.unmigratable:
            continue
        version = old.version_id + 1
        added = Field(f"made_up_{chance.randrange(1000)}", 4, version_id=version)
        grown[driver] = replace(old, version_id=version, fields=(*old.fields, added))
    return grown


def _changed(
    properties: Mapping[str, Mapping[str, PropertyInfo]], chance: Random
) -> dict[str, Mapping[str, PropertyInfo]]:
    """Some switches have another default."""
    switches = sorted(
        (driver, name)
        for driver, infos in properties.items()
        for name, info in infos.items()
        if isinstance(info.default, bool)
    )
    changed = dict(properties)
    for driver, name in _some(switches, CHANGED_PROPERTIES, chance):
        info = changed[driver][name]
        changed[driver] = {**changed[driver], name: replace(info, default=not info.default)}
    return changed


def _some(items: Sequence[T], count: int, chance: Random) -> list[T]:
    return chance.sample(items, min(count, len(items)))
