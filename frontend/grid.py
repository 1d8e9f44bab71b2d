"""A device's bitmaps as a grid: one row a section, one column a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from machines.emulator.catalogue import Description, Field
from machines.emulator.features import FeatureSpec
from machines.emulator.qdev import ancestors
from policy import rules
from policy.bitmaps import Cell, SectionBitmap
from policy.document import Override
from policy.state import State

MAX_FIELD_ROWS = 1500


@dataclass(frozen=True, slots=True)
class GridRow:
    """A section with one cell, or None, for each column; ``depth`` counts its parents."""

    section: SectionBitmap
    number: int
    depth: int
    features: tuple[FeatureSpec, ...]
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    columns: tuple[int, ...]
    rows: tuple[GridRow, ...]

    @property
    def zero_is_absent(self) -> bool:
        """Does the column 0 mean "absent"? Some old main sections have a true version 0."""
        return all(
            row.section.optional
            for row in self.rows
            if any(cell is not None and cell.version == 0 for cell in row.cells)
        )

    def find(self, path: str, version: int) -> tuple[GridRow, Cell] | None:
        """The section and the cell that holds this version."""
        for row in self.rows:
            if row.section.path == path:
                for cell in row.section.cells:
                    if cell.version <= version <= cell.last:
                        return row, cell
        return None


def grid_of(state: State, machine_type: str, device: str) -> Grid:
    """The device's grid on a machine type; without rows where the device has no state."""
    bitmaps = rules.device_bitmaps(state.policy, state.catalogue, machine_type, device)
    lineage = ancestors(state.catalogue, device)
    features = [
        item for item in rules.features_of(state.policy, state.catalogue) if item.device in lineage
    ]
    columns = tuple(sorted({cell.version for item in bitmaps for cell in item.cells}))
    return Grid(columns, tuple(_rows(bitmaps, columns, features)))


def _rows(
    bitmaps: Sequence[SectionBitmap], columns: Sequence[int], features: Sequence[FeatureSpec]
) -> list[GridRow]:
    paths = {item.path for item in bitmaps}
    rows = []
    for number, item in enumerate(bitmaps):
        by_version = {cell.version: cell for cell in item.cells}
        own = tuple(
            feature
            for feature in features
            if any(carrier.section == item.path for carrier in feature.carriers)
        )
        # A name may hold slashes itself: a parent is a section whose path begins this one's.
        depth = sum(item.path.startswith(f"{path}/") for path in paths)
        cells = tuple(by_version.get(column) for column in columns)
        rows.append(GridRow(item, number, depth, own, cells))
    return rows


def override_of(
    state: State, device: str, path: str, version: int, machine_type: str
) -> Override | None:
    """The override that decides a bit: one for this machine type before one for all."""
    if state.policy is None:
        return None
    lineage = ancestors(state.catalogue, device)
    found = [
        item
        for item in state.policy.overrides
        if (item.section, item.version) == (path, version)
        and item.device in lineage
        and item.machine_type in {"", machine_type}
    ]
    return max(found, key=lambda item: bool(item.machine_type), default=None)


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of a section's layout; a nested structure's fields follow it, one deeper."""

    depth: int
    field: Field


def layout_of(description: Description) -> list[FieldRow]:
    """The fields in the order of the stream; at most :data:`MAX_FIELD_ROWS`."""
    rows: list[FieldRow] = []
    _add_fields(description, 0, rows)
    return rows


def _add_fields(description: Description, depth: int, rows: list[FieldRow]) -> None:
    for field in description.fields:
        if len(rows) >= MAX_FIELD_ROWS:
            return
        rows.append(FieldRow(depth, field))
        if field.struct is not None:
            _add_fields(field.struct, depth + 1, rows)
