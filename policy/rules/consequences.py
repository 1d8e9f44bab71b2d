"""The rules of a policy: what follows from a downstream's decisions. Pure, over plain data.

    decision                            consequence
    backports                           :func:`effective_catalogue`, :func:`features_of`
    machine types and their entries     :func:`globals_of`
    overrides against the default       :func:`device_bitmaps`, :func:`blacklist_properties`
    declared migrations                 :func:`required_trials`
    all of these                        :func:`side`, one end of a trial migration

A policy of None is a release that decides nothing: its catalogue says all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from machines.emulator import machine, qdev
from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    MachineType,
    PropertyInfo,
)
from machines.emulator.features import FeatureSpec, Gate
from machines.emulator.memo import Same
from policy.document import Backport, Graft, Policy
from policy.rules import bitmaps
from policy.rules.bitmaps import SectionBitmap
from policy.rules.grafts import grafted


class StateLike(Protocol):
    """Whatever has a release's policy and its catalogue: :class:`policy.state.State`."""

    @property
    def policy(self) -> Policy | None: ...
    @property
    def catalogue(self) -> Catalogue: ...


@dataclass(frozen=True, slots=True)
class RequiredTrial:
    """A trial that a declared migration asks for, and the outcome that it promises."""

    source: str
    destination: str
    machine_type: str
    expected: str


# --- What a backport does to the catalogue --------------------------------------------------------


def effective_catalogue(catalogue: Catalogue, backports: Iterable[Backport]) -> Catalogue:
    """The release's own catalogue: its base's, with what its backports bring along.

    A graft gives a section its layout, see :mod:`policy.rules.grafts`. A gate that the base does
    not know becomes a property whose default switches the feature on.
    """
    backports = tuple(backports)
    if not backports:
        return catalogue
    descriptions = dict(catalogue.descriptions)
    properties = {name: dict(infos) for name, infos in catalogue.properties.items()}
    for backport in backports:
        for graft in backport.grafts:
            for device in _grafted_devices(catalogue, backport.feature.device, graft):
                descriptions[device] = grafted(descriptions.get(device), graft)
        gate = backport.feature.gate
        if gate is not None and not qdev.has_property(catalogue, gate.driver, gate.property):
            properties.setdefault(gate.driver, {})[gate.property] = _gate_property(gate)
    return replace(catalogue, descriptions=descriptions, properties=properties)


def _grafted_devices(catalogue: Catalogue, device: str, graft: Graft) -> Iterator[str]:
    """The device itself, and those of its descendants that have the same main section."""
    main = graft.section.partition("/")[0]
    if device in catalogue.descriptions or device not in catalogue.types:
        yield device
    for name, description in catalogue.descriptions.items():
        inherits = name != device and device in qdev.ancestors(catalogue, name)
        if inherits and description.name == main:
            yield name


def _gate_property(gate: Gate) -> PropertyInfo:
    if gate.on.lower() in {"on", "off", "true", "false", "yes", "no"}:
        return PropertyInfo(gate.property, "bool", gate.on.lower() in {"on", "true", "yes"})
    return PropertyInfo(gate.property, "str", gate.on)


def policy_catalogue(base: Catalogue, policy: Policy) -> Catalogue:
    """The catalogue of the release as the policy leaves it: grafts, and its own machine types."""
    catalogue = effective_catalogue(base, policy.backports)
    if not policy.machine_types:
        return catalogue
    own = {}
    for item in policy.machine_types:
        known = base.machine_types.get(item.name, MachineType(item.name))
        own[item.name] = replace(known, compat=policy.resolved(item.name), compat_source="policy")
    return replace(catalogue, machine_types=own)


# --- Machine types and what they set --------------------------------------------------------------


def machine_types(state: StateLike) -> tuple[str, ...]:
    """A release's machine types: the policy's, or the catalogue's where it has none."""
    if state.policy is not None and state.policy.machine_types:
        return tuple(item.name for item in state.policy.machine_types)
    return tuple(state.catalogue.machine_types)


