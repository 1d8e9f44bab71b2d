"""Releases with their state beside them, for lists: a constant number of queries for any number."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from machines.models import Release, Snapshot
from policy.models import ChangeRequest, Revision

CLOSED = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)


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
        .select_related("tree", "base__tree", "stand_in__tree")
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
