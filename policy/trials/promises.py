"""What a tree promises of migrations where nobody says otherwise: how it is upgraded.

A release's first policy declares the migrations that follow from it; from then on they are edited
like anything else. Trees differ: an upstream takes guests of every older release and promises no
way back; a downstream of minor releases is upgraded step by step, and rolled back within its major
release; one with a single release of each major number is upgraded from the one before. So the
usual promises follow from the tree's releases, until its administrators say other ones.

    >>> usual([("9.2", "upstream 7.2"), ("9.3", "upstream 8.0")])
    Promises(older=2, back=1, majors='forward')
    >>> usual([("7.2", ""), ("10.0", "")]).older == EVERY
    True
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.db import transaction

from machines.models import Release, Tree
from policy import audit
from policy.document import Migration
from policy.errors import Invalid
from policy.models import TreePromises
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: How many releases "every older one" means.
EVERY = TreePromises.EVERY

Majors = Literal["none", "forward", "both"]


@dataclass(frozen=True, slots=True)
class Promises:
    """From how many of the nearest ``older`` releases guests come, to how many they go ``back``.

    More than one means that releases may be skipped. ``majors`` are the ways across the first
    number of the version: none, forward, or both. Every promised outcome is ``correct``.
    """

    older: int
    back: int
    majors: Majors = "forward"

    def migrations(self, label: str, older: Sequence[str]) -> tuple[Migration, ...]:
        """What a release declares; ``older`` are the labels of its tree's, the nearest first."""
        near = [item for item in older if _major(item) == _major(label)]
        sources = (near if self.majors == "none" else older)[: self.older]
        targets = (older if self.majors == "both" else near)[: self.back]
        forward = (Migration(item, label, "correct") for item in sources)
        backward = (Migration(label, item, "correct") for item in targets)
        return (*forward, *backward)


def usual(releases: Iterable[tuple[str, str]]) -> Promises:
    """What a tree promises by the shape of its releases: (version, label of the base or empty)."""
    listed = list(releases)
    if not any(base for _, base in listed):
        return Promises(older=EVERY, back=0)
    per_major = Counter(_major(version) for version, _ in listed)
    if max(per_major.values()) > 1:
        return Promises(older=2, back=1)
    return Promises(older=1, back=0)


def _major(version: str) -> str:
    found = re.search(r"\d+", version.rpartition(" ")[2])
    return found[0] if found else ""


# --- A tree's own --------------------------------------------------------------------------------


def own_promises(tree: Tree) -> Promises | None:
    """What the tree's administrators said; None where nobody did."""
    row = TreePromises.objects.filter(tree=tree).first()
    return Promises(row.older, row.back, row.majors) if row is not None else None  # type: ignore[arg-type]


def usual_promises(tree: Tree) -> Promises:
    """What follows from the tree's releases."""
    return usual(_releases(tree))


def promises_of(tree: Tree) -> Promises:
    """What holds for the tree."""
    return own_promises(tree) or usual_promises(tree)


def _releases(tree: Tree) -> Iterator[tuple[str, str]]:
    for item in tree.releases.select_related("base__tree"):
        yield item.version, item.base.label if item.base is not None else ""


def set_promises(tree: Tree, actor: User, promises: Promises | None) -> None:
    """Say what the tree promises, or None: what follows from its releases. Its administrators may.

    Policies that there are already keep what they declare. Raises Forbidden, Invalid.
    """
    require(actor, "administer", tree)
    if promises is not None:
        _check(promises)
    with transaction.atomic():
        before = own_promises(tree)
        if promises == before:
            return
        if promises is None:
            TreePromises.objects.filter(tree=tree).delete()
        else:
            TreePromises.objects.update_or_create(tree=tree, defaults=asdict(promises))
        audit.record(actor, "set promises", tree, before=_told(before), after=_told(promises))


def _check(promises: Promises) -> None:
    for field, number in (("older", promises.older), ("back", promises.back)):
        if number != EVERY and not 0 <= number <= TreePromises.MOST:
            raise Invalid(f"0 to {TreePromises.MOST}, or {EVERY} for every one.", field=field)
    if promises.majors not in TreePromises.Majors.values:
        raise Invalid(f"One of {', '.join(TreePromises.Majors.values)}.", field="majors")


def _told(promises: Promises | None) -> dict[str, Any] | None:
    return asdict(promises) if promises is not None else None


def default_migrations(release: Release) -> tuple[Migration, ...]:
    """What a release's first policy declares, with the older releases that have published one.

    On every machine type that both have, and nothing is lost.
    """
    older = (
        Release.objects.filter(tree=release.tree, sort_key__lt=release.sort_key)
        .filter(revisions__isnull=False)
        .select_related("tree")
        .distinct()
        .order_by("-sort_key")
    )
    return promises_of(release.tree).migrations(release.label, [item.label for item in older])