def globals_of(
    policy: Policy | None, catalogue: Catalogue, machine_type: str
) -> tuple[qdev.Global, ...]:
    """The compat entries of a machine type in order of application, the later wins.

    Each names the machine type, or the C array, that it stands in. Empty for an unknown one.
    """
    if policy is None or not policy.machine_types:
        known = catalogue.machine_types.get(machine_type)
        return qdev.compat_globals(known.compat, machine_type) if known is not None else ()
    return tuple(
        entry
        for item in policy.lineage(machine_type)
        for entry in qdev.compat_globals(item.entries, item.name)
    )


def device_properties(
    policy: Policy | None,
    catalogue: Catalogue,
    machine_type: str,
    device: str,
    sections: Iterable[SectionBitmap],
) -> list[qdev.Resolved]:
    """Every property of a device with its effective value, by name.

    The bitmaps of its ``sections`` (:func:`device_bitmaps`) are set by the policy's layer.
    """
    blacklists = [
        qdev.Global(device, section.property, section.effective_value, "policy", "bitmap")
        for section in sections
        if not qdev.same_value(section.effective_value, "0x0")
    ]
    entries = globals_of(policy, catalogue, machine_type)
    resolved = qdev.resolve(catalogue, device, (*entries, *blacklists))
    return sorted(resolved.values(), key=lambda item: item.name)


def features_of(policy: Policy | None, catalogue: Catalogue) -> tuple[FeatureSpec, ...]:
    """The recorded features of a release: those of its backports, in their order.

    A feature whose device the release does not have is none of it.
    """
    if policy is None:
        return ()
    return tuple(
        item.feature
        for item in policy.backports
        if item.feature.device in catalogue.types or item.feature.device in catalogue.descriptions
    )


# --- Bitmaps --------------------------------------------------------------------------------------


def _machine(policy: Policy | None, catalogue: Catalogue, machine_type: str) -> bitmaps.Machine:
    return _known_machine(Same(policy), Same(catalogue), machine_type)


@lru_cache(maxsize=256)
def _known_machine(
    policy: Same[Policy | None], catalogue: Same[Catalogue], machine_type: str
) -> bitmaps.Machine:
    """The same for the same three: each of a release's devices is asked about by itself."""
    return bitmaps.Machine(
        catalogue=catalogue.object,
        features=features_of(policy.object, catalogue.object),
        overrides=policy.object.overrides if policy.object is not None else (),
        globals=globals_of(policy.object, catalogue.object, machine_type),
        machine_type=machine_type,
    )


def device_bitmaps(
    policy: Policy | None, catalogue: Catalogue, machine_type: str, device: str
) -> tuple[SectionBitmap, ...]:
    """The bitmaps of a device's sections on a machine type; see :mod:`policy.rules.bitmaps`.

    ``catalogue`` is the effective one. An empty ``machine_type`` asks without compat entries.
    """
    return bitmaps.device_bitmaps(_machine(policy, catalogue, machine_type), device)


def all_bitmaps(
    policy: Policy | None, catalogue: Catalogue, machine_type: str
) -> Iterator[SectionBitmap]:
    """The bitmaps of every section of every device, in the order of the devices' names."""
    return _bitmaps(_machine(policy, catalogue, machine_type))


def _bitmaps(machine: bitmaps.Machine) -> Iterator[SectionBitmap]:
    for device in sorted(machine.catalogue.descriptions):
        yield from bitmaps.device_bitmaps(machine, device)


def blacklist_properties(
    policy: Policy | None, catalogue: Catalogue, machine_type: str
) -> tuple[CompatProperty, ...]:
    """The properties that give each device its effective bitmap, where a bit is or was set.

    An entry on a type applies to its descendants too, and the later entry wins: so a type comes
    before its descendants, and one whose bitmap is empty says so where it would inherit another.
    """
    return _blacklists(bitmaps.Decided(_machine(policy, catalogue, machine_type)))


