"""The names that releases have, each once with its releases: read once, and kept.

Releases share most of their names: some 106,000 rows of forty releases hold 4,000. To compare every
row with the words of a search takes a database a tenth of a second, these names a thousandth. They
stay true: a snapshot's rows never change, and another import makes another snapshot current, for
which they are read anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Model, QuerySet, Value

from machines.models import DeviceType, MachineType, Property, Section, Snapshot

#: A snapshot: its number, its release's, and its content's digest. By digest as well as number: a
#: number may come again after a rollback, content never changes.
Known = tuple[int, int, str]
CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that hold names of a kind, in ``field``; ``owner`` leads to the device type that has
    them, where one does; ``text`` is how both are told.
    """

    model: type[Model]
    field: str
    owner: str = ""
    text: str = "{name}"

    def rows(self, snapshots: Iterable[int]) -> QuerySet[Any, tuple[str, str, int]]:
        """(name, device type or nothing, snapshot) of each row of the snapshots."""
        prefix = f"{self.owner}__" if self.owner else ""
        found = self.model._default_manager.filter(**{f"{prefix}snapshot__in": snapshots})
        device = f"{prefix}name" if self.owner else Value("")
        return found.order_by().values_list(self.field, device, f"{prefix}snapshot")


MACHINE_TYPES = Source(MachineType, "name")
DEVICE_TYPES = Source(DeviceType, "name")
PROPERTIES = Source(Property, "name", "device_type", "{device}.{name}")
SECTIONS = Source(Section, "path", "device_type")
SOURCES = (MACHINE_TYPES, DEVICE_TYPES, PROPERTIES, SECTIONS)


@dataclass(frozen=True, slots=True)
class Name:
    """What some releases have, told by their numbers; ``device`` is the type that it belongs to.

    ``lower`` is where words are looked for.
    """

    text: str
    device: str
    lower: str
    releases: frozenset[int]


def current() -> tuple[Known, ...]:
    """The snapshots that hold today."""
    rows = Snapshot.objects.filter(is_current=True).order_by("pk")
    return tuple(rows.values_list("pk", "release", "digest"))


def with_words(
    source: Source, snapshots: tuple[Known, ...], words: Iterable[str]
) -> Iterator[Name]:
    """The names that hold every word, whatever its case: the shortest first, then by letters."""
    wanted = [word.lower() for word in words]
    found = _names(source, snapshots)
    return (item for item in found if all(word in item.lower for word in wanted))


def read_ahead() -> Iterator[Source]:
    """Read the names of every kind, one after the other, so that no search has to."""
    snapshots = current()
    for source in SOURCES:
        _names(source, snapshots)
        yield source


# An entry for each source: what is current is the same for everybody. About 1 MB in all.
@lru_cache(maxsize=len(SOURCES))
def _names(source: Source, snapshots: tuple[Known, ...]) -> tuple[Name, ...]:
    releases = {snapshot: release for snapshot, release, _digest in snapshots}
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for name, device, snapshot in source.rows(releases).iterator(chunk_size=CHUNK):
        found[name, device].add(releases[snapshot])
    # Most names are in the same releases as many others.
    alike: dict[frozenset[int], frozenset[int]] = {}
    named = []
    for (name, device), having in found.items():
        text, numbers = source.text.format(name=name, device=device), frozenset(having)
        named.append(Name(text, device, text.lower(), alike.setdefault(numbers, numbers)))
    return tuple(sorted(named, key=lambda item: (len(item.text), item.text, item.device)))
