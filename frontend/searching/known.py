"""The names that releases have, each once with its releases: read once, and kept.

Releases share most of their names: some 106,000 rows of forty releases hold 4,000. To compare every
row with the words of a search takes a database a tenth of a second, these names a thousandth. They
stay true: a snapshot's rows never change, and another import makes another snapshot current, for
which they are read anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from machines.models import DeviceType, MachineType, Property, Section, Snapshot

#: A snapshot: its number, its release's, and its content's digest. By digest as well as number: a
#: number may come again after a rollback, content never changes.
Known = tuple[int, int, str]
#: Snapshots, by number → what they have: (name, its device type, snapshot).
Rows = Callable[[Iterable[int]], QuerySet[Any, tuple[str, str, int]]]
CHUNK = 5000


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


def with_words(rows: Rows, snapshots: tuple[Known, ...], words: Iterable[str]) -> Iterator[Name]:
    """The names that hold every word, whatever its case: the shortest first, then by letters."""
    wanted = [word.lower() for word in words]
    return (item for item in _names(rows, snapshots) if all(word in item.lower for word in wanted))


# One entry for each of the four below: what is current is the same for everybody. 1 MB in all.
@lru_cache(maxsize=4)
def _names(rows: Rows, snapshots: tuple[Known, ...]) -> tuple[Name, ...]:
    releases = {snapshot: release for snapshot, release, _digest in snapshots}
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for text, device, snapshot in rows(releases).order_by().iterator(chunk_size=CHUNK):
        found[text, device].add(releases[snapshot])
    alike: dict[frozenset[int], frozenset[int]] = {}
    named = []
    for text, device in sorted(found, key=lambda key: (len(key[0]), key)):
        having = frozenset(found[text, device])
        # Most names are in the same releases as many others.
        named.append(Name(text, device, text.lower(), alike.setdefault(having, having)))
    return tuple(named)


def machine_types(snapshots: Iterable[int]) -> QuerySet[Any, tuple[str, str, int]]:
    rows = MachineType.objects.filter(snapshot__in=snapshots)
    return rows.values_list("name", Value(""), "snapshot")


def device_types(snapshots: Iterable[int]) -> QuerySet[Any, tuple[str, str, int]]:
    rows = DeviceType.objects.filter(snapshot__in=snapshots)
    return rows.values_list("name", Value(""), "snapshot")


def properties(snapshots: Iterable[int]) -> QuerySet[Any, tuple[str, str, int]]:
    """``virtio-rng-pci.vectors``"""
    rows = Property.objects.filter(device_type__snapshot__in=snapshots)
    whole = Concat("device_type__name", Value("."), "name")
    return rows.values_list(whole, "device_type__name", "device_type__snapshot")


def sections(snapshots: Iterable[int]) -> QuerySet[Any, tuple[str, str, int]]:
    rows = Section.objects.filter(device_type__snapshot__in=snapshots)
    return rows.values_list("path", "device_type__name", "device_type__snapshot")
