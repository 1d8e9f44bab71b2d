"""What a release's first policy starts from: its machine types, chained by parent. Pure.

The newest machine type of a board holds what all have in common, each older one only the entries
that it adds to the next newer: so a later edit stands at one place, and each resolved list is
exactly that of the release's own sources.
"""

from __future__ import annotations

from collections.abc import Iterable

from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.catalogue.composition import compose, machine_name
from policy.document import MachineType


def names_of_line(catalogue: Catalogue, line: str) -> tuple[str, ...]:
    """The catalogue's machine types of a downstream's own line (``pc-q35-rhel9.2.0``: rhel)."""
    named = ((name, machine_name(name)) for name in catalogue.machine_types)
    return tuple(name for name, read in named if read is not None and read.line == line)


def chained(catalogue: Catalogue, names: Iterable[str]) -> tuple[MachineType, ...]:
    """The machine types of these names, the newest of each board first.

    A resolved list comes from the catalogue's machine type, or from its C arrays where the
    catalogue has none of that name. A name outside the x86 scheme stands alone.
    """
    boards: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(names):
        read = machine_name(name)
        boards.setdefault((read.board, read.line) if read else (name,), []).append(name)
    found: list[MachineType] = []
    for members in boards.values():
        found += _chain(catalogue, sorted(members, key=_version, reverse=True))
    return tuple(found)


def _version(name: str) -> tuple[int, ...]:
    read = machine_name(name)
    # The name itself breaks a tie: 4.0.1 and 4.0 have the same arrays.
    return (*read.version, len(name)) if read else (0,)


def _chain(catalogue: Catalogue, names: list[str]) -> list[MachineType]:
    """One board's machine types, each the child of the one before it where its list goes on."""
    chain: list[MachineType] = []
    parent, inherited = "", ()  # type: tuple[str, tuple[CompatProperty, ...]]
    for name in names:
        resolved = _resolved(catalogue, name)
        if resolved[: len(inherited)] == inherited:
            chain.append(MachineType(name, parent, resolved[len(inherited) :]))
        else:
            chain.append(MachineType(name, "", resolved))
        parent, inherited = name, resolved
    return chain


def _resolved(catalogue: Catalogue, name: str) -> tuple[CompatProperty, ...]:
    known = catalogue.machine_types.get(name)
    return known.compat if known is not None else compose(name, catalogue.arrays)
