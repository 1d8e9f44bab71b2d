"""Which entries of a compat list a later one makes moot.

An entry applies to its type and all descendants, and of two that apply to a driver the later wins
(machines/emulator/qdev.py). So an entry is overridden as a whole exactly when a later one names the
same property on the same type or on an ancestor; one on a descendant takes only that part away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from machines.emulator.catalogue import Catalogue
from machines.emulator.qdev import ancestors


class Entry(Protocol):
    """A (driver, property, value) in a list: a CompatProperty or a Global."""

    @property
    def driver(self) -> str: ...
    @property
    def property(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What later entries leave of one; both hold positions in the list, from 0.

    ``overridden_by`` is the entry that wins on every driver that this one names, None where it
    counts. ``except_on`` are those that win on some descendants only.
    """

    overridden_by: int | None = None
    except_on: tuple[int, ...] = ()


def standings(catalogue: Catalogue, entries: Sequence[Entry]) -> list[Standing]:
    """Each entry's standing, in the list's order.

    >>> from machines.emulator.qdev import Global
    >>> known = Catalogue("1.0", types={"foo": "device", "device": None})
    >>> listed = [Global("foo", "x", "1", "compat"), Global("device", "x", "2", "compat")]
    >>> [item.overridden_by for item in standings(known, listed)]
    [1, None]
    """
    lineages = {entry.driver: frozenset(ancestors(catalogue, entry.driver)) for entry in entries}
    by_property: dict[str, list[int]] = {}
    for position, entry in enumerate(entries):
        by_property.setdefault(entry.property, []).append(position)
    found = []
    for position, entry in enumerate(entries):
        later = [other for other in by_property[entry.property] if other > position]
        above = [other for other in later if entries[other].driver in lineages[entry.driver]]
        below = [
            other
            for other in later
            if entries[other].driver != entry.driver
            and entry.driver in lineages[entries[other].driver]
        ]
        found.append(Standing(above[-1] if above else None, tuple(below)))
    return found
