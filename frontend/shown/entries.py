"""A machine type's resolved list as its page shows it: each entry with its origin and standing,
and the list beside that of another machine type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from machines.emulator.catalogue import CompatProperty
from machines.emulator.qdev import properties_of, same_value, text_of
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


# --- Two machine types ----------------------------------------------------------------------------

#: How what counts for a property here stands to what counts there.
Standing = Literal["same", "differs", "only-here", "only-there"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A property that at least one of two lists sets, with the entry that counts in each.

    ``default`` is what holds where the other list sets nothing, None where that release does not
    tell; a side whose release does not have the device type is ``absent``.
    """

    driver: str
    property: str
    here: Row | None
    there: Row | None
    standing: Standing
    default: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class PairGroup:
    """The properties of one device type on which two lists disagree."""

    driver: str
    pairs: tuple[Pair, ...]


def beside(state: State, here: Sequence[Row], other: State, there: Sequence[Row]) -> list[Pair]:
    """What two lists set, by device type and property; an entry that is overridden says nothing.

    An entry that sets what the other release has by default is the same.
    """
    ours, theirs = _counting(here), _counting(there)
    return [
        _pair(key, ours.get(key), theirs.get(key), state, other) for key in sorted({*ours, *theirs})
    ]


def _counting(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    return {(row.entry.driver, row.entry.property): row for row in rows if row.winner is None}


def _pair(
    key: tuple[str, str], here: Row | None, there: Row | None, state: State, other: State
) -> Pair:
    driver, name = key
    if here is not None and there is not None:
        same = same_value(here.entry.value, there.entry.value)
        return Pair(driver, name, here, there, "same" if same else "differs")
    lacking, row = (other, here) if here is not None else (state, there)
    info = properties_of(lacking.catalogue, driver).get(name)
    default = text_of(info.default) if info is not None else None
    standing: Standing = "only-here" if here is not None else "only-there"
    if row is not None and default is not None and same_value(default, row.entry.value):
        standing = "same"
    absent = driver not in lacking.catalogue.types
    return Pair(driver, name, here, there, standing, default, absent)


def pair_groups(pairs: Iterable[Pair]) -> list[PairGroup]:
    """Those that are not the same, by device type."""
    differing = [pair for pair in pairs if pair.standing != "same"]
    grouped_ = groupby(differing, key=lambda pair: pair.driver)
    return [PairGroup(driver, tuple(found)) for driver, found in grouped_]
