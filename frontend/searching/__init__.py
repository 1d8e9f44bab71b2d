"""Search by words over everything a person may see: the hits of each kind, the closest names first.

A word is found anywhere in a name, whatever its case; all words have to be found. ``#12`` or ``12``
finds the change request and the trial of that number as well. What several releases have is one
hit, which leads to the release that the person looks at, else to the one imported last.

    asking    what is looked for, by whom; a hit, and the hits of a kind
    known     the names that releases have, read once
    imported  finding what releases are: machine types, devices, properties, sections
    decided   finding what people decide, try, publish and say

A kind with more hits than are shown says so, and names the list that has them where there is one.
"""

from __future__ import annotations

from django.contrib.auth.models import User

from frontend.searching import decided, imported, known
from frontend.searching.asking import Group, Hit, Kind, Search
from machines.models import Release
from policy.permissions import trees_where

__all__ = ["ALL", "MAX_LENGTH", "MAX_WORDS", "SHOWN", "Group", "Hit", "search"]

MAX_WORDS = 6
MAX_LENGTH = 200
#: Hits of a kind that a page shows, and the API tells.
SHOWN = 12
KINDS: tuple[Kind, ...] = (
    imported.RELEASES,
    imported.MACHINE_TYPES,
    imported.DEVICES,
    decided.FEATURES,
    decided.CHANGES,
    decided.TRIALS,
    decided.BUNDLES,
    decided.PEOPLE,
)
#: There are tens of thousands of these: a single letter, which is in most of them, finds none.
MANY: tuple[Kind, ...] = (imported.PROPERTIES, imported.SECTIONS, decided.COMMENTS)
ALL = KINDS + MANY


def search(text: str, user: User, seen: int | None, limit: int) -> list[Group]:
    """The kinds that have any hit, with at most ``limit`` each.

    ``seen`` is the release that the person looked at last, by its number.
    """
    words = tuple(text[:MAX_LENGTH].split()[:MAX_WORDS])
    trees = trees_where(user, "view") if words else frozenset()
    if not trees:
        return []
    rows = Release.objects.filter(tree__in=trees).select_related("tree")
    releases = {row.pk: row for row in rows}
    # One more than is shown tells that there are more.
    asked = Search(words, user, trees, releases, known.current(), seen, limit + 1)
    kinds = ALL if any(len(word) > 1 for word in words) else KINDS
    found = [_group(kind, asked, limit) for kind in kinds]
    return [group for group in found if group.hits]


def _group(kind: Kind, asked: Search, limit: int) -> Group:
    hits = kind.find(asked)
    more = len(hits) > limit
    return Group(kind.name, kind.title, hits[:limit], more, kind.listed(asked) if more else None)
