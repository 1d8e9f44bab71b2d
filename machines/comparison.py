"""What differs between two catalogues, for people: counts and names, kind by kind.

    >>> old, new = Catalogue("1.0", types={"foo": None}), Catalogue("2.0", types={"bar": None})
    >>> compare(old, new)["types"]["added"]
    {'count': 1, 'names': ['bar']}

A kind without a difference is left out, so that two equal catalogues give ``{}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    MachineType,
    PropertyInfo,
)
from machines.emulator.layout import described_sections
from machines.emulator.qdev import ancestors, text_of

#: Names listed for one kind of difference; the count always tells how many there are.
MAX_NAMES = 1000

_Value = TypeVar("_Value")


class Names(TypedDict):
    """How many there are, and the first :data:`MAX_NAMES` of them."""

    count: int
    names: list[str]


class Changes(TypedDict):
    """The differences of one kind. A changed one's name is followed by what changed."""

    added: Names
    removed: Names
    changed: Names


#: Kind (``version``, ``types``, ``properties``, ``sections``, ``machine_types``, ``compat``,
#: ``unreadable``) → its changes.
Comparison = dict[str, Changes]


def compare(old: Catalogue, new: Catalogue) -> Comparison:
    """Everything that a page about the two says, from ``old`` to ``new``."""
    kinds = {
        "version": _changes(_versions(old), _versions(new), "{} → {}".format),
        "types": _changes(old.types, new.types, _parent_changed),
        "properties": _compare_properties(old, new),
        "sections": _changes(dict(_sections(old)), dict(_sections(new)), _section_changed),
        "machine_types": _changes(old.machine_types, new.machine_types, _machine_type_changed),
        "compat": _compare_compat(old, new),
        "unreadable": _changes(old.unreadable, new.unreadable, "{} → {}".format),
    }
    return {kind: changes for kind, changes in kinds.items() if _total(changes)}


def _total(changes: Changes) -> int:
    return sum(
        names["count"] for names in (changes["added"], changes["removed"], changes["changed"])
    )


def _names(names: list[str]) -> Names:
    return {"count": len(names), "names": sorted(names)[:MAX_NAMES]}


def _changes(
    old: Mapping[str, _Value], new: Mapping[str, _Value], describe: Callable[[_Value, _Value], str]
) -> Changes:
    return {
        "added": _names([name for name in new if name not in old]),
        "removed": _names([name for name in old if name not in new]),
        "changed": _names(
            [
                f"{name}: {describe(old[name], value)}"
                for name, value in new.items()
                if name in old and old[name] != value
            ]
        ),
    }


def _versions(catalogue: Catalogue) -> dict[str, str]:
    told = {"QEMU": catalogue.version, "package": catalogue.package}
    return {name: version for name, version in told.items() if version}


def _parent_changed(old: str | None, new: str | None) -> str:
    return f"parent {old or '(none)'} → {new or '(none)'}"


# --- Properties ---------------------------------------------------------------------------------


def _compare_properties(old: Catalogue, new: Catalogue) -> Changes:
    """By what a type offers, inherited or not: a declaration that moves up or down is no change."""
    before: dict[str, PropertyInfo] = {}
    now: dict[str, PropertyInfo] = {}
    for catalogue in (old, new):
        for driver, infos in catalogue.properties.items():
            for name in infos:
                place = f"{driver}.{name}"
                if info := _offered(old, driver, name):
                    before[place] = info
                if info := _offered(new, driver, name):
                    now[place] = info
    return _changes(before, now, _property_changed)


def _offered(catalogue: Catalogue, driver: str, name: str) -> PropertyInfo | None:
    for type_name in ancestors(catalogue, driver):
        if info := catalogue.properties.get(type_name, {}).get(name):
            return info
    return None


def _property_changed(old: PropertyInfo, new: PropertyInfo) -> str:
    parts = []
    if old.type != new.type:
        parts.append(f"type {old.type} → {new.type}")
    if old.default != new.default:
        parts.append(f"default {_shown(old.default)} → {_shown(new.default)}")
    return ", ".join(parts) or "description"


def _shown(default: Any) -> str:
    text = text_of(default)
    return "(not told)" if text is None else text[:100]


# --- Sections -----------------------------------------------------------------------------------


def _sections(catalogue: Catalogue) -> Iterator[tuple[str, Description]]:
    for driver, description in catalogue.descriptions.items():
        for section in described_sections(description):
            yield f"{driver}: {section.path}", _own_layout(section.description)


def _own_layout(section: Description) -> Description:
    """The fields alone: subsections, a structure's too, have lines of their own.

    Without the sizes of structures: C memory, which says nothing of the stream.
    """
    return replace(
        section,
        fields=tuple(
            item if item.struct is None else replace(item, size=0, struct=_own_layout(item.struct))
            for item in section.fields
        ),
        subsections=(),
    )


def _section_changed(old: Description, new: Description) -> str:
    parts = []
    if old.version_id != new.version_id:
        parts.append(f"version {old.version_id} → {new.version_id}")
    if old.minimum_version_id != new.minimum_version_id:
        parts.append(f"minimum version {old.minimum_version_id} → {new.minimum_version_id}")
    before = {item.name: item for item in old.fields}
    now = {item.name: item for item in new.fields}
    parts += [f"+ {name}" for name in now if name not in before]
    parts += [f"- {name}" for name in before if name not in now]
    parts += [f"~ {name}" for name, item in now.items() if before.get(name, item) != item]
    return ", ".join(parts[:20]) or "order of fields"


# --- Machine types ------------------------------------------------------------------------------


def _machine_type_changed(old: MachineType, new: MachineType) -> str:
    parts = []
    if old.alias != new.alias:
        parts.append(f"alias {old.alias or '(none)'} → {new.alias or '(none)'}")
    if old.deprecated != new.deprecated:
        parts.append("deprecated" if new.deprecated else "no longer deprecated")
    if old.is_default != new.is_default:
        parts.append("now the default" if new.is_default else "no longer the default")
    if old.default_cpu_type != new.default_cpu_type:
        parts.append(f"default CPU {old.default_cpu_type} → {new.default_cpu_type}")
    if _plain(old.compat) != _plain(new.compat):
        parts.append("compat properties")
    return ", ".join(parts) or "source of its compat properties"


def _plain(entries: tuple[CompatProperty, ...]) -> list[tuple[str, str, str]]:
    return [(entry.driver, entry.property, entry.value) for entry in entries]


def _compare_compat(old: Catalogue, new: Catalogue) -> Changes:
    """Compat entries of the machine types that both have; the winning value of each counts."""
    before: dict[str, str] = {}
    now: dict[str, str] = {}
    for name in old.machine_types.keys() & new.machine_types.keys():
        before.update(_winning(old.machine_types[name]))
        now.update(_winning(new.machine_types[name]))
    for name in old.arrays.keys() | new.arrays.keys():
        before.update(_winning_of(name, old.arrays.get(name, ())))
        now.update(_winning_of(name, new.arrays.get(name, ())))
    return _changes(before, now, "{} → {}".format)


def _winning(machine_type: MachineType) -> dict[str, str]:
    return _winning_of(machine_type.name, machine_type.compat)


def _winning_of(container: str, entries: tuple[CompatProperty, ...]) -> dict[str, str]:
    return {f"{container}: {entry.driver}.{entry.property}": entry.value for entry in entries}
