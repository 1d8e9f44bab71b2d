"""Blacklist bitmaps of a release's sections: the computed default, and the downstream's override.

Pure. The default is 100 % correct: version *v* of a section is blacklisted exactly when an enabled
feature keeps state that version *v* cannot carry. A feature is a recorded one (of a backport) or
a field of the catalogue's own description that begins at a later version; a field that a
recorded feature carries counts only while that feature is switched on. Bit 0 of an optional
section means "absent", and is set while a feature that lives in that section is on.

Between two versions at which something begins nothing changes, so a section at version 10000 is a
handful of ranges, and so are its cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from machines.emulator import bitmap, qdev
from machines.emulator.carriers import is_enabled
from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.drivers import lineage_of
from machines.emulator.features import FeatureSpec
from machines.emulator.layout import DescribedSection, described_sections
from machines.emulator.memo import Same
from policy.document import Override

Layer = Literal["allowed", "default", "relaxed", "tightened"]
#: Up to this many versions every one is a cell; beyond, only those where something changes.
MAX_PLAIN_CELLS = 64


@dataclass(frozen=True, slots=True)
class Cell:
    """One version of a section, or the first of a run (to ``last``) that are all alike.

    ``default`` and ``effective``: is it blacklisted? ``reasons`` say why by default.
    """

    version: int
    last: int
    default: bool
    effective: bool
    layer: Layer
    reasons: tuple[str, ...] = ()
    justification: str = ""


@dataclass(frozen=True, slots=True)
class SectionBitmap:
    """A section's bitmap on one machine type. Values are as ``-global`` takes them."""

    device: str
    path: str
    name: str
    minimum: int
    current: int
    optional: bool
    cells: tuple[Cell, ...]
    property: str
    default_value: str
    effective_value: str


def section_at(catalogue: Catalogue, device: str, path: str) -> DescribedSection | None:
    """A device's section of that path; None where there is none."""
    description = catalogue.descriptions.get(device)
    if description is None:
        return None
    return next((item for item in described_sections(description) if item.path == path), None)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a bitmap depends on: the release's features and overrides, one machine type's values."""

    catalogue: Catalogue
    features: Sequence[FeatureSpec] = ()
    overrides: Sequence[Override] = ()
    globals: Sequence[qdev.Global] = ()
    machine_type: str = ""
    enabled: dict[tuple[str, str], bool] = field(default_factory=dict)

    def is_enabled(self, feature: FeatureSpec, device: str) -> bool:
        """Is the feature on for this device and machine type?"""
        key = (feature.slug, device)
        if key not in self.enabled:
            self.enabled[key] = is_enabled(feature, self.catalogue, device, self.globals)
        return self.enabled[key]


class Decided:
    """A machine as the key of a cache: by what its bitmaps depend on.

    Machine types that nothing decided of a section tells apart have the same ones.
    """

    __slots__ = ("_key", "machine")

    def __init__(self, machine: Machine) -> None:
        catalogue = machine.catalogue
        same = Same(catalogue.types), Same(catalogue.descriptions)
        enabled = tuple(
            machine.is_enabled(feature, device)
            for feature in machine.features
            for device in _bearers(*same, feature.device)
        )
        scopes = ("", machine.machine_type)
        overrides = tuple(item for item in machine.overrides if item.machine_type in scopes)
        self.machine = machine
        self._key = (*same, tuple(machine.features), enabled, overrides)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decided) and other._key == self._key


@lru_cache(maxsize=1024)
def _bearers(
    types: Same[Mapping[str, str | None]], descriptions: Same[Mapping[str, Description]], base: str
) -> tuple[str, ...]:
    """The devices with state that a feature of the type ``base`` is about."""
    catalogue = Catalogue("", types=types.object, descriptions=descriptions.object)
    return tuple(device for device in descriptions.object if base in lineage_of(catalogue, device))


def device_bitmaps(machine: Machine, device: str) -> tuple[SectionBitmap, ...]:
    """A device's sections, each with its bitmap; empty for a device without a description."""
    description = machine.catalogue.descriptions.get(device)
    if description is None:
        return ()
    lineage = lineage_of(machine.catalogue, device)
    features = [item for item in machine.features if item.device in lineage]
    overrides = [item for item in machine.overrides if item.device in lineage]
    if not features and not overrides:
        return _undecided(device, Same(description))
    return tuple(
        _section_bitmap(machine, device, description.name, section, features, overrides)
        for section in described_sections(description)
    )


@lru_cache(maxsize=16_384)
def _undecided(device: str, same: Same[Description]) -> tuple[SectionBitmap, ...]:
    """The bitmaps of a device on which nobody decided anything: alike on every machine type."""
    machine = Machine(Catalogue(version=""))
    return tuple(
        _section_bitmap(machine, device, same.object.name, section, (), ())
        for section in described_sections(same.object)
    )


# --- One section ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Need:
    """State that exists only from a version on: whatever is older cannot carry it."""

    since: int
    what: str


