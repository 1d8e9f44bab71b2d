"""A difference of two policies as pages list it: in its groups, a long one cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from policy.document.differences import Difference

#: Differences of one group that are shown at once; a first policy has thousands.
MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Group:
    """The differences of one part of the policy; ``hidden`` of the ``total`` are left out."""

    name: str
    lines: list[Difference]
    total: int
    hidden: int


def groups_of(found: Iterable[Difference], whole: str) -> list[Group]:
    """Differences in their groups; ``whole`` names the group of which all is shown."""
    groups = []
    for name, members in groupby(found, key=lambda item: item.group):
        lines = _shortened(members)
        shown = lines if name == whole else lines[:MAX_SHOWN]
        groups.append(Group(name, shown, len(lines), len(lines) - len(shown)))
    return groups


def _shortened(members: Iterable[Difference]) -> list[Difference]:
    """Differences of one thing after another name it once: ``D: commit`` becomes ``… commit``."""
    shown: list[Difference] = []
    thing = ""
    for item in members:
        if thing and item.label.startswith(f"{thing}: "):
            shown.append(replace(item, label=f"… {item.label.removeprefix(f'{thing}: ')}"))
        else:
            thing = item.label
            shown.append(item)
    return shown
