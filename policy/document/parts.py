"""What the things of a policy are made of: how each is told apart, and its fields. Pure.

Merging (:mod:`policy.document.merging`) goes by them.

    a thing                        its fields
    backport                       what it brings, commit, tracker, justification
    machine type                   parent, note, and its entries, each with its value
    override                       action, justification
    mitigation                     reason, until, and its entries, each with its value
    migration                      expected, note
    waiver                         none: it was given for what one person saw
    devices that trials exercise   each by its name
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from machines.emulator.catalogue import CompatProperty
from policy.document.differences import (
    backport_label,
    backport_lines,
    migration_label,
    mitigation_label,
    override_label,
    waiver_label,
    written,
)
from policy.document.values import (
    Backport,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Waiver,
)

#: What may be typed in a field's place: nothing, a line, or several.
Takes = Literal["", "line", "lines"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """Attributes of a thing that are merged as one field; ``name`` is "" for all of it.

    ``origin``: an attribute that says where the field is from. It is that of the side whose field
    it is, and empty where the field is typed.
    """

    name: str
    attributes: tuple[str, ...]
    words: Callable[..., str] = str
    takes: Takes = ""
    origin: str = ""

    def of(self, item: Any) -> tuple[Any, ...]:
        return tuple(getattr(item, name) for name in self.attributes)

    def said(self, value: tuple[Any, ...] | None) -> str:
        return self.words(*value) if value is not None else ""

    def put(self, value: tuple[Any, ...], sides: Sequence[Any]) -> dict[str, Any]:
        """What the thing gets where the field is ``value``."""
        values = dict(zip(self.attributes, value, strict=True))
        if self.origin:
            values[self.origin] = self._origin(value, sides)
        return values

    def _origin(self, value: tuple[Any, ...], sides: Sequence[Any]) -> str:
        base, mine, theirs = (getattr(side, self.origin, "") for side in sides)
        fitting = {
            origin
            for side, origin in ((sides[1], mine), (sides[2], theirs))
            if self.of(side) == value
        }
        # Where both have the field, whoever changed where it is from.
        return min(fitting - {base} or fitting, default="")


@dataclass(frozen=True, slots=True)
class Kind(Generic[_T]):
    """How things of one list are told apart, said in words, and taken apart.

    ``lists``: the attribute that is a list itself, and how what is in it is called.
    """

    title: str
    key: Callable[[_T], str]
    words: Callable[[_T], str]
    parts: tuple[Part, ...]
    lists: Callable[[str], Mapping[str, Kind[Any]]] = lambda _: {}
    label: Callable[[str], str] = str


def entries_on(of: str) -> Kind[CompatProperty]:
    """Compat entries of a machine type, or of what ``of`` names."""
    return Kind(
        f"the entries of {of}",
        lambda entry: f"{entry.driver}.{entry.property}",
        lambda entry: entry.value,
        (Part("", ("value",), takes="line", origin="array"),),
        label=lambda name: f"{name} on {of}",
    )


def _brought(feature: Any, introduced: str, grafts: Any) -> str:
    lines = backport_lines(Backport(feature, introduced, grafts=grafts))
    return "; ".join(f"{what} {value}".strip() for what, (value, _note) in lines.items() if value)


def _waived(item: Waiver) -> str:
    return f"until {item.expires}, for the content {item.bound[:12]}: {item.reason}"


BACKPORTS: Kind[Backport] = Kind(
    "the backports",
    backport_label,
    lambda item: f"{_brought(item.feature, item.introduced, item.grafts)}: {item.justification}",
    (
        Part("what it brings", ("feature", "introduced", "grafts"), _brought),
        Part("commit", ("commit",), takes="line"),
        Part("tracker", ("tracker",), takes="line"),
        Part("justification", ("justification",), takes="lines"),
    ),
)
MACHINE_TYPES: Kind[MachineType] = Kind(
    "the machine types",
    lambda item: item.name,
    lambda item: f"{len(item.entries)} entries of its own",
    (
        Part("parent", ("parent",)),
        Part("note", ("note",), takes="lines"),
    ),
    lambda name: {"entries": entries_on(name)},
)
OVERRIDES: Kind[Override] = Kind(
    "the overrides",
    override_label,
    lambda item: f"{item.action}: {item.justification}",
    (
        Part("action", ("action",)),
        Part("justification", ("justification",), takes="lines"),
    ),
)
MITIGATIONS: Kind[Mitigation] = Kind(
    "the mitigations",
    mitigation_label,
    lambda item: ", ".join(written(entry) for entry in item.entries),
    (
        Part("reason", ("reason",), takes="lines"),
        Part("until", ("until",), takes="line"),
    ),
    lambda name: {"entries": entries_on(name)},
)
MIGRATIONS: Kind[Migration] = Kind(
    "the migrations",
    migration_label,
    lambda item: f"{item.expected}: {item.note}" if item.note else item.expected,
    (
        Part("expected", ("expected",)),
        Part("note", ("note",), takes="lines"),
    ),
)
WAIVERS: Kind[Waiver] = Kind(
    "the waivers",
    waiver_label,
    _waived,
    (
        Part(
            "",
            ("finding", "bound", "reason", "expires", "about"),
            lambda _finding, bound, reason, expires, _about: (
                f"until {expires}, for the content {bound[:12]}: {reason}"
            ),
        ),
    ),
)
DEVICES: Kind[str] = Kind("the devices that trials exercise", str, str, ())
