"""Releases with their state beside them, for lists: a constant number of queries for any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from machines.models import Release, Snapshot, Tree
from policy.models import ChangeRequest, Revision

Status, Standing = ChangeRequest.Status, ChangeRequest.Standing
CLOSED = (Status.PUBLISHED, Status.WITHDRAWN)
#: So many open change requests of a release are named; of more there are the numbers.
NAMED = 1


def releases_of(trees: Collection[int]) -> QuerySet[Release]:
    """The releases of these trees in order.

    Each carries ``snapshot_number``, ``snapshot_at``, ``qemu_version`` (its current snapshot, None
    without one), ``base_snapshot_number``, ``revision_number``, ``revision_at`` (the newest one),
    and ``open_changes`` (a list, each with its author).
    """
    current = Snapshot.objects.filter(is_current=True, release=OuterRef("pk"))
    of_base = Snapshot.objects.filter(is_current=True, release=OuterRef("base"))
    newest = Revision.objects.filter(release=OuterRef("pk")).order_by("-number")
    return (
        Release.objects.filter(tree__in=trees)
        .select_related("tree", "base__tree", "stand_in__tree", "published_standing")
        .annotate(
            snapshot_number=_first(current, "number"),
            snapshot_at=_first(current, "imported_at"),
            qemu_version=_first(current, "qemu_version"),
            base_snapshot_number=_first(of_base, "number"),
            revision_number=_first(newest, "number"),
            revision_at=_first(newest, "published_at"),
        )
        .prefetch_related(Prefetch("change_requests", open_changes(), to_attr="open_changes"))
    )


def open_changes() -> QuerySet[ChangeRequest]:
    """Change requests that are neither published nor withdrawn, without their content."""
    return (
        ChangeRequest.objects.exclude(status__in=CLOSED).select_related("author").defer("content")
    )


def _first(rows: QuerySet[Any], field: str) -> Subquery:
    return Subquery(rows.values(field)[:1])


# --- The overview ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A release on the overview.

    ``numbers``: how many open change requests have which status, where there are too many to be
    ``named``. ``broken`` and ``untried`` count those of them in whose way a trial or a finding is,
    and whose trials are not all run. ``failing`` and ``stale`` count trials of what is published:
    those that end otherwise than promised, and those whose inputs changed since they were run.
    ``decides``: it has a base, so a policy of its own.
    """

    release: Release
    named: tuple[ChangeRequest, ...]
    numbers: tuple[tuple[str, int], ...]
    broken: int
    untried: int
    failing: int
    stale: int
    decides: bool


@dataclass(frozen=True, slots=True)
class TreeCard:
    """A tree with its releases, the newest first, and how much there is to look at."""

    tree: Tree
    lines: tuple[Line, ...]

    @property
    def decides(self) -> bool:
        return any(line.decides for line in self.lines)

    @property
    def open_changes(self) -> int:
        return sum(len(line.release.open_changes) for line in self.lines)  # type: ignore[attr-defined,misc]


def cards(releases: Iterable[Release]) -> list[TreeCard]:
    """Releases of :func:`releases_of` by tree: first those where something is decided."""
    found = [
        TreeCard(tree, tuple(_lines(listed))[::-1])
        for tree, listed in groupby(releases, lambda item: item.tree)
    ]
    return sorted(found, key=lambda card: not card.decides)


def _lines(releases: Iterable[Release]) -> Iterator[Line]:
    for release in releases:
        changes: list[ChangeRequest] = release.open_changes  # type: ignore[attr-defined]
        noted = [item for item in changes if item.trials_digest == item.digest]
        several = len(changes) > NAMED
        standing = getattr(release, "published_standing", None)
        by_status = Counter(item.status for item in changes)
        yield Line(
            release,
            () if several else tuple(changes),
            tuple((s, by_status[s]) for s in Status.values if by_status[s]) if several else (),
            sum(item.trials_standing == Standing.BROKEN for item in noted),
            sum(item.trials_standing == Standing.OPEN for item in noted),
            standing.failing if standing is not None else 0,
            standing.stale if standing is not None else 0,
            release.base_id is not None,
        )
