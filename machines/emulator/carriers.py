"""Recorded features on a device: whether one is enabled, and which state is its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.drivers import backend_of, description_of, lineage_of
from machines.emulator.features import Carrier, FeatureSpec
from machines.emulator.layout import Leaf, Section, described_sections
from machines.emulator.qdev import Global, ancestors, effective_value, has_property, same_value
from machines.emulator.reconciling import names_field


def is_enabled(
    spec: FeatureSpec, catalogue: Catalogue, driver: str, globals: Sequence[Global]
) -> bool:
    """Is the feature enabled on ``driver``? Its carriers exist and its gate's value is ``on``.

    A gate that the release does not list and that nothing sets is no obstacle: nothing can have
    switched the feature off. ``globals`` are all that apply, compat properties included.
    """
    lineage = lineage_of(catalogue, driver)
    if spec.device not in lineage:
        return False
    description = description_of(catalogue, driver)
    if not all(_carrier_exists(carrier, description) for carrier in spec.carriers):
        return False
    if spec.gate is None:
        return True
    for candidate in (driver, backend_of(catalogue, driver), spec.gate.driver):
        if candidate and spec.gate.driver in ancestors(catalogue, candidate):
            value = effective_value(catalogue, candidate, spec.gate.property, globals)
            known = has_property(catalogue, candidate, spec.gate.property)
            return same_value(value, spec.gate.on) or (value is None and not known)
    return True


def _carrier_exists(carrier: Carrier, description: Description | None) -> bool:
    if description is None:
        return False
    for found in described_sections(description):
        section = found.description
        if carrier.section not in (found.path, section.name):
            continue
        old = carrier.version is not None and section.version_id < carrier.version
        labels = list(_labels(section)) if carrier.fields else []
        return not old and all(
            any(names_field(wanted, label) for label in labels) for wanted in carrier.fields
        )
    return False


def _labels(description: Description, prefix: str = "") -> Iterator[str]:
    for item in description.fields:
        yield prefix + item.name
        if item.struct is not None:
            yield from _labels(item.struct, f"{prefix}{item.name}.")


def carries(carrier: Carrier, leaf: Leaf, section: Section) -> bool:
    """Does the leaf hold state of the carrier's feature?"""
    if carrier.section not in (section.name, section.path):
        return False
    if carrier.fields:
        return any(
            names_field(wanted, label)
            for wanted in carrier.fields
            for label in (leaf.field, *(f"{leaf.field}.{name}" for name in leaf.members))
        )
    if carrier.subsection or carrier.version is None:
        return True
    return leaf.version_id == carrier.version