def _section_bitmap(
    machine: Machine,
    device: str,
    device_section: str,
    section: DescribedSection,
    features: Sequence[FeatureSpec],
    overrides: Sequence[Override],
) -> SectionBitmap:
    description = section.description
    needs = _needs(machine, device, section, features)
    losses = _losses(machine, device, section, features) if section.optional else None
    chosen = _chosen(overrides, section.path, machine.machine_type)
    cells = tuple(_cells(description, needs, losses, chosen))
    return SectionBitmap(
        device=device,
        path=section.path,
        name=description.name,
        minimum=description.minimum_version_id,
        current=description.version_id,
        optional=section.optional,
        cells=cells,
        property=bitmap.property_name(device_section, section.path),
        default_value=_value([cell for cell in cells if cell.default]),
        effective_value=_value([cell for cell in cells if cell.effective]),
    )


def _needs(
    machine: Machine, device: str, section: DescribedSection, features: Sequence[FeatureSpec]
) -> list[_Need]:
    needs = []
    owned: set[str] = set()
    owned_versions: set[int] = set()
    for feature in features:
        for carrier in feature.carriers:
            if carrier.section != section.path:
                continue
            owned.update(carrier.fields)
            if carrier.version is None:
                continue
            if not carrier.fields:
                owned_versions.add(carrier.version)
            if machine.is_enabled(feature, device):
                names = f": {', '.join(carrier.fields)}" if carrier.fields else ""
                needs.append(_Need(carrier.version, f"{feature.title}{names}"))
    fields: dict[int, list[str]] = {}
    for item in section.description.fields:
        if item.name not in owned and item.version_id not in owned_versions:
            fields.setdefault(item.version_id, []).append(item.name)
    needs += [_Need(since, ", ".join(dict.fromkeys(names))) for since, names in fields.items()]
    lowest = section.description.minimum_version_id
    return sorted((need for need in needs if need.since > lowest), key=lambda need: need.since)


def _losses(
    machine: Machine, device: str, section: DescribedSection, features: Sequence[FeatureSpec]
) -> tuple[str, ...] | None:
    """What is lost where the section is absent; None where no recorded feature lives in it."""
    living = [
        feature
        for feature in features
        if any(
            carrier.section == section.path and carrier.subsection for carrier in feature.carriers
        )
    ]
    if not living:
        return None
    return tuple(
        f"absent loses {feature.title}" for feature in living if machine.is_enabled(feature, device)
    )


def _chosen(overrides: Sequence[Override], path: str, machine_type: str) -> dict[int, Override]:
    """The override of each version: one for this machine type wins over one for all."""
    chosen = {}
    for scope in dict.fromkeys(["", machine_type]):
        for item in overrides:
            if item.section == path and item.machine_type == scope:
                chosen[item.version] = item
    return chosen


def _cells(
    description: Description,
    needs: Sequence[_Need],
    losses: tuple[str, ...] | None,
    chosen: dict[int, Override],
) -> Iterator[Cell]:
    if losses is not None:
        yield _cell(0, 0, losses, chosen.get(0))
    low, high = max(description.minimum_version_id, 1), description.version_id
    if description.minimum_version_id == 0 and losses is None:
        low = 0  # an old description that never had a version: 0 is one like any other
    for first, last in _runs(low, high, needs, chosen):
        reasons = tuple(
            f"version {_span(first, last)} cannot carry {need.what} (since version {need.since})"
            for need in needs
            if need.since > first
        )
        yield _cell(first, last, reasons, chosen.get(first))


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _runs(
    low: int, high: int, needs: Sequence[_Need], chosen: dict[int, Override]
) -> Iterator[tuple[int, int]]:
    """Runs of versions that are all alike; single versions where there are few."""
    if low > high:
        return
    if high - low < MAX_PLAIN_CELLS:
        starts = list(range(low, high + 1))
    else:
        marks = {low, high, *(need.since for need in needs)}
        for version in chosen:
            marks.update({version, version + 1})
        starts = sorted(mark for mark in marks if low <= mark <= high)
    for first, following in zip(starts, [*starts[1:], high + 1], strict=True):
        yield first, following - 1


def _cell(first: int, last: int, reasons: tuple[str, ...], override: Override | None) -> Cell:
    default = bool(reasons)
    if override is None or (override.action == "relax") != default:
        # Relaxing what is allowed anyway, or forbidding what is forbidden, changes nothing.
        return Cell(first, last, default, default, "default" if default else "allowed", reasons)
    layer: Layer = "relaxed" if default else "tightened"
    return Cell(first, last, default, not default, layer, reasons, override.justification)


def _value(cells: Sequence[Cell]) -> str:
    """The bitmap's text: what :func:`machines.emulator.bitmap.format` writes, but of runs."""
    if not cells or cells[-1].last < bitmap.HEX_BITS:
        return bitmap.format(
            version for cell in cells for version in range(cell.version, cell.last + 1)
        )
    runs: list[tuple[int, int]] = []
    for cell in cells:
        if runs and runs[-1][1] == cell.version - 1:
            runs[-1] = (runs[-1][0], cell.last)
        else:
            runs.append((cell.version, cell.last))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
