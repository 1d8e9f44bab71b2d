"""Lists of qdev properties as ``device-list-properties`` prints them, and where each belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machines.emulator.catalogue.checks import (
    MAX_VALUE_LENGTH,
    expect,
    json_value,
    name_text,
    shortened,
)
from machines.emulator.catalogue.values import PropertyInfo


def parse_property_list(listed: Any, place: str) -> dict[str, PropertyInfo]:
    """Name → property, from one driver's list. Raises CatalogueError."""
    expect(isinstance(listed, list), place, "should be a list of properties")
    infos = {}
    for number, entry in enumerate(listed):
        here = f"{place}[{number}]"
        expect(isinstance(entry, dict), here, "should be an object")
        info = PropertyInfo(
            name=name_text(entry.get("name"), here),
            type=name_text(entry.get("type"), here),
            default=json_value(entry.get("default-value"), here),
            description=shortened(entry.get("description"), here, MAX_VALUE_LENGTH),
        )
        infos[info.name] = info
    return infos


def property_to_json(info: PropertyInfo) -> dict[str, Any]:
    """A property as an entry of such a list."""
    document: dict[str, Any] = {"name": info.name, "type": info.type}
    if info.default is not None:
        document["default-value"] = info.default
    if info.description:
        document["description"] = info.description
    return document


def hoist_properties(
    types: Mapping[str, str | None], declared: Mapping[str, Mapping[str, PropertyInfo]]
) -> dict[str, dict[str, PropertyInfo]]:
    """Move each property to the highest type where all listed descendants have it alike.

    ``device-list-properties`` repeats what a driver inherits: 90 CPU models list the same 400
    properties. Looking a driver's properties up along its ancestors gives back exactly its list,
    for a type lists whatever its ancestors list (QOM class properties are inherited).
    """
    children: dict[str, list[str]] = {}
    for name, parent in types.items():
        if parent is not None:
            children.setdefault(parent, []).append(name)
    own: dict[str, dict[str, PropertyInfo]] = {}

    def settle(name: str, below: frozenset[str]) -> dict[str, PropertyInfo] | None:
        """What all listed types from ``name`` downwards share; None where none was listed."""
        expect(name not in below, f"types: {name}", "is its own ancestor")
        offers = [(name, dict(declared[name]))] if name in declared else []
        for child in children.get(name, ()):
            offer = settle(child, below | {name})
            if offer is not None:
                offers.append((child, offer))
        if not offers:
            return None
        shared = {
            key: info
            for key, info in offers[0][1].items()
            if all(offer.get(key) == info for _, offer in offers[1:])
        }
        for owner, offer in offers:
            rest = {key: info for key, info in offer.items() if key not in shared}
            own[owner] = {**own.get(owner, {}), **rest}
        return shared

    roots = {name for name in {*types, *declared} if types.get(name) not in types}
    for root in sorted(roots):
        shared = settle(root, frozenset()) or {}  # fills ``own``, the root's entry too
        own[root] = {**own.get(root, {}), **shared}
    return {name: infos for name, infos in own.items() if infos}
