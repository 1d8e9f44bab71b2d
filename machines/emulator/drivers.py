"""Drivers: the device behind a bus proxy, and which description a driver's state has.

QEMU's proxies (``virtio-rng-pci``) hold the device that does the work (``virtio-rng-device``) as a
child; whose section travels is told neither by the types nor by a dump.
"""

from __future__ import annotations

from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.qdev import ancestors

_PROXY_SUFFIXES = ("-non-transitional", "-transitional", "-pci", "-ccw")


def backend_of(catalogue: Catalogue, driver: str) -> str | None:
    """The device behind a bus proxy: ``virtio-rng-device`` of ``virtio-rng-pci``; else None."""
    family = driver
    for suffix in _PROXY_SUFFIXES:
        family = family.removesuffix(suffix)
    if family == driver:
        return None
    for candidate in (f"{family}-device", family):
        if candidate in catalogue.descriptions or candidate in catalogue.types:
            return candidate
    return None


def description_of(catalogue: Catalogue, driver: str) -> Description | None:
    """The description of a driver: its own, an ancestor's, or that of the device it proxies."""
    for name in ancestors(catalogue, driver):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    backend = backend_of(catalogue, driver)
    if backend is None:
        return None
    for name in ancestors(catalogue, backend):
        if name in catalogue.descriptions:
            return catalogue.descriptions[name]
    return None


def lineage_of(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """The driver's ancestors, then those of the device it proxies."""
    lineage = ancestors(catalogue, driver)
    backend = backend_of(catalogue, driver)
    if backend is not None:
        lineage += tuple(name for name in ancestors(catalogue, backend) if name not in lineage)
    return lineage


def migratable_devices(*catalogues: Catalogue) -> tuple[str, ...]:
    """The drivers that every one of the releases describes and can migrate, sorted.

    Without abstract types, as far as a catalogue tells them: no parent of a driver that has the
    same section.
    """
    if not catalogues:
        return ()
    common = set.intersection(*(_migratable(catalogue) for catalogue in catalogues))
    return tuple(sorted(common))


def _migratable(catalogue: Catalogue) -> set[str]:
    descriptions = catalogue.descriptions
    inherited = {
        parent
        for driver, description in descriptions.items()
        for parent in ancestors(catalogue, driver)[1:]
        if parent in descriptions and descriptions[parent].name == description.name
    }
    return {
        driver
        for driver, description in descriptions.items()
        if driver not in inherited and not description.unmigratable
    }