@lru_cache(maxsize=1024)
def _blacklists(decided: bitmaps.Decided) -> tuple[CompatProperty, ...]:
    told: dict[tuple[str, str], str] = {}
    listed = []
    catalogue = decided.machine.catalogue
    found = _bitmaps(decided.machine)
    for item in sorted(found, key=lambda item: len(qdev.ancestors(catalogue, item.device))):
        above = qdev.ancestors(catalogue, item.device)[1:]
        inherited = next((told[t, item.property] for t in above if (t, item.property) in told), "")
        is_set = any(cell.effective or cell.default for cell in item.cells)
        if is_set or inherited not in ("", item.effective_value):
            told[item.device, item.property] = item.effective_value
            listed.append(CompatProperty(item.device, item.property, item.effective_value))
    return tuple(listed)


def relaxed_versions(
    policy: Policy | None, catalogue: Catalogue, machine_type: str
) -> dict[tuple[str, str], frozenset[int]]:
    """What the downstream allows against the default: (device, section's path) → versions."""
    if policy is None or not any(item.action == "relax" for item in policy.overrides):
        return {}
    found: dict[tuple[str, str], frozenset[int]] = {}
    for item in all_bitmaps(policy, catalogue, machine_type):
        versions = frozenset(cell.version for cell in item.cells if cell.layer == "relaxed")
        if versions:
            found[item.device, item.path] = versions
    return found


def resolved_properties(
    policy: Policy | None, catalogue: Catalogue, machine_type: str
) -> tuple[CompatProperty, ...]:
    """All that a machine type sets, in order: its compat entries, then the bitmaps."""
    entries = (
        CompatProperty(entry.driver, entry.property, entry.value)
        for entry in globals_of(policy, catalogue, machine_type)
    )
    return (*entries, *blacklist_properties(policy, catalogue, machine_type))


# --- Trials ---------------------------------------------------------------------------------------


def side(
    policy: Policy | None,
    catalogue: Catalogue,
    machine_type: str,
    label: str,
    extra: Iterable[CompatProperty] = (),
) -> machine.Side:
    """One end of a trial: the release as its policy leaves it. ``extra`` are mitigations.

    Where no policy decides, the bitmaps are defaults that follow from the catalogue.
    """
    layer: qdev.Layer = "policy" if policy is not None else "default"
    decided = (*blacklist_properties(policy, catalogue, machine_type), *extra)
    return machine.Side(
        label=label,
        catalogue=catalogue,
        machine_type=machine_type,
        globals=(
            *globals_of(policy, catalogue, machine_type),
            *(qdev.Global(e.driver, e.property, e.value, layer, label) for e in decided),
        ),
        features=features_of(policy, catalogue),
    )


def mitigations_for(
    policy: Policy | None, source: str, machine_type: str
) -> tuple[CompatProperty, ...]:
    """Extra properties on this release for guests that were started on ``source``."""
    if policy is None:
        return ()
    return tuple(
        entry
        for item in policy.mitigations
        if item.started_on == source and item.machine_type == machine_type
        for entry in item.entries
    )


def required_trials(
    policy: Policy, partners: Mapping[str, Collection[str]]
) -> tuple[RequiredTrial, ...]:
    """One trial per declared migration and machine type, in the order of declaration.

    ``partners`` maps other releases' labels to their machine types. A migration without a machine
    type means each one that both releases have; one that names it wins over one that does not,
    and is required even where a release lacks it, so that the lack is seen.
    """
    own = [item.name for item in policy.machine_types]
    known = {**partners, policy.label: own or partners.get(policy.label, ())}
    found: dict[tuple[str, str, str], RequiredTrial] = {}
    named: set[tuple[str, str, str]] = set()
    for item in policy.migrations:
        if item.machine_type:
            names: list[str] = [item.machine_type]
        else:
            other = set(known.get(item.destination, ()))
            names = [name for name in known.get(item.source, ()) if name in other]
        for name in names:
            key = (item.source, item.destination, name)
            if key not in found or (item.machine_type and key not in named):
                found[key] = RequiredTrial(*key, item.expected)
            if item.machine_type:
                named.add(key)
    return tuple(found.values())
