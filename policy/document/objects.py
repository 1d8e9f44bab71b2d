"""The things that a change touches: a difference's lines, gathered by what they are about. Pure.

A reviewer reads object by object: a machine type with its entries, a device with its bitmaps, a
backport with its parts. What stands as one list in the policy (declared migrations, mitigations,
waivers, the trials' devices, the base catalogue) is one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from policy.document import Policy, digest
from policy.document.differences import Difference, backport_label, entry_place

Kind = Literal[
    "catalogue",
    "backport",
    "machine type",
    "device",
    "mitigations",
    "migrations",
    "trials",
    "waivers",
]

#: The groups of differences whose lines are about one object together.
_LISTS: dict[str, Kind] = {
    "Catalogue": "catalogue",
    "Mitigations": "mitigations",
    "Migrations": "migrations",
    "Trials": "trials",
    "Waivers": "waivers",
}
#: A bitmap's line: see policy.document.differences.override_label.
_OVERRIDE = re.compile(
    r"(?P<section>.+) version (?P<version>\d+) of (?P<device>\S+)( on (?P<on>.+))?"
)
_AGAIN = re.compile(r" \(no\. \d+\)$")


@dataclass(frozen=True, slots=True)
class ChangedObject:
    """One thing with the lines that are about it, in their order.

    ``name`` is the machine type's, the device's, the feature's slug; empty for a whole list.
    """

    kind: Kind
    name: str
    lines: tuple[Difference, ...]

    @property
    def key(self) -> str:
        """What names the object, in addresses too."""
        return digest([self.kind, self.name])[:12]

    @property
    def digest(self) -> str:
        """What is changed about it, by its content: another edit of the object is another one."""
        return digest([asdict(line) for line in self.lines])


@dataclass(frozen=True, slots=True)
class Bit:
    """The bit that a line of a bitmap is about; ``machine_type`` is empty for all of them."""

    section: str
    version: int
    device: str
    machine_type: str


def bit_of(label: str) -> Bit | None:
    """The bit that a label of :func:`policy.document.differences.override_label` names."""
    found = _OVERRIDE.fullmatch(_AGAIN.sub("", label))
    if found is None:
        return None
    return Bit(found["section"], int(found["version"]), found["device"], found["on"] or "")


def changed_objects(
    found: Iterable[Difference], policies: Sequence[Policy]
) -> tuple[ChangedObject, ...]:
    """The objects in the order of their first lines. ``policies`` are those that were compared."""
    slugs = {
        backport_label(item): item.feature.slug for policy in policies for item in policy.backports
    }
    gathered: dict[tuple[Kind, str], list[Difference]] = {}
    for line in found:
        gathered.setdefault(_object_of(line, slugs), []).append(line)
    return tuple(
        ChangedObject(kind, name, tuple(lines)) for (kind, name), lines in gathered.items()
    )


def _object_of(line: Difference, slugs: dict[str, str]) -> tuple[Kind, str]:
    if line.group == "Machine types":
        return "machine type", line.label
    if line.group == "Compat properties":
        return "machine type", entry_place(line.label).machine_type
    if line.group == "Blacklist bitmaps":
        bit = bit_of(line.label)
        return "device", bit.device if bit is not None else line.label
    if line.group == "Backports":
        return "backport", _slug_of(line.label, slugs)
    return _LISTS[line.group], ""


def _slug_of(label: str, slugs: dict[str, str]) -> str:
    """A backport's lines are labelled by its own label, or by that and a part of it."""
    names = (name for name in slugs if label == name or label.startswith(f"{name}: "))
    # One title may begin another: the longest is meant.
    return slugs.get(max(names, key=len, default=""), label)
