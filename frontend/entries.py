"""A machine type's resolved list as its page shows it: each entry with its origin and standing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from machines.emulator.catalogue import CompatProperty
from machines.emulator.qdev import properties_of, text_of
from machines.precedence import standings
from policy.state import State


@dataclass(slots=True)
class Row:
    """One entry. ``position`` counts within ``machine_type``'s own entries, ``order`` within the
    resolved list, from 1 as people count.

    ``type`` and ``default`` are the catalogue's, empty where it does not know the property.
    """

    order: int
    machine_type: str
    position: int
    entry: CompatProperty
    type: str = ""
    default: str = ""
    known: bool = False
    winner: Row | None = None
    exceptions: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The entries of one device type."""

    driver: str
    known: bool
    rows: tuple[Row, ...]


def rows_of(state: State, name: str) -> list[Row]:
    """The resolved list of a machine type, in order of application."""
    rows = [
        Row(order, machine_type, position, entry)
        for order, (machine_type, position, entry) in enumerate(_entries(state, name), start=1)
    ]
    _describe(state, rows)
    for row, standing in zip(
        rows, standings(state.catalogue, [row.entry for row in rows]), strict=True
    ):
        if standing.overridden_by is not None:
            row.winner = rows[standing.overridden_by]
        row.exceptions = tuple(rows[position] for position in standing.except_on)
    return rows


def _entries(state: State, name: str) -> Iterator[tuple[str, int, CompatProperty]]:
    if state.policy is not None and state.policy.machine_types:
        for item in state.policy.lineage(name):
            for position, entry in enumerate(item.entries):
                yield item.name, position, entry
    elif name in state.catalogue.machine_types:
        for position, entry in enumerate(state.catalogue.machine_types[name].compat):
            yield name, position, entry


def _describe(state: State, rows: Sequence[Row]) -> None:
    known = {driver: properties_of(state.catalogue, driver) for driver in _drivers(rows)}
    for row in rows:
        if info := known[row.entry.driver].get(row.entry.property):
            row.type, row.default, row.known = info.type, text_of(info.default) or "", True


def _drivers(rows: Sequence[Row]) -> set[str]:
    return {row.entry.driver for row in rows}


def grouped(state: State, rows: Sequence[Row]) -> list[Group]:
    """By device type, in alphabetical order; within one in order of application."""
    return [
        Group(
            driver,
            driver in state.catalogue.types,
            tuple(row for row in rows if row.entry.driver == driver),
        )
        for driver in sorted(_drivers(rows))
    ]
