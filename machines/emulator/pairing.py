"""Which field of the source is which of the destination: by its path, or by its place on the wire.

Two releases may know one field by two names, or have given it up and kept its gap. Where two
descriptions under one version read the same bytes as different fields, that is a conflict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from machines.emulator.board import Device
from machines.emulator.layout import UNUSED, Block, Leaf, Section
from machines.emulator.memo import remembered

Relation = Literal["renamed", "dropped", "conflict"]


def _relations(first: Block, second: Block) -> tuple[tuple[Leaf, Leaf, Relation], ...]:
    """Leaves that share bytes of the wire but not the name, where both read the same stream."""
    return remembered(
        ("relations", id(first), id(second)),
        (first, second),
        lambda: tuple(_sweep(first.leaves, second.leaves)),
    )


def _sweep(first: Sequence[Leaf], second: Sequence[Leaf]) -> Iterator[tuple[Leaf, Leaf, Relation]]:
    names = {leaf.field for leaf in first}, {leaf.field for leaf in second}
    i = j = start_i = start_j = 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        end_i, end_j = start_i + a.size, start_j + b.size
        same_place = start_i == start_j and a.size == b.size
        relation = _relation(a, b, names) if same_place else None if a.unused else _overlap(b)
        if relation is not None:
            yield a, b, relation
        if end_i <= end_j:
            i, start_i = i + 1, end_i
        if end_j <= end_i:
            j, start_j = j + 1, end_j


def _overlap(other: Leaf) -> Relation:
    return "dropped" if other.unused else "conflict"


def _relation(a: Leaf, b: Leaf, names: tuple[set[str], set[str]]) -> Relation | None:
    """How two leaves at the same place with the same size relate; None where they are the same."""
    if a.unused:
        return None
    if b.unused:
        return "dropped"
    if a.field == b.field:
        same = len(a.members) == len(b.members) and all(
            one == other or UNUSED in (one, other) or _same_words(one, other)
            for one, other in zip(a.members, b.members, strict=True)
        )
        return None if same else "conflict"
    gone = a.field not in names[1] and b.field not in names[0]
    return "renamed" if gone and _same_words(a.field, b.field) else "conflict"


@lru_cache(maxsize=4096)
def _same_words(first: str, second: str) -> bool:
    """Do two field names differ only by words that one of them has more?"""
    one, other = _words(first), _words(second)
    return one <= other or other <= one


def _words(name: str) -> frozenset[str]:
    last = name.rpartition(".")[2].lower().replace("-", "_")
    return frozenset(word.rstrip("s") for word in last.split("_") if word)


class Pairing:
    """How a device's leaves on the source become those on the destination."""

    def __init__(self, source: Device, destination: Device) -> None:
        self.source = source
        self.destination = destination
        self.renamed: dict[str, str] = {}
        self.dropped: dict[str, Leaf] = {}
        self.conflicts: list[tuple[Leaf, Leaf]] = []
        parts = destination.section.walk()
        by_place = {part.place: part for part in parts}
        # A structure that was renamed moves its subsections: they are known by a path of their own.
        paths = Counter(part.path for part in parts)
        by_path = {part.path: part for part in parts if paths[part.path] == 1}
        for ours in source.section.walk():
            theirs = (
                destination.section
                if ours is source.section
                else by_place.get(self._path(ours.place)) or by_path.get(self._path(ours.path))
            )
            if theirs is not None:
                self._pair(ours, theirs)

    def _path(self, path: str) -> str:
        """A section's path on the destination, whose main section may have another name."""
        return self.destination.section.name + path[len(self.source.section.name) :]

    def _pair(self, ours: Section, theirs: Section) -> None:
        version = self.source.version_of(ours)
        if not theirs.minimum_version_id <= version <= theirs.version_id:
            return
        for a, b, relation in _relations(ours.at(version), theirs.at(version)):
            claimed = self.source.feature_of(a, ours) or self.destination.feature_of(b, theirs)
            if relation == "renamed" and not claimed:
                self.renamed[a.path] = b.path
            elif relation == "dropped" and not claimed:
                self.dropped[a.path] = a
            else:
                self.conflicts.append((a, b))

    def target(self, path: str) -> str:
        """The path on the destination of the leaf at ``path`` on the source."""
        if path in self.renamed:
            return self.renamed[path]
        return self._path(path)
