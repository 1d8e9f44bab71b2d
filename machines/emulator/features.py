"""Features: named units of guest-visible device behaviour, and what carries their state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Carrier:
    """Where a feature's state travels.

    ``section`` is a section's path within the device. Either ``version`` is the section version
    that first has ``fields`` (a linear version bump), or ``subsection`` tells that the whole
    section or subsection is the feature's own, absent where the feature is off.
    """

    section: str
    version: int | None = None
    fields: tuple[str, ...] = ()
    subsection: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """The property that switches a feature: enabled exactly while its value is ``on``."""

    driver: str
    property: str
    on: str


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A feature of a device type. Without a gate it is enabled wherever its carriers exist."""

    slug: str
    title: str
    device: str
    carriers: tuple[Carrier, ...] = ()
    gate: Gate | None = None
