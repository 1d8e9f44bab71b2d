"""A downstream's catalogue, which tells a part, laid over its base's, which tells everything."""

from __future__ import annotations

from machines.emulator.catalogue.values import Catalogue


def overlay(base: Catalogue, own: Catalogue) -> Catalogue:
    """A downstream's effective catalogue: what it tells of itself, and its base for the rest.

    A downstream that ships only its compat arrays has its base's device types, properties and
    sections, but none of its base's machine types: these follow from its own names and arrays.
    """
    tells_machine_types = bool(own.machine_types or own.arrays)
    tells_properties = bool(own.properties or own.unreadable)
    return Catalogue(
        version=own.version or base.version,
        package=own.package or base.package,
        types=own.types or base.types,
        descriptions=own.descriptions or base.descriptions,
        properties=own.properties if tells_properties else base.properties,
        unreadable=own.unreadable if tells_properties else base.unreadable,
        machine_types=own.machine_types if tells_machine_types else base.machine_types,
        arrays={**base.arrays, **own.arrays},
    )
